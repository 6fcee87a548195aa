"""One record of an export: its fields, their types and their limits.

A record is refused unless it holds exactly these fields. Only ``phone`` must not be empty: it says
whose record this is. The limits are far above those of the CRM's forms. A longer text was mangled
on its way.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from msgspec import Meta, Struct, defstruct

from migrations.importer.declaration import Field

__all__ = [
    "LONGEST_RECORD",
    "Record",
    "are_moments",
    "as_text",
    "in_two",
    "record_type",
    "why_no_moment",
]

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""A date before the CRM's age or in another century is mistyped."""

FURTHEST_OFFSET = timedelta(hours=14)
"""Kiribati's. Postgres takes no offset of 16 hours or more."""

LONGEST_RECORD = 4 << 20
"""Bytes. Texts at their limits, every character escaped as ``\\uXXXX\\uXXXX``, stay below it."""

SourceId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
CreatedAt = Annotated[datetime, Meta(tz=True)]

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TYPES: dict[str, Any] = {
    "integer": Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None,
    "numeric": Decimal | None,
    "boolean": bool | None,
    "date": Annotated[str, Meta(pattern=f"^({_DATE})?$")],
    "timestamp": Annotated[
        str,
        Meta(
            pattern=rf"^({_DATE}[T ][0-9:]{{5,8}}(\.[0-9]{{1,6}})?(Z|[+-][0-9]{{2}}:?[0-9]{{2}}))?$"
        ),
    ],
}

Record = Struct
"""A record of any declaration: ``id``, then its fields by name, as ``record_type`` makes them."""


@cache
def record_type(fields: tuple[Field, ...]) -> type[Struct]:
    """Return the type of records with these fields and ``id``.

    ``id`` belongs to the source: it is checked, but not imported.
    """
    typed = [(field.name, _type(field)) for field in fields]
    return defstruct("Record", [("id", SourceId), *typed], forbid_unknown_fields=True, gc=False)


def _type(field: Field) -> Any:
    if field.name == "created_at":
        return CreatedAt
    if field.kind == "text":
        shortest = 1 if field.name == "phone" else 0
        return Annotated[str, Meta(min_length=shortest, max_length=field.longest)]
    return _TYPES[field.kind]


def as_text(field: Field, values: Sequence[Any]) -> Sequence[str]:
    """Return values of a field as texts for Postgres. A blank is ""."""
    if field.kind in ("text", "date", "timestamp"):
        return values
    texts = ["" if value is None else str(value) for value in values]
    return texts if field.kind == "integer" else [text.lower() for text in texts]


def in_two(texts: Iterable[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Divide names into first and last names: the last word, unless it is the only one."""
    first, last = zip(*[(*text.strip().rsplit(None, 1), "", "")[:2] for text in texts], strict=True)
    return first, last


def why_no_moment(moment: datetime) -> str | None:
    """Say what is wrong with a time with an offset. None if nothing is."""
    offset = moment.utcoffset()
    if offset is None or abs(offset) > FURTHEST_OFFSET:
        return f"is more than {FURTHEST_OFFSET.seconds // 3600} hours off UTC"
    if not EARLIEST <= moment <= LATEST:
        return f"lies outside of {EARLIEST:%Y} to {LATEST:%Y}"
    return None


def are_moments(moments: Sequence[datetime]) -> bool:
    """Whether all times are valid.

    Checking the earliest, the latest and one of each UTC offset is enough.
    """
    of_each_offset = {moment.tzinfo: moment for moment in moments}.values()
    return not any(map(why_no_moment, (min(moments), max(moments), *of_each_offset)))

"""Find a lead by its id, its lead number or its phone in any spelling.

A question is personal data, so it reaches the server by COPY, never as a parameter.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args
from uuid import UUID

from migrations.importer.column import WHOLE_NUMBERS
from migrations.importer.errors import ImportStopped
from migrations.importer.session import Server, copy_text
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = [
    "WAYS",
    "By",
    "LeadNotFound",
    "MeantLead",
    "as_id",
    "create_trace",
    "find_lead",
    "mean_lead",
    "not_found",
]

By = Literal["id", "number", "phone"]
WAYS: tuple[By, ...] = get_args(By)

MOST_LISTED = 10

_TOLD: dict[By, str] = {"id": "its id", "number": "its lead number", "phone": "its phone"}
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_SHORT_NUMBER = re.compile(r"[0-9]{1,18}")


class LeadNotFound(ImportStopped):
    """No lead was found, or more than one."""


class MeantLead(NamedTuple):
    """The id of a lead, as text, and how it was found."""

    id: str
    by: By


def create_trace(server: Server) -> None:
    """Make the temporary tables for naming a lead. Replace them if they are there."""
    server.execute(statement("drop_trace"))
    server.execute(statement("create_trace"))


def find_lead(server: Server, table: LeadsTable, asked: str, by: By | None = None) -> MeantLead:
    """Find a lead, and name it in ``lead_trace_lead`` from then on.

    asked: an id, a lead number or a phone. by: which of these it is, None if nobody has said. A
    removed lead can still be found by its id. Raises ``LeadNotFound``.
    """
    asked = asked.strip()
    if not asked:
        raise not_found(table)
    _copy(server, "lead_trace_asked (value)", asked)
    found = [lead for way in WAYS if by in (None, way) for lead in _find(server, table, asked, way)]
    if len({lead.id for lead in found}) > 1:
        raise LeadNotFound(_ambiguous(found))
    if not found and by in (None, "id") and _may_be_id(asked, table.id_type):
        found = [MeantLead(as_id(asked, table.id_type), "id")]  # the ledger may know it
    if not found:
        raise not_found(table)
    mean_lead(server, found[0].id)
    return found[0]


def not_found(table: LeadsTable) -> LeadNotFound:
    """Return the error for a lead nobody knows. It does not repeat the question."""
    return LeadNotFound(
        f"No lead of {table.leads.table} has this id, lead number or phone, and the ledger does "
        "not know it as an id. Check how it is written."
    )


def mean_lead(server: Server, lead_id: str) -> None:
    """Name the lead for the next statements."""
    server.execute("DELETE FROM lead_trace_lead")
    _copy(server, "lead_trace_lead (lead_id)", lead_id)


def _copy(server: Server, place: str, value: str) -> None:
    with server.transaction("naming the lead"):
        server.copy(place, [copy_text([[value]])], blank_is_null=False)


def _find(server: Server, table: LeadsTable, asked: str, by: By) -> Iterator[MeantLead]:
    if by == "number" and table.lead_number is None:
        return
    if by == "phone" and not table.has_phones:
        return
    cast = _cast(table.id_type)
    if by == "id" and not _may_be_id(asked, table.id_type):
        return
    sql = statement("find_lead", table=table, by=by, cast=cast, most=MOST_LISTED)
    for row in server.execute(sql):
        yield MeantLead(row.lead_id, by)


def _may_be_id(asked: str, type_: str) -> bool:
    """Whether the server can read a text as an id. It would log a text it cannot read."""
    pattern = {"bigint": _SHORT_NUMBER, "uuid": _UUID}.get(_cast(type_))
    return pattern is None or pattern.fullmatch(asked) is not None


def as_id(asked: str, type_: str) -> str:
    """Write an id as the server and the ledger do."""
    match _cast(type_):
        case "bigint":
            return str(int(asked))
        case "uuid":
            return str(UUID(asked))
        case _:
            return asked


def _cast(type_: str) -> str:
    """Return the type to look for an id through its index, or "" for text."""
    if type_ in WHOLE_NUMBERS:
        return "bigint"
    return "uuid" if type_ == "uuid" else ""


def _ambiguous(found: Sequence[MeantLead]) -> str:
    leads = ", ".join(f"{lead.id} ({_TOLD[lead.by]})" for lead in found[:MOST_LISTED])
    return (
        f"Several leads match: {leads}. Name one of them by its id, such as "
        f"'python -m migrations lead {found[0].id} --by id'."
    )

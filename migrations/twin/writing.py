"""Write an export's twin, search it for the export's values, and keep it only if none is there."""

import filecmp
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from migrations.files import partial_path, written_whole
from migrations.importer.declaration import Field, Leads
from migrations.importer.errors import ImportStopped
from migrations.importer.export.reading import Export, open_export
from migrations.importer.phone import key_of
from migrations.twin.mask import Mask
from migrations.twin.phones import is_invented
from migrations.twin.values import kept_fields, masked_record

__all__ = ["CannotMask", "Twin", "write_twin"]

REJECTED = b"{}"
"""Stands for a rejected record. It is rejected too."""

SEARCHED = ("full_name", "email", "address1", "notes", "assigned_agent")
SHORTEST_SEARCHED = 4
"""Characters. Shorter values identify nobody."""

MOST_STATUSES = 20


class CannotMask(ImportStopped):
    """No twin was written."""


@dataclass(frozen=True)
class Twin:
    """What was written. sha256: of the file, in hex. records: how many.

    statuses: the first unmasked words, for somebody to look at.
    """

    name: str
    sha256: str
    records: int
    statuses: tuple[str, ...]

    @property
    def statuses_in_words(self) -> str:
        """Say what is not invented in it."""
        statuses = ", ".join(status or '""' for status in self.statuses)
        return f"The words of status are the same in both: {statuses}."


def write_twin(
    source: Path, target: Path, mask: Mask, leads: Leads, *, set_aside: bool = False
) -> Twin:
    """Write the twin of an export. ``target`` is complete and searched, or does not exist.

    leads: what each record holds. set_aside: keep the place of a record with problems. It has
    problems in the twin too.
    Raises ``ExportRefused`` and ``CannotMask``.
    """
    digest = hashlib.sha256()
    statuses: dict[str, None] = {}
    with written_whole(target) as file:
        with open_export(source, set_aside=set_aside, fields=leads.fields) as export:
            lines = _masked_lines(export, mask, leads.fields, kept_fields(leads), statuses)
            for n, line in enumerate(lines):
                block = (b",\n" if n else b"[\n") + line
                digest.update(block)
                file.write(block)
        digest.update(b"\n]\n")
        file.write(b"\n]\n")
        file.flush()
        _refuse_what_is_found_again(source, partial_path(target), target.name, leads)
        if target.exists() and not filecmp.cmp(target, partial_path(target), shallow=False):
            raise CannotMask(
                f"{target.name} is there already, with other people. Nothing was replaced. Keep "
                "it, or remove it first if no database has imported it."
            )
    return Twin(target.name, digest.hexdigest(), export.count, tuple(statuses)[:MOST_STATUSES])


def _masked_lines(
    export: Export,
    mask: Mask,
    fields: Sequence[Field],
    kept: Collection[str],
    statuses: dict[str, None],
) -> Iterator[bytes]:
    here = 0
    for positions, records in export.checked():
        for position, record in zip(positions, records, strict=True):
            yield from [REJECTED] * (position - here)
            values = msgspec.structs.asdict(record)
            statuses.setdefault(values.get("status", ""))
            yield msgspec.json.encode(masked_record(mask, position + 1, values, fields, kept))
            here = position + 1
    yield from [REJECTED] * (export.count - here)


def _refuse_what_is_found_again(source: Path, twin: Path, name: str, leads: Leads) -> None:
    searched = [field for field in SEARCHED if field not in kept_fields(leads)]
    theirs = {
        _short(value)
        for _, record in _records(source, leads)
        for value in (*_values(record, searched), key_of(record["phone"]))
    }
    for position, record in _records(twin, leads):
        for field in searched:
            if any(_short(value) in theirs for value in _values(record, [field])):
                raise _found(name, position, field, "is a value of the export")
        if _short(key_of(record["phone"])) in theirs or not is_invented(record["phone"]):
            raise _found(name, position, "phone", "may be somebody's")
        if record["email"].strip() and not record["email"].endswith("@example.org"):
            raise _found(name, position, "email", "may be somebody's")


def _found(name: str, position: int, field: str, reason: str) -> CannotMask:
    return CannotMask(
        f"{name}: record {position}, {field}: {reason}. Nothing was kept. Leave the twin out with "
        "--no-twin, and tell the maintainers of migrations/twin/ which field it was."
    )


def _records(path: Path, leads: Leads) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_export(path, set_aside=True, fields=leads.fields) as export:
        for positions, records in export.checked():
            for position, record in zip(positions, records, strict=True):
                yield position + 1, msgspec.structs.asdict(record)


def _values(record: dict[str, Any], fields: Sequence[str]) -> Iterator[str]:
    for field in fields:
        value = " ".join(record[field].casefold().split())
        if len(value) >= SHORTEST_SEARCHED:
            yield value


def _short(value: str) -> int:
    """Shorten a value to eight bytes, because an export has many."""
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest())

"""Stage an export: check it on its way into a temporary table, before anything is written.

Batches take their records from there, so they import what was checked, whatever happens to the
file.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec
from msgspec.structs import astuple

from migrations.importer.declaration import Field
from migrations.importer.erased import REASON as ERASED_REASON
from migrations.importer.errors import SHOWN_PROBLEMS, ExportRefused, Problem, Stopped
from migrations.importer.export.reading import Piece
from migrations.importer.names import quoted
from migrations.importer.progress import Progress
from migrations.importer.record import as_text, in_two
from migrations.importer.session import Server, Session, copy_text
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = [
    "Records",
    "convert",
    "copy_export",
    "create_old_values",
    "create_stage",
    "drop_stage",
    "fold_repeats",
    "keep_written",
    "leave_out_rejected",
    "leave_out_rejected_before",
    "refuse_rejected",
    "stage_again",
    "stage_export",
]

PRINTED = 100
"""Bytes of a line for the record's position and blanks, before its values. If a COPY is cut off,
the server's log and the driver's standard error show so much of it (MAX_COPY_DATA_DISPLAY)."""


class Records(Protocol):
    """What to stage: an export, or some records of one."""

    name: str
    fields: tuple[Field, ...]

    @property
    def rejected(self) -> list[Problem]:
        """What is wrong with rejected records."""

    def checked(self, progress: Callable[[int, int], None]) -> Iterator[Piece]:
        """Yield its records as they are checked."""


def create_stage(session: Session, table: LeadsTable) -> None:
    """Make the temporary tables and functions for preparing an export."""
    session.execute(statement("create_stage", table=table))
    if table.converted:
        session.execute(statement("create_convert", table=table))


def create_old_values(session: Session, table: LeadsTable) -> None:
    """Make the function that writes old values as the columns do today, if it is needed."""
    if table.is_typed:
        session.execute(statement("create_old_values", table=table))


def drop_stage(session: Session) -> None:
    """Drop what ``create_stage`` made, if it is there."""
    session.execute(statement("drop_stage"))


def stage_export(
    session: Session, table: LeadsTable, export: Records, why_stop: Callable[[], str | None]
) -> None:
    """Check an export while it goes to the server.

    why_stop: asked again and again. A reason stops it. Raises ``ExportRefused`` with every problem
    found, and ``Stopped``. Then nothing is staged.
    """
    with session.transaction("staging the export"):
        copy_export(session, table, export, why_stop)
        without_key = session.execute(statement("without_key", table=table)).scalars().all()
        if without_key:
            problems = [
                Problem(position + 1, "phone", "is not one phone number")
                for position in without_key
            ]
            raise ExportRefused(export.name, problems)


def copy_export(
    session: Session,
    table: LeadsTable,
    export: Records,
    why_stop: Callable[[], str | None] = lambda: None,
) -> None:
    """Send an export's records, and what is wrong with rejected ones."""
    columns = ["record", *(quoted(field.name) for field in table.fields)]
    columns += [column.written for column in table.parts]
    session.copy(f"{table.arrivals} ({', '.join(columns)})", _rows(export, table, why_stop))
    if export.rejected:
        positions, names, reasons = zip(*export.rejected, strict=True)
        rows = copy_text([[str(position - 1) for position in positions], names, reasons])
        session.copy("lead_import_rejected (record, field, reason)", [rows], blank_is_null=False)


def convert(session: Session, table: LeadsTable) -> None:
    """Convert the staged texts into the columns' values: find what they name, and cast them.

    List failures in ``lead_import_rejected``.
    """
    if not table.converted:
        return
    with session.transaction("converting the records"):
        for column in table.lookups:
            session.execute(statement("look_up", table=table, column=column))
        session.execute(statement("convert"))
        if table.phone_is_e164:
            session.execute(statement("check_phones"))


def refuse_rejected(session: Session, export: str, *, set_aside: bool) -> None:
    """Refuse an export with problems, or leave those records out if others remain.

    Raises ``ExportRefused``.
    """
    found = session.execute(statement("problems"), most=SHOWN_PROBLEMS, erased=ERASED_REASON).all()
    leave_out_rejected(session)
    remain = session.execute("SELECT EXISTS (SELECT FROM lead_import_stage)").scalar_one()
    if found and not (set_aside and remain):
        problems = [Problem(row.record + 1, row.field, row.reason) for row in found]
        raise ExportRefused(
            export,
            problems,
            found[0].total,
            "Correct the export at its source, or the declaration, then run again.",
            is_file_wrong=False,
        )


def leave_out_rejected(session: Session) -> None:
    """Take rejected records out of the stage."""
    session.execute(statement("delete_rejected"))


def stage_again(server: Server, table: LeadsTable, export: Records, import_id: int) -> None:
    """Stage an export as an import has treated it, on a connection that otherwise only reads.

    Raises ``ExportRefused``.
    """
    with server.writable():
        drop_stage(server)
        create_stage(server, table)
        create_old_values(server, table)
    stage_export(server, table, export, lambda: None)
    convert(server, table)
    keep_written(server, import_id)
    fold_repeats(server, table)


def leave_out_rejected_before(session: Session, import_id: int) -> None:
    """Take the records out of the stage that an import's ledger knows as rejected."""
    session.execute(statement("rejected_before"), **{"import": import_id})
    leave_out_rejected(session)


def keep_written(session: Session, import_id: int) -> None:
    """Leave only records an import has reached and not rejected.

    The others must not be folded into them, because nothing was written of those. What no longer
    converts, because an agent has gone since for example, was written all the same.
    """
    session.execute("DELETE FROM lead_import_rejected")
    leave_out_rejected_before(session, import_id)
    session.execute(statement("delete_unreached"), **{"import": import_id})


def fold_repeats(session: Session, table: LeadsTable) -> None:
    """Let records of one phone become the last of them."""
    with session.transaction("folding the records that share a phone"):
        repeats = session.execute(statement("find_repeats"))
        if repeats is not None and repeats.rowcount == 0:  # a script cannot know
            return
        session.execute(statement("fold_repeats", table=table))
        session.execute(statement("delete_repeats"))


def _rows(
    export: Records, table: LeadsTable, why_stop: Callable[[], str | None]
) -> Iterator[bytes]:
    with Progress(f"checking {export.name}", "MB") as progress:
        pieces = export.checked(lambda done, size: progress.at(done / 1e6, size / 1e6))
        for positions, records in pieces:
            if reason := why_stop():
                raise Stopped(
                    f"{export.name}: stopped while it was checked, because {reason}. "
                    "This run has written nothing."
                )
            _, *columns = zip(*map(astuple, records), strict=True)
            texts = [
                _isoformat(column) if field.name == "created_at" else as_text(field, column)
                for field, column in zip(export.fields, columns, strict=True)
            ]
            parts = _parts(table, dict(zip(export.fields, texts, strict=True)))
            padded = [str(position).ljust(PRINTED) for position in positions]
            yield copy_text([padded, *texts, *parts])
            # Client and server are both at work, perhaps on the site's own two cores. Give one to
            # whoever waits for it.
            _let_others_run()


def _parts(table: LeadsTable, texts: Mapping[Field, Sequence[str]]) -> list[Sequence[str]]:
    """Return the columns of the table's pairs. texts: those of each field."""
    pairs = {field: in_two(texts[field]) for field in {column.field for column in table.parts}}
    return [pairs[column.field][column.part or 0] for column in table.parts]


_let_others_run = getattr(os, "sched_yield", lambda: None)
"""A courtesy. Not every system has it."""


def _isoformat(moments: Sequence[datetime]) -> list[str]:
    """Return the ``isoformat`` of each. All at once takes a tenth of the time."""
    return msgspec.json.encode(moments).decode().removeprefix('["').removesuffix('"]').split('","')

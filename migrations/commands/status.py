"""``status``: list the imports in the ledger, and those still to come."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import asdict
from rich.text import Text
from sqlalchemy import Connection

from migrations.commands.project import alembic_config, reading
from migrations.console import console, counted, print_json, printable
from migrations.deploy.lock import Holder, find_holder
from migrations.history import History, faults, read_history
from migrations.importer.how_far import time_span
from migrations.importer.ledger import OUTCOMES, Receipt, Work, all_work
from migrations.importer.pinned import Import

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``status`` to its parser."""
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")


@dataclass(frozen=True)
class Status:
    """What the database says of its imports.

    work: what the batches of each import took, by its id. holder: who holds the deploy lock.
    """

    history: History
    work: Mapping[int, Work]
    holder: Holder | None

    def is_running(self, receipt: Receipt) -> bool:
        """Whether an import or its revert is running now."""
        return receipt.is_open and self.holder is not None and self.holder.is_importing


def run(arguments: Namespace) -> int:
    """Read the history, print it, and return the exit status."""
    with reading("reading the ledger") as connection:
        status = _read_status(connection)
    if arguments.json:
        print_json(_as_json(status))
    else:
        _print_status(status)
    return 0


def _read_status(connection: Connection) -> Status:
    # Read the lock first: an import ending meanwhile must not seem to have stopped.
    holder = find_holder(connection)
    history = read_history(connection, alembic_config())
    work = all_work(connection) if history.receipts and not history.missing else {}
    return Status(history, work, holder)


def _import_as_json(import_: Import) -> dict[str, Any]:
    return {**import_.pinned, "leads": import_.leads.table}


def _as_json(status: Status) -> dict[str, Any]:
    history = status.history
    return {
        "stamped": history.stamped,
        "imports": [_receipt_as_json(status, receipt) for receipt in history.receipts],
        "pending": [_import_as_json(import_) for import_ in history.pending],
        "faults": [str(fault) for fault in faults(history)],
        "deploy_lock": asdict(status.holder) if status.holder else None,
    }


def _receipt_as_json(status: Status, receipt: Receipt) -> dict[str, Any]:
    """Return a receipt for machines: times in ISO 8601, its state, and the seconds it took."""
    times = {
        name: value.isoformat()
        for name, value in asdict(receipt).items()
        if name.endswith("_at") and value is not None
    }
    work = status.work.get(receipt.id)
    return {
        **asdict(receipt),
        **times,
        "state": receipt.state,
        "seconds": receipt.took.total_seconds() if receipt.took is not None else None,
        "running": status.is_running(receipt),
        "per_cent": _per_cent(receipt.next_record, receipt),
        "worked_seconds": work and work.seconds,
        "records_a_second": work and work.rate,
        "seconds_left": work and (receipt.records - receipt.next_record) / work.rate,
    }


def _per_cent(done: int, receipt: Receipt) -> int:
    return 100 * done // receipt.records


def _print_status(status: Status) -> None:
    """Print the receipts, the imports still to come, and what is wrong."""
    say, history = console().print, status.history
    say(f"The database is stamped {', '.join(history.stamped) or 'with nothing'}.")
    if not history.receipts:
        say("Its ledger has no imports.")
    for receipt in history.receipts:
        say()
        say(_receipt_in_words(status, receipt))
    if history.pending:
        say()
    for import_ in history.pending:
        say(_pending_in_words(import_))
    for fault in faults(history):
        # What the next upgrade goes on with is told of its import already.
        if fault.stops_upgrade or not fault.revision:
            say()
            say(Text.assemble(("wrong: ", "bold red"), printable(str(fault))))


def _receipt_in_words(status: Status, receipt: Receipt) -> Text:
    name = printable(receipt.export)
    words = Text.assemble((name, "bold"), "  ", (receipt.state, _STYLES[receipt.state]))
    for about, fact in _facts(status, receipt):
        words.append(f"\n  {about:9}", "dim").append(printable(fact))
    return words


def _pending_in_words(import_: Import) -> Text:
    not_imported = ("not imported", "yellow")
    return Text.assemble(
        (import_.export, "bold"), f": {import_.records:,} records, ", not_imported, "."
    )


_STYLES = {
    "complete": "green",
    "unfinished": "yellow",
    "being reverted": "yellow",
    "reverted": "dim",
}


def _facts(status: Status, receipt: Receipt) -> Iterator[tuple[str, str]]:
    counts = ", ".join(f"{getattr(receipt, outcome):,} {outcome}" for outcome in OUTCOMES)
    work = status.work.get(receipt.id)
    yield "records", f"{receipt.records:,}: {counts}"
    if receipt.state == "unfinished":
        yield _how_far(status, receipt, work)
    yield "revision", receipt.revision
    yield "sha256", f"{receipt.sha256[:12]}…"
    yield "when", _when(receipt, work)
    yield "by", receipt.ran_by + (f", release {receipt.release[:12]}" if receipt.release else "")
    if receipt.state == "being reverted":
        at = f"up to {_at(receipt.revert_next_record, receipt)}"
        running = f"running now: {status.holder}" if status.is_running(receipt) else "stopped"
        yield "reverted", f"{at}, {running}"
    if receipt.forgotten:
        yield "forgot", f"the old values of {counted(receipt.forgotten, 'lead')}"
    if receipt.reverted_at:
        yield "reverted", f"{receipt.reverted_at:%Y-%m-%d %H:%M} UTC: {receipt.revert_in_words}"


def _how_far(status: Status, receipt: Receipt, work: Work | None) -> tuple[str, str]:
    """Say whether an unfinished import is running, how far it is, and how fast it works."""
    at, rate = _at(receipt.next_record, receipt), f", {work.rate:,.0f} a second" if work else ""
    if not status.is_running(receipt):
        since = f" since {work.last_at:%Y-%m-%d %H:%M} UTC" if work else ""
        return "stopped", f"at {at}{since}{rate}"
    left = (receipt.records - receipt.next_record) / work.rate if work else None
    left_in_words = "" if left is None else f", {time_span(left)} of work left"
    return "running", f"now, at {at}{rate}{left_in_words}: {status.holder}"


def _at(done: int, receipt: Receipt) -> str:
    return f"record {done:,} of {receipt.records:,} ({_per_cent(done, receipt)} %)"


def _when(receipt: Receipt, work: Work | None) -> str:
    """Say when an import began and ended, and how long its batches took, without pauses."""
    start, end = (
        f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
        for moment in (receipt.started_at, receipt.finished_at)
    )
    span = f"{start} to {end}" if end and end != start else start
    return f"{span}, {time_span(work.seconds)} of work" if work else span

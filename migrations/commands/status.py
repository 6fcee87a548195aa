"""``status``: list what imports have left in the ledger, and what the code still has to import."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from alembic.script import ScriptDirectory
from rich.text import Text
from sqlalchemy import Connection

from migrations.commands.project import reading, revisions
from migrations.console import console, print_json, printable
from migrations.history import imports_of, stamped_heads
from migrations.importer.ledger import OUTCOMES, Receipt, all_receipts
from migrations.importer.progress import time_span
from migrations.importer.v1 import Import

__all__ = ["Status", "add_arguments", "print_status", "read_status", "receipt_as_json", "run"]


@dataclass(frozen=True)
class Status:
    """stamped: the database's revisions; receipts: the oldest first; pending: imports
    without one."""

    stamped: list[str]
    receipts: list[Receipt]
    pending: list[Import]


def add_arguments(parser: ArgumentParser) -> None:
    """Add what ``status`` understands to its parser."""
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")


def run(arguments: Namespace) -> int:
    """Read the ledger and print it; returns the exit status."""
    with reading("reading the ledger") as connection:
        status = read_status(connection, revisions())
    if arguments.json:
        print_json(_as_json(status))
    else:
        print_status(status)
    return 0


def read_status(connection: Connection, script: ScriptDirectory) -> Status:
    """Read the ledger. Where there is none, there are no receipts, and all imports are pending."""
    receipts = all_receipts(connection)
    live = {receipt.revision for receipt in receipts if receipt.reverted_at is None}
    revisions = [step.revision for step in script.walk_revisions()][::-1]
    pending = [import_ for import_ in imports_of(script, revisions) if import_.revision not in live]
    return Status(sorted(stamped_heads(connection)), receipts, pending)


def _as_json(status: Status) -> dict[str, Any]:
    return {
        "stamped": status.stamped,
        "imports": [receipt_as_json(receipt) for receipt in status.receipts],
        "pending": [asdict(import_) for import_ in status.pending],
    }


def receipt_as_json(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt for machines: times in ISO 8601, its state, and the seconds it took."""
    times = {
        name: value.isoformat()
        for name, value in asdict(receipt).items()
        if name.endswith("_at") and value is not None
    }
    seconds = receipt.took.total_seconds() if receipt.took is not None else None
    return asdict(receipt) | times | {"state": receipt.state, "seconds": seconds}


def print_status(status: Status) -> None:
    """Print the receipts of the ledger and the imports that are still to come."""
    say = console().print
    say(f"The database is stamped {', '.join(status.stamped) or 'with nothing'}.")
    if not status.receipts:
        say("Its ledger has no imports.")
    for receipt in status.receipts:
        say()
        say(_receipt_in_words(receipt))
    if status.pending:
        say()
    for import_ in status.pending:
        say(_pending_in_words(import_))


def _receipt_in_words(receipt: Receipt) -> Text:
    name = printable(receipt.export)
    words = Text.assemble((name, "bold"), "  ", (receipt.state, _STYLES[receipt.state]))
    for about, fact in _facts(receipt):
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


def _facts(receipt: Receipt) -> Iterator[tuple[str, str]]:
    counts = ", ".join(f"{getattr(receipt, outcome):,} {outcome}" for outcome in OUTCOMES)
    yield "records", f"{receipt.records:,}: {counts}"
    if not receipt.complete:
        yield "stopped", f"at record {receipt.next_record:,} of {receipt.records:,}, or running now"
    yield "revision", receipt.revision
    yield "sha256", f"{receipt.sha256[:12]}…"
    took = f", {time_span(receipt.took.total_seconds())}" if receipt.took is not None else ""
    yield "when", f"{receipt.started_at:%Y-%m-%d %H:%M} UTC{took}"
    yield "by", receipt.ran_by + (f", release {receipt.release[:12]}" if receipt.release else "")
    if receipt.state == "being reverted":
        at = f"{receipt.revert_next_record:,} of {receipt.records:,}"
        yield "reverted", f"up to record {at}, or running now"
    if receipt.reverted_at:
        yield "reverted", f"{receipt.reverted_at:%Y-%m-%d %H:%M} UTC: {receipt.revert_in_words}"

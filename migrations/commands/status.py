"""``status``: list what imports have left in the ledger, and what the code still has to import."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.text import Text

from migrations.commands.project import alembic_config, reading
from migrations.console import console, print_json, printable
from migrations.history import History, faults, read_history
from migrations.importer.ledger import OUTCOMES, Receipt
from migrations.importer.progress import time_span
from migrations.importer.v1 import Import

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add what ``status`` understands to its parser."""
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")


def run(arguments: Namespace) -> int:
    """Read the history and print it; returns the exit status."""
    with reading("reading the ledger") as connection:
        history = read_history(connection, alembic_config())
    if arguments.json:
        print_json(_as_json(history))
    else:
        _print_status(history)
    return 0


def _import_as_json(import_: Import) -> dict[str, Any]:
    return {**import_.pinned, "leads": import_.leads.table}


def _as_json(history: History) -> dict[str, Any]:
    return {
        "stamped": history.stamped,
        "imports": [_receipt_as_json(receipt) for receipt in history.receipts],
        "pending": [_import_as_json(import_) for import_ in history.pending],
        "faults": [str(fault) for fault in faults(history)],
    }


def _receipt_as_json(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt for machines: times in ISO 8601, its state, and the seconds it took."""
    times = {
        name: value.isoformat()
        for name, value in asdict(receipt).items()
        if name.endswith("_at") and value is not None
    }
    seconds = receipt.took.total_seconds() if receipt.took is not None else None
    return asdict(receipt) | times | {"state": receipt.state, "seconds": seconds}


def _print_status(history: History) -> None:
    """Print the receipts of the ledger, the imports that are still to come, and what is wrong."""
    say = console().print
    say(f"The database is stamped {', '.join(history.stamped) or 'with nothing'}.")
    if not history.receipts:
        say("Its ledger has no imports.")
    for receipt in history.receipts:
        say()
        say(_receipt_in_words(receipt))
    if history.pending:
        say()
    for import_ in history.pending:
        say(_pending_in_words(import_))
    for fault in faults(history):
        if fault.stops_upgrade:
            say()
            say(Text.assemble(("wrong: ", "bold red"), printable(str(fault))))


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

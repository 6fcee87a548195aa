"""What the commands print: words for people, one JSON object for machines.

In colour on a terminal, unless NO_COLOR is set; plain text elsewhere. No personal data, but for a
preview's JSON where it was asked for.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from io import TextIOWrapper
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from migrations.commands.status import Status, receipt_as_json, state_of
from migrations.commands.verify import Checked, Verdict
from migrations.importer.ledger import Receipt
from migrations.importer.progress import time_span
from migrations.preview.figures import OUTCOMES, ChangedLead, Figures, Preview

__all__ = [
    "preview_as_json",
    "take_any_text",
    "tell_json",
    "tell_preview",
    "tell_status",
    "tell_verdict",
]


def take_any_text() -> None:
    """Let standard output write "?" for what its encoding has no character for, instead of
    failing."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def tell_json(told: dict[str, Any]) -> None:
    """One object on one line."""
    print(json.dumps(told, default=str))


# The preview.


def tell_preview(preview: Preview) -> None:
    """The figures of a preview: records, leads, and rows of each table."""
    take_any_text()
    say = _console().print
    say()
    for figures in preview.imports:
        say(Text.assemble((_plain(figures.export), "bold"), f": {_outcomes(figures)}."))
    if not preview.imports:
        say(
            f"{_plain(preview.refused)}: refused."
            if preview.refused
            else "No import to run or to take back."
        )
    say(
        f"Leads: {preview.leads_before:,} before, {preview.leads_after:,} after, "
        f"{preview.deleted:,} deleted."
    )
    say()
    say("Rows written by the dry run, counted by Postgres:")
    say(_rows_written(preview))
    say("Everything was rolled back.")


def preview_as_json(preview: Preview, *, show_personal_data: bool = False) -> dict[str, Any]:
    """A preview for machines.

    Without ``show_personal_data`` a lead that changes is its id and the names of its fields, and
    those that are created are a number.
    """
    leads: dict[str, Any] = {
        "changed": [_changed(lead, show_personal_data) for lead in preview.changed]
    }
    if show_personal_data:
        leads["created"] = [lead.values for lead in preview.created]
    return {
        "database": preview.database,
        "taken_at": preview.taken_at.isoformat(),
        "leads": {
            "before": preview.leads_before,
            "after": preview.leads_after,
            "deleted": preview.deleted,
        },
        "refused": preview.refused or None,
        "imports": [asdict(figures) for figures in preview.imports],
        "tables": [asdict(rows) | {"kept": rows.is_kept} for rows in preview.tables],
        **leads,
        "total_changed": preview.total_changed,
        "total_created": preview.total_created,
        "problems": [problem._asdict() for problem in preview.problems],
        "total_problems": preview.total_problems,
    }


def _outcomes(figures: Figures) -> str:
    names = [
        name
        for name, count in figures.counts.items()
        if count or name in (*OUTCOMES[:3], "restored", "kept")
    ]
    counts = [f"{figures.counts[name]:,} {name}" for name in names]
    of = f" of {figures.records:,}" if figures.done != figures.records else ""
    taken_back = " taken back" if "restored" in figures.counts else ""
    return f"{figures.done:,}{of} records{taken_back}: {', '.join(counts)}"


def _rows_written(preview: Preview) -> Table:
    table = Table(box=None, pad_edge=True)
    table.add_column("table", overflow="fold")
    for column in ("inserted", "updated", "deleted"):
        table.add_column(column, justify="right")
    for rows in preview.listed_tables:
        style = "" if rows.is_written else "dim"
        style = style if rows.is_kept or not preview.is_upgrade else "bold red"
        counts = (f"{count:,}" for count in (rows.inserted, rows.updated, rows.deleted))
        table.add_row(_plain(rows.table), *counts, style=style)
    if others := len(preview.unlisted_tables):
        table.add_row(f"{others} other tables", "0", "0", "0", style="dim")
    return table


def _changed(lead: ChangedLead, show_personal_data: bool) -> dict[str, Any]:
    if not show_personal_data:
        return {"id": lead.id, "fields": lead.fields}
    return {
        "id": lead.id,
        "fields": {name: [lead.old[name], lead.new[name]] for name in lead.fields},
    }


# The status.


def tell_status(status: Status, *, as_json: bool) -> None:
    """The receipts of the ledger, and what is not imported yet."""
    if as_json:
        pending = [asdict(import_) for import_ in status.pending]
        imports = [receipt_as_json(receipt) for receipt in status.receipts]
        tell_json({"stamped": status.stamped, "imports": imports, "pending": pending})
        return
    say = _console().print
    say(f"The database is stamped {', '.join(status.stamped) or 'with nothing'}.")
    if not status.receipts:
        say("Its ledger has no imports.")
    for receipt in status.receipts:
        say()
        say(_receipt(receipt))
    if status.pending:
        say()
    for import_ in status.pending:
        say(
            Text.assemble(
                (import_.export, "bold"),
                f": {import_.records:,} records, ",
                ("not imported", "yellow"),
                ".",
            )
        )


def _receipt(receipt: Receipt) -> Text:
    state = state_of(receipt)
    told = Text.assemble((_plain(receipt.export), "bold"), "  ", (state, _STYLES[state]))
    for name, fact in _facts(receipt):
        told.append(f"\n  {name:9}", "dim").append(_plain(fact))
    return told


_STYLES = {
    "complete": "green",
    "unfinished": "yellow",
    "being reverted": "yellow",
    "reverted": "dim",
}


def _facts(receipt: Receipt) -> Iterable[tuple[str, str]]:
    counts = ", ".join(f"{getattr(receipt, outcome):,} {outcome}" for outcome in OUTCOMES)
    yield "records", f"{receipt.records:,}: {counts}"
    if not receipt.complete:
        yield "stopped", f"at record {receipt.next_record:,} of {receipt.records:,}, or running now"
    yield "revision", receipt.revision
    yield "sha256", f"{receipt.sha256[:12]}…"
    took = (
        f", {time_span((receipt.finished_at - receipt.started_at).total_seconds())}"
        if receipt.finished_at
        else ""
    )
    yield "when", f"{receipt.started_at:%Y-%m-%d %H:%M} UTC{took}"
    yield "by", receipt.ran_by + (f", release {receipt.release[:12]}" if receipt.release else "")
    if receipt.revert_next_record and not receipt.reverted_at:
        yield (
            "reverted",
            f"up to record {receipt.revert_next_record:,} of {receipt.records:,}, or running now",
        )
    if receipt.reverted_at:
        yield (
            "reverted",
            f"{receipt.reverted_at:%Y-%m-%d %H:%M} UTC: "
            f"{receipt.way_back.partition('taken back: ')[2]}",
        )


# The verdict.


def tell_verdict(verdict: Verdict, *, as_json: bool) -> None:
    """What ``verify`` found: per import, all right or what is wrong, and what people have edited
    since."""
    if as_json:
        tell_json(
            {
                "ok": not verdict.all_problems,
                "as_imported": verdict.is_as_imported,
                **asdict(verdict),
            }
        )
        return
    say = _console().print
    for checked in verdict.imports:
        if not checked.problems:
            say(
                Text.assemble(
                    (checked.export, "bold"),
                    ": ",
                    ("imported and right", "green"),
                    f". {_since(checked)}",
                )
            )
    for problem in verdict.all_problems:
        say(Text.assemble(("wrong: ", "bold red"), problem))
    if not verdict.imports and not verdict.problems:
        say("This code has no import to verify.")


def _since(checked: Checked) -> str:
    if checked.is_as_imported:
        return "No lead was edited or removed since."
    told = []
    if checked.edited:
        fields = ", ".join(f"{field} {leads:,}" for field, leads in checked.fields.items())
        told.append(f"{_leads(checked.edited)} edited since ({fields})")
    if checked.removed:
        told.append(f"{_leads(checked.removed)} removed since")
    if checked.lost:
        told.append(
            f"{_leads(checked.lost)} that the import left as they were removed or given another "
            f"phone since"
        )
    return "; ".join(told) + "."


def _leads(count: int) -> str:
    return "1 lead" if count == 1 else f"{count:,} leads"


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def _plain(text: str) -> str:
    """A text from the database without what a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in text)

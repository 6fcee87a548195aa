"""A preview as words for people and as JSON for machines.

No personal data is in either, unless the JSON is asked for it.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from migrations.console import accept_any_text, console, printable
from migrations.preview.figures import ChangedLead, Figures, Preview

__all__ = ["preview_as_json", "print_preview"]

ALWAYS_SAID = ("created", "updated", "unchanged", "restored", "kept")
"""Counts that are worth their words even if they are 0."""


def print_preview(preview: Preview) -> None:
    """Print the figures of a preview: records, leads, and rows of each table."""
    accept_any_text()
    say = console().print
    say()
    for line in _imports_in_words(preview):
        say(line)
    say(
        f"Leads: {preview.leads_before:,} before, {preview.leads_after:,} after, "
        f"{preview.deleted:,} deleted."
    )
    say()
    say("Rows written by the dry run, counted by Postgres:")
    say(_rows_written(preview))
    say("Everything was rolled back.")


def preview_as_json(preview: Preview, *, show_personal_data: bool = False) -> dict[str, Any]:
    """Return a preview for machines.

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


def _imports_in_words(preview: Preview) -> Iterator[Text]:
    for figures in preview.imports:
        yield Text.assemble((printable(figures.export), "bold"), f": {_outcomes_in_words(figures)}")
    if preview.imports:
        return
    if preview.refused:
        yield Text(f"{printable(preview.refused)}: refused.")
    else:
        yield Text("No import to run or to revert.")


def _outcomes_in_words(figures: Figures) -> str:
    counts = ", ".join(
        f"{count:,} {name}"
        for name, count in figures.counts.items()
        if count or name in ALWAYS_SAID
    )
    of_all = f" of {figures.records:,}" if figures.done != figures.records else ""
    reverted = " reverted" if figures.is_revert else ""
    return f"{figures.done:,}{of_all} records{reverted}: {counts}."


def _rows_written(preview: Preview) -> Table:
    table = Table(box=None, pad_edge=True)
    table.add_column("table", overflow="fold")
    for column in ("inserted", "updated", "deleted"):
        table.add_column(column, justify="right")
    for rows in preview.listed_tables:
        style = "" if rows.is_written else "dim"
        style = style if rows.is_kept or not preview.is_upgrade else "bold red"
        counts = (f"{count:,}" for count in (rows.inserted, rows.updated, rows.deleted))
        table.add_row(printable(rows.table), *counts, style=style)
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

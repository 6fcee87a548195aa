"""Tell a preview in words for people, and in JSON for machines.

Neither holds personal data unless asked for. Of a lead's values, the words show only the status,
and masked phones and e-mails.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from migrations.console import accept_any_text, console, printable
from migrations.preview.difference import Part, marked
from migrations.preview.figures import SPELLED, ChangedLead, Figures, Preview
from migrations.preview.masking import masked

__all__ = ["outcomes_in_words", "preview_as_json", "print_preview", "totals_in_words"]

ALWAYS_SAID = ("created", "updated", "unchanged", "restored", "kept")
"""Counts to print even if they are 0."""

MOST_PRINTED = 50
"""Leads of a kind to print, a line each."""

TELLING = "status"
"""The field to print first: people look at it, and it is nobody's data."""

SHOWN_MASKED = (TELLING, SPELLED, "email")
"""Fields to print with their values. Others, such as notes, are only named."""

SAME_NUMBER = "same number, written differently"

_SPACE = re.compile(r"\s+")


def print_preview(
    preview: Preview, *, leads: bool = False, show_personal_data: bool = False
) -> None:
    """Print the figures of a preview: records, leads, fields, and rows of each table.

    leads: add a line for each lead. show_personal_data: with all its old and new values.
    """
    accept_any_text()
    say = console().print
    say()
    if preview.tables:
        say("DRY RUN: this is what would be done.")
    say(f"Database: {printable(preview.database)}")
    for line in _imports_in_words(preview):
        say(line)
    say(
        f"Leads: {preview.leads_before:,} before, {preview.leads_after:,} after, "
        f"{preview.deleted:,} deleted."
    )
    if totals := totals_in_words(preview):
        say(totals)
    for line in _problems_in_words(preview):
        say(line)
    if leads:
        for line in _leads_in_words(preview, show_personal_data):
            say(line)
    for made in preview.schema:
        say(f"Schema: {printable(made)}")
    if not preview.tables:
        will_import = preview.imports and not preview.refused
        next_action = " If this is right, run 'alembic upgrade head'." if will_import else ""
        say(f"Nothing was changed.{next_action}")
        return
    say()
    say("Rows written by the dry run, counted by Postgres:")
    say(_rows_written(preview))
    say("Everything was rolled back.")


def totals_in_words(preview: Preview) -> str:
    """Say how many leads change, by field, as in "status 8, address1 7". Returns "" if none do."""
    totals = [f"{printable(name)} {count:,}" for name, count in preview.field_totals.items()]
    if preview.respelled:
        totals.append(f"{SPELLED} {preview.respelled:,} ({SAME_NUMBER})")
    if not totals:
        return ""
    listed = len(preview.changed)
    of_first = f" of the first {listed:,} leads" if listed < preview.total_changed else ""
    return f"Fields that change{of_first}: {', '.join(totals)}."


def outcomes_in_words(figures: Figures) -> str:
    """Say what became of an import's records, as in "217 records: 207 created, 10 updated."."""
    counts = ", ".join(
        f"{count:,} {name}"
        for name, count in figures.counts.items()
        if count or name in ALWAYS_SAID
    )
    of_all = f" of {figures.records:,}" if figures.done != figures.records else ""
    reverted = " reverted" if figures.is_revert else ""
    people = " Its people are invented." if figures.is_invented else ""
    return f"{figures.done:,}{of_all} records{reverted}: {counts}.{people}"


def preview_as_json(preview: Preview, *, show_personal_data: bool = False) -> dict[str, Any]:
    """Return a preview for machines.

    show_personal_data: add values. Without it, a changed lead is its id, number, record and field
    names, and created leads are only counted.
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
        "fields": preview.field_totals,
        "respelled": preview.respelled,
        "schema": preview.schema,
        "tables": [asdict(rows) | {"kept": rows.is_kept} for rows in preview.tables],
        **leads,
        "total_changed": preview.total_changed,
        "total_created": preview.total_created,
        "problems": [
            problem._asdict() | {"lead_number": preview.lead_numbers.get(problem.record)}
            for problem in preview.problems
        ],
        "total_problems": preview.total_problems,
    }


def _imports_in_words(preview: Preview) -> Iterator[Text]:
    for figures in preview.imports:
        yield Text.assemble((printable(figures.export), "bold"), f": {outcomes_in_words(figures)}")
    if preview.imports:
        return
    if preview.refused:
        yield Text(f"{printable(preview.refused)}: refused.")
    else:
        yield Text("No import to run or to revert.")


def _problems_in_words(preview: Preview) -> Iterator[Text]:
    """Say why records are rejected. Of a refused export, its error says it."""
    if preview.refused:
        return
    shown = preview.problems[:MOST_PRINTED]
    for problem in shown:
        yield Text.assemble(("!", "red"), f" {printable(str(problem))}")
    if more := preview.total_problems - len(shown):
        yield Text(f"… and {more:,} more problems. --html lists them.", "dim")


def _leads_in_words(preview: Preview, show_personal_data: bool) -> Iterator[Text]:
    """Say a line for each lead: ``~`` for an updated one, ``+`` for a created one."""
    for changed in preview.changed[:MOST_PRINTED]:
        yield _changed_in_words(changed, show_personal_data)
    if more := preview.total_changed - MOST_PRINTED:
        yield from _more_in_words(more, "updated")
    for created in preview.created[:MOST_PRINTED]:
        number = created.values.get("lead_number") or f"record {created.position + 1:,}"
        yield Text.assemble(("+", "green"), f" {printable(number)}")
    if more := preview.total_created - MOST_PRINTED:
        yield from _more_in_words(more, "created")


def _more_in_words(more: int, kind: str) -> Iterator[Text]:
    if more > 0:
        yield Text(f"… and {more:,} more would be {kind}. --html and --csv list them.", "dim")


def _changed_in_words(lead: ChangedLead, show_personal_data: bool) -> Text:
    name = printable(lead.lead_number or f"lead {lead.id}")
    line = Text.assemble(("~", "blue"), f" {name}")
    if not lead.fields:
        return line.append(" as it was, because a later import changes it back")
    if show_personal_data:
        for field in lead.fields:
            line.append("\n    ").append(f"{printable(field)} ", "dim")
            line.append_text(_values_in_words(field, lead.old[field], lead.new[field]))
        return line
    first = TELLING if TELLING in lead.fields else [*lead.other_fields, SPELLED][0]
    line.append(f" {printable(first)}")
    if first in SHOWN_MASKED:
        old, new = masked(first, lead.old[first]), masked(first, lead.new[first])
        line.append(" ").append_text(_values_in_words(first, old, new))
    if others := len(lead.fields) - 1:
        line.append(f", {others} more field{'s' if others > 1 else ''}")
    return line


def _values_in_words(field: str, old: str | None, new: str | None) -> Text:
    """Say "old → new". In a long text, words missing from the other one stand in brackets."""
    before, after = marked(old, new)
    words = Text().append_text(_parts_in_words(before, "red")).append(" → ")
    words.append_text(_parts_in_words(after, "green"))
    return words.append(f" ({SAME_NUMBER})", "dim") if field == SPELLED else words


def _parts_in_words(parts: list[Part], style: str) -> Text:
    if not parts:
        return Text("blank", "italic")
    words = Text()
    for part in parts:
        text = printable(_SPACE.sub(" ", part.text))
        words.append(f"[{text}]" if part.is_marked else text, style if part.is_marked else "")
    return words


def _rows_written(preview: Preview) -> Table:
    table = Table(box=None, pad_edge=True)
    table.add_column("table", overflow="fold")
    for column in ("inserted", "updated", "deleted"):
        table.add_column(column, justify="right")
    table.add_column("")
    for rows in preview.listed_tables:
        style = "" if rows.is_written else "dim"
        style = style if rows.is_kept or not preview.is_upgrade else "bold red"
        counts = (f"{count:,}" for count in (rows.inserted, rows.updated, rows.deleted))
        own = rows.verdict if rows.is_ours else ""
        table.add_row(printable(rows.table), *counts, own, style=style)
    if others := len(preview.unlisted_tables):
        table.add_row(f"{others:,} other tables", "0", "0", "0", "", style="dim")
    return table


def _changed(lead: ChangedLead, show_personal_data: bool) -> dict[str, Any]:
    known = {"id": lead.id, "lead_number": lead.lead_number, "record": lead.position + 1}
    if not show_personal_data:
        return {**known, "fields": lead.fields}
    return {**known, "fields": {name: [lead.old[name], lead.new[name]] for name in lead.fields}}

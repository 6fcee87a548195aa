"""Write a preview as Markdown for a pull request's comment: counts and field names, no values."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from migrations.console import counted
from migrations.preview.figures import Preview
from migrations.preview.words import outcomes_in_words, totals_in_words

__all__ = ["preview_as_markdown"]

_OBEYED = re.compile(r"[\\`*_\[\]<>#|~&]")
"""Characters Markdown would not print."""


def preview_as_markdown(preview: Preview) -> str:
    """Say what would become of records, leads and fields, and which kinds of problems there are."""
    return "\n".join(_lines(preview)) + "\n"


def _lines(preview: Preview) -> Iterator[str]:
    total = counted(preview.total_problems, "problem")
    yield f"### Import preview: {_plain(preview.database)}"
    yield ""
    for figures in preview.imports:
        yield f"- **{_plain(figures.export)}**: {outcomes_in_words(figures)}"
    if preview.refused:
        yield f"- **{_plain(preview.refused)}** is refused: {total}."
    elif not preview.imports:
        yield "- Nothing to import."
    yield (
        f"- Leads: {preview.leads_before:,} before, {preview.leads_after:,} after, "
        f"{preview.deleted:,} deleted."
    )
    if totals := totals_in_words(preview):
        yield f"- {_plain(totals)}"
    for line in preview.schema:
        yield f"- Schema: {_plain(line)}"
    yield from _table(
        ["Table", "Inserted", "Updated", "Deleted", ""],
        [
            [
                rows.table,
                f"{rows.inserted:,}",
                f"{rows.updated:,}",
                f"{rows.deleted:,}",
                rows.verdict,
            ]
            for rows in preview.listed_tables
            if preview.imports
        ],
    )
    kinds = Counter((problem.field, problem.reason) for problem in preview.problems)
    yield from _table(
        ["Field", "What is wrong", "Records"],
        [[field or "file", reason, f"{count:,}"] for (field, reason), count in kinds.items()],
    )
    if preview.total_problems > len(preview.problems):
        yield ""
        yield f"The first {len(preview.problems):,} of {total}."


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"| {' | '.join(heading)} |"
        yield "|" + " --- |" * len(heading)
        for line in lines:
            yield f"| {' | '.join(map(_plain, line))} |"


def _plain(text: str) -> str:
    """Escape a text for Markdown, in one line."""
    return _OBEYED.sub(r"\\\g<0>", " ".join(text.split()))

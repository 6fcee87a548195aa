"""Add what only the code and its exports know to a preview of a database.

A revision says whether its export's people are invented. Lead numbers help the export's owner find
records with problems. Problems never carry a record's values, so the numbers are read from the
export again.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from migrations.importer.errors import ImportStopped
from migrations.importer.export.problems import Malformed, with_problems
from migrations.importer.export.reading import find_export, open_content
from migrations.importer.pinned import DATA, Import
from migrations.importer.sealing import BLOCK
from migrations.preview.figures import Preview

__all__ = ["completed"]


def completed(preview: Preview, imports: Sequence[Import]) -> Preview:
    """Add invented people, files and lead numbers to a preview. imports: the code's."""
    invented = {import_.masked for import_ in imports}
    figures = [replace(one, is_invented=one.sha256 in invented) for one in preview.imports]
    wrong = preview.refused if preview.is_file_wrong else ""
    known = replace(preview, imports=figures, refused_file=_file_of(wrong))
    return _with_lead_numbers(known, imports)


def _file_of(export: str) -> str:
    """Find an export's file, sealed or not. Returns "" if there is none."""
    if not export:
        return ""
    with suppress(ImportStopped):
        return f"{DATA.name}/{find_export(DATA, export).name}"
    return ""


def _with_lead_numbers(preview: Preview, imports: Sequence[Import]) -> Preview:
    """Add the numbers that can be read, unless the problems are of several exports."""
    wanted = {problem.record for problem in preview.problems if problem.record}
    import_ = _with_problems(preview, imports)
    if not wanted or import_ is None:
        return preview
    found: dict[int, str] = {}
    with suppress(ImportStopped, Malformed):
        found.update(_numbers(import_, wanted))
    return replace(preview, lead_numbers=found)


def _with_problems(preview: Preview, imports: Sequence[Import]) -> Import | None:
    """Find the import, or the twin, of the export with the problems. None if there are several."""
    exports = {preview.refused} if preview.refused else {one.export for one in preview.imports}
    known = [one for import_ in imports for one in (import_, import_.twin) if one]
    alike = [import_ for import_ in known if import_.export in exports]
    return alike[0] if len(exports) == 1 and alike else None


def _numbers(import_: Import, wanted: set[int]) -> Iterator[tuple[int, str]]:
    with open_content(find_export(DATA, import_.export)) as content:
        blocks = iter(lambda: content.read(BLOCK), b"")
        read = with_problems(blocks, import_.leads.fields)
        for record, (value, _) in enumerate(read, start=1):
            if record in wanted and (number := _lead_number(value)):
                yield record, number
            if record >= max(wanted):
                return


def _lead_number(value: Any) -> str:
    """Return a record's number, or "" if it has none. value: the record as its pairs."""
    number = dict(value).get("lead_number") if isinstance(value, list) else None
    return number if isinstance(number, str) else ""

"""Read the file of ``add`` and ``check`` as an export: as it is, or converted.

They ask questions on a terminal. Elsewhere options answer them.
"""

import gc
import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from migrations.commands.project import next_declaration
from migrations.console import console
from migrations.conversion.choice import kept_beside
from migrations.conversion.convert import Conversion, ConversionRefused, Result, understand
from migrations.conversion.errors import Undecided, Unreadable, undecided_in_words
from migrations.conversion.formats import recognise
from migrations.conversion.options import Options, add_options
from migrations.conversion.summary import SUMMARISED, Summary
from migrations.conversion.words import (
    choice_as_table,
    format_in_words,
    left_out_in_words,
    summary_in_words,
)
from migrations.importer.declaration import Field
from migrations.importer.errors import ExportRefused, ImportStopped
from migrations.importer.export.reading import Piece, open_export
from migrations.importer.sealing import SUFFIX

__all__ = [
    "Readable",
    "Unanswered",
    "Unconfirmed",
    "add_arguments",
    "confirm",
    "print_readable",
    "readable",
]

OWN_FORMAT = "JSON array, UTF-8"


class Unanswered(ImportStopped):
    """The file does not say everything, and nobody is there to ask. Nothing was written."""


class Unconfirmed(ImportStopped):
    """Nobody has confirmed how the file was read. Nothing was written."""


@dataclass(frozen=True)
class Readable:
    """An importable file.

    source: the file. export: the same as an export, either the file itself or a temporary one.
    sha256, records: of the export. conversion: None if nothing was converted. without_phone:
    positions left out.
    """

    source: Path
    export: Path
    sha256: str
    records: int
    summary: Summary
    conversion: Conversion | None = None
    without_phone: Sequence[int] = ()

    @property
    def unit(self) -> str:
        """Name what a position counts."""
        return self.conversion.source.unit if self.conversion else "record"

    @property
    def is_agreed(self) -> bool:
        """Whether nobody needs to be asked."""
        conversion = self.conversion
        return not conversion or (conversion.is_agreed and not self.without_phone)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the file and the options about it."""
    parser.add_argument(
        "export", type=Path, metavar="FILE", help="JSON, CSV or .xlsx, gzipped or not"
    )
    add_options(parser)


@contextmanager
def readable(arguments: Namespace, kept: Path) -> Iterator[Readable]:
    """Read a file, convert it if need be, and check the result as a deploy does.

    kept: the folder of earlier choices. Raises whatever reading and converting raise.
    """
    gc.disable()  # it would search millions of rows, but none is in a cycle
    path = arguments.export
    options = Options.given(arguments)
    _, leads = next_declaration()
    fields = leads.fields
    if own := _own(path, options, fields):
        yield own
        return
    is_sealed = path.name.endswith(SUFFIX)
    with tempfile.TemporaryDirectory() as folder:
        # Content of a sealed file stays off the disk.
        export = Path(os.devnull) if is_sealed else Path(folder) / "export.json"
        conversion, result = _asking(path, options, fields, kept, export)
        if result.problems.total:
            raise ConversionRefused(conversion, result)
        if is_sealed:
            fact = "is sealed, but not in the importer's own format"
            action = (
                "Add the file it was made from, or the output of 'python -m migrations unseal'."
            )
            raise Unreadable(path.name, fact, action)
        yield replace(
            _checked(export),
            source=path,
            summary=result.summary,
            conversion=conversion,
            without_phone=result.without_phone,
        )


def print_readable(found: Readable) -> None:
    """Print what the file is, what was chosen, and what the export holds."""
    say = console().print
    if found.conversion:
        say(format_in_words(found.conversion))
        if found.conversion.was_kept:
            say("Its columns are those of an earlier file, so it is read the same way.")
        say(choice_as_table(found.conversion))
    if found.without_phone:
        say(left_out_in_words(found.without_phone, found.unit))
    for line in summary_in_words(found.summary, found.unit):
        say(line)


def confirm(found: Readable, *, yes: bool) -> None:
    """Ask whether the file was read correctly, unless that is agreed. Raises ``Unconfirmed``."""
    if found.is_agreed or yes:
        return
    if not _is_terminal():
        raise Unconfirmed("Nothing was written. If the table above is right, add --yes.")
    if input("Write it? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Unconfirmed(
            "Nothing was written. Correct the choices with --field, --leave-out and the like."
        )


def _own(path: Path, options: Options, fields: Sequence[Field]) -> Readable | None:
    """Return the file itself if it is in the importer's own format, to the byte."""
    if options != Options() or not _looks_own(path, fields):
        return None
    try:
        return _summed_up(path)
    except ExportRefused:
        return None  # a closer look says what to do


def _looks_own(path: Path, fields: Sequence[Field]) -> bool:
    """Whether the first records are in the importer's own format."""
    source = recognise(path)
    if source.format != OWN_FORMAT:
        return False
    try:
        chunk = next(source.chunks(), None)
    except Undecided:
        return False
    names = {"id", *(field.name for field in fields)}
    return bool(
        chunk
        and set(chunk.columns) == names
        and not any(None in values for values in chunk.columns.values())
    )


def _checked(export: Path, look: Callable[[Piece], None] = lambda _: None) -> Readable:
    """Read an export as a deploy does. look: gets its records. Raises ``ExportRefused``."""
    _, leads = next_declaration()
    with open_export(export, fields=leads.fields) as opened:
        for piece in opened.checked():
            look(piece)
        return Readable(export, export, opened.sha256, opened.count, Summary())


def _summed_up(export: Path) -> Readable:
    summary = Summary()

    def look(piece: Piece) -> None:
        positions, records = piece
        texts = {name: [getattr(record, name) for record in records] for name in SUMMARISED}
        texts["created_at"] = [moment.isoformat() for moment in texts["created_at"]]
        summary.add([position + 1 for position in positions], texts)

    return replace(_checked(export, look), summary=summary)


def _asking(
    path: Path, options: Options, fields: Sequence[Field], kept: Path, export: Path
) -> tuple[Conversion, Result]:
    """Convert a file, and ask for missing choices if somebody is there to answer."""
    asked: list[Undecided] = []
    while True:
        try:
            conversion = understand(path, options, fields, kept_beside(kept))
            with open(export, "wb") as file:
                result = conversion.write(file)
            _refuse_unanswered(asked)
            return conversion, result
        except Undecided as question:
            if _is_terminal():
                options = _answered(question, options)
                continue
            # Read on as if answered, to tell everything missing in one run.
            if question.option in (other.option for other in asked):
                _refuse_unanswered(asked)
            asked.append(question)
            options = options.answered(question, question.guess)
        except ImportStopped:
            _refuse_unanswered(asked)
            raise


def _refuse_unanswered(questions: Sequence[Undecided]) -> None:
    if questions:
        raise Unanswered(undecided_in_words(questions))


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _answered(question: Undecided, options: Options) -> Options:
    try:
        answer = input(f"{question.question} Such as {question.example}: ")
    except EOFError:
        raise question from None
    return options.answered(question, answer.strip())

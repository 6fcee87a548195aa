"""Look at a file of any format, then convert it to an export.

conversion = understand(path, Options(), fields, kept=[])
result = conversion.write(file)
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from migrations.console import counted
from migrations.conversion.choice import Choice, Kept, choose, shown
from migrations.conversion.errors import Undecided, Unreadable
from migrations.conversion.formats import recognise
from migrations.conversion.look import DAY_FIRST, MONTH_FIRST, Look, look
from migrations.conversion.moments import midnight, zone
from migrations.conversion.options import Options
from migrations.conversion.problems import Problems, Sink
from migrations.conversion.rows import Chunk, Source, Value
from migrations.conversion.summary import Summary
from migrations.conversion.values import Conventions, converted, joined
from migrations.importer.declaration import STANDARD_FIELDS, Field
from migrations.importer.errors import ImportStopped, Problem

__all__ = ["Conversion", "ConversionRefused", "Result", "understand"]

PHONE = next(each for each in STANDARD_FIELDS if each.name == "phone")
_UTC = re.compile(r"(?:^|[\W_])(?:utc|gmt)(?:$|[\W_])", re.IGNORECASE)
"""Found in a column's name, such as Typeform's "Submit Date (UTC)"."""

_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass
class Result:
    """What became of a file. without_phone: positions of records left out for lack of a phone."""

    problems: Problems
    without_phone: list[int] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)


@dataclass(frozen=True)
class Conversion:
    """How a file is converted.

    was_kept: whether a file with the same columns was converted before.
    """

    source: Source
    look: Look
    choice: Choice
    options: Options
    fields: Sequence[Field]
    was_kept: bool

    @property
    def is_agreed(self) -> bool:
        """Whether nothing is left to decide, or an earlier file with these columns decided it."""
        is_changed = bool(self.options.field or self.options.leave_out)
        return self.choice.is_plain or (self.was_kept and not is_changed)

    @property
    def conventions(self) -> Conventions:
        """What the owner said about dates and times. Raises ``Undecided`` if it means nothing."""
        said = self.options
        if said.dates not in (None, DAY_FIRST, MONTH_FIRST):
            raise Undecided("dates", f"Is it {DAY_FIRST} or {MONTH_FIRST}?", DAY_FIRST)
        return Conventions(
            zone(said.timezone) if said.timezone else None,
            said.dates,
            midnight(said.created_at) if said.created_at else None,
        )

    @property
    def is_worth_keeping(self) -> bool:
        """Whether the next file of this kind needs the same decisions."""
        said = self.options
        return not self.choice.is_plain or bool(said.encoding or said.timezone or said.dates)

    @property
    def kept(self) -> Kept:
        """What was said and proved, for the next file with these columns."""
        fields = {each.name: list(self.choice.fields[each.name]) for each in self.fields}
        orders = {self.conventions_of(each.name).order for each in self.fields} - {None}
        dates = orders.pop() if len(orders) == 1 else None
        said = self.options
        return Kept(list(self.look.columns), fields, said.encoding, said.timezone, dates)

    def write(self, file: BinaryIO, sink: Sink = lambda *_: None) -> Result:
        """Write the export, and tell ``sink`` of each problem.

        Use the export only if there are none. Raises ``Undecided``. Raises ``Unreadable`` if no
        record has a phone.
        """
        result = Result(Problems(sink))
        before = b"["
        for whole in self.source.chunks():
            chunk = self._with_phone(whole, result)
            if not chunk.positions:
                continue
            columns = self._converted(chunk, result.problems)
            if not result.problems.total:
                result.summary.add(chunk.positions, columns)
                file.write(before + _lines(columns))
                before = b",\n"
        file.write(b"]\n")
        if len(result.without_phone) == self.look.records:
            column = " and ".join(map(shown, self.choice.fields["phone"]))
            action = f"{column} is blank throughout. Name another column with --field phone=COLUMN."
            raise Unreadable(self.source.name, "no record has a phone", action)
        return result

    def _with_phone(self, chunk: Chunk, result: Result) -> Chunk:
        """Leave out records without a phone, because only the phone says whose they are."""
        has_phone = [bool(phone) for phone in self._values(PHONE, chunk)]
        if all(has_phone):
            return chunk
        result.without_phone += [
            position for position, has in zip(chunk.positions, has_phone, strict=True) if not has
        ]
        return chunk.where(has_phone)

    def _converted(self, chunk: Chunk, problems: Problems) -> Mapping[str, Sequence[Any]]:
        columns = {"id": self._ids(chunk)}
        for each in self.fields:
            report = partial(_report, chunk, problems, each.name)
            values = self._values(each, chunk)
            columns[each.name] = converted(each, values, self.conventions_of(each.name), report)
        return columns

    def _ids(self, chunk: Chunk) -> Sequence[int]:
        """Take the file's own ids if it has any, otherwise the positions."""
        if columns := self.choice.fields["id"]:
            return [int(str(value)) for value in chunk.columns[columns[0]]]
        return chunk.positions

    def _values(self, of: Field, chunk: Chunk) -> Sequence[Value]:
        blanks = [None] * len(chunk.positions)
        columns = self.choice.fields[of.name]
        return joined(of, [chunk.columns.get(name, blanks) for name in columns] or [blanks])

    def conventions_of(self, name: str) -> Conventions:
        """Return what a field's dates mean, as the owner said or as its columns prove."""
        columns = self.choice.fields[name]
        proven = set().union(*(self.look.columns[column].orders for column in columns))
        order = proven.pop() if len(proven) == 1 else None
        of_header = UTC if any(map(_UTC.search, columns)) else None
        said = self.conventions
        return replace(said, order=said.order or order, zone=of_header or said.zone)


class ConversionRefused(ImportStopped):
    """Values of the file do not fit, so nothing was written."""

    def __init__(self, conversion: Conversion, result: Result) -> None:
        self.conversion = conversion
        self.problems = result.problems
        source, records = conversion.source, conversion.look.records
        problems = counted(self.problems.total, "problem")
        lines = self.problems.in_words(records, source.unit)
        super().__init__(
            f"{source.name}: {problems} in {counted(records, source.unit)}. Nothing was written.\n"
            + "".join(f"  {line}\n" for line in lines)
            + "Correct them in the file, or where it comes from, and try again. "
            "'python -m migrations check --fix-sheet fixes.csv', with the same file and options, "
            "puts each beside its record."
        )


def understand(
    path: Path, options: Options, fields: Sequence[Field], kept: Iterable[Kept] = ()
) -> Conversion:
    """Look at a file and choose how to convert it.

    kept: what was agreed for other files. Raises ``Unreadable``, ``Undecided``, ``BadChoice``.
    """
    kept = list(kept)
    source, found = _looked_at(path, options, kept)
    agreed = next((one for one in kept if set(one.columns) == set(found.columns)), None)
    if not (found.records and found.columns):
        raise Unreadable(path.name, "holds no records", "Export it again.")
    if agreed:
        options = replace(
            options,
            encoding=options.encoding or agreed.encoding,
            timezone=options.timezone or agreed.timezone,
            dates=options.dates or agreed.dates,
        )
    choice = choose(found, [each.name for each in fields], options, agreed)
    return Conversion(source, found, choice, options, fields, was_kept=bool(agreed))


def _looked_at(path: Path, options: Options, kept: Sequence[Kept]) -> tuple[Source, Look]:
    """Read the file. If its encoding is unknown, try those of earlier files of the same kind."""
    try:
        source = recognise(path, options.encoding)
        return source, look(source)
    except Undecided:
        for one in kept:
            if one.encoding and not options.encoding:
                source = recognise(path, one.encoding)
                found = look(source)
                if set(found.columns) == set(one.columns):
                    return source, found
        raise


def _lines(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Write records as JSON, one a line, with commas between them."""
    record = msgspec.defstruct("Record", list(columns))
    rows = zip(*columns.values(), strict=True)
    # Line breaks inside texts are escaped, so each remaining one ends a record.
    return _encoder.encode_lines([record(*row) for row in rows])[:-1].replace(b"\n", b",\n")


def _report(chunk: Chunk, problems: Problems, name: str, index: int, reason: str) -> None:
    record = {column: values[index] for column, values in chunk.columns.items()}
    problems.add(Problem(chunk.positions[index], name, reason), record)

"""Choose the columns of each field, and remember them for the next file of the same kind."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from migrations.console import printable
from migrations.conversion.errors import Undecided
from migrations.conversion.headers import found_columns, is_bookkeeping, normalised
from migrations.conversion.look import Look
from migrations.conversion.options import Options
from migrations.files import write_whole
from migrations.importer.errors import ImportStopped

__all__ = ["BadChoice", "Choice", "Kept", "choose", "keep", "kept_beside", "shown"]

ENDING = ".columns.json"
LONGEST_SHOWN = 40


class BadChoice(ImportStopped):
    """An option names an unknown field or column. The message lists the known ones."""


@dataclass(frozen=True)
class Choice:
    """Where the fields come from.

    fields: each field, and ``id``, with its columns. A field without columns stays blank.
    """

    fields: Mapping[str, Sequence[str]]
    left_out: Sequence[str]

    @property
    def is_plain(self) -> bool:
        """Whether each field comes from the column of its own name. Then nothing is left to ask."""
        return all(list(columns) == [name] for name, columns in self.fields.items()) and all(
            map(is_bookkeeping, self.left_out)
        )


@dataclass(frozen=True)
class Kept:
    """What was agreed for files with these columns, without the day of ``--created-at``."""

    columns: Sequence[str]
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    encoding: str | None = None
    timezone: str | None = None
    dates: str | None = None


def choose(look: Look, names: Sequence[str], options: Options, kept: Kept | None) -> Choice:
    """Choose the columns of each field.

    names: the fields. Raises ``BadChoice``. Raises ``Undecided`` if no column has phones.
    """
    columns = list(look.columns)
    asked = {**(kept.fields if kept else {}), **dict(_asked(columns, names, options))}
    left_out = {_column(name, columns) for name in options.leave_out}
    taken = left_out.union(*asked.values())
    fields: dict[str, Sequence[str]] = {}
    for name in ("id", *names):
        fields[name] = asked[name] if name in asked else _found(name, look, taken)
        taken = taken.union(fields[name])
    if not fields["phone"]:
        listed = ", ".join(shown(column) for column in columns)
        question = f"Which column holds the phone? The columns are: {listed}."
        raise Undecided("field", question, "COLUMN", prefix="phone=", guess=columns[0])
    return Choice(fields, [column for column in columns if column not in taken - left_out])


def _found(name: str, look: Look, taken: set[str]) -> Sequence[str]:
    columns = reversed(look.columns)  # the first of two similar columns wins
    free = {normalised(column): column for column in columns if column not in taken}
    found = list(found_columns(name, free))
    if name == "id":
        return next((columns for columns in found if _are_ids(columns, look)), ())
    filled = [columns for columns in found if any(look.filled[column] for column in columns)]
    if name == "phone":
        return list(dict.fromkeys(columns[0] for columns in filled or found[:1]))
    return next(iter(filled or found), ())


def _are_ids(columns: Sequence[str], look: Look) -> bool:
    column = look.columns[columns[0]]
    return column.is_whole and column.filled == look.records


def _asked(
    columns: Sequence[str], names: Sequence[str], options: Options
) -> Iterator[tuple[str, Sequence[str]]]:
    for option in options.field:
        name, _, value = option.partition("=")
        if name not in names:
            raise BadChoice(
                f"{shown(name)} is not a field. The fields are: {', '.join(names)}. "
                "Name one as in --field phone=Mobile."
            )
        yield name, _columns(value, columns)


def _columns(value: str, columns: Sequence[str]) -> Sequence[str]:
    """Split an option at its commas. A column's name may have a comma if it stands in quotes."""
    if not value or value in columns:
        return [value] if value else []
    return [_column(name.strip(), columns) for name in next(csv.reader([value]))]


def _column(name: str, columns: Sequence[str]) -> str:
    alike = [column for column in columns if normalised(column) == normalised(name)]
    if name in columns or len(alike) == 1:
        return name if name in columns else alike[0]
    listed = ", ".join(map(shown, columns))
    raise BadChoice(f"The file has no column {shown(name)!r}. Its columns are: {listed}.")


def shown(text: str) -> str:
    """Shorten a name from a file, and make it safe for a terminal."""
    text = printable(text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def keep(export: Path, kept: Kept) -> Path:
    """Write what was agreed beside an export. Returns the file."""
    path = export.with_name(export.name.removesuffix(".json") + ENDING)
    write_whole(path, json.dumps(asdict(kept), ensure_ascii=False, indent=1) + "\n")
    return path


def kept_beside(folder: Path) -> list[Kept]:
    """Read what was agreed for a folder's exports, the latest first."""
    paths = folder.glob(f"*{ENDING}")
    return [_read(path) for path in sorted(paths, key=lambda path: -path.stat().st_mtime_ns)]


def _read(path: Path) -> Kept:
    try:
        return Kept(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise BadChoice(
            f"{path.name} is not as 'add' wrote it. Remove it, and answer its questions again."
        ) from None

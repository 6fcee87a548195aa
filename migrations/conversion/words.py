"""Describe a file before it becomes an export: columns, counts and positions, no values."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from migrations.console import counted
from migrations.conversion.choice import shown
from migrations.conversion.convert import Conversion
from migrations.conversion.problems import positions_in_words
from migrations.conversion.summary import Summary, counts_in_words
from migrations.conversion.values import BETWEEN

__all__ = ["choice_as_table", "format_in_words", "left_out_in_words", "summary_in_words"]

SHOWN = 10
"""How many phones, and positions of each, to list."""

DATED = ("date", "timestamp")


def format_in_words(conversion: Conversion) -> str:
    """Say what the file is."""
    source = conversion.source
    count = counted(conversion.look.records, source.unit)
    below = " below the header" if source.unit == "row" else ""
    return f"{shown(source.name)}: {source.format}, {count}{below}."


def choice_as_table(conversion: Conversion) -> Table:
    """Show each field with its columns and how many of their cells are filled."""
    table = Table(box=None, pad_edge=True)
    table.add_column("field")
    table.add_column("from", overflow="fold")
    table.add_column("filled", justify="right")
    filled = conversion.look.filled
    for name, columns in conversion.choice.fields.items():
        between = " + " if name in BETWEEN else ", else "
        cells = " + ".join(f"{filled[column]:,}" for column in columns)
        told = between.join(map(shown, columns)) + _read_as(name, conversion)
        told = told if columns else _without_column(name, conversion)
        table.add_row(name, told, cells, style="" if columns else "dim")
    for column in conversion.choice.left_out:
        table.add_row("(left out)", shown(column), f"{filled[column]:,}", style="yellow")
    return table


def _read_as(name: str, conversion: Conversion) -> str:
    """Say how a field's dates are read, if they do not say it themselves."""
    if name not in (each.name for each in conversion.fields if each.kind in DATED):
        return ""
    conventions = conversion.conventions_of(name)
    read_as = [str(said) for said in (conventions.order, conventions.zone) if said]
    return f" ({', '.join(read_as)})" if read_as else ""


def _without_column(name: str, conversion: Conversion) -> str:
    if name == "id":
        return f"the {conversion.source.unit}'s number"
    created_at = conversion.options.created_at
    return created_at if name == "created_at" and created_at else "(no column: stays blank)"


def left_out_in_words(positions: Sequence[int], unit: str) -> str:
    """Say which records have no phone."""
    where = positions_in_words(list(positions[:SHOWN]), len(positions), unit)
    return f"Left out for lack of a phone: {where}."


def summary_in_words(summary: Summary, unit: str) -> Iterator[str]:
    """Say what the export holds, line by line."""
    yield f"Created from {summary.earliest} to {summary.latest}."
    for name, counter in summary.counters.items():
        yield f"{name}: {counts_in_words(counter)}."
    shared = summary.shared_phones()
    if not shared:
        return
    phones = "1 phone comes" if len(shared) == 1 else f"{len(shared):,} phones come"
    yield f"{phones} more than once. The last {unit} of each wins:"
    for group in shared[:SHOWN]:
        listed = [
            f"{position:,} ({shown(number)})" if number else f"{position:,}"
            for position, number in group[:SHOWN]
        ]
        more = ", …" if len(group) > SHOWN else ""
        yield f"  {unit}s {', '.join(listed)}{more}"
    if len(shared) > SHOWN:
        yield f"  … and {len(shared) - SHOWN:,} more phones"

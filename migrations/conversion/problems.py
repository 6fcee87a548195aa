"""Count what is wrong in a file, each kind once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from migrations.console import counted
from migrations.conversion.rows import Value
from migrations.importer.errors import Problem

__all__ = ["Problems", "Sink", "positions_in_words"]

SHOWN = 10
"""Positions to list of each kind."""

Sink = Callable[[Problem, Mapping[str, Value]], None]
"""Told of each problem, with the record's own values by column."""


class Problems:
    """Problems by field and reason. sink: is told of each."""

    def __init__(self, sink: Sink = lambda *_: None) -> None:
        self.total = 0
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._sink = sink

    def add(self, problem: Problem, record: Mapping[str, Value]) -> None:
        """Add a problem, and tell the sink."""
        self.total += 1
        kind = self._kinds.setdefault((problem.field, problem.reason), _Kind())
        kind.count += 1
        if len(kind.positions) < SHOWN:
            kind.positions.append(problem.record)
        self._sink(problem, record)

    @property
    def first(self) -> list[Problem]:
        """The first ones of each kind."""
        return [
            Problem(position, name, reason)
            for (name, reason), kind in self._kinds.items()
            for position in kind.positions
        ]

    def in_words(self, records: int, unit: str) -> list[str]:
        """Return a line for each kind. records: in the file. unit: such as "row"."""
        return [
            f"{name}: {reason}, in {kind.where(records, unit)}"
            for (name, reason), kind in self._kinds.items()
        ]


@dataclass
class _Kind:
    count: int = 0
    positions: list[int] = field(default_factory=list)

    def where(self, records: int, unit: str) -> str:
        if self.count == records > 1:
            return f"all {counted(records, unit)}"
        return positions_in_words(self.positions, self.count, unit)


def positions_in_words(positions: list[int], count: int, unit: str) -> str:
    """Say where, as in "row 2", "rows 2 and 3" or "12 rows: 2, 3, 5, …"."""
    listed = [f"{position:,}" for position in positions]
    if count > len(listed):
        return f"{counted(count, unit)}: {', '.join(listed)}, …"
    if count == 1:
        return f"{unit} {listed[0]}"
    return f"{unit}s {', '.join(listed[:-1])} and {listed[-1]}"

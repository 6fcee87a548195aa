"""Some records of an export, in its place."""

from collections.abc import Callable, Iterator
from typing import Any

from migrations.importer.errors import Problem
from migrations.importer.export.reading import Export, Piece

__all__ = ["SomeRecords"]


class SomeRecords:
    """The wanted records of an export.

    is_wanted: asked with a record's index, from 0, and the record.
    """

    def __init__(self, export: Export, is_wanted: Callable[[int, Any], bool]) -> None:
        self.name = export.name
        self.fields = export.fields
        self._export = export
        self._is_wanted = is_wanted

    @property
    def rejected(self) -> list[Problem]:
        """What is wrong with rejected records."""
        return self._export.rejected

    def checked(self, progress: Callable[[int, int], None]) -> Iterator[Piece]:
        """Yield those records as they are checked."""
        for positions, records in self._export.checked(progress):
            wanted = [
                (position, record)
                for position, record in zip(positions, records, strict=True)
                if self._is_wanted(position, record)
            ]
            if wanted:
                chosen, some = zip(*wanted, strict=True)
                yield chosen, list(some)

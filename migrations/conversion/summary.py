"""Sum up an export while it is converted, for the person who commits it."""

import io
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from migrations.conversion.choice import shown
from migrations.importer.phone import key_of

__all__ = ["SUMMARISED", "Shared", "Summary", "counts_in_words"]

COUNTED = ("status", "assigned_agent")
SUMMARISED = (*COUNTED, "phone", "lead_number", "created_at")
"""The fields of a summary."""
FEW = 20
"""Different values of a field chosen from a list. With more, it is not from a list."""
Shared = Sequence[tuple[int, str]]
"""Records with one phone, each as its position and lead number."""


class Summary:
    """Statuses, agents, days and repeated phones. It takes a few dozen bytes a record."""

    def __init__(self) -> None:
        self.records = 0
        self.earliest = ""
        self.latest = ""
        self.counters: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        self._keys = array("q")
        self._positions = array("q")
        self._lead_numbers = io.StringIO()

    def add(self, positions: Sequence[int], columns: Mapping[str, Sequence[str]]) -> None:
        """Add records without problems."""
        self.records += len(positions)
        self._positions.extend(positions)
        self._keys.extend(hash(key_of(phone)) for phone in columns["phone"])
        self._lead_numbers.writelines(
            f"{' '.join(number.split())}\n" for number in columns["lead_number"]
        )
        for name, counter in self.counters.items():
            if len(counter) <= FEW:
                counter.update(columns[name])
        days = [moment[:10] for moment in columns["created_at"]]
        self.earliest = min([*days, self.earliest or days[0]])
        self.latest = max([*days, self.latest])

    def shared_phones(self) -> list[Shared]:
        """Return the records with repeated phones, in the order of each phone's first record."""
        repeated = {one for one, next_one in pairwise(sorted(self._keys)) if one == next_one}
        if not repeated:
            return []
        numbers = self._lead_numbers.getvalue().split("\n")
        groups: dict[int, list[tuple[int, str]]] = {}
        for index, key in enumerate(self._keys):
            if key in repeated:
                groups.setdefault(key, []).append((self._positions[index], numbers[index]))
        return list(groups.values())


def counts_in_words(counter: Counter[str]) -> str:
    """List values with their counts, unless there are too many."""
    if len(counter) > FEW:
        return f"more than {FEW} different values"
    return ", ".join(
        f"{shown(value) or 'blank'} ({count:,})" for value, count in counter.most_common()
    )

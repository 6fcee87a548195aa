"""What an import will leave in the leads' columns, as far as it is known before the first write."""

import re
from collections.abc import Iterable, Iterator, Sequence

from migrations.importer.column import Found
from migrations.importer.names import escaped, quoted
from migrations.importer.table import LeadsTable

__all__ = ["Foreseen"]

_WORD = re.compile(r"\w+")


class Foreseen:
    """What is foreseen of a table's leads. Columns go by their bare names."""

    def __init__(self, table: LeadsTable) -> None:
        self._table = table
        self._found = table.found
        self._columns = {column.bare: column for column in table.columns}
        self._moments = {
            moment.bare: moment for moment in (table.created_at, table.touch) if moment
        }

    def would_be(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the bases of some columns, as identifiers, with SQL for the value after the import.

        ``l`` is the record's lead, or NULL.
        """
        for name in self.bases(names):
            value = (
                f"CASE\n            WHEN l.{self._table.id} IS NULL THEN {self._of_new(name)}"
                f"\n            ELSE {self._of_existing(name)}\n        END"
            )
            # A text beside a citext is a text, and tells capitals apart.
            found = self._found[name]
            yield quoted(name), f"CAST({value} AS {found.type})" if found.is_citext else value

    def _of_new(self, name: str) -> str:
        if name in self._columns:
            return self._columns[name].for_new
        if name in self._moments:
            return self._moments[name].of("s.created_at")
        # Without a default it is NULL.
        found = self._found[name]
        default = escaped(self._table.leads.new.get(name) or found.default or "NULL")
        return f"CAST(({default}) AS {_uncut(found)})"

    def _of_existing(self, name: str) -> str:
        column, touch = self._columns.get(name), self._table.touch
        if column in self._table.compared:
            return self._table.new_value(column)
        return touch.of("now()") if touch and touch.bare == name else f"l.{quoted(name)}"

    def computed(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Return those of some columns the server computes, as identifiers, each with its SQL."""
        founds = ((quoted(name), self._found[name]) for name in names)
        return [(name, _computing(found)) for name, found in founds if found.computed is not None]

    def bases(self, names: Iterable[str]) -> list[str]:
        """Return some columns, but for a computed one the columns it is computed from."""
        bases: dict[str, None] = {}
        for name in names:
            found = self._found[name]
            bases |= dict.fromkeys([name] if found.computed is None else found.computed_of)
        return list(bases)

    def knows(self, names: Sequence[str]) -> bool:
        """Whether we know the values of some columns: none is drawn, or computed of such a one."""
        return not any(map(self._table.is_drawn, self.bases(names)))

    def writes(self, names: Sequence[str]) -> bool:
        """Whether an import gives new leads one of some columns, and we know the others too."""
        return bool(self._table.given.intersection(self.bases(names))) and self.knows(names)

    def fills(self, names: Sequence[str]) -> bool:
        """Whether new leads have values in all of some columns: given ones, or defaults."""
        given = self._table.given
        return all(name in given or self._found[name].is_filled for name in self.bases(names))

    def may_be_filled(self, names: Sequence[str]) -> bool:
        """Whether a trigger may fill one of some columns, because an import does not."""
        left = set(self.bases(names)) - self._table.given
        return any(self._found[name].may_be_filled for name in left)

    @property
    def only_columns(self) -> list[str]:
        """The columns that ``only`` names, perhaps more."""
        sql = self._table.leads.only
        words = {*_WORD.findall(sql), *_WORD.findall(sql.lower())}  # unquoted, capitals are small
        return [name for name in self._found if words.issuperset(_WORD.findall(name))]

    @property
    def knows_only(self) -> bool:
        """Whether it is known before the first write which leads ``only`` would leave out."""
        columns = self.only_columns
        return self.knows(columns) and not self.may_be_filled(columns)


def _computing(found: Found) -> str:
    return f"CAST(({escaped(found.computed or '')}) AS {found.domain or _uncut(found)})"


def _uncut(found: Found) -> str:
    """Return a type without its limit: a cast to it would cut a text off in silence."""
    return found.base if found.longest else found.type

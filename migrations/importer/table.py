"""The declared table of leads as it is in a database. The SQL of an import is rendered for it.

It knows its columns, how a new lead gets its values, and when a lead differs from a record.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property

from migrations.importer.column import WHOLE_NUMBERS, Column, Found, Moment
from migrations.importer.declaration import E164, Field, Leads, Lookup, columns_of, inner_of
from migrations.importer.names import escaped, literal, qualified, quoted, unescaped
from migrations.importer.phone import KEY_FUNCTION

__all__ = ["LeadsTable"]


class LeadsTable:
    """A declared table and its existing columns.

    found: the table's columns by name. keeps_blanks: whether a blank of a record keeps the lead's
    value, or clears it. drawn: columns of the declaration's ``new`` whose values only drawing can
    tell, because they come from a sequence. missing: declared columns no longer there.
    source: the owner's table. name: the table to write. whole: all leads, as they would be. Only a
    preview tells these three apart. catalog_name: the owner's table as ``to_regclass`` takes it.
    key: the function of the phone's key.
    """

    def __init__(
        self,
        leads: Leads,
        found: Mapping[str, Found],
        *,
        keeps_blanks: bool,
        drawn: Collection[str] = (),
    ) -> None:
        self.leads = leads
        self.found = dict(found)
        self.keeps_blanks = keeps_blanks
        self.drawn = frozenset(drawn)
        self.name = self.whole = self.source = qualified(leads.table)
        self.key = KEY_FUNCTION
        self.catalog_name = unescaped(self.source)
        self.regclass = literal(self.catalog_name) + "::regclass"
        self.id = quoted(leads.id)
        self.id_type = found[leads.id].type if leads.id in found else "text"
        self.fields = leads.fields
        self.columns = tuple(_columns(leads, found))
        self.created_at = _moment(leads.targets.get("created_at"), found)
        self.touch = _moment(leads.touch, found)
        self.new = {quoted(column): escaped(sql) for column, sql in leads.new.items()}
        self.only = escaped(leads.only) or "true"
        self.missing = tuple(column for column in leads.columns if column not in found)

    def copied(self, name: str, whole: str, key: str) -> "LeadsTable":
        """Return the same table, with a copy to write to.

        The copy uses none of the owner's sequences.
        """
        other = copy(self)
        other.name, other.whole, other.key = name, whole, key
        drawn = {quoted(column) for column in self.drawn}
        other.new = {column: sql for column, sql in self.new.items() if column not in drawn}
        return other

    @property
    def keeping_blanks(self) -> "LeadsTable":
        """The same table, for an import whose blanks keep the lead's value."""
        other = copy(self)
        other.keeps_blanks = True
        return other

    @cached_property
    def numbered(self) -> dict[str, str]:
        """The columns filled from a sequence in a new lead, as identifiers, with their types."""
        return {
            quoted(name): found.base for name, found in self.found.items() if self.is_drawn(name)
        }

    @cached_property
    def stored(self) -> list[str]:
        """The columns not computed from others, as identifiers."""
        return [quoted(name) for name, found in self.found.items() if found.computed is None]

    @property
    def has_whole_ids(self) -> bool:
        """Whether leads are numbered, so that a sequence may give their ids."""
        return self.id_type in WHOLE_NUMBERS

    @property
    def phone_key(self) -> str:
        """SQL for the key of a lead's phone."""
        return f"{self.key}(CAST(l.{self.phone} AS text))"

    @cached_property
    def phone(self) -> str:
        """The column of the phone as an identifier."""
        return quoted(self.leads.phone)

    @property
    def has_phones(self) -> bool:
        """Whether the phone's column is there, so that a lead can be found by it."""
        return self.leads.phone in self.found

    @cached_property
    def lead_number(self) -> str | None:
        """The column of the lead's number as an identifier. None if there is none."""
        numbered = [column for column in self.columns if column.field.name == "lead_number"]
        return numbered[0].name if numbered else None

    @cached_property
    def phone_is_e164(self) -> bool:
        """Whether phones are written as E.164."""
        return isinstance(self.leads.targets["phone"], E164)

    @cached_property
    def compared(self) -> tuple[Column, ...]:
        """The columns an import may change in an existing lead."""
        return tuple(column for column in self.columns if column.position is not None)

    @cached_property
    def derived(self) -> tuple[Column, ...]:
        """The columns whose values the stage derives from the records' texts."""
        return tuple(column for column in self.columns if column.is_derived)

    @cached_property
    def parts(self) -> tuple[Column, ...]:
        """The columns of pairs. A record's text is divided before it is staged."""
        return tuple(column for column in self.columns if column.part is not None)

    @cached_property
    def converted(self) -> tuple[Column, ...]:
        """The columns whose values may not be there: looked up, cast, or E.164."""
        return tuple(column for column in self.columns if not column.cannot_fail)

    @property
    def arrivals(self) -> str:
        """The temporary table an export arrives in: the stage itself, if nothing is converted."""
        return "lead_import_arrived" if self.converted else "lead_import_stage"

    @cached_property
    def lookups(self) -> tuple[Column, ...]:
        """The columns referring to a row of another table."""
        return tuple(column for column in self.columns if isinstance(column.target, Lookup))

    @cached_property
    def texts(self) -> tuple[Field, ...]:
        """The fields of a record but ``created_at``, as the stage holds them."""
        return tuple(field for field in self.fields if field.name != "created_at")

    @cached_property
    def keys(self) -> tuple[Column, ...]:
        """The columns of unique indexes: naming one in an UPDATE takes a stronger lock."""
        return tuple(column for column in self.compared if column.found.is_key)

    @property
    def oldest_first(self) -> str:
        """The order of several leads with one phone. The first is the one meant."""
        created = [f"l.{self.created_at.name} NULLS LAST"] if self.created_at else []
        return ", ".join([*created, f"l.{self.id}"])

    @cached_property
    def limited(self) -> list[tuple[Column, int]]:
        """The columns for texts of limited length, if not cast, each with its length."""
        return [(column, column.longest) for column in self.columns if column.longest]

    @cached_property
    def given(self) -> set[str]:
        """The columns an import fills in a new lead, by their bare names."""
        moments = {moment.bare for moment in (self.created_at, self.touch) if moment}
        return {column.bare for column in self.columns} | moments | set(self.leads.new)

    def is_drawn(self, name: str) -> bool:
        """Whether a new lead's value is drawn from a sequence, so that only drawing can tell it."""
        if name in self.leads.new:
            return name in self.drawn
        return name not in self.given and self.found[name].is_numbered

    def told(self, column: Column) -> str:
        """Name a column in a message."""
        return f"{self.leads.table}.{column.bare}"

    @property
    def touch_position(self) -> int:
        """Where a before-image holds the old time of the last change, counted from 1."""
        return 1 + len(self.leads.changed_columns)

    @property
    def is_typed(self) -> bool:
        """Whether a column's type may not take, or write otherwise, the text of an old value."""
        return any(column.restored_as for column in self.compared)

    def as_today(self, old: str) -> str:
        """Return SQL for a before-image as the columns' types of today write it."""
        return f"pg_temp.lead_old_values({old})" if self.is_typed else old

    def by_field(self, columns: Sequence[Column]) -> list[list[Column]]:
        """Group columns by their field."""
        fields: dict[str, list[Column]] = {}
        for column in columns:
            fields.setdefault(column.field.name, []).append(column)
        return list(fields.values())

    def new_value(self, column: Column) -> str:
        """Return SQL for a column's value once a record has updated an existing lead."""
        if self.keeps_blanks and column.part is None:
            return f"coalesce({column.staged}, l.{column.name})"
        # If the comparison finds no difference, keep the old spelling: "" beside NULL, a name
        # divided otherwise.
        alike = tuple(other for other in self.compared if other.field == column.field)
        return (
            f"CASE\n            WHEN {self.differs(alike)}\n            THEN {column.cleared}"
            f"\n            ELSE l.{column.name}\n        END"
        )

    def text_after(self, column: Column, old: str) -> str:
        """Return SQL for the text a record leaves in a lead's column after ``old``."""
        staged = f"CAST({column.staged} AS text)"
        if self.keeps_blanks and column.part is not None:
            return f"CASE WHEN {column.raw} IS NULL THEN {old} ELSE {staged} END"
        if self.keeps_blanks:
            return f"coalesce({staged}, {old})"
        if not column.found.nullable:
            return f"coalesce({staged}, {literal('') if column.may_be_empty else old})"
        # "" is as blank as NULL, and stays.
        return (
            f"coalesce({staged}, CASE WHEN {old} = '' THEN '' END)"
            if column.found.is_text
            else staged
        )

    def differs(self, columns: "tuple[Column, ...] | None" = None) -> str:
        """Return SQL, true if a record changes a lead in any of some columns."""
        fields = self.by_field(self.compared if columns is None else columns)
        return "\n            OR ".join(map(self._field_differs, fields)) or "false"

    def _field_differs(self, columns: list[Column]) -> str:
        first = columns[0]
        if len(columns) == 2:  # a pair
            # The same words, divided otherwise, are the same name.
            old = ", ".join(
                f"nullif({column.unpadded(f'l.{column.name}')}, '')" for column in columns
            )
            new = ", ".join(column.staged for column in columns)
            there = f"\n                concat_ws(' ', {old})"
            wanted = f"\n                concat_ws(' ', {new}) COLLATE \"C\""
        else:
            there = first.compared(f"l.{first.name}")
            wanted = first.compared(first.staged if self.keeps_blanks else first.cleared)
            if not self.keeps_blanks and first.found.is_text and first.found.nullable:
                there = f"nullif({there}, '')"
        if self.keeps_blanks:
            return f"{first.raw} IS NOT NULL\n                AND {there} IS DISTINCT FROM {wanted}"
        return f"{there} IS DISTINCT FROM {wanted}"


def _columns(leads: Leads, found: Mapping[str, Found]) -> Iterator[Column]:
    fields = {field.name: field for field in leads.fields}
    positions = {column: n for n, column in enumerate(leads.changed_columns, start=1)}
    for name, target in leads.targets.items():
        if name == "created_at":
            continue
        names = columns_of(target)
        for part, bare in enumerate(names):
            if bare in found:
                yield Column(
                    bare,
                    fields[name],
                    inner_of(target),
                    found[bare],
                    positions.get(bare),
                    part=part if len(names) > 1 else None,
                )


def _moment(target: object, found: Mapping[str, Found]) -> Moment | None:
    return Moment(target, found[target]) if isinstance(target, str) and target in found else None

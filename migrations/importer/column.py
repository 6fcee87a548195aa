"""A column an import writes: how a text of the export becomes its value.

A declaration says where the values of a field go. The catalog says the column's type, and whether
it may be NULL.
"""

import json
import re

from msgspec import Struct

from migrations.importer.declaration import E164, Field, Lookup, Target, Values
from migrations.importer.names import literal, quoted

__all__ = ["WHOLE_NUMBERS", "Column", "Found", "Moment"]

WHOLE_NUMBERS = ("smallint", "integer", "bigint")

_TEXTS = {"text", "character varying"}
_LIMIT = re.compile(r"\((\d+)\)")


class Found(Struct, frozen=True):
    """A column as the catalog has it.

    type: with its limits, such as ``character varying(20)``. base: without them. domain: the
    domain over this type, if it is one. kind: the type's ``typtype``, such as "e" for an enum.
    is_text: whether it holds texts. is_bytewise: whether ``=`` tells texts apart by any byte.
    is_key: whether it is part of a unique index, fit for a foreign key to refer to.
    is_filled: whether the server fills it if no value is given. default: its SQL. is_volatile:
    whether this SQL calls a volatile function of the owner's. is_numbered: from a sequence, or by a
    function that may draw from one. may_be_filled: whether a trigger may give a new row its value.
    is_computed: whether only the server may fill it. computed: SQL it does so by, from the columns
    computed_of.
    """

    type: str
    base: str
    is_text: bool
    nullable: bool = False
    is_filled: bool = False
    is_numbered: bool = False
    is_key: bool = False
    is_bytewise: bool = True
    default: str | None = None
    domain: str | None = None
    may_be_filled: bool = False
    computed: str | None = None
    computed_of: tuple[str, ...] = ()
    is_computed: bool = False
    is_volatile: bool = False
    kind: str = "b"

    @property
    def is_citext(self) -> bool:
        """Whether it is a citext, in whichever schema the extension lies."""
        return self.base.rpartition(".")[2] == "citext"

    @property
    def is_unpadded(self) -> bool:
        """Whether it keeps texts as they are: ``character`` pads them with blanks."""
        return self.base in _TEXTS or self.is_citext

    @property
    def longest(self) -> int | None:
        """How many characters a text may have. None if any number, or if it is no text."""
        limit = _LIMIT.search(self.type) if self.is_text else None
        return int(limit[1]) if limit else None


class Moment(Struct, frozen=True):
    """A column for the time a lead was created or last changed."""

    bare: str
    found: Found

    @property
    def name(self) -> str:
        """The column as an identifier."""
        return quoted(self.bare)

    def of(self, moment: str) -> str:
        """Return SQL to write a moment with a zone into this column. One without a zone is UTC."""
        is_bare = self.found.base != "timestamp with time zone"
        found = f"{moment} AT TIME ZONE 'UTC'" if is_bare else moment
        # A column of fewer digits rounds: what is compared with it later must be rounded too.
        is_rounded = self.found.base == "date" or self.found.type != self.found.base
        return f"CAST({found} AS {self.found.type})" if is_rounded else found


class Column(Struct, frozen=True):
    """A column an import writes.

    bare: its name. field: the record's field for it. part: 0 or 1 of a pair of columns. position:
    where a before-image holds its old value, counted from 1. None: existing leads keep theirs.
    """

    bare: str
    field: Field
    target: Target
    found: Found
    position: int | None
    part: int | None = None

    @property
    def name(self) -> str:
        """The column as an identifier."""
        return quoted(self.bare)

    @property
    def raw(self) -> str:
        """Where the stage holds the record's own text."""
        return f"s.{quoted(self.field.name)}"

    @property
    def written(self) -> str:
        """The stage's column for the value to write, unless this is the record's own text."""
        suffix = "" if self.part is None else f"_{self.part + 1}"
        return quoted(f"written_{self.field.name}{suffix}")

    @property
    def staged(self) -> str:
        """Where the stage holds the value to write. NULL is a blank."""
        return self.raw if self.is_plain else f"s.{self.written}"

    @property
    def is_plain(self) -> bool:
        """Whether the record's own text is written."""
        is_as_it_is = not isinstance(self.target, tuple | E164 | Values | Lookup)
        return is_as_it_is and self.field.kind == "text" and self.found.is_unpadded

    @property
    def is_derived(self) -> bool:
        """Whether the value is made of the record's text in a way that cannot fail.

        The stage derives it while the records arrive, beside the program's own work. (E.164 can
        fail: it has no place for an extension.)
        """
        return isinstance(self.target, Values) and self.found.is_unpadded

    @property
    def cannot_fail(self) -> bool:
        """Whether each text has a value here, though perhaps one too long."""
        return self.is_plain or self.is_derived or self.part is not None

    @property
    def converts(self) -> str | None:
        """SQL, false if the record's text has no value here, as if its agent has gone since.

        None if each text has one.
        """
        return None if self.cannot_fail else f"({self.raw} IS NULL OR {self.staged} IS NOT NULL)"

    @property
    def longest(self) -> int | None:
        """How many characters the column holds, unless it holds any number or a value is cast."""
        return self.found.longest if self.cannot_fail else None

    @property
    def conversion(self) -> str:
        """SQL over the stage's own columns, for the value to write. NULL stays NULL."""
        return f"CAST({self._meant()} AS {self.found.base})" if self._is_cast else self._meant()

    @property
    def _is_cast(self) -> bool:
        # An explicit cast to a text of limited length would cut it off in silence.
        return not self.found.is_text and not isinstance(self.target, Lookup)

    def _meant(self) -> str:
        target, raw = self.target, quoted(self.field.name)
        if isinstance(target, Values):
            words = f"CAST({literal(json.dumps(dict(target.values)))} AS jsonb)"
            other = raw if target.otherwise is None else literal(target.otherwise)
            return (
                f"CASE WHEN {raw} IS NOT NULL\n                "
                f"THEN coalesce({words} ->> {raw}, {other}) END"
            )
        if isinstance(target, Lookup):
            # One value for the whole statement, instead of a search for each record.
            ids = self._select_found("jsonb_object_agg(f.value, f.id)")
            return f"CAST(({ids}) ->> {raw} AS {self.found.base})"
        if isinstance(target, E164):
            return "'+' || phone_key"
        if self.field.kind == "timestamp":
            return Moment("", self.found).of(f"CAST({raw} AS timestamptz)")
        return raw

    def _select_found(self, what: str, more: str = "") -> str:
        return (
            f"\n                SELECT {what} FROM lead_import_found AS f"
            f"\n                WHERE f.field = {literal(self.field.name)}{more}"
        )

    @property
    def for_new(self) -> str:
        """SQL for the value of a new lead."""
        return f"coalesce({self.staged}, {self.blank})" if self.blank else self.staged

    @property
    def blank(self) -> str | None:
        """SQL for a new lead's value if the record has a blank. None means NULL."""
        target = self.target
        if isinstance(target, Values | Lookup) and target.otherwise is not None:
            otherwise = literal(target.otherwise)
            if isinstance(target, Lookup):
                id = f"CAST(f.id AS {self.found.base})"
                return f"({self._select_found(id, f' AND f.value = {otherwise}')})"
            return otherwise if self.found.is_text else f"CAST({otherwise} AS {self.found.base})"
        return "''" if self.found.is_text and not self.found.nullable else None

    @property
    def cleared(self) -> str:
        """SQL for the value of an existing lead, if a blank clears it.

        A blank cannot clear a column without NULL, and keeps its value.
        """
        if self.found.nullable:
            return self.staged
        return f"coalesce({self.staged}, {literal('') if self.may_be_empty else f'l.{self.name}'})"

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty text can stand for a blank."""
        return self.found.is_text and not isinstance(self.target, Values | Lookup)

    @property
    def outlasts_blanks(self) -> bool:
        """Whether it has no room for a blank, so that none can clear it."""
        return not (self.found.nullable or self.may_be_empty)

    @property
    def restored_as(self) -> str | None:
        """The type to restore an old value in, if the column may not take its text."""
        return self.found.domain or (None if self.is_plain else self.found.type)

    def unpadded(self, value: str) -> str:
        """Return SQL for a value as a text, without the blanks ``character`` is padded with."""
        return value if self.found.is_unpadded else f"CAST({value} AS text)"

    def compared(self, value: str) -> str:
        """Return SQL to compare a value: texts by their bytes, whatever their collation says."""
        if not self.found.is_bytewise:
            return f'CAST({value} AS text) COLLATE "C"'
        # An enum has no equality with a domain over it.
        return f"CAST({value} AS {self.found.type})" if self.found.domain else value

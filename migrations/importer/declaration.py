"""Where leads live in a CRM: everything the engine knows of the owner's table.

In the simplest table, columns have the fields' own names:

    LEADS = Leads("leads", full_name="full_name", phone="phone", email="email")

Most CRMs differ, column by column:

    LEADS = Leads(
        "sales.customers",
        full_name=("first_name", "last_name"),
        phone=E164("phone_number"),
        status=Values("stage", {"booked": "WON", "new": "OPEN"}, otherwise="OPEN"),
        assigned_agent=Lookup("owner_id", "users", by="username", otherwise="desk"),
        lead_number=New("reference"),
        bill=Numeric("bill_amount"),
        created_at="created_on",
        touch="updated_on",
        new={"is_deleted": "false"},
        only="NOT is_deleted",
    )

Fields you do not name are not imported. Name a field beyond the standard ones with its type, or it
is text. Every record of the export then needs it.

A declaration is frozen once released, because the ledger keeps it with each import. If the table
changes its shape, write a new declaration below the old one: the next export is imported by it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct, ValidationError, convert
from msgspec.structs import asdict

from migrations.importer.errors import ImportStopped

__all__ = [
    "E164",
    "STANDARD_FIELDS",
    "BadDeclaration",
    "Boolean",
    "Date",
    "Field",
    "Integer",
    "Leads",
    "Lookup",
    "New",
    "Numeric",
    "Text",
    "Timestamp",
    "Values",
    "check_declared",
    "columns_of",
    "inner_of",
]

Kind = Literal["text", "integer", "numeric", "boolean", "date", "timestamp"]


class BadDeclaration(ImportStopped):
    """A declaration contradicts itself. The message lists everything."""


class Field(NamedTuple):
    """One key of a record.

    kind: its values in JSON. In the order of ``Kind``: text, a whole number, a number, true or
    false, an ISO 8601 date, an ISO 8601 time with an offset. Blank is "" for text, dates and times,
    null for others. longest: characters of a text, at most.
    """

    name: str
    kind: Kind = "text"
    longest: int = 500


STANDARD_FIELDS = (
    Field("lead_number", longest=50),
    Field("full_name", longest=200),
    Field("phone", longest=40),
    # RFC 5321, section 4.5.3.1.3, less the angle brackets.
    Field("email", longest=254),
    Field("status", longest=50),
    Field("address1", longest=500),
    Field("postal_code", longest=20),
    Field("notes", longest=100_000),
    Field("assigned_agent", longest=150),
    Field("created_at", "timestamp"),
)
"""What every record holds, beside the ``id`` of its source."""

_STANDARD = {standard.name for standard in STANDARD_FIELDS}
_RESERVED = {
    *("record", "phone_key"),
    *("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"),  # no table takes a column of such a name
}


class Text(Struct, frozen=True):
    """A column for text. longest: characters of a record's text, at most."""

    column: str
    longest: Annotated[int, Meta(ge=1)] = 500


class Integer(Struct, frozen=True):
    """A column for whole numbers."""

    column: str


class Numeric(Struct, frozen=True):
    """A column for numbers with a fraction."""

    column: str


class Boolean(Struct, frozen=True):
    """A column for true and false."""

    column: str


class Date(Struct, frozen=True):
    """A column for days."""

    column: str


class Timestamp(Struct, frozen=True):
    """A column for moments."""

    column: str


class E164(Struct, frozen=True):
    """A column for phones in E.164 (+447700900123)."""

    column: str


class Values(Struct, frozen=True):
    """A column with the CRM's own words.

    values: the export's word → the CRM's. otherwise: the CRM's word for any other one. None leaves
    it as it is.
    """

    column: str
    values: Mapping[str, str]
    otherwise: str | None = None

    @property
    def words(self) -> list[str]:
        """The CRM's words, each once."""
        otherwise = [self.otherwise] if self.otherwise else []
        return sorted({*self.values.values(), *otherwise})


class Lookup(Struct, frozen=True):
    """A column referring to a row of another table, such as the agent's user.

    table: the other table. by: its column with the export's word, or several in the order to try. A
    second look ignores case. id: its column of the reference.
    names: the export's word → what to look for instead. otherwise: what to look for if nothing is
    found. None makes it a problem of the record.
    """

    column: str
    table: str
    by: str | Annotated[tuple[str, ...], Meta(min_length=1)]
    id: str = "id"
    names: Mapping[str, str] = {}
    otherwise: str | None = None

    @property
    def tried(self) -> tuple[str, ...]:
        """The columns to look in, one after the other."""
        return (self.by,) if isinstance(self.by, str) else self.by


class New(Struct, frozen=True):
    """A column written in new leads only: an existing lead keeps what it has."""

    column: "str | Values | Lookup"


Inner = (
    str
    | tuple[str, str]
    | Text
    | Integer
    | Numeric
    | Boolean
    | Date
    | Timestamp
    | E164
    | Values
    | Lookup
)
Target = Inner | New
"""Where the values of a field go: a column of that name, a pair of columns, or one of the above."""

_KINDS: dict[type, Kind] = {
    Integer: "integer",
    Numeric: "numeric",
    Boolean: "boolean",
    Date: "date",
    Timestamp: "timestamp",
}


class Leads:
    """The declaration of one table of leads.

    table: its name, with its schema unless the search_path finds it first. id: its primary key.
    touch: the column for the time of a lead's last change. New leads get their ``created_at``
    there, updated ones the batch's time. new: columns of new leads → SQL. only: SQL over the
    columns, true for rows that are leads. Other keywords are fields and where they go. Raises
    ``BadDeclaration``.
    """

    def __init__(
        self,
        table: str,
        *,
        id: str = "id",
        touch: str | None = None,
        new: Mapping[str, str] | None = None,
        only: str = "",
        **targets: Target,
    ) -> None:
        self.table = table
        self.id = id
        self.touch = touch
        self.new = dict(new or {})
        self.only = only.strip()
        self.targets = targets
        if problems := list(self._problems()):
            raise BadDeclaration(
                "\n".join(
                    [
                        f"The declaration of {table} contradicts itself. Nothing was written.",
                        *(f"  {problem}" for problem in problems),
                        "Change it in migrations/crm.py and try again.",
                    ]
                )
            )

    @property
    def fields(self) -> tuple[Field, ...]:
        """What each record holds: the standard fields, then those of this declaration."""
        return STANDARD_FIELDS + tuple(
            _field(name, target) for name, target in self.targets.items() if name not in _STANDARD
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column this declaration names."""
        targets = [column for target in self.targets.values() for column in columns_of(target)]
        return (self.id, *targets, *([self.touch] if self.touch else []), *self.new)

    @property
    def phone(self) -> str:
        """The column of the phone."""
        (phone,) = columns_of(self.targets["phone"])
        return phone

    @property
    def changed_columns(self) -> tuple[str, ...]:
        """The columns an import may change in an existing lead, without ``touch``."""
        return tuple(
            column
            for name, target in self.targets.items()
            if name != "created_at" and not isinstance(target, New)
            for column in columns_of(target)
        )

    @property
    def tables(self) -> tuple[str, ...]:
        """The table, and those its lookups read."""
        inner = map(inner_of, self.targets.values())
        looked_up = [target.table for target in inner if isinstance(target, Lookup)]
        return (self.table, *dict.fromkeys(looked_up))

    def as_json(self) -> str:
        """Return all of it on one line. Two declarations are the same if this is."""
        told = {name: _told(target) for name, target in self.targets.items()}
        of_table = {"table": self.table, "id": self.id, "touch": self.touch, "only": self.only}
        return json.dumps({**of_table, "new": self.new, "fields": told}, ensure_ascii=False)

    @classmethod
    def from_json(cls, told: str) -> "Leads":
        """Return the declaration again from its ``as_json``."""
        of_table = json.loads(told)
        fields = of_table.pop("fields")
        targets: dict[str, Any] = {name: _target(field) for name, field in fields.items()}
        return cls(**of_table, **targets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Leads) and self.as_json() == other.as_json()

    def __hash__(self) -> int:
        return hash(self.as_json())

    def __repr__(self) -> str:
        return f"Leads({self.as_json()})"

    def _problems(self) -> Iterator[str]:
        if misshapen := list(self._misshapen()):
            yield from misshapen
            return
        if "phone" not in self.targets:
            yield "phone: missing, but it says whose record this is"
        for name, target in self.targets.items():
            inner = inner_of(target)
            if isinstance(inner, E164) and name != "phone":
                yield f"{name}: only a phone can be E164"
            if name == "phone" and not isinstance(target, str | E164):
                yield "phone: expected a column's name or E164(…)"
            if name in _STANDARD and isinstance(inner, (Text, *_KINDS)):
                yield f"{name}: already has its type. Name the column alone"
            if name == "created_at" and not isinstance(target, str):
                yield "created_at: expected a column's name"
            if name == "id":
                yield "id: belongs to the source and is not imported"
            if not name.isidentifier():
                yield f"{name!r}: expected a field's name of letters, digits and _"
            if name in _RESERVED or name.startswith(("written_", "_")):
                yield f"{name}: is reserved for the importer. Give the field another name"
        columns = self.columns
        for column in sorted({column for column in columns[1:] if columns[1:].count(column) > 1}):
            yield f"the column {column} is named more than once"
        if self.id in columns[1:] and self.id not in self.new:
            yield f"the column {self.id} is the primary key: no field goes there"

    def _misshapen(self) -> Iterator[str]:
        """Yield what Python lets pass, and the types forbid."""
        names: dict[str, object] = {"table": self.table, "id": self.id, "touch": self.touch or ""}
        for name, given in names.items():
            if not isinstance(given, str):
                yield f"{name}: expected a text in quotes, found {given!r}"
        for column, sql in self.new.items():
            if not isinstance(sql, str):
                yield f"new, {column}: expected SQL in quotes, found {sql!r}"
        for name, target in self.targets.items():
            inner: object = inner_of(target)
            if isinstance(target, New) and not isinstance(inner, str | Values | Lookup):
                yield f"{name}: New takes a column's name, Values or Lookup"
            elif not isinstance(inner, (str, tuple, Text, E164, Values, Lookup, *_KINDS)):
                yield f"{name}: expected a column's name in quotes, found {inner!r}"
            elif isinstance(inner, tuple) and len(inner) != 2:
                yield f"{name}: names {len(inner)} columns, expected one or a pair"
            elif isinstance(inner, Struct):
                try:
                    convert(asdict(inner), type(inner))
                except ValidationError as error:
                    yield f"{name}: {error}"


def check_declared(declared: object) -> Leads:
    """Return a declaration. Raises ``BadDeclaration`` if it is something else."""
    if not isinstance(declared, Leads):
        raise BadDeclaration(
            f"migrations/crm.py declares a {type(declared).__name__}, expected Leads(…). Is there "
            "a comma behind it? Nothing was written. Change it and try again."
        )
    return declared


def columns_of(target: Target) -> tuple[str, ...]:
    """Return the names of a field's columns: one, or a pair."""
    if isinstance(target, tuple):
        return target
    if isinstance(target, str):
        return (target,)
    return columns_of(target.column)


def inner_of(target: Target) -> Inner:
    """Return what ``New`` holds, or the target itself."""
    return target.column if isinstance(target, New) else target


def _field(name: str, target: Target) -> Field:
    if isinstance(target, Text):
        return Field(name, longest=target.longest)
    return Field(name, _KINDS.get(type(target), "text"))


def _target(told: Any) -> Target:
    if isinstance(told, str):
        return told
    if isinstance(told, list):
        first, last = told
        return first, last
    given = dict(told)
    kind = _BY_NAME[given.pop("is")]
    if kind is New:
        return New(_target(given["column"]))  # type: ignore[arg-type]  # as it was told
    if kind is Lookup and isinstance(given["by"], list):
        given["by"] = tuple(given["by"])
    made: Target = kind(**given)
    return made


def _told(target: Target) -> Any:
    if isinstance(target, str | tuple):
        return target
    if isinstance(target, New):
        return {"is": "New", "column": _told(target.column)}
    return {"is": type(target).__name__, **asdict(target)}


_BY_NAME: dict[str, Any] = {
    kind.__name__: kind for kind in (Text, *_KINDS, E164, Values, Lookup, New)
}

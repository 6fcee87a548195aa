"""Find where leads may live in an undeclared database: tables with phones.

The catalog gives a declaration for the owner to complete. CHECK marks what nobody could guess.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from migrations.importer.names import as_it_is, literal, qualified, quoted
from migrations.importer.schema.catalog import find_columns, hidden_schemas, name_of
from migrations.importer.schema.fitting import MOMENTS
from migrations.importer.sql import statement

__all__ = [
    "MARK",
    "Phone",
    "declaration_in_words",
    "find_phones",
    "likeliest",
    "phones_in_words",
    "suggest",
]

MOST_NAMED = 12
"""How many columns a refusal names."""

_PHONE = {
    *("phone", "phones", "phonenumber", "phonenumbers", "mobile", "mobiles", "cell", "cellphone"),
    *("tel", "telephone", "telefon", "telefono", "telefone", "handy", "msisdn", "whatsapp"),
}
MARK = "# CHECK"
"""Of a question for the owner."""

_CHECK = f"  {MARK}: "

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

_NAMES = {
    "lead_number": ("lead_number", "lead_no", "reference", "lead_ref", "ref", "number"),
    "full_name": (
        *("full_name", "fullname", "customer_name", "contact_name", "lead_name"),
        *("client_name", "name", "display_name"),
    ),
    "phone": (
        *("phone", "phone_number", "phonenumber", "telephone", "mobile", "mobile_phone"),
        *("phone1", "primary_phone", "tel", "cell", "cellphone"),
    ),
    "email": ("email", "email_address", "e_mail", "email_from", "mail", "primary_email"),
    "status": ("status", "lead_status", "stage", "state_name"),
    "address1": (
        *("address1", "address", "address_line1", "address_line_1", "address_line"),
        *("street", "street_address", "address_1"),
    ),
    "postal_code": ("postal_code", "postcode", "zip", "zip_code", "post_code", "postalcode"),
    "notes": ("notes", "note", "description", "comments", "comment", "remarks"),
    "assigned_agent": (
        *("assigned_agent", "assigned_agent_id", "assigned_to", "assigned_to_id"),
        *("assigned_user_id", "agent_id"),
        *("agent", "owner_id", "owner", "user_id", "assigned", "assignee_id", "salesperson_id"),
    ),
    "created_at": (
        *("created_at", "created", "create_date", "created_on", "date_created", "date_added"),
        *("created_date", "creation_date", "createdat", "createddate", "date_entered"),
        *("inserted_at",),
    ),
}
_FIRST_NAMES = ("first_name", "firstname", "given_name", "name_first_name")
_LAST_NAMES = ("last_name", "lastname", "surname", "family_name", "name_last_name")
_TOUCHES = (
    *("updated_at", "updated", "write_date", "modified_at", "updated_on", "date_updated"),
    *("date_modified", "last_modified", "last_modified_date", "lastmodifieddate"),
    *("modified", "modified_date", "updatedat"),
)
_USER_NAMES = ("username", "login", "email", "name", "full_name")
_DELETED = ("is_deleted", "deleted", "isdeleted", "is_archived", "archived")
_DELETED_AT = ("deleted_at", "deletedat", "archived_at", "discarded_at")
References = dict[str, Row[Any]]
"""Foreign keys of one column: the column → ``column``, ``table`` and ``id``."""

_CATEGORY = re.compile("[a-z_]{1,20}")
"""A word for a kind of lead, not for a person."""


@dataclass(frozen=True)
class Phone:
    """A column apparently of phones. why_not: what keeps it from being declared, or ""."""

    table: str
    column: str
    why_not: str = ""


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    base: str
    is_text: bool
    is_filled: bool
    is_computed: bool
    is_key: bool
    nullable: bool
    kind: str

    @property
    def snake(self) -> str:
        """The name as words joined by underscores: nameFirstName is name_first_name."""
        return "_".join(_words(self.name))


def find_phones(connection: Connection) -> list[Phone]:
    """Find the columns of the owner's tables apparently holding phones."""
    return list(_phones(connection))


def phones_in_words(phones: Sequence[Phone]) -> list[str]:
    """Name the columns, a line each."""
    lines = [
        f"  {phone.table}.{phone.column}" + (f": {phone.why_not}" if phone.why_not else "")
        for phone in phones[:MOST_NAMED]
    ]
    rest = len(phones) - MOST_NAMED
    return [*lines, f"  … and {rest} more"] if rest > 0 else lines


def declaration_in_words(connection: Connection, phones: Sequence[Phone]) -> list[str]:
    """Say what to declare: a declaration of the likeliest table, to paste."""
    best = likeliest(connection, phones)
    if best is None:
        return ["Declare in migrations/crm.py where leads live and try again."]
    return [
        f"Declare where leads live: 'python -m migrations adopt {best}' writes this into",
        "migrations/crm.py, for you to complete where it says CHECK:",
        "",
        suggest(connection, best),
    ]


def likeliest(connection: Connection, phones: Sequence[Phone]) -> str | None:
    """Return the table most like one of leads."""
    tables = dict.fromkeys(phone.table for phone in phones if not phone.why_not)
    return max(tables, key=lambda table: _likeness(connection, table), default=None)


def suggest(connection: Connection, table: str, name: str = "LEADS") -> str:
    """Return the source of a declaration of a table, guessed from the catalog."""
    columns = _columns(connection, table)
    writable = [column for column in columns if not column.is_computed]
    references = {
        row.column: row
        for row in connection.execute(text(statement("find_references", name=name_of(table))))
    }
    lines = [f"{name} = Leads(", f"    {_source(table)},"]
    taken: set[str] = set()
    key = connection.execute(text(statement("find_primary_key", name=name_of(table)))).scalar()
    if key is None:
        lines.append(f'    id="…",{_CHECK}which column alone tells leads apart?')
    elif key != "id":
        lines.append(f"    id={_source(key)},")
    for field, target, columns_used in _fields(connection, table, writable, references):
        code, _, check = target.partition(_CHECK)
        lines.append(f"    {field}={code}," + (f"{_CHECK}{check}" if check else ""))
        taken.update(columns_used)
    touch = _first(writable, _TOUCHES)
    if touch and touch.base in MOMENTS:
        lines.append(f"    touch={_source(touch.name)},")
        taken.add(touch.name)
    lines += _new_in_words(connection, table, columns, taken, references)
    if only := _only(columns):
        lines.append(f"    only={only},")
    return "\n".join([*lines, ")"])


def _phones(connection: Connection) -> Iterator[Phone]:
    for row in connection.execute(text(statement("find_text_columns"))):
        table = row.table if row.is_first else f"{row.schema}.{row.table}"
        if not _PHONE & set(_words(row.column)):
            if row.refers and row.column in ("number", "value") and _PHONE & set(_words(row.table)):
                yield Phone(table, row.column, "phones lie in a table of their own")
        elif row.type in ("json", "jsonb") or row.type.endswith("[]"):
            yield Phone(table, row.column, f"phones lie in {row.type}")
        elif row.is_text and not row.may_read:
            yield Phone(table, row.column, "the role may not read it")
        elif row.is_text:
            is_id = _words(row.column)[-1] == "id"  # phone_number_id
            elsewhere = is_id or (row.refers and _PHONE & set(_words(row.table)))
            told = "phones lie in a table of their own" if elsewhere else ""
            yield Phone(table, row.column, told)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _columns(connection: Connection, table: str) -> list[_Column]:
    return [
        _Column(
            row.name,
            row.type,
            row.base,
            row.is_text,
            row.is_filled or row.is_computed,
            row.is_computed,
            row.is_key,
            row.nullable,
            row.kind,
        )
        for row in find_columns(connection, table)
    ]


def _likeness(connection: Connection, table: str) -> int:
    """Return how much a table looks like one of leads."""
    columns = _columns(connection, table)
    fields = sum(bool(_first(columns, names)) for names in _NAMES.values())
    words = set(_words(table.rpartition(".")[2]))
    return fields + 3 * bool(words & {"lead", "leads"}) - 3 * bool(words & {"user", "users"})


def _first(columns: Sequence[_Column], names: Sequence[str]) -> _Column | None:
    """Find the column with the first possible of some names, or ending with it."""
    for name in names:
        for column in columns:
            if column.snake == name:
                return column
    for name in names:
        for column in columns:
            if "_" in name and column.snake.endswith(f"_{name}"):
                return column
    return None


def _fields(
    connection: Connection, table: str, columns: list[_Column], references: References
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each field with a likely column: its name, its target as source, the columns."""
    for field, names in _NAMES.items():
        column = _first(columns, names)
        first, last = _first(columns, _FIRST_NAMES), _first(columns, _LAST_NAMES)
        if field == "full_name" and not column and first and last:
            yield field, f"({_source(first.name)}, {_source(last.name)})", [first.name, last.name]
        elif field == "phone":
            yield field, *_phone(connection, table, columns)
        elif column and (target := _target(connection, table, field, column, references)):
            yield field, target, [column.name]


def _phone(connection: Connection, table: str, columns: Sequence[_Column]) -> tuple[str, list[str]]:
    """Return the phone's target as source, and its column: the first that has any.

    It says whose record is whose, so several are a question.
    """
    named = _first(columns, _NAMES["phone"])
    likely = list(dict.fromkeys([*([named] if named else []), *filter(_has_a_phone, columns)]))
    if not likely:
        return f'"…"{_CHECK}which column has the phone?', []
    filled = [column for column in likely if _has_values(connection, table, column)]
    column, *others = filled or likely[:1]
    name = _source(column.name)
    target = f"E164({name})" if _are_e164(connection, table, column) else name
    told = ", ".join(other.name for other in others)
    return target + (f"{_CHECK}or is it {told}?" if others else ""), [column.name]


def _has_a_phone(column: _Column) -> bool:
    words = _words(column.name)
    return column.is_text and bool(_PHONE & set(words)) and words[-1] not in ("code", "id", "type")


def _target(
    connection: Connection,
    table: str,
    field: str,
    column: _Column,
    references: References,
) -> str | None:
    if field == "created_at":
        return _source(column.name) if column.base in MOMENTS else None
    if field == "lead_number" and column.is_text:
        return f"New({_source(column.name)})"  # the CRM's own numbers stay
    if reference := references.get(column.name):
        return _lookup(connection, column, reference)
    if field == "assigned_agent" and column.snake.endswith("_id"):
        check = f"{_CHECK}an id of which table, found by which column?"
        return f'Lookup({_source(column.name)}, "…", by="…"){check}'
    is_number = field == "status" and column.base in ("smallint", "integer", "bigint")
    if column.kind == "e" or is_number:
        labels = _labels(connection, column) or ["…"]
        check = (
            "which word is which number?" if is_number else f"which is what? {', '.join(labels)}"
        )
        return (
            f"Values({_source(column.name)}, {{}}, otherwise={_source(labels[0])}){_CHECK}{check}"
        )
    return _source(column.name) if column.is_text else None


def _lookup(connection: Connection, column: _Column, reference: Row[Any]) -> str:
    is_hidden = hidden_schemas(connection, [reference.table])
    users = [] if is_hidden else _columns(connection, reference.table)
    by = _first(users, _USER_NAMES)
    otherwise = "" if column.nullable else ', otherwise="…"'
    of_id = "" if reference.id == "id" else f", id={_source(reference.id)}"
    questions = [] if by else ["by which column?"]
    questions += ["whom, if nobody is found?"] if otherwise else []
    check = _CHECK + " ".join(questions) if questions else ""
    name = _source(by.name if by else "…")
    named = f"{_source(column.name)}, {_source(reference.table)}"
    return f"Lookup({named}, by={name}{of_id}{otherwise}){check}"


def _has_values(connection: Connection, table: str, column: _Column) -> bool:
    if not column.is_text:
        return False
    name = quoted(column.name)
    sample = f"SELECT {name} FROM {qualified(table)} LIMIT 100000"
    asked = f"SELECT EXISTS (SELECT FROM ({sample}) AS sample WHERE {name} <> '')"
    return bool(connection.execute(text(asked)).scalar_one())


def _are_e164(connection: Connection, table: str, column: _Column) -> bool:
    """Whether existing phones, the first thousand, all begin with a plus and hold digits alone."""
    if not column.is_text:
        return False
    name = quoted(column.name)
    asked = (
        f"SELECT count(*) > 0 AND bool_and({name} ~ '^[+][1-9][0-9]{{6,14}}$') "
        f"FROM (SELECT {name} FROM {qualified(table)} WHERE {name} <> '' LIMIT 1000) AS sample"
    )
    return bool(connection.execute(text(asked)).scalar_one())


def _labels(connection: Connection, column: _Column) -> list[str]:
    asked = (
        f"SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = {literal(column.base)}"
        "\\:\\:regtype ORDER BY enumsortorder"
    )
    return list(connection.execute(text(asked)).scalars())


def _new_in_words(
    connection: Connection,
    table: str,
    columns: Sequence[_Column],
    taken: set[str],
    references: References,
) -> list[str]:
    """List the columns that must have a value, but have no field."""
    needed = [
        column
        for column in columns
        if not column.nullable and not column.is_filled and column.name not in taken
    ]
    if not needed:
        return []
    lines = [
        f"        {_new(connection, table, column, column.name in references)}" for column in needed
    ]
    return ["    new={", *lines, "    },"]


def _new(connection: Connection, table: str, column: _Column, refers: bool) -> str:
    value = _only_value(connection, table, column) or _usual_value(column, refers)
    if value is None:
        return f'{_source(column.name)}: "…",{_CHECK}NOT NULL {column.type}, with which value?'
    return f"{_source(column.name)}: {_source(value)},"


def _usual_value(column: _Column, refers: bool) -> str | None:
    if column.base == "boolean":
        return "false"
    if column.base in ("json", "jsonb"):
        return "'{}'"
    if column.base == "uuid" and column.snake == "id":
        return "gen_random_uuid()"
    if column.base in MOMENTS:
        return "now()"
    if column.base in ("numeric", "double precision", "real"):
        return "0"
    has_a_meaning = column.is_key or refers or _words(column.name)[-1:] in (["type"], ["dtype"])
    return "''" if column.is_text and not has_a_meaning else None


def _source(value: str) -> str:
    """Write a text as Python does, between double quotes."""
    return json.dumps(value, ensure_ascii=False)


def _only_value(connection: Connection, table: str, column: _Column) -> str | None:
    """Return the one value all rows share, if they do: a tenant's, a type's."""
    if column.snake == "id" or column.base in ("json", "jsonb", *MOMENTS):
        return None
    name = quoted(column.name)
    asked = (
        f"SELECT min({name}\\:\\:text) AS least, max({name}\\:\\:text) AS most, count(*) AS rows "
        f"FROM (SELECT {name} FROM {qualified(table)} LIMIT 100000) AS sample"
    )
    found = connection.execute(text(asked)).one()
    if found.least is None or found.least != found.most or len(found.least) > 50:
        return None
    if column.is_key and found.rows < 2:
        return None  # it may be unique
    if column.is_text and (found.rows < 2 or not _CATEGORY.fullmatch(found.least)):
        return None  # it could be somebody's
    plain = column.base in ("integer", "bigint", "smallint", "numeric", "boolean")
    return found.least if plain else as_it_is(literal(found.least))


def _only(columns: Sequence[_Column]) -> str | None:
    """Say which rows are leads, if the table keeps deleted ones."""
    for column in columns:
        name = as_it_is(quoted(column.name))
        if column.snake in _DELETED and column.base == "boolean":
            return _source(f"{name} IS NOT TRUE" if column.nullable else f"NOT {name}")
        if column.snake in _DELETED and column.base in ("smallint", "integer"):
            return _source(f"{name} IS DISTINCT FROM 1" if column.nullable else f"{name} <> 1")
        if column.snake in _DELETED_AT and column.base in MOMENTS:
            return _source(f"{name} IS NULL")
    return None

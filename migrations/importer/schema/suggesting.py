"""Suggest a declaration of a table to its owner. CHECK marks what nobody can guess."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from migrations.importer.column import WHOLE_NUMBERS
from migrations.importer.names import literal, qualified, quoted, unescaped
from migrations.importer.schema.catalog import hidden_schemas, labels_of, name_of
from migrations.importer.schema.fitting import MOMENTS
from migrations.importer.schema.naming import (
    DELETED,
    DELETED_AT,
    FIRST_NAMES,
    LAST_NAMES,
    NAMES,
    TOUCHES,
    USER_NAMES,
    TableColumn,
    columns_of_table,
    first_named,
    names_a_phone,
    words_of,
)
from migrations.importer.sql import statement

__all__ = ["MARK", "suggest"]

MARK = "# CHECK"
"""Of a question for the owner."""

_CHECK = f"  {MARK}: "

References = dict[str, Row[Any]]
"""Foreign keys of one column: the column → ``column``, ``table`` and ``id``."""

_IDS = {*WHOLE_NUMBERS, "uuid"}

_ACTIVE = {"active", "enabled"}
"""Of a column that is true for a new lead, or nobody would see it. Beside others, as in
``sms_enabled``, it is a question."""

_AGREED = {"consent", "agreed", "accepted", "opt", "optin", "confirmed", "verified", "subscribed"}
"""Of a column for what a lead has agreed to, or somebody has checked: nobody's guess."""

_KINDS = {"type", "dtype", "discriminator", "discr"}
"""Last words of a column for the class of a row: an ORM reads no row with a blank there."""

_CATEGORY = re.compile("[a-z_]{1,20}")
"""A word for a kind of lead, not for a person."""


def suggest(connection: Connection, table: str) -> str:
    """Return the source of a declaration of a table, guessed from the catalog."""
    columns = columns_of_table(connection, table)
    named = {"name": name_of(table)}
    key = connection.execute(text(statement("find_primary_key")), named).scalar()
    writable = [
        column
        for column in columns
        # A tool's own columns begin with _.
        if not column.found.is_computed and column.name != key and column.name[0] != "_"
    ]
    references = {
        row.column: row for row in connection.execute(text(statement("find_references")), named)
    }
    lines = ["LEADS = Leads(", f"    {_source(table)},"]
    taken: set[str] = set()
    if key is None:
        lines.append(f'    id="…",{_CHECK}which column alone tells leads apart?')
    elif key != "id":
        lines.append(f"    id={_source(key)},")
    for field, target, columns_used in _fields(connection, table, writable, references):
        code, _, check = target.partition(_CHECK)
        lines.append(f"    {field}={code}," + (f"{_CHECK}{check}" if check else ""))
        taken.update(columns_used)
    touch = first_named(writable, TOUCHES)
    if touch and touch.found.base in MOMENTS:
        lines.append(f"    touch={_source(touch.name)},")
        taken.add(touch.name)
    lines += _new_in_words(connection, table, columns, taken, references)
    if only := _only(columns):
        lines.append(f"    only={only},")
    return "\n".join([*lines, ")"])


def _fields(
    connection: Connection, table: str, columns: list[TableColumn], references: References
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each field with a likely column: its name, its target as source, the columns."""
    for field, names in NAMES.items():
        column = first_named(columns, names)
        first, last = first_named(columns, FIRST_NAMES), first_named(columns, LAST_NAMES)
        if field == "full_name" and not column and first and last:
            yield field, f"({_source(first.name)}, {_source(last.name)})", [first.name, last.name]
        elif field == "phone":
            yield field, *_phone(connection, table, columns)
        elif column and (target := _target(connection, field, column, references)):
            yield field, target, [column.name]


def _phone(
    connection: Connection, table: str, columns: Sequence[TableColumn]
) -> tuple[str, list[str]]:
    """Return the phone's target as source, and its column: the first that has any.

    It says whose record is whose, so several are a question.
    """
    named = first_named(columns, NAMES["phone"])
    likely = list(dict.fromkeys([*([named] if named else []), *filter(_has_a_phone, columns)]))
    if not likely:
        return f'"…"{_CHECK}which column has the phone?', []
    filled = [column for column in likely if _has_values(connection, table, column)]
    column, *others = filled or likely[:1]
    name = _source(column.name)
    target = f"E164({name})" if _are_e164(connection, table, column) else name
    told = ", ".join(other.name for other in others)
    return target + (f"{_CHECK}or is it {told}?" if others else ""), [column.name]


def _has_a_phone(column: TableColumn) -> bool:
    if not (column.found.is_text and names_a_phone(column.name)):
        return False
    return words_of(column.name)[-1] not in ("code", "id", "type")


def _target(
    connection: Connection, field: str, column: TableColumn, references: References
) -> str | None:
    if field == "created_at":
        return _source(column.name) if column.found.base in MOMENTS else None
    if field == "lead_number" and column.found.is_text:
        return f"New({_source(column.name)})"  # the CRM's own numbers stay
    if reference := references.get(column.name):
        return _lookup(connection, column, reference)
    if field == "assigned_agent" and (column.snake.endswith("_id") or column.found.base in _IDS):
        check = f"{_CHECK}an id of which table, found by which column?"
        return f'Lookup({_source(column.name)}, "…", by="…"){check}'
    is_number = field == "status" and column.found.base in WHOLE_NUMBERS
    if column.found.kind == "e" or is_number:
        labels = labels_of(connection, column.found.base) or ["…"]
        check = (
            "which word is which number?" if is_number else f"which is what? {', '.join(labels)}"
        )
        return (
            f"Values({_source(column.name)}, {{}}, otherwise={_source(labels[0])}){_CHECK}{check}"
        )
    return _source(column.name) if column.found.is_text else None


def _lookup(connection: Connection, column: TableColumn, reference: Row[Any]) -> str:
    is_hidden = hidden_schemas(connection, [reference.table])
    users = [] if is_hidden else columns_of_table(connection, reference.table)
    by = first_named(users, USER_NAMES)
    otherwise = "" if column.found.nullable else ', otherwise="…"'
    of_id = "" if reference.id == "id" else f", id={_source(reference.id)}"
    questions = [] if by else ["by which column?"]
    questions += ["whom, if nobody is found?"] if otherwise else []
    check = _CHECK + " ".join(questions) if questions else ""
    name = _source(by.name if by else "…")
    named = f"{_source(column.name)}, {_source(reference.table)}"
    return f"Lookup({named}, by={name}{of_id}{otherwise}){check}"


def _has_values(connection: Connection, table: str, column: TableColumn) -> bool:
    if not column.found.is_text:
        return False
    return bool(connection.execute(_about("has_values", table, column)).scalar_one())


def _are_e164(connection: Connection, table: str, column: TableColumn) -> bool:
    if not column.found.is_text:
        return False
    return bool(connection.execute(_about("are_e164", table, column)).scalar_one())


def _about(asked: str, table: str, column: TableColumn) -> TextClause:
    return text(statement(asked, table=qualified(table), column=quoted(column.name)))


def _new_in_words(
    connection: Connection,
    table: str,
    columns: Sequence[TableColumn],
    taken: set[str],
    references: References,
) -> list[str]:
    """List the columns that must have a value, but have no field."""
    needed = [column for column in columns if column.name not in taken and _needs_a_value(column)]
    if not needed:
        return []
    lines = [
        f"        {_new(connection, table, column, column.name in references)}" for column in needed
    ]
    return ["    new={", *lines, "    },"]


def _needs_a_value(column: TableColumn) -> bool:
    found = column.found
    is_needed = _is_active(column) or not found.nullable
    return is_needed and not (found.is_filled or found.is_computed)


def _new(connection: Connection, table: str, column: TableColumn, refers: bool) -> str:
    value = None
    if _AGREED.isdisjoint(words_of(column.name)):
        value = _only_value(connection, table, column) or _usual_value(column, refers)
    if value is None:
        check = f"{_CHECK}NOT NULL {column.found.type}, with which value?"
        return f'{_source(column.name)}: "…",{check}'
    return f"{_source(column.name)}: {_source(value)},"


def _usual_value(column: TableColumn, refers: bool) -> str | None:
    found = column.found
    if found.base == "boolean":
        return _usual_boolean(column)
    if found.base in ("json", "jsonb"):
        return "'{}'"
    if found.base == "uuid" and column.snake == "id":
        return "gen_random_uuid()"
    if found.base in MOMENTS:
        return "now()"
    is_kind = not _KINDS.isdisjoint(words_of(column.name)[-1:])
    has_a_meaning = found.is_key or refers or is_kind
    is_number = found.base in ("numeric", "double precision", "real")
    if has_a_meaning or not (is_number or found.is_text):
        return None
    return "0" if is_number else "''"


def _usual_boolean(column: TableColumn) -> str | None:
    if _is_active(column):
        return "true"
    return None if _ACTIVE & {*words_of(column.name)} else "false"


def _is_active(column: TableColumn) -> bool:
    return column.found.base == "boolean" and column.snake.removeprefix("is_") in _ACTIVE


def _source(value: str) -> str:
    """Write a text as Python does, between double quotes."""
    return json.dumps(value, ensure_ascii=False)


def _only_value(connection: Connection, table: str, column: TableColumn) -> str | None:
    """Return the one value all rows share, if they do: a tenant's, a type's, or an empty list."""
    if column.snake == "id" or column.found.base in MOMENTS:
        return None
    found = connection.execute(_about("find_range", table, column)).one()
    if column.found.base in ("json", "jsonb"):
        are_lists = found.least and found.least[0] == found.most[0] == "["
        return "'[]'" if are_lists else None
    if found.least is None or found.least != found.most or len(found.least) > 50:
        return None
    if column.found.is_key and found.rows < 2:
        return None  # it may be unique
    if column.found.is_text and (found.rows < 2 or not _CATEGORY.fullmatch(found.least)):
        return None  # it could be somebody's
    plain = column.found.base in (*WHOLE_NUMBERS, "numeric", "boolean")
    return found.least if plain else unescaped(literal(found.least))


def _only(columns: Sequence[TableColumn]) -> str | None:
    """Say which rows are leads, if the table keeps deleted ones."""
    for column in columns:
        name, found = unescaped(quoted(column.name)), column.found
        if column.snake in DELETED and found.base == "boolean":
            return _source(f"{name} IS NOT TRUE" if found.nullable else f"NOT {name}")
        if column.snake in DELETED and found.base in ("smallint", "integer"):
            return _source(f"{name} IS DISTINCT FROM 1" if found.nullable else f"{name} <> 1")
        if column.snake in DELETED_AT and found.base in MOMENTS:
            return _source(f"{name} IS NULL")
    return None

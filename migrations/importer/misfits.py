"""Hold every staged record against the table's rules, before the first write.

The server itself judges what the leads would hold: by the lengths of texts, by what it computes for
indexes and generated columns, by NOT NULL, CHECK and foreign keys, by unique indexes and exclusion
constraints. Its findings are in ``lead_import_rejected``, by record, field and rule. No value
reaches its log.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from migrations.importer.column import Column, Found
from migrations.importer.declaration import Lookup
from migrations.importer.errors import DatabaseRefused
from migrations.importer.foreseen import Foreseen
from migrations.importer.names import escaped, literal, quoted
from migrations.importer.session import Session
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = ["find_misfits"]


class Rule(Struct, frozen=True):
    """A rule of the table.

    columns: its columns, by their bare names. condition: SQL over them and the existing lead's
    ``_lead_id``, true if the rule is broken. field: the record's, for the message. reason: what is
    wrong, without the value. changes: SQL over the lead and the record, true if updating the lead
    makes the server look at the rule.
    """

    columns: Sequence[str]
    condition: str
    field: str
    reason: str
    changes: str


def find_misfits(session: Session, table: LeadsTable, start: int) -> None:
    """List the staged records the table has no room for.

    start: the first record not imported yet, from 0. Raises ``DatabaseRefused`` if a lookup's
    ``otherwise`` finds nobody, or the role may not read a table leads refer to.
    """
    foreseen = Foreseen(table)
    for column in table.lookups:
        _check_otherwise(session, table, column)
    with session.transaction("holding the records against the table"):
        for column, longest in table.limited:
            asked = statement("find_too_long", table=table, column=column, longest=longest)
            session.execute(asked, start=start)
        rules = [
            *_computed(session, table),
            *_not_null(table),
            *_unfit_new(table),
            *_domains(table),
            *_only(table),
            *_rules(session, table),
            *_referred_to(session, table),
        ]
        if rules:
            session.execute(statement("find_broken", table=table, rules=rules, start=start))
        for unique in session.execute(statement("find_unique"), name=table.catalog_name).all():
            if foreseen.writes(unique.columns) and not foreseen.may_be_filled(unique.columns):
                session.execute(_find_taken(table, unique, rules), start=start)


def _check_otherwise(session: Session, table: LeadsTable, column: Column) -> None:
    target = column.target
    assert isinstance(target, Lookup)
    if target.otherwise is None:
        return
    wanted = {"field": column.field.name, "value": target.otherwise}
    if not session.execute(statement("count_found"), **wanted).scalar_one():
        raise DatabaseRefused(
            f"{table.told(column)}: otherwise={target.otherwise!r} is nobody in {target.table}, or "
            "more than one. Nothing was written. Change the declaration in migrations/crm.py or "
            "add that row, then try again."
        )


def _computed(session: Session, table: LeadsTable) -> Iterator[Rule]:
    """Yield what the server computes of a row, and can fail at: columns, and keys of indexes."""
    knows = Foreseen(table).knows
    for name, column in table.found.items():
        field = _field_in(table, [name])
        if column.computed is not None and field is not None and knows([name]):
            for condition, told in _unfit(table, name, column):
                yield Rule([name], condition, field, told, table.differs())
    for index in session.execute(statement("find_computed"), name=table.catalog_name).all():
        field = _field_in(table, index.columns)
        if field is not None and knows(index.columns):
            computing = _computing([f"({escaped(sql)})" for sql in index.expressions])
            condition = f"CASE WHEN ({escaped(index.predicate)}) THEN {computing} ELSE false END"
            told = _makes_fail(table, f"the index {index.name}")
            yield Rule(index.columns, condition, field, told, table.differs())


def _unfit(table: LeadsTable, name: str, column: Found) -> Iterator[tuple[str, str]]:
    """Yield when a column does not take what fills it, as a condition, each with a reason."""
    value, told = f"w.{quoted(name)}", f"{table.leads.table}.{name}"
    yield _computing([value]), _makes_fail(table, f"the column {name}")
    if column.longest:
        longer = f"char_length(rtrim({value})) > {column.longest}"  # the server cuts off blanks
        yield longer, f"makes {told} longer than {column.longest} characters"
    if not column.nullable:
        yield f"{value} IS NULL", f"gives {told} no value, and it must have one"


def _computing(computed: Sequence[str]) -> str:
    """Return a condition that is never true, but fails if a value cannot be computed.

    Not every type has an equality to ask for.
    """
    return f"num_nulls({', '.join(computed)}) < 0" if computed else "false"


def _makes_fail(table: LeadsTable, what: str) -> str:
    return f"makes {what} of {table.leads.table} fail"


def _field_in(table: LeadsTable, names: Sequence[str]) -> str | None:
    """Find the first field an import writes to some columns.

    "" if it writes something but no field. None if it writes nothing there.
    """
    fields = dict.fromkeys(table.given, "")
    fields |= {moment.bare: "created_at" for moment in (table.touch, table.created_at) if moment}
    fields |= {column.bare: column.field.name for column in table.columns}
    bases = Foreseen(table).bases(names)
    return max((fields[name] for name in bases if name in fields), key=bool, default=None)


def _not_null(table: LeadsTable) -> Iterator[Rule]:
    """Yield the columns where a new lead must have a value, but a blank gives none."""
    for column in table.columns:
        if not column.found.nullable and column.blank is None:
            yield Rule(
                [column.bare],
                f"w._lead_id IS NULL AND w.{column.name} IS NULL AND {_is_not_told_of(column)}",
                column.field.name,
                f"is blank, and {table.told(column)} must have a value",
                "false",
            )


def _unfit_new(table: LeadsTable) -> Iterator[Rule]:
    """Yield the columns of ``new`` that do not take what it gives."""
    for name in _known_of_new(table):
        for condition, told in _unfit(table, name, table.found[name]):
            yield Rule([name], condition, "", f"new {told}", "false")


def _is_not_told_of(column: Column) -> str:
    """Return a condition, false if the field is listed already: what does not fit is no blank."""
    return (
        "NOT EXISTS (SELECT FROM lead_import_rejected AS r "
        f"WHERE r.record = w._record AND r.field = {literal(column.field.name)})"
    )


def _known_of_new(table: LeadsTable) -> list[str]:
    """List the columns of ``new`` with known values, unless a trigger may fill them."""
    knows = Foreseen(table).knows
    return [
        name for name in table.leads.new if knows([name]) and not table.found[name].may_be_filled
    ]


def _domains(table: LeadsTable) -> Iterator[Rule]:
    """Yield what domains demand of their values."""
    for column in table.columns:
        yield from _of_domain(table, column.bare, column.field.name, table.differs((column,)))
    for moment in (table.created_at, table.touch):
        if moment:
            yield from _of_domain(table, moment.bare, "created_at", "true")
    for name in _known_of_new(table):
        yield from _of_domain(table, name, "", "false")


def _of_domain(table: LeadsTable, bare: str, field: str, changes: str) -> Iterator[Rule]:
    found, name = table.found[bare], quoted(bare)
    if domain := found.domain:
        condition = _computing([f"CAST(w.{name} AS {domain})"])
        if not found.nullable:  # ``_not_null`` and ``_unfit_new`` tell of a NULL
            condition = f"CASE WHEN w.{name} IS NOT NULL THEN {condition} ELSE false END"
        reason = f"does not fit {bare} ({domain})"
        yield Rule([bare], condition, field, reason, changes)


def _only(table: LeadsTable) -> Iterator[Rule]:
    """Yield that a lead must be one by ``only``. No later import would find another, and each
    would add it once more."""
    foreseen = Foreseen(table)
    if table.leads.only and foreseen.knows_only:
        yield Rule(
            foreseen.only_columns,
            f"({table.only}) IS NOT TRUE",
            _field_in(table, foreseen.only_columns) or "",
            f"would be no lead by only={table.leads.only!r}, "
            "and the next import would add it again",
            table.differs(),
        )


def _rules(session: Session, table: LeadsTable) -> Iterator[Rule]:
    """Yield the CHECK constraints and foreign keys, on columns no field goes to as well.

    A new lead has their defaults, and of a CHECK the server looks at the whole row.
    """
    for found in session.execute(statement("find_rules"), name=table.catalog_name).all():
        field = _field_in(table, found.columns)
        nowhere = f"refers to no row of {found.referred} ({found.name})"
        if found.kind == "f" and _draws_key(table, found):
            yield Rule([], "w._lead_id IS NULL", "", nowhere, "false")
        if not Foreseen(table).knows(found.columns) or _is_looked_up(table, found):
            continue
        if field is None and not _gets_values(table, found):
            continue
        if not found.may_look:
            raise DatabaseRefused(
                f"The role does not see all of {found.referred}, and {table.leads.table} refers to "
                f"it ({found.name}): it may not SELECT it, or row-level security hides rows. "
                "Nothing was written. Grant it and try again."
            )
        if found.kind == "c":
            condition = f"NOT ({escaped(found.expression)})"
            reason = f"breaks the rule {found.name} of {table.leads.table}"
            changes = table.differs()
        else:
            condition = _refers_to_nothing(found.columns, found.referred, found.referred_columns)
            reason = nowhere
            changes = table.differs(_written(table, found.columns))
        yield Rule(found.columns, condition, field or "", reason, changes)


def _draws_key(table: LeadsTable, rule: Row[Any]) -> bool:
    """Whether a foreign key begins at a new lead's number. No row has that number yet."""
    return bool(rule.columns == [table.leads.id] and table.is_drawn(table.leads.id))


def _gets_values(table: LeadsTable, rule: Row[Any]) -> bool:
    """Whether new leads get values in a rule's columns by their defaults, as far as we see."""
    if Foreseen(table).may_be_filled(rule.columns):
        return False
    # A foreign key is looked at with its owner's rights, so we may see less than the server.
    return rule.kind == "c" or (rule.may_look and Foreseen(table).fills(rule.columns))


def _referred_to(session: Session, table: LeadsTable) -> Iterator[Rule]:
    """Yield the foreign keys of other tables to columns an import changes.

    The server would refuse the change, or pass it on to the other table. Only unique columns can be
    referred to.
    """
    if not _written(table, [name for name, column in table.found.items() if column.is_key]):
        return
    for found in session.execute(statement("referrers", table=table)).all():
        written = _written(table, found.columns)
        if not written or not found.is_enforced or not found.may_look:
            continue
        is_referred_to = (
            f"EXISTS (SELECT FROM {table.whole} AS l JOIN {escaped(found.name)} AS c "
            f"ON {escaped(found.matches)} WHERE l.{table.id} = w._lead_id)"
        )
        told = ", ".join(map(table.told, written))
        yield Rule(
            [column.bare for column in written],
            is_referred_to,
            written[0].field.name,
            f"changes {told}, and {found.name} refers to it ({found.rule})",
            f"l.{table.id} IS NOT NULL AND ({table.differs(written)})",
        )


def _written(table: LeadsTable, names: Sequence[str]) -> tuple[Column, ...]:
    """Return what an import may change of some columns, or of those they are computed from."""
    bases = Foreseen(table).bases(names)
    return tuple(column for column in table.compared if column.bare in bases)


def _find_taken(table: LeadsTable, unique: Row[Any], rules: Sequence[Rule]) -> str:
    """Return SQL to list the records whose unique values are another's.

    rules: what records were held against before. If a value could not be computed, one of these
    has listed it.
    """
    touch = table.touch and table.touch.bare in unique.columns
    written = table.compared if touch else _written(table, unique.columns)
    computed = [f"the index {unique.name}"]
    computed += [f"the column {name}" for name, _ in Foreseen(table).computed(unique.columns)]
    told = {_makes_fail(table, what) for what in computed}
    return statement(
        "find_excluded" if unique.is_exclusion else "find_taken",
        table=table,
        unique=unique,
        field=_field_in(table, unique.columns) or "",
        fails=[rule.reason for rule in rules if rule.reason in told],
        changes=table.differs(written),
    )


def _is_looked_up(table: LeadsTable, rule: Row[Any]) -> bool:
    """Whether a foreign key refers to the very rows of a lookup's ids, and no blank is an id."""
    return any(
        isinstance(column.target, Lookup)
        and column.blank != "''"
        and rule.columns == [column.bare]
        and rule.referred == column.target.table
        and rule.referred_columns == [column.target.id]
        for column in table.lookups
    )


def _refers_to_nothing(columns: Sequence[str], referred: str, there: Sequence[str]) -> str:
    given = " AND ".join(f"w.{quoted(column)} IS NOT NULL" for column in columns)
    same = " AND ".join(
        f"r.{quoted(other)} = w.{quoted(column)}"
        for column, other in zip(columns, there, strict=True)
    )
    return f"{given} AND NOT EXISTS (SELECT FROM {escaped(referred)} AS r WHERE {same})"

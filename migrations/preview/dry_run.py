"""What a dry run did, collected before it is rolled back, as a preview (``figures.py``).

    with previewed(connection, show):
        ...                              # the very statements of an upgrade
    # show(Preview(leads_before=50, leads_after=257, …)) was called, and nothing is left of them

The figures are read from the ledger that the dry run wrote; the rows of each table are counted by
Postgres itself, in its statistics of this transaction, so that what triggers write is counted too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from migrations.importer.errors import ExportRefused, Problem
from migrations.importer.ledger import OUTCOMES, REVERT_OUTCOMES, count_leads, has_ledger
from migrations.importer.record import COLUMNS
from migrations.preview.figures import (
    LONGEST_SHOWN,
    MOST_LISTED,
    ChangedLead,
    CreatedLead,
    Figures,
    Preview,
    TableRows,
    Values,
)

__all__ = ["previewed"]

_ROWS_WRITTEN = """
    SELECT
        relid::regclass::text AS name,
        n_tup_ins AS inserted,
        n_tup_upd AS updated,
        n_tup_del AS deleted
    FROM pg_catalog.pg_stat_xact_user_tables
    WHERE relid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence = 't')
    ORDER BY name
"""
# Imports of this dry run, and from which record on it did them.
_DONE = "unnest(CAST(:imports AS bigint[]), CAST(:starts AS bigint[])) AS done (import_id, start)"
_CREATED_IDS = f"""
    SELECT unnest(b.created_ids) AS lead_id
    FROM lead_import_batches AS b
    JOIN {_DONE} ON b.import_id = done.import_id AND b.first_record >= done.start
"""
_CREATED = f"""
    WITH created AS ({_CREATED_IDS})
    SELECT
        {", ".join(f"left(l.{c}, {LONGEST_SHOWN + 1}) AS {c}" for c in COLUMNS)},
        count(*) OVER () AS total
    FROM created
    JOIN leads AS l ON l.id = created.lead_id
    ORDER BY l.id
    LIMIT {MOST_LISTED}
"""
# Several imports may update one lead: it was what the first of them found.
_CHANGED = f"""
    WITH created AS ({_CREATED_IDS}),
    first AS (
        SELECT DISTINCT ON (i.lead_id) i.import_id, i.record, i.lead_id
        FROM lead_before_images AS i
        JOIN {_DONE} ON i.import_id = done.import_id AND i.record >= done.start
        WHERE NOT EXISTS (SELECT FROM created WHERE created.lead_id = i.lead_id)
        ORDER BY i.lead_id, i.import_id, i.record
    )
    SELECT
        l.id,
        left(l.lead_number, {LONGEST_SHOWN + 1}) AS lead_number,
        left(l.full_name, {LONGEST_SHOWN + 1}) AS full_name,
        array_remove(
            ARRAY[{
    ", ".join(f"CASE WHEN b.{c} IS DISTINCT FROM l.{c} THEN '{c}' END" for c in COLUMNS)
}], NULL
        ) AS fields,
        {", ".join(f"left(b.{c}, {LONGEST_SHOWN + 1}) AS old_{c}" for c in COLUMNS)},
        {", ".join(f"left(l.{c}, {LONGEST_SHOWN + 1}) AS new_{c}" for c in COLUMNS)},
        count(*) OVER () AS total
    FROM first
    JOIN lead_before_images AS b USING (import_id, record)
    JOIN leads AS l ON l.id = b.lead_id
    ORDER BY b.import_id, b.record
    LIMIT {MOST_LISTED}
"""

_REJECTS = f"""
    SELECT r.record + 1 AS record, r.field, r.reason, count(*) OVER () AS total
    FROM lead_import_rejects AS r
    JOIN {_DONE} ON r.import_id = done.import_id AND r.record >= done.start
    ORDER BY r.import_id, r.record, r.field, r.reason
    LIMIT {MOST_LISTED}
"""


@dataclass(frozen=True)
class _Start:
    """The database before the dry run, which the preview compares with."""

    leads: int
    rows: dict[str, tuple[int, int, int]]
    ledger: dict[int, Mapping[str, Any]]


@contextmanager
def previewed(connection: Connection, show: Callable[[Preview], None]) -> Iterator[None]:
    """Open one transaction around everything, look at it, roll it back, then call ``show``.

    An export that is refused has a preview too; ``ExportRefused`` is raised after it.
    """
    refused = None
    with connection.begin() as transaction:
        try:
            start = _look(connection)
            try:
                yield
            except ExportRefused as error:
                refused = error
            preview = _take(connection, start, refused)
        finally:
            transaction.rollback()
    show(preview)
    if refused:
        raise refused from None


def _look(connection: Connection) -> _Start:
    return _Start(_count_leads(connection), _rows_written(connection), _ledger(connection))


def _take(connection: Connection, start: _Start, refused: ExportRefused | None) -> Preview:
    after = _look(connection)
    done = [row for id, row in after.ledger.items() if row != start.ledger.get(id)]
    starts = {row["id"]: start.ledger.get(row["id"], {}).get("next_record", 0) for row in done}
    # A revert has figures alone, because its ledger's empty tables may be dropped by now.
    starts = {id: first for id, first in starts.items() if first < after.ledger[id]["next_record"]}
    created, total_created = _created(connection, starts) if starts else ([], 0)
    changed, total_changed = _changed(connection, starts) if starts else ([], 0)
    problems, total_problems = _rejects(connection, starts) if starts else ([], 0)
    return Preview(
        database=connection.execute(text("SELECT current_database()")).scalar_one(),
        taken_at=datetime.now(UTC),
        leads_before=start.leads,
        leads_after=after.leads,
        imports=[_figures(start.ledger.get(row["id"], {}), row) for row in done],
        tables=sorted(
            _difference(name, start.rows.get(name, (0, 0, 0)), rows)
            for name, rows in after.rows.items()
        ),
        created=created,
        changed=changed,
        total_created=total_created,
        total_changed=total_changed,
        refused=refused.export if refused else "",
        problems=refused.problems if refused else problems,
        total_problems=refused.total if refused else total_problems,
    )


def _count_leads(connection: Connection) -> int:
    there = connection.execute(text("SELECT to_regclass('leads')")).scalar() is not None
    return count_leads(connection) if there else 0


def _rows_written(connection: Connection) -> dict[str, tuple[int, int, int]]:
    rows = connection.execute(text(_ROWS_WRITTEN))
    return {row.name: (row.inserted, row.updated, row.deleted) for row in rows}


def _ledger(connection: Connection) -> dict[int, Mapping[str, Any]]:
    if not has_ledger(connection):
        return {}
    rows = connection.execute(text("SELECT * FROM lead_imports ORDER BY id")).mappings()
    return {row["id"]: dict(row) for row in rows}


def _difference(table: str, before: Sequence[int], after: Sequence[int]) -> TableRows:
    return TableRows(table, *(now - then for then, now in zip(before, after, strict=True)))


def _figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> Figures:
    def gained(column: str) -> int:
        difference: int = after[column] - before.get(column, 0)
        return difference

    applied = gained("next_record")
    outcomes = OUTCOMES if applied else REVERT_OUTCOMES
    return Figures(
        revision=after["revision"],
        export=after["export"],
        sha256=after["sha256"],
        records=after["records"],
        done=applied or gained("revert_next_record"),
        counts={outcome: gained(outcome) for outcome in outcomes},
    )


def _created(connection: Connection, starts: Mapping[int, int]) -> tuple[list[CreatedLead], int]:
    rows = connection.execute(text(_CREATED), _parameters(starts)).all()
    return [CreatedLead(_values(row._mapping)) for row in rows], rows[0].total if rows else 0


def _changed(connection: Connection, starts: Mapping[int, int]) -> tuple[list[ChangedLead], int]:
    rows = connection.execute(text(_CHANGED), _parameters(starts)).all()
    leads = [
        ChangedLead(
            id=row.id,
            lead_number=_shown(row.lead_number) or "",
            full_name=_shown(row.full_name) or "",
            fields=row.fields,
            old=_values(row._mapping, "old_"),
            new=_values(row._mapping, "new_"),
        )
        for row in rows
    ]
    return leads, rows[0].total if rows else 0


def _rejects(connection: Connection, starts: Mapping[int, int]) -> tuple[list[Problem], int]:
    rows = connection.execute(text(_REJECTS), _parameters(starts)).all()
    problems = [Problem(row.record, row.field, row.reason) for row in rows]
    return problems, rows[0].total if rows else 0


def _parameters(starts: Mapping[int, int]) -> dict[str, list[int]]:
    return {"imports": list(starts), "starts": list(starts.values())}


def _values(row: Mapping[Any, Any], prefix: str = "") -> Values:
    return {column: _shown(row[prefix + column]) for column in COLUMNS}


def _shown(value: str | None) -> str | None:
    return value if value is None or len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + "…"

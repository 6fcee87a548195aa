"""What the server did in a batch, which is one call: each statement of its function, as it ran.

The server's auto_explain gives the plan of each, and its counters show what no plan does.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest
from sqlalchemy import CursorResult, text

from migrations.importer.session import Server

__all__ = ["Ran", "Scan", "Statement", "watch"]

_CALLS = ("SELECT pg_temp.lead_import_apply_batch", "SELECT pg_temp.lead_import_revert_batch")
_EXPLAIN = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_nested_statements = on;
    SET auto_explain.log_analyze = on;
    SET auto_explain.log_timing = off;
    SET auto_explain.log_format = json;
    SET auto_explain.log_level = notice;
    SET client_min_messages = notice
"""
_READS = """
    SELECT
        coalesce(seq_scan, 0) AS from_start_to_end,
        coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS leads
    FROM pg_catalog.pg_stat_xact_user_tables
    WHERE relid = to_regclass('leads')
"""


@dataclass(frozen=True)
class Scan:
    """A scan in a plan.

    by_index: whether an index leads to the rows. rows: how many it read, those filtered out too.
    """

    table: str
    by_index: bool
    index: str | None
    rows: float


@dataclass(frozen=True)
class Statement:
    """A statement of a batch's function, on one line, and the scans of its plan."""

    sql: str
    scans: list[Scan]


@dataclass(frozen=True)
class Ran:
    """One batch.

    records: how many it has. reads: how often it read all leads. leads: how many leads it read in
    all.
    """

    records: int
    statements: list[Statement]
    reads: int
    leads: int


def watch(monkeypatch: pytest.MonkeyPatch) -> list[Ran]:
    """Return a list, and add each batch to it as it runs."""
    ran: list[Ran] = []
    execute = Server.execute

    def watched(self: Server, sql: str, **parameters: Any) -> CursorResult[Any]:
        if not sql.startswith(_CALLS):
            return execute(self, sql, **parameters)
        connection = self._connection
        driver: Any = connection.connection.driver_connection
        before = connection.execute(text(_READS)).one()
        connection.execute(text(_EXPLAIN))
        driver.notices = notices = _Notices()
        result = execute(self, sql, **parameters)
        connection.execute(text("SET auto_explain.log_min_duration = -1"))
        after = connection.execute(text(_READS)).one()
        ran.append(
            Ran(
                records=parameters["end"] - parameters["first"],
                statements=list(_statements(notices.said)),
                reads=after.from_start_to_end - before.from_start_to_end,
                leads=after.leads - before.leads,
            )
        )
        return result

    monkeypatch.setattr(Server, "execute", watched)
    return ran


@dataclass
class _Notices:
    """Keep the server's notices, because psycopg2 cuts a list of them and SQLAlchemy empties it."""

    said: list[str] = field(default_factory=list)

    def append(self, notice: str) -> None:
        self.said.append(notice)


def _statements(notices: Iterable[str]) -> Iterator[Statement]:
    for notice in notices:
        if "plan:" in notice:
            explained = json.loads(notice[notice.index("{") :])
            sql = " ".join(explained["Query Text"].split())
            if not sql.startswith(_CALLS):
                yield Statement(
                    sql, [_scan(node) for node in _nodes(explained["Plan"]) if _is_scan(node)]
                )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    yield from chain.from_iterable(map(_nodes, node.get("Plans", [])))


def _is_scan(node: dict[str, Any]) -> bool:
    return "Relation Name" in node and str(node["Node Type"]).endswith("Scan")


def _scan(node: dict[str, Any]) -> Scan:
    # The mean over all loops.
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return Scan(
        node["Relation Name"],
        "Index Cond" in node,
        node.get("Index Name"),
        rows * node["Actual Loops"],
    )

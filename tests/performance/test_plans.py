"""No statement of a batch reads the leads from start to end: with a million of them, whatever the server knows of them.

The plan of each statement is asked for right before it runs, in the real import and its way back;
and the server's own counter shows what a plan does not, such as the statements inside of DO.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, CursorResult, text

from data.make_export import records
from migrations.importer.session import Server
from tests.conftest import NewDatabase, Template, build_crm
from tests.crm import downgrade, run, upgrade, value
from tests.exports import bundle

LEADS = 1_000_000
RECORDS = 3000

_PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
_READ_FROM_START_TO_END = """
    SELECT coalesce(seq_scan, 0) FROM pg_catalog.pg_stat_xact_user_tables WHERE relid = to_regclass('leads')
"""


@dataclass
class Watch:
    """The statements of batches, and those of them that read all leads: planned to, or did."""

    seen: set[str] = field(default_factory=set)
    by_index: set[str] = field(default_factory=set)
    planned: dict[str, str] = field(default_factory=dict)
    did: set[str] = field(default_factory=set)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watches what the importer executes in its batches."""
    watch, execute = Watch(), Server.execute

    def watched(self: Server, sql: str, **parameters: object) -> CursorResult[Any]:
        if "record" not in self._doing or sql.lstrip().startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            return execute(self, sql, **parameters)
        watch.seen.add(sql)
        if sql.lstrip().startswith(_PLANNED):
            _note_plan(watch, sql, self._connection.execute(text(f"EXPLAIN (FORMAT JSON) {sql}"), parameters).scalar())
        before = self._connection.scalar(text(_READ_FROM_START_TO_END))
        result = execute(self, sql, **parameters)
        if self._connection.scalar(text(_READ_FROM_START_TO_END)) != before:
            watch.did.add(sql)
        return result

    monkeypatch.setattr(Server, "execute", watched)
    return watch


def _note_plan(watch: Watch, sql: str, explained: Any) -> None:
    plan = json.loads(explained) if isinstance(explained, str) else explained
    for node in _nodes(plan[0]["Plan"]):
        if node.get("Relation Name") == "leads" and node["Node Type"].endswith("Scan"):
            if node["Node Type"] == "Seq Scan":
                watch.planned[sql] = json.dumps(plan, indent=1)
            else:
                watch.by_index.add(sql)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    yield from chain.from_iterable(map(_nodes, node.get("Plans", [])))


def build_a_million(url: URL) -> None:
    """Leads that the server has never looked at: it has no statistics of them, and will not make any."""
    build_crm(url)
    run(url, "ALTER TABLE leads SET (autovacuum_enabled = false)")
    run(url, "ALTER TABLE leads DISABLE TRIGGER USER")
    run(
        url,
        """
        INSERT INTO leads (lead_number, full_name, phone, email, status)
        SELECT 'X' || n, 'Somebody ' || n, '05' || lpad(n::text, 9, '0'), n || '@example.org', 'new'
        FROM generate_series(1, :leads) AS n
        """,
        leads=LEADS,
    )
    run(url, "ALTER TABLE leads ENABLE TRIGGER USER")


def export_with_known_phones() -> list[dict[str, Any]]:
    """Three records in ten are leads that are there, from all over the table."""
    export = list(records(RECORDS, 7))
    for position, record in enumerate(export):
        if position % 10 in (0, 3, 6):
            record["phone"] = f"05{1 + position * (LEADS // RECORDS):09}"
    return export


@pytest.mark.parametrize("analysed", [False, True], ids=["never analysed", "analysed"])
def test_a_batch_finds_its_leads_by_index(
    analysed: bool,
    new_database: NewDatabase,
    template: Template,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The import, and the way back that removes what it created."""
    url = new_database(template("a_million_leads", build_a_million))
    if analysed:
        run(url, "ANALYZE leads")
    bundle(export_with_known_phones(), monkeypatch, tmp_path)
    upgrade(url)
    imported = set(watch.seen)
    downgrade(url, "0003_ledger", "remove-created")
    assert value(url, "SELECT count(*) FROM leads") == LEADS, "it was no import, or it was not taken back"
    assert len(imported) > 5 and len(watch.seen - imported) > 5
    assert len(watch.by_index) > 5, "the plans were not seen"
    assert watch.planned == {}
    assert watch.did == set()

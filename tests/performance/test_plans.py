"""No statement of a batch reads the leads from start to end: with a million of them, whatever the server knows of them.

A batch is one call; the server's own auto_explain tells the plan of each statement in it, as it ran; and the
server's counter shows what no plan does.
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
from tests.crm import IMPORT, add_lead, downgrade, run, upgrade, value
from tests.exports import bundle

LEADS = 1_000_000
RECORDS = 3000

_CALLS = "SELECT pg_temp.lead_import_"
_EXPLAIN = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_nested_statements = on;
    SET auto_explain.log_format = json;
    SET auto_explain.log_level = notice
"""
_READS = """
    SELECT coalesce(seq_scan, 0) AS from_start_to_end, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS leads
    FROM pg_catalog.pg_stat_xact_user_tables
    WHERE relid = to_regclass('leads')
"""


@dataclass
class Watch:
    """The statements of batches that touch leads, by index or from start to end.

    reads: how often all leads were read; leads: how many leads were looked at in all.
    """

    by_index: set[str] = field(default_factory=set)
    from_start_to_end: set[str] = field(default_factory=set)
    reads: int = 0
    leads: int = 0

    def append(self, notice: str) -> None:
        """Take what the server says beside its answers; plans are noted."""
        if "plan:" in notice:
            explained = json.loads(notice[notice.index("{") :])
            for node in _nodes(explained["Plan"]):
                if node.get("Relation Name") == "leads" and node["Node Type"].endswith("Scan"):
                    few = node.get("Index Name") == "leads_duplicate_of"  # which holds the duplicates alone
                    found = self.by_index if few or "Index Cond" in node else self.from_start_to_end
                    found.add(explained["Query Text"])


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watches what the server executes in batches."""
    watch, execute = Watch(), Server.execute

    def watched(self: Server, sql: str, **parameters: object) -> CursorResult[Any]:
        if not sql.startswith(_CALLS):
            return execute(self, sql, **parameters)
        connection = self._connection
        driver: Any = connection.connection.driver_connection
        connection.execute(text(_EXPLAIN))
        driver.notices = watch  # as psycopg2 wants it: something that has "append"
        before = connection.execute(text(_READS)).one()
        result = execute(self, sql, **parameters)
        connection.execute(text("SET auto_explain.log_min_duration = -1"))
        after = connection.execute(text(_READS)).one()
        watch.reads += after.from_start_to_end - before.from_start_to_end
        watch.leads += after.leads - before.leads
        return result

    monkeypatch.setattr(Server, "execute", watched)
    return watch


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
    imported = set(watch.by_index)
    downgrade(url, "0003_ledger", "remove-created")
    assert value(url, "SELECT count(*) FROM leads") == LEADS, "it was no import, or it was not taken back"
    assert len(imported) >= 4 and len(watch.by_index - imported) >= 8, "the plans were not seen"
    assert watch.from_start_to_end == set()
    assert watch.reads == 0


@pytest.mark.parametrize("leads", [0, 5])
def test_an_import_into_few_leads_does_not_look_at_all_that_it_has_added(
    leads: int, crm: URL, watch: Watch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Plans are made in the first batch, when reading them all is the fastest, and must not be kept for long."""
    export = list(records(500, 7))
    for record in export[:leads]:
        add_lead(crm, phone=record["phone"])
    if leads:
        run(crm, "VACUUM ANALYZE leads")
    bundle(export, monkeypatch, tmp_path)
    upgrade(crm, IMPORT, "batch-size=1")
    assert value(crm, "SELECT count(*) FROM leads") == len(export)
    assert watch.leads < 30 * len(export)

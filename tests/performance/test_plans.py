"""No statement of a batch reads a large table from start to end: with a million leads, whatever the
server knows."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from data.make_export import records
from tests.conftest import NewDatabase, Template, build_crm
from tests.support.batches import Ran, Scan
from tests.support.bundled import IMPORT
from tests.support.crm import add_lead
from tests.support.database import run, value
from tests.support.exports import bundle
from tests.support.upgrades import downgrade, upgrade

LEADS = 1_000_000
RECORDS = 3000
BATCH = 300

LARGE = ("leads", "lead_import_stage", "lead_import_set_aside", "lead_before_images", "calls")
"""Tables that grow with the leads or with the export; the others hold a batch's own rows."""

# By a fragment of each, the statements that look for leads.
ON_THE_WAY_THERE = (
    "INSERT INTO lead_import_place",
    "WITH locked AS MATERIALIZED",
    "UPDATE leads AS l SET full_name = CASE",
    "UPDATE leads AS l SET lead_number = CASE",
)
ON_THE_WAY_BACK = (
    "SELECT l.id FROM lead_before_images",
    "INSERT INTO lead_revert_restore",
    "UPDATE leads AS l SET lead_number = r.lead_number, full_name",
    "UPDATE leads AS l SET notes = r.notes FROM lead_revert_restore AS r WHERE r.lead_id = $1",
    "INSERT INTO lead_revert_remove",
    "SELECT id FROM leads WHERE id = ANY",
    "DELETE FROM lead_revert_remove",
    "SET referenced = true WHERE NOT",
    "DELETE FROM leads",
    "UPDATE lead_imports SET restored",
)


def statements_on_leads(batches: list[Ran]) -> set[str]:
    return {
        statement.sql
        for batch in batches
        for statement in batch.statements
        if any(scan.table == "leads" for scan in statement.scans)
    }


def is_from_start_to_end(scan: Scan) -> bool:
    return scan.table in LARGE and not scan.by_index


def build_a_million(url: URL) -> None:
    """Leads, and calls to them, that the server has never looked at: it has no statistics, and will
    not make any."""
    build_crm(url)
    for table in ("leads", "lead_before_images"):
        run(url, f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    run(url, "ALTER TABLE leads DISABLE TRIGGER USER")
    run(
        url,
        """
        INSERT INTO leads (id, lead_number, full_name, phone, email, status, duplicate_of)
        SELECT
            n, 'X' || n, 'Somebody ' || n, '05' || lpad(n::text, 9, '0'), n || '@example.org',
            'new', CASE WHEN n % 20 = 0 THEN 1 END
        FROM generate_series(1, :leads) AS n
        """,
        leads=LEADS,
    )
    run(url, "ALTER TABLE leads ENABLE TRIGGER USER")
    run(url, "SELECT setval('leads_id_seq', :leads)", leads=LEADS)
    run(
        url,
        "CREATE TABLE calls (lead_id bigint REFERENCES leads (id)) WITH (autovacuum_enabled = "
        "false)",
    )
    run(url, "INSERT INTO calls SELECT id FROM leads WHERE id % 10 = 0")
    run(url, "CREATE INDEX ON calls (lead_id)")


def export_with_known_phones() -> list[dict[str, Any]]:
    """Three records in ten are leads that are there, from all over the table; one has no phone."""
    export = list(records(RECORDS, 7))
    for position, record in enumerate(export):
        if position % 10 in (0, 3, 6):
            record["phone"] = f"05{1 + position * (LEADS // RECORDS):09}"
        if position % 10 == 9:
            record["phone"] = "nobody's"
    return export


@pytest.mark.parametrize("analysed", [False, True], ids=["never analysed", "analysed"])
def test_a_batch_finds_its_rows_by_index(
    analysed: bool,
    new_database: NewDatabase,
    template: Template,
    batches: list[Ran],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The import, and the way back that removes what it created, also where a constraint is
    in its way."""
    url = new_database(template("a_million_leads", build_a_million))
    if analysed:
        run(url, "ANALYZE leads")
    bundle(export_with_known_phones(), monkeypatch, tmp_path, rejected="set aside")
    upgrade(url, IMPORT, f"batch-size={BATCH}")
    there = list(batches)
    run(url, "ALTER TABLE leads ADD CHECK (full_name <> 'Somebody 1') NOT VALID")
    downgrade(url, "0003_ledger", "remove-created", f"batch-size={BATCH}")
    back = batches[len(there) :]
    assert value(url, "SELECT count(*) FROM leads") == LEADS, (
        "it was no import, or it was not taken back"
    )
    for fragments, ran in ((ON_THE_WAY_THERE, there), (ON_THE_WAY_BACK, back)):
        seen = statements_on_leads(ran)
        assert [
            fragment for fragment in fragments if not any(fragment in sql for sql in seen)
        ] == [], "was not seen"
    statements = [(batch, statement) for batch in batches for statement in batch.statements]
    assert [
        statement.sql
        for _, statement in statements
        if any(map(is_from_start_to_end, statement.scans))
    ] == []
    assert sum(batch.reads for batch in batches) == 0
    # Nor through an index that does not narrow it down; those that the import created are counted
    # once, at the end.
    much = [
        (statement.sql, scan)
        for batch, statement in statements
        for scan in statement.scans
        if scan.rows > batch.records and not scan.table.startswith("pg_")
    ]
    assert [scan.table for _, scan in much] == ["lead_revert_made"], much


@pytest.mark.parametrize("leads", [0, 5])
def test_an_import_into_few_leads_does_not_look_at_all_that_it_has_added(
    leads: int, crm: URL, batches: list[Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Plans are made in the first batch, when reading them all is the fastest, and must not be kept
    for long."""
    export = list(records(500, 7))
    for record in export[:leads]:
        add_lead(crm, phone=record["phone"])
    if leads:
        run(crm, "VACUUM ANALYZE leads")
    bundle(export, monkeypatch, tmp_path)
    upgrade(crm, IMPORT, "batch-size=1")
    assert value(crm, "SELECT count(*) FROM leads") == len(export)
    assert sum(batch.leads for batch in batches) < 30 * len(export)

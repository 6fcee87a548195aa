"""No statement of a batch reads a large table from start to end, even with 300,000 leads and
whatever the server knows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from data.make_export import records
from migrations import crm as declared
from migrations.importer.declaration import Leads
from tests.adopting.crms import CRMS, build
from tests.conftest import NewDatabase, Template, build_crm
from tests.support.batches import Ran, Scan
from tests.support.bundled import BEFORE_IMPORT, IMPORT
from tests.support.crm import add_lead
from tests.support.database import run, value
from tests.support.exports import bundle
from tests.support.upgrades import downgrade, upgrade

LEADS = 300_000
RECORDS = 3000
BATCH = 300

LARGE = ("leads", "lead_import_stage", "lead_import_rejected", "lead_before_images", "calls")
"""Tables growing with the leads or the export. All others hold the rows of one batch."""

# Statements looking for leads, each by a fragment.
ON_THE_WAY_THERE = ("INSERT INTO lead_import_place", "WITH locked AS MATERIALIZED")
ON_THE_WAY_BACK = (
    "SELECT l.id FROM lead_before_images",
    "INSERT INTO lead_revert_restore",
    "SET notes = r.notes FROM lead_revert_restore AS r WHERE r._lead_id = $1",
    "INSERT INTO lead_revert_remove",
    "SELECT id FROM leads WHERE id = ANY",
    "DELETE FROM lead_revert_remove",
    "SET referenced = true WHERE NOT",
    "DELETE FROM leads",
    "UPDATE lead_imports SET restored",
)


@dataclass(frozen=True)
class Crm:
    """A CRM with 300,000 leads.

    build: makes it. each: how many leads share a phone. constraint: keeps leads from being
    restored. updates, restores: statements updating leads, each by a fragment.
    """

    name: str
    leads: Leads
    build: Callable[[URL], None]
    each: int
    constraint: str
    updates: tuple[str, ...]
    restores: str


def statements_on_leads(batches: list[Ran]) -> set[str]:
    return {
        statement.sql
        for batch in batches
        for statement in batch.statements
        if any(scan.table == "leads" for scan in statement.scans)
    }


def is_from_start_to_end(scan: Scan) -> bool:
    return scan.table in LARGE and not scan.by_index


def build_bundled(url: URL) -> None:
    """Make lead numbers part of a key, so that two statements update leads."""
    build_crm(url)
    run(url, "ALTER TABLE leads SET (autovacuum_enabled = false)")
    run(url, "ALTER TABLE leads DISABLE TRIGGER USER")
    run(
        url,
        """
        INSERT INTO leads (id, lead_number, full_name, phone, email, status)
        SELECT
            n, 'X' || n, 'Somebody ' || n, '05' || lpad(n::text, 9, '0'), n || '@example.org',
            'new'
        FROM generate_series(1, :leads) AS n
        """,
        leads=LEADS,
    )
    run(url, "ALTER TABLE leads ENABLE TRIGGER USER")
    run(url, "SELECT setval('leads_id_seq', :leads)", leads=LEADS)
    run(url, "CREATE UNIQUE INDEX ON leads (lead_number, id)")
    add_calls(url, "bigint")


def build_uuids(url: URL) -> None:
    """Make three leads share a phone, hundreds share a time, and indexes lead to them by time."""
    build(url, UUIDS.name)
    run(url, "DELETE FROM leads")
    run(url, "ALTER TABLE leads SET (autovacuum_enabled = false)")
    run(
        url,
        """
        INSERT INTO leads
            (id, tenant_id, agent_id, customer_name, phone, status, created_at, updated_at)
        SELECT
            gen_random_uuid(), tenants.id, users.id, 'Somebody ' || phone,
            '05' || lpad(phone::text, 9, '0'), 'new', at, at
        FROM tenants, users, generate_series(1, :leads) AS n
        CROSS JOIN LATERAL (
            SELECT
                1 + n % (:leads / :each),
                (CAST(:times AS timestamptz[]))[1 + n % :records] AT TIME ZONE 'UTC'
        ) AS drawn (phone, at)
        """,
        leads=LEADS,
        each=EACH,
        records=RECORDS,
        times=[record["created_at"] for record in records(RECORDS, 7)],
    )
    run(url, "INSERT INTO users SELECT gen_random_uuid(), unnest(:names)", names=AGENTS)
    run(url, "ALTER TABLE leads ADD CHECK (status <> '')")
    run(url, "CREATE INDEX ON leads (created_at)")
    run(url, "CREATE INDEX ON leads (created_at, id)")
    add_calls(url, "uuid")
    upgrade(url, BEFORE_IMPORT)


def add_calls(url: URL, of_type: str) -> None:
    """Add rows referring to every tenth lead."""
    run(
        url,
        f"CREATE TABLE calls (lead_id {of_type} REFERENCES leads (id)) "
        "WITH (autovacuum_enabled = false)",
    )
    run(url, "INSERT INTO calls SELECT id FROM leads TABLESAMPLE SYSTEM (10)")
    run(url, "CREATE INDEX ON calls (lead_id)")


UUIDS = next(crm for crm in CRMS if crm.name == "uuids")
AGENTS = ["Priya Moorhatch", "Tom Quillbeck", "Siân Ferncott"]
EACH = 3
LARGE_CRMS = {
    "bundled": Crm(
        "bundled",
        declared.LEADS,
        build_bundled,
        1,
        "full_name <> 'Somebody 1'",
        ("UPDATE leads AS l SET full_name = ", "UPDATE leads AS l SET lead_number = coalesce"),
        "UPDATE leads AS l SET lead_number = r.lead_number, full_name",
    ),
    "uuids": Crm(
        "uuids",
        UUIDS.leads,
        build_uuids,
        EACH,
        "customer_name <> 'Somebody 1'",
        ("UPDATE leads AS l SET customer_name = coalesce",),
        "UPDATE leads AS l SET customer_name = r.customer_name, phone",
    ),
}


def export_with_known_phones(each: int) -> list[dict[str, Any]]:
    """Make an export with three records in ten on known leads, from all over the table, and one
    without a phone."""
    export = list(records(RECORDS, 7))
    for position, record in enumerate(export):
        if position % 10 in (0, 3, 6):
            record["phone"] = f"05{1 + position * (LEADS // each // RECORDS):09}"
        if position % 10 == 9:
            record["phone"] = "nobody's"
    return export


@pytest.mark.parametrize("crm", LARGE_CRMS)
@pytest.mark.parametrize("analysed", [False, True], ids=["never analysed", "analysed"])
def test_a_batch_finds_its_rows_by_index(
    analysed: bool,
    crm: str,
    new_database: NewDatabase,
    template: Template,
    batches: list[Ran],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The import and a revert removing its leads do, even with a constraint in the way."""
    large = LARGE_CRMS[crm]
    monkeypatch.setattr(declared, "LEADS", large.leads)
    url = new_database(template(f"large_{crm}", large.build))
    if analysed:
        run(url, "ANALYZE leads")
    for table in ("lead_before_images", "lead_import_batches"):
        # Analysed in the middle, they would be read at once, because they are still small.
        run(url, f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    export = export_with_known_phones(large.each)
    bundle(export, monkeypatch, tmp_path, rejected="set aside", leads=large.leads)
    upgrade(url, IMPORT, f"batch-size={BATCH}")
    there = list(batches)
    known = value(url, "SELECT updated FROM lead_imports")
    shared = known if large.each > 1 else 0
    assert run(url, "SELECT created > 0, updated > 0, shared FROM lead_imports") == [
        (True, True, shared)
    ]
    run(url, f"ALTER TABLE leads ADD CHECK ({large.constraint}) NOT VALID")
    downgrade(url, BEFORE_IMPORT, "remove-created", f"batch-size={BATCH}")
    back = batches[len(there) :]
    assert value(url, "SELECT count(*) FROM leads") == LEADS, (
        "it was no import, or it was not taken back"
    )
    for fragments, ran in (
        ((*ON_THE_WAY_THERE, *large.updates), there),
        ((*ON_THE_WAY_BACK, large.restores), back),
    ):
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
    # No scan reads many rows either, except to count created leads and old values, at the end.
    much = [
        (statement.sql, scan)
        for batch, statement in statements
        for scan in statement.scans
        if scan.rows > batch.records and not scan.table.startswith("pg_")
    ]
    assert {scan.table for _, scan in much} == {"lead_revert_made", "lead_before_images"}, much
    assert len(much) == 2
    assert {
        scan.index
        for batch in there
        for statement in batch.statements
        for scan in statement.scans
        if scan.index and "created_at" in scan.index
    } == set(), "the oldest lead of a phone was looked for by its time"


@pytest.mark.parametrize("leads", [0, 5])
def test_an_import_into_few_leads_does_not_look_at_all_that_it_has_added(
    leads: int, crm: URL, batches: list[Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Plans made in the first batch, when reading all leads is fastest, must not stay for long."""
    export = list(records(500, 7))
    for record in export[:leads]:
        add_lead(crm, phone=record["phone"])
    if leads:
        run(crm, "VACUUM ANALYZE leads")
    bundle(export, monkeypatch, tmp_path)
    upgrade(crm, IMPORT, "batch-size=1")
    assert value(crm, "SELECT count(*) FROM leads") == len(export)
    assert sum(batch.leads for batch in batches) < 30 * len(export)

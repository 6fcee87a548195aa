"""The promises to the owner, each on the bundled export."""

from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL, create_engine, text

from migrations.importer import v1
from migrations.importer.session import Server, Session
from migrations.importer.staging import fold_repeats
from migrations.importer.table import LeadsTable
from tests.conftest import NewDatabase, Template, build_crm
from tests.support.bundled import BEFORE_IMPORT, FIELDS, IMPORT, records
from tests.support.crm import add_lead, picture
from tests.support.database import run, value
from tests.support.exports import bundle
from tests.support.projects import copy_project
from tests.support.promises import assert_imported
from tests.support.upgrades import alembic, downgrade, upgrade


def test_an_empty_database_gets_every_lead(database: URL) -> None:
    """The chain makes all tables, and the import fills them."""
    upgrade(database)
    assert value(database, "SELECT count(*) FROM leads") == len(records())
    assert value(database, "SELECT count(*) FROM lead_audit") == 0


def test_fifty_leads_of_which_ten_are_known_become_257(crm_with_leads: URL) -> None:
    """Ten are updated, forty stay the same, and the other records are added."""
    before = picture(crm_with_leads)
    upgrade(crm_with_leads)
    assert value(crm_with_leads, "SELECT count(*) FROM leads") == 50 + len(records()) - 10
    assert_imported(crm_with_leads, before)


def test_known_leads_keep_their_id_and_created_at(crm_with_leads: URL) -> None:
    """An updated lead stays the same lead, with new values and a new updated_at."""
    known = (
        "SELECT id, created_at, updated_at FROM leads WHERE full_name LIKE 'Known %' ORDER BY id"
    )
    before = run(crm_with_leads, known)
    upgrade(crm_with_leads)
    after = run(
        crm_with_leads,
        "SELECT id, created_at, updated_at FROM leads WHERE id = ANY(:ids) ORDER BY id",
        ids=[row.id for row in before],
    )
    assert [row[:2] for row in after] == [row[:2] for row in before]
    assert all(now.updated_at > then.updated_at for now, then in zip(after, before, strict=True))


def test_leads_whose_phones_are_all_in_the_export_add_none(crm: URL) -> None:
    """Five leads, all known to the export, end as one lead per record."""
    for record in records()[5:10]:
        add_lead(crm, phone=record["phone"])
    before = picture(crm)
    upgrade(crm)
    assert value(crm, "SELECT count(*) FROM leads") == len(records())
    assert_imported(crm, before)


def test_a_blank_in_the_export_never_erases_a_value(crm: URL) -> None:
    """An empty field in a record keeps the lead's value."""
    record = next(
        record
        for record in records()
        if "" in (record["email"], record["notes"], record["assigned_agent"])
    )
    lead_id = add_lead(crm, **dict.fromkeys(FIELDS, "kept") | {"phone": record["phone"]})
    before = picture(crm)
    upgrade(crm)
    lead = picture(crm).leads[lead_id]
    assert {field: lead[field] for field in FIELDS} == {
        field: record[field] or "kept" for field in FIELDS
    }
    assert_imported(crm, before)


def test_an_ordinary_edit_still_writes_the_audit_trail(crm_with_leads: URL) -> None:
    """Only the import itself skips the trail."""
    upgrade(crm_with_leads)
    assert value(crm_with_leads, "SELECT count(*) FROM lead_audit") == 0
    run(crm_with_leads, "UPDATE leads SET status = 'booked' WHERE full_name = 'Kept 1'")
    assert value(crm_with_leads, "SELECT after ->> 'status' FROM lead_audit") == "booked"


def test_a_second_upgrade_writes_no_row_version(crm_with_leads: URL) -> None:
    """Nothing is pending, so no row of leads is inserted, updated or deleted."""
    upgrade(crm_with_leads)
    written = "SELECT xmin::text, ctid::text, leads::text FROM leads ORDER BY id"
    before = run(crm_with_leads, written)
    upgrade(crm_with_leads)
    assert run(crm_with_leads, written) == before


def test_importing_the_same_leads_again_writes_no_row_version(crm_with_leads: URL) -> None:
    """Run the import again over leads with its values, and it leaves each alone."""
    upgrade(crm_with_leads)
    written = "SELECT xmin::text, ctid::text, leads::text FROM leads ORDER BY id"
    before = run(crm_with_leads, written)
    run(crm_with_leads, "TRUNCATE lead_imports CASCADE")
    run(crm_with_leads, "UPDATE alembic_version SET version_num = '0003_ledger'")
    upgrade(crm_with_leads)
    assert run(crm_with_leads, written) == before
    counts = run(crm_with_leads, "SELECT created, updated, unchanged FROM lead_imports")[0]
    assert tuple(counts) == (0, 0, len(records()))


def test_two_databases_hold_the_same_leads(new_database: NewDatabase) -> None:
    """Two environments that start empty end with the same rows, times included."""
    one, other = new_database(), new_database()
    upgrade(one)
    upgrade(other)
    assert picture(one).leads == picture(other).leads


def test_the_size_of_batches_makes_no_difference(
    new_database: NewDatabase, template: Template
) -> None:
    """Leads and counts are the same for batches of 1, batches of 20, and one batch."""
    found = []
    for size in (1, 20, 1000):
        url = new_database(template("crm", build_crm))
        before = picture(url)
        upgrade(url, "0004_import_production_leads", f"batch-size={size}")
        assert_imported(url, before)
        leads = run(
            url, f"SELECT {', '.join(FIELDS)}, created_at, updated_at FROM leads ORDER BY phone"
        )
        counts = run(url, "SELECT created, updated, unchanged, folded FROM lead_imports")
        found.append((leads, counts))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("size", [7, 1000])
def test_new_ids_are_in_the_exports_order(size: int, crm: URL) -> None:
    """Sorting by id shows the export's order."""
    upgrade(crm, IMPORT, f"batch-size={size}")
    numbers = run(crm, "SELECT lead_number FROM leads ORDER BY id")
    assert [row.lead_number for row in numbers] == [record["lead_number"] for record in records()]


def test_a_downgrade_keeps_what_people_have_edited_since(crm_with_leads: URL) -> None:
    """The edited field stays, the lead's other fields are restored, no lead is gone, and the import
    can come back."""
    before = picture(crm_with_leads)
    upgrade(crm_with_leads)
    leads_after = value(crm_with_leads, "SELECT count(*) FROM leads")
    known = next(
        lead_id for lead_id, lead in before.leads.items() if lead["full_name"] == "Known 3"
    )
    run(
        crm_with_leads,
        "UPDATE leads SET status = 'booked', updated_at = now() WHERE id = :id",
        id=known,
    )
    downgrade(crm_with_leads)
    after = picture(crm_with_leads)
    assert len(after.leads) == leads_after
    for lead_id, lead in before.leads.items():
        expected = lead | ({"status": "booked"} if lead_id == known else {})
        assert {f: after.leads[lead_id][f] for f in FIELDS} == {f: expected[f] for f in FIELDS}
        if lead_id != known:
            assert after.leads[lead_id] == lead
    upgrade(crm_with_leads)
    assert_imported(crm_with_leads, after)


def test_what_is_imported_is_what_was_checked(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file changed after its check changes nothing."""
    bundle(records(), monkeypatch, tmp_path)

    def spoil_and_fold(session: Session, table: LeadsTable) -> None:
        (tmp_path / "export.json").write_text("[]")
        fold_repeats(session, table)

    monkeypatch.setattr(v1, "fold_repeats", spoil_and_fold)
    before = picture(crm)
    upgrade(crm, IMPORT, "batch-size=20")
    assert_imported(crm, before)


def test_a_trigger_that_writes_at_the_commit_is_found_too(crm: URL) -> None:
    """The batch of a deferred trigger is rolled back too, and the message names the table."""
    note = "BEGIN INSERT INTO settings (key, value) VALUES (NEW.id::text, 'new'); RETURN NULL; END"
    run(crm, f"CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ {note} $$")
    run(
        crm,
        "CREATE CONSTRAINT TRIGGER note AFTER INSERT ON leads DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION note()",
    )
    before = picture(crm)
    with pytest.raises(
        CommandError,
        match=r"rolled back, because the import would have written settings \(217 inserted",
    ):
        upgrade(crm)
    assert picture(crm) == before


@pytest.mark.parametrize("x", [(), ("dry-run",)])
def test_a_revision_before_the_import_may_write_what_it_likes(
    x: tuple[str, ...], crm: URL, tmp_path: Path
) -> None:
    """The proof covers only the import's own writes."""
    project = copy_project(tmp_path)
    versions = project / "migrations" / "versions"
    (versions / "0003b_setting.py").write_text(
        f'from alembic import op\n\nrevision = "0003b_setting"\ndown_revision = '
        f'"{BEFORE_IMPORT}"\n\n\n'
        'def upgrade() -> None:\n    op.execute("INSERT INTO settings (key, value) VALUES '
        "('new', 'one')\")\n"
    )
    revision = versions / f"{IMPORT}.py"
    revision.write_text(revision.read_text().replace(f'"{BEFORE_IMPORT}"', '"0003b_setting"'))
    options = [part for option in x for part in ("-x", option)]
    upgraded = alembic(crm, *options, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    assert value(crm, "SELECT count(*) FROM leads") == (0 if x else len(records()))


def test_a_batch_of_a_dry_run_leaves_no_setting_behind(crm: URL) -> None:
    """Later writes in the same transaction are audited and have no time limit."""
    settings = (
        "SELECT current_setting('app.skip_audit', true), current_setting('statement_timeout')"
    )
    engine = create_engine(crm)
    with engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        with Server(connection, one_transaction=True, statement_timeout=7).batch("a batch"):
            assert tuple(connection.execute(text(settings)).one()) == ("on", "7s")
        assert tuple(connection.execute(text(settings)).one()) == ("", "0")
    engine.dispose()

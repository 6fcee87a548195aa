"""``-x remove-created``: created leads go, unless somebody has touched or referenced them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import IntegrityError

from migrations.crm import LEADS
from migrations.importer.errors import DatabaseRefused
from migrations.importer.schema.leads import assumed_table
from migrations.importer.schema.preflight import check_removal
from tests.support.bundled import BEFORE_IMPORT, IMPORT, records
from tests.support.crm import add_lead, picture
from tests.support.database import connected, run, value, wait_until
from tests.support.exports import bundle
from tests.support.reverts import Counts, counts, edit, found_by_phone, leads
from tests.support.upgrades import downgrade, start_alembic, upgrade

REMOVE = (BEFORE_IMPORT, "remove-created")
ALL = len(records())


@pytest.fixture
def created(crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Import eight new leads and nothing else."""
    bundle(records()[:8], monkeypatch, tmp_path)
    upgrade(crm)
    return list(leads(crm))


def test_without_the_option_created_leads_stay(
    crm_with_leads: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """All of them stay, and the receipt's line says so."""
    upgrade(crm_with_leads)
    there = value(crm_with_leads, "SELECT count(*) FROM leads")
    caplog.set_level("INFO", "importer")
    downgrade(crm_with_leads)
    assert value(crm_with_leads, "SELECT count(*) FROM leads") == there
    assert counts(crm_with_leads) == Counts(restored=10)
    assert (
        "10 leads restored, 0 kept because edited since or held by a rule. "
        f"Created leads stay: {ALL - 10}." in caplog.text
    )


def test_with_the_option_the_leads_are_those_from_before(
    crm_with_leads: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows are identical, and nothing else has changed."""
    before = picture(crm_with_leads)
    upgrade(crm_with_leads)
    caplog.set_level("INFO", "importer")
    downgrade(crm_with_leads, *REMOVE)
    assert picture(crm_with_leads) == before
    assert counts(crm_with_leads) == Counts(restored=10, removed=ALL - 10)
    assert (
        "10 leads restored, 0 kept because edited since or held by a rule, "
        f"{ALL - 10} removed, 0 kept because referenced." in caplog.text
    )


def test_a_lead_whose_deletion_a_trigger_refuses_stays(crm: URL, created: list[int]) -> None:
    """It alone: the others are removed, and the refused one is counted."""
    run(
        crm,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$f$ BEGIN RAISE EXCEPTION 'not this one'; END $f$",
    )
    run(
        crm,
        "CREATE TRIGGER refuse BEFORE DELETE ON leads FOR EACH ROW "
        f"WHEN (old.id = {created[3]}) EXECUTE FUNCTION refuse()",
    )
    downgrade(crm, *REMOVE)
    assert list(leads(crm)) == [created[3]]
    assert counts(crm) == Counts(kept=1, removed=len(created) - 1)


def test_a_lead_that_somebody_has_touched_stays(crm: URL, created: list[int]) -> None:
    """Any edit keeps it, even to a column no import knows."""
    run(crm, "ALTER TABLE leads ADD COLUMN score integer, ADD COLUMN region text DEFAULT 'north'")
    touches = (
        "status = 'booked'",
        "full_name = ''",
        "phone = '0600000001'",
        "updated_at = updated_at + interval '1 microsecond'",
        "created_at = now()",
        "score = 5",
        "region = 'south'",
    )
    for lead_id, touch in zip(created, touches, strict=False):
        run(crm, f"UPDATE leads SET {touch} WHERE id = :id", id=lead_id)
    run(crm, "TRUNCATE lead_audit")
    before = leads(crm)
    downgrade(crm, *REMOVE)
    assert leads(crm) == {lead_id: before[lead_id] for lead_id in created[:7]}
    assert counts(crm) == Counts(kept=7, removed=1)


def test_a_lead_that_was_edited_there_and_back_stays(crm: URL, created: list[int]) -> None:
    """It looks as imported and no trail mentions it, but its row was written since."""
    for status in ("booked", leads(crm)[created[0]]["status"]):
        run(crm, "UPDATE leads SET status = :status WHERE id = :id", status=status, id=created[0])
    run(crm, "TRUNCATE lead_audit")
    downgrade(crm, *REMOVE)
    assert list(leads(crm)) == created[:1]
    assert counts(crm) == Counts(kept=1, removed=7)


def test_a_lead_that_people_have_deleted_is_in_no_count(
    crm: URL, created: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """A lead added later with the same phone is not counted either."""
    phone = leads(crm)[created[0]]["phone"]
    run(crm, "DELETE FROM leads WHERE id = :id", id=created[0])
    again = add_lead(crm, phone=phone)
    caplog.set_level("INFO", "importer")
    downgrade(crm, *REMOVE)
    assert list(leads(crm)) == [again]
    assert counts(crm) == Counts(removed=7)
    assert "7 removed, 0 kept because referenced, 1 deleted by people before." in caplog.text


def test_a_lead_that_a_row_refers_to_stays(crm: URL, created: list[int]) -> None:
    """The foreign key's action on deletion makes no difference, because it never runs."""
    actions = (
        "NO ACTION",
        "NO ACTION DEFERRABLE INITIALLY DEFERRED",
        "RESTRICT",
        "CASCADE",
        "SET NULL",
        "SET DEFAULT",
    )
    columns = (
        f"c{n} bigint REFERENCES leads ON DELETE {action}" for n, action in enumerate(actions)
    )
    run(crm, f"CREATE TABLE calls ({', '.join(columns)})")
    for n in range(len(actions)):
        run(crm, f"INSERT INTO calls (c{n}) VALUES (:id), (:id), (NULL)", id=created[n])
    calls = run(crm, "SELECT ctid::text, calls::text FROM calls")
    before = leads(crm)
    downgrade(crm, *REMOVE)
    assert leads(crm) == {lead_id: before[lead_id] for lead_id in created[:6]}
    assert run(crm, "SELECT ctid::text, calls::text FROM calls") == calls
    assert counts(crm) == Counts(removed=2, referenced=6)


def test_every_foreign_key_is_found(crm: URL, created: list[int]) -> None:
    """Other columns, several columns, partitions, other schemas, odd names, references to itself,
    and invalid ones."""
    numbers = [leads(crm)[lead_id]["lead_number"] for lead_id in created]
    for statement in (
        "CREATE UNIQUE INDEX numbers ON leads (lead_number)",
        "ALTER TABLE leads ADD CONSTRAINT pair UNIQUE (lead_number, id)",
        "CREATE TABLE by_number (number text REFERENCES leads (lead_number) ON DELETE CASCADE)",
        f"INSERT INTO by_number VALUES ('{numbers[0]}')",
        "CREATE TABLE by_both (a bigint, b text, FOREIGN KEY (b, a) REFERENCES leads "
        "(lead_number, id))",
        f"INSERT INTO by_both VALUES ({created[1]}, '{numbers[1]}'), ({created[7]}, NULL)",
        "CREATE TABLE parts (lead bigint REFERENCES leads ON DELETE CASCADE, n int) PARTITION BY "
        "LIST (n)",
        "CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1)",
        f"INSERT INTO parts VALUES ({created[2]}, 1)",
        'CREATE SCHEMA "Odd ""one"""',
        'CREATE TABLE "Odd ""one"""."A %s table" ('
        '"the lead" bigint REFERENCES leads ON DELETE SET NULL)',
        f'INSERT INTO "Odd ""one"""."A %s table" VALUES ({created[3]})',
        "CREATE TABLE late (lead bigint)",
        f"INSERT INTO late VALUES ({created[4]})",
        "ALTER TABLE late ADD FOREIGN KEY (lead) REFERENCES leads ON DELETE CASCADE NOT VALID",
        "ALTER TABLE leads ADD COLUMN referred_by bigint DEFAULT NULL REFERENCES leads ON DELETE "
        "CASCADE",
        f"INSERT INTO leads (phone, referred_by) VALUES ('0600000001', {created[5]})",
    ):
        run(crm, statement)
    downgrade(crm, *REMOVE)
    assert [lead_id for lead_id in leads(crm) if lead_id in created] == created[:6]
    assert counts(crm) == Counts(removed=2, referenced=6)


def trigger(url: URL, body: str, when: str) -> None:
    """Make the database do something when leads are deleted."""
    run(
        url,
        f"CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN "
        f"OLD; END $$",
    )
    run(url, f"CREATE TRIGGER theirs {when} EXECUTE FUNCTION theirs()")


@contextmanager
def in_transaction(url: URL, *statements: str) -> Iterator[Connection]:
    """Hold a transaction of the site open after some statements."""
    with connected(url) as site:
        site.execute(text("BEGIN"))
        for statement in statements:
            site.execute(text(statement))
        yield site


def test_what_the_site_commits_while_the_downgrade_waits_counts(crm_with_leads: URL) -> None:
    """A lead edited or referenced after the first look stays."""
    run(crm_with_leads, "ALTER TABLE leads ADD COLUMN score integer")
    run(crm_with_leads, "CREATE TABLE calls (lead bigint REFERENCES leads ON DELETE CASCADE)")
    upgrade(crm_with_leads)
    called, edited, scored = (
        found_by_phone(crm_with_leads, record["phone"]) for record in records()[1:4]
    )
    statements = (
        f"INSERT INTO calls VALUES ({called})",
        f"UPDATE leads SET status = 'booked' WHERE id = {edited}",
        f"UPDATE leads SET score = 5 WHERE id = {scored}",
    )
    with in_transaction(crm_with_leads, *statements) as site:
        removing = start_alembic(crm_with_leads, "-x", "remove-created", "downgrade", BEFORE_IMPORT)
        wait_until(
            crm_with_leads,
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        )
        site.execute(text("COMMIT"))
    output, _ = removing.communicate(timeout=60)
    assert removing.returncode == 0, output
    assert {called, edited, scored} < leads(crm_with_leads).keys()
    assert value(crm_with_leads, "SELECT count(*) FROM calls") == 1
    assert counts(crm_with_leads) == Counts(restored=10, kept=2, removed=ALL - 13, referenced=1)


def test_a_row_that_comes_while_the_lead_goes_is_refused(crm_with_leads: URL) -> None:
    """A new reference waits while its lead is removed, and then hears that the lead is gone."""
    trigger(crm_with_leads, "PERFORM pg_sleep(1)", "BEFORE DELETE ON leads FOR EACH STATEMENT")
    run(crm_with_leads, "CREATE TABLE calls (lead bigint REFERENCES leads ON DELETE CASCADE)")
    upgrade(crm_with_leads)
    lead_id = found_by_phone(crm_with_leads, records()[1]["phone"])
    removing = start_alembic(crm_with_leads, "-x", "remove-created", "downgrade", BEFORE_IMPORT)
    wait_until(
        crm_with_leads, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    )
    with pytest.raises(IntegrityError, match="calls_lead_fkey"):
        run(crm_with_leads, "INSERT INTO calls VALUES (:id)", id=lead_id)
    output, _ = removing.communicate(timeout=60)
    assert removing.returncode == 0, output
    assert counts(crm_with_leads) == Counts(restored=10, removed=ALL - 10)


@pytest.mark.parametrize(
    "body",
    [
        "DELETE FROM settings",
        "UPDATE users SET email = 'x'",
        "INSERT INTO settings VALUES (OLD.id::text, 'x')",
        "DELETE FROM leads WHERE full_name = 'Bystander'",
        "UPDATE leads SET status = 'x' WHERE full_name = 'Bystander'",
    ],
)
def test_a_trigger_that_writes_more_stops_the_downgrade(
    crm: URL, created: list[int], body: str
) -> None:
    """Only counted leads may go and no other row may change, so the whole batch is rolled back."""
    add_lead(crm, phone="0600000001", full_name="Bystander")
    trigger(crm, body, "AFTER DELETE ON leads FOR EACH ROW WHEN (OLD.full_name <> 'Bystander')")
    before = picture(crm)
    with pytest.raises(CommandError, match="rolled back, because the import would have written"):
        downgrade(crm, *REMOVE)
    assert picture(crm) == before


def test_a_lead_that_a_trigger_holds_back_counts_as_kept(crm: URL, created: list[int]) -> None:
    """A lead that did not go does not count as removed."""
    trigger(crm, "RETURN NULL", f"BEFORE DELETE ON leads FOR EACH ROW WHEN (OLD.id = {created[4]})")
    downgrade(crm, *REMOVE)
    assert list(leads(crm)) == [created[4]]
    assert counts(crm) == Counts(kept=1, removed=7)


def test_leads_that_an_earlier_downgrade_left_can_still_go(crm_with_leads: URL) -> None:
    """If you forgot the option, upgrade and downgrade again."""
    before = leads(crm_with_leads)
    upgrade(crm_with_leads)
    new = [lead_id for lead_id in leads(crm_with_leads) if lead_id not in before]
    edit(crm_with_leads, new[0], status="booked")
    downgrade(crm_with_leads)
    edited = leads(crm_with_leads)[new[0]]
    upgrade(crm_with_leads)
    downgrade(crm_with_leads, *REMOVE)
    assert leads(crm_with_leads) == before | {new[0]: edited}
    assert counts(crm_with_leads) == Counts(restored=11, removed=ALL - 11)


def test_an_updated_lead_never_goes(crm: URL, created: list[int]) -> None:
    """It stays even if an earlier import created it and another lead has taken its old value."""
    run(crm, "CREATE UNIQUE INDEX ON leads (lead_number)")
    run(crm, "UPDATE leads SET lead_number = 'THEIRS' WHERE id = :id", id=created[0])
    downgrade(crm)
    upgrade(crm)
    add_lead(crm, phone="0600000001", lead_number="THEIRS")
    downgrade(crm, *REMOVE)
    assert created[0] in leads(crm)
    assert counts(crm) == Counts(kept=1, removed=7)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_size_of_batches_makes_no_difference_to_what_goes(
    crm: URL, created: list[int], size: int
) -> None:
    """The import's batches may have had another size."""
    run(crm, "CREATE TABLE calls (lead bigint REFERENCES leads)")
    run(crm, "INSERT INTO calls VALUES (:id)", id=created[1])
    edit(crm, created[6], phone="0600000001")
    downgrade(crm, *REMOVE, f"batch-size={size}")
    assert list(leads(crm)) == [created[1], created[6]]
    assert counts(crm) == Counts(kept=1, removed=6, referenced=1)


def test_rows_that_the_role_may_not_see_are_not_taken_for_absent(crm: URL) -> None:
    """If a table that refers to leads is closed to the role or shows it only some rows, nothing
    begins."""
    with in_transaction(
        crm,
        "CREATE TABLE closed (lead bigint REFERENCES leads)",
        "CREATE TABLE partly (lead bigint REFERENCES leads)",
        "ALTER TABLE partly ENABLE ROW LEVEL SECURITY",
        "CREATE ROLE deploying",
        "GRANT SELECT ON leads, partly TO deploying",
        "SET LOCAL ROLE deploying",
    ) as connection:
        with pytest.raises(DatabaseRefused) as refused:
            check_removal(connection, assumed_table(LEADS))
        connection.execute(text("ROLLBACK"))
    assert sorted(str(refused.value).splitlines()[1:-1]) == [
        "  row-level security on partly, which refers to leads, hides rows from the role deploying",
        "  the role deploying may not DELETE leads",
        "  the role deploying may not SELECT closed, which refers to leads",
    ]


def test_an_upgrade_after_it_brings_every_lead_back(crm: URL, created: list[int]) -> None:
    """They are new leads with new ids, and the next downgrade knows them as created."""
    first = leads(crm)
    downgrade(crm, *REMOVE)
    upgrade(crm, IMPORT)
    again = leads(crm)
    assert not first.keys() & again.keys()
    assert [lead | {"id": 0} for lead in again.values()] == [
        lead | {"id": 0} for lead in first.values()
    ]
    downgrade(crm, *REMOVE)
    assert leads(crm) == {}

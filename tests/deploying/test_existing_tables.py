"""Databases with a past: what fits is adopted, what does not is listed, nothing is guessed."""

from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL, create_engine

from models import Base
from tests.support.bundled import FIELDS, records
from tests.support.crm import Rows, add_lead, picture
from tests.support.database import run, value
from tests.support.exports import bundle
from tests.support.roles import another_role
from tests.support.upgrades import upgrade


def create_all(url: URL) -> None:
    """Make the tables as ``models.py`` describes them, without Alembic."""
    Base.metadata.create_all(create_engine(url))


def leads_by_hand(url: URL, **columns: str) -> None:
    """Make ``leads`` as somebody made it years ago; ``columns`` replace the usual declarations."""
    usual = dict.fromkeys(FIELDS, "varchar(300)")
    declared = {
        "id": "serial PRIMARY KEY",
        **usual,
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
    }
    lines = ", ".join(f"{name} {kind}" for name, kind in (declared | columns).items() if kind)
    run(url, f"CREATE TABLE leads ({lines})")


def leads(url: URL) -> Rows:
    return {row.id: dict(row._mapping) for row in run(url, "SELECT * FROM leads ORDER BY id")}


def refusal(url: URL) -> str:
    """What the upgrade says when it refuses."""
    with pytest.raises(CommandError) as refused:
        upgrade(url)
    return str(refused.value)


def test_tables_from_create_all_are_adopted_with_leads_that_share_a_phone(database: URL) -> None:
    """Three leads with one phone are all still there; the oldest is the one that the import
    updates."""
    create_all(database)
    phone = records()[0]["phone"]
    times = ("2024-02-01", "2024-01-01", "2024-03-01")
    ids = [
        add_lead(database, phone=phone, full_name=f"Same {time}", created_at=time) for time in times
    ]
    upgrade(database)
    after = leads(database)
    assert len(after) == 3 + len(records()) - 1
    assert after[ids[1]]["full_name"] == records()[0]["full_name"]
    assert [after[lead_id]["duplicate_of"] for lead_id in ids] == [ids[1], None, ids[1]]
    assert [after[ids[0]]["full_name"], after[ids[2]]["full_name"]] == [
        "Same 2024-02-01",
        "Same 2024-03-01",
    ]
    assert picture(database).lead_audit == {}


def test_a_table_made_by_hand_is_adopted(database: URL) -> None:
    """Serial ids, varchar columns that may be NULL and columns of somebody's own stay as
    they are."""
    leads_by_hand(database, region="text DEFAULT 'north'")
    known = add_lead(database, phone=records()[3]["phone"])
    other = add_lead(database, phone="0600000001", full_name="Other")
    before = leads(database)[other]
    upgrade(database)
    after = leads(database)
    assert len(after) == 1 + len(records())
    assert after[known]["full_name"] == records()[3]["full_name"]
    assert after[other] == before | {"duplicate_of": None}
    assert value(database, "SELECT bool_and(region = 'north') FROM leads")


def test_a_missing_column_is_added(database: URL) -> None:
    """A column that can be added without touching a row is added, and filled by the import."""
    leads_by_hand(database, assigned_agent="", notes="")
    add_lead(database, phone=records()[0]["phone"])
    upgrade(database)
    assert value(database, "SELECT count(*) FROM leads WHERE notes <> ''") > 0


def test_tables_that_no_import_writes_stay_as_they_are(database: URL) -> None:
    """Users of another making, who need a password and have no e-mail, and settings with one column
    more."""
    run(
        database,
        "CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, password_hash text NOT "
        "NULL)",
    )
    run(
        database,
        "CREATE TABLE settings (key text PRIMARY KEY, value text NOT NULL, owner bigint NOT NULL)",
    )
    columns = """
        SELECT attrelid::regclass::text, attname FROM pg_attribute
        WHERE attrelid IN (to_regclass('users'), to_regclass('settings')) ORDER BY 1, attnum
    """
    before = run(database, columns)
    upgrade(database)
    assert run(database, columns) == before
    assert value(database, "SELECT count(*) FROM leads") == len(records())


@pytest.mark.parametrize("declared", ["bigint NOT NULL DEFAULT 0", "text", "bigint DEFAULT 0"])
def test_a_mark_of_duplicates_that_says_something_else_is_refused(
    declared: str, database: URL
) -> None:
    """Where NULL does not mean that a lead is the current one, none would be found."""
    leads_by_hand(database, duplicate_of=declared)
    add_lead(database, phone=records()[0]["phone"])
    assert "leads.duplicate_of is there as" in refusal(database)
    assert value(database, "SELECT count(*) FROM leads") == 1


def test_everything_that_does_not_fit_is_listed_and_nothing_is_written(database: URL) -> None:
    """Expected against found, for each column of each table, in one message."""
    leads_by_hand(
        database,
        id="bigint PRIMARY KEY",
        phone="bigint",
        created_at="timestamp",
        region="text NOT NULL",
    )
    run(
        database,
        "CREATE TABLE lead_audit (id bigint PRIMARY KEY, lead_id bigint, action text NOT NULL)",
    )
    run(database, "CREATE TABLE settings (key integer PRIMARY KEY, value text)")
    said = refusal(database)
    assert "leads.phone: found bigint, expected text" in said
    assert "leads.created_at: found timestamp without time zone, expected timestamptz" in said
    assert "leads.region: found NOT NULL without a default" in said
    assert "leads.id: found NOT NULL without a default" in said
    assert "lead_audit.id: found NOT NULL without a default" in said
    assert "settings.key: found integer, expected text" in said
    assert value(database, "SELECT to_regclass('users')") is None
    assert "duplicate_of" not in {
        row[0] for row in run(database, "SELECT attname FROM pg_attribute")
    }


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        ("CREATE VIEW leads AS SELECT 1 AS id", "a view"),
        ("CREATE MATERIALIZED VIEW leads AS SELECT 1 AS id", "a materialized view"),
        ("CREATE TABLE leads (id bigint) PARTITION BY RANGE (id)", "a partitioned table"),
    ],
)
def test_what_is_named_leads_but_is_no_table_is_refused(
    make: str, kind: str, database: URL
) -> None:
    """It is named for what it is; nothing is written."""
    run(database, make)
    assert f"leads: found {kind}, expected a table" in refusal(database)
    assert value(database, "SELECT to_regclass('users')") is None


def test_row_level_security_is_refused(database: URL) -> None:
    """A role that sees only some leads would add the others once more."""
    create_all(database)
    run(database, "ALTER TABLE leads ENABLE ROW LEVEL SECURITY")
    run(database, "ALTER TABLE leads FORCE ROW LEVEL SECURITY")
    grants = [f"ALTER TABLE {table} OWNER TO {{role}}" for table in Base.metadata.tables]
    with another_role(database, "GRANT ALL ON SCHEMA public TO {role}", *grants) as owner:
        said = refusal(owner)
    assert f"row-level security on leads hides rows from the role {owner.username}" in said
    assert value(database, "SELECT to_regclass('lead_phone_key_v1')") is None


def test_a_rule_on_leads_is_refused(database: URL) -> None:
    """A rule would turn the import's statements into others."""
    create_all(database)
    run(database, "CREATE RULE keep_out AS ON INSERT TO leads DO INSTEAD NOTHING")
    assert "the rule keep_out on leads" in refusal(database)


@pytest.mark.parametrize("table", ["mailings", "archive.leads"])
def test_a_trigger_that_writes_elsewhere_rolls_the_batch_back(table: str, crm: URL) -> None:
    """The table is named, also one of that name elsewhere; neither leads nor it hold anything of
    the batch."""
    run(crm, f"CREATE SCHEMA archive; CREATE TABLE {table} (lead_id bigint)")
    body = f"BEGIN INSERT INTO {table} VALUES (NEW.id); RETURN NULL; END"
    run(crm, f"CREATE FUNCTION mail() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(crm, "CREATE TRIGGER mail AFTER INSERT ON leads FOR EACH ROW EXECUTE FUNCTION mail()")
    before = picture(crm)
    assert f"{table} (217 inserted, 0 updated, 0 deleted)" in refusal(crm)
    assert picture(crm) == before
    assert value(crm, f"SELECT count(*) FROM {table}") == 0


def test_a_trigger_that_changes_other_leads_rolls_the_batch_back(crm: URL) -> None:
    """Leads that no record is about are nobody's to change, and no downgrade could take it back."""
    add_lead(crm, phone="0600000001", status="new")
    body = "BEGIN UPDATE leads SET status = 'old' WHERE phone = '0600000001'; RETURN NULL; END"
    run(crm, f"CREATE FUNCTION age() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(crm, "CREATE TRIGGER age AFTER INSERT ON leads FOR EACH STATEMENT EXECUTE FUNCTION age()")
    before = picture(crm)
    assert "leads (217 inserted, 1 updated, 0 deleted)" in refusal(crm)
    assert picture(crm) == before


def test_an_audit_trigger_that_lets_no_import_pass_is_refused(database: URL) -> None:
    """Somebody's own trigger that fills lead_audit would fill it with the import."""
    create_all(database)
    body = "BEGIN INSERT INTO lead_audit (lead_id, action) VALUES (NEW.id, 'any'); RETURN NULL; END"
    run(database, f"CREATE FUNCTION own_audit() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(
        database,
        "CREATE TRIGGER own_audit AFTER INSERT ON leads FOR EACH ROW EXECUTE FUNCTION own_audit()",
    )
    assert "The trigger own_audit on leads writes lead_audit for every change" in refusal(database)


def test_leads_in_a_schema_that_comes_second_are_found(database: URL) -> None:
    """With another schema first in the search path, the leads that are there are the ones imported
    into."""
    create_all(database)
    run(database, "CREATE SCHEMA app")
    run(database, f'ALTER DATABASE "{database.database}" SET search_path = app, public')
    lead = add_lead(database, phone=records()[0]["phone"])
    upgrade(database)
    assert value(database, "SELECT count(*) FROM public.leads") == len(records())
    assert leads(database)[lead]["full_name"] == records()[0]["full_name"]


def test_an_index_that_was_left_invalid_is_built_again(crm_with_leads: URL) -> None:
    """What a failed CREATE INDEX CONCURRENTLY leaves behind does not stay."""
    run(crm_with_leads, "UPDATE alembic_version SET version_num = '0001_baseline'")
    run(
        crm_with_leads,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'leads_phone_key_v1'::regclass",
    )
    upgrade(crm_with_leads)
    assert value(
        crm_with_leads,
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'leads_phone_key_v1'::regclass",
    )
    assert value(crm_with_leads, "SELECT count(*) FROM leads") == 40 + len(records())


def test_leads_without_a_phone_stay_untouched(database: URL) -> None:
    """Empty phones and junk share no key, are no duplicates, and match nothing."""
    create_all(database)
    for phone in ("", "", "n/a", "n/a", "unknown", "12345", "12345", "-"):
        add_lead(database, phone=phone, full_name="No phone")
    before = leads(database)
    upgrade(database)
    after = leads(database)
    assert {lead_id: after[lead_id] for lead_id in before} == before
    assert len(after) == len(before) + len(records())


def test_duplicates_in_several_spellings_keep_their_children(database: URL) -> None:
    """Rows that refer to a duplicate refer to it afterwards; nothing is merged."""
    create_all(database)
    run(database, "CREATE TABLE calls (lead_id bigint REFERENCES leads (id))")
    spellings = ("07700 900999", "+44 (0)7700-900999", "7700900999")
    ids = [add_lead(database, phone=phone) for phone in spellings]
    for lead_id in ids:
        run(database, "INSERT INTO calls VALUES (:id)", id=lead_id)
    upgrade(database)
    assert [row[0] for row in run(database, "SELECT lead_id FROM calls ORDER BY 1")] == ids
    marks = run(
        database, "SELECT duplicate_of FROM leads WHERE id = ANY(:ids) ORDER BY id", ids=ids
    )
    assert [row[0] for row in marks] == [None, ids[0], ids[0]]


@pytest.mark.parametrize(
    "unique",
    [
        "ALTER TABLE leads ADD UNIQUE (lead_number)",
        "CREATE UNIQUE INDEX ON leads (lead_number) WHERE lead_number <> ''",
        "CREATE UNIQUE INDEX ON leads (lower(lead_number)) WHERE lead_number ~ '^.{1,20}$'",
        "CREATE UNIQUE INDEX ON leads (nullif(lead_number, '')) INCLUDE (phone)",
    ],
    ids=["all of them", "but blanks", "in any case", "with another column beside it"],
)
def test_a_unique_lead_number_that_is_taken_is_listed_before_any_write(
    unique: str, database: URL
) -> None:
    """The records whose number another lead has are named, however the index says it; nothing is
    imported."""
    leads_by_hand(database, lead_number="text")
    run(database, unique)
    taken = records()[6]["lead_number"]
    add_lead(
        database, phone="0600000001", lead_number=taken.lower() if "lower" in unique else taken
    )
    said = refusal(database)
    assert (
        "record 7, lead_number: is another lead's or record's, and leads.lead_number is unique"
        in said
    )
    assert "1 problem" in said
    assert value(database, "SELECT count(*) FROM leads") == 1
    assert value(database, "SELECT count(*) FROM lead_imports") == 0


def test_a_value_that_is_too_long_for_its_column_is_listed_before_any_write(database: URL) -> None:
    """Each record that the adopted column has no room for is named, without its value."""
    leads_by_hand(database, full_name="varchar(8)")
    said = refusal(database)
    too_long = [n for n, record in enumerate(records(), start=1) if len(record["full_name"]) > 8]
    assert (
        f"record {too_long[0]}, full_name: is longer than the 8 characters of leads.full_name"
        in said
    )
    assert f"{len(too_long)} problems" in said
    assert records()[too_long[0] - 1]["full_name"] not in said
    assert value(database, "SELECT count(*) FROM leads") == 0


@pytest.mark.parametrize(
    ("name", "create"),
    [
        (
            "lead_phone_key_v1(text)",
            "CREATE FUNCTION lead_phone_key_v1(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
        ),
        (
            "audit_lead()",
            "CREATE FUNCTION audit_lead() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN "
            "NULL; END'",
        ),
    ],
)
def test_another_function_of_that_name_is_refused(name: str, create: str, database: URL) -> None:
    """A function that is not ours is not taken for ours, and not replaced."""
    run(database, create)
    body = value(
        database, "SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure(:name)", name=name
    )
    assert f"A function {name} is there and is not ours" in refusal(database)
    assert (
        value(database, "SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure(:name)", name=name)
        == body
    )


def test_a_blank_that_keeps_a_value_takes_none(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two leads keep their unique numbers; a third record without one is new, and a fourth one too
    many."""
    run(crm, "CREATE UNIQUE INDEX ON leads (lead_number)")
    export = [record | {"lead_number": ""} for record in records()[:4]]
    for n, record in enumerate(export[:2]):
        add_lead(crm, phone=record["phone"], lead_number=f"K{n}")
    with monkeypatch.context() as patch:
        bundle(export, patch, tmp_path)
        assert (
            "record 4, lead_number: is another lead's or record's, and leads.lead_number is unique"
            in refusal(crm)
        )
    bundle(export[:3], monkeypatch, tmp_path)
    upgrade(crm)
    assert run(crm, "SELECT lead_number FROM leads ORDER BY id") == [("K0",), ("K1",), ("",)]


def test_a_server_that_does_not_count_is_refused(crm: URL) -> None:
    """Without its counters nobody can prove that nothing else was written."""
    run(crm, f'ALTER DATABASE "{crm.database}" SET track_counts = off')
    assert "track_counts is off" in refusal(crm)

"""Databases with a past: what is declared is adopted as it is, what does not fit is listed."""

from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL, create_engine

from migrations import crm as declared
from migrations.importer import v1
from migrations.importer.sql import LEDGER_TABLES
from models import Base
from tests.adopting.crms import build
from tests.support.bundled import BEFORE_IMPORT, FIELDS, IMPORT, records
from tests.support.crm import Rows, add_lead, picture
from tests.support.database import run, value
from tests.support.exports import bundle
from tests.support.roles import MAY_IMPORT, another_role
from tests.support.upgrades import downgrade, upgrade

SCHEMA = """
    WITH theirs AS (
        SELECT oid, relkind FROM pg_class
        WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
            AND relname !~ '^(lead_import|lead_before_images|alembic_version)'
    )
    SELECT format('relation %s %s', oid::regclass, relkind) FROM theirs WHERE relkind <> 'i'
    UNION ALL
    SELECT format('column %s %s %s %s', attrelid::regclass, attname, atttypid::regtype, attnotnull)
    FROM pg_attribute JOIN theirs ON theirs.oid = attrelid WHERE attnum > 0 AND relkind <> 'i'
    UNION ALL
    SELECT format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(pg_constraint.oid))
    FROM pg_constraint JOIN theirs ON theirs.oid = conrelid
    UNION ALL
    SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN theirs ON theirs.oid = indrelid
    UNION ALL
    SELECT pg_get_triggerdef(pg_trigger.oid)
    FROM pg_trigger JOIN theirs ON theirs.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
"""All that there is, but the ledger and Alembic's own."""


def schema(url: URL) -> set[str]:
    """What the owner's database is made of."""
    return {row[0] for row in run(url, SCHEMA.replace("::", "\\:\\:"))}


def create_all(url: URL) -> None:
    """Make the tables as ``models.py`` describes them, without Alembic."""
    Base.metadata.create_all(create_engine(url))


def leads_by_hand(url: URL, **columns: str) -> None:
    """Make ``leads`` as somebody made it years ago; ``columns`` replace the usual declarations."""
    usual = dict.fromkeys(FIELDS, "varchar(300)")
    given = {
        "id": "serial PRIMARY KEY",
        **usual,
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
    }
    lines = ", ".join(f"{name} {kind}" for name, kind in (given | columns).items() if kind)
    run(url, f"CREATE TABLE leads ({lines})")


def leads(url: URL) -> Rows:
    return {row.id: dict(row._mapping) for row in run(url, "SELECT * FROM leads ORDER BY id")}


def refusal(url: URL) -> str:
    """What the upgrade says when it refuses."""
    with pytest.raises(CommandError) as refused:
        upgrade(url)
    return str(refused.value)


def test_an_owners_table_gets_nothing_but_one_plain_index(database: URL) -> None:
    """No column, rule, trigger or further table; going back takes the index away again."""
    leads_by_hand(database, region="text DEFAULT 'north'")
    run(database, "CREATE TABLE users (name text PRIMARY KEY)")
    before = schema(database)
    upgrade(database)
    assert schema(database) - before == {
        "CREATE INDEX leads_phone_key_v1 ON public.leads USING btree "
        "(lead_phone_key_v1((phone)::text))",
        "function lead_phone_key_v1(text)",
    }
    assert before <= schema(database)
    downgrade(database, "base")
    assert schema(database) == before


def test_tables_from_create_all_are_adopted(database: URL) -> None:
    """They are the owner's, although the baseline would have made the same ones."""
    create_all(database)
    before = schema(database)
    upgrade(database)
    assert {made.split()[0] for made in schema(database) - before} == {"CREATE", "function"}
    assert value(database, "SELECT count(*) FROM leads") == len(records())


def test_of_several_leads_with_one_phone_the_oldest_is_updated(database: URL) -> None:
    """However it is spelled: none is deleted or marked, and what refers to them does so after."""
    create_all(database)
    run(database, "CREATE TABLE calls (lead_id bigint REFERENCES leads (id))")
    phone = records()[0]["phone"]
    spellings = {"2024-02-01": phone, "2024-01-01": f" {phone} ", "2024-03-01": f"({phone})"}
    ids = [
        add_lead(database, phone=spelling, full_name=f"Same {time}", created_at=time)
        for time, spelling in spellings.items()
    ]
    for lead_id in ids:
        run(database, "INSERT INTO calls VALUES (:id)", id=lead_id)
    before = leads(database)
    upgrade(database)
    after = leads(database)
    assert len(after) == 3 + len(records()) - 1
    assert after[ids[1]]["full_name"] == records()[0]["full_name"]
    assert [after[ids[0]], after[ids[2]]] == [before[ids[0]], before[ids[2]]]
    assert [row[0] for row in run(database, "SELECT lead_id FROM calls ORDER BY 1")] == ids
    assert value(database, "SELECT shared FROM lead_imports") == 1
    assert picture(database).lead_audit == {}


def test_of_leads_of_one_age_the_first_id_is_updated(database: URL) -> None:
    """A lead without a time is the youngest."""
    leads_by_hand(database)
    phone = records()[0]["phone"]
    times = (None, "2024-01-01", "2024-01-01")
    ids = [add_lead(database, phone=phone, created_at=time) for time in times]
    upgrade(database)
    after = leads(database)
    assert [after[lead_id]["full_name"] for lead_id in ids] == [
        None,
        records()[0]["full_name"],
        None,
    ]


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
    assert after[other] == before
    assert value(database, "SELECT bool_and(region = 'north') FROM leads")


def test_everything_that_does_not_fit_is_listed_and_nothing_is_made(database: URL) -> None:
    """Expected against found, for each column, in one message that ends with a declaration."""
    leads_by_hand(
        database,
        id="bigint",
        phone="bigint",
        notes="json",
        email="name",
        created_at="interval",
        updated_at="text",
        address1="",
        lead_number="text GENERATED ALWAYS AS ('x') STORED",
        region="text NOT NULL",
    )
    before = schema(database)
    said = refusal(database)
    for line in (
        "The table leads is not as the import needs it. Nothing was made.",
        "  leads: the column id is not its primary key",
        "  leads.phone: found bigint, expected text for a phone",
        "  leads.notes: found json, but no field fits into that",
        "  leads.email: found name, but no field fits into that",
        "  leads.created_at: found interval, expected a time or a date",
        "  leads.updated_at: found text, expected a time",
        "  leads.address1: is not there",
        "  leads.lead_number: the server computes it. Leave it out of the declaration",
        "  leads.region: is NOT NULL without a default",
    ):
        assert line in said
    assert schema(database) == before
    assert value(database, "SELECT to_regclass('lead_imports')") is None


def test_a_table_leads_of_another_shape_is_refused_with_a_declaration_of_it(database: URL) -> None:
    """Its own columns stand in it, and what nobody can guess is marked."""
    build(database, "enums")
    before = schema(database)
    said = refusal(database)
    assert "  leads.full_name: is not there" in said
    assert "  leads.source: is NOT NULL without a default" in said
    assert "'python -m migrations adopt leads' writes this into" in said
    assert '    full_name="name",' in said
    assert '    status=Values("status", {}, otherwise="NUEVO"),  # CHECK: which is what?' in said
    assert schema(database) == before


def test_no_leads_are_made_beside_another_table_with_phones(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CRM would never read them. The declaration that the refusal prints can be pasted."""
    build(database, "dates")
    before = schema(database)
    said = refusal(database)
    assert "There is no table leads, and other tables have phones. Nothing was made." in said
    assert "  leads_lead.phone" in said
    assert "If none of them holds leads: alembic -x new-crm upgrade head" in said
    assert schema(database) == before
    source = said[said.index("LEADS = Leads(") :]
    pasted = dict(vars(v1))
    exec(source[: source.index("\n)") + 2], pasted)  # as its reader would
    monkeypatch.setattr(declared, "LEADS", pasted["LEADS"])
    upgrade(database)
    assert value(database, "SELECT count(*) FROM leads_lead") == len(records()) + 1
    assert value(database, "SELECT to_regclass('leads')") is None


def test_phones_in_numbers_are_phones(database: URL) -> None:
    """No declaration takes them, but a CRM that has them would not read the imported leads either.
    An id is no phone."""
    run(database, "CREATE TABLE contacts (id serial PRIMARY KEY, phone bigint, phone_id bigint)")
    said = refusal(database)
    assert "contacts.phone: phones lie in bigint" in said
    assert "phone_id" not in said


def test_phones_in_a_foreign_table_are_phones(database: URL) -> None:
    """The CRM reads them there."""
    run(database, "CREATE FOREIGN DATA WRAPPER far")
    run(database, "CREATE SERVER there FOREIGN DATA WRAPPER far")
    run(database, "CREATE FOREIGN TABLE contacts (phone text) SERVER there")
    assert "contacts.phone: it is a foreign table" in refusal(database)


def test_the_owner_may_say_that_phones_elsewhere_are_no_leads(database: URL) -> None:
    """``-x new-crm``: the CRM's own tables are made beside it."""
    run(database, "CREATE TABLE suppliers (id serial PRIMARY KEY, mobile text)")
    assert "suppliers.mobile" in refusal(database)
    upgrade(database, IMPORT, "new-crm")
    assert value(database, "SELECT count(*) FROM leads") == len(records())
    assert value(database, "SELECT count(*) FROM suppliers") == 0


def test_a_declared_table_that_is_not_there_is_refused(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not made, nor is another one in its place."""
    monkeypatch.setattr(declared, "LEADS", v1.Leads("customers", phone="phone"))
    before = schema(database)
    assert "declares the table customers, but it is not there. Nothing was made." in refusal(
        database
    )
    assert schema(database) == before


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
    hides = f"leads: has row-level security, which hides rows from the role {owner.username}"
    assert hides in said
    assert value(database, "SELECT to_regprocedure('lead_phone_key_v1(text)')") is None


def test_a_rule_on_leads_is_refused(database: URL) -> None:
    """A rule would turn the import's statements into others."""
    create_all(database)
    run(database, "CREATE RULE keep_out AS ON INSERT TO leads DO INSTEAD NOTHING")
    before = schema(database)
    assert "leads: the rule keep_out turns a write into another one" in refusal(database)
    assert schema(database) == before


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


@pytest.mark.parametrize("empties", ["TRUNCATE mailings", "ALTER TABLE mailings ADD extra int"])
def test_a_trigger_that_empties_or_alters_a_table_rolls_the_batch_back(
    empties: str, crm: URL
) -> None:
    """No counter of rows shows it, but the lock it takes does."""
    run(crm, "CREATE TABLE mailings AS SELECT 1 AS id")
    body = f"BEGIN {empties}; RETURN NULL; END"
    run(crm, f"CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(
        crm,
        "CREATE TRIGGER clear AFTER INSERT ON leads FOR EACH STATEMENT EXECUTE FUNCTION clear()",
    )
    before = picture(crm)
    assert "mailings (emptied or altered)" in refusal(crm)
    assert picture(crm) == before
    assert run(crm, "SELECT * FROM mailings") == [(1,)]


def test_a_trigger_that_changes_other_leads_rolls_the_batch_back(crm: URL) -> None:
    """Leads that no record is about are nobody's to change, and no downgrade could take it back."""
    add_lead(crm, phone="0600000001", status="new")
    body = "BEGIN UPDATE leads SET status = 'old' WHERE phone = '0600000001'; RETURN NULL; END"
    run(crm, f"CREATE FUNCTION age() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(crm, "CREATE TRIGGER age AFTER INSERT ON leads FOR EACH STATEMENT EXECUTE FUNCTION age()")
    before = picture(crm)
    assert "leads (217 inserted, 1 updated, 0 deleted)" in refusal(crm)
    assert picture(crm) == before


def test_an_owners_own_audit_trigger_stops_the_import(database: URL) -> None:
    """It would fill the trail with the import: the first batch is rolled back, and names it."""
    create_all(database)
    body = "BEGIN INSERT INTO lead_audit (lead_id, action) VALUES (NEW.id, 'any'); RETURN NULL; END"
    run(database, f"CREATE FUNCTION own_audit() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(
        database,
        "CREATE TRIGGER own_audit AFTER INSERT ON leads FOR EACH ROW EXECUTE FUNCTION own_audit()",
    )
    assert "lead_audit (217 inserted, 0 updated, 0 deleted)" in refusal(database)
    assert leads(database) == {}
    assert value(database, "SELECT count(*) FROM lead_audit") == 0


def test_an_audit_trigger_on_every_table_lets_imports_pass(crm: URL) -> None:
    """On the ledger's tables too, whatever an import writes to them."""
    run(crm, "CREATE TABLE audit_log (name text)")
    body = """
        BEGIN
            IF current_setting('app.skip_audit', true) = 'on' THEN RETURN NULL; END IF;
            INSERT INTO audit_log VALUES (TG_TABLE_NAME);
            RETURN NULL;
        END
    """
    run(crm, f"CREATE FUNCTION audit_any() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    for table in ("leads", *LEDGER_TABLES):
        run(
            crm,
            f"CREATE TRIGGER audit_any AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION audit_any()",
        )
    upgrade(crm)
    downgrade(crm, BEFORE_IMPORT)
    assert run(crm, "SELECT name FROM audit_log") == []


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


@pytest.mark.parametrize("table", ["leads", "lead_imports"])
def test_a_table_that_was_renamed_makes_room_for_ours(table: str, database: URL) -> None:
    """Its key keeps the name that the key of ours usually has."""
    run(database, f"CREATE TABLE {table} (id serial PRIMARY KEY, file text)")
    refusal(database)
    run(database, f"ALTER TABLE {table} RENAME TO set_aside")
    upgrade(database, BEFORE_IMPORT)
    assert value(database, f"SELECT to_regclass('{table}')") == table
    downgrade(database, "base")
    assert value(database, f"SELECT to_regclass('{table}')") is None


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


# What an import needs, in one list before the first write.


def test_what_an_import_lacks_is_one_list(crm: URL) -> None:
    """Of the stamp, of the ledger and of the table; and nothing of it is written."""
    grants = (*MAY_IMPORT, "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}")
    add_lead(crm, id=40, phone="07700 900990")
    run(crm, "ALTER TABLE leads DROP CONSTRAINT leads_pkey, DROP updated_at")
    run(crm, "CREATE PUBLICATION everything FOR ALL TABLES")
    with another_role(crm, *grants, "REVOKE INSERT ON lead_imports FROM {role}") as role:
        said = refusal(role)
        for missing in (
            f"the role {role.username} may not UPDATE alembic_version",
            f"the role {role.username} may not INSERT lead_imports",
            "leads: the column id is not its primary key",
            "leads.updated_at: is not there",
            "SELECT setval('public.leads_id_seq', 40)",
            "leads: is published without a replica identity",
        ):
            assert missing in said
    assert value(crm, "SELECT count(*) FROM lead_imports") == 0


def test_a_role_that_may_not_compute_the_phones_key_is_named(crm: URL) -> None:
    """As where EXECUTE is taken from PUBLIC."""
    run(crm, "REVOKE EXECUTE ON FUNCTION lead_phone_key_v1(text) FROM PUBLIC")
    with another_role(crm, *MAY_IMPORT) as role:
        said = refusal(role)
    assert f"the role {role.username} may not EXECUTE the function lead_phone_key_v1(text)" in said


def test_a_ledger_without_its_index_is_named(crm: URL) -> None:
    """Such as one restored without its indexes. A revert needs none."""
    run(crm, "DROP INDEX lead_imports_live")
    said = refusal(crm)
    assert "lead_imports lacks its unique index" in said
    run(crm, said.split("(", 1)[1].rsplit(")", 1)[0])
    upgrade(crm)
    run(crm, "DROP INDEX lead_imports_live")
    downgrade(crm, BEFORE_IMPORT)


def test_a_published_table_with_a_replica_identity_is_imported_into(crm: URL) -> None:
    """A unique index will do, and so will the whole row."""
    add_lead(crm, phone=records()[0]["phone"])
    run(crm, "CREATE PUBLICATION everything FOR ALL TABLES")
    run(crm, "ALTER TABLE leads DROP CONSTRAINT leads_pkey")
    run(crm, "CREATE UNIQUE INDEX leads_id ON leads (id)")
    assert "without a replica identity" in refusal(crm)
    run(crm, "ALTER TABLE leads REPLICA IDENTITY USING INDEX leads_id")
    upgrade(crm)
    assert value(crm, "SELECT updated FROM lead_imports") == 1


def test_a_search_path_that_begins_elsewhere_than_the_ledger_is_refused(crm: URL) -> None:
    """As when a schema of the role's name is made: another table of leads might come first."""
    run(crm, "CREATE SCHEMA elsewhere")
    run(crm, f'ALTER DATABASE "{crm.database}" SET search_path = elsewhere, public')
    told = "begins with the schema elsewhere, and alembic_version is in the schema public"
    assert told in refusal(crm)
    assert run(crm, "SELECT FROM pg_class WHERE relnamespace = 'elsewhere'\\:\\:regnamespace") == []


def test_an_import_alone_needs_no_ownership(database: URL) -> None:
    """The index is there, so rights on the rows will do."""
    create_all(database)
    upgrade(database, BEFORE_IMPORT)
    grants = [grant for grant in MAY_IMPORT if "OWNER" not in grant]
    with another_role(database, *grants) as role:
        upgrade(role)
    assert value(database, "SELECT created FROM lead_imports") == len(records())


def test_an_import_that_the_audit_trail_would_not_leave_out_is_refused(crm: URL) -> None:
    """Our own trail lets only the table's owner pass: that is found before the first batch."""
    with another_role(crm, *(grant for grant in MAY_IMPORT if "OWNER" not in grant)) as role:
        said = refusal(role)
    assert "does not own it, so the audit trail would not leave its import out" in said
    assert value(crm, "SELECT count(*) FROM lead_imports") == 0


@pytest.mark.parametrize(
    ("name", "column", "made"),
    [
        ("leads_phone_key_v1", "phone", "leads_2_phone_key_v1"),
        ("theirs", "lead_phone_key_v1(phone)", None),
        ("theirs", "lead_phone_key_v1(email)", "leads_phone_key_v1"),
    ],
)
def test_an_index_is_ours_by_what_it_is_on(
    name: str, column: str, made: str | None, crm: URL
) -> None:
    """Not by its name. Another one of our name stays, and ours gets the next name."""
    indexes = "SELECT indexname FROM pg_indexes WHERE tablename = 'leads'"
    run(crm, "DROP INDEX leads_phone_key_v1")
    run(crm, f"CREATE INDEX {name} ON leads ({column})")
    before = set(run(crm, indexes))
    upgrade(crm)
    assert set(run(crm, indexes)) - before == ({(made,)} if made else set())


def test_a_table_in_the_place_of_another_gets_its_index(crm: URL) -> None:
    """The one kept aside has the first name."""
    run(crm, "ALTER TABLE leads RENAME TO leads_old")
    run(crm, "CREATE TABLE leads (LIKE leads_old INCLUDING IDENTITY, PRIMARY KEY (id))")
    upgrade(crm)
    of = "SELECT tablename FROM pg_indexes WHERE indexname = 'leads_2_phone_key_v1'"
    assert value(crm, of) == "leads"


def test_a_downgrade_takes_the_index_away_wherever_its_table_is_by_now(crm: URL) -> None:
    """The function goes with the last one."""
    run(crm, "ALTER TABLE leads RENAME TO leads_old")
    run(crm, "CREATE SCHEMA kept")
    run(crm, "ALTER TABLE leads_old SET SCHEMA kept")
    run(crm, "CREATE TABLE leads (LIKE kept.leads_old INCLUDING IDENTITY, PRIMARY KEY (id))")
    upgrade(crm)
    downgrade(crm, "0001_baseline", "remove-created")
    assert run(crm, "SELECT FROM pg_indexes WHERE indexname LIKE '%phone_key_v1'") == []
    assert value(crm, "SELECT to_regprocedure('lead_phone_key_v1(text)')") is None

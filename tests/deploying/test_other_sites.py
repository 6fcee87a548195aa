"""A site may hide rows, fill columns or lack rights: it is told before the first write."""

from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from data.make_export import records as made
from migrations.__main__ import main
from migrations.importer.declaration import Leads, Lookup, New, Numeric
from tests.support.bundled import BEFORE_IMPORT, IMPORT, records
from tests.support.crm import add_lead, picture
from tests.support.database import run, shown, value
from tests.support.declarations import record, use
from tests.support.exports import bundle
from tests.support.roles import MAY_IMPORT, MAY_LOOK, another_role
from tests.support.upgrades import downgrade, upgrade

IMPORTS = "SELECT count(*) FROM lead_imports"
HIDDEN = "row-level security on {} may hide rows from the role"
KNOWN = 20
"""So many of the export's first leads are there."""


@pytest.fixture
def known(crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> URL:
    """Return a CRM with the first ``KNOWN`` leads of an export of 30, with an e-mail each."""
    export = [{**one, "email": f"lead{n}@example.com"} for n, one in enumerate(made(30, 7), 1)]
    for one in export[:KNOWN]:
        add_lead(crm, phone=one["phone"], lead_number=f"old {one['lead_number']}")
    bundle(export, monkeypatch, tmp_path)
    return crm


def refusal(url: URL) -> str:
    """Return what an upgrade in small batches says."""
    with pytest.raises(CommandError) as refused:
        upgrade(url, IMPORT, "batch-size=5")
    return str(refused.value)


def test_a_revert_sees_every_lead_or_none(crm_with_leads: URL) -> None:
    """A hidden lead is not a removed one."""
    upgrade(crm_with_leads)
    after = picture(crm_with_leads)
    run(
        crm_with_leads,
        "ALTER TABLE leads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; "
        "CREATE POLICY even ON leads USING (id % 2 = 0)",
    )
    with (
        another_role(crm_with_leads, *MAY_IMPORT) as role,
        pytest.raises(CommandError, match=HIDDEN.format("leads")),
    ):
        downgrade(role, BEFORE_IMPORT, "remove-created")
    assert picture(crm_with_leads) == after


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        ("REVOKE SELECT ON leads FROM {role}", "may not SELECT leads"),
        (
            "CREATE SCHEMA sales; ALTER TABLE leads SET SCHEMA sales",
            r"may not look into the schema sales \(GRANT USAGE\)",
        ),
    ],
)
def test_a_dry_run_names_the_right_that_it_lacks(
    taken: str, told: str, crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It counts the leads before its first revision looks for what is missing."""
    table = "sales.leads" if "sales" in taken else "leads"
    leads = Leads(table, full_name="full_name", phone="phone")
    bundle(records()[:2], monkeypatch, tmp_path, leads=leads)
    with another_role(crm, *MAY_IMPORT) as role:
        run(crm, taken.format(role=role.username))
        with pytest.raises(CommandError, match=told):
            upgrade(role, IMPORT, "dry-run")


def test_a_revert_names_each_right_that_was_taken_away(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before its first batch, as an import does."""
    run(database, "CREATE TABLE users (id bigint PRIMARY KEY, name text)")
    run(database, "INSERT INTO users VALUES (1, 'Ann')")
    run(database, "CREATE TABLE leads (id serial PRIMARY KEY, phone text, agent bigint)")
    leads = Leads("leads", phone="phone", assigned_agent=Lookup("agent", "users", by="name"))
    use(leads, database, monkeypatch)
    bundle([record(1, leads, assigned_agent="Ann")], monkeypatch, tmp_path, leads=leads)
    upgrade(database)
    with another_role(database, *MAY_IMPORT) as role:
        run(database, f"REVOKE SELECT ON users FROM {role.username}")
        run(database, f"REVOKE UPDATE ON leads FROM {role.username}")
        with pytest.raises(CommandError) as refused:
            downgrade(role)
    for lacking in ("SELECT users", "UPDATE leads"):
        assert f"the role {role.username} may not {lacking}" in str(refused.value)


@pytest.mark.parametrize("table", ["leads", "lead_imports"])
def test_what_is_hidden_is_not_taken_for_missing(
    table: str,
    crm_with_leads: URL,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither leads nor receipts."""
    upgrade(crm_with_leads)
    run(crm_with_leads, f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    with another_role(crm_with_leads, *MAY_LOOK) as role:
        monkeypatch.setenv("DATABASE_URL", shown(role))
        assert main(["verify"]) == 1
    assert HIDDEN.format(table) in capsys.readouterr().err


def test_a_schema_the_role_may_not_use_is_told_as_such(database: URL) -> None:
    """It is there, but ``current_schema()`` passes over it."""
    with another_role(database, "REVOKE USAGE ON SCHEMA public FROM PUBLIC") as role:
        assert f"the role {role.username} may use (GRANT USAGE): " in refusal(role)


def test_a_ledger_the_role_may_not_read_is_named(crm_with_leads: URL) -> None:
    """It is for the role that made it, and the deploy has another one by now."""
    upgrade(crm_with_leads, BEFORE_IMPORT)
    alone = [*MAY_IMPORT, "REVOKE ALL ON lead_imports, lead_import_batches FROM {role}"]
    with another_role(crm_with_leads, *alone) as role:
        told = refusal(role)
    for table in ("lead_imports", "lead_import_batches"):
        assert f"the role {role.username} may not SELECT {table}" in told


@pytest.mark.parametrize("otherwise", [None, "desk"])
def test_a_hidden_agent_is_not_nobody(
    otherwise: str | None, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The lead would be somebody else's."""
    for statement in (
        "CREATE TABLE users (id bigint PRIMARY KEY, name text, team int)",
        "CREATE TABLE leads (id serial PRIMARY KEY, phone text, agent bigint REFERENCES users)",
        "INSERT INTO users VALUES (1, 'Ann', 1), (2, 'Bob', 2), (3, 'desk', 1)",
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON users USING (team = 1)",
    ):
        run(database, statement)
    agent = Lookup("agent", "users", by="name", otherwise=otherwise)
    leads = Leads("leads", phone="phone", assigned_agent=agent)
    with another_role(database, *MAY_IMPORT) as role:
        use(leads, role, monkeypatch)
        bundle([record(1, leads, assigned_agent="Bob")], monkeypatch, tmp_path, leads=leads)
        assert HIDDEN.format("users") in refusal(role)
    assert value(database, "SELECT count(*) FROM leads") == 0


@pytest.mark.parametrize(
    ("type_", "default", "rule", "told"),
    [
        (
            *("uuid", "CAST(nullif(current_setting('app.user', true), '') AS uuid)", ""),
            "leads.x: its default gives no value here (it is NULL)",
        ),
        (
            *("bigint", "CAST(current_setting('app.org') AS bigint)", ""),
            "leads.x: its default gives no value here (unrecognized",
        ),
        (
            *("bigint", "7", ", ADD FOREIGN KEY (x) REFERENCES teams"),
            "record 21: refers to no row of teams",
        ),
        (
            *("bigint", "7", ", ADD CONSTRAINT small CHECK (x < 7)"),
            "record 21: breaks the rule small of leads",
        ),
    ],
    ids=["is NULL", "fails", "refers to nothing", "breaks a rule"],
)
def test_a_default_is_judged(type_: str, default: str, rule: str, told: str, known: URL) -> None:
    """A new lead gets it. Supabase has auth.uid(), which is NULL in a deploy."""
    run(known, "CREATE TABLE teams (id bigint PRIMARY KEY); INSERT INTO teams VALUES (1)")
    old = "gen_random_uuid()" if type_ == "uuid" else "1"
    run(known, f"ALTER TABLE leads ADD x {type_}; UPDATE leads SET x = {old}")
    run(known, f"ALTER TABLE leads ALTER x SET NOT NULL, ALTER x SET DEFAULT {default} {rule}")
    assert told in refusal(known)
    assert value(known, IMPORTS) == 0


def test_a_preview_judges_defaults(
    known: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``adopt`` and an upgrade do, with the way out."""
    run(known, "ALTER TABLE leads ADD x text DEFAULT nullif('', '')")
    run(known, "UPDATE leads SET x = ''; ALTER TABLE leads ALTER x SET NOT NULL")
    monkeypatch.setenv("DATABASE_URL", shown(known))
    assert main(["preview"]) == 1
    assert (
        'it is NULL), and the declaration has none: add new={"x": "…"}' in capsys.readouterr().err
    )


def test_what_is_unique_beside_a_default_is_judged(known: URL) -> None:
    """The tenant of a new lead is known."""
    run(known, "ALTER TABLE leads ADD tenant_id int NOT NULL DEFAULT 1")
    run(known, "CREATE UNIQUE INDEX ON leads (tenant_id, email) WHERE email <> ''")
    add_lead(known, phone="07700 900999", email=f"lead{KNOWN + 1}@example.com")
    assert f"record {KNOWN + 1}, email: is another lead's" in refusal(known)
    assert value(known, IMPORTS) == 0


def test_a_rule_of_columns_nobody_declared_is_held_against_updates(known: URL) -> None:
    """The server looks at the whole row."""
    run(known, "ALTER TABLE leads ADD region text NOT NULL DEFAULT 'north'")
    run(known, "UPDATE leads SET region = '' WHERE id = (SELECT max(id) FROM leads)")
    run(known, "ALTER TABLE leads ADD CONSTRAINT regional CHECK (region <> '') NOT VALID")
    assert f"record {KNOWN}: breaks the rule regional" in refusal(known)
    assert value(known, IMPORTS) == 0


@pytest.mark.parametrize("then", ["", "ON UPDATE CASCADE"])
def test_a_value_that_another_table_refers_to_is_judged(then: str, known: URL) -> None:
    """The server would refuse to change it, or change the other table."""
    run(known, "ALTER TABLE leads ADD UNIQUE (lead_number)")
    run(known, f"CREATE TABLE invoices (number text REFERENCES leads (lead_number) {then})")
    run(known, "INSERT INTO invoices SELECT lead_number FROM leads ORDER BY id DESC LIMIT 1")
    told = "changes leads.lead_number, and invoices refers to it"
    assert f"record {KNOWN}, lead_number: {told}" in refusal(known)
    assert value(known, IMPORTS) == 0


@pytest.mark.parametrize(
    "rule", ["CHECK (status = 'insane')", "FOREIGN KEY (status) REFERENCES statuses"]
)
def test_a_rule_that_is_not_enforced_refuses_nobody(rule: str, crm: URL) -> None:
    """Postgres has them since 18."""
    if int(value(crm, "SHOW server_version_num")) < 180000:
        pytest.skip("every rule of this server is enforced")
    run(crm, "CREATE TABLE statuses (name text PRIMARY KEY)")
    run(crm, f"ALTER TABLE leads ADD {rule} NOT ENFORCED")
    upgrade(crm)
    assert value(crm, "SELECT count(*) FROM leads") == len(records())


@pytest.mark.parametrize("column", ["lead_number", "created_at"])
def test_a_trigger_that_changes_what_new_leads_get_stops_the_import(
    column: str, crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not only what existing leads get."""
    leads = Leads("leads", lead_number=New("lead_number"), phone="phone", created_at="created_at")
    use(leads, crm, monkeypatch)
    made_up = "now()" if column == "created_at" else "'C1'"
    run(
        crm,
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN NEW.{column} = {made_up}; RETURN NEW; END $$; "
        "CREATE TRIGGER fill BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION fill()",
    )
    bundle([record(1, leads, lead_number="X1")], monkeypatch, tmp_path, leads=leads)
    assert "a trigger changes what is written" in refusal(crm)
    assert value(crm, "SELECT count(*) FROM leads") == 0


def test_what_a_trigger_gives_a_new_lead_is_no_edit(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the record is blank."""
    run(
        crm,
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.notes = coalesce(nullif(NEW.notes, ''), 'imported'); RETURN NEW; END $$; "
        "CREATE TRIGGER fill BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION fill()",
    )
    bundle([{**one, "notes": ""} for one in made(3, 7)], monkeypatch, tmp_path)
    upgrade(crm)
    run(crm, "UPDATE leads SET notes = 'called' WHERE id = (SELECT min(id) FROM leads)")
    monkeypatch.setenv("DATABASE_URL", shown(crm))
    assert main(["verify"]) == 0
    assert "1 lead edited since (notes 1)" in capsys.readouterr().out
    downgrade(crm, BEFORE_IMPORT, "remove-created")
    assert value(crm, "SELECT count(*) FROM leads") == 1


def test_what_a_trigger_fills_is_no_fault_of_a_default(crm: URL) -> None:
    """The default alone would break the rule."""
    run(crm, "ALTER TABLE leads ADD slug text NOT NULL DEFAULT '' CHECK (slug <> '')")
    run(
        crm,
        "CREATE FUNCTION slug() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.slug = 'lead-' || NEW.phone; RETURN NEW; END $$; "
        "CREATE TRIGGER slug BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION slug()",
    )
    upgrade(crm)
    assert value(crm, "SELECT count(*) FROM leads") == len(records())


@pytest.mark.parametrize("setting", ["quote_all_identifiers = on", "extra_float_digits = 0"])
def test_a_revert_is_exact_whatever_the_database_is_set_to(
    setting: str, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before-images are texts, and names are compared."""
    run(
        database,
        "CREATE TABLE people (id serial PRIMARY KEY, phone text, weight double precision)",
    )
    people = Leads("people", phone="phone", weight=Numeric("weight"))
    use(people, database, monkeypatch)
    run(
        database,
        "INSERT INTO people (phone, weight) VALUES ('07700900001', CAST(0.1 AS float8) + 0.2)",
    )
    run(database, f'ALTER DATABASE "{database.database}" SET {setting}')
    bits = "SELECT CAST(float8send(weight) AS text) FROM people"
    before = run(database, bits)
    bundle([record(1, people, weight=5)], monkeypatch, tmp_path, leads=people)
    upgrade(database)
    downgrade(database)
    assert run(database, bits) == before


def test_a_role_that_only_reads_is_told_of_a_lead(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporary tables are made all the same."""
    upgrade(crm_with_leads)
    always = "ALTER ROLE {role} SET default_transaction_read_only = on"
    with another_role(crm_with_leads, *MAY_LOOK, always) as role:
        monkeypatch.setenv("DATABASE_URL", shown(role))
        assert main(["lead", records()[0]["phone"]]) == 0


def test_a_sequence_that_nobody_granted_is_named(crm: URL) -> None:
    """New leads would draw from it."""
    run(crm, "CREATE SEQUENCE numbers")
    run(crm, "ALTER TABLE leads ADD n bigint NOT NULL DEFAULT nextval('numbers')")
    with another_role(crm, *MAY_IMPORT) as role:
        assert "may not draw from the sequence numbers" in refusal(role)


def test_a_language_that_nobody_granted_is_named(database: URL) -> None:
    """The functions of an import are written in it."""
    run(database, "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC")
    with another_role(database, "GRANT CREATE, USAGE ON SCHEMA public TO {role}") as role:
        assert "may not use the language plpgsql" in refusal(role)


def test_an_owners_table_lead_imports_is_named_before_anything_is_made(database: URL) -> None:
    """It has the ledger's name."""
    run(database, "CREATE TABLE lead_imports (id serial PRIMARY KEY, file text)")
    assert "table lead_imports is there" in refusal(database)
    assert value(database, "SELECT to_regclass('leads')") is None


def test_a_view_that_uses_the_key_keeps_its_function(crm: URL) -> None:
    """A downgrade goes on without it."""
    run(crm, "CREATE VIEW twins AS SELECT lead_phone_key_v1(phone) FROM leads")
    upgrade(crm)
    downgrade(crm, "base")
    assert value(crm, "SELECT count(*) FROM twins") == len(records())

"""Tables after the habits of other frameworks and programs are imported into, and reverted."""

from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from migrations.__main__ import main
from migrations.importer.declaration import Leads, Lookup
from tests.adopting.test_declared_fields import record, use
from tests.support.bundled import BEFORE_IMPORT
from tests.support.database import run, shown, value
from tests.support.exports import bundle
from tests.support.roles import MAY_LOOK, another_role
from tests.support.upgrades import downgrade, upgrade

PLAIN = Leads("leads", full_name="name", phone="phone")
OLD = "INSERT INTO leads (name, phone) VALUES ('Old', '07700 900001')"
WITH_REST = "CREATE TABLE leads (id bigserial PRIMARY KEY, name text, phone text, {})"


class Site:
    """A database with its declared table, and where an export of it goes."""

    def __init__(self, url: URL, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.url, self._monkeypatch, self._folder = url, monkeypatch, folder

    def made(self, leads: Leads, *statements: str, **more: str) -> URL:
        """Make it, with an export of two records, the first with ``more``."""
        for statement in statements:
            run(self.url, statement)
        use(leads, self.url, self._monkeypatch)
        first = record(1, leads, **{"full_name": "Ann", **more})
        records = [first, record(2, leads, full_name="Bob")]
        bundle(records, self._monkeypatch, self._folder, leads=leads)
        return self.url


@pytest.fixture
def site(database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    """Give a test its site."""
    return Site(database, monkeypatch, tmp_path)


def all_leads(url: URL) -> list[tuple[str]]:
    """Return each lead as one text."""
    return [tuple(row) for row in run(url, "SELECT l\\:\\:text FROM leads AS l ORDER BY 1")]


@pytest.mark.parametrize("type_", ["timestamp(0)", "timestamp(3)", "timestamptz(0)", "date"])
def test_times_that_a_column_rounds_are_taken_back(type_: str, site: Site) -> None:
    """A changed lead has its old time again, and a created one goes."""
    leads = Leads("leads", full_name="name", phone="phone", created_at="created", touch="updated")
    url = site.made(
        leads,
        WITH_REST.format(f"created {type_}, updated {type_}"),
        "INSERT INTO leads (name, phone, created, updated) "
        "VALUES ('Old', '07700 900001', '2020-01-01', '2020-01-01')",
    )
    run(url, "UPDATE leads SET phone = '07700 900002'")
    before = all_leads(url)
    site.made(leads, created_at="2025-09-16T14:15:00.654321+00:00")
    upgrade(url)
    assert all_leads(url) != before
    downgrade(url, BEFORE_IMPORT, "remove-created")
    assert all_leads(url) == before


@pytest.mark.parametrize("column", ["_id", "_seen", "lead_id", "record"])
def test_a_column_may_have_one_of_our_own_names(column: str, site: Site) -> None:
    """It is imported into, verified and reverted."""
    leads = Leads("leads", lead_number=column, full_name="name", phone="phone")
    rest = f"{column} text UNIQUE, CHECK (name <> '')"
    url = site.made(leads, WITH_REST.format(rest), OLD, lead_number="L1")
    before = all_leads(url)
    upgrade(url)
    assert main(["verify", "--strict"]) == 0
    downgrade(url, BEFORE_IMPORT, "remove-created")
    assert all_leads(url) == before


def test_a_primary_key_may_have_one_of_our_own_names(site: Site) -> None:
    """An export from Mongo or Airbyte has it."""
    leads = Leads("leads", id="_id", full_name="name", phone="phone")
    url = site.made(leads, "CREATE TABLE leads (_id bigserial PRIMARY KEY, name text, phone text)")
    upgrade(url)
    assert main(["verify", "--strict"]) == 0


@pytest.mark.parametrize(
    ("made", "type_", "old", "new"),
    [
        (
            "CREATE TYPE state AS ENUM ('old', 'won'); CREATE DOMAIN state_now AS state",
            *("state_now", "old", "won"),
        ),
        ("CREATE EXTENSION citext", "citext", "Ann@Example.com", "ann@example.com"),
    ],
    ids=["a domain over an enum", "capitals of a citext"],
)
def test_a_value_comes_back_whatever_its_equality(
    made: str, type_: str, old: str, new: str, site: Site
) -> None:
    """Nothing else changes, so that nothing else tells the rows apart."""
    leads = Leads("leads", full_name="name", phone="phone", status="value")
    url = site.made(
        leads,
        made,
        WITH_REST.format(f"value {type_}"),
        f"INSERT INTO leads (name, phone, value) VALUES ('Ann', '07700 900001', '{old}')",
        status=new,
    )
    found = "SELECT CAST(value AS text) FROM leads WHERE id = 1"
    upgrade(url)
    assert value(url, found) == new
    downgrade(url)
    assert value(url, found) == old


def test_leads_that_only_leaves_out_are_refused_before_the_first_write(site: Site) -> None:
    """No later import would find them, and each would add them once more."""
    leads = Leads("leads", full_name="name", phone="phone", status="kind", only="kind = 'lead'")
    url = site.made(
        leads,
        WITH_REST.format("kind text"),
        "INSERT INTO leads (name, phone, kind) VALUES ('Old', '07700 900001', 'lead')",
        status="customer",
    )
    told = "would be no lead by only=\"kind = 'lead'\", and the next import would add it again"
    with pytest.raises(CommandError) as refused:
        upgrade(url)
    assert [line.strip() for line in str(refused.value).splitlines()[1:-1]] == [
        f"record 1, status: {told}",
        f"record 2, status: {told}",
    ]
    assert value(url, "SELECT count(*) FROM leads") == 1


def test_a_trigger_that_makes_a_lead_none_stops_the_import(site: Site) -> None:
    """It names the record, and nothing of it is saved."""
    leads = Leads("leads", full_name="name", phone="phone", only="kind = 'lead'")
    url = site.made(
        leads,
        WITH_REST.format("kind text DEFAULT 'lead'"),
        "CREATE FUNCTION sort_out() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.kind = NEW.name; RETURN NEW; END $$",
        "CREATE TRIGGER sort_out BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION sort_out()",
        full_name="lead",
    )
    with pytest.raises(CommandError, match="record 2: it would be no lead by only="):
        upgrade(url)
    assert run(url, "SELECT name FROM leads") == [("lead",)]


def test_a_lead_that_a_computed_column_makes_none_stops_the_import(site: Site) -> None:
    """Nobody knows before what the server computes for ``only``."""
    leads = Leads("leads", full_name="name", phone="phone", only="shout = 'ANN'")
    rest = "shout text GENERATED ALWAYS AS (upper(name)) STORED"
    url = site.made(leads, WITH_REST.format(rest))
    with pytest.raises(CommandError, match="record 2: it would be no lead by only="):
        upgrade(url)
    assert run(url, "SELECT name FROM leads") == [("Ann",)]


@pytest.mark.parametrize("default", ["DEFAULT 1", ""])
def test_a_unique_index_with_a_column_nobody_fills_is_judged(default: str, site: Site) -> None:
    """Its default is known, and NULLs don't collide."""
    leads = Leads("leads", full_name="name", phone="phone", email="email")
    rest = f"email text, tenant integer {default}, UNIQUE (tenant, email)"
    url = site.made(leads, WITH_REST.format(rest), full_name="Bob")
    run(url, "INSERT INTO leads (name, email, tenant) VALUES ('Old', 'a@example.com', 1)")
    site.made(leads, email="a@example.com")
    if default:
        with pytest.raises(CommandError, match="record 1, email: "):
            upgrade(url)
    else:
        upgrade(url)
    assert value(url, "SELECT count(*) FROM leads") == (1 if default else 3)


def test_a_constant_in_a_unique_column_is_refused_before_the_first_write(site: Site) -> None:
    """Two new leads would have the same."""
    leads = Leads("leads", full_name="name", phone="phone", new={"token": "''"})
    url = site.made(leads, WITH_REST.format("token text UNIQUE"))
    with pytest.raises(CommandError, match="record 2: is another lead's or record's"):
        upgrade(url)
    assert value(url, "SELECT count(*) FROM leads") == 0


@pytest.mark.parametrize("name", ["ü" * 31 + "x", "Kunden's leads", "100% leads", "a:b", "lateral"])
def test_a_table_may_have_any_name(name: str, site: Site) -> None:
    """It gets its index, which is found again, and is reverted."""
    leads = Leads(name, full_name="name", phone="phone:1")
    table = '"' + name.replace(":", "\\:") + '"'
    url = site.made(
        leads,
        f'CREATE TABLE {table} (id bigserial PRIMARY KEY, name text, "phone\\:1" text)',
        f"CREATE TABLE calls (lead bigint REFERENCES {table})",
        f"INSERT INTO {table} (name, \"phone\\:1\") VALUES ('Old', '07700 900001')",
    )
    for _ in range(2):
        upgrade(url)
        assert value(url, f"SELECT count(*) FROM {table}") == 2
        downgrade(url, BEFORE_IMPORT, "remove-created")
        assert value(url, f"SELECT name FROM {table}") == "Old"


def test_functions_of_the_owners_stay(site: Site) -> None:
    """A downgrade drops what it has made, not what has the same name."""
    url = site.made(
        Leads("crm_leads", full_name="name", phone="phone"),
        "CREATE TABLE crm_leads (id bigserial PRIMARY KEY, name text, phone text)",
        "CREATE FUNCTION audit_lead() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    )
    upgrade(url)
    downgrade(url, "base", "remove-created")
    assert value(url, "SELECT to_regprocedure('audit_lead()') IS NOT NULL")


def test_a_table_that_others_inherit_from_is_refused(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """An update would write their rows too."""
    site.made(PLAIN, WITH_REST.format("note text"), "CREATE TABLE old_leads () INHERITS (leads)")
    assert main(["preview"]) == 1
    assert "other tables inherit from it (old_leads)" in capsys.readouterr().err


@pytest.mark.parametrize("type_", ["numeric(20, 0)", "varchar(20)"])
def test_a_preview_numbers_ids_of_any_type(type_: str, site: Site) -> None:
    """Its own numbers begin behind the largest."""
    site.made(
        PLAIN,
        "CREATE SEQUENCE numbers",
        f"CREATE TABLE leads (id {type_} PRIMARY KEY "
        f"DEFAULT CAST(nextval('numbers') AS {type_}), name text, phone text)",
        "INSERT INTO leads (name, phone) VALUES ('Old', '07700 900900'), ('Old', '07700 900901')",
    )
    assert main(["preview"]) == 0


def test_a_schema_that_is_hidden_from_the_role_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The agents may lie in one, as Supabase's users do."""
    url = site.made(
        Leads("leads", phone="phone", assigned_agent=Lookup("agent", "auth.users", by="email")),
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id bigint PRIMARY KEY, email text)",
        WITH_REST.format("agent bigint"),
    )
    with another_role(url, *MAY_LOOK) as role:
        monkeypatch.setenv("DATABASE_URL", shown(role))
        assert main(["preview"]) == 1
    assert "may not look into the schema auth" in capsys.readouterr().err

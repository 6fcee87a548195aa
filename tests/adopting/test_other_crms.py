"""Tables after the habits of other frameworks and programs are imported into, and reverted."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from migrations.__main__ import main
from migrations.importer.declaration import Leads, Lookup, Numeric, Values
from tests.support.bundled import BEFORE_IMPORT
from tests.support.database import run, shown, value
from tests.support.declarations import record, use
from tests.support.exports import bundle
from tests.support.roles import MAY_IMPORT, MAY_LOOK, another_role
from tests.support.upgrades import downgrade, upgrade

PLAIN = Leads("leads", full_name="name", phone="phone")
OLD = "INSERT INTO leads (name, phone) VALUES ('Old', '07700 900001')"
WITH_REST = "CREATE TABLE leads (id bigserial PRIMARY KEY, name text, phone text, {})"


class Site:
    """A database with its declared table, and where an export of it goes."""

    def __init__(self, url: URL, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.url, self._monkeypatch, self._folder = url, monkeypatch, folder

    def made(
        self,
        leads: Leads,
        *statements: str,
        policies: Mapping[str, str] | None = None,
        **more: object,
    ) -> URL:
        """Make it, with an export of two records, the first with ``more``."""
        for statement in statements:
            run(self.url, statement)
        use(leads, self.url, self._monkeypatch)
        first = record(1, leads, **{"full_name": "Ann", **more})
        records = [first, record(2, leads, full_name="Bob")]
        bundle(records, self._monkeypatch, self._folder, leads=leads, **policies or {})
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


def test_ids_between_two_steps_of_their_sequence_are_in_nobodys_way(site: Site) -> None:
    """Hibernate's pooled-lo optimizer gives them itself, and the sequence draws none of them."""
    url = site.made(
        PLAIN,
        WITH_REST.format("x int"),
        "ALTER SEQUENCE leads_id_seq INCREMENT BY 50",
        OLD,
        "UPDATE leads SET id = 30",
    )
    upgrade(url)
    assert run(url, "SELECT id FROM leads ORDER BY phone") == [(30,), (51,)]


def test_a_sequence_that_no_column_owns_is_behind_the_ids_all_the_same(site: Site) -> None:
    """Hibernate makes sequences apart from their tables."""
    url = site.made(
        PLAIN,
        WITH_REST.format("x int"),
        "CREATE SEQUENCE numbers",
        "ALTER TABLE leads ALTER id SET DEFAULT nextval('numbers')",
        "INSERT INTO leads (id, phone) VALUES (7, '07700 900001')",
    )
    with pytest.raises(CommandError, match=r"the sequence public\.numbers is behind the ids"):
        upgrade(url)


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
    ("table", "told"),
    [("all_leads", "expected a table"), ("leads", "is a partition of all_leads")],
)
def test_a_table_in_partitions_is_refused(table: str, told: str, site: Site) -> None:
    """A part has not all leads, and takes not any."""
    with pytest.raises(CommandError, match=told):
        upgrade(
            site.made(
                Leads(table, full_name="name", phone="phone"),
                "CREATE TABLE all_leads (id bigint PRIMARY KEY, name text, phone text) "
                "PARTITION BY RANGE (id)",
                "CREATE TABLE leads PARTITION OF all_leads FOR VALUES FROM (1) TO (10)",
            )
        )


def test_a_lookup_in_what_the_import_writes_is_refused(site: Site) -> None:
    """The import renames leads, so a revert would look for other names than it did."""
    agent = Lookup("by_id", "public.leads", by=("login", "name"))
    leads = Leads("leads", full_name="name", phone="phone", assigned_agent=agent)
    url = site.made(leads, WITH_REST.format("login text, by_id bigint REFERENCES leads"), OLD)
    with pytest.raises(CommandError) as refused:
        upgrade(url)
    assert "assigned_agent: looks into public.leads.name, which the import" in str(refused.value)
    assert "login" not in str(refused.value)


def test_a_view_is_refused_without_a_remedy_for_tables(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can have no index."""
    site.made(
        PLAIN,
        "CREATE TABLE people (id bigserial PRIMARY KEY, name text, phone text)",
        "CREATE VIEW leads AS SELECT * FROM people",
    )
    assert main(["preview"]) == 1
    said = capsys.readouterr().err
    assert "leads: found a view, expected a table" in said
    assert "INDEX" not in said


@pytest.mark.parametrize(
    "columns",
    [
        "id bigserial, tenant int NOT NULL DEFAULT 1, name text, phone text, "
        "PRIMARY KEY (tenant, id)",
        "id uuid DEFAULT gen_random_uuid(), name text, phone text",
    ],
    ids=["a key of several columns", "no key"],
)
def test_a_table_whose_id_is_no_key_has_a_way_out(columns: str, site: Site) -> None:
    """The statements told are enough."""
    url = site.made(PLAIN, f"CREATE TABLE leads ({columns})", OLD)
    remedy = r"ALTER TABLE .* INDEX ON \w+ \(\w+\)"
    with pytest.raises(CommandError, match=remedy) as refused:
        upgrade(url)
    run(url, re.findall(remedy, str(refused.value))[0])
    upgrade(url)
    downgrade(url, BEFORE_IMPORT, "remove-created")
    assert value(url, "SELECT count(*) FROM leads") == 1


def test_an_id_that_is_not_there_has_no_way_out_for_keys(site: Site) -> None:
    """A primary key that was renamed is one already."""
    url = site.made(PLAIN, WITH_REST.format("note text"), OLD)
    run(url, "ALTER TABLE leads RENAME id TO lead_id")
    with pytest.raises(CommandError, match=r"leads\.id: is not there") as refused:
        upgrade(url)
    assert "ALTER TABLE" not in str(refused.value)


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


def test_a_citext_may_lie_in_a_schema_that_is_not_searched(site: Site) -> None:
    """Supabase has a schema for extensions."""
    country = Lookup("country", "countries", by="name", id="code")
    leads = Leads("leads", full_name="name", phone="phone", email="email", assigned_agent=country)
    url = site.made(
        leads,
        "CREATE SCHEMA extensions; CREATE EXTENSION citext SCHEMA extensions",
        "CREATE TABLE countries (code extensions.citext PRIMARY KEY, name text)",
        "INSERT INTO countries VALUES ('GB', 'Britain')",
        WITH_REST.format("email extensions.citext UNIQUE, country extensions.citext"),
        OLD,
        email="ann@example.com",
        assigned_agent="Britain",
    )
    upgrade(url)
    assert run(url, "SELECT email\\:\\:text, country\\:\\:text FROM leads ORDER BY id") == [
        ("ann@example.com", "GB"),
        (None, None),
    ]


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


def test_a_trigger_that_fails_is_looked_for(site: Site) -> None:
    """It may need a setting of the site's own, and then no column or rule is to blame."""
    url = site.made(
        PLAIN,
        WITH_REST.format("changed_by text"),
        "CREATE FUNCTION sign() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.changed_by = current_setting('app.user'); RETURN NEW; END $$",
        "CREATE TRIGGER sign BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION sign()",
    )
    with pytest.raises(CommandError, match=r"42704 undefined object.*or at a trigger"):
        upgrade(url)


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


def test_a_rule_for_soft_deletion_is_in_no_imports_way(site: Site) -> None:
    """An import deletes nothing, and a revert keeps the leads that it could not remove."""
    url = site.made(
        Leads("leads", full_name="name", phone="phone", only="NOT gone"),
        WITH_REST.format("gone boolean NOT NULL DEFAULT false"),
        OLD,
        "CREATE RULE soft_deletion AS ON DELETE TO leads "
        "DO INSTEAD UPDATE leads SET gone = true WHERE id = OLD.id",
    )
    upgrade(url)
    downgrade(url, BEFORE_IMPORT, "remove-created")
    assert run(url, "SELECT name, gone FROM leads ORDER BY id") == [("Old", False), ("Bob", False)]
    assert run(url, "SELECT restored, removed, kept FROM lead_imports") == [(1, 0, 1)]


def test_new_leads_whose_id_is_another_tables_are_refused_before_the_first_write(
    site: Site,
) -> None:
    """As in JPA's joined inheritance: an import writes no row of the other table."""
    leads = Leads("leads", full_name="name", phone="phone", new={"id": "nextval('party_id_seq')"})
    url = site.made(
        leads,
        "CREATE TABLE party (id serial PRIMARY KEY)",
        "INSERT INTO party DEFAULT VALUES",
        "CREATE TABLE leads (id int PRIMARY KEY REFERENCES party, name text, phone text)",
        "INSERT INTO leads VALUES (1, 'Old', '07700 900001')",
    )
    with pytest.raises(CommandError) as refused:
        upgrade(url)
    assert "record 2: refers to no row of party (leads_id_fkey)" in str(refused.value)
    assert "record 1" not in str(refused.value)
    assert run(url, "SELECT name FROM leads") == [("Old",)]
    assert value(url, "SELECT last_value FROM party_id_seq") == 1


@pytest.mark.parametrize(
    ("type_", "sql", "told"),
    [
        ("varchar(20)", "gen_random_uuid()", "new makes leads.ref longer than 20 characters"),
        ("int", "(SELECT g FROM generate_series(1, 2) AS g)", "new makes the column ref of leads"),
    ],
)
def test_what_new_leads_cannot_be_given_is_refused_before_the_first_write(
    type_: str, sql: str, told: str, site: Site
) -> None:
    """Leads that are there would be updated already when the first new one fails."""
    leads = Leads("leads", full_name="name", phone="phone", new={"ref": sql})
    url = site.made(leads, WITH_REST.format(f"ref {type_}"), OLD)
    with pytest.raises(CommandError) as refused:
        upgrade(url)
    assert f"  record 2: {told}" in str(refused.value)
    assert "record 1" not in str(refused.value)
    assert run(url, "SELECT name FROM leads") == [("Old",)]


SHOUT = "shout text GENERATED ALWAYS AS (upper(name)) STORED"


@pytest.mark.parametrize(
    ("rest", "only", "listed"),
    [
        (SHOUT, "shout = 'ANN'", "record 2, full_name: would be no lead by only="),
        (
            f"{SHOUT}, CHECK (shout <> 'BOB')",
            "",
            "record 2, full_name: breaks the rule leads_shout",
        ),
        (f"{SHOUT}, UNIQUE (shout)", "", "record 2, full_name: is another lead's or record's"),
        (f"{SHOUT}, UNIQUE (shout, phone)", "", ""),
        (f"{SHOUT} REFERENCES names", "", "record 2, full_name: refers to no row of names"),
        (
            "half text NOT NULL GENERATED ALWAYS AS (nullif(name, 'Bob')) STORED",
            *("", "record 2, full_name: gives leads.half no value"),
        ),
        (
            "half int GENERATED ALWAYS AS (1 / CASE name WHEN 'Bob' THEN 0 ELSE 1 END) STORED, "
            "UNIQUE (half, phone)",
            *("", "record 2, full_name: makes the column half of leads fail"),
        ),
        (
            "half numeric(3, 1) GENERATED ALWAYS AS (CASE name WHEN 'Bob' THEN 100.0 END) STORED",
            *("", "record 2, full_name: makes the column half of leads fail"),
        ),
        (
            "half int GENERATED ALWAYS AS (CASE name WHEN 'Bob' THEN 1.2 ELSE 1 END) STORED UNIQUE",
            *("", "record 2, full_name: is another lead's or record's"),
        ),
        (
            "half no_bob GENERATED ALWAYS AS (name) STORED",
            *("", "record 2, full_name: makes the column half of leads fail"),
        ),
        (
            "half varchar(6) GENERATED ALWAYS AS (CASE name WHEN 'Bob' THEN 'too long' END) STORED",
            *("", "record 2, full_name: makes leads.half longer than 6 characters"),
        ),
        ("half varchar(6) GENERATED ALWAYS AS (name || '      ') STORED", "", ""),
    ],
)
def test_what_the_server_computes_is_judged_before_the_first_write(
    rest: str, only: str, listed: str, site: Site
) -> None:
    """It computes columns from others."""
    leads = Leads("leads", full_name="name", phone="phone", only=only)
    url = site.made(
        leads,
        "CREATE TABLE names (name text PRIMARY KEY)",
        "INSERT INTO names VALUES ('ANN'), ('BOBBY')",
        "CREATE DOMAIN no_bob AS text CHECK (VALUE <> 'Bob')",
        WITH_REST.format(rest),
        "INSERT INTO leads (name, phone) VALUES ('Bobby', '07700 900009')",
    )
    if "UNIQUE (shout" in rest:
        run(url, "UPDATE leads SET name = 'bob'")
    if listed:
        with pytest.raises(CommandError, match=re.escape(listed)):
            upgrade(url)
        assert value(url, "SELECT count(*) FROM lead_import_batches") == 0
    else:
        upgrade(url)
        assert main(["verify"]) == 0


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


def test_a_value_of_a_row_that_is_no_lead_is_not_called_a_leads(site: Site) -> None:
    """Nobody would find that lead: it is in the bin."""
    leads = Leads("leads", full_name="name", phone="phone", only="deleted_at IS NULL")
    url = site.made(
        leads,
        WITH_REST.format("deleted_at timestamptz, UNIQUE (phone)"),
        "INSERT INTO leads (name, phone, deleted_at) VALUES ('Old', '07700 900001', now())",
    )
    with pytest.raises(CommandError, match="record 1, phone: is another row's or record's"):
        upgrade(url)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("(SELECT id FROM orgs WHERE slug = 'mian')", "new gives leads.org no value"),
        ("-1", "does not fit org (positive)"),
    ],
    ids=["no value", "a domain"],
)
def test_what_new_gives_is_judged_before_the_first_write(sql: str, told: str, site: Site) -> None:
    """An update before it would be saved, and the ledger would keep the wrong declaration."""
    leads = Leads("leads", full_name="name", phone="phone", new={"org": sql})
    url = site.made(
        leads,
        "CREATE TABLE orgs (id int PRIMARY KEY, slug text); INSERT INTO orgs VALUES (1, 'main')",
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        WITH_REST.format("org positive NOT NULL"),
        "INSERT INTO leads (name, phone, org) VALUES ('Old', '07700 900001', 1)",
    )
    with pytest.raises(CommandError) as refused:
        upgrade(url)
    assert f"record 2: {told}" in str(refused.value)
    assert run(url, "SELECT name FROM leads") == [("Old",)]


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


@pytest.mark.parametrize(("type_", "id_"), [("bigint", -1), ("bigint", 0), ("text", 0)])
def test_a_preview_numbers_ids_beside_a_row_for_nobody(type_: str, id_: int, site: Site) -> None:
    """Its own numbers begin at 1, although the largest id is below."""
    site.made(
        PLAIN,
        "CREATE SEQUENCE numbers",
        f"CREATE TABLE leads (id {type_} PRIMARY KEY "
        f"DEFAULT CAST(nextval('numbers') AS {type_}), name text, phone text)",
        f"INSERT INTO leads (id, name) VALUES ({id_}, 'Nobody')",
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


NOTHING = (
    "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
    "CREATE TRIGGER nothing BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION nothing()"
)


@pytest.mark.parametrize(
    ("rest", "more"),
    [
        ("is_deleted boolean NOT NULL DEFAULT false", {"only": "NOT Is_Deleted"}),
        ("is_new boolean DEFAULT true", {"only": "is_new"}),
        ("record integer DEFAULT 1", {"only": "record = 1"}),
        ("again bigint DEFAULT currval('leads_id_seq')", {}),
        ("search text GENERATED ALWAYS AS (upper(name)) STORED, CHECK (search IS NOT NULL)", {}),
        ("search text GENERATED ALWAYS AS (upper(name)) STORED UNIQUE", {}),
        ("gone flag, CHECK (NOT gone)", {"only": "NOT gone"}),
    ],
    ids=["capitals", "is_new", "record", "currval", "a rule", "unique", "a domain's default"],
)
@pytest.mark.parametrize("trigger", ["", NOTHING], ids=["", "with a trigger"])
def test_what_the_server_takes_is_not_refused(
    rest: str, more: dict[str, str], trigger: str, site: Site
) -> None:
    """Whatever a column is called, and wherever its value comes from."""
    leads = Leads("leads", full_name="name", phone="phone", only=more.get("only", ""))
    domain = "CREATE DOMAIN flag AS boolean DEFAULT false"
    url = site.made(leads, domain, WITH_REST.format(rest), *filter(None, [trigger]))
    upgrade(url)
    assert value(url, "SELECT count(*) FROM leads") == 2


@pytest.mark.parametrize(
    "rule",
    [
        "CREATE TABLE tenants (id int PRIMARY KEY); INSERT INTO tenants VALUES (1); "
        "ALTER TABLE leads ADD tenant int NOT NULL DEFAULT 1 REFERENCES tenants",
        "ALTER TABLE leads ADD UNIQUE (name); "
        "CREATE TABLE calls (name text REFERENCES leads (name))",
    ],
    ids=["leads refer to a table", "a table refers to leads"],
)
def test_a_table_that_only_the_server_looks_into_needs_no_right(
    rule: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does with the rights of the table's owner."""
    url = site.made(PLAIN, WITH_REST.format("note text"), OLD)
    with another_role(url, *MAY_IMPORT) as role:
        run(url, rule)
        run(url, f"ALTER TABLE leads OWNER TO {role.username}")
        monkeypatch.setenv("DATABASE_URL", shown(role))
        upgrade(role)
        run(url, "ALTER TABLE leads OWNER TO CURRENT_USER")
    assert value(url, "SELECT count(*) FROM leads") == 2


def test_a_lookup_may_find_a_code(site: Site) -> None:
    """Its whole char(2) is written."""
    country = Lookup("country", "countries", by="name", id="code")
    leads = Leads("leads", phone="phone", full_name="name", assigned_agent=country)
    url = site.made(
        leads,
        "CREATE TABLE countries (code char(2) PRIMARY KEY, name text)",
        "INSERT INTO countries VALUES ('GB', 'Britain')",
        WITH_REST.format("country char(2) REFERENCES countries"),
        assigned_agent="Britain",
    )
    upgrade(url)
    assert run(url, "SELECT country FROM leads ORDER BY id") == [("GB",), (None,)]


def test_a_blank_agent_is_listed_where_the_table_wants_one(site: Site) -> None:
    """Ids are texts here, and an empty one refers to nobody."""
    leads = Leads(
        "leads", full_name="name", phone="phone", assigned_agent=Lookup("agent", "agents", "name")
    )
    url = site.made(
        leads,
        "CREATE TABLE agents (id text PRIMARY KEY, name text)",
        "INSERT INTO agents VALUES ('a1', 'Tom')",
        WITH_REST.format("agent text NOT NULL REFERENCES agents"),
        assigned_agent="Tom",
    )
    with pytest.raises(CommandError) as refused:
        upgrade(url)
    told = "record 2, assigned_agent: refers to no row of agents (leads_agent_fkey)"
    assert told in str(refused.value)
    assert value(url, "SELECT count(*) FROM lead_imports") == 0


@pytest.mark.parametrize("blanks", ["keep", "clear"])
@pytest.mark.parametrize(
    ("since", "agent_now"),
    [
        ("DELETE FROM agents", 7),
        ("UPDATE agents SET name = 'Zoe'", 7),
        ("DELETE FROM agents; UPDATE leads SET agent = NULL", None),
    ],
)
def test_a_revert_needs_no_agent_of_then(
    since: str, agent_now: int | None, blanks: str, site: Site
) -> None:
    """Every other column has its old value again, and the lead keeps the agent it has."""
    agent = Lookup("agent", "agents", by="name")
    leads = Leads("leads", phone="phone", full_name="name", assigned_agent=agent)
    url = site.made(
        leads,
        "CREATE TABLE agents (id int PRIMARY KEY, name text)",
        "INSERT INTO agents VALUES (7, 'Tom')",
        WITH_REST.format("agent int"),
        OLD,
        assigned_agent="Tom",
        policies={"blanks": blanks},
    )
    run(url, "UPDATE leads SET agent = 8")
    upgrade(url)
    run(url, since)
    downgrade(url)
    assert run(url, "SELECT name, agent FROM leads ORDER BY id LIMIT 1") == [("Old", agent_now)]
    assert run(url, "SELECT restored, kept FROM lead_imports") == [(0, 1)]


def test_a_created_lead_goes_whatever_has_become_of_its_agent(site: Site) -> None:
    """Nobody has written its row since, although its agent has another name by now."""
    agent = Lookup("agent", "agents", by="name")
    url = site.made(
        Leads("leads", phone="phone", full_name="name", assigned_agent=agent),
        "CREATE TABLE agents (id int PRIMARY KEY, name text)",
        "INSERT INTO agents VALUES (7, 'Tom')",
        WITH_REST.format("agent int"),
        assigned_agent="Tom",
    )
    upgrade(url)
    run(url, "UPDATE agents SET name = 'Zoe'")
    downgrade(url, BEFORE_IMPORT, "remove-created")
    assert run(url, "SELECT removed, kept FROM lead_imports") == [(2, 0)]


FULLER = Leads(
    "leads",
    full_name="name",
    phone="phone",
    status=Values("stage", {"new": "open"}, otherwise="won"),
    notes="notes",
    address1="address",
    assigned_agent=Lookup("agent", "agents", by="name"),
    created_at="created",
    touch="updated",
    only="NOT is_gone",
)


@pytest.fixture
def changing(site: Site) -> URL:
    """Make a CRM with an imported export, whose table is about to change."""
    url = site.made(
        FULLER,
        "CREATE TABLE agents (id int PRIMARY KEY, name text)",
        "INSERT INTO agents VALUES (7, 'Tom')",
        WITH_REST.format(
            "stage text, notes varchar(40), address varchar(40), agent int, created timestamp, "
            "updated timestamp, is_gone boolean NOT NULL DEFAULT false"
        ),
        "INSERT INTO leads (name, phone, notes) VALUES ('Old', '07700 900001', 'an older note')",
        status="new",
        notes="a note",
        address1="1 Example Street",
        assigned_agent="Tom",
    )
    upgrade(url)
    return url


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE agents RENAME TO people",
        "ALTER TABLE agents RENAME name TO login",
        "ALTER TABLE leads RENAME phone TO tel",
        "CREATE TYPE stage AS ENUM ('OPEN', 'WON'); ALTER TABLE leads ALTER stage TYPE stage USING "
        "upper(stage)\\:\\:stage",
        "ALTER TABLE leads ALTER created TYPE text, ALTER updated TYPE text",
        "ALTER TABLE leads ALTER notes TYPE varchar(8)",
        "ALTER TABLE leads DROP is_gone",
        "ALTER TABLE leads ALTER notes TYPE json USING to_json(notes)",
        "ALTER TABLE leads ALTER notes TYPE point USING NULL",
    ],
)
def test_a_look_back_goes_on_with_what_is_as_declared(
    change: str, changing: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verify, lead and a revert name no code of the server's."""
    run(changing, change)
    assert main(["verify"]) == 0, capsys.readouterr().out
    assert main(["lead", "1", "--by", "id"]) == 0, capsys.readouterr().err
    assert "updated by export.json, record 1" in capsys.readouterr().out
    downgrade(changing)
    assert run(changing, "SELECT name, address FROM leads WHERE id = 1") == [("Old", None)]


def test_a_revert_without_what_only_names_leaves_nothing_out(
    changing: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """It finds leads by their ids, so its message claims no gap."""
    run(changing, "ALTER TABLE leads DROP is_gone")
    downgrade(changing)
    assert "what only='NOT is_gone' names as declared. The rest is reverted." in caplog.text


def test_a_column_the_server_computes_by_now_is_no_longer_as_declared(
    changing: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has edited it, and a revert leaves it to the server."""
    run(changing, "ALTER TABLE leads DROP notes")
    run(changing, "ALTER TABLE leads ADD notes text GENERATED ALWAYS AS (lower(name)) STORED")
    assert main(["verify", "--strict"]) == 0
    assert "OK. The table no longer has notes as declared." in capsys.readouterr().out
    downgrade(changing)
    assert run(changing, "SELECT restored, kept FROM lead_imports") == [(1, 0)]


@pytest.mark.parametrize("type_", ["bytea", "jsonb"])
def test_a_part_of_a_name_that_is_no_text_by_now_is_no_longer_as_declared(
    type_: str, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever enciphers last names can verify and revert the import all the same."""
    url = site.made(
        Leads("leads", full_name=("first", "last"), phone="phone"),
        "CREATE TABLE leads (id bigserial PRIMARY KEY, first text, last text, phone text)",
        "INSERT INTO leads (first, last, phone) VALUES ('Old', 'Lead', '07700 900001')",
        full_name="Ann Lead",
    )
    upgrade(url)
    changed = "convert_to(last, 'UTF8')" if type_ == "bytea" else "to_jsonb(last)"
    run(url, f"ALTER TABLE leads ALTER last TYPE {type_} USING {changed}")
    assert main(["verify", "--strict"]) == 0
    assert "OK. The table no longer has last as declared." in capsys.readouterr().out
    downgrade(url)
    assert value(url, "SELECT first FROM leads WHERE id = 1") == "Old"


def test_an_agent_who_has_gone_is_nobodys_edit(
    changing: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lead holds what the import wrote, although the record's word finds nobody any more."""
    run(changing, "UPDATE agents SET name = 'Zoe'; UPDATE leads SET address = 'elsewhere'")
    assert main(["verify"]) == 0
    assert "2 leads edited since (address1 2)" in capsys.readouterr().out


def test_a_column_that_writes_its_values_otherwise_by_now_is_nobodys_edit(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verify and lead compare old values in today's type, and a revert counts by it."""
    leads = Leads("leads", full_name="name", phone="phone", bill=Numeric("bill"))
    url = site.made(
        leads,
        WITH_REST.format("bill numeric(6, 2)"),
        "INSERT INTO leads (name, phone, bill) "
        "VALUES ('A', '07700 900001', 1.5), ('B', '07700 900002', 2.5)",
        bill=9.5,
    )
    upgrade(url)
    run(url, "ALTER TABLE leads ALTER bill TYPE numeric(8, 4)")
    assert main(["verify", "--strict"]) == 0, capsys.readouterr().out
    assert main(["lead", "2", "--by", "id"]) == 0
    assert "bill" not in capsys.readouterr().out
    downgrade(url)
    assert run(url, "SELECT restored, kept FROM lead_imports") == [(2, 0)]


def test_an_empty_text_a_blank_would_clear_is_nobodys_edit(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is as blank as NULL, so the import leaves it, and verify says so."""
    site.made(
        PLAIN,
        WITH_REST.format("CHECK (true)"),
        "INSERT INTO leads (name, phone) VALUES ('', '07700 900001')",
        policies={"blanks": "clear"},
        full_name="",
    )
    upgrade(site.url)
    assert main(["verify", "--strict"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE leads RENAME TO people", "leads: is not there"),
        (
            "ALTER TABLE leads RENAME TO people; CREATE VIEW leads AS SELECT * FROM people",
            "leads: is no longer a plain table",
        ),
        ("ALTER TABLE leads RENAME id TO lead_id", "leads.id: is not there"),
        (
            "ALTER TABLE leads DROP id; "
            "ALTER TABLE leads ADD id uuid PRIMARY KEY DEFAULT gen_random_uuid()",
            "leads.id: found uuid, and the ledger knows the leads by other ids",
        ),
    ],
)
def test_leads_that_cannot_be_found_are_named(
    change: str, told: str, changing: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verify says so, and a revert is refused before it writes."""
    run(changing, change)
    assert main(["verify"]) == 1
    assert told in " ".join(capsys.readouterr().out.split())
    main(["lead", "07700 900001"])
    assert "the server answered" not in capsys.readouterr().err
    with pytest.raises(CommandError, match=told):
        downgrade(changing)
    assert value(changing, "SELECT reverted_at FROM lead_imports") is None


def test_a_revert_without_a_column_to_restore_is_refused(site: Site) -> None:
    """All of them may have got other names at once."""
    url = site.made(PLAIN, WITH_REST.format("note text"), OLD)
    upgrade(url)
    run(url, "ALTER TABLE leads RENAME name TO full_name")
    run(url, "ALTER TABLE leads RENAME phone TO phone_number")
    with pytest.raises(CommandError, match="leads: has none of the declared columns"):
        downgrade(url)


def test_an_import_by_another_table_is_told_of_a_lead(
    changing: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its leads may be the same ones, under the table's old name."""
    run(
        changing,
        "INSERT INTO lead_imports (id, revision, export, sha256, records, next_record, "
        "declaration, policies, ran_by, release) SELECT 0, 'older', 'older.json', sha256, records, "
        "records, replace(declaration, '\"leads\"', '\"people\"'), policies, ran_by, release "
        "FROM lead_imports",
    )
    assert main(["lead", "1", "--by", "id"]) == 0
    assert "older.json knows its leads by people.id" in capsys.readouterr().out
    assert main(["forget", "--lead", "1", "--dry-run"]) == 0
    assert "  old values of older.json, which knows its leads by people" in capsys.readouterr().out


def test_a_schema_of_leads_that_is_hidden_is_named(site: Site) -> None:
    """Nothing is made."""
    leads = Leads("crm.leads", phone="phone", full_name="name")
    url = site.made(leads, "CREATE SCHEMA crm; CREATE TABLE crm.leads (id int PRIMARY KEY)")
    create = "GRANT CREATE, USAGE ON SCHEMA public TO {role}"
    with another_role(url, create) as role, pytest.raises(CommandError, match="the schema crm"):
        upgrade(role)

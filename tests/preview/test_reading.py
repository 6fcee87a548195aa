"""A preview reads: it waits for nobody, nobody waits for it, and Postgres lets it write nothing."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, NullPool, create_engine, text

from migrations import crm as declared
from migrations.commands.project import alembic_config
from migrations.deploy import local_postgres
from migrations.importer.context import Options
from migrations.importer.declaration import Leads, New
from migrations.importer.errors import DatabaseRefused
from migrations.importer.schema.leads import find_table
from migrations.importer.table import LeadsTable
from migrations.preview.imported import find_imported
from migrations.preview.rehearsal import Rehearsal
from tests.support.bundled import BEFORE_IMPORT, IMPORT, records
from tests.support.crm import picture
from tests.support.database import connected, run, shown, value
from tests.support.exports import bundle, written
from tests.support.previews import assert_foretold, dry_run_of, preview_of
from tests.support.projects import copy_project, migrations
from tests.support.roles import MAY_LOOK, another_role
from tests.support.upgrades import alembic, upgrade

LOCKS = """
    SELECT DISTINCT c.relname, l.mode
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND c.relkind <> 'S'
        AND c.relnamespace = 'public'::regnamespace
"""


def everything(url: URL) -> str:
    """Return all of a database as pg_dump writes it, with the values of its sequences."""
    command = [str(local_postgres.binaries() / "pg_dump"), "--dbname", shown(url)]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return "\n".join(line for line in dumped.splitlines() if not line.startswith("\\"))


@contextmanager
def half_of_the_leads_held(url: URL) -> Iterator[None]:
    """Hold every second lead, as an editor does before committing."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as site:
        site.execute(text("UPDATE leads SET notes = 'held' WHERE id % 2 = 0"))
        yield
        site.rollback()


def test_a_role_that_may_only_look_gets_the_preview_while_leads_are_held(
    crm_with_leads: URL,
) -> None:
    """It comes at once and equals the owner's, without the phone's index too, and leaves even
    sequences as they were."""
    expected = preview_of(crm_with_leads)
    run(crm_with_leads, "DROP INDEX leads_phone_key_v1")
    with another_role(crm_with_leads, *MAY_LOOK) as url, half_of_the_leads_held(crm_with_leads):
        before = everything(crm_with_leads)
        began = time.monotonic()
        preview = preview_of(url)
        assert time.monotonic() - began < 2, "a lock_timeout is two seconds"
        assert everything(crm_with_leads) == before
    assert preview.created == expected.created
    assert preview.changed == expected.changed
    assert preview.schema == ["index leads_phone_key_v1 on leads"]


def test_a_preview_takes_no_lock_but_that_of_a_select(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its end it holds all its locks, and a sequence's, as for nextval, blocks nobody."""
    locks: list[Any] = []

    def look(connection: Connection, *more: Any) -> Any:
        locks.extend(connection.execute(text(LOCKS)).all())
        return find_imported(connection, *more)

    monkeypatch.setattr("migrations.preview.reading.find_imported", look)
    preview_of(crm_with_leads)
    assert [found for found in locks if found.mode != "AccessShareLock"] == []
    assert "leads" in {name for name, _ in locks}


def test_postgres_refuses_what_a_preview_would_write(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it took the real table for its copy, it would end there, with a way to go on."""
    before = everything(crm_with_leads)
    monkeypatch.setattr(LeadsTable, "copied", lambda table, *_: table)
    with pytest.raises(DatabaseRefused, match=r"writes, and a preview only reads. Rehearse on"):
        preview_of(crm_with_leads)
    assert everything(crm_with_leads) == before


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        ("REVOKE SELECT ON leads FROM {role}", "the role {role} may not SELECT leads"),
        ("REVOKE SELECT ON lead_imports FROM {role}", "may not SELECT lead_imports"),
        ("REVOKE SELECT ON alembic_version FROM {role}", "may not SELECT alembic_version"),
        ("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC", "may not make temporary tables"),
    ],
    ids=["leads", "the ledger", "the stamp", "temporary tables"],
)
def test_what_a_role_may_not_is_refused_by_name(taken: str, told: str, crm_with_leads: URL) -> None:
    """It is refused before anything is read."""
    revoke = taken.replace("{database}", f'"{crm_with_leads.database}"')
    with another_role(crm_with_leads, *MAY_LOOK, revoke) as url:
        refused = pytest.raises(DatabaseRefused, match=told.format(role=url.username))
        with refused:
            preview_of(url)


def test_a_table_to_which_leads_refer_is_named_too(crm_with_leads: URL) -> None:
    """Whether a record fits depends on it."""
    run(crm_with_leads, "CREATE TABLE agents (name text PRIMARY KEY)")
    refers = "ADD FOREIGN KEY (assigned_agent) REFERENCES agents NOT VALID"
    run(crm_with_leads, f"ALTER TABLE leads {refers}")
    revoke = "REVOKE SELECT ON agents FROM {role}"
    with another_role(crm_with_leads, *MAY_LOOK, revoke) as url:
        refused = pytest.raises(
            DatabaseRefused, match="does not see all of agents, and leads refers to it"
        )
        with refused:
            preview_of(url)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            "TABLE lead_imports (name text)",
            "[Aa] table lead_imports is there",
        ),
        (
            "FUNCTION lead_phone_key_v1(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
            "A function lead_phone_key_v1\\(text\\) is there and is not ours",
        ),
        ("TABLE customers (phone text)", "There is no table leads, and other tables have phones"),
    ],
    ids=["a ledger", "a key", "leads"],
)
def test_what_an_upgrade_would_refuse_is_refused(made: str, told: str, database: URL) -> None:
    """Somebody else's objects have our names, or nobody has declared the leads."""
    run(database, f"CREATE {made}")
    for attempt in (preview_of, dry_run_of):
        with pytest.raises((DatabaseRefused, CommandError), match=told):
            attempt(database)


@pytest.mark.parametrize(
    "setting", ["default_transaction_read_only = on", "search_path = public, pg_temp"]
)
def test_a_preview_works_whatever_the_role_is_set_to(setting: str, crm_with_leads: URL) -> None:
    """The role may be read-only by default, or search temporary tables last."""
    expected = preview_of(crm_with_leads)
    may = (*MAY_LOOK, f"ALTER ROLE {{role}} SET {setting}")
    with another_role(crm_with_leads, *may) as url:
        preview = preview_of(url)
    assert (preview.imports, preview.changed) == (expected.imports, expected.changed)


def test_a_dry_run_says_that_it_is_one_and_that_it_takes_ids(
    crm_with_leads: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """Its first line says so. A preview takes none."""
    number = "SELECT last_value FROM leads_id_seq"
    before = value(crm_with_leads, number)
    preview_of(crm_with_leads)
    assert value(crm_with_leads, number) == before
    caplog.clear()
    caplog.set_level("INFO")
    dry_run_of(crm_with_leads)
    assert value(crm_with_leads, number) > before
    told = [record.getMessage() for record in caplog.records if record.name == "importer"]
    assert told[0].startswith("DRY RUN: ")
    assert "the ids it takes are not given again" in told[0]


def test_an_import_that_is_in_and_not_stamped_adds_nothing(crm_with_leads: URL) -> None:
    """An upgrade would only stamp it."""
    upgrade(crm_with_leads)
    run(crm_with_leads, f"UPDATE alembic_version SET version_num = '{BEFORE_IMPORT}'")
    preview = preview_of(crm_with_leads)
    assert (preview.imports, preview.created, preview.changed) == ([], [], [])
    assert (preview.leads_before, preview.leads_after) == (257, 257)


REVISION = """
from alembic import op
{imports}
revision = "0006_owners"
down_revision = "{parent}"


def upgrade():
    {work}
"""
OURS_TOO = "from migrations.importer.v1 import create_tables"
NOT_LOOKED_INTO = "what 0006_owners makes: not looked into"


@pytest.mark.parametrize(
    ("imports", "work"),
    [
        ("", 'op.execute("UPDATE leads SET notes = NULL")'),
        (OURS_TOO, 'op.execute("UPDATE leads SET notes = NULL")'),
        (OURS_TOO, 'op.get_bind().exec_driver_sql("UPDATE leads SET notes = NULL")'),
    ],
    ids=["its own", "its own beside ours", "its own on our connection"],
)
def test_a_revision_of_the_owners_is_named_and_not_run(
    imports: str, work: str, crm_with_leads: URL
) -> None:
    """Only the revision knows what it does."""
    module = ModuleType("owners")
    exec(REVISION.format(imports=imports, work=work, parent=IMPORT), vars(module))
    revision: Any = SimpleNamespace(revision="0006_owners", module=module)
    before = picture(crm_with_leads)
    with connected(crm_with_leads) as connection:
        rehearsal = Rehearsal(connection, Options(reads=True))
        rehearsal.run(revision)
    assert rehearsal.schema == [NOT_LOOKED_INTO]
    assert picture(crm_with_leads) == before


def test_what_a_revision_of_the_owners_may_make_is_not_simply_missing(crm: URL) -> None:
    """The refusal names the revision, and how to see both."""
    run(crm, "ALTER TABLE leads RENAME full_name TO name")
    module = ModuleType("owners")
    work = 'op.execute("ALTER TABLE leads RENAME name TO full_name")'
    exec(REVISION.format(imports="", work=work, parent=BEFORE_IMPORT), vars(module))
    owners: Any = SimpleNamespace(revision="0006_owners", module=module)
    ours = ScriptDirectory.from_config(alembic_config()).get_revision(IMPORT)
    with connected(crm) as connection:
        rehearsal = Rehearsal(connection, Options(reads=True))
        rehearsal.run(owners)
        with pytest.raises(DatabaseRefused, match="Unless 0006_owners makes it") as refused:
            rehearsal.run(ours)
    assert "leads.full_name: is not there" in str(refused.value)


NUMBERED = """
CREATE SEQUENCE refs;
CREATE FUNCTION next_ref() RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''refs'')';
CREATE FUNCTION make_token() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';
CREATE TABLE customers (
    id serial PRIMARY KEY,
    ref text NOT NULL UNIQUE DEFAULT 'C' || nextval('refs'),
    number bigint NOT NULL,
    batch integer NOT NULL UNIQUE DEFAULT next_ref(),
    code text NOT NULL UNIQUE DEFAULT 'B' || next_ref(),
    other bigint NOT NULL,
    token uuid NOT NULL UNIQUE,
    name text NOT NULL,
    shout text GENERATED ALWAYS AS (upper(name)) STORED,
    phone text NOT NULL,
    email text UNIQUE,
    is_open boolean NOT NULL DEFAULT true,
    added timestamptz NOT NULL
);
INSERT INTO customers (number, other, token, name, phone, email, added) VALUES
    (1, 1, gen_random_uuid(), 'Old', '07700 900503', 'old@example.org', '2020-01-01'),
    (2, 2, gen_random_uuid(), 'Taken', '07700 900999', 'taken@example.org', '2020-01-01')
"""
CUSTOMERS = Leads(
    "customers",
    lead_number=New("ref"),
    full_name="name",
    phone="phone",
    email="email",
    created_at="added",
    new={"number": "nextval('refs')", "other": "NEXT_REF()", "token": "make_token()"},
    only="is_open AND shout <> 'SHUT'",
)


def test_numbers_and_computed_columns_are_the_servers(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No sequence moves, whoever draws from it, and values of other leads are found, beyond the
    export too."""
    run(database, NUMBERED.replace(":", "\\:"))
    monkeypatch.setattr(declared, "LEADS", CUSTOMERS)
    export = [record | {"email": "", "lead_number": f"N{n}"} for n, record in enumerate(records())]
    export[7]["email"] = "taken@example.org"
    bundle(export, monkeypatch, tmp_path, leads=CUSTOMERS, rejected="set aside")
    before = everything(database)
    preview = preview_of(database)
    assert everything(database) == before
    assert [problem.record for problem in preview.problems] == [8]
    assert preview.schema[:2] == [
        "function lead_phone_key_v1(phone text)",
        "index customers_phone_key_v1 on customers",
    ]
    upgrade(database)
    assert_foretold(preview, database)


def test_an_index_on_a_table_with_a_blank_in_its_name_is_named_whole(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NocoDB's tables have them."""
    run(database, 'CREATE TABLE "my leads" (id bigserial PRIMARY KEY, phone text)')
    monkeypatch.setattr(declared, "LEADS", Leads("my leads", phone="phone"))
    assert 'index "my leads_phone_key_v1" on "my leads"' in preview_of(database).schema


def test_each_import_finds_the_leads_as_the_one_before_it_leaves_them(
    crm_with_leads: URL, tmp_path: Path
) -> None:
    """The second updates leads of the first, and a later revision of the owner's is named."""
    run(crm_with_leads, "UPDATE leads SET email = ''")
    run(crm_with_leads, "CREATE UNIQUE INDEX ON leads (email) WHERE email <> ''")
    project = copy_project(tmp_path)
    bundled = [record | {"email": ""} for record in records()]
    second = [record | {"status": "second"} for record in bundled[:30]]
    second += [bundled[40] | {"phone": "07700 900999 ext. 4", "email": "new@example.org"}]
    path = written(second, tmp_path, "second.json")
    added = migrations(project, "add", str(path), "-m", "import second")
    assert added.returncode == 0, added.stderr
    owners = REVISION.format(imports="", work="pass", parent="0005_import_second")
    (project / "migrations" / "versions" / "0006_owners.py").write_text(owners)
    command = ("preview", "--json", "--show-personal-data")
    told = migrations(project, *command, url=crm_with_leads)
    assert told.returncode == 0, told.stderr
    assert NOT_LOOKED_INTO in told.stdout
    preview = json.loads(told.stdout)
    assert [figures["counts"]["updated"] for figures in preview["imports"]] == [10, 30]
    upgraded = alembic(crm_with_leads, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    with connected(crm_with_leads) as connection:
        found = find_imported(connection, {}, find_table)
    assert [figures["counts"] for figures in preview["imports"]] == [
        figures.counts for figures in found.imports
    ]
    assert preview["created"] == [lead.values for lead in found.created.listed]
    assert [(lead["id"], lead["fields"]) for lead in preview["changed"]] == [
        (lead.id, {name: [lead.old[name], lead.new[name]] for name in lead.fields})
        for lead in found.changed.listed
    ]


def test_leads_are_counted_in_the_table_of_the_last_import(
    crm_with_leads: URL, tmp_path: Path
) -> None:
    """An earlier import's leads are another table's."""
    run(crm_with_leads, "CREATE TABLE customers (id serial PRIMARY KEY, name text, phone text)")
    run(crm_with_leads, "INSERT INTO customers (phone) VALUES ('07700 900999')")
    project = copy_project(tmp_path)
    with (project / "migrations" / "crm.py").open("a") as crm:
        crm.write('\nCUSTOMERS = Leads("customers", full_name="name", phone="phone")\n')
    second = written(records()[:30], tmp_path, "second.json")
    added = migrations(project, "add", str(second), "-m", "import second")
    assert added.returncode == 0, added.stderr
    revision = project / "migrations" / "versions" / "0005_import_second.py"
    source = revision.read_text().replace("leads=LEADS", "leads=CUSTOMERS")
    revision.write_text(source.replace("import LEADS", "import CUSTOMERS"))
    told = migrations(project, "preview", url=crm_with_leads)
    assert told.returncode == 0, told.stderr
    assert "Leads: 1 before, 31 after" in told.stdout

"""``docs/when-it-fails.md``: provoke each message, then follow its row until the fault is gone.

A scenario provokes its message, yields it, and then does what the row says. Every command it runs
must be in the row. At the end an upgrade must succeed.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alembic.util import CommandError
from sqlalchemy import URL, create_engine, make_url, text

from migrations.deploy.connection import database
from migrations.importer import v1
from migrations.importer.age_key import KEY
from migrations.importer.errors import DatabaseRefused
from migrations.importer.session import DEPLOY_LOCK
from models import Base
from tests.conftest import NewDatabase
from tests.support.bundled import EXPORT, IMPORT, records
from tests.support.crm import slow_down, speed_up
from tests.support.database import connected, run, value
from tests.support.exports import bundle, pin, written
from tests.support.projects import copy_project, migrations
from tests.support.released import REPOSITORY
from tests.support.roles import MAY_IMPORT, another_role
from tests.support.sealed import new_key, sealed_copy
from tests.support.servers import pgbouncer, why_no_pgbouncer
from tests.support.upgrades import alembic, downgrade, upgrade

PAGE = REPOSITORY / "docs" / "when-it-fails.md"
FEW = records()[:3]
REAL_IMPORT = v1.Import


class Row(NamedTuple):
    """A row of the page's table."""

    says: str
    means: str
    do: str


def rows() -> list[Row]:
    """Read the rows below the heading "What the log says"."""
    lines = section("What the log says").splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    return [Row(says.strip("`"), means, do) for says, means, do in cells]


def section(heading: str) -> str:
    """Return the text below the heading with this start."""
    return PAGE.read_text(encoding="utf-8").split(f"# {heading}")[1].split("\n#")[0]


@dataclass
class Scene:
    """Where a scenario plays. url: a CRM right before the import. row: its subject."""

    url: URL
    row: Row
    monkeypatch: pytest.MonkeyPatch
    folder: Path
    new_database: NewDatabase
    opened: ExitStack

    def refusal(self, revision: str = "head", *x: str, url: URL | None = None) -> str:
        """Return the message of a failing upgrade."""
        with pytest.raises(CommandError) as failed:
            upgrade(url or self.url, revision, *x)
        return str(failed.value)

    def alembic(self, command: str) -> None:
        """Run a command of the row."""
        assert f"`alembic {command}`" in self.row.do
        *given, verb, revision = shlex.split(command)
        run_it = {"upgrade": upgrade, "downgrade": downgrade}[verb]
        run_it(self.url, revision, *(word for word in given if word != "-x"))

    def bundle(self, export: list[dict[str, Any]], **policies: Any) -> Path:
        """Replace the import revision's export with a small one."""
        self.monkeypatch.setattr(v1, "Import", REAL_IMPORT)
        bundle(export, self.monkeypatch, self.folder, **policies)
        return self.folder / "export.json"


Scenario = Callable[[Scene], Iterator[str]]
SCENARIOS: dict[str, Scenario] = {}
"""Scenarios by their message in the log."""


def says(message: str) -> Callable[[Scenario], Scenario]:
    """Name a scenario's row."""

    def keep(scenario: Scenario) -> Scenario:
        SCENARIOS[message] = scenario
        return scenario

    return keep


def test_every_row_has_a_scenario_and_every_scenario_a_row() -> None:
    """Nothing untried is promised."""
    assert [row.says for row in rows()] == list(SCENARIOS)


@pytest.mark.parametrize("row", rows(), ids=lambda row: re.sub(r"\W+", "-", row.says)[:40])
def test_what_the_row_says_mends_it(
    row: Row,
    crm: URL,
    new_database: NewDatabase,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The message matches the page, and after the remedy an upgrade succeeds."""
    for name in ("LEADS_PEOPLE", KEY, "RENDER"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as opened:
        scene = Scene(crm, row, monkeypatch, tmp_path, new_database, opened)
        scenario = SCENARIOS[row.says](scene)
        told = next(scenario)
        wanted = ".*".join(map(re.escape, row.says.split("…")))
        assert re.search(wanted, told, re.DOTALL), told
        assert next(scenario, None) is None
        upgrade(scene.url, "head")
        imported = "SELECT count(*) FROM lead_imports WHERE finished_at IS NOT NULL"
        assert value(scene.url, imported) >= 1


@says("DATABASE_URL names no database")
def without_a_name(scene: Scene) -> Iterator[str]:
    yield scene.refusal(url=make_url("postgresql://localhost"))


@says("DATABASE_URL is not set, and this is a deploy on Render")
def nothing_said_on_render(_: Scene) -> Iterator[str]:
    with pytest.raises(DatabaseRefused) as refused, database({"RENDER": "true"}):
        pass
    yield str(refused.value)


@says("No connection to the database")
def nobody_there(scene: Scene) -> Iterator[str]:
    yield scene.refusal(url=scene.url.set(database="nowhere"))


@says("leads through a connection pooler")
def through_a_pooler(scene: Scene) -> Iterator[str]:
    if why := why_no_pgbouncer():
        pytest.skip(why)
    with pgbouncer(scene.url, "transaction") as pooled:
        yield scene.refusal(url=pooled)
        direct = scene.url.set(drivername="postgresql").render_as_string(hide_password=False)
        scene.monkeypatch.setenv("MIGRATION_DATABASE_URL", direct)
        upgrade(pooled, "head")
    scene.monkeypatch.delenv("MIGRATION_DATABASE_URL")


@says("The database is not ready. Nothing was written.")
def without_rights(scene: Scene) -> Iterator[str]:
    may_look = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    role = scene.opened.enter_context(another_role(scene.url))
    assert "The role may not read alembic_version." in scene.refusal(url=role)
    run(scene.url, may_look.format(role=role.username))
    yield scene.refusal(url=role)
    for grant in MAY_IMPORT:
        run(scene.url, grant.format(role=role.username))
    upgrade(role, "head")


@says("and other tables have phones")
def leads_elsewhere(scene: Scene) -> Iterator[str]:
    scene.url = scene.new_database()
    run(scene.url, "CREATE TABLE contacts (id bigint PRIMARY KEY, phone text)")
    yield scene.refusal()
    scene.alembic("-x new-crm upgrade head")


@says("is not as the import needs it")
def another_table(scene: Scene) -> Iterator[str]:
    scene.url = scene.new_database()
    Base.metadata.tables["leads"].create(engine := create_engine(scene.url))
    engine.dispose()
    run(scene.url, "ALTER TABLE leads RENAME COLUMN notes TO remarks")
    yield scene.refusal()
    assert "`python -m migrations adopt`" in scene.row.do
    project = copy_project(scene.folder)
    adopted = migrations(project, "adopt", url=scene.url)
    assert "remarks" in (project / "migrations" / "crm.py").read_text(), adopted.stderr
    run(scene.url, "ALTER TABLE leads RENAME COLUMN remarks TO notes")


@says("migrations/crm.py is not complete")
def an_open_question(scene: Scene) -> Iterator[str]:
    project = copy_project(scene.folder)
    crm = project / "migrations" / "crm.py"
    asked = crm.read_text().replace('phone="phone",', 'phone="phone",  # CHECK: which one?')
    answered = crm.read_text()
    crm.write_text(asked)
    refused = alembic(scene.url, "upgrade", "head", root=project)
    assert refused.returncode != 0
    yield refused.stdout
    crm.write_text(answered)
    assert alembic(scene.url, "upgrade", "head", root=project).returncode == 0


@says("…: 1 problem. This run has written nothing.…sha256 is …, expected …")
def an_edited_export(scene: Scene) -> Iterator[str]:
    path = scene.bundle(FEW)
    committed = path.read_bytes()
    path.write_bytes(committed.replace(b'"new"', b'"NEW"').replace(b'"contacted"', b'"c"') + b" ")
    yield scene.refusal()
    path.write_bytes(committed)  # git checkout -- data


@says("record …, …: …")
def a_bad_record(scene: Scene) -> Iterator[str]:
    scene.bundle([FEW[0], FEW[1] | {"phone": "none"}])
    yield scene.refusal()
    scene.bundle(FEW)


@says("is sealed, and neither LEADS_AGE_KEY nor LEADS_AGE_KEY_FILE is set")
def a_sealed_export(scene: Scene) -> Iterator[str]:
    path, key = scene.bundle(FEW), new_key()
    sealed_copy(scene.folder, key, source=path)
    path.unlink()
    yield scene.refusal()
    scene.monkeypatch.setenv(KEY, key)


@says("Nobody has said which people belong in this database.")
def nobody_has_said(scene: Scene) -> Iterator[str]:
    scene.bundle(FEW, masked="b" * 64)
    yield scene.refusal()
    scene.monkeypatch.setenv("LEADS_PEOPLE", "real")


@says("LEADS_PEOPLE=real, but the people in … are invented.")
def invented_where_real(scene: Scene) -> Iterator[str]:
    scene.monkeypatch.setenv("LEADS_PEOPLE", "real")
    yield scene.refusal()
    project = copy_project(scene.folder)
    real = written(FEW, scene.folder, "real.json")
    replaced = migrations(project, "add", str(real), "--replace", url=scene.url)
    assert replaced.returncode == 0, replaced.stderr
    pin(project / "data" / EXPORT.name, scene.monkeypatch)


@says("This database holds invented people")
def invented_beside_real(scene: Scene) -> Iterator[str]:
    upgrade(scene.url, "head")
    downgrade(scene.url)
    with scene.monkeypatch.context() as real:
        bundle(FEW, real, scene.folder)
        real.setenv("LEADS_PEOPLE", "real")
        yield scene.refusal()
    upgrade(scene.url, "head")
    scene.alembic(f"-x remove-created downgrade {IMPORT}-1")
    scene.monkeypatch.setenv("LEADS_PEOPLE", "real")
    scene.bundle(FEW)


@says("Another deploy holds the deploy lock")
def another_deploy(scene: Scene) -> Iterator[str]:
    with connected(scene.url) as other:
        other.execute(text(f"SELECT pg_advisory_lock({DEPLOY_LOCK})"))
        yield scene.refusal("head", "lock-wait=0")


@says("stopped because …records are saved")
def out_of_time(scene: Scene) -> Iterator[str]:
    slow_down(scene.url, 0.05)
    yield scene.refusal("head", "time-budget=4", "batch-size=1")
    assert value(scene.url, "SELECT next_record FROM lead_imports") > 0
    speed_up(scene.url)


@says("rolled back, because the import would have written …")
def a_trigger(scene: Scene) -> Iterator[str]:
    body = "INSERT INTO settings VALUES (NEW.id::text, 'x'); RETURN NEW;"
    create = "CREATE OR REPLACE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS"
    run(scene.url, f"{create} $$ BEGIN {body} END $$".replace(":", "\\:"))
    run(scene.url, "CREATE TRIGGER t AFTER INSERT ON leads FOR EACH ROW EXECUTE FUNCTION theirs()")
    yield scene.refusal()
    (skipping,) = re.findall(r"`(current_setting[^`]*)`", scene.row.do)
    unless = f"IF {skipping} THEN RETURN NEW; END IF;"
    run(scene.url, f"{create} $$ BEGIN {unless} {body} END $$".replace(":", "\\:"))


@says("is stamped …, which this release does not know")
def older_than_its_database(scene: Scene) -> Iterator[str]:
    newer = newer_release(scene.folder)
    deploy(newer, scene.url)
    yield scene.refusal()
    keep, take_back = re.findall(r"- \*\*.*?`alembic ([^`]*)`", section("A deploy is rolled back"))
    leads = "SELECT count(*), max(xmin\\:\\:text) FROM leads"
    there = run(scene.url, leads)
    ran(newer, scene.url, keep)
    upgrade(scene.url, "head")
    deploy(newer, scene.url)
    assert run(scene.url, leads) == there
    ran(newer, scene.url, take_back)


@says("it was stamped without running the revisions")
def create_all(scene: Scene) -> Iterator[str]:
    scene.url = scene.new_database()
    Base.metadata.create_all(engine := create_engine(scene.url))
    engine.dispose()
    assert alembic(scene.url, "stamp", "head").returncode == 0
    yield scene.refusal()
    assert "`alembic stamp base`" in scene.row.do
    assert alembic(scene.url, "stamp", "base").returncode == 0
    scene.alembic("upgrade head")


@says("its downgrade has only reached record …")
def half_reverted(scene: Scene) -> Iterator[str]:
    upgrade(scene.url, "head")
    run(scene.url, "UPDATE lead_imports SET revert_next_record = 100, remove_created = false")
    yield scene.refusal()
    scene.alembic("downgrade -1")
    scene.alembic("upgrade head")


@says("The ledger cannot be read")
def an_edited_ledger(scene: Scene) -> Iterator[str]:
    upgrade(scene.url, "head")
    backup = value(scene.url, "SELECT declaration FROM lead_imports")
    run(scene.url, "UPDATE lead_imports SET declaration = '{}'")
    yield scene.refusal()
    assert "restore `lead_imports`" in scene.row.do
    run(scene.url, "UPDATE lead_imports SET declaration = :backup", backup=backup)


@says("Multiple head revisions are present")
def two_heads(scene: Scene) -> Iterator[str]:
    project = copy_project(scene.folder)
    versions = project / "migrations" / "versions"
    for name in ("0005_ours", "0005_theirs"):
        (versions / f"{name}.py").write_text(
            f'revision = "{name}"\ndown_revision = "{IMPORT}"\n\n\n'
            "def upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
        )
    yield alembic(scene.url, "upgrade", "head", root=project).stdout
    (command,) = re.findall(r"`alembic ([^`]*)`", scene.row.do)
    assert alembic(scene.url, *shlex.split(command), root=project).returncode == 0
    upgraded = alembic(scene.url, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    assert alembic(scene.url, "downgrade", IMPORT, root=project).returncode == 0


def newer_release(folder: Path) -> Path:
    """Copy the project and add one more import."""
    project = copy_project(folder)
    october = written([FEW[0] | {"full_name": "Renamed"}], folder, "october.json")
    added = migrations(project, "add", str(october), "-m", "import october leads")
    assert added.returncode == 0, added.stderr
    return project


def ran(project: Path, url: URL, command: str) -> str:
    """Run ``alembic`` in a project and expect it to succeed."""
    told = alembic(url, *shlex.split(command), root=project)
    assert told.returncode == 0, told.stdout
    return told.stdout


def deploy(project: Path, url: URL) -> None:
    """Upgrade the way the pre-deploy command does."""
    ran(project, url, "upgrade head")


def test_an_import_is_reverted_for_good(
    crm: URL, new_database: NewDatabase, tmp_path: Path
) -> None:
    """Follow the page's steps, and a forgotten environment refuses the deploy."""
    project, forgotten = newer_release(tmp_path), new_database()
    for url in (crm, forgotten):
        deploy(project, url)
    steps = section("An import is reverted for good")
    assert "`alembic downgrade -1`" in steps
    assert "docs/when-it-fails.md" in ran(project, crm, "downgrade -1")
    (removed,) = re.findall(r"`git rm ([^`]*)`", steps)
    for name in removed.split():
        (project / name).unlink()
    deploy(project, crm)
    assert value(crm, "SELECT count(*) FROM leads WHERE full_name = 'Renamed'") == 0
    assert migrations(project, "verify", url=crm).returncode == 0
    refused = alembic(forgotten, "upgrade", "head", root=project)
    assert "which this release does not know" in refused.stdout

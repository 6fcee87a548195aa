"""A database is stamped with an import it does not have: a quiet upgrade would skip it for ever.

``rules/test_history.py`` judges which fault has which remedy. Here the remedies are followed.
"""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL, create_engine

from models import Base
from tests.conftest import NewDatabase, Template, build_crm_with_leads
from tests.support.bundled import BEFORE_IMPORT, EXPORT, IMPORT, ROOT, records
from tests.support.crm import picture
from tests.support.database import run, value
from tests.support.exports import written
from tests.support.projects import copy_project, migrations
from tests.support.promises import assert_imported
from tests.support.upgrades import alembic, downgrade, upgrade


@pytest.fixture
def imported(crm_with_leads: URL) -> URL:
    """Import into the mission's CRM."""
    upgrade(crm_with_leads)
    return crm_with_leads


def refusal(url: URL, root: Path = ROOT) -> str:
    """Return the last line of a deploy whose upgrade fails."""
    refused = alembic(url, "upgrade", "head", root=root)
    assert refused.returncode != 0, refused.stdout
    assert "Traceback" not in refused.stdout
    return refused.stdout.strip().splitlines()[-1]


def follow(advice: str, url: URL, root: Path = ROOT) -> list[str]:
    """Run a message's commands one after the other, expect each to succeed, and return them."""
    commands: list[str] = re.findall(r"'(alembic [^']+)'", advice)
    for command in commands:
        done = alembic(url, *shlex.split(command)[1:], root=root)
        assert done.returncode == 0, done.stdout
    return commands


def test_create_all_and_a_stamp_are_no_import(database: URL) -> None:
    """The upgrade refuses, and following its commands brings the import in."""
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    engine.dispose()
    assert alembic(database, "stamp", "head").returncode == 0
    before = picture_without_keys(database)
    advice = refusal(database)
    assert "it was stamped without running the revisions" in advice
    assert picture_without_keys(database) == before
    assert follow(advice, database) == ["alembic stamp base", "alembic upgrade head"]
    assert value(database, "SELECT created FROM lead_imports") == len(records())


def picture_without_keys(url: URL) -> list[object]:
    return [run(url, "SELECT * FROM leads"), run(url, "SELECT * FROM alembic_version")]


def test_an_emptied_ledger_is_no_import(imported: URL) -> None:
    """Following its commands restores the ledger without writing leads, while other commands keep
    working."""
    leads = picture(imported).leads
    run(imported, "TRUNCATE lead_imports CASCADE")
    advice = refusal(imported)
    assert "its ledger has no import of production_leads_export.json" in advice
    for command in ("current", f"downgrade {IMPORT}"):
        assert alembic(imported, *command.split()).returncode == 0
    assert follow(advice, imported) == [f"alembic stamp {BEFORE_IMPORT}", "alembic upgrade head"]
    upgrade(imported)
    assert picture(imported).leads == leads


def test_no_import_gets_the_number_of_one_that_the_ledger_knows(imported: URL) -> None:
    """Its old values would be those of the other one."""
    run(imported, "TRUNCATE lead_imports RESTART IDENTITY CASCADE")
    run(imported, "UPDATE alembic_version SET version_num = :revision", revision=BEFORE_IMPORT)
    with pytest.raises(CommandError) as refused:
        upgrade(imported)
    remedy = re.search(r"SELECT setval\(.*\)", str(refused.value))
    assert remedy, refused.value
    run(imported, remedy[0])
    upgrade(imported)
    assert value(imported, "SELECT id FROM lead_imports") == 2


def test_an_import_that_was_stamped_before_its_end_goes_on(
    crm_with_leads: URL, new_database: NewDatabase, template: Template
) -> None:
    """It is not called complete, and following the commands finishes it from its checkpoint."""
    before = picture(new_database(template("crm_with_leads", build_crm_with_leads)))
    with stopped_beyond(crm_with_leads, "next_record"), pytest.raises(CommandError):
        upgrade(crm_with_leads, IMPORT, "batch-size=20")
    run(crm_with_leads, "UPDATE alembic_version SET version_num = :revision", revision=IMPORT)
    advice = refusal(crm_with_leads)
    assert f"has only reached record 100 of {len(records())}" in advice
    follow(advice, crm_with_leads)
    assert_imported(crm_with_leads, before)


def test_a_downgrade_that_has_stopped_is_no_import(imported: URL) -> None:
    """Following the commands finishes it with its options and imports again."""
    half_revert(imported, "remove-created")
    advice = refusal(imported)
    assert f"its downgrade has only reached record 100 of {len(records())}" in advice
    assert follow(advice, imported) == [
        "alembic -x remove-created downgrade -1",
        "alembic upgrade head",
    ]
    ledger = run(imported, "SELECT reverted_at IS NULL, next_record FROM lead_imports ORDER BY id")
    assert ledger == [(False, len(records())), (True, len(records()))]


def half_revert(url: URL, *x: str) -> None:
    """Stop a downgrade at record 100."""
    with stopped_beyond(url, "revert_next_record"), pytest.raises(CommandError):
        downgrade(url, "-1", "batch-size=20", *x)


@contextmanager
def stopped_beyond(url: URL, checkpoint: str, record: int = 100) -> Iterator[None]:
    """Stop a checkpoint column of the ledger from moving beyond a record."""
    refused = f"IF NEW.{checkpoint} > {record} THEN RAISE EXCEPTION 'no further'; END IF"
    body = f"BEGIN {refused}; RETURN NEW; END"
    run(url, f"CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    at = "BEFORE UPDATE ON lead_imports FOR EACH ROW"
    run(url, f"CREATE TRIGGER stop {at} EXECUTE FUNCTION stop()")
    yield
    run(url, "DROP FUNCTION stop() CASCADE")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the project and add a second export with one more lead."""
    copy = copy_project(tmp_path)
    export = written([records()[0] | {"phone": "07700 900999 x7"}], tmp_path, "second.json")
    added = migrations(copy, "add", str(export), "-m", "import second leads")
    assert added.returncode == 0, added.stderr
    return copy


def test_an_import_below_the_last_is_looked_at_too(imported: URL, project: Path) -> None:
    """Following the commands repairs it without running the revisions above it again."""
    assert alembic(imported, "upgrade", "head", root=project).returncode == 0
    run(imported, "UPDATE lead_imports SET revert_next_record = 100 WHERE id = 1")
    second = run(imported, "SELECT * FROM lead_imports WHERE export = 'second.json'")
    advice = refusal(imported, project)
    assert follow(advice, imported, project)[-1] == "alembic stamp 0005_import_second_leads"
    assert alembic(imported, "upgrade", "head", root=project).returncode == 0
    assert run(imported, "SELECT * FROM lead_imports WHERE export = 'second.json'") == second


def test_an_export_that_was_replaced_is_no_import(imported: URL, project: Path) -> None:
    """Its revision pins the new file, but an upgrade refuses it until the ledger's old one is
    back."""
    revision = project / "migrations" / "versions" / f"{IMPORT}.py"
    released = revision.read_text(encoding="utf-8")
    other = written(records()[:100], project / "data", "production_leads_export.json")
    pinned = re.sub(r'sha256="\w+"', f'sha256="{sha256(other.read_bytes()).hexdigest()}"', released)
    revision.write_text(pinned.replace("records=217", "records=100"), encoding="utf-8")
    for command in (f"upgrade {IMPORT}", "upgrade head"):
        refused = alembic(imported, *command.split(), root=project)
        assert refused.returncode != 0
        assert "records found 217, expected 100. What was imported is never" in refused.stdout
    assert value(imported, "SELECT count(*) FROM lead_imports") == 1, "nothing was imported over it"
    revision.write_text(released, encoding="utf-8")
    (project / "data" / EXPORT.name).write_bytes(EXPORT.read_bytes())
    assert alembic(imported, "upgrade", "head", root=project).returncode == 0


@pytest.mark.parametrize("command", ["upgrade head", "downgrade base", "current"])
def test_a_newer_release_is_named_with_a_way_back(command: str, imported: URL) -> None:
    """An older release deployed after it explains this in our words and writes nothing."""
    run(imported, "UPDATE alembic_version SET version_num = '9999_future'")
    refused = alembic(imported, *command.split())
    assert refused.returncode != 0
    last = refused.stdout.strip().splitlines()[-1]
    assert "stamped 9999_future, which this release does not know" in last
    assert value(imported, "SELECT version_num FROM alembic_version") == "9999_future"


@pytest.mark.parametrize(("kind", "stamp"), [("integer", "3"), ("text", "NULL")])
def test_a_stamp_that_no_release_can_have_written_is_named(
    kind: str, stamp: str, database: URL
) -> None:
    """Another tool's table has numbers, and one without its key may have an empty row."""
    run(database, f"CREATE TABLE alembic_version (version_num {kind})")
    run(database, f"INSERT INTO alembic_version VALUES ({stamp})")
    with pytest.raises(
        CommandError, match=r"is stamped (3|None), which this release does not know"
    ):
        upgrade(database)


@pytest.mark.parametrize("command", ["upgrade head", "downgrade base"])
def test_two_stamps_become_one_again(command: str, imported: URL) -> None:
    """Alembic finds no path from two stamps, and following the command keeps the last one."""
    run(imported, "INSERT INTO alembic_version VALUES (:before)", before=BEFORE_IMPORT)
    refused = alembic(imported, *command.split())
    assert refused.returncode != 0
    last = refused.stdout.strip().splitlines()[-1]
    assert follow(last, imported) == [f"alembic stamp --purge {IMPORT}"]
    assert value(imported, "SELECT version_num FROM alembic_version") == IMPORT
    upgrade(imported)

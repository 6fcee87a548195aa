"""A database that is stamped with an import that it has not: an upgrade that stays quiet would skip
it for ever."""

import re
import shlex
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine

from models import Base
from tests.conftest import NewDatabase, Template, build_crm_with_leads
from tests.support.bundled import BEFORE_IMPORT, IMPORT, ROOT, records
from tests.support.crm import picture
from tests.support.database import run, value
from tests.support.exports import written
from tests.support.projects import copy_project, migrations
from tests.support.promises import assert_imported
from tests.support.upgrades import alembic, downgrade, upgrade


@pytest.fixture
def imported(crm_with_leads: URL) -> URL:
    """The mission's CRM after the import."""
    upgrade(crm_with_leads)
    return crm_with_leads


def refusal(url: URL, root: Path = ROOT) -> str:
    """What the upgrade of a deploy says when it ends badly."""
    refused = alembic(url, "upgrade", "head", root=root)
    assert refused.returncode != 0, refused.stdout
    assert "Traceback" not in refused.stdout
    return refused.stdout.strip().splitlines()[-1]


def follow(advice: str, url: URL, root: Path = ROOT) -> list[str]:
    """Run the commands that a message names, one after the other; each must end well."""
    commands: list[str] = re.findall(r"'(alembic [^']+)'", advice)
    for command in commands:
        done = alembic(url, *shlex.split(command)[1:], root=root)
        assert done.returncode == 0, done.stdout
    return commands


def half_way_back(url: URL, *x: str) -> None:
    """Let a downgrade come to record 100."""
    refusal = (
        "IF NEW.revert_next_record > 100 THEN RAISE EXCEPTION 'no further'; END IF; RETURN NEW;"
    )
    run(
        url, f"CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refusal} END $$"
    )
    run(
        url,
        "CREATE TRIGGER stop BEFORE UPDATE ON lead_imports FOR EACH ROW EXECUTE FUNCTION stop()",
    )
    stopped = alembic(url, "-x", "batch-size=20", *x, "downgrade", "-1")
    assert stopped.returncode != 0
    run(url, "DROP TRIGGER stop ON lead_imports")


def test_create_all_and_a_stamp_are_no_import(database: URL) -> None:
    """The upgrade refuses, and the commands that it names bring the import in."""
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    engine.dispose()
    assert alembic(database, "stamp", "head").returncode == 0
    before = picture_without_keys(database)
    advice = refusal(database)
    assert "it was stamped without running them" in advice
    assert picture_without_keys(database) == before
    assert follow(advice, database) == ["alembic stamp base", "alembic upgrade head"]
    assert value(database, "SELECT created FROM lead_imports") == len(records())


def picture_without_keys(url: URL) -> list[object]:
    return [run(url, "SELECT * FROM leads"), run(url, "SELECT * FROM alembic_version")]


@pytest.mark.parametrize(
    "emptied", ["TRUNCATE lead_imports CASCADE", "UPDATE lead_imports SET revision = 'other'"]
)
def test_an_emptied_ledger_is_no_import(emptied: str, imported: URL) -> None:
    """The commands that are named make it whole again; they touch no lead that holds the export's
    values."""
    leads = picture(imported).leads
    run(imported, emptied)
    advice = refusal(imported)
    assert "its ledger has no import of production_leads_export.json" in advice
    assert follow(advice, imported) == [f"alembic stamp {BEFORE_IMPORT}", "alembic upgrade head"]
    assert alembic(imported, "upgrade", "head").returncode == 0
    assert picture(imported).leads == leads


def test_an_import_that_was_stamped_before_its_end_goes_on(
    crm_with_leads: URL, new_database: NewDatabase, template: Template
) -> None:
    """It is not taken for complete, and the commands that are named finish it from its
    checkpoint."""
    before = picture(new_database(template("crm_with_leads", build_crm_with_leads)))
    stopped = "IF NEW.next_record > 100 THEN RAISE EXCEPTION 'no further'; END IF; RETURN NEW;"
    run(
        crm_with_leads,
        f"CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {stopped} END $$",
    )
    run(
        crm_with_leads,
        "CREATE TRIGGER stop BEFORE UPDATE ON lead_imports FOR EACH ROW EXECUTE FUNCTION stop()",
    )
    assert alembic(crm_with_leads, "-x", "batch-size=20", "upgrade", "head").returncode != 0
    run(crm_with_leads, "DROP TRIGGER stop ON lead_imports")
    assert alembic(crm_with_leads, "stamp", IMPORT).returncode == 0
    advice = refusal(crm_with_leads)
    assert f"has come to record 100 of {len(records())} only" in advice
    follow(advice, crm_with_leads)
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize("x", [(), ("-x", "remove-created")], ids=["created stay", "created go"])
def test_a_downgrade_that_has_stopped_is_no_import(x: tuple[str, ...], imported: URL) -> None:
    """The commands that are named finish it as it began, and import again."""
    half_way_back(imported, *x)
    advice = refusal(imported)
    assert f"its downgrade has stopped at record 100 of {len(records())}" in advice
    assert follow(advice, imported) == [
        " ".join(["alembic", *x, "downgrade -1"]),
        "alembic upgrade head",
    ]
    ledger = run(imported, "SELECT reverted_at IS NULL, next_record FROM lead_imports ORDER BY id")
    assert ledger == [(False, len(records())), (True, len(records()))]


def test_a_downgrade_that_is_not_stamped_is_no_import(imported: URL) -> None:
    """It was cut off after its last batch; the commands that are named stamp it, and import
    again."""
    downgrade(imported)
    run(imported, "UPDATE alembic_version SET version_num = :revision", revision=IMPORT)
    advice = refusal(imported)
    assert "its downgrade is not stamped" in advice
    follow(advice, imported)
    assert run(imported, "SELECT reverted_at IS NULL FROM lead_imports ORDER BY id") == [
        (False,),
        (True,),
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with a second export of one lead more."""
    copy = copy_project(tmp_path)
    export = written([records()[0] | {"phone": "07700 900999 x7"}], tmp_path, "second.json")
    added = migrations(copy, "add", str(export), "-m", "import second leads")
    assert added.returncode == 0, added.stderr
    return copy


@pytest.mark.parametrize(
    "stop", ["UPDATE lead_imports SET revision = 'other' WHERE id = 1", "half way back"]
)
def test_every_import_that_is_stamped_is_looked_at(stop: str, imported: URL, project: Path) -> None:
    """Also one below the last; the revisions above it do not run again."""
    if stop == "half way back":
        half_way_back(imported)
        assert "its downgrade has stopped" in refusal(imported, project), (
            "the second import would go over it"
        )
        assert value(imported, "SELECT count(*) FROM lead_imports") == 1
        run(imported, "UPDATE lead_imports SET revert_next_record = 0")
    assert alembic(imported, "upgrade", "head", root=project).returncode == 0
    if stop == "half way back":
        run(imported, "UPDATE lead_imports SET revert_next_record = 100 WHERE id = 1")
    else:
        run(imported, stop)
    second = run(imported, "SELECT * FROM lead_imports WHERE export = 'second.json'")
    follow(refusal(imported, project), imported, project)
    assert alembic(imported, "upgrade", "head", root=project).returncode == 0
    assert run(imported, "SELECT * FROM lead_imports WHERE export = 'second.json'") == second


def test_other_commands_do_not_mind(imported: URL) -> None:
    """What looks, stamps or takes back works on such a database: it is what mends it."""
    run(imported, "TRUNCATE lead_imports CASCADE")
    for command in (
        "current",
        "history",
        "check",
        f"downgrade {IMPORT}",
        "stamp head",
        f"stamp {BEFORE_IMPORT}",
    ):
        done = alembic(imported, *command.split())
        assert done.returncode == 0, f"{command}: {done.stdout}"


@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
def test_a_revision_that_this_code_does_not_know_is_named(command: str, imported: URL) -> None:
    """As after a deploy of an older release; without a traceback."""
    run(imported, "UPDATE alembic_version SET version_num = '9999_future'")
    refused = alembic(imported, command, "head" if command == "upgrade" else "base")
    assert refused.returncode != 0
    assert "9999_future" in refused.stdout
    assert "Traceback" not in refused.stdout

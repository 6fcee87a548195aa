"""Alembic's own commands for writing revisions: revision, autogenerate, merge, downgrade."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from tests.support.bundled import IMPORT, records
from tests.support.database import run, shown, value
from tests.support.exports import written
from tests.support.projects import copy_project, migrations
from tests.support.released import REPOSITORY
from tests.support.upgrades import alembic

UNREACHABLE = {"DATABASE_URL": "postgres://u@nowhere.invalid/db"}
"""Every connection fails."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the project as released up to the bundled import."""
    return copy_project(tmp_path)


def succeed(project: Path, url: URL | None, *arguments: str) -> str:
    """Run ``alembic`` in a project, on a database or without one, and expect it to succeed."""
    told = alembic(url, *arguments, root=project, **({} if url is not None else UNREACHABLE))
    assert told.returncode == 0, told.stdout
    return told.stdout


def revisions(project: Path) -> list[Path]:
    """List the files after the bundled import's, sorted by name."""
    files = (project / "migrations" / "versions").glob("*.py")
    return sorted(path for path in files if path.stem > IMPORT)


def branch(project: Path, name: str, sql: str = "SELECT 1") -> None:
    """Write a revision on a branch from the bundled import."""
    (project / "migrations" / "versions" / f"{name}.py").write_text(
        f'"""{name}."""\n\nfrom alembic import op\n\n'
        f'revision = "{name}"\ndown_revision = "{IMPORT}"\n\n\n'
        f'def upgrade():\n    op.execute("{sql}")\n\n\ndef downgrade():\n    pass\n'
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["-x", "dryrun", "upgrade", "head"],
        ["-x", "dryrun", "upgrade", "head", "--sql"],
        ["upgrade", "nowhere"],
        ["-q", "upgrade", "nowhere"],
    ],
)
def test_alembic_says_once_why_it_failed(arguments: list[str], database: URL) -> None:
    """It goes to the log with the time, and never into a script."""
    told = alembic(database, *arguments)
    assert told.returncode == 255
    said = [line for line in told.stdout.splitlines() if "nowhere" in line or "dryrun" in line]
    assert len(said) == 1, told.stdout
    assert " ERROR " in said[0]


def test_a_new_revision_is_numbered_and_needs_no_database(project: Path) -> None:
    """Its number and message make its id and its file's name."""
    succeed(project, None, "revision", "-m", "Add a column!")
    (path,) = revisions(project)
    assert path.name == "0005_add_a_column.py"
    assert 'revision = "0005_add_a_column"' in path.read_text()
    assert f'down_revision = "{IMPORT}"' in path.read_text()


def test_a_revision_that_is_not_written_yet_is_no_traceback(project: Path, database: URL) -> None:
    """What comes before it stays, and the last line says what to do."""
    succeed(project, None, "revision", "-m", "add a column")
    refused = alembic(database, "upgrade", "head", root=project)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stdout
    assert "The revision is not written yet" in refused.stdout.splitlines()[-1]
    assert value(database, "SELECT version_num FROM alembic_version") == IMPORT


@pytest.mark.parametrize(
    "step", ["op.execute('COMMIT')", "with op.get_context().autocommit_block(): op.execute('')"]
)
def test_a_dry_run_stops_at_a_revision_that_commits(
    step: str, project: Path, database: URL
) -> None:
    """What came before it in the same transaction would be saved."""
    branch(project, "0005_mine")
    with (project / "migrations" / "versions" / "0005_mine.py").open("a") as revision:
        revision.write(f"\n\ndef upgrade():\n    {step}\n")
    refused = alembic(database, "-x", "dry-run", "upgrade", "head", root=project)
    assert refused.returncode != 0
    assert "This revision commits by itself" in refused.stdout.splitlines()[-1]
    assert value(database, "SELECT to_regclass('leads')") is None
    succeed(project, database, "-x", "dry-run", "upgrade", IMPORT)


def test_an_alembic_ini_needs_no_logging(project: Path, database: URL) -> None:
    """Then Alembic itself says why it failed."""
    (project / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    succeed(project, database, "upgrade", "head")
    assert "FAILED: Can't locate" in alembic(database, "upgrade", "nowhere", root=project).stdout


def test_a_url_in_alembic_ini_is_for_our_commands_too(project: Path, database: URL) -> None:
    """They look at the database that Alembic upgrades, whatever the environment says."""
    ini, url = project / "alembic.ini", shown(database).replace("%", "%%")
    ini.write_text(ini.read_text().replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {url}\n"))
    succeed(project, None, "upgrade", IMPORT)
    told = migrations(project, "verify", url=make_url(UNREACHABLE["DATABASE_URL"]))
    assert told.returncode == 0, told.stderr


def test_an_id_that_was_asked_for_is_taken(project: Path) -> None:
    """``--rev-id`` wins over the number."""
    succeed(project, None, "revision", "-m", "by hand", "--rev-id", "0042_by_hand")
    assert [path.name for path in revisions(project)] == ["0042_by_hand.py"]


def test_labels_and_dependencies_are_written(project: Path) -> None:
    """Alembic refuses them if a template has no room for them."""
    succeed(
        project, None, "revision", "-m", "apart", "--branch-label", "apart", "--depends-on", IMPORT
    )
    whole = revisions(project)[0].read_text()
    assert 'branch_labels = "apart"' in whole
    assert f'depends_on = "{IMPORT}"' in whole


def test_an_export_and_a_column_share_one_row_of_numbers(project: Path, tmp_path: Path) -> None:
    """``python -m migrations add`` continues the numbers of ``alembic revision``, and the other
    way."""
    export = written([records()[0] | {"full_name": "New"}], tmp_path, "october_leads.json")
    succeed(project, None, "revision", "-m", "add a column")
    added = migrations(project, "add", str(export), "-m", "import october leads")
    assert added.returncode == 0, added.stderr
    succeed(project, None, "revision", "-m", "drop a column")
    assert [path.stem for path in revisions(project)] == [
        "0005_add_a_column",
        "0006_import_october_leads",
        "0007_drop_a_column",
    ]


def test_history_needs_no_database_unless_it_marks_the_current_one(
    project: Path, database: URL
) -> None:
    """The chain is in the files, and the stamp is in the database."""
    assert IMPORT in succeed(project, None, "history")
    succeed(project, database, "stamp", IMPORT)
    assert f"{IMPORT} (head) (current)" in succeed(project, database, "history", "-i")
    assert alembic(None, "history", "-i", root=project, **UNREACHABLE).returncode != 0


def test_an_autogenerated_revision_runs_both_ways(project: Path, database: URL) -> None:
    """It adds a column and a table with a type of Postgres' own, and then nothing is left to do."""
    succeed(project, database, "upgrade", "head")
    models = project / "models.py"
    models.write_text(
        models.read_text().replace(
            '    __tablename__ = "settings"\n',
            '    __tablename__ = "settings"\n\n    note: Mapped[Words | None]\n',
        )
        + '\n\nclass Call(Base):\n    """A call."""\n\n    __tablename__ = "calls"\n\n'
        "    id: Mapped[Number] = mapped_column(Identity(), primary_key=True)\n"
        "    data: Mapped[Json]\n"
    )
    succeed(project, database, "revision", "--autogenerate", "-m", "calls and notes")
    (path,) = revisions(project)
    assert path.name == "0005_calls_and_notes.py"
    succeed(project, database, "upgrade", "head")
    run(database, "INSERT INTO calls (data) VALUES ('{}')")
    assert run(database, "SELECT note FROM settings") == []
    assert "No new upgrade operations" in succeed(project, database, "check")
    succeed(project, database, "downgrade", "-1")
    assert value(database, "SELECT to_regclass('calls')") is None


def test_autogenerate_leaves_tables_alone_that_the_models_do_not_know(
    project: Path, database: URL
) -> None:
    """Keep the application's other tables."""
    succeed(project, database, "upgrade", "head")
    run(database, "CREATE TABLE invoices (id bigint PRIMARY KEY, lead_id bigint)")
    run(database, "CREATE INDEX invoices_lead_id ON invoices (lead_id)")
    assert "No new upgrade operations" in succeed(project, database, "check")
    succeed(project, database, "revision", "--autogenerate", "-m", "nothing")
    assert "invoices" not in revisions(project)[0].read_text()


def test_written_revisions_pass_the_projects_lint(project: Path) -> None:
    """The template already writes revisions and merges as ruff formats them."""
    succeed(project, None, "revision", "-m", "add a column")
    branch(project, "0005_other")
    succeed(project, None, "merge", "heads", "-m", "join both")
    config = ["--config", str(REPOSITORY / "pyproject.toml")]
    paths = [str(path) for path in revisions(project) if path.stem != "0005_other"]
    paths += map(str, merges(project))
    for check in (["check", *config], ["format", "--check", *config]):
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *check, *paths], check=False, capture_output=True
        )
        assert ruff.returncode == 0, ruff.stdout


def merges(project: Path) -> list[Path]:
    """List the files with two parents."""
    files = (project / "migrations" / "versions").glob("*.py")
    return [path for path in files if "down_revision = (" in path.read_text()]


@pytest.fixture
def merged(project: Path) -> str:
    """Merge two branches under an id that begins with a digit, as Alembic's own may."""
    branch(project, "0005_mine", "CREATE TABLE mine ()")
    branch(project, "0005_theirs", "CREATE TABLE theirs ()")
    succeed(project, None, "merge", "heads", "-m", "join both", "--rev-id", "97531ea0")
    return "97531ea0"


def test_a_merge_needs_no_database_and_runs(project: Path, merged: str, database: URL) -> None:
    """Both branches are in, and one head is left."""
    succeed(project, database, "upgrade", "head")
    assert run(database, "SELECT version_num FROM alembic_version") == [(merged,)]
    assert value(database, "SELECT to_regclass('mine') IS NOT NULL")
    assert value(database, "SELECT to_regclass('theirs') IS NOT NULL")


def test_the_number_after_a_merge_is_the_next_one(project: Path, merged: str) -> None:
    """A merge's id is no number, even if it begins with a digit."""
    succeed(project, None, "revision", "-m", "go on")
    path = project / "migrations" / "versions" / "0006_go_on.py"
    assert f'down_revision = "{merged}"' in path.read_text()


def test_a_merge_without_an_id_has_alembics_own(project: Path) -> None:
    """It is not one of our numbers, so nothing is counted twice."""
    branch(project, "0005_mine")
    branch(project, "0005_theirs")
    succeed(project, None, "merge", "heads")
    (merge,) = merges(project)
    assert re.fullmatch(r"[0-9a-f]{12}", merge.stem)


def test_a_step_back_from_a_merge_is_explained(project: Path, merged: str, database: URL) -> None:
    """The message names the merge and its branches, and its command works."""
    succeed(project, database, "upgrade", "head")
    refused = alembic(database, "downgrade", "-1", root=project)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stdout
    assert f"{merged} merges 0005_mine and 0005_theirs" in refused.stdout
    command = re.search(r"'alembic (downgrade \S+)'", refused.stdout)
    assert command
    succeed(project, database, *command[1].split())
    assert {row[0] for row in run(database, "SELECT version_num FROM alembic_version")} == {
        "0005_mine",
        "0005_theirs",
    }

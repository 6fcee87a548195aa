"""``python -m migrations``: the next export is one command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.bundled import BEFORE_IMPORT, IMPORT, ROOT, records
from tests.support.database import run
from tests.support.exports import written
from tests.support.projects import copy_project, migrations
from tests.support.upgrades import alembic


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the repository has released up to the bundled import."""
    return copy_project(tmp_path)


@pytest.fixture
def october(tmp_path: Path) -> Path:
    """Another export: a known lead under another name, and one that is new."""
    known, new = records()[:2]
    new = new | {"phone": "07700 900999 ext. 77", "full_name": "New In October"}
    return written(
        [known | {"full_name": "Renamed In October"}, new], tmp_path, "october_leads.json"
    )


def test_an_added_export_is_imported_by_the_next_upgrade(
    project: Path, october: Path, database: URL
) -> None:
    """Checked, copied, a revision written; after the upgrade both imports are in the ledger."""
    added = migrations(project, "add", str(october), "-m", "import october leads")
    assert added.returncode == 0, added.stderr
    assert "Next:" in added.stdout
    revision = project / "migrations" / "versions" / "0005_import_october_leads.py"
    assert f'down_revision = "{IMPORT}"' in revision.read_text()
    assert len(revision.read_text().splitlines()) < 40
    assert (project / "data" / october.name).read_bytes() == october.read_bytes()
    upgraded = alembic(database, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    ledger = run(
        database, "SELECT revision, export, created, updated FROM lead_imports ORDER BY id"
    )
    assert [tuple(row) for row in ledger] == [
        (IMPORT, "production_leads_export.json", len(records()), 0),
        ("0005_import_october_leads", "october_leads.json", 1, 1),
    ]


def test_an_added_revision_passes_the_projects_lint(project: Path, october: Path) -> None:
    """The template writes what ruff would have written."""
    assert migrations(project, "add", str(october), "-m", "import october leads").returncode == 0
    config = ["--config", str(ROOT / "pyproject.toml")]
    revision = str(project / "migrations" / "versions" / "0005_import_october_leads.py")
    for check in (["check", *config], ["format", "--check", *config]):
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *check, revision], check=False, capture_output=True
        )
        assert ruff.returncode == 0, ruff.stdout


def test_a_bad_export_is_not_added(project: Path, tmp_path: Path) -> None:
    """Its problems are listed, and nothing is written."""
    bad = written([records()[0] | {"phone": "none"}], tmp_path, "bad.json")
    refused = migrations(project, "add", str(bad), "-m", "import bad leads")
    assert refused.returncode == 1
    assert "record 1, phone: is not one phone number" in refused.stderr
    assert not (project / "data" / "bad.json").exists()
    assert not list((project / "migrations" / "versions").glob("0005*"))


def test_an_export_that_is_imported_already_is_not_added(project: Path) -> None:
    """The same bytes under another name would be the same import."""
    refused = migrations(
        project, "add", str(ROOT / "data" / "production_leads_export.json"), "-m", "once more"
    )
    assert refused.returncode == 1
    assert IMPORT in refused.stderr


def test_an_export_never_takes_another_ones_place(project: Path, october: Path) -> None:
    """A file of that name in data/ with other bytes is left alone."""
    (project / "data" / october.name).write_bytes(
        (ROOT / "data" / "production_leads_export.json").read_bytes()
    )
    refused = migrations(project, "add", str(october), "-m", "import october leads")
    assert refused.returncode == 1
    assert "is another file" in refused.stderr


def test_a_folder_that_takes_no_file_is_one_sentence(project: Path, october: Path) -> None:
    """Which file, and why not."""
    (project / "data" / ".october_leads.json.partial").mkdir()
    refused = migrations(project, "add", str(october), "-m", "import october leads")
    assert refused.returncode == 1
    assert ".october_leads.json.partial: Is a directory. Fix this" in refused.stderr


@pytest.mark.parametrize("message", ["", "!!", 'say "it"'])
def test_a_message_that_makes_no_file_name_is_refused(
    message: str, project: Path, october: Path
) -> None:
    """Nothing is written for it."""
    refused = migrations(project, "add", str(october), "-m", message)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert not (project / "data" / october.name).exists()


def test_check_tells_digest_and_number_of_records(project: Path, october: Path) -> None:
    """For people in words, for machines as JSON; no database is needed."""
    told = migrations(project, "check", str(october))
    assert told.returncode == 0
    assert "october_leads.json: 2 records, no problems." in told.stdout
    found = json.loads(migrations(project, "check", "--json", str(october)).stdout)
    assert found["records"] == 2
    assert found["sha256"] in told.stdout
    assert found["problems"] == []


def test_check_lists_problems_for_machines_too(project: Path, tmp_path: Path) -> None:
    """Exit status 1, position and field of each problem, no value."""
    bad = written([records()[0] | {"phone": "none"}, records()[1] | {"notes": None}], tmp_path)
    told = migrations(project, "check", "--json", str(bad))
    assert told.returncode == 1
    found = json.loads(told.stdout)
    assert [(problem["record"], problem["field"]) for problem in found["problems"]] == [
        (1, "phone"),
        (2, "notes"),
    ]
    assert found["total"] == 2


def test_the_chain_names_revisions_that_fit_alembics_column() -> None:
    """Revision ids stay within the 32 characters of alembic_version."""
    names = [path.stem for path in (ROOT / "migrations" / "versions").glob("*.py")]
    assert {IMPORT, BEFORE_IMPORT} <= set(names)
    assert all(len(name) <= 32 for name in names)

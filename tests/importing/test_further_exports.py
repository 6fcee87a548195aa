"""Exports added after the bundled one, or in its place: all are imported, and the tests still
pass."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.bundled import records
from tests.support.exports import written
from tests.support.projects import migrations
from tests.support.released import COPY, REPOSITORY
from tests.support.sealed import new_key, public
from tests.support.upgrades import alembic

CORE = [
    "tests/importing/test_further_exports.py::test_the_whole_chain_ends_as_verify_wants_it",
    "tests/importing/test_interrupted.py::test_a_killed_import_resumes_to_the_same_end",
    "tests/commands/test_status.py::test_machines_get_all_of_it",
    "tests/commands/test_verify.py::test_leads_as_imported_are_right",
    "tests/commands/test_preview.py::test_machines_get_one_object_and_no_personal_data",
    "tests/deploying/test_script.py::test_a_script_imports_as_an_upgrade_does",
    "tests/faults/test_dumped.py",
    "tests/preview/test_preview.py::test_a_dry_run_prints_its_figures_and_no_lead",
    "tests/rules/test_export_checks.py::test_bundled_export_passes",
    "tests/reverting/test_interrupted.py::test_two_imports_are_reverted_one_after_the_other",
]
"""From each folder, tests a second import would break."""


def test_the_whole_chain_ends_as_verify_wants_it(database: URL) -> None:
    """Start from an empty database and import every export in this repository."""
    twins = any((REPOSITORY / "data").glob("*.masked.json"))
    people = {"LEADS_PEOPLE": "invented"} if twins else {}
    upgraded = alembic(database, "upgrade", "head", root=REPOSITORY, **people)
    assert upgraded.returncode == 0, upgraded.stdout
    verified = migrations(REPOSITORY, "verify", url=database)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("purpose", [("-m", "import further leads"), ("--replace",)], ids=" ".join)
def test_the_tests_pass_after_an_export_was_added(
    purpose: tuple[str, ...], postgres_server: URL, tmp_path: Path
) -> None:
    """Seal an export in a copy of the repository and run the tests there."""
    repository = shutil.copytree(REPOSITORY, tmp_path / "repository", ignore=_what_git_ignores)
    known, new = records()[:2]
    further = [known | {"full_name": "Renamed"}, new | {"phone": "07700 900999 ext. 77"}]
    path = written(further, tmp_path, "further_leads.json")
    (repository / "data" / "recipients.txt").write_text(public(new_key()), encoding="utf-8")
    added = migrations(repository, "add", str(path), *purpose)
    assert added.returncode == 0, added.stderr
    tests = _run_tests(repository, postgres_server)
    assert tests.returncode == 0, tests.stdout
    assert "passed" in tests.stdout


_what_git_ignores = shutil.ignore_patterns(".*", "*.egg-info")


def _run_tests(repository: Path, server: URL) -> subprocess.CompletedProcess[str]:
    """Run the core of the tests on the same server, one by one."""
    environ = {
        name: value for name, value in os.environ.items() if "XDIST" not in name and name != COPY
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *CORE],
        check=False,
        cwd=repository,
        env={**environ, "TEST_POSTGRES": server.render_as_string(hide_password=False)},
        capture_output=True,
        text=True,
        timeout=300,
    )

"""What works on a system without Unix's own modules, such as Windows.

Each command runs in a process without these modules and functions.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.bundled import BEFORE_IMPORT, EXPORT, ROOT, records
from tests.support.database import run, shown

NOT_ON_WINDOWS = """
import asyncio, os, runpy, signal, sys  # asyncio needs some of what goes
for module in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[module] = None
for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "chown", "fchmod", "fork", "getegid",
             "geteuid", "getuid", "sched_yield", "set_blocking", "sysconf", "uname"):
    delattr(os, name)
del signal.SIGKILL, signal.SIGQUIT
module, *arguments = sys.argv[1:]
sys.argv[1:] = arguments
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def on_windows(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m …`` without them."""
    return subprocess.run(
        [sys.executable, "-c", NOT_ON_WINDOWS, *arguments],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | environ,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["check", str(EXPORT)]])
def test_what_needs_no_database_runs(arguments: list[str]) -> None:
    """Show help and check an export."""
    told = on_windows("migrations", *arguments)
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("command", ["status", "verify"])
def test_what_reads_a_database_runs(command: str, crm: URL) -> None:
    """Read the database in DATABASE_URL, where verify finds a pending import."""
    told = on_windows("migrations", command, DATABASE_URL=shown(crm))
    assert told.returncode == (command == "verify"), told.stderr
    assert "Traceback" not in told.stderr
    assert EXPORT.name in told.stdout


def test_an_upgrade_runs(crm: URL) -> None:
    """Signals, pauses and the export's file work the same."""
    told = on_windows("alembic", "upgrade", "head", DATABASE_URL=shown(crm))
    assert told.returncode == 0, told.stderr
    assert run(crm, "SELECT count(*) FROM leads")[0][0] == len(records())


def test_a_preview_its_page_and_a_script_are_written(crm: URL, tmp_path: Path) -> None:
    """Their files are private if the system supports it."""
    page = tmp_path / "preview.html"
    told = on_windows("migrations", "preview", "--html", str(page), DATABASE_URL=shown(crm))
    assert told.returncode == 0, told.stderr
    assert EXPORT.name in page.read_text(encoding="utf-8")
    script = on_windows("alembic", "upgrade", f"{BEFORE_IMPORT}:head", "--sql")
    assert script.returncode == 0, script.stderr
    assert "COPY lead_import_stage" in script.stdout


@pytest.mark.skipif(not shutil.which("psql"), reason="psql is not installed")
def test_psql_is_opened(database: URL) -> None:
    """Open the system's own psql."""
    options = ("-At", "--command", "SELECT 7")
    told = on_windows(
        "migrations.deploy.psql", *options, DATABASE_URL=shown(database), PATH=os.environ["PATH"]
    )
    assert (told.returncode, told.stdout) == (0, "7\n"), told.stderr


def test_a_link_is_no_export_there_either(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without the system's help, look at the path before opening it."""
    link = tmp_path_factory.mktemp("links") / "export.json"
    link.symlink_to(EXPORT)
    told = on_windows("migrations", "check", str(link))
    assert told.returncode == 1
    assert "is a symbolic link" in told.stderr


def test_the_local_postgres_is_refused_by_name() -> None:
    """The message says what is missing and what to do instead."""
    told = on_windows("migrations", "status")
    assert told.returncode == 1
    assert told.stderr == (
        "DATABASE_URL is not set, and a local Postgres cannot run here: this system has no pwd. "
        "Set DATABASE_URL.\n"
    )

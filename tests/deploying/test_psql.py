"""``make psql`` opens the migrations' database without showing a password."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import URL

from tests.support.bundled import ROOT
from tests.support.database import shown


def psql(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it the way the Makefile does."""
    return subprocess.run(
        [sys.executable, "-m", "migrations.deploy.psql", *options],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=os.environ | environ,
    )  # fmt: skip


def test_it_asks_the_database_of_the_url(database: URL) -> None:
    """Its exit status is psql's."""
    told = psql("-At", "--command", "SELECT current_database()", DATABASE_URL=shown(database))
    assert (told.returncode, told.stdout.strip()) == (0, database.database), told.stderr
    assert psql("--command", "SELECT nothing", DATABASE_URL=shown(database)).returncode == 1


def test_without_one_on_the_path_the_local_postgres_has_one(database: URL, tmp_path: Path) -> None:
    """A newcomer's machine needs no client."""
    told = psql("--version", DATABASE_URL=shown(database), PATH=str(tmp_path))
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("psql (PostgreSQL)")


def test_the_password_is_not_on_the_command_line(tmp_path: Path) -> None:
    """It is in psql's environment, readable by its owner alone."""
    fake = tmp_path / "psql"
    fake.write_text('#!/bin/sh\necho "$@" "password $PGPASSWORD"\n')
    fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    told = psql(DATABASE_URL="postgres://u:se%20cret@host/db?schema=crm", PATH=path)
    arguments, password = told.stdout.split("password ")
    assert password.strip() == "se cret"
    assert "cret" not in arguments
    assert "user=u" in arguments
    assert "search_path" in arguments


def test_a_url_that_does_not_fit_is_one_sentence() -> None:
    """Every other command does the same."""
    told = psql(DATABASE_URL="")
    assert told.returncode == 1
    assert told.stderr == (
        "DATABASE_URL is set, but empty. Give it the database's URL, or unset it.\n"
    )

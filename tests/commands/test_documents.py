"""Run every command that README and docs/ show, in the order of the story they tell."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.database import shown
from tests.support.projects import copy_project
from tests.support.released import REPOSITORY
from tests.support.servers import tool

DOCUMENTS = [
    document
    for document in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    if document.name != "when-it-fails.md"  # deploying/test_when_it_fails.py runs those
]
SHOWN = re.compile(r"(?:make|alembic|python|psql) \S.*")
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IN_A_LINE = re.compile(r"`([^`\n]+)`")

BUNDLED = "production_leads_export.json: "

EXPORT = "Full name,Mobile,Status,Created\n{},{},new,2026-10-01T09:00:00Z\n"

NEW_CRM = """
    python data/make_export.py --leads 217 --seed 1 --out data/production_leads_export.json
    make import
    make import
    make psql SQL="SELECT count(*) FROM leads"
    python -m migrations status
    python -m migrations verify
    python -m migrations preview
    alembic upgrade head
    alembic -x dry-run downgrade -1
    alembic downgrade -1
    python -m migrations preview --html preview.html
    alembic -x dry-run upgrade head
    alembic -x batch-size=200 upgrade head
    alembic -x remove-created downgrade -1
    alembic downgrade 0003_ledger
    alembic downgrade base
    alembic -x new-crm upgrade head
    python -m migrations forget --older-than 90d --dry-run
    python -m migrations forget --older-than 90d
"""
FURTHER_EXPORTS = """
    python -m migrations check ~/Downloads/hubspot.csv
    python -m migrations check ~/Downloads/hubspot.csv --fix-sheet fixes.csv
    python -m migrations add ~/Downloads/hubspot.csv -m "import hubspot"
    make check
    python -m migrations --version
    python -m migrations keygen > leads.key
    grep -o 'age1.*' leads.key > data/recipients.txt
    export LEADS_AGE_KEY_FILE=leads.key
    python -m migrations mask 0005_import_hubspot
    python -m migrations add october.csv -m "import october leads"
    python -m migrations keygen > new.key
    grep -o 'age1.*' new.key >> data/recipients.txt
    python -m migrations reseal
    export LEADS_PEOPLE=invented
    alembic upgrade head
    python -m migrations lead 1
    python -m migrations forget --lead 1
"""
EXISTING_CRM = """
    psql -c 'CREATE TABLE leads_lead (id serial PRIMARY KEY, full_name text, phone text)'
    python -m migrations adopt leads_lead
    python -m migrations adopt
"""
SCRIPT = """
    alembic upgrade head --sql > import.sql
    psql -v ON_ERROR_STOP=1 -f import.sql
"""
STORIES = {
    "a new CRM": NEW_CRM,
    "further exports": FURTHER_EXPORTS,
    "an existing CRM": EXISTING_CRM,
    "a script": SCRIPT,
}
ELSEWHERE = {
    "make test": "tests/README.md",
    "make bench": "tests/performance/test_benchmarks.py",
    "make bench-site": "tests/performance/test_benchmarks.py",
    "python -m migrations add october.csv --replace": "tests/commands/test_add.py",
    "alembic -x remove-created downgrade 0004_import_production_leads-1": (
        "tests/deploying/test_when_it_fails.py"
    ),
    "alembic stamp REVISION": "tests/deploying/test_incomplete.py",
    "python -m migrations add ~/Downloads/hubspot.csv --replace": "tests/commands/test_add.py",
    "python manage.py migrate && alembic upgrade head": "tests/adopting/test_beside_other_tools.py",
    "python manage.py migrate leads 0001 && alembic upgrade 0004_import_production_leads": (
        "tests/adopting/test_beside_other_tools.py"
    ),
    "alembic upgrade head && alembic -c imports/alembic.ini upgrade head": (
        "tests/adopting/test_beside_other_tools.py"
    ),
}
"""Commands that other tests run."""

ON_A_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""

FILLED_IN = {"FILE": r"\S+", "REVISION": r"\S+", "PHONE": r"\d+", "ID": r"\d+"}
"""What stands for something else in a command, and what may take its place."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_each_command_that_a_document_shows_is_run(document: Path) -> None:
    """Here, or by the test that is named."""
    told = [line.strip() for story in STORIES.values() for line in story.splitlines()]
    unknown = [
        command
        for command in commands_of(document)
        if command not in ELSEWHERE and not any(is_shown(command, line) for line in told)
    ]
    assert unknown == []


def commands_of(document: Path) -> Iterator[str]:
    """Yield the commands that a document shows, in blocks and within lines."""
    text = document.read_text(encoding="utf-8")
    lines = "\n".join(BLOCK.findall(text)).splitlines()
    for found in [*lines, *IN_A_LINE.findall(BLOCK.sub("", text))]:
        command = re.split(r"  +#", found)[0].strip()
        if SHOWN.fullmatch(command) and "…" not in command:
            yield command


def outputs() -> Iterator[str]:
    """Yield the lines about the bundled import that the documents show as its output."""
    for document in DOCUMENTS:
        for block in BLOCK.findall(document.read_text(encoding="utf-8")):
            yield from (line for line in block.splitlines() if line.startswith(BUNDLED))


def is_shown(command: str, line: str) -> bool:
    """Tell whether a line runs a command. A command without its arguments names it."""
    words = [FILLED_IN.get(word, re.escape(word)) for word in command.split(" ")]
    return re.match(" ".join(words) + "(?: |$)", line) is not None


@pytest.mark.parametrize("story", STORIES)
def test_each_command_of_a_story_ends_well(story: str, database: URL, tmp_path: Path) -> None:
    """Typed one after the other, on a terminal, by somebody who agrees."""
    project = copy_project(tmp_path)
    prepare(project, database)
    done = subprocess.run(
        [sys.executable, "-c", ON_A_TERMINAL, "bash", "-exc", STORIES[story]],
        check=False,
        cwd=project,
        env=environment(project, database),
        input="y\n" * 4,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    if story == "a new CRM":
        for line in outputs():
            assert re.search(re.escape(line).replace("…", ".*"), done.stdout), line


def prepare(project: Path, url: URL) -> None:
    """Give a project what a clone has after ``make``, and files to import."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(REPOSITORY / name, project)
    programs = project / ".venv" / "bin"
    programs.mkdir(parents=True)
    for program in ("python", "alembic"):
        called = f'#!/bin/sh\nexec "{Path(sys.executable).parent / program}" "$@"\n'
        (programs / program).write_text(called)
        (programs / program).chmod(0o700)
    (programs / "psql").symlink_to(tool("psql", url))
    (programs / "installed").touch()
    (project.parent / "Downloads").mkdir()
    for place, name, phone in (
        (project.parent / "Downloads" / "hubspot.csv", "Ann Example", "07700 900321"),
        (project / "october.csv", "Bea Example", "07700 900322"),
    ):
        place.write_text(EXPORT.format(name, phone))


def environment(project: Path, url: URL) -> dict[str, str]:
    """Return what a terminal in a project has."""
    host = url.query.get("host") or url.host
    return {
        **os.environ,
        "PATH": f"{project / '.venv' / 'bin'}:{os.environ['PATH']}",
        "HOME": str(project.parent),
        "PAGER": "cat",
        "DATABASE_URL": shown(url),
        "PGHOST": str(host),
        "PGPORT": str(url.port or 5432),
        "PGUSER": str(url.username),
        "PGPASSWORD": str(url.password or ""),
        "PGDATABASE": str(url.database),
    }

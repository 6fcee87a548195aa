"""Every command as a process: Ctrl-C, streams that are closed or full, a mistake in the
declaration."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations import __main__ as commands
from migrations.deploy.stop import Interrupted
from migrations.starting import Heard, prepare_process
from tests.support.bundled import EXPORT, ROOT
from tests.support.database import shown, value
from tests.support.projects import copy_project, migrations
from tests.support.upgrades import alembic

CHECK = f"{sys.executable} -m migrations check '{EXPORT}'"
FULL = "Standard output: No space left on device. Fix this and try again.\n"
CLOSED = "Standard output is closed. Open it and try again.\n"


@pytest.mark.parametrize(
    ("streams", "status", "said"),
    [
        (">&-", 1, CLOSED),
        (">&- 2>&-", 1, ""),
        (">/dev/full", 1, FULL),
        (">/dev/full 2>/dev/full", 1, ""),
        (">/dev/null 2>&-", 0, ""),
        ("2>/dev/full | true", 0, ""),
    ],
)
def test_a_stream_that_cannot_be_written_is_told_in_a_sentence(
    streams: str, status: int, said: str
) -> None:
    """Where there is one left to tell it on, and whether Python keeps what it could not write."""
    for unbuffered in ("", "1"):
        told = subprocess.run(
            f"{CHECK} {streams}", shell=True, check=False, capture_output=True, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
        assert (told.returncode, told.stderr) == (status, said)


def test_the_log_of_a_deploy_says_what_it_does_alone(database: URL) -> None:
    """Each revision and the result, without how Alembic is set up."""
    told = alembic(database, "upgrade", "head")
    lines = [line.split(maxsplit=2)[-1] for line in told.stdout.splitlines()]
    assert [line for line in lines if line.startswith("Running upgrade")] != []
    assert [line for line in lines if line.startswith(("Context impl", "Will assume"))] == []


def test_what_cannot_be_printed_is_told_in_a_sentence(crm: URL) -> None:
    """By Alembic as it tells everything; what it prints itself goes nowhere."""
    for arguments, status in (
        ("-x dry-run upgrade head >/dev/full", 255),
        ("-x dry-run upgrade head >&-", 255),
        ("upgrade head --sql >&-", 255),
        ("current >&-", 0),
    ):
        told = subprocess.run(
            f"{sys.executable} -m alembic {arguments}", shell=True, check=False,
            stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "DATABASE_URL": shown(crm)},
        )  # fmt: skip
        assert told.returncode == status, told.stderr
        assert "Traceback" not in told.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_log_that_cannot_be_written_fails_no_deploy(crm: URL, unbuffered: str) -> None:
    """Such as one on a full disk: the leads are in, and the exit status says so."""
    for program in ("alembic upgrade head", "migrations verify"):
        told = subprocess.run(
            f"{sys.executable} -m {program} >/dev/null 2>/dev/full", shell=True, check=False,
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": shown(crm), "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
        assert told.returncode == 0
    assert value(crm, "SELECT count(*) FROM leads") == 217


def test_ctrl_c_while_python_imports_ends_it_in_a_sentence() -> None:
    """It is heard as soon as everything is there."""
    command = [*CHECK.split()]
    environ = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environ
    ) as process:
        assert process.stderr
        while "migrations.starting" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        lines = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert [line for line in lines if not line.startswith("import time")] == ["Stopped by Ctrl-C."]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Signals of this process, as the commands hear them."""
    heard = Heard(signal.SIGINT)
    monkeypatch.setattr(commands, "HEARD", heard)
    yield heard
    heard.release()


@pytest.mark.parametrize("raised", [None, ValueError("of a library"), Interrupted("Told.")])
def test_whatever_comes_of_ctrl_c_is_told_in_a_sentence(
    raised: Exception | None,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A library may make an error of its own of it, and Alembic has stopped between batches."""

    def run(_: object) -> int:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise (raised or KeyboardInterrupt) from None
        return 0

    monkeypatch.setattr("migrations.commands.check.run", run)
    assert commands.main(["check", "FILE"]) == 130
    assert capsys.readouterr().err in ("Stopped by Ctrl-C.\n", "Told.\n")


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("LEADS = Leeds('leads')", "NameError: name 'Leeds' is not defined"),
        ("LEADS = Leads(", "SyntaxError: '(' was never closed"),
    ],
)
def test_a_mistake_in_the_declaration_is_told_by_its_line(
    mistake: str, told: str, tmp_path: Path
) -> None:
    """As a sentence, by each command and by Alembic."""
    project = copy_project(tmp_path)
    path = project / "migrations" / "crm.py"
    path.write_text(f"from migrations.importer.v1 import Leads\n{mistake}\n", encoding="utf-8")
    said = f"migrations/crm.py, line 2: {told}"
    assert migrations(project, "status").stderr.startswith(said)
    deployed = alembic(None, "upgrade", "head", root=project, DATABASE_URL="postgresql://nobody")
    assert deployed.returncode == 255
    assert said in deployed.stdout
    assert "Traceback" not in deployed.stdout


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("LEEDS = Leads('leads', phone='phone')", "LEADS"),
        ("LEADS = Leads('leads', phone='phone'),", "migrations/crm.py declares a tuple, expected"),
    ],
    ids=["another name", "a comma"],
)
@pytest.mark.parametrize("command", ["status", "adopt"])
def test_a_declaration_that_is_none_is_told(
    mistake: str, told: str, command: str, tmp_path: Path
) -> None:
    """As a sentence, by each command and by Alembic."""
    project = copy_project(tmp_path)
    path = project / "migrations" / "crm.py"
    path.write_text(f"from migrations.importer.v1 import Leads\n{mistake}\n", encoding="utf-8")
    said = migrations(project, command)
    assert (said.returncode, told in said.stderr, "Traceback" in said.stderr) == (1, True, False)
    deployed = alembic(None, "upgrade", "head", root=project, DATABASE_URL="postgresql://nobody")
    assert deployed.returncode == 255
    assert told in deployed.stdout
    assert "Traceback" not in deployed.stdout


def test_no_crash_writes_people_to_a_disk() -> None:
    """A core dump would hold the export."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        prepare_process()
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)

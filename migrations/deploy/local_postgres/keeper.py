"""Start a local Postgres for a process, and stop it when the process ends.

It is a program of its own. It uses the standard library alone, so it starts at once:

    python -m migrations.deploy.local_postgres.keeper FD SERVER

FD is the users' file: keeper and process share its lock. SERVER is a `Server` as JSON. The keeper
prints what is wrong, or null once the server answers.
"""

import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from migrations.deploy.local_postgres.locks import take, unlock
from migrations.deploy.local_postgres.places import (
    ROOTS_PLACE,
    EmbeddedPostgresError,
    account,
    is_root,
    owned,
)
from migrations.deploy.local_postgres.server import PORT, Server

__all__ = ["keep_running"]

START_SECONDS, STOP_SECONDS = 60, 30


def keep_running(server: Server, users: int) -> None:
    """Start a server, say so, wait for our process to end, and stop the server after its last user.

    users: the descriptor of the users' file.
    """
    _say(_why_not_started(server))
    sys.stdin.read(1)
    unlock(users)  # ours and our process's: it may still be dying
    if take(users):  # nobody else has it, and a newcomer waits until the server is down
        _stop(server)
        with suppress(ChildProcessError):
            os.wait()


def _why_not_started(server: Server) -> str | None:
    try:
        _start(server)
    except Exception as error:  # of any kind, because our process is waiting for an answer
        return str(error) or repr(error)
    return None


def _say(trouble: str | None) -> None:
    with suppress(BrokenPipeError):
        print(json.dumps(trouble), flush=True)


def _start(server: Server) -> None:
    """Start the server, or wait until another keeper's is ready."""
    deadline = time.monotonic() + START_SECONDS
    with open(server.lock, "w") as lock:
        while not take(lock):
            if server.is_ready():
                return
            _wait(server, deadline)
        _initialise(server)
        _launch(server, lock, deadline)


def _initialise(server: Server) -> None:
    """Make the data directory under another name, so that a half-made one is never used."""
    if server.data.exists():
        return
    new = server.data.with_name("data.new")
    shutil.rmtree(new, ignore_errors=True)
    owned(new, 0o700, account()[0])
    with open(server.log, "w") as log:
        if server.run(_initdb(server, new), log).wait():
            raise _error(server, "initdb failed")
    new.rename(server.data)


def _initdb(server: Server, directory: Path) -> list[str]:
    command = ["initdb", "-D", str(directory), "-U", "postgres", "--no-instructions"]
    command += ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C"]
    if server.settings.get("fsync") == "off":
        command += ["--no-sync"]
    if server.version() >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return command


def _launch(server: Server, lock: IO[str], deadline: float) -> None:
    """Start the server itself. It inherits the lock, and holds it while it lives."""
    _clear_socket(server)
    aside = Path(server.home, "postmaster.pid")
    with suppress(FileNotFoundError):
        server.pid_file.rename(aside)
    with open(server.log, "w") as log:
        process = server.run(_postgres(server), log, lock.fileno())
    while not server.is_ready():
        if process.poll() is not None:
            if aside.exists() and not server.pid_file.exists():
                aside.rename(server.pid_file)  # a server started by hand still needs its file
            raise _error(server, "Postgres did not start")
        _wait(server, deadline)


def _clear_socket(server: Server) -> None:
    if is_root():
        owned(ROOTS_PLACE, 0o755)
    for leftover in owned(server.socket, 0o700, account()[0]).iterdir():
        leftover.unlink()


def _postgres(server: Server) -> list[str]:
    defaults = {"timezone": "UTC", "log_timezone": "UTC"}
    fixed = {
        "listen_addresses": "",
        "unix_socket_directories": str(server.socket),
        "port": PORT,
    }
    settings = defaults | server.settings | fixed
    options = [f"--{name}={value}" for name, value in settings.items()]
    return ["postgres", "-D", str(server.data), *options]


def _stop(server: Server) -> None:
    """Stop the server if one lives, and remove what it no longer needs."""
    begun = time.monotonic()
    with open(server.lock, "w") as lock:
        while not take(lock):
            patient = time.monotonic() < begun + STOP_SECONDS
            _signal(server, signal.SIGINT if patient else signal.SIGQUIT)
            _wait(server, begun + 2 * STOP_SECONDS)
    shutil.rmtree(server.socket, ignore_errors=True)
    if not server.keep:
        shutil.rmtree(server.home)


def _signal(server: Server, number: signal.Signals) -> None:
    """Send a signal while the server listens. Only then is the number in its file its own."""
    if server.is_listening():
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(int(server.status()[0]), number)


def _wait(server: Server, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise _error(server, "Postgres does not answer")
    time.sleep(0.02)


def _error(server: Server, fact: str) -> EmbeddedPostgresError:
    """Return an error: the fact, the end of the log, and what to do next."""
    log = server.log.read_text(errors="replace") if server.log.exists() else ""
    told = " | ".join(log.splitlines()[-4:])
    return EmbeddedPostgresError(f"{fact}: {told} Read {server.log}, or set DATABASE_URL.")


if __name__ == "__main__":
    keep_running(Server(**json.loads(sys.argv[2])), int(sys.argv[1]))

"""Servers of our own, for what would disturb the one all tests share, and PgBouncer."""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations.deploy.local_postgres import running
from tests.support.database import value
from tests.support.logs import LOG_ALL, nobody_logged
from tests.support.proxy import reach

__all__ = [
    "own_server",
    "pgbouncer",
    "place_for",
    "small_disk",
    "stop",
    "tool",
    "why_no_pgbouncer",
    "why_no_small_disk",
]


@contextmanager
def own_server(place: Path | None = None) -> Iterator[tuple[Path, URL]]:
    """Run a Postgres writing to its disk, and give its folder and a database's URL."""
    place = place or place_for("server")
    with (
        running(place, durable=True, keep=False, database="crm", settings=LOG_ALL) as url,
        nobody_logged(place / "log"),
    ):
        yield place, url


def stop(url: URL, how: signal.Signals) -> None:
    """Stop a server and wait for its end.

    how: SIGINT, as ``pg_ctl stop -m fast`` does, or SIGQUIT, as ``-m immediate`` does.
    """
    pid = int(Path(value(url, "SHOW data_directory"), "postmaster.pid").read_text().split()[0])
    os.kill(pid, how)
    end = time.monotonic() + 30
    with suppress(ConnectionRefusedError, FileNotFoundError):
        while time.monotonic() < end:
            reach(url).close()
            time.sleep(0.01)


def why_no_small_disk() -> str | None:
    """Return why this machine can make no disk of a chosen size, or None if it can."""
    if os.geteuid() != 0:
        return "only root can mount a small disk"
    try:
        with small_disk(2**20):
            return None
    except subprocess.CalledProcessError:
        return "this machine lets nobody mount a disk"


@contextmanager
def small_disk(size: int) -> Iterator[Path]:
    """Mount a disk of ``size`` bytes in memory. The server's account may write to it."""
    place = place_for("disk")
    place.mkdir()
    try:
        mode = f"size={size},mode=0700,uid={pwd.getpwnam('nobody').pw_uid}"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", mode, "tmpfs", place], check=True, capture_output=True
        )
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True)
    finally:
        place.rmdir()


def why_no_pgbouncer() -> str | None:
    """Return why there is no PgBouncer, or None if there is."""
    return (
        None if _pgbouncer() else "PgBouncer is not installed (Debian: apt-get install pgbouncer)"
    )


@contextmanager
def pgbouncer(url: URL, mode: str) -> Iterator[URL]:
    """Run PgBouncer in front of the server of ``url``, and give the database's URL through it."""
    place = place_for("pgbouncer")
    place.mkdir()
    binary = _pgbouncer()
    assert binary
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    host, server_port = url.query.get("host", url.host), url.query.get("port", url.port) or 5432
    secret = f" password='{url.password}'" if url.password else ""
    (place / "ini").write_text(
        "[databases]\n"
        f"{url.database} = host={host} port={server_port} user={url.username}{secret}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\n"
    )
    account = "nobody" if os.geteuid() == 0 else None
    if account:
        for path in (place, *place.iterdir()):
            shutil.chown(path, account)
    process = subprocess.Popen([binary, place / "ini"], user=account, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield url.set(host="127.0.0.1", port=port, query={})
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(place)


def _pgbouncer() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def place_for(kind: str) -> Path:
    """Return a path every account can reach, short enough for a socket."""
    return Path(tempfile.gettempdir(), f"chaos-{kind}-{os.getpid()}-{secrets.token_hex(4)}")


def _wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise AssertionError("PgBouncer does not listen")


def tool(name: str, url: URL) -> str:
    """Find a program of the server, or of its version, and skip the test if there is none."""
    version = int(value(url, "SHOW server_version_num")) // 10_000
    beside_the_server = Path(
        value(url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'"), name
    )
    for found in filter(None, [shutil.which(beside_the_server), shutil.which(name)]):
        told = subprocess.run(
            [found, "--version"], check=True, capture_output=True, text=True
        ).stdout
        if (number := re.search(r"\d+", told)) and int(number[0]) == version:
            return found
    pytest.skip(f"there is no {name} of version {version}")

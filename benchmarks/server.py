"""Run the server to measure, and make fresh databases on it."""

import os
import platform
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url

from migrations.deploy.local_postgres import binaries, running
from tests.support.database import run, wait_until_alone

__all__ = ["ROOT", "WORK", "Server", "Written", "running_server", "written"]

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".bench"
"""Files you may delete: exports, the project's copy, the embedded server's data."""


@contextmanager
def running_server(url: str | None) -> Iterator["Server"]:
    """Use the server at ``url``, or run a durable embedded one on a Unix socket for a while."""
    if url:
        yield Server(make_url(url).set(drivername="postgresql+psycopg2"), None)
        return
    with running(WORK / "postgres", keep=False, database="postgres") as admin:
        yield Server(admin, binaries())


class Server:
    """Makes databases, and copies of them."""

    def __init__(self, admin: URL, binaries: Path | None) -> None:
        self.admin = admin
        self._binaries = binaries

    def program(self, name: str) -> str:
        """Find a client program: the embedded server's, or the one on the path."""
        return str(self._binaries / name) if self._binaries else name

    @contextmanager
    def database(self, template: URL | None = None) -> Iterator[URL]:
        """Make a database, empty or a copy, and drop it at the end.

        template: nobody may be connected to it. Copying makes a checkpoint and waits for the disk,
        so no earlier writes fall into a measurement.
        """
        Server._made += 1
        name = f"bench_{os.getpid()}_{Server._made}"
        source = template.database if template is not None else "template0"
        run(self.admin, f'CREATE DATABASE {name} TEMPLATE "{source}" STRATEGY FILE_COPY')
        os.sync()
        try:
            yield self.admin.set(database=name)
        finally:
            run(self.admin, f"DROP DATABASE {name} WITH (FORCE)")

    _made = 0

    def tcp_address(self) -> tuple[str, int]:
        """Return host and port for tools without Unix sockets: the server's, or a relay's."""
        if self.admin.host:
            return self.admin.host, self.admin.port or 5432
        if self._relay is None:
            place = self.admin.query
            self._relay = relay(f"{place['host']}/.s.PGSQL.{place.get('port', 5432)}")
        return self._relay

    _relay: tuple[str, int] | None = None

    def describe(self) -> str:
        """Describe server, machine and libraries in one line, without host names."""
        version = run(self.admin, "SELECT split_part(version(), ' on ', 1)")[0][0]
        fsync = run(self.admin, "SHOW fsync")[0][0]
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        where = "embedded, Unix socket, its default settings" if self._binaries else "named by URL"
        return (
            f"{version} ({where}, fsync {fsync}); {platform.system()} {platform.machine()}, "
            f"{os.cpu_count()} cores, {memory:.0f} GB; Python {platform.python_version()}"
        )


def relay(path: str) -> tuple[str, int]:
    """Pass connections on to a Unix socket, as long as this process lives."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.socket(socket.AF_UNIX)
            server.connect(path)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    host, port = listener.getsockname()
    return host, port


@dataclass(frozen=True)
class Written:
    """Writes so far: bytes of write-ahead log, and row versions of leads."""

    wal: int
    versions: int

    def since(self, before: "Written") -> "Written":
        return Written(self.wal - before.wal, self.versions - before.versions)


def written(url: URL) -> Written:
    """Ask how much a server has written. A session's last numbers come when it has ended."""
    wait_until_alone(url)
    found = run(
        url,
        """
        SELECT
            pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal,
            n_tup_ins + n_tup_upd AS versions
        FROM pg_stat_user_tables WHERE relname = 'leads'
        """,
    )[0]
    return Written(found.wal, found.versions)

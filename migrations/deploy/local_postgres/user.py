"""The process's side of a local Postgres: have it run for as long as a block lasts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING

from migrations.deploy.local_postgres.locks import share
from migrations.deploy.local_postgres.places import EmbeddedPostgresError, binaries, home_of
from migrations.deploy.local_postgres.server import PORT, Server

if TYPE_CHECKING:  # the keeper imports this package too, and has no library
    from sqlalchemy import URL

__all__ = ["running"]

ROOT = Path(__file__).parents[3]
KEEPER = "migrations.deploy.local_postgres.keeper"
SECRETS = ("LEADS_AGE_KEY", "LEADS_AGE_KEY_FILE")
"""What opens sealed exports is no business of a server's keeper."""
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


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

    data, database: created if missing. durable: False trades crash safety for speed. keep: if
    False, the last user removes the data. settings: further ones of the server, by name. A server
    that runs already stays as it was started. Raises EmbeddedPostgresError.
    """
    home = home_of(data)
    wanted = {**({} if durable else FAST), **settings}
    server = Server(str(home), str(binaries()), keep, wanted)
    with open(server.users, "w") as users:
        share(users)
        keeper = _keeper(server, users)
        try:
            _await(keeper)
            yield _database(server, database)
        finally:
            keeper.communicate("leave")
    if keeper.returncode:
        raise EmbeddedPostgresError(f"The Postgres in {home} may run on. {server.log} says why.")


def _keeper(server: Server, users: IO[str]) -> subprocess.Popen[str]:
    """Start the child that starts and stops the server. It shares our lock, not our terminal's
    signals."""
    # Neither the environment's paths nor site-packages, and no bytecode that only we could read.
    alone = ["-E", "-s", "-S", "-B"]
    arguments = [str(users.fileno()), json.dumps(asdict(server))]
    return subprocess.Popen(
        [sys.executable, *alone, "-m", KEEPER, *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in SECRETS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        pass_fds=[users.fileno()],
        start_new_session=True,
        umask=0o077,
    )


def _await(keeper: subprocess.Popen[str]) -> None:
    assert keeper.stdout is not None
    trouble = json.loads(keeper.stdout.readline() or '"Its keeper died. Run the command again."')
    if trouble:
        raise EmbeddedPostgresError(f"The embedded Postgres does not run. {trouble}")


def _database(server: Server, name: str) -> URL:
    """Create the database if it is missing, and give its URL."""
    from sqlalchemy import URL, create_engine, text  # noqa: PLC0415  # not in the keeper
    from sqlalchemy.pool import NullPool  # noqa: PLC0415  # as above

    address = {"host": str(server.socket), "port": PORT}
    url = URL.create("postgresql+psycopg2", "postgres", database="postgres", query=address)
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    is_there = text("SELECT 1 FROM pg_database WHERE datname = :name")
    with engine.connect() as connection:
        # Until it is disconnected: one process at a time.
        connection.exec_driver_sql("SELECT pg_advisory_lock(0)")
        if not connection.scalar(is_there, {"name": name}):
            quoted = engine.dialect.identifier_preparer.quote_identifier(name)
            connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
    return url.set(database=name)

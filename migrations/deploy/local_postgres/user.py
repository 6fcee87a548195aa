"""The process's side of a local Postgres: keep it running during a block."""

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

if TYPE_CHECKING:  # the keeper imports this package too, without libraries
    from sqlalchemy import URL

__all__ = ["running"]

ROOT = Path(__file__).parents[3]
KEEPER = "migrations.deploy.local_postgres.keeper"
SECRETS = ("LEADS_AGE_KEY", "LEADS_AGE_KEY_FILE")
"""They open sealed exports, so the keeper does not get them."""
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
    """Give the URL of a database in a data directory. Its server runs until its last user ends.

    data, database: created if missing. durable: False trades crash safety for speed. keep: if
    False, the last user removes the data. settings: further ones of the server, by name. A running
    server stays as it was started. Raises EmbeddedPostgresError.
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
        raise EmbeddedPostgresError(
            f"The Postgres in {home} may still be running. {server.log} says why."
        )


def _keeper(server: Server, users: IO[str]) -> subprocess.Popen[str]:
    """Start the keeper. It shares our lock, but not our terminal's signals."""
    # No paths of the environment, no site-packages, no bytecode only we could read.
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
        raise EmbeddedPostgresError(f"The embedded Postgres is not running. {trouble}")


def _database(server: Server, name: str) -> URL:
    """Create the database if it is missing, and give its URL."""
    from sqlalchemy import URL, create_engine, text  # noqa: PLC0415  # not in the keeper
    from sqlalchemy.pool import NullPool  # noqa: PLC0415  # as above

    address = {"host": str(server.socket), "port": PORT}
    url = URL.create("postgresql+psycopg2", "postgres", database="postgres", query=address)
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    is_there = text("SELECT 1 FROM pg_database WHERE datname = :name")
    with engine.connect() as connection:
        # One process at a time, until it disconnects.
        connection.exec_driver_sql("SELECT pg_advisory_lock(0)")
        if not connection.scalar(is_there, {"name": name}):
            quoted = engine.dialect.identifier_preparer.quote_identifier(name)
            connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
    return url.set(database=name)

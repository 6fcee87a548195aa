"""Which database, and a connection to it as a deploy needs it.

``DATABASE_URL`` names it, in any form that Render gives. Without one, on a developer's machine, it
is a local Postgres of its own in ``.postgres/``. A deploy must never migrate a throwaway database:
on Render a missing ``DATABASE_URL`` is an error.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from migrations.deploy import local_postgres
from migrations.importer.errors import DatabaseRefused, TryAgain

__all__ = ["connect", "database", "read_url"]

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]

SESSION_SETTINGS = {
    "TimeZone": "UTC",
    # The site never waits longer for us, nor we for it; then we let go, and try again.
    "lock_timeout": "2s",
    # Building an index over many leads takes its time and blocks nobody; a batch has its own limit.
    "statement_timeout": "0",
    # A dead client leaves nothing behind: the server asks for it while a statement runs (from
    # Postgres 14 on), and while the line is silent. Keepalives say nothing as long as an answer is
    # not acknowledged: for that there is a limit of its own, without which it takes a quarter of an
    # hour.
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "50s",
    # A client that stands still without being dead does not keep its locks for ever; a shorter
    # limit of the role's would cut off the check of a large export.
    "idle_in_transaction_session_timeout": "10min",
    "idle_session_timeout": "10min",
    "transaction_timeout": "0",
}
CONNECT_ARGS: dict[str, Any] = {
    "application_name": "lead-import",
    # Told at connecting, so that the driver knows it too: a role or a database may have another
    # one.
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 50_000,
}


@contextmanager
def database(environ: Mapping[str, str] = os.environ) -> Iterator[URL]:
    """The URL of the database to work on; the embedded one runs as long as the block."""
    if given := environ.get("DATABASE_URL", "").strip():
        yield read_url(given)
    elif environ.get("RENDER"):
        raise DatabaseRefused(
            "DATABASE_URL is not set, and this is a deploy on Render: nothing was started. Give "
            "the service "
            "DATABASE_URL from the database's connectionString (see render.yaml), then deploy "
            "again."
        )
    else:
        log.info("DATABASE_URL is not set: using a local Postgres in .postgres/")
        try:
            server = local_postgres.running(ROOT / ".postgres")
            url = server.__enter__()
        except local_postgres.EmbeddedPostgresError as error:
            raise DatabaseRefused(str(error)) from None
        try:
            yield url
        finally:
            server.__exit__(None, None, None)


def read_url(given: str) -> URL:
    """A Postgres URL in any usual form, for psycopg2. Raises ``DatabaseRefused``, never
    showing it."""
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise DatabaseRefused(
            "DATABASE_URL is not a URL. Expected postgresql://user:password@host/database; "
            "special characters "
            "in the password are written as %XX."
        ) from None
    if "@" in (
        url.host or ""
    ):  # what follows the password's own @ would be taken for a host, and named
        raise DatabaseRefused(
            "DATABASE_URL holds more than one @. In the password it is written as %40."
        )
    if url.drivername.split("+")[0] not in ("postgres", "postgresql"):
        raise DatabaseRefused(
            "DATABASE_URL does not name a Postgres database. Expected postgresql://…"
        )
    return url.set(drivername="postgresql+psycopg2")


@contextmanager
def connect(url: URL, *, again: bool = False) -> Iterator[Connection]:
    """A connection of its own, with the session's settings.

    again: there was one before, so the server is there, or will be: raises ``TryAgain`` where it
    does not answer. Otherwise the URL may be wrong, and it is ``DatabaseRefused``.
    """
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=CONNECT_ARGS)
    with ExitStack() as opened:
        try:
            connection = opened.enter_context(engine.connect())
            _refuse_pooler(connection)
            _settle(connection)
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[0]
            if again:
                raise TryAgain(
                    f"The server does not answer: {reason}. Run the same command again.", lost=True
                ) from None
            raise DatabaseRefused(
                f"No connection to the database: {reason}. Nothing was written. Check "
                f"DATABASE_URL and the server."
            ) from None
        yield connection


def _refuse_pooler(connection: Connection) -> None:
    """A server names its process when one connects; a pooler names something of its own."""
    told = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
    found = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    connection.rollback()
    if told != found:
        raise DatabaseRefused(
            "DATABASE_URL leads through a connection pooler (PgBouncer): the deploy lock and the "
            "session's settings "
            "do not hold there. Nothing was written. Use the database's direct connection string."
        )


def _settle(connection: Connection) -> None:
    """Set what this server knows of ``SESSION_SETTINGS``; in no session that is the pooler's."""
    connection.execute(
        text(
            "SELECT set_config(name, wanted.value, false) "
            "FROM unnest(:names, :values) AS wanted (setting, value) "
            "JOIN pg_catalog.pg_settings ON lower(name) = lower(wanted.setting)"
        ),
        {"names": list(SESSION_SETTINGS), "values": list(SESSION_SETTINGS.values())},
    )
    # What was committed is saved, also where the server crashes right afterwards.
    durable = "SELECT set_config(name, 'on', false) FROM pg_catalog.pg_settings WHERE name = 'synchronous_commit'"
    connection.execute(text(f"{durable} AND setting = 'off'"))
    connection.commit()

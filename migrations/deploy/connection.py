"""Which database, and a connection to it as a deploy needs it.

``MIGRATION_DATABASE_URL`` names it, else ``DATABASE_URL``, in any form that hosts give. The first
is for a service whose ``DATABASE_URL`` leads through a pooler. Without either, on a developer's
machine, it is a local Postgres of its own in ``.postgres/``. A deploy must never migrate a
throwaway database: on Render a missing URL is an error.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from migrations.deploy.database_url import read_url
from migrations.importer.errors import DatabaseRefused, TryAgain
from migrations.importer.progress import log

__all__ = [
    "APPLICATION",
    "VARIABLES",
    "connect",
    "database",
    "first_connection",
    "named",
    "place_in_words",
]

ROOT = Path(__file__).parents[2]

VARIABLES = ("MIGRATION_DATABASE_URL", "DATABASE_URL")
"""The first one that is set names the database."""

PATIENCE = 15.0
"""Seconds that a server may take to answer for the first time, as while it restarts."""

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
    # A notice of a trigger may hold values, and SQLAlchemy logs it.
    "client_min_messages": "error",
}
APPLICATION = "lead-import"
"""What others see of a session, such as whoever asks for the holder of the deploy lock."""

CONNECT_ARGS: dict[str, Any] = {
    "application_name": APPLICATION,
    # Told at connecting, so that the driver knows it too: a role or a database may have another
    # one.
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 50_000,
}

_ENGINE = "lead-import"
logging.getLogger(f"sqlalchemy.engine.Engine.{_ENGINE}").addFilter(
    # At level DEBUG SQLAlchemy logs every row that comes back, values and all.
    lambda record: record.levelno > logging.DEBUG
)

_STARTING = (
    "Connection refused",
    "No such file or directory",  # a local server's socket
    "the database system is",  # starting up, shutting down, in recovery mode, …
    "server closed the connection unexpectedly",
)
"""What a server's absence sounds like while it restarts: the driver gives no SQLSTATE for it."""

_SETTLE = """
    SELECT set_config(name, wanted.value, false)
    FROM unnest(:names, :values) AS wanted (setting, value)
    JOIN pg_catalog.pg_settings ON lower(name) = lower(wanted.setting)
"""
_BE_DURABLE = """
    SELECT set_config(name, 'on', false)
    FROM pg_catalog.pg_settings
    WHERE name = 'synchronous_commit' AND setting = 'off'
"""


@contextmanager
def database(environ: Mapping[str, str] = os.environ) -> Iterator[URL]:
    """Give the URL of the database to work on; a local one runs as long as the block.

    Raises ``DatabaseRefused``.
    """
    if name := next((name for name in VARIABLES if name in environ), None):
        yield read_url(_not_empty(environ[name], name), name)
    elif environ.get("RENDER"):
        raise DatabaseRefused(
            "DATABASE_URL is not set, and this is a deploy on Render: nothing was started. Give "
            "the service DATABASE_URL from the database's connectionString (see render.yaml), then "
            "deploy again."
        )
    else:
        with _local_postgres() as url:
            yield url


def _not_empty(value: str, name: str) -> str:
    if not value.strip():
        raise DatabaseRefused(f"{name} is set, but empty. Give it the database's URL, or unset it.")
    return value.strip()


@contextmanager
def _local_postgres() -> Iterator[URL]:
    try:
        from migrations.deploy.local_postgres import (  # noqa: PLC0415  # not to be had on Windows
            EmbeddedPostgresError,
            running,
        )
    except ImportError as error:
        raise DatabaseRefused(
            f"DATABASE_URL is not set, and a local Postgres cannot run here: this system has no "
            f"{error.name}. Set DATABASE_URL."
        ) from None
    log.info("DATABASE_URL is not set: using a local Postgres in .postgres/")
    try:
        with running(ROOT / ".postgres") as url:
            yield url
    except EmbeddedPostgresError as error:
        raise DatabaseRefused(str(error)) from None


@contextmanager
def connect(url: URL, *, again: bool = False) -> Iterator[Connection]:
    """Open a connection of its own, with the session's settings; the first one names the database
    on the log.

    again: there was one before, so the URL is right. Raises ``TryAgain`` then if the server does
    not answer, otherwise ``DatabaseRefused``.
    """
    with _connected_again(url) if again else first_connection(url) as connection:
        if not again:
            log.info("Database: %s", named(connection))
        yield connection


def named(connection: Connection) -> str:
    """Name a connection's database, host and role, as in "crm on db.example.com as deploy"."""
    info = connection.connection.driver_connection.info  # type: ignore[union-attr]  # it is open
    return place_in_words(info.dbname, info.host, info.port, info.user)


def place_in_words(database: str, host: str, port: int | str, role: str) -> str:
    """Name a database, its host and a role.

    host: "" or a path for a socket; role: "" if it is not known yet.
    """
    if not host or host.startswith(("/", "@")):
        where = "this machine"
    else:
        where = host if str(port) == "5432" else f"{host}:{port}"
    return f"{database} on {where}" + (f" as {role}" if role else "")


def first_connection(url: URL) -> Connection:
    """Connect without knowing whether the URL is right; a server that is starting is waited for.

    Raises ``DatabaseRefused``.
    """
    attempts = Retrying(
        retry=retry_if_exception(_is_starting),
        wait=wait_random_exponential(multiplier=0.1, max=1),
        stop=stop_after_delay(PATIENCE),
        before_sleep=_say_once,
        reraise=True,
    )
    try:
        return attempts(_prepared, url)
    except DBAPIError as error:
        raise DatabaseRefused(
            f"No connection to the database: {_reason(error)}. Nothing was written. Check the "
            "URL and the server, then try again."
        ) from None


def _connected_again(url: URL) -> Connection:
    try:
        return _prepared(url)
    except DBAPIError as error:
        raise TryAgain(
            f"The server does not answer: {_reason(error)}. Run the same command again.", lost=True
        ) from None


def _is_starting(error: BaseException) -> bool:
    """Whether waiting may help. A wrong password, database or host will not get better."""
    return isinstance(error, DBAPIError) and any(sign in str(error.orig) for sign in _STARTING)


def _say_once(attempt: RetryCallState) -> None:
    if attempt.attempt_number == 1 and attempt.outcome:
        reason = _reason(attempt.outcome.exception())
        log.warning("The server does not answer yet: %s. Trying for %.0f s.", reason, PATIENCE)


def _reason(error: BaseException | None) -> str:
    return str(getattr(error, "orig", error)).strip().splitlines()[0].removesuffix(".")


def _prepared(url: URL) -> Connection:
    """Connect, and have the session as a deploy needs it."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        logging_name=_ENGINE,
        connect_args=CONNECT_ARGS,
    )
    connection = engine.connect()
    try:
        _refuse_pooler(connection)
        _settle(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_pooler(connection: Connection) -> None:
    """A server names its process when one connects; a pooler names something of its own."""
    told = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
    found = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    connection.rollback()
    if told != found:
        raise DatabaseRefused(
            "The database's URL leads through a connection pooler (PgBouncer), where the deploy "
            "lock and the session's settings do not hold. Nothing was written. Set "
            "MIGRATION_DATABASE_URL to the database's direct URL: DATABASE_URL may stay as it is."
        )


def _settle(connection: Connection) -> None:
    """Set what this server knows of ``SESSION_SETTINGS``; in no session that is the pooler's."""
    settings = {"names": list(SESSION_SETTINGS), "values": list(SESSION_SETTINGS.values())}
    connection.execute(text(_SETTLE), settings)
    # What was committed is saved, even if the server crashes right afterwards.
    connection.execute(text(_BE_DURABLE))
    connection.commit()

"""Choose the database, and connect to it with a deploy's settings.

``MIGRATION_DATABASE_URL`` names the database, else ``DATABASE_URL``, in any host's form. Set the
first if ``DATABASE_URL`` leads through a pooler. Without either, a developer's machine gets a local
Postgres in ``.postgres/``. On Render a missing URL is an error, because a deploy must never migrate
a throwaway database.
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
from migrations.importer.session import LOCK_TIMEOUT, SPELLINGS

__all__ = [
    "APPLICATION",
    "LOCAL",
    "VARIABLES",
    "connect",
    "database",
    "first_connection",
    "named",
    "place_in_words",
]

ROOT = Path(__file__).parents[2]

LOCAL = ROOT / ".postgres"
"""Where the local Postgres keeps its data, once there is one."""

VARIABLES = ("MIGRATION_DATABASE_URL", "DATABASE_URL")
"""The first one set names the database."""

PATIENCE = 15.0
"""Seconds until a server must answer for the first time. It may be restarting."""

SESSION_SETTINGS = {
    **SPELLINGS,
    # Names and definitions are compared as the catalog spells them.
    "quote_all_identifiers": "off",
    # The site never waits longer for us, nor we for it. After that we let go and try again.
    "lock_timeout": LOCK_TIMEOUT,
    # Building an index over many leads takes long and blocks nobody. A batch has its own limit.
    "statement_timeout": "0",
    # A dead client leaves nothing behind. The server checks for it during a statement (since
    # Postgres 14) and on a silent line. Keepalives do not help while an answer is unacknowledged.
    # tcp_user_timeout does: without it that takes a quarter of an hour.
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "50s",
    # A stopped client does not keep its locks for ever. A shorter limit of the role would cut off
    # the check of a large export.
    "idle_in_transaction_session_timeout": "10min",
    "idle_session_timeout": "10min",
    "transaction_timeout": "0",
    # A trigger's notice may hold values, and SQLAlchemy logs it.
    "client_min_messages": "error",
}
APPLICATION = "lead-import"
"""What others see of a session, such as the holder of the deploy lock."""

CONNECT_ARGS: dict[str, Any] = {
    "application_name": APPLICATION,
    # Set on connecting, so that the driver knows it too. A role or a database may have another one.
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 50_000,
}

_ENGINE = "lead-import"
logging.getLogger(f"sqlalchemy.engine.Engine.{_ENGINE}").addFilter(
    # At level DEBUG SQLAlchemy logs every returned row, with its values.
    lambda record: record.levelno > logging.DEBUG
)

_STARTING = (
    "Connection refused",
    "No such file or directory",  # a local server's socket
    "the database system is",  # starting up, shutting down, in recovery mode, …
    "server closed the connection unexpectedly",
)
"""Errors while a server restarts. The driver gives no SQLSTATE for them."""

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
    """Give the URL of the database to work on. A local one runs during the block.

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
        with running(LOCAL) as url:
            yield url
    except EmbeddedPostgresError as error:
        raise DatabaseRefused(str(error)) from None


@contextmanager
def connect(url: URL, *, again: bool = False) -> Iterator[Connection]:
    """Open a connection with the session's settings. The first one logs the database's name.

    again: there was a connection before, so the URL is right. If the server does not answer, raises
    ``TryAgain`` then, and otherwise ``DatabaseRefused``.
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

    host: "" or a path for a socket. role: "" if unknown.
    """
    if not host or host.startswith(("/", "@")):
        where = "this machine"
    else:
        where = host if str(port) == "5432" else f"{host}:{port}"
    return f"{database} on {where}" + (f" as {role}" if role else "")


def first_connection(url: URL) -> Connection:
    """Connect by a URL that may be wrong. Wait for a starting server.

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
    """Connect, and apply a deploy's settings."""
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
    """Refuse a pooler. On connecting it reports another number than the server's process."""
    told = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
    found = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    connection.rollback()
    if told != found:
        raise DatabaseRefused(
            "The database's URL leads through a connection pooler (PgBouncer), where the deploy "
            "lock and the session's settings do not hold. Nothing was written. Set "
            "MIGRATION_DATABASE_URL to the database's direct URL. DATABASE_URL may stay as it is."
        )


def _settle(connection: Connection) -> None:
    """Set what this server knows of ``SESSION_SETTINGS``. Never call it on a pooler's session."""
    settings = {"names": list(SESSION_SETTINGS), "values": list(SESSION_SETTINGS.values())}
    connection.execute(text(_SETTLE), settings)
    # A commit is saved, even if the server crashes right afterwards.
    connection.execute(text(_BE_DURABLE))
    connection.commit()

"""Take over the database and the logging of a program that runs Alembic itself.

    config.attributes["connection"] = engine  # or a connection; or "sqlalchemy.url" in the Config
    command.upgrade(config, "head")

Only the place is taken over. The work runs on our own connections to the same place: it commits
batch by batch, reconnects if the line is cut, and checks the result from outside. None of that is
possible on somebody else's connection.
"""

import os
from collections.abc import Iterator
from configparser import InterpolationError
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from migrations.deploy.connection import VARIABLES, database, first_connection
from migrations.deploy.database_url import read_url, url_for_psycopg2
from migrations.importer.errors import DatabaseRefused

__all__ = ["database_of", "is_logging_ours", "names_database"]

HANDED_OVER = "config.attributes['connection']"

_PLACE = """
    SELECT
        current_database() AS database,
        current_user AS role,
        current_setting('search_path') AS search_path,
        pg_postmaster_start_time() AS "start of the server"
"""


def is_logging_ours(config: Config) -> bool:
    """Whether to set up logging: for our own command, but not inside a program with its own.

    ``config.attributes["configure_logger"]``, if set, decides instead.
    """
    run_as_alembic = hasattr(config.cmd_opts, "cmd")
    return bool(config.attributes.get("configure_logger", run_as_alembic))


@contextmanager
def database_of(config: Config) -> Iterator[URL]:
    """Give the URL of the database a program has handed over, else the environment's.

    Raises ``DatabaseRefused`` if that database cannot be used. It never takes another one instead.
    """
    if (handed_over := config.attributes.get("connection")) is not None:
        yield _url_of(handed_over)
    elif given := _given_url(config):
        yield read_url(given, "sqlalchemy.url")
    else:
        with database() as url:
            yield url


def names_database(config: Config) -> bool:
    """Whether a program or the environment names a database. Otherwise it is the local one."""
    is_handed_over = config.attributes.get("connection") is not None or _given_url(config)
    return bool(is_handed_over) or any(name in os.environ for name in VARIABLES)


def _given_url(config: Config) -> str:
    try:
        return (config.get_main_option("sqlalchemy.url") or "").strip()
    except InterpolationError:
        raise DatabaseRefused(
            "sqlalchemy.url has a single %. Write it as %% in a Config or an ini file."
        ) from None


def _url_of(handed_over: object) -> URL:
    if not isinstance(handed_over, Connection | Engine):
        raise DatabaseRefused(
            f"{HANDED_OVER} is of type {type(handed_over).__name__}. Expected a synchronous Engine "
            "or Connection of SQLAlchemy. Hand over one of these, or sqlalchemy.url."
        )
    url = url_for_psycopg2(handed_over.engine.url, HANDED_OVER)
    there = _place_of(handed_over)
    with first_connection(url) as own:
        _refuse_another_place(there, _place(own))
    return url


def _place_of(handed_over: Connection | Engine) -> dict[str, Any]:
    try:
        if isinstance(handed_over, Engine):
            with handed_over.connect() as connection:
                return _place(connection)
        _refuse_transaction(handed_over)
        return _place(handed_over)
    except DBAPIError as error:
        raise DatabaseRefused(
            f"{HANDED_OVER} does not answer: {type(error.orig).__name__}. Nothing was written. "
            "Check its URL and the server, then try again."
        ) from None


def _refuse_transaction(handed_over: Connection) -> None:
    """Refuse a transaction, because Alembic's ``autocommit_block`` would fail a bare assertion."""
    if handed_over.in_transaction():
        raise DatabaseRefused(
            f"{HANDED_OVER} is in a transaction, but an import commits batch by batch. Nothing was "
            "written. Commit or roll back first, or hand over the engine. A connection from "
            "engine.begin() is always in a transaction."
        )


def _place(connection: Connection) -> dict[str, Any]:
    """Read what decides which leads a connection sees."""
    found = dict(connection.execute(text(_PLACE)).mappings().one())
    connection.rollback()
    return found


def _refuse_another_place(there: dict[str, Any], here: dict[str, Any]) -> None:
    for fact, expected in there.items():
        if here[fact] != expected:
            raise DatabaseRefused(
                f"{HANDED_OVER} and its URL lead to different places: its {fact} is {expected}, "
                f"and a new connection's is {here[fact]}. Nothing was written. Hand over an engine "
                "whose URL says everything, or sqlalchemy.url."
            )

"""Run one statement on a database, or wait for its result."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, Row, create_engine, text


def shown(url: URL) -> str:
    """Return a URL as ``DATABASE_URL`` has it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """Connect, and commit each statement by itself."""
    with _engine(url).connect() as connection:
        yield connection


@lru_cache(maxsize=64)
def _engine(url: URL) -> Engine:
    """Return one engine for each URL: a new one asks the server four things before it works."""
    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def run(url: URL, sql: str, **parameters: object) -> list[Row[Any]]:
    """Run one statement, and return its rows if it has any."""
    with connected(url) as connection:
        result = connection.execute(text(sql), parameters)
        return list(result.all()) if result.returns_rows else []


def value(url: URL, sql: str, **parameters: object) -> Any:
    """Return the one value a statement gives."""
    return run(url, sql, **parameters)[0][0]


def wait_until_alone(url: URL) -> None:
    """Wait until nobody else is connected, because a session counts its last rows when it ends."""
    wait_until(
        url,
        """
        SELECT count(*) = 0 FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND datname = current_database()
            AND pid <> pg_backend_pid()
        """,
    )


def wait_until(url: URL, sql: str, seconds: float = 30) -> None:
    """Wait until a query returns something true. Raises ``AssertionError`` when time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value(url, sql):
            return
        time.sleep(0.02)
    raise AssertionError(f"never came true: {sql}")

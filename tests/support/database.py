"""One statement on a database, and waiting for what it says."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, NullPool, Row, create_engine, text


def shown(url: URL) -> str:
    """A URL as ``DATABASE_URL`` holds it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """A connection whose statements are committed one by one."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def run(url: URL, sql: str, **parameters: object) -> list[Row[Any]]:
    """Run one statement; its rows, if it has any."""
    with connected(url) as connection:
        result = connection.execute(text(sql), parameters)
        return list(result.all()) if result.returns_rows else []


def value(url: URL, sql: str, **parameters: object) -> Any:
    """The one value that a statement returns."""
    return run(url, sql, **parameters)[0][0]


def wait_until_alone(url: URL) -> None:
    """Wait until nobody else is connected: a session's last numbers reach the server's counters
    when it ends."""
    wait_until(
        url,
        """
        SELECT count(*) = 0 FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND datname = current_database()
            AND pid <> pg_backend_pid()
        """,
    )


def wait_until(url: URL, sql: str, seconds: float = 30) -> None:
    """Wait until a query returns something true. Raises ``AssertionError`` when the time is
    over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value(url, sql):
            return
        time.sleep(0.02)
    raise AssertionError(f"never came true: {sql}")

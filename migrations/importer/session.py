"""Where statements go: to a server, batch by batch; to a server, to be rolled back; or to a script.

The procedures in ``apply`` and ``revert`` know none of this: they execute, copy and open
transactions, and never look at a statement's result to decide on the next one.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from io import StringIO
from typing import Any, Protocol, TextIO

from psycopg2 import Error as DriverError
from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from migrations.importer.errors import OvertakenByAnother, from_database

__all__ = ["Script", "Server", "Session", "copy_text"]

LOCK_TIMEOUT = 2.0
"""Seconds, at most: the site never waits longer for us, nor we for it; then we let go, and try again."""

_FIELD, _ROW = "\ud800", "\ud801"
"""Halves of surrogate pairs, which no checked text holds, so that one pass escapes a whole batch."""


def copy_text(rows: Iterable[Iterable[str]]) -> str:
    """Rows in the text format of COPY (https://www.postgresql.org/docs/current/sql-copy.html)."""
    text = _ROW.join(map(_FIELD.join, rows))
    text = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text.replace(_FIELD, "\t").replace(_ROW, "\n") + "\n"


_parsed = cache(text)


def _copy(table: str, blank_is_null: bool) -> str:
    return f"COPY {table} FROM STDIN" + (" (NULL '')" if blank_is_null else "")


class Session(Protocol):
    """What the procedures ask for."""

    def execute(self, sql: str, **parameters: object) -> Any:
        """Run one statement. ``parameters`` are positions, counts and names, never a lead's data."""

    def expect_one(self, sql: str, **parameters: object) -> None:
        """Run a statement that must change one row. Raises ``OvertakenByAnother`` where it does not."""

    def copy(self, table: str, rows: Iterable[Iterable[str]], *, blank_is_null: bool = False) -> None:
        """Send rows into a temporary table; ``table`` names its columns too."""

    def transaction(self, doing: str) -> AbstractContextManager[None]:
        """All or nothing. ``doing`` is what an error says was going on."""


class Server:
    """Statements run on ``connection``; each transaction is committed at its end.

    one_transaction: the connection is in a transaction that somebody else ends (a dry run rolls it
    back); ours are savepoints in it.
    statement_timeout: seconds that one statement of a transaction may take.
    """

    def __init__(self, connection: Connection, *, one_transaction: bool = False, statement_timeout: float = 30) -> None:
        self._connection = connection
        self._one_transaction = one_transaction
        self._timeout = statement_timeout
        # A lead that somebody holds is no statement that takes too long: it must be found out before that.
        lock_timeout = min(LOCK_TIMEOUT, statement_timeout / 2)
        self._limits = (
            f"SET LOCAL statement_timeout = {int(statement_timeout * 1000)};"
            f" SET LOCAL lock_timeout = {int(lock_timeout * 1000)}"
        )
        self._doing = "the import"

    def execute(self, sql: str, **parameters: object) -> CursorResult[Any]:
        with self._named_errors():
            return self._connection.execute(_parsed(sql), parameters)

    def expect_one(self, sql: str, **parameters: object) -> None:
        if self.execute(sql, **parameters).rowcount != 1:
            raise OvertakenByAnother(
                f"{self._doing}: another process has imported these records. Run the same command again."
            )

    def copy(self, table: str, rows: Iterable[Iterable[str]], *, blank_is_null: bool = False) -> None:
        data = copy_text(rows)
        if data == "\n":
            return
        with self._named_errors():
            cursor: Any = self._connection.connection.cursor()
            cursor.copy_expert(_copy(table, blank_is_null), StringIO(data), size=len(data) + 1)

    @contextmanager
    def transaction(self, doing: str) -> Iterator[None]:
        begin, commit, rollback = (
            ("SAVEPOINT batch", "RELEASE SAVEPOINT batch", "ROLLBACK TO SAVEPOINT batch")
            if self._one_transaction
            else ("BEGIN ISOLATION LEVEL READ COMMITTED", "COMMIT", "ROLLBACK")
        )
        self._doing = doing
        self.execute(begin)
        try:
            self.execute(self._limits)
            yield
            if self._one_transaction:
                # What a commit would have emptied.
                self.execute("TRUNCATE lead_import_stage, lead_import_place, lead_import_phones")
            self.execute(commit)
        except BaseException:
            self._roll_back(rollback)
            raise

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Errors without the server's text; raised from None, for that text would be in the traceback."""
        started = time.monotonic()
        try:
            yield
        except (DBAPIError, DriverError) as error:
            out_of_time = time.monotonic() - started >= self._timeout
            raise from_database(error, self._doing, out_of_time=out_of_time) from None

    def _roll_back(self, rollback: str) -> None:
        # Where the connection is gone, so is the transaction; the first error says so.
        with suppress(DBAPIError):
            self._connection.execute(text(rollback))


class Script:
    """Statements are written as a script that psql can run, in Alembic's own transaction."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def execute(self, sql: str, **parameters: object) -> None:
        statement = text(sql).bindparams(**parameters)
        compiled = statement.compile(
            dialect=postgresql.dialect(paramstyle="named"),  # type: ignore[no-untyped-call]
            compile_kwargs={"literal_binds": True},
        )
        self._output.write(f"{str(compiled).strip()};\n\n")

    def expect_one(self, sql: str, **parameters: object) -> None:
        self.execute(sql, **parameters)

    def copy(self, table: str, rows: Iterable[Iterable[str]], *, blank_is_null: bool = False) -> None:
        self._output.write(f"{_copy(table, blank_is_null)};\n{copy_text(rows)}\\.\n\n")

    @contextmanager
    def transaction(self, doing: str) -> Iterator[None]:
        self._output.write(f"-- {doing}\n")
        yield

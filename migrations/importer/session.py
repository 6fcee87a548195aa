"""Send statements to a server batch by batch, to a server to be rolled back, or to a script.

The procedures in ``batches`` and ``staging`` know none of this: they execute, copy and open
transactions.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from math import inf
from typing import Any, NoReturn, Protocol, TextIO

from psycopg2 import Error as DriverError
from psycopg2.errorcodes import READ_ONLY_SQL_TRANSACTION
from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from migrations.importer.errors import DatabaseRefused, from_database
from migrations.importer.names import unescaped
from migrations.importer.pace import Took

__all__ = ["DEPLOY_LOCK", "LOCK_TIMEOUT", "SPELLINGS", "Script", "Server", "Session", "copy_text"]

DEPLOY_LOCK = int.from_bytes(b"leads-im")
"""The number of the deploy lock, an advisory lock. Each database has its own."""

SKIP_AUDIT = "SET LOCAL app.skip_audit = 'on'"
"""Tells the audit trigger: this transaction is an import's."""

LONGEST_WAIT = 0.5
"""Seconds a batch waits for a lead the site holds. Then it lets go of everything and tries again.

Half of the server's deadlock_timeout: if the two wait for each other, the server never ends the
site's transaction."""

LOCK_TIMEOUT = "2s"
"""How long a statement outside of a batch waits for a lock the site holds."""

SPELLINGS = {"TimeZone": "UTC", "extra_float_digits": "1", "IntervalStyle": "postgres"}
"""How the server writes values as texts. Before-images are texts, and must come back as the same
values."""

_BETWEEN = ("this run", inf)
"""What goes on outside of a transaction, and the seconds it may take."""

# A savepoint's settings outlive it.
_AS_AFTER_A_COMMIT = (
    "SET LOCAL app.skip_audit = ''; SET LOCAL statement_timeout = 0; "
    f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"
)


def copy_text(columns: Iterable[Sequence[str]]) -> bytes:
    """Write columns of one length in the text format of COPY
    (https://www.postgresql.org/docs/current/sql-copy.html).

    No text may hold a NUL: Postgres has no place for it.
    """
    rows = zip(*map(_escaped, columns), strict=True)
    return "\n".join([*map("\t".join, rows), ""]).encode()


def _escaped(column: Sequence[str]) -> Sequence[str]:
    """Escape what COPY would take for something else. All at once takes a tenth of the time."""
    joined = "\0".join(column)
    if not any(special in joined for special in "\\\t\n\r"):
        return column
    escaped = joined.replace("\\", "\\\\").replace("\t", "\\t")
    return escaped.replace("\n", "\\n").replace("\r", "\\r").split("\0")


_parsed = cache(text)


def _copy(table: str, blank_is_null: bool) -> str:
    return f"COPY {table} FROM STDIN" + (" (NULL '')" if blank_is_null else "")


class Session(Protocol):
    """What the procedures ask for."""

    def execute(self, sql: str, **parameters: object) -> Any:
        """Run one statement.

        parameters: positions, counts and names, never a lead's data.
        """

    def copy(self, table: str, pieces: Iterable[bytes], *, blank_is_null: bool = True) -> None:
        """Send rows into a temporary table.

        table: its name, with the columns. pieces: rows as ``copy_text`` writes them. Raises what
        they raise, and the table stays empty.
        """

    def transaction(self, doing: str) -> AbstractContextManager[None]:
        """Do all or nothing, without a time limit because it is in nobody's way.

        doing: what goes on, for errors.
        """

    def batch(self, doing: str) -> AbstractContextManager[None]:
        """Do the same for what writes to leads: bounded in time, skipped by the audit trigger."""


class Server:
    """Run statements on ``connection``, and commit each transaction at its end.

    one_transaction: the caller ends the connection's transaction (a dry run rolls it back), and
    ours are savepoints in it.
    statement_timeout: seconds a batch may take.
    took: how long the last transaction took.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        one_transaction: bool = False,
        statement_timeout: float = 30,
    ) -> None:
        self._connection = connection
        self._one_transaction = one_transaction
        self._timeout = statement_timeout
        self._doing, self._limit = _BETWEEN
        self.took = Took(0, 0)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Let the server refuse every write but those to temporary tables.

        The caller ends the connection's transaction. Nothing can be made in the block, not even a
        temporary table. Raises ``DatabaseRefused`` if a function of the owner's would write.
        """
        self.execute("SAVEPOINT read_only; SET TRANSACTION READ ONLY")
        try:
            yield
            self.execute("RELEASE SAVEPOINT read_only")
        except BaseException as error:
            self._roll_back("ROLLBACK TO SAVEPOINT read_only")
            if getattr(error, "sqlstate", "") == READ_ONLY_SQL_TRANSACTION:
                raise DatabaseRefused(
                    "A default, new=, a rule or an index of the leads' table calls a function "
                    "that writes, and a preview only reads. Rehearse on a copy of the database: "
                    "'alembic -x dry-run upgrade head'."
                ) from None
            raise

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Let the block write, in autocommit. From then on the session only reads."""
        self.execute("SET default_transaction_read_only = off")
        yield
        self.execute("SET default_transaction_read_only = on")

    def execute(self, sql: str, **parameters: object) -> CursorResult[Any]:
        with self._named_errors():
            if parameters:
                return self._connection.execute(_parsed(sql), parameters)
            # As it stands, without a search for parameters in it: that takes as long as many of
            # these statements.
            return self._connection.exec_driver_sql(
                unescaped(sql), execution_options={"no_parameters": True}
            )

    def copy(self, table: str, pieces: Iterable[bytes], *, blank_is_null: bool = True) -> None:
        source = _Source(pieces)
        with source.own_errors(), self._named_errors():
            cursor: Any = self._connection.connection.cursor()
            cursor.copy_expert(_copy(table, blank_is_null), source)

    def transaction(self, doing: str) -> AbstractContextManager[None]:
        return self._transaction(doing, inf, [])

    def batch(self, doing: str) -> AbstractContextManager[None]:
        # If the site holds a lead, the error must say so, not "a statement ran out of time".
        lock_timeout = min(LONGEST_WAIT, self._timeout / 2)
        return self._transaction(
            doing,
            self._timeout,
            [
                SKIP_AUDIT,
                f"SET LOCAL statement_timeout = {self._timeout * 1000:.0f}",
                f"SET LOCAL lock_timeout = {lock_timeout * 1000:.0f}",
            ],
        )

    @contextmanager
    def _transaction(self, doing: str, timeout: float, settings: Sequence[str]) -> Iterator[None]:
        begin, commit, rollback = (
            ("SAVEPOINT batch", "RELEASE SAVEPOINT batch", "ROLLBACK TO SAVEPOINT batch")
            if self._one_transaction
            else ("BEGIN ISOLATION LEVEL READ COMMITTED", "COMMIT", "ROLLBACK")
        )
        self._doing, self._limit = doing, timeout
        begun = time.monotonic()
        self.execute("; ".join([begin, *settings]))
        try:
            yield
            worked = time.monotonic()
            self.execute(commit)
            if self._one_transaction and settings:
                self.execute(_AS_AFTER_A_COMMIT)
            ended = time.monotonic()
            self.took = Took(ended - begun, ended - worked)
        except BaseException:
            self._roll_back(rollback)
            raise
        finally:
            self._doing, self._limit = _BETWEEN

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Raise errors without the server's text. From None, because a traceback would hold it."""
        started = time.monotonic()
        try:
            yield
        except (DBAPIError, DriverError) as error:
            out_of_time = time.monotonic() - started >= self._limit
            raise from_database(error, self._doing, out_of_time=out_of_time) from None

    def _roll_back(self, rollback: str) -> None:
        # If the connection is gone, so is the transaction. The first error says so.
        with suppress(SQLAlchemyError):
            self._connection.execute(text(rollback))


class _Source:
    """The pieces as a file for COPY.

    If ``read`` raises, the driver passes the error's text on to the server and raises its own.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._error: BaseException | None = None

    def read(self, _size: int) -> bytes:
        try:
            return next(self._pieces, b"")
        except BaseException as error:
            self._error = error
            raise InterruptedError from None

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Raise the error of ``read`` instead of the driver's."""
        try:
            yield
        except Exception:
            if self._error is None:
                raise
            self._raise()

    def _raise(self) -> NoReturn:
        assert self._error is not None
        raise self._error from None


class Script:
    """Write statements as a script for psql, in Alembic's own transaction."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def execute(self, sql: str, **parameters: object) -> None:
        statement = text(sql).bindparams(**parameters)
        compiled = statement.compile(
            dialect=postgresql.dialect(paramstyle="named"),  # type: ignore[no-untyped-call]
            compile_kwargs={"literal_binds": True},
        )
        self._output.write(f"{str(compiled).strip()};\n\n")

    def copy(self, table: str, pieces: Iterable[bytes], *, blank_is_null: bool = True) -> None:
        self._output.write(f"{_copy(table, blank_is_null)};\n")
        for piece in pieces:
            self._output.write(piece.decode())
        self._output.write("\\.\n\n")

    @contextmanager
    def transaction(self, doing: str) -> Iterator[None]:
        self._output.write(f"-- {doing}\n")
        yield

    @contextmanager
    def batch(self, doing: str) -> Iterator[None]:
        with self.transaction(doing):
            self.execute(SKIP_AUDIT)
            yield

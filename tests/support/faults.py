"""What goes wrong in a deploy, and where: before a statement that is known by a part of its text.

    # It dies before the first batch is committed.
    KillBefore("COMMIT", nth=2, after="INSERT INTO lead_imports")
    # It dies inside the second batch.
    KillBefore("INSERT INTO leads", nth=2)

An empty part stands for every statement of the client; with ``after``, counting begins after the
first statement that contains that. COPY counts, and so does a commit that SQLAlchemy does for us. A
batch is one call: what stands in its function is found there too, and then it is the server that
stands still.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import CursorResult, Engine, event

from migrations import crm
from migrations.crm import LEADS
from migrations.importer.declaration import Leads
from migrations.importer.schema.leads import assumed_table
from migrations.importer.session import Server
from migrations.importer.sql import statement as render
from tests.support.exports import pin
from tests.support.programs import fresh_process

__all__ = ["FUNCTIONS", "HoldBefore", "KillBefore", "Pinned", "change_function"]

PATIENCE = 60.0
"""Seconds for which a deploy is held at most: a test that has failed may have forgotten it."""

TABLE = assumed_table(LEADS)
FUNCTIONS = {
    "CREATE OR REPLACE FUNCTION pg_temp.lead_import_apply_batch": render(
        "apply_batch", table=TABLE
    ),
    "CREATE OR REPLACE FUNCTION pg_temp.lead_import_revert_batch": render(
        "revert_batch", table=TABLE, referrers=render("referrers", table=TABLE)
    ),
}
"""The functions of a batch by their first words."""
CALLS = "SELECT pg_temp.lead_import_"


@dataclass(frozen=True)
class KillBefore:
    """SIGKILL right before the nth statement that contains ``part``."""

    part: str = ""
    nth: int = 1
    after: str = ""

    def __call__(self) -> None:
        before_statement(
            self.part, self.nth, self.after, lambda: os.kill(os.getpid(), signal.SIGKILL)
        )


@dataclass(frozen=True)
class HoldBefore:
    """Stand still right before the nth statement that contains ``part``, until somebody
    lets it go on."""

    part: str
    nth: int = 1
    after: str = ""
    _held: Event = field(default_factory=fresh_process.Event)
    _let_go: Event = field(default_factory=fresh_process.Event)

    def __call__(self) -> None:
        before_statement(self.part, self.nth, self.after, self._stand_still)

    def _stand_still(self) -> None:
        self._held.set()
        self._let_go.wait(PATIENCE)

    def wait(self) -> None:
        """Wait until the deploy stands there."""
        assert self._held.wait(PATIENCE), f"never came to {self.part!r}"

    def let_go(self) -> None:
        """Let the deploy go on."""
        self._let_go.set()


@dataclass(frozen=True)
class Pinned:
    """Import another export than the bundled one, into the bundled CRM's table or another one.

    records: how many it holds, if it is none that can be read.
    """

    export: Path
    leads: Leads = LEADS
    records: int | None = None
    policies: dict[str, str] = field(default_factory=dict)

    def __call__(self) -> None:
        monkeypatch = pytest.MonkeyPatch()
        monkeypatch.setattr(crm, "LEADS", self.leads)
        pin(self.export, monkeypatch, self.records, leads=self.leads, **self.policies)


def before_statement(part: str, nth: int, after: str, act: Callable[[], object]) -> None:
    """Let ``act`` be called in this process before the nth statement that contains ``part``."""
    inside = [begin for begin, function in FUNCTIONS.items() if part and part in function]
    for number, begin in enumerate(inside):
        assert not after
        key = threading.get_native_id() * 10 + number
        change_function(begin, partial(_with_a_gate, part=part, nth=nth, key=key))
        threading.Thread(target=_guard, args=(key, act), daemon=True).start()
    if not inside:
        _before_statement_of_ours(part, nth, after, act)


def change_function(begin: str, change: Callable[[str], str]) -> None:
    """Let a function whose SQL begins so be made otherwise in this process."""
    execute = Server.execute

    def changed(self: Server, sql: str, **parameters: object) -> CursorResult[Any]:
        return execute(self, change(sql) if sql.startswith(begin) else sql, **parameters)

    Server.execute = changed  # type: ignore[method-assign]


def _before_statement_of_ours(part: str, nth: int, after: str, act: Callable[[], object]) -> None:
    seen, counting = 0, not after

    def look_at(statement: str) -> None:
        nonlocal seen, counting
        if statement.lstrip().startswith("CREATE OR REPLACE FUNCTION pg_temp") and part:
            return  # it holds all statements of a batch
        if counting and part in statement:
            seen += 1
            if seen == nth:
                act()
        counting = (
            counting
            or after in statement
            or (CALLS in statement and after in next(iter(FUNCTIONS.values())))
        )

    def before_execute(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        look_at(statement)

    event.listen(Engine, "before_cursor_execute", before_execute)
    event.listen(Engine, "commit", lambda _: look_at("COMMIT"))
    copy = Server.copy

    def copy_later(
        self: Server, table: str, pieces: Iterable[bytes], *, blank_is_null: bool = True
    ) -> None:
        look_at(f"COPY {table} FROM STDIN")
        copy(self, table, pieces, blank_is_null=blank_is_null)

    Server.copy = copy_later  # type: ignore[method-assign]


def _with_a_gate(function: str, part: str, nth: int, key: int) -> str:
    """A function that waits for an advisory lock at the nth time that it comes to a statement.

    Times are counted by a sequence, which no rollback sets back.
    """
    lines = function.split("\n")
    first = next(number for number, line in enumerate(lines) if part in line)
    while not _begins_a_statement(lines[first - 1].strip()):
        first -= 1
    gate = f"""
    IF nextval('pg_temp.times_{key}') = {nth} THEN
        PERFORM set_config('gate.lock_timeout', current_setting('lock_timeout'), true);
        SET LOCAL lock_timeout = 0;
        PERFORM pg_advisory_xact_lock_shared({key});
        PERFORM set_config('lock_timeout', current_setting('gate.lock_timeout'), true);
    END IF;
    """
    gated = "\n".join([*lines[:first], gate, *lines[first:]])
    return f"CREATE TEMPORARY SEQUENCE IF NOT EXISTS times_{key}; {gated}"


def _begins_a_statement(line_before: str) -> bool:
    return (
        not line_before
        or line_before.startswith("--")
        or line_before.endswith((";", "THEN", "BEGIN", "LOOP"))
    )


def _guard(key: int, act: Callable[[], object]) -> None:
    """Keep the lock of a gate until ``act`` has been called: when the server stands before it."""
    waits = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
    )
    with suppress(psycopg2.Error):  # a server that is stopped
        connection = psycopg2.connect(os.environ["DATABASE_URL"])
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (key,))
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                cursor.execute(waits, (key,))
                if cursor.fetchall() != [(0,)]:
                    act()
                    break
                time.sleep(0.01)
        connection.close()

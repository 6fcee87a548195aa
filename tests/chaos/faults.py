"""What goes wrong in a deploy, and where: before a statement that is known by a part of its text.

    KillBefore("COMMIT", nth=2, after="COPY lead_import_stage")     # dies before the second batch is committed

An empty part stands for every statement; with ``after``, counting begins after the first statement that
contains that. COPY counts, and so does a commit that SQLAlchemy does for us.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from migrations.importer.session import Server
from tests.chaos.deploys import fresh_process
from tests.exports import pin

__all__ = ["HoldBefore", "KillBefore", "Pinned"]

PATIENCE = 60.0
"""Seconds for which a deploy is held at most: a test that has failed may have forgotten it."""


@dataclass(frozen=True)
class KillBefore:
    """SIGKILL right before the nth statement that contains ``part``."""

    part: str = ""
    nth: int = 1
    after: str = ""

    def __call__(self) -> None:
        before_statement(self.part, self.nth, self.after, lambda: os.kill(os.getpid(), signal.SIGKILL))


@dataclass(frozen=True)
class HoldBefore:
    """Stand still right before the nth statement that contains ``part``, until somebody lets it go on."""

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
    """Import another export than the bundled one."""

    export: Path

    def __call__(self) -> None:
        pin(self.export, pytest.MonkeyPatch())


def before_statement(part: str, nth: int, after: str, act: Callable[[], object]) -> None:
    """Let ``act`` be called in this process before the nth statement that contains ``part``."""
    seen, counting = 0, not after

    def look_at(statement: str) -> None:
        nonlocal seen, counting
        if counting and part in statement:
            seen += 1
            if seen == nth:
                act()
        counting = counting or after in statement

    def before_execute(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        look_at(statement)

    event.listen(Engine, "before_cursor_execute", before_execute)
    event.listen(Engine, "commit", lambda _: look_at("COMMIT"))
    copy = Server.copy

    def copy_later(self: Server, table: str, rows: Any, **how: Any) -> None:
        look_at(f"COPY {table} FROM STDIN")
        copy(self, table, rows, **how)

    Server.copy = copy_later  # type: ignore[method-assign]

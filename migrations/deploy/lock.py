"""Let one deploy at a time through, by a session advisory lock. It ends with its connection.

The lock is polled. A statement waiting for it in the server would keep a snapshot, and CREATE INDEX
CONCURRENTLY waits for every snapshot, so two deploys would wait for each other.
"""

import random
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from msgspec import Struct
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from migrations.deploy.connection import APPLICATION
from migrations.importer.errors import DatabaseRefused
from migrations.importer.ledger import has_ledger
from migrations.importer.progress import Progress
from migrations.importer.session import DEPLOY_LOCK
from migrations.importer.sql import statement

__all__ = ["Holder", "find_holder", "take_deploy_lock"]

SHORTEST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Most seconds between two tries."""

_NAME = "SELECT set_config('application_name', :name, false)"
_TRY = "SELECT pg_try_advisory_lock(:key)"


class Holder(Struct, frozen=True):
    """Who holds the lock: a program, its server process, and when it connected.

    since: None if the role may not see it.
    """

    name: str
    process: int
    since: datetime | None

    @property
    def is_importing(self) -> bool:
        """Whether it imports or reverts. A dry run does neither."""
        return self.name == APPLICATION

    def __str__(self) -> str:
        name = self.name or "an unnamed program"
        since = f", connected since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"{name} (server process {self.process}{since})"


def find_holder(connection: Connection) -> Holder | None:
    """Find out who holds the deploy lock of this database. None if nobody does."""
    row = connection.execute(text(statement("find_holder")), {"key": DEPLOY_LOCK}).first()
    return None if row is None else Holder(**row._mapping)


def take_deploy_lock(
    connection: Connection,
    seconds: float,
    stop: Callable[[], str | None],
    doing: str = "",
    option: str = " (-x lock-wait)",
) -> None:
    """Take the lock for as long as the connection lives.

    seconds: how long to wait for another holder. ``stop`` may end the wait earlier. doing: what
    others see it is for, such as "dry run", or "" for an import. option: what sets ``seconds``, for
    the message.
    Raises ``DatabaseRefused`` after the wait.
    """
    if doing:
        connection.execute(text(_NAME), {"name": f"{APPLICATION} {doing}"})
        connection.commit()
    started, pause = time.monotonic(), SHORTEST_PAUSE
    with Progress("waiting for another deploy", "seconds", at_once=True) as progress:
        while not _try(connection):
            waited = time.monotonic() - started
            progress.at(waited, seconds, partial(_holder_in_words, connection))
            if waited >= seconds or stop():
                raise _gave_up(connection, stop(), f"{seconds:.0f} s{option}")
            # At random, so that two who wait do not always ask at the same moment.
            time.sleep(random.uniform(0, pause))
            pause = min(2 * pause, LONGEST_PAUSE)


def _try(connection: Connection) -> bool:
    taken: bool = connection.execute(text(_TRY), {"key": DEPLOY_LOCK}).scalar_one()
    connection.rollback()
    return taken


def _gave_up(connection: Connection, reason: str | None, waited: str) -> DatabaseRefused:
    why = f"because {reason}" if reason else f"after {waited}"
    return DatabaseRefused(
        f"Another deploy holds the deploy lock: {_holder_in_words(connection)}. Gave up {why}. "
        "Nothing was written. Try again when it has ended."
    )


def _holder_in_words(connection: Connection) -> str:
    holder = find_holder(connection)
    progress = _progress(connection) if holder else None
    connection.rollback()
    if holder is None:
        return "it has just ended"
    if progress is None:
        return str(holder)
    return f"{holder}, {progress.export} at record {progress.next_record:,} of {progress.records:,}"


def _progress(connection: Connection) -> Row[tuple[str, int, int]] | None:
    """How far the unfinished import is. None if there is none, or if a downgrade is about to drop
    the ledger."""
    if not has_ledger(connection):
        return None
    try:
        return connection.execute(text(statement("find_progress"))).first()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return None

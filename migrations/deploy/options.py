"""Read the options of ``alembic -x name=value``.

alembic -x batch-size=200 upgrade head
alembic -x dry-run upgrade head
"""

import os
import socket
from collections.abc import Callable, Mapping

from msgspec import Struct

from migrations.console import did_you_mean
from migrations.importer.context import Options
from migrations.importer.errors import ImportStopped

__all__ = ["BadOption", "Settings", "read_settings"]


class BadOption(ImportStopped):
    """An option is unknown, or its value is not valid."""


class Settings(Struct, frozen=True):
    """importer: its own options. lock_wait, time_budget: seconds."""

    importer: Options
    lock_wait: float
    time_budget: float


def read_settings(given: Mapping[str, str]) -> Settings:
    """Read ``-x`` options. Raises ``BadOption``."""
    if unknown := given.keys() - _KNOWN.keys():
        name = min(unknown)
        meant = did_you_mean(name, _KNOWN)
        raise BadOption(f"-x {name} is not known.{meant} Options are: {_known_in_words()}.")
    values = {name: read(name, given[name]) for name, read in _KNOWN.items() if name in given}
    usual = Options()
    return Settings(
        importer=Options(
            batch_size=int(values.get("batch-size", usual.batch_size)),
            pause=values.get("pause", 0) / 1000,
            new_crm=bool(values.get("new-crm", False)),
            dry_run=bool(values.get("dry-run", False)),
            remove_created=bool(values.get("remove-created", False)),
            statement_timeout=values.get("statement-timeout", usual.statement_timeout),
            ran_by=os.environ.get("RENDER_SERVICE_NAME") or socket.gethostname(),
            release=os.environ.get("RENDER_GIT_COMMIT", ""),
        ),
        lock_wait=values.get("lock-wait", LOCK_WAIT),
        time_budget=values.get("time-budget", TIME_BUDGET),
    )


def _known_in_words() -> str:
    return ", ".join(
        f"-x {name}" if read is _switch else f"-x {name}=…" for name, read in _KNOWN.items()
    )


LOCK_WAIT = 15 * 60.0
"""Seconds: half of Render's limit for a pre-deploy command (30 minutes). Ours has the rest."""

TIME_BUDGET = 25 * 60.0
"""Seconds from the start, because Render ends a pre-deploy command after 30 minutes."""


def _whole_number(low: int, high: int) -> Callable[[str, str], float]:
    def read(name: str, value: str) -> float:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise BadOption(f"-x {name}={value}: expected a whole number from {low} to {high}.")
        return int(value)

    return read


def _switch(name: str, value: str) -> float:
    if value:
        raise BadOption(f"-x {name} takes no value.")
    return True


_KNOWN: dict[str, Callable[[str, str], float]] = {
    "batch-size": _whole_number(1, 100_000),
    "dry-run": _switch,
    "lock-wait": _whole_number(0, 86_400),
    "new-crm": _switch,
    "pause": _whole_number(0, 60_000),
    "remove-created": _switch,
    "statement-timeout": _whole_number(1, 86_400),
    "time-budget": _whole_number(1, 86_400),
}

"""Show how far a piece of work has come: a bar on a terminal, some lines in a deploy's log.

    with Progress("october_leads.json", "records") as progress:
        progress.at(12_000, 50_000)

    october_leads.json: 12,000 of 50,000 records, 4,100 a second, 10 s left

The rate and the time left come from the last half minute.
"""

import logging
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from migrations.importer.how_far import HowFar

__all__ = ["Progress", "log"]

log = logging.getLogger("importer")

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Tell how much of ``what`` is done, from the first call of ``at`` to the end of the block.

    unit: what is counted, such as "records" or "MB".
    at_once: whether the first line comes at the first call, not after a few seconds.
    """

    def __init__(self, what: str, unit: str, *, at_once: bool = False) -> None:
        self._how_far = HowFar(what, unit)
        self._next_line = 0.0 if at_once else time.monotonic() + SECONDS_BETWEEN_LINES
        self._has_bar: bool | None = None
        self._shown = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def at(self, done: float, total: float, note: Callable[[], str] | None = None) -> None:
        """Tell that ``done`` of ``total`` is done.

        note: asked when a line is due. Unless it is "", it goes into the line, and a terminal gets
        the line too.
        """
        self._how_far.at(done, total)
        if self._has_bar is None:
            self._has_bar = self._show_bar()
        if done < total and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            noted = note() if note else ""
            if noted or not self._has_bar:
                after = f": {noted}" if noted else ""
                log.info("%s: %s%s", self._how_far.what, str(self._how_far), after)

    def _show_bar(self) -> bool:
        """Show a bar, if there is a terminal that can."""
        if not sys.stderr.isatty():
            return False
        from migrations.importer.progress_bar import bar  # noqa: PLC0415  # a deploy does without

        return self._shown.enter_context(bar(self._how_far))

"""How far an import has come, on the log: a line every few seconds, and one at its end."""

import logging
import time

__all__ = ["Progress", "log"]

log = logging.getLogger("importer")

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts records done of ``total``; ``what`` starts each line."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._last_line = time.monotonic()

    def done(self, records: int) -> None:
        """``records`` of the total are saved."""
        now = time.monotonic()
        if records < self._total and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            log.info("%s: %d of %d records saved", self._what, records, self._total)

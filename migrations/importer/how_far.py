"""Say how much of a piece of work is done, how fast, and how long the rest takes."""

import math
import time
from collections import deque

__all__ = ["HowFar", "time_span"]

SECONDS_OF_RATE = 30.0
MOST_OF_RATE = 1000
"""How far back the rate and the time left look, in seconds and in calls."""


class HowFar:
    """How much of ``what`` is done: ``done`` of ``total``.

    unit: what is counted, such as "records". "seconds" have no rate.
    """

    def __init__(self, what: str, unit: str) -> None:
        self.what = what
        self.done = self.total = 0.0
        self._unit = unit
        self._seen: deque[tuple[float, float]] = deque(maxlen=MOST_OF_RATE)

    def at(self, done: float, total: float) -> None:
        """Take what is done by now."""
        now = time.monotonic()
        self.done, self.total = done, total
        self._seen.append((now, done))
        while self._seen[0][0] < now - SECONDS_OF_RATE:
            self._seen.popleft()

    def __str__(self) -> str:
        return _joined(self._amount(), self._rate(), self._time_left())

    def in_words(self, width: int) -> str:
        """Return as much as ``width`` characters have room for.

        First drop the rate, then the amount, last the time.
        """
        done = f"{self.done / (self.total or 1):.0%}"
        fitting = [
            str(self),
            _joined(self._amount(), self._time_left()),
            _joined(done, self._time_left()),
        ]
        return next((words for words in fitting if len(words) <= width), done)

    def _amount(self) -> str:
        return f"{self.done:,.0f} of {self.total:,.0f} {self._unit}"

    def _rate(self) -> str:
        return f"{rate:,.0f} a second" if (rate := self._a_second()) else ""

    def _time_left(self) -> str:
        rate = self._a_second()
        return f"{time_span(math.ceil((self.total - self.done) / rate))} left" if rate else ""

    def _a_second(self) -> float:
        """Return what is done in a second, or 0 if there is nothing to tell."""
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        is_told = ended > began and self._unit != "seconds"
        return (last - first) / (ended - began) if is_told else 0


def time_span(seconds: float) -> str:
    """Return a span of time in one or two units: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 10:
        return f"{round(seconds, 1):g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _joined(*words: str) -> str:
    return ", ".join(filter(None, words))

"""Show how far a piece of work has come: a bar on a terminal, some lines in a deploy's log.

    with Progress("october_leads.json", "records") as progress:
        progress.at(12_000, 50_000)

    october_leads.json: 12,000 of 50,000 records, 4,100 a second, 10 s left

The rate and the time left come from the last half minute.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import BarColumn, ProgressColumn, Task
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

__all__ = ["Progress", "log", "time_span"]

log = logging.getLogger("importer")

SECONDS_BETWEEN_LINES = 5.0

SHORTEST_BAR = 8
"""Columns. A shorter bar says nothing."""


class Progress:
    """Tell how much of ``what`` is done, from the first call of ``at`` to the end of the block.

    unit: what is counted, such as "records" or "MB".
    at_once: whether the first line comes at the first call, not after a few seconds.
    """

    def __init__(self, what: str, unit: str, *, at_once: bool = False) -> None:
        console = Console(stderr=True, highlight=False)
        self._is_terminal = sys.stderr.isatty() and console.is_interactive
        self._bar = Bar(
            _Line(),
            console=console,
            expand=True,
            transient=True,
            disable=not self._is_terminal,
        )
        self._task = self._bar.add_task(what, total=None, unit=unit)
        self._next_line = 0.0 if at_once else time.monotonic() + SECONDS_BETWEEN_LINES
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
        if self._is_terminal and not self._bar.live.is_started:
            self._shown.enter_context(_below_the_log(self._bar))
        self._bar.update(self._task, completed=done, total=total)
        if done < total and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            task = self._bar.tasks[self._task]
            noted = note() if note else ""
            if noted or not self._is_terminal:
                log.info(
                    "%s: %s%s", task.description, _how_far(task), f": {noted}" if noted else ""
                )


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


class _Line(ProgressColumn):
    """Name, bar and words in one line. A narrow terminal loses the bar first, the name last."""

    def render(self, task: Task) -> "_FittedLine":
        return _FittedLine(task)


@dataclass(frozen=True)
class _FittedLine:
    task: Task

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        name, width = Text(self.task.description, no_wrap=True), options.max_width
        words = _fitting_words(self.task, width - len(name) - 1)
        name.truncate(max(0, width - len(words) - 1), overflow="ellipsis")
        line = Table.grid(padding=(0, 1))
        room = width - len(name) - len(words) - 2
        if room >= SHORTEST_BAR:
            line.add_row(name, _bar(room).render(self.task), words)
        else:
            line.add_row(name, words)
        yield line


def _bar(width: int) -> BarColumn:
    """Return a bar visible on a light terminal and on a dark one."""
    return BarColumn(width, style="dim", complete_style="cyan", finished_style="cyan")


def _fitting_words(task: Task, width: int) -> str:
    """Return as much as there is room for. First drop the rate, then the amount, last the time."""
    if task.total is None:
        return ""
    done = f"{task.completed / (task.total or 1):.0%}"
    fitting = [
        _how_far(task),
        _joined(_amount(task), _time_left(task)),
        _joined(done, _time_left(task)),
    ]
    return next((words for words in fitting if len(words) <= width), done)


def _how_far(task: Task) -> str:
    return _joined(_amount(task), _rate(task), _time_left(task))


def _amount(task: Task) -> str:
    total = task.total or 0
    return f"{task.completed:,.0f} of {total:,.0f} {task.fields['unit']}"


def _rate(task: Task) -> str:
    is_told = task.speed and task.fields["unit"] != "seconds"
    return f"{task.speed:,.0f} a second" if is_told else ""


def _time_left(task: Task) -> str:
    is_told = task.time_remaining is not None and task.fields["unit"] != "seconds"
    return f"{time_span(task.time_remaining or 0)} left" if is_told else ""


def _joined(*words: str) -> str:
    return ", ".join(filter(None, words))


@contextmanager
def _below_the_log(bar: Bar) -> Iterator[None]:
    """Show the bar below the log's lines on the same terminal."""
    with bar:
        redirected = [
            (handler, handler.setStream(sys.stderr))
            for handler in logging.getLogger().handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is bar.console.file
        ]
        try:
            yield
        finally:
            for handler, stream in redirected:
                handler.setStream(stream)

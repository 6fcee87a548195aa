"""Draw how far a piece of work has come, on a terminal."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from migrations.importer.how_far import HowFar

__all__ = ["Line", "bar"]

SHORTEST_BAR = 8
"""Columns. A shorter bar says nothing."""


@contextmanager
def bar(how_far: HowFar) -> Iterator[bool]:
    """Show a line below the log's lines, until the end of the block.

    Gives whether it is shown: not every terminal can move its cursor.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_interactive:
        yield False
        return
    with Live(Line(how_far), console=console, refresh_per_second=10, transient=True):
        redirected = [
            (handler, handler.setStream(sys.stderr))
            for handler in logging.getLogger().handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is console.file
        ]
        try:
            yield True
        finally:
            for handler, stream in redirected:
                handler.setStream(stream)


@dataclass(frozen=True)
class Line:
    """Name, bar and words in one line. A narrow terminal loses the bar first, the name last."""

    how_far: HowFar

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        name, width = Text(self.how_far.what, no_wrap=True), options.max_width
        words = self.how_far.in_words(width - len(name) - 1)
        name.truncate(max(0, width - len(words) - 1), overflow="ellipsis")
        line = Table.grid(padding=(0, 1))
        room = width - len(name) - len(words) - 2
        if room >= SHORTEST_BAR:
            line.add_row(name, self._bar(room), words)
        else:
            line.add_row(name, words)
        yield line

    def _bar(self, width: int) -> ProgressBar:
        """Return a bar visible on a light terminal and on a dark one."""
        return ProgressBar(
            self.how_far.total,
            self.how_far.done,
            width,
            style="dim",
            complete_style="cyan",
            finished_style="cyan",
        )

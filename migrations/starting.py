"""Prepare a process before its other imports: hear signals, open streams, prevent core dumps.

It imports the standard library alone. The rest takes a moment, and Ctrl-C may come during it.
"""

import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import TextIO

__all__ = ["Heard", "discard", "prepare_process"]


class Heard:
    """Keep early signals until somebody can handle them.

    numbers: of the signals so far. Outside the main thread Python cannot listen.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self.numbers: list[int] = []
        self._interrupts = False
        is_main = threading.current_thread() is threading.main_thread()
        self._before = {n: signal.signal(n, self._keep) for n in signals} if is_main else {}

    def _keep(self, number: int, _: FrameType | None) -> None:
        self.numbers.append(number)
        if self._interrupts:
            raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Raise ``KeyboardInterrupt`` from now on, and at once if a signal has come."""
        self._interrupts = True
        if self.numbers:
            raise KeyboardInterrupt

    def release(self) -> list[int]:
        """Restore the earlier handlers, and return the signals so far."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        return self.numbers


def prepare_process() -> None:
    """Open closed standard streams, and let no crash write people to a disk.

    The next file or connection would get a closed stream's number, and its output. What standard
    error cannot take, such as a log on a full disk, is given up at exit, or the exit status would
    be Python's 120.
    """
    atexit.register(_give_up_errors)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    try:
        import resource  # noqa: PLC0415  # not to be had on Windows
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def discard(stream: TextIO) -> None:
    """Let everything more that is written to a stream vanish, and what waits in it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _give_up_errors() -> None:
    try:
        sys.stderr.flush()
    except ValueError:
        pass  # somebody has closed it
    except OSError:
        discard(sys.stderr)

"""What a process needs before everything else is imported: to hear signals, streams, no core dumps.

It imports nothing but Python's own, because the rest takes a moment in which Ctrl-C comes too.
"""

import os
import signal
import sys
import threading
from types import FrameType

__all__ = ["Heard", "prepare_process"]


class Heard:
    """Signals that come before anybody can do something about them.

    numbers: what has come. In another thread than the main one Python cannot listen.
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
        """Raise ``KeyboardInterrupt`` from now on, and at once if something has come."""
        self._interrupts = True
        if self.numbers:
            raise KeyboardInterrupt

    def release(self) -> list[int]:
        """Leave signals to those who listened before; return what has come."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        return self.numbers


def prepare_process() -> None:
    """Open what is closed of the standard streams, and let no crash write people to a disk.

    The next file or connection would get the number of a closed stream, and what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    try:
        import resource  # noqa: PLC0415  # not to be had on Windows
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))

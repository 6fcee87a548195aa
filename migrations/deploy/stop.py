"""Decide when to stop: if a deploy is cancelled, or its time is nearly over.

The first SIGTERM or SIGINT lets the current batch finish. A second one ends the process at once,
and the server rolls the batch back. A separate thread hears the signals, because the main one may
be waiting for the server.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError

from migrations.importer.progress import log
from migrations.starting import Heard

__all__ = ["SIGNALS", "Interrupted", "Stop", "listening"]

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(CommandError):
    """Ctrl-C has stopped an Alembic command."""


class Stop:
    """Say between batches why to stop, or None.

    time_budget: seconds from now on.
    """

    def __init__(self, time_budget: float) -> None:
        self._deadline = time.monotonic() + time_budget
        self._signal: str | None = None

    def __call__(self) -> str | None:
        if self._signal:
            return f"{self._signal} was received"
        return None if self.seconds_left else "the time budget is used up"

    @property
    def is_by_ctrl_c(self) -> bool:
        """Whether Ctrl-C is the reason."""
        return self._signal == signal.SIGINT.name

    @property
    def seconds_left(self) -> float:
        """How much of the time budget is left."""
        return max(0.0, self._deadline - time.monotonic())

    def hear(self, number: int) -> None:
        """Take a signal: the first one asks to stop, a second one stops."""
        if self._signal:
            os._exit(128 + number)
        self._signal = signal.Signals(number).name
        log.warning(
            "%s: stopping after the batch in hand. A second one stops at once.", self._signal
        )


@contextmanager
def listening(stop: Stop, heard: Heard) -> Iterator[None]:
    """Tell ``stop`` of signals. Outside the main thread Python cannot listen.

    heard: earlier signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    # The interpreter writes a signal's number there as it arrives.
    wakeup_before = signal.set_wakeup_fd(mouth.fileno())
    for number in heard.release():
        stop.hear(number)
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    thread = threading.Thread(target=_listen, args=(ear, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup_before)
        mouth.close()
        thread.join()
        ear.close()


def _listen(ear: socket.socket, stop: Stop) -> None:
    while numbers := ear.recv(16):
        for number in numbers:
            if number in SIGNALS:
                stop.hear(number)

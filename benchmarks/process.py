"""Run a program, and measure its time and its peak memory."""

import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Failed", "Measured", "measured"]

SECONDS_BETWEEN_LOOKS = 0.02
LONGEST = 3600.0
"""Seconds before a program is ended."""


class Failed(Exception):
    """A program ended with an error. The message is the end of its output."""


@dataclass(frozen=True)
class Measured:
    """A program's run.

    seconds: from start to end. peak: MB (2**20 bytes), with its children. output: of both streams.
    """

    seconds: float
    peak: float
    output: str


def measured(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
) -> Measured:
    """Run a program to its end. Raises ``Failed``."""
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
        )
        memory = _Memory(child.pid)
        watchdog = threading.Timer(LONGEST, child.kill)  # wait(timeout) would look only every 50 ms
        watchdog.start()
        try:
            child.wait()
            seconds = time.perf_counter() - begun
        finally:
            child.kill()
            watchdog.cancel()
            peak = memory.peak()
        output.seek(0)
        said = output.read().decode(errors="replace")
    if child.returncode:
        raise Failed(f"{Path(command[0]).name} ended with {child.returncode}: {said[-2000:]}")
    return Measured(seconds, peak, said)


class _Memory:
    """Looks at a process and its children again and again.

    ``getrusage`` would not do: for a child it gives at least the size of its parent. The kernel
    keeps the highest value (VmHWM), so only growth after the last look is missed.
    """

    def __init__(self, pid: int) -> None:
        self._highest: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=[str(pid)])
        self._thread.start()

    def peak(self) -> float:
        self._over.set()
        self._thread.join()
        return sum(self._highest.values()) / 1024 or float("nan")

    def _watch(self, pid: str) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self._look(pid)

    def _look(self, pid: str) -> None:
        with suppress(OSError):  # it has just ended
            status = Path("/proc", pid, "status").read_text()
            for line in status.splitlines():
                if line.startswith("VmHWM:"):
                    self._highest[pid] = int(line.split()[1])
            for children in Path("/proc", pid, "task").glob("*/children"):
                for child in children.read_text().split():
                    self._look(child)

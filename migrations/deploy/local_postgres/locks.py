"""Lock files. Each lock ends with its process, even after a kill."""

import fcntl
from contextlib import suppress
from typing import IO

__all__ = ["share", "take", "unlock"]


def share(file: IO[str]) -> None:
    """Share a lock with others, once nobody has it alone."""
    fcntl.flock(file, fcntl.LOCK_SH)


def take(file: IO[str] | int) -> bool:
    """Try to take a lock alone, without waiting. False if somebody else has it."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def unlock(file: IO[str] | int) -> None:
    """Give a lock back, also for every process with an inherited copy."""
    fcntl.flock(file, fcntl.LOCK_UN)

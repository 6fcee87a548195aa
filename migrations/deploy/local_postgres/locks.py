"""Locks on files. Each one ends with the process that holds it, however that ends."""

import fcntl
from contextlib import suppress
from typing import IO

__all__ = ["share", "take", "unlock"]


def share(file: IO[str]) -> None:
    """Take a lock beside others who share it, once nobody has it alone."""
    fcntl.flock(file, fcntl.LOCK_SH)


def take(file: IO[str] | int) -> bool:
    """Try to take a lock alone, without waiting. False if somebody else has it."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def unlock(file: IO[str] | int) -> None:
    """Give a lock back, for every process that inherited it."""
    fcntl.flock(file, fcntl.LOCK_UN)

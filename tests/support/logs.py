"""A server that logs all it does, and what its log holds of our own sessions."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["LOG_ALL", "found_in", "nobody_logged", "of_ours"]

LOG_ALL = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_error_verbosity": "verbose",
    "log_lock_waits": "on",
    "log_line_prefix": "<<%a>> ",
}
_OURS = "<<lead-import>>"
_CANARY = re.compile(r"canary|7700\W{0,3}900|ZZ99", re.IGNORECASE)


def of_ours(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of the log that our own sessions have caused."""
    is_ours = False
    for line in lines:
        if line.startswith("<<"):
            is_ours = line.startswith(_OURS)
        if is_ours:
            yield line


def found_in(text: str) -> set[str]:
    """The lines of a text that hold a phone or postcode of the tests' records, or a canary."""
    return {line for line in text.splitlines() if _CANARY.search(line)}


@contextmanager
def nobody_logged(log: Path) -> Iterator[None]:
    """Fail at the end of the block if our sessions' log shows somebody."""
    yield
    with log.open(encoding="utf-8", errors="replace") as lines:
        found = sorted({line for line in of_ours(lines) if found_in(line)})
    assert not found, f"our sessions' log shows somebody: {found[:3]}"

"""How often, and after which pauses, a thing is tried again: growing, of random length, bounded."""

import logging

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from migrations.importer.errors import TryAgain

__all__ = ["reconnecting"]

log = logging.getLogger("importer")

RECONNECTS = 6
"""With the pauses between them up to a minute: a server that restarts is back by then."""


def reconnecting() -> Retrying:
    """Attempts at a whole run: each connects anew, takes the lock again and reads the ledger again."""
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, TryAgain)),
        wait=wait_random_exponential(multiplier=0.5, max=20),
        stop=stop_after_attempt(RECONNECTS),
        before_sleep=_say,
        reraise=True,
    )


def _say(state: RetryCallState) -> None:
    assert state.outcome is not None
    log.warning("%s Trying again (%d of %d).", state.outcome.exception(), state.attempt_number, RECONNECTS - 1)

"""How often, and after which pauses, a thing is tried again: growing, of random length, bounded."""

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from migrations.importer.errors import TryAgain
from migrations.importer.progress import log

__all__ = ["reconnecting", "until_the_site_lets_us"]

BATCH_ATTEMPTS = 8
"""Of one batch, with pauses of up to a minute in all: no request of the site holds a lead that long."""

RUN_ATTEMPTS = 6
"""Of a whole run, with pauses of up to a minute in all: a server that restarts is back by then."""


def until_the_site_lets_us() -> Retrying:
    """Attempts at one batch that the site is in the way of. A lost connection is not mended here."""
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, TryAgain) and not error.lost),
        wait=wait_random_exponential(multiplier=0.1, max=20),
        stop=stop_after_attempt(BATCH_ATTEMPTS),
        before_sleep=_say,
        reraise=True,
    )


def reconnecting() -> Retrying:
    """Attempts at a whole run: each connects anew, takes the lock again and reads the ledger again."""
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, TryAgain)),
        wait=wait_random_exponential(multiplier=0.5, max=20),
        stop=stop_after_attempt(RUN_ATTEMPTS),
        before_sleep=_say,
        reraise=True,
    )


def _say(state: RetryCallState) -> None:
    assert state.outcome is not None
    log.warning("%s This was attempt %d; trying again.", state.outcome.exception(), state.attempt_number)

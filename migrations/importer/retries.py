"""Try again: so often, after growing, random and bounded pauses."""

import time
from collections.abc import Callable
from functools import partial

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from migrations.importer.errors import TryAgain
from migrations.importer.progress import log

__all__ = ["BATCH_ATTEMPTS", "reconnecting", "sleep_unless", "until_the_site_lets_us"]

BATCH_ATTEMPTS = 12
"""Of one batch, over half a minute and more. No request of the site holds a lead for so long."""

RUN_ATTEMPTS = 10
"""Of a whole run, with pauses of up to a minute and a half in all. A restarting server is back by
then."""

WhyStop = Callable[[], str | None]


def until_the_site_lets_us(why_stop: WhyStop) -> Retrying:
    """Attempt one batch again while the site is in the way. A lost connection is not mended here.

    why_stop: a reason ends the pause. The next attempt must heed it.
    """
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, TryAgain) and not error.lost),
        wait=wait_random_exponential(multiplier=0.1, max=20),
        stop=stop_after_attempt(BATCH_ATTEMPTS),
        sleep=partial(sleep_unless, why_stop),
        before_sleep=_say,
        reraise=True,
    )


def reconnecting(why_stop: WhyStop) -> Retrying:
    """Attempt a whole run again: each time connect, take the lock and read the ledger anew.

    why_stop: a reason makes this attempt the last one.
    """
    last = stop_after_attempt(RUN_ATTEMPTS)
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, TryAgain)),
        wait=wait_random_exponential(multiplier=0.5, max=20),
        stop=lambda state: last(state) or why_stop() is not None,
        sleep=partial(sleep_unless, why_stop),
        before_sleep=_say,
        reraise=True,
    )


def sleep_unless(why_stop: WhyStop, seconds: float) -> None:
    """Sleep so long, or until there is a reason to stop."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not why_stop():
        time.sleep(min(left, 0.1))


def _say(state: RetryCallState) -> None:
    assert state.outcome is not None
    log.warning(
        "%s This was attempt %d; trying again.", state.outcome.exception(), state.attempt_number
    )

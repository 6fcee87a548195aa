"""The import gives way to the site, with smaller batches or with rests between them."""

import logging
from collections.abc import Callable
from math import inf

import pytest
from sqlalchemy import URL

from migrations.importer import batches
from migrations.importer import pace as pace_module
from migrations.importer.pace import LONGEST_REST, SMALLEST_BATCH, Pace, Took
from tests.support.bundled import IMPORT
from tests.support.crm import picture, slow_down
from tests.support.database import run
from tests.support.promises import assert_imported
from tests.support.proxy import SlowCommits, proxy
from tests.support.upgrades import upgrade


def test_batches_that_take_too_long_get_smaller_and_grow_again() -> None:
    """They shrink by half and grow by a quarter at most, so one slow moment does not decide."""
    pace = Pace(1000, 0)
    sizes = []
    for seconds_a_record in [1e-5] + [1e-3] * 6 + [1e-5] * 12:
        pace.after(pace.batch_size, Took(seconds_a_record * pace.batch_size, 0))
        sizes.append(pace.batch_size)
    assert sizes[:7] == [1000, 500, 250, 125, 100, 100, 100]
    assert sizes[7:10] == [126, 158, 198]
    assert sizes[-1] == 1000


def test_batches_get_no_smaller_than_a_few_records() -> None:
    """In even smaller ones, most of the time would go into the batch itself, not its records."""
    pace = Pace(1000, 0)
    for _ in range(20):
        pace.after(pace.batch_size, Took(30, 0))
    assert pace.batch_size == SMALLEST_BATCH


def test_no_batch_is_larger_than_was_asked_for() -> None:
    """Even a batch size below the usual smallest is respected."""
    pace = Pace(7, 0)
    for seconds in (30, 0):
        pace.after(7, Took(seconds, 0))
        assert pace.batch_size == 7


def test_slow_commits_make_it_rest_as_long_as_it_has_worked() -> None:
    """Batches keep their size, because any commit takes as long, and fast ones end the rest."""
    pace = Pace(1000, 0)
    pace.after(1000, Took(0.35, 0.3))
    assert (pace.batch_size, pace.rest) == (1000, 0.35)
    assert "because commits are slow" in pace.note()
    pace.after(1000, Took(60, 59.95))
    assert pace.rest == LONGEST_REST
    pace.after(1000, Took(0.03, 0.002))
    assert (pace.rest, pace.note()) == (0, "")


def test_a_pause_that_was_asked_for_is_made_between_batches(
    crm_with_leads: URL, rests: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lasts at least so many milliseconds, and there is none after the last batch."""
    monkeypatch.setattr(pace_module, "LONGEST_WORK", inf)
    monkeypatch.setattr(pace_module, "SLOW_COMMIT", inf)
    before = picture(crm_with_leads)
    upgrade(crm_with_leads, IMPORT, "batch-size=50", "pause=250")
    assert rests == [0.25] * 4
    assert_imported(crm_with_leads, before)


def test_a_dry_run_does_not_rest(crm_with_leads: URL, rests: list[float]) -> None:
    """Its leads stay locked to the end, so the sooner it ends the better."""
    upgrade(crm_with_leads, IMPORT, "batch-size=50", "pause=250", "dry-run")
    assert rests == []


def test_a_slow_server_gets_smaller_batches(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so, and every lead arrives."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("migrations.importer.progress.SECONDS_BETWEEN_LINES", 0)
    before = picture(crm_with_leads)
    slow_down(crm_with_leads, 0.004)
    upgrade(crm_with_leads, IMPORT, "batch-size=100")
    sizes = [
        row[0]
        for row in run(crm_with_leads, "SELECT next_record - first_record FROM lead_import_batches")
    ]
    assert sizes[0] == 100
    assert max(sizes[1:]) < 100
    assert any("because larger ones take too long" in message for message in caplog.messages)
    assert_imported(crm_with_leads, before)


def test_a_server_whose_commits_are_slow_gets_rests(
    crm_with_leads: URL,
    rests: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each rest lasts as long as batch and commit, the log says so, and batches stay as large."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("migrations.importer.progress.SECONDS_BETWEEN_LINES", 0)
    monkeypatch.setattr(pace_module, "LONGEST_WORK", inf)
    before = picture(crm_with_leads)
    with proxy(crm_with_leads, SlowCommits(0.15)) as url:
        upgrade(url, IMPORT, "batch-size=50")
    assert len(rests) == 4
    assert all(0.15 < seconds <= LONGEST_REST for seconds in rests)
    assert sum("because commits are slow" in message for message in caplog.messages) == 4
    assert_imported(crm_with_leads, before)


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the rests after each batch, in seconds, without resting."""
    rested: list[float] = []

    def rest(_: Callable[[], str | None], seconds: float) -> None:
        rested.append(seconds)

    monkeypatch.setattr(batches, "sleep_unless", rest)
    return rested

"""A deploy is asked to stop: by a signal, its time budget, the server's limits or an operator."""

import signal
import time
from collections.abc import Callable

import pytest
from sqlalchemy import URL, text
from tenacity import Retrying

from migrations.importer.retries import reconnecting, until_the_site_lets_us
from tests.support.bundled import records
from tests.support.crm import picture, slow_down, speed_up
from tests.support.database import connected, run, value, wait_until
from tests.support.deploys import Deploys
from tests.support.ends import A_LOCK_IS_WAITED_FOR, LOCK_IS_FREE
from tests.support.faults import HoldBefore
from tests.support.promises import assert_imported

SIGNALS = [signal.SIGTERM, signal.SIGINT]
INDEX_WAITS = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%INDEX CONCURRENTLY%'
        AND datname = current_database()
"""
ASLEEP = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE wait_event = 'PgSleep' AND datname = current_database()
"""
CANCEL_WHO_WAITS = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_lets_the_batch_in_hand_finish(
    number: signal.Signals, crm_with_leads: URL, deploys: Deploys
) -> None:
    """The message says how far it came, the exit status is not 0, and the next deploy reaches the
    same end."""
    before = picture(crm_with_leads)
    in_batch_2 = HoldBefore("-- step: update leads", nth=2)
    deploy = deploys.start(
        crm_with_leads, "-x", "batch-size=20", "upgrade", "head", faults=[in_batch_2]
    )
    in_batch_2.wait()
    deploy.send(number)
    deploy.wait_until_it_says(f"{number.name}: stopping after the batch in hand")
    in_batch_2.let_go()
    assert deploy.status not in (0, -number)
    assert f"{number.name} was received. 40 of {len(records())} records are saved" in deploy.output
    assert value(crm_with_leads, "SELECT next_record FROM lead_imports") == 40
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (
            "SELECT version_num FROM alembic_version",
            "stopped while it was checked, because SIGTERM was received. This run has written",
        ),
        (
            "COPY lead_import_stage",
            "stopped while it was checked, because SIGTERM was received. This run has written",
        ),
        ("INSERT INTO lead_imports", f"0 of {len(records())} records are saved"),
    ],
)
def test_a_signal_before_the_first_batch_leaves_nothing_to_do(
    place: str, said: str, crm_with_leads: URL, deploys: Deploys
) -> None:
    """Stop while it connects, checks the export or writes the ledger's row: no lead changes, and
    the exit status is not 0."""
    before = picture(crm_with_leads)
    held = HoldBefore(place)
    deploy = deploys.start(crm_with_leads, "upgrade", "head", faults=[held])
    held.wait()
    deploy.send(signal.SIGTERM)
    deploy.wait_until_it_says("SIGTERM")
    held.let_go()
    assert deploy.status not in (0, -signal.SIGTERM)
    assert said in deploy.output
    assert picture(crm_with_leads) == before
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize("place", ["COMMIT", "UPDATE alembic_version"])
def test_a_signal_when_all_is_in_ends_well(
    place: str, crm_with_leads: URL, deploys: Deploys
) -> None:
    """In the last commit or after it, both import and stamp complete."""
    before = picture(crm_with_leads)
    held = HoldBefore(place, after="INSERT INTO lead_import_batches")
    deploy = deploys.start(crm_with_leads, "upgrade", "head", faults=[held])
    held.wait()
    deploy.send(signal.SIGTERM)
    deploy.wait_until_it_says("SIGTERM")
    held.let_go()
    assert deploy.status == 0, deploy.output
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_while_an_index_is_built(times: int, database: URL, deploys: Deploys) -> None:
    """It stops after that statement, or at once if asked twice, and the next deploy builds the
    index again."""
    deploys.succeed(database, "upgrade", "0001_baseline")
    with connected(database) as site:
        site.execute(text("BEGIN ISOLATION LEVEL REPEATABLE READ"))
        site.execute(text("SELECT count(*) FROM users"))
        deploy = deploys.start(database, "upgrade", "head")
        wait_until(database, INDEX_WAITS)
        for _ in range(times):
            deploy.send(signal.SIGTERM)
            deploy.wait_until_it_says("SIGTERM")
        assert deploy.wait(seconds=25) not in (0, -signal.SIGTERM)
        wait_until(database, LOCK_IS_FREE, seconds=3)
        site.execute(text("ROLLBACK"))
    deploys.succeed(database, "upgrade", "head")
    assert value(database, "SELECT created FROM lead_imports") == len(records())


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_second_signal_ends_a_deploy_at_once(
    number: signal.Signals, crm_with_leads: URL, deploys: Deploys
) -> None:
    """It ends even in a blocked statement, and the server rolls back the batch and frees the
    lock."""
    before = picture(crm_with_leads)
    slow_down(crm_with_leads, 60)
    deploy = deploys.start(crm_with_leads, "upgrade", "head")
    wait_until(crm_with_leads, ASLEEP)
    deploy.send(number)
    deploy.wait_until_it_says("A second one stops at once")
    assert deploy.running
    deploy.send(number)
    assert deploy.wait(seconds=2) == 128 + number
    wait_until(crm_with_leads, LOCK_IS_FREE, seconds=3)
    speed_up(crm_with_leads)
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


def test_a_signal_ends_the_wait_for_another_deploy(database: URL, deploys: Deploys) -> None:
    """No batch is running, so it stops right away and says what it waited for."""
    with connected(database) as other:
        other.execute(text("SELECT pg_advisory_lock(:key)"), {"key": int.from_bytes(b"leads-im")})
        deploy = deploys.start(database, "upgrade", "head")
        deploy.wait_until_it_says("waiting for another deploy")
        deploy.send(signal.SIGTERM)
        assert deploy.wait(seconds=5) not in (0, -signal.SIGTERM)
    assert "Gave up because SIGTERM was received" in deploy.output


def test_a_signal_ends_the_retries_of_a_batch(crm_with_leads: URL, deploys: Deploys) -> None:
    """A deploy held up by the site stops at the next attempt and keeps what it has saved."""
    before = picture(crm_with_leads)
    with connected(crm_with_leads) as site:
        site.execute(text("BEGIN"))
        site.execute(text("UPDATE leads SET notes = 'being edited' WHERE full_name = 'Known 9'"))
        deploy = deploys.start(crm_with_leads, "-x", "batch-size=100", "upgrade", "head")
        deploy.wait_until_it_says("trying again")
        deploy.send(signal.SIGTERM)
        assert deploy.wait(seconds=5) not in (0, -signal.SIGTERM)
        site.execute(text("ROLLBACK"))
    assert "SIGTERM was received. 100 of" in deploy.output
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize("attempts", [until_the_site_lets_us, reconnecting])
def test_a_reason_to_stop_ends_a_pause(
    attempts: Callable[[Callable[[], str | None]], Retrying],
) -> None:
    """Pauses grow to many seconds, but a deploy told to stop does not sit them out."""
    begun = time.monotonic()
    attempts(lambda: "SIGTERM was received").sleep(20)
    assert time.monotonic() - begun < 1


def test_a_time_budget_stops_between_batches(crm_with_leads: URL, deploys: Deploys) -> None:
    """It says to deploy again, and doing so reaches the same end."""
    before = picture(crm_with_leads)
    slow_down(crm_with_leads, 0.05)
    deploy = deploys.run(
        crm_with_leads, "-x", "batch-size=20", "-x", "time-budget=4", "upgrade", "head"
    )
    assert deploy.status != 0
    checkpoint = value(crm_with_leads, "SELECT next_record FROM lead_imports")
    said = f"the time budget is used up. {checkpoint} of {len(records())} records are saved"
    assert f"{said}; deploy again to continue" in deploy.output
    assert 0 < checkpoint < len(records()) and checkpoint % 20 == 0
    speed_up(crm_with_leads)
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


def test_a_statement_that_takes_too_long_is_halved_down_to_one_record(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """Everything before the slow record is saved, and the message names its position."""
    before = picture(crm_with_leads)
    slow = 6  # Its position. The lead is a new one.
    number = records()[slow]["lead_number"]
    sleep = "BEGIN PERFORM pg_sleep(60); RETURN NEW; END"
    run(
        crm_with_leads,
        f"CREATE FUNCTION take_your_time() RETURNS trigger LANGUAGE plpgsql AS $$ {sleep} $$",
    )
    run(
        crm_with_leads,
        "CREATE TRIGGER slow BEFORE INSERT ON leads FOR EACH ROW "
        f"WHEN (NEW.lead_number = '{number}') EXECUTE FUNCTION take_your_time()",
    )
    deploy = deploys.run(
        crm_with_leads, "-x", "batch-size=8", "-x", "statement-timeout=1", "upgrade", "head"
    )
    assert deploy.status != 0
    assert "records 1 to 8: a statement ran out of time. Trying in two halves." in deploy.output
    assert (
        f"record {slow + 1}: a statement ran out of time. It is one record alone" in deploy.output
    )
    assert value(crm_with_leads, "SELECT next_record FROM lead_imports") == slow
    speed_up(crm_with_leads)
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize("seconds", [1, 2, 3])
def test_a_held_lead_is_no_statement_that_takes_too_long(
    seconds: int, crm_with_leads: URL, deploys: Deploys
) -> None:
    """Even with a short time limit the batch is tried again whole instead of halved."""
    before = picture(crm_with_leads)
    with connected(crm_with_leads) as site:
        site.execute(text("BEGIN"))
        site.execute(text("SELECT FROM leads WHERE full_name = 'Known 9' FOR UPDATE"))
        deploy = deploys.start(
            crm_with_leads, "-x", f"statement-timeout={seconds}", "upgrade", "head"
        )
        deploy.wait_until_it_says("55P03 lock not available")
        site.execute(text("ROLLBACK"))
    assert deploy.status == 0, deploy.output
    assert "halves" not in deploy.output
    assert_imported(crm_with_leads, before)


def test_an_operators_cancel_is_not_retried(crm_with_leads: URL, deploys: Deploys) -> None:
    """Somebody wants the deploy to stop, so it stops at once and keeps the committed batches."""
    before = picture(crm_with_leads)
    held = HoldBefore("FOR NO KEY UPDATE", nth=2)
    deploy = deploys.start(crm_with_leads, "-x", "batch-size=20", "upgrade", "head", faults=[held])
    held.wait()
    with connected(crm_with_leads) as site:
        site.execute(text("BEGIN"))
        site.execute(text("SELECT FROM leads WHERE full_name LIKE 'Known %' FOR UPDATE"))
        held.let_go()
        wait_until(crm_with_leads, A_LOCK_IS_WAITED_FOR)
        assert value(crm_with_leads, CANCEL_WHO_WAITS)
        assert deploy.status != 0
        site.execute(text("ROLLBACK"))
    assert (
        "records 21 to 40: the server answered 57014 query canceled. Somebody cancelled it"
        in deploy.output
    )
    assert "trying again" not in deploy.output
    assert value(crm_with_leads, "SELECT next_record FROM lead_imports") == 20
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)

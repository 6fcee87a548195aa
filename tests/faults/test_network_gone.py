"""A network is gone: no FIN, no RST, nothing passes, and nobody is told."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import URL

from tests.conftest import build_crm_with_leads
from tests.support.bundled import records
from tests.support.crm import picture, slow_down, speed_up
from tests.support.database import value, wait_until
from tests.support.deploys import Deploy, Deploys
from tests.support.ends import LOCK_IS_FREE
from tests.support.faults import HoldBefore
from tests.support.network import Machines, two_machines, why_no_network
from tests.support.promises import assert_imported

pytestmark = [pytest.mark.chaos, pytest.mark.server]

ABOUT_A_MINUTE = 65.0
NO_SESSION = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'lead-import'"
ASLEEP = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture
def machines() -> Iterator[Machines]:
    """Set up two machines and a network between them."""
    if why := why_no_network():
        pytest.skip(why)
    with two_machines() as machines:
        yield machines


@pytest.mark.parametrize(
    "sleep", [None, 0.4, 600], ids=["between statements", "before a reply", "in a long statement"]
)
def test_both_sides_notice_in_about_a_minute(
    sleep: float | None, machines: Machines, deploys: Deploys
) -> None:
    """The server drops the session and the lock, and the client tries again and reaches the same
    end."""
    with machines.server() as (by_socket, by_network):
        build_crm_with_leads(by_socket)
        before = picture(by_socket)
        deploy = lose_the_network(sleep, machines, deploys, by_socket, by_network)
        gone = time.monotonic()
        wait_until(by_socket, NO_SESSION, seconds=ABOUT_A_MINUTE)
        server_noticed = time.monotonic() - gone
        assert value(by_socket, LOCK_IS_FREE)
        deploy.wait_until_it_says("connection to the server was lost", seconds=ABOUT_A_MINUTE)
        client_noticed = time.monotonic() - gone
        print(
            f"noticed by the server after {server_noticed:.0f} s, by the client after "
            f"{client_noticed:.0f} s"
        )
        if sleep:
            speed_up(by_socket)
        assert value(by_socket, "SELECT next_record FROM lead_imports") == 20
        machines.speak()
        assert deploy.status == 0, deploy.output
        assert f"resumed at record 21 of {len(records())}" in deploy.output
        assert_imported(by_socket, before)


def lose_the_network(
    sleep: float | None, machines: Machines, deploys: Deploys, by_socket: URL, by_network: URL
) -> Deploy:
    """Start a deploy and silence the network in its second batch, between two statements or in a
    slow one."""
    held = HoldBefore("SELECT pg_temp.lead_import_apply_batch", nth=2)
    arguments = ("-x", "batch-size=20", "-x", "statement-timeout=900", "upgrade", "head")
    deploy = deploys.start(by_network, *arguments, faults=[machines.move, held])
    held.wait()
    if sleep:
        slow_down(by_socket, sleep)
        held.let_go()
        wait_until(by_socket, ASLEEP)
        machines.silence()
    else:
        machines.silence()
        held.let_go()
    return deploy

"""A connection ends in the middle: by an operator, the network or the server."""

import os
import random
import signal
import socket
import sys
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from migrations.deploy.connection import connect
from tests.conftest import Template, build_crm_with_leads
from tests.support.crm import picture
from tests.support.database import connected, run, value
from tests.support.deploys import Deploys
from tests.support.faults import HoldBefore
from tests.support.postgres import Databases
from tests.support.promises import assert_imported
from tests.support.proxy import CutAfter, CutBeforeCommit, Delay, SwallowReply, proxy
from tests.support.servers import own_server, stop

TERMINATE = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE application_name = 'lead-import' AND datname = current_database()
"""
TAKES_THE_LOCK = "pg_try_advisory_lock"


@pytest.mark.parametrize(
    ("when", "nth"),
    [
        ("COPY lead_import_stage", 1),
        ("INSERT INTO lead_import_repeats", 1),
        ("UPDATE leads", 2),
        ("COMMIT", 4),
        ("DROP TABLE IF EXISTS", 2),
        ("UPDATE alembic_version", 1),
    ],
)
def test_a_deploy_whose_connection_an_operator_ends_before(
    when: str, nth: int, crm_with_leads: URL, deploys: Deploys
) -> None:
    """The deploy connects again, takes the lock again, reads the ledger again, and reaches the same
    end."""
    before = picture(crm_with_leads)
    held, again = HoldBefore(when, nth), HoldBefore(TAKES_THE_LOCK, nth=2)
    deploy = deploys.start(
        crm_with_leads, "-x", "batch-size=110", "upgrade", "head", faults=[held, again]
    )
    held.wait()
    assert value(crm_with_leads, TERMINATE)
    held.let_go()
    again.wait()
    again.let_go()
    assert deploy.status == 0, deploy.output
    assert (
        "connection to the server was lost. Run the same command again. This was attempt 1"
        in deploy.output
    )
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize("nth", range(2, 8))
@pytest.mark.parametrize(
    "trouble", [SwallowReply, pytest.param(CutBeforeCommit, marks=pytest.mark.chaos)]
)
def test_a_commit_that_the_network_cuts_off(
    trouble: type[SwallowReply] | type[CutBeforeCommit],
    nth: int,
    crm_with_leads: URL,
    deploys: Deploys,
) -> None:
    """The reply to COMMIT is lost: the checkpoint knows if it arrived, so no batch comes twice."""
    before = picture(crm_with_leads)
    with proxy(crm_with_leads, trouble(nth)) as url:
        deploy = deploys.run(url, "-x", "batch-size=110", "upgrade", "head")
    assert deploy.status == 0, deploy.output
    assert "Run the same command again. This was attempt 1" in deploy.output
    assert_imported(crm_with_leads, before)


@pytest.fixture(scope="module")
def size_of_a_deploy(
    databases: Databases, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> int:
    """Return the bytes an undisturbed deploy transfers, in both directions together."""
    url = databases.create(template("crm_with_leads", build_crm_with_leads))
    much = CutAfter(10**9)
    with (
        proxy(url, much) as through,
        Deploys(tmp_path_factory.mktemp("undisturbed")).watched() as deploys,
    ):
        deploys.succeed(through, "-x", "batch-size=20", "upgrade", "head")
    databases.drop(str(url.database))
    return 10**9 - much.size


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.chaos) for seed in range(4, 100))]
)
def test_a_line_that_is_cut_after_some_bytes(
    seed: int, size_of_a_deploy: int, crm_with_leads: URL, deploys: Deploys
) -> None:
    """In a COPY, in an answer or in between, this run or the next one reaches the same end."""
    before = picture(crm_with_leads)
    # Two deploys differ by a few bytes, because a time is as long as its digits.
    size = int(random.Random(seed).uniform(100, 0.999 * size_of_a_deploy))
    cut = CutAfter(size)
    with proxy(crm_with_leads, cut) as url:
        deploy = deploys.run(url, "-x", "batch-size=20", "upgrade", "head")
    assert cut.size < 0, f"only {size - cut.size} bytes have passed: it was not cut after {size}"
    if deploy.status != 0:
        assert "No connection to the database" in deploy.output, f"cut after {size} bytes"
        deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


def test_a_slow_network_only_takes_longer(crm_with_leads: URL, deploys: Deploys) -> None:
    """Add ten milliseconds each way and reach the same end."""
    before = picture(crm_with_leads)
    with proxy(crm_with_leads, Delay(0.01)) as url:
        deploys.succeed(url, "upgrade", "head")
    assert_imported(crm_with_leads, before)


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems have other names for these options"
)
def test_a_network_that_is_gone_ends_a_connection_in_about_a_minute(crm: URL) -> None:
    """Both kernels really have the keepalives and the limit for unacknowledged data."""
    options = {
        "on": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        "idle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        "interval": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        "count": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        "unacknowledged": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    }
    with proxy(crm, Delay(0)) as url, connect(url) as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        with socket.socket(fileno=os.dup(driver.fileno())) as line:
            client = {name: line.getsockopt(*option) for name, option in options.items()}
    assert client == {"on": 1, "idle": 20, "interval": 10, "count": 3, "unacknowledged": 50_000}


def test_a_server_without_a_client_gives_up_in_about_a_minute(crm: URL) -> None:
    """The server shows its kernel's limits for a network connection, and none for a Unix socket."""
    with connect(crm) as connection:
        settings = [
            connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in (
                "tcp_keepalives_idle",
                "tcp_keepalives_interval",
                "tcp_keepalives_count",
                "tcp_user_timeout",
            )
        ]
        check = connection.exec_driver_sql("SHOW client_connection_check_interval").scalar_one()
    assert check == "1s"
    if crm.query.get("host"):
        pytest.skip("this server has no TCP")
    assert settings == ["20", "10", "3", "50000"]


@pytest.mark.server
@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["immediate", "fast"])
def test_a_server_that_is_stopped_and_started_again(how: signal.Signals, deploys: Deploys) -> None:
    """It recovers committed batches, and the same deploy connects again and goes on to the same
    end."""
    with own_server() as (place, url):
        build_crm_with_leads(url)
        before = picture(url)
        held = HoldBefore("INSERT INTO lead_import_batches", nth=3)
        deploy = deploys.start(url, "-x", "batch-size=20", "upgrade", "head", faults=[held])
        held.wait()
        stop(url, how)
        held.let_go()
        deploy.wait_until_it_says("The server does not answer")
        with own_server(place):
            assert deploy.status == 0, deploy.output
            assert "resumed at record 41 of" in deploy.output
            assert_imported(url, before)


@pytest.mark.server
def test_a_crash_of_another_process_of_the_server(deploys: Deploys) -> None:
    """The server ends all sessions and recovers, and the same deploy waits and goes on to the same
    end."""
    with own_server() as (_, url):
        build_crm_with_leads(url)
        before = picture(url)
        held = HoldBefore("INSERT INTO lead_import_batches", nth=3)
        deploy = deploys.start(url, "-x", "batch-size=20", "upgrade", "head", faults=[held])
        held.wait()
        with suppress(DBAPIError), connected(url) as site:
            os.kill(site.exec_driver_sql("SELECT pg_backend_pid()").scalar_one(), signal.SIGKILL)
            site.exec_driver_sql("SELECT 1")
        held.let_go()
        assert deploy.status == 0, deploy.output
        assert "resumed at record 41 of" in deploy.output
        assert_imported(url, before)


@pytest.mark.server
def test_a_server_that_takes_no_more_connections(deploys: Deploys) -> None:
    """A new deploy is refused, and a running one tries again until there is room."""
    with own_server() as (place, url):
        build_crm_with_leads(url)
        before = picture(url)
        for limit in (
            "max_connections = 5",
            "superuser_reserved_connections = 0",
            "max_wal_senders = 0",
        ):
            run(url, f"ALTER SYSTEM SET {limit}")
        stop(url, signal.SIGINT)
        with own_server(place), ExitStack() as site:
            held = HoldBefore("SELECT pg_temp.lead_import_apply_batch", nth=2)
            deploy = deploys.start(url, "-x", "batch-size=20", "upgrade", "head", faults=[held])
            held.wait()
            first = site.enter_context(connected(url))
            for _ in range(3):
                site.enter_context(connected(url))
            newcomer = deploys.run(url, "upgrade", "head")
            assert newcomer.status != 0
            assert "Nothing was written" in newcomer.output
            first.exec_driver_sql(TERMINATE)
            site.enter_context(connected(url))
            held.let_go()
            deploy.wait_until_it_says("The server does not answer")
            site.close()
            assert deploy.status == 0, deploy.output
            assert_imported(url, before)


@pytest.mark.server
@pytest.mark.chaos
def test_a_server_that_stays_away_ends_the_deploy(deploys: Deploys) -> None:
    """After a last attempt the exit status is not 0, and the next deploy goes on."""
    with own_server() as (place, url):
        build_crm_with_leads(url)
        before = picture(url)
        held = HoldBefore("INSERT INTO lead_import_batches", nth=2)
        deploy = deploys.start(
            url, "-x", "time-budget=3", "-x", "batch-size=20", "upgrade", "head", faults=[held]
        )
        held.wait()
        stop(url, signal.SIGQUIT)
        held.let_go()
        assert deploy.wait(seconds=15) != 0
        assert "The server does not answer" in deploy.output
        with own_server(place):
            deploys.succeed(url, "upgrade", "head")
            assert_imported(url, before)
            assert run(url, "SELECT count(*) FROM lead_imports")[0][0] == 1

"""A role, a database or a server has its own settings, as after ``ALTER ROLE … SET``."""

import signal
import time

import pytest
from sqlalchemy import URL
from sqlalchemy.exc import NotSupportedError

from tests.conftest import build_crm_with_leads
from tests.support.crm import picture
from tests.support.database import run, value
from tests.support.deploys import Deploys
from tests.support.faults import HoldBefore
from tests.support.promises import assert_imported
from tests.support.servers import own_server, stop


def set_for(url: URL, setting: str) -> None:
    """Start every new session of the database with a setting."""
    run(url, f'ALTER DATABASE "{url.database}" SET {setting}')


@pytest.mark.parametrize(
    "setting",
    [
        "statement_timeout = 50",
        "lock_timeout = 1",
        "default_transaction_isolation = 'serializable'",
        "DateStyle = 'SQL, DMY'",
        "TimeZone = 'Asia/Kolkata'",
        "standard_conforming_strings = off",
        "client_encoding = 'LATIN1'",
    ],
)
def test_a_setting_of_the_database_changes_nothing(
    setting: str, crm_with_leads: URL, deploys: Deploys
) -> None:
    """The import reaches the same end as without it."""
    before = picture(crm_with_leads)
    try:
        set_for(crm_with_leads, setting)
    except NotSupportedError:
        pytest.skip(f"from Postgres 19 on nobody can set {setting}")
    deploys.succeed(crm_with_leads, "-x", "batch-size=20", "upgrade", "head")
    set_for(crm_with_leads, f"{setting.split(' = ', maxsplit=1)[0]} TO DEFAULT")
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize(
    "limit", ["idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout"]
)
def test_a_limit_for_silent_sessions_does_not_cut_an_import_off(
    limit: str, crm_with_leads: URL, deploys: Deploys
) -> None:
    """The session is silent for a while, inside a transaction and outside."""
    if not value(
        crm_with_leads, "SELECT count(*) FROM pg_settings WHERE name = :limit", limit=limit
    ):
        pytest.skip(f"this server has no {limit}")
    before = picture(crm_with_leads)
    set_for(crm_with_leads, f"{limit} = 100")
    pauses = [
        HoldBefore("SELECT pg_temp.lead_import_apply_batch"),
        HoldBefore("BEGIN ISOLATION", after="INSERT INTO lead_import_batches"),
    ]
    deploy = deploys.start(crm_with_leads, "-x", "batch-size=20", "upgrade", "head", faults=pauses)
    for pause in pauses:
        pause.wait()
        time.sleep(0.3)
        pause.let_go()
    assert deploy.status == 0, deploy.output
    assert "trying again" not in deploy.output
    set_for(crm_with_leads, f"{limit} = 0")
    assert_imported(crm_with_leads, before)


@pytest.mark.server
def test_what_ended_well_outlives_a_crash_of_a_server_that_commits_later(deploys: Deploys) -> None:
    """With synchronous_commit off, a server reports commits before they are on disk, but not to an
    import."""
    with own_server() as (place, url):
        build_crm_with_leads(url)
        before = picture(url)
        set_for(url, "synchronous_commit = off")
        run(url, "ALTER SYSTEM SET wal_writer_delay = '10s'")
        run(url, "SELECT pg_reload_conf()")
        deploys.succeed(url, "upgrade", "head")
        stop(url, signal.SIGQUIT)
        with own_server(place):
            assert_imported(url, before)

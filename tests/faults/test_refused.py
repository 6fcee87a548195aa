"""Found before anything is written: a pooler, a read-only server, missing rights."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from migrations.importer.schema.fitting import objection_to
from tests.support.bundled import FIELDS
from tests.support.crm import picture
from tests.support.database import connected, run, value
from tests.support.deploys import Deploys
from tests.support.promises import assert_imported
from tests.support.proxy import Delay, proxy
from tests.support.roles import another_role
from tests.support.servers import pgbouncer, why_no_pgbouncer

RELATIONS = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
NOTHING_WRITTEN = "SELECT count(*) = 0 FROM pg_class WHERE relnamespace = 'public'::regnamespace"


@pytest.fixture
def needs_pgbouncer() -> None:
    """Skip the test without PgBouncer, but fail if CI runs as root."""
    if why := why_no_pgbouncer():
        assert not (os.environ.get("CI") and os.geteuid() == 0), why
        pytest.skip(why)


@pytest.mark.usefixtures("needs_pgbouncer")
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_is_refused(mode: str, database: URL, deploys: Deploys) -> None:
    """It is refused before any write with the remedy, and its sessions keep their settings for the
    site."""
    with pgbouncer(database, mode) as url:
        deploy = deploys.run(url, "upgrade", "head")
        assert deploy.status != 0
        assert "connection pooler" in deploy.output
        assert "Set MIGRATION_DATABASE_URL to the database's direct URL" in deploy.output
        for setting in ("lock_timeout", "statement_timeout", "client_connection_check_interval"):
            assert value(url, f"SHOW {setting}") == value(database, f"SHOW {setting}")
    assert value(database, NOTHING_WRITTEN)


def test_a_network_in_between_is_no_pooler(crm_with_leads: URL, deploys: Deploys) -> None:
    """A load balancer or a tunnel only passes bytes on, so nobody notices it."""
    before = picture(crm_with_leads)
    with proxy(crm_with_leads, Delay(0)) as url:
        deploys.succeed(url, "upgrade", "head")
    assert_imported(crm_with_leads, before)


def test_a_read_only_database_is_found_before_any_write(database: URL, deploys: Deploys) -> None:
    """The message says so, and why."""
    run(database, f'ALTER DATABASE "{database.database}" SET default_transaction_read_only = on')
    deploy = deploys.run(database, "upgrade", "head")
    assert deploy.status != 0
    assert "Nothing was written" in deploy.output
    assert "the server is read-only" in deploy.output


@pytest.fixture
def deploy_role(database: URL) -> Iterator[URL]:
    """Yield the URL of a role without rights, on an empty database."""
    run(database, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    run(database, f'REVOKE TEMPORARY ON DATABASE "{database.database}" FROM PUBLIC')
    with another_role(database, "GRANT USAGE ON SCHEMA public TO {role}") as url:
        yield url


def test_all_rights_that_are_missing_are_listed_at_once(
    database: URL, deploy_role: URL, deploys: Deploys
) -> None:
    """One message names them all and what to grant, and nothing is written."""
    run(database, "CREATE TABLE leads (id bigint PRIMARY KEY)")
    deploy = deploys.run(deploy_role, "upgrade", "head")
    assert deploy.status != 0
    assert "may not make tables in the schema public (GRANT CREATE)" in deploy.output
    assert "may not make temporary tables (GRANT TEMPORARY ON DATABASE)" in deploy.output
    assert value(database, RELATIONS) == 2


def test_rights_on_a_table_that_is_there_are_listed_at_once(
    database: URL, deploys: Deploys
) -> None:
    """Nothing is made before, neither the index on it nor the key's function."""
    columns = ", ".join(f"{column} text NOT NULL" for column in FIELDS)
    run(
        database,
        f"CREATE TABLE leads (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {columns}, "
        "created_at timestamptz, updated_at timestamptz)",
    )
    before = value(database, RELATIONS)
    with another_role(database, "GRANT CREATE, USAGE ON SCHEMA public TO {role}") as url:
        deploy = deploys.run(url, "upgrade", "head")
        assert deploy.status != 0
        for right in ("SELECT", "INSERT", "UPDATE"):
            assert f"leads: the role {url.username} may not {right}" in deploy.output
        assert f"leads: the role {url.username} does not own it" in deploy.output
        assert value(database, RELATIONS) == before
        assert value(database, "SELECT to_regprocedure('lead_phone_key_v1(text)')") is None


def test_rights_on_the_ledger_that_are_missing_are_listed_at_once(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """The message comes before the import and lists each table and right."""
    grants = (
        "GRANT CREATE, USAGE ON SCHEMA public TO {role}",
        "ALTER TABLE leads OWNER TO {role}",
        "GRANT SELECT, UPDATE ON alembic_version, lead_imports TO {role}",
    )
    missing = [
        "INSERT lead_imports",
        *(f"{right} lead_import_batches" for right in ("SELECT", "INSERT", "UPDATE")),
        *(f"{right} lead_before_images" for right in ("SELECT", "INSERT", "UPDATE")),
    ]
    with another_role(crm_with_leads, *grants) as url:
        before = picture(crm_with_leads)
        deploy = deploys.run(url, "upgrade", "head")
        assert deploy.status != 0
        for right in missing:
            assert f"the role {url.username} may not {right}" in deploy.output
        assert "may not SELECT lead_imports" not in deploy.output
        assert picture(crm_with_leads) == before
        run(crm_with_leads, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {url.username}")
        deploys.succeed(url, "upgrade", "head")
        assert_imported(crm_with_leads, before)


@pytest.mark.parametrize("passing", ["pg_terminate_backend", "pg_cancel_backend"])
def test_what_passes_is_no_objection_to_a_declaration(passing: str, database: URL) -> None:
    """Neither a lost connection nor a cancel is taken for SQL of ``only`` or ``new`` that fails."""
    with connected(database) as connection, pytest.raises(OperationalError):
        objection_to(connection, f"SELECT {passing}(pg_backend_pid())")

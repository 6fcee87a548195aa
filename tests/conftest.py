"""Fixtures for all tests: one Postgres for the run, a fresh database for each test that needs
one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
from sqlalchemy import URL

from migrations.deploy.local_postgres import EmbeddedPostgresError
from tests.support import postgres
from tests.support.bundled import BEFORE_IMPORT, records
from tests.support.crm import add_lead, keys_of
from tests.support.database import run
from tests.support.programs import compile_project
from tests.support.upgrades import upgrade

CHOSEN = pytest.StashKey[str]()
MOST_WORKERS = 4


class NewDatabase(Protocol):
    """Make a database, empty or copied from the template database of this name."""

    def __call__(self, template: str | None = None) -> URL: ...


class Template(Protocol):
    """Return the template database of this name, made by `build` at the first call."""

    def __call__(self, name: str, build: Callable[[URL], None]) -> str: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", metavar="container|embedded|URL", help="what the tests run on")


def asked_for(config: pytest.Config) -> str | None:
    return config.getoption("--postgres") or os.environ.get("TEST_POSTGRES")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the Postgres before the first test, and end the run if it cannot be had."""
    if not hasattr(config, "workerinput"):
        compile_project()
    # It would win over the DATABASE_URL the tests give their deploys.
    os.environ.pop("MIGRATION_DATABASE_URL", None)
    try:
        config.stash[CHOSEN] = postgres.choose(asked_for(config))
    except postgres.NoPostgresError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Choose how many workers `-n auto` starts, each with a server of its own.

    All workers share a server you name, and some tests count everything it does.
    """
    return 0 if postgres.is_url(asked_for(config)) else min(os.cpu_count() or 1, MOST_WORKERS)


def pytest_report_header(config: pytest.Config) -> str:
    return postgres.describe(config.stash[CHOSEN])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test on the run's Postgres, so that `-m "not server"` leaves it out."""
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[URL]:
    """Start the run's Postgres for the first test that needs it, and give its administrator's URL.
    If it does not start, the run ends, for the other workers too."""
    try:
        with postgres.server(request.config.stash[CHOSEN]) as admin:
            yield admin
    except (postgres.NoPostgresError, EmbeddedPostgresError) as error:
        request.session.shouldstop = str(error)
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture(scope="session")
def databases(postgres_server: URL) -> Iterator[postgres.Databases]:
    """Make and drop databases on the run's Postgres."""
    databases = postgres.Databases(postgres_server)
    yield databases
    databases.drop_templates()


@pytest.fixture(scope="session")
def template(databases: postgres.Databases) -> Template:
    """Build a template database once a run, for `new_database` to copy."""
    return databases.template


@pytest.fixture
def new_database(databases: postgres.Databases) -> Iterator[NewDatabase]:
    """Make fresh databases, and drop them at the end of the test even if somebody is connected."""
    made: list[URL] = []

    def new(template: str | None = None) -> URL:
        made.append(databases.create(template))
        return made[-1]

    yield new
    for url in made:
        databases.drop(str(url.database))


@pytest.fixture
def database(new_database: NewDatabase) -> URL:
    """Give the URL of a fresh, empty database."""
    return new_database()


@pytest.fixture
def crm(new_database: NewDatabase, template: Template) -> URL:
    """Give a CRM right before the import, with users and settings but no leads."""
    return new_database(template("crm", build_crm))


@pytest.fixture
def crm_with_leads(new_database: NewDatabase, template: Template) -> URL:
    """Give a CRM right before the import, with 50 leads. Ten have phones of the export."""
    return new_database(template("crm_with_leads", build_crm_with_leads))


def build_crm(url: URL) -> None:
    upgrade(url, BEFORE_IMPORT)
    run(url, "INSERT INTO users (username) SELECT 'agent' || g FROM generate_series(1, 3) AS g")
    run(url, "INSERT INTO settings (key, value) VALUES ('theme', 'dark'), ('quota', '250')")


def build_crm_with_leads(url: URL) -> None:
    build_crm(url)
    export = records()
    for n in range(40):
        add_lead(
            url,
            full_name=f"Kept {n}",
            phone=f"0600000{n:04d}",
            status="new",
            notes="Only here.",
            email="",
        )
    for n, record in enumerate(export[:: len(export) // 10][:10]):
        digits = keys_of(url, [record["phone"]])[record["phone"]] or ""
        spellings = [
            record["phone"],
            f"+{digits}",
            f"00 {digits[:2]} (0){digits[2:]}",
            f"0{digits[2:6]}-{digits[6:]}",
        ]
        add_lead(
            url,
            full_name=f"Known {n}",
            phone=spellings[n % 4],
            email="known@example.org",
            notes="Said to call back.",
            created_at="2024-03-01T09:00:00+00:00",
            updated_at="2024-03-02T09:00:00+00:00",
        )
    run(url, "TRUNCATE lead_audit")

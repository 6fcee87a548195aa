"""Fixtures of all tests: a Postgres for the run, a fresh database for each test that asks for one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
from sqlalchemy import URL

from migrations.embedded import EmbeddedPostgresError
from tests import postgres

CHOSEN = pytest.StashKey[str]()


class NewDatabase(Protocol):
    """Make a database, empty or a copy of the template database of that name."""

    def __call__(self, template: str | None = None) -> URL: ...


class Template(Protocol):
    """Give the template database that `build` makes at the first call with this name."""

    def __call__(self, name: str, build: Callable[[URL], None]) -> str: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", metavar="container|embedded|URL", help="what the tests run on")


def pytest_configure(config: pytest.Config) -> None:
    """Choose at once: what was asked for and is not there ends the run before the first test."""
    try:
        config.stash[CHOSEN] = postgres.choose(config.getoption("--postgres") or os.environ.get("TEST_POSTGRES"))
    except postgres.NoPostgresError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> str:
    return postgres.describe(config.stash[CHOSEN])


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[URL]:
    """The URL of an administrator on the Postgres of this run, started for the first test that needs it."""
    try:
        with postgres.server(pytestconfig.stash[CHOSEN]) as admin:
            yield admin
    except (postgres.NoPostgresError, EmbeddedPostgresError) as error:
        pytest.exit(str(error), returncode=3)


@pytest.fixture(scope="session")
def databases(postgres_server: URL) -> Iterator[postgres.Databases]:
    """What makes and drops databases on the Postgres of this run."""
    databases = postgres.Databases(postgres_server)
    yield databases
    databases.drop_templates()


@pytest.fixture(scope="session")
def template(databases: postgres.Databases) -> Template:
    """Builds a template database once in a run, for `new_database` to copy."""
    return databases.template


@pytest.fixture
def new_database(databases: postgres.Databases) -> Iterator[NewDatabase]:
    """Makes fresh databases, dropped at the end of the test whoever is connected."""
    made: list[URL] = []

    def new(template: str | None = None) -> URL:
        made.append(databases.create(template))
        return made[-1]

    yield new
    for url in made:
        databases.drop(str(url.database))


@pytest.fixture
def database(new_database: NewDatabase) -> URL:
    """The URL of a fresh and empty database."""
    return new_database()


# Further fixtures, such as template databases at a revision, go here.

"""Inside another program: use what it hands over or refuse it by name, and leave its logging
alone."""

import logging
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg2.extensions import make_dsn
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text

from tests.support.bundled import IMPORT, ROOT
from tests.support.crm import picture
from tests.support.database import run, shown, value
from tests.support.promises import assert_imported

NOT_HERE = "postgres://u@nowhere.invalid/db"


@pytest.fixture
def engine(crm_with_leads: URL) -> Iterator[Engine]:
    """Create an application's own engine."""
    engine = create_engine(crm_with_leads, poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def another_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name another database in the environment than the one handed over."""
    monkeypatch.setenv("DATABASE_URL", NOT_HERE)


def config(connection: object = None, url: str | None = None) -> Config:
    """Build a Config as an application does."""
    made = Config(ROOT / "alembic.ini")
    made.attributes["connection"] = connection
    if url is not None:
        made.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return made


def refusal(made: Config) -> str:
    with pytest.raises(CommandError) as refused:
        command.upgrade(made, "head")
    return str(refused.value)


def test_an_engine_is_where_the_upgrade_goes(crm_with_leads: URL, engine: Engine) -> None:
    """It keeps all promises there and ignores the environment's database."""
    before = picture(crm_with_leads)
    command.upgrade(config(engine), IMPORT)
    assert_imported(crm_with_leads, before)


def test_a_connection_is_where_the_upgrade_goes(crm_with_leads: URL, engine: Engine) -> None:
    """It ends as it was, outside any transaction."""
    before = picture(crm_with_leads)
    with engine.connect() as connection:
        command.upgrade(config(connection), IMPORT)
        assert not connection.in_transaction()
        assert connection.scalar(text("SELECT count(*) FROM lead_imports")) == 1
    assert_imported(crm_with_leads, before)


def test_a_url_in_the_config_is_where_the_upgrade_goes(crm_with_leads: URL) -> None:
    """A URL may have any form the variables accept."""
    before = picture(crm_with_leads)
    command.upgrade(config(url=shown(crm_with_leads)), IMPORT)
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize("begun", ["begin", "a query"])
def test_a_connection_in_a_transaction_is_refused(
    begun: str, crm_with_leads: URL, engine: Engine
) -> None:
    """Its own work is neither committed nor rolled back, and the message says what to do."""
    with engine.connect() as connection:
        if begun == "begin":
            connection.begin()
        connection.execute(text("INSERT INTO settings VALUES ('half', 'done')"))
        said = refusal(config(connection))
        assert "config.attributes['connection'] is in a transaction" in said
        assert "Commit or roll back first" in said
        connection.commit()
    assert value(crm_with_leads, "SELECT value FROM settings WHERE key = 'half'") == "done"
    assert value(crm_with_leads, "SELECT count(*) FROM lead_imports") == 0


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ("SET search_path = elsewhere", "its search_path is elsewhere"),
        ("SET ROLE pg_monitor", "its role is pg_monitor"),
    ],
)
def test_a_connection_that_sees_other_leads_than_its_url_is_refused(
    change: str, fact: str, crm_with_leads: URL, engine: Engine
) -> None:
    """A program's settings on its connections are not in the URL, so other leads are never used
    instead."""

    @event.listens_for(engine, "connect")
    def settle(driver: Any, _: object) -> None:
        with driver.cursor() as cursor:
            cursor.execute(change)
        driver.commit()

    for handed_over in (engine, engine.connect()):
        assert fact in refusal(config(handed_over))
        if isinstance(handed_over, Connection):
            handed_over.close()
    assert value(crm_with_leads, "SELECT count(*) FROM lead_imports") == 0


def test_an_engine_whose_url_is_another_database_is_refused(
    crm_with_leads: URL, database: URL
) -> None:
    """A creator may connect anywhere, so compare the two before writing anything."""
    elsewhere = make_dsn(shown(crm_with_leads))
    engine = create_engine(
        database, poolclass=NullPool, creator=lambda: psycopg2.connect(elsewhere)
    )
    said = refusal(config(engine))
    assert f"its database is {crm_with_leads.database}" in said
    assert value(database, "SELECT to_regclass('alembic_version')") is None
    assert value(crm_with_leads, "SELECT count(*) FROM lead_imports") == 0


@pytest.mark.parametrize(
    ("handed_over", "fact"),
    [
        (create_engine("sqlite://"), "does not name a Postgres database"),
        ("postgres://u:secret@host/db", "is of type str"),
    ],
)
def test_what_is_no_postgres_connection_is_refused_by_name(handed_over: object, fact: str) -> None:
    """The message says which setting, and what it should be, without showing its value."""
    said = refusal(config(handed_over))
    assert said.startswith("config.attributes['connection'] ")
    assert fact in said
    assert "secret" not in said


def test_a_url_that_does_not_fit_is_refused_by_name() -> None:
    """The environment's URL is not used instead."""
    assert refusal(config(url="mysql://u:secret@host/db")).startswith("sqlalchemy.url does not")


def test_logging_stays_the_programs_own(crm: URL, engine: Engine) -> None:
    """Handlers and levels stay the same, and the import's messages arrive there."""
    root = logging.getLogger()
    before = list(root.handlers), root.level, logging.getLogger("sqlalchemy.engine").level
    command.upgrade(config(url=shown(crm)), IMPORT)
    assert before == (list(root.handlers), root.level, logging.getLogger("sqlalchemy.engine").level)


def test_the_environments_database_is_for_those_who_hand_over_nothing(
    crm: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a connection or URL from the program, the variable alone decides."""
    monkeypatch.setenv("DATABASE_URL", shown(crm))
    command.upgrade(config(), IMPORT)
    assert run(crm, "SELECT count(*) FROM lead_imports") == [(1,)]

"""Which database a deploy works on, how you name it, and what happens if it does not answer."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations.deploy import connection
from migrations.deploy.connection import connect, named
from migrations.deploy.database_url import read_url
from migrations.deploy.local_postgres import running
from migrations.importer.errors import DatabaseRefused
from tests.support.bundled import IMPORT, ROOT, records
from tests.support.database import run, shown, value
from tests.support.projects import migrations
from tests.support.servers import place_for
from tests.support.upgrades import alembic

STARTING = ("57P03", "the database system is starting up")
WRONG_PASSWORD = ("28P01", 'password authentication failed for user "u"')


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_of_renders_schemes_upgrade(scheme: str, database: URL) -> None:
    """A deploy succeeds with either scheme, and with sslmode in the URL."""
    given = shown(database).replace("postgresql://", f"{scheme}://", 1)
    given += ("&" if "?" in given else "?") + "sslmode=prefer"
    upgraded = alembic(None, "upgrade", IMPORT, DATABASE_URL=given)
    assert upgraded.returncode == 0, upgraded.stdout
    assert value(database, "SELECT count(*) FROM leads") == len(records())


def test_the_first_line_names_the_database(database: URL) -> None:
    """Every command that connects prints database, host and role, but no password."""
    with_password = database if database.password else database.set(password="pass-to-hide")
    whole = f"{database.database} on "
    told = alembic(with_password, "current").stdout
    assert f"Database: {whole}" in told.splitlines()[0]
    status = migrations(ROOT, "status", "--json", url=with_password)
    assert status.stderr.startswith(f"Database: {whole}")
    assert str(with_password.password) not in told + status.stderr


def test_a_database_is_named_by_name_host_and_role(database: URL) -> None:
    """A local socket is this machine, and an unusual port is shown."""
    with connect(database) as connected:
        said = named(connected)
    host = database.host or "this machine"
    where = f"{host}:{database.port}" if database.port not in (None, 5432) else host
    assert said == f"{database.database} on {where} as {database.username}"


def test_the_first_of_several_hosts_that_answers_is_used(database: URL) -> None:
    """Pass over a host that refuses."""
    reached = database.host or database.query["host"]
    port = database.port or database.query.get("port", 5432)
    several = f"postgresql:///?host=127.0.0.1,{reached}&port=1,{port}"
    url = read_url(several.replace("///", f"///{database.database}"), "DATABASE_URL")
    with connect(url.set(username=database.username, password=database.password)) as connected:
        assert named(connected).startswith(f"{database.database} on ")


def test_prismas_schema_is_where_the_tables_are_made(database: URL) -> None:
    """An application's URL means the same tables to both."""
    run(database, "CREATE SCHEMA crm")
    given = shown(database)
    given += ("&" if "?" in given else "?") + "schema=crm&pgbouncer=true"
    upgraded = alembic(None, "upgrade", IMPORT, MIGRATION_DATABASE_URL=given)
    assert upgraded.returncode == 0, upgraded.stdout
    assert "left out pgbouncer, schema" in upgraded.stdout
    assert value(database, "SELECT count(*) FROM crm.leads") == len(records())


# A server that does not answer.


@contextmanager
def answering(*answers: tuple[str, str]) -> Iterator[tuple[URL, list[float]]]:
    """Refuse each connection with the next SQLSTATE and message, repeating the last one. Yield the
    URL and the times of the attempts, in seconds."""
    asked: list[float] = []

    def answer(listener: socket.socket) -> None:
        with closing(listener):
            for number in range(100):
                client, _ = listener.accept()
                with client:
                    if not client.recv(1000):
                        return
                    asked.append(time.monotonic())
                    client.sendall(_refusal(*answers[min(number, len(answers) - 1)]))

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    thread = threading.Thread(target=answer, args=(listener,))
    thread.start()
    try:
        given = f"postgres://u:secret-word@127.0.0.1:{port}/db?sslmode=disable&gssencmode=disable"
        yield read_url(given, "DATABASE_URL"), asked
    finally:
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join()


def _refusal(sqlstate: str, message: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def test_a_server_that_is_starting_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """Say so once, and judge by what the server answers afterwards."""
    with answering(STARTING, STARTING, WRONG_PASSWORD) as (url, asked):
        with pytest.raises(DatabaseRefused, match="password authentication failed"), connect(url):
            pass
        assert len(asked) == 3
    assert caplog.text.count("does not answer yet") == 1
    assert "the database system is starting up" in caplog.text


def test_a_server_that_never_ends_starting_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is bounded, and the message does not show the password."""
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    with answering(STARTING) as (url, _), pytest.raises(DatabaseRefused) as refused, connect(url):
        pass
    assert "No connection to the database" in str(refused.value)
    assert "Nothing was written" in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_a_wrong_password_is_refused_at_once() -> None:
    """Waiting does not make it right."""
    with answering(WRONG_PASSWORD) as (url, asked):
        with pytest.raises(DatabaseRefused, match="password authentication failed"), connect(url):
            pass
        assert len(asked) == 1


def test_a_database_that_is_not_there_is_refused_at_once(
    database: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """The server answers, so nothing waits."""
    refused = pytest.raises(DatabaseRefused, match='database "no_such_one" does not exist')
    with refused, connect(database.set(database="no_such_one")):
        pass
    assert "does not answer yet" not in caplog.text


def test_a_host_that_nobody_knows_is_refused_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """A name without an address is wrong."""
    url = read_url("postgres://u:secret-word@nowhere.invalid/db", "DATABASE_URL")
    with pytest.raises(DatabaseRefused, match="could not translate host name"), connect(url):
        pass
    assert "does not answer yet" not in caplog.text


def test_a_server_that_is_started_a_moment_later_is_found(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The host restarts its server: the deploy waits and goes on."""
    place = place_for("restarted")
    with running(place, durable=False) as url:
        pass
    with ExitStack() as server:
        later = threading.Timer(
            0.5, lambda: server.enter_context(running(place, durable=False, keep=False))
        )
        later.start()
        with caplog.at_level(logging.INFO), connect(url) as connected:
            assert connected.exec_driver_sql("SELECT 1").scalar_one() == 1
        later.join()
    assert "does not answer yet" in caplog.text
    assert not Path(place).exists()


def test_a_refused_connection_is_no_traceback() -> None:
    """The message says what failed, and the output never shows the password."""
    with answering(WRONG_PASSWORD) as (url, _):
        refused = alembic(url, "upgrade", "head")
    assert refused.returncode != 0
    assert "No connection to the database" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert "secret-word" not in refused.stdout


def test_an_unknown_option_is_refused(database: URL) -> None:
    """A misspelt -x stops the run instead of being ignored."""
    refused = alembic(database, "-x", "batchsize=20", "upgrade", "head")
    assert refused.returncode != 0
    assert "-x batchsize is not known" in refused.stdout
    assert value(database, "SELECT to_regclass('alembic_version')") is None


def test_the_models_describe_the_database(crm: URL) -> None:
    """``alembic check`` finds no difference between models.py and the revisions' tables."""
    assert alembic(crm, "upgrade", "head").returncode == 0
    checked = alembic(crm, "check")
    assert checked.returncode == 0, checked.stdout
    assert "No new upgrade operations detected" in checked.stdout

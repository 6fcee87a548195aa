"""Any usual form of a database URL is read, whichever program it was written for."""

import logging
from typing import Any

import pytest
from sqlalchemy import URL

from migrations.deploy.connection import database
from migrations.deploy.database_url import read_url
from migrations.importer.errors import DatabaseRefused


def read(given: str) -> URL:
    return read_url(given, "DATABASE_URL")


def connected_to(given: str) -> dict[str, Any]:
    """Return what the driver is told."""
    url = read(given)
    _, arguments = url.get_dialect()().create_connect_args(url)
    return dict(arguments)


@pytest.mark.parametrize(
    "scheme",
    ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg", "postgresql+asyncpg"],
)
@pytest.mark.parametrize("rest", ["u:p@host/db", "u:p@host:5432/db", "u:p@host/db?sslmode=require"])
def test_every_form_of_the_url_means_psycopg2(scheme: str, rest: str) -> None:
    """Render and others use several forms, and the same driver connects with all their parts."""
    url = read(f"{scheme}://{rest}")
    assert url.drivername == "postgresql+psycopg2"
    assert url.render_as_string(hide_password=False).endswith(rest)


def test_special_characters_in_the_password_reach_the_server() -> None:
    """They are decoded once on the way."""
    assert read("postgres://u:p%25%40%2Fw@host/db").password == "p%@/w"


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        ("nonsense", "is not a URL"),
        ("mysql://u:secret@host/db", "does not name a Postgres database"),
        ("postgres://u:secret@host:port/db", "is not a URL"),
        ("postgres://u:sec@ret@host/db", "holds more than one @"),
        ("postgres://u:secret@host", "names no database"),
        ("postgres://u:secret@host/", "names no database"),
        ("'postgres://u:secret@host/db'", "has quotes around it"),
        ('"postgres://u:secret@host/db', "has quotes around it"),
        ("postgres://u:secret@host/db?sslmod=require", 'invalid connection option "sslmod"'),
        ("postgres://u:secret@/db?host=a:1&host=b:2&port=3", "hosts and ports that do not match"),
        ("postgres://u:secret@a:1,b:two/db", "is not a URL"),
        ('postgres://u:secret@host/db?schema=a"b', "a schema= with special characters"),
    ],
)
def test_a_url_that_does_not_fit_is_refused_without_being_shown(given: str, fact: str) -> None:
    """The message names the variable and the fault, but neither password nor host."""
    with pytest.raises(DatabaseRefused) as refused:
        read(given)
    said = str(refused.value)
    assert said.startswith("DATABASE_URL ")
    assert fact in said
    for secret in ("secret", "sec@ret", "ret@host"):
        assert secret not in said


@pytest.mark.parametrize(
    "hosts",
    ["@a:5432,b:5433/db", "@/db?host=a:5432&host=b:5433", "@/db?host=a,b&port=5432,5433"],
)
def test_several_hosts_reach_the_driver_in_order(hosts: str) -> None:
    """libpq's form and both of SQLAlchemy's work, and the driver picks a host taking writes."""
    told = connected_to(f"postgres://u:p{hosts}")
    assert (told["host"], told["port"]) == ("a,b", "5432,5433")
    assert (told["user"], told["password"], told["dbname"]) == ("u", "p", "db")
    assert told["target_session_attrs"] == "read-write"


@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [("a,b", "a,b", ","), ("a:1,b", "a,b", "1,"), ("[::1]:1,[::2]:2", "::1,::2", "1,2")],
)
def test_several_hosts_may_leave_out_ports_or_be_numbers(hosts: str, host: str, port: str) -> None:
    """A host without a port has the usual one, and brackets belong to the URL, not the address."""
    told = connected_to(f"postgres://u:p@{hosts}/db")
    assert (told["host"], told["port"]) == (host, port)


def test_whoever_says_which_of_several_hosts_decides() -> None:
    """You can ask for a standby."""
    told = connected_to("postgres://u@a,b/db?target_session_attrs=any")
    assert told["target_session_attrs"] == "any"


def test_other_drivers_options_are_left_out_by_name(caplog: pytest.LogCaptureFixture) -> None:
    """One line names all of them, and the driver does not see them."""
    with caplog.at_level(logging.INFO):
        told = connected_to(
            "postgres://u:secret@host/db?pgbouncer=true&connection_limit=1&pool_timeout=0"
            "&statement_cache_size=0&sslmode=require"
        )
    assert told.keys() == {"user", "password", "host", "dbname", "sslmode"}
    assert len(caplog.messages) == 1
    for option in ("pgbouncer", "connection_limit", "pool_timeout", "statement_cache_size"):
        assert option in caplog.messages[0]
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("asked", "mode"),
    [("true", "require"), ("require", "require"), ("verify-full", "verify-full"), ("0", "disable")],
)
def test_an_encryption_that_was_asked_for_stays(asked: str, mode: str) -> None:
    """asyncpg's ssl is libpq's sslmode, and dropping it would weaken the connection."""
    assert connected_to(f"postgresql+asyncpg://u@host/db?ssl={asked}")["sslmode"] == mode


def test_sslmode_wins_over_ssl() -> None:
    """If both are given, libpq's own word counts."""
    told = connected_to("postgres://u@host/db?ssl=true&sslmode=verify-full")
    assert told["sslmode"] == "verify-full"


def test_prismas_schema_is_where_we_look_for_the_tables_too() -> None:
    """Prisma calls the search path a schema, and other settings of the session stay."""
    told = connected_to("postgres://u@host/db?schema=crm&options=-cwork_mem%3D5MB")
    assert told["options"] == '-cwork_mem=5MB -csearch_path="crm"'


def test_the_migrations_own_variable_comes_first() -> None:
    """The application's DATABASE_URL may point to a pooler."""
    given = {
        "MIGRATION_DATABASE_URL": "postgres://u@direct/db",
        "DATABASE_URL": "postgres://u@pooler/db",
    }
    with database(given) as url:
        assert url.host == "direct"
    with database({"DATABASE_URL": "postgres://u@only/db"}) as url:
        assert url.host == "only"


@pytest.mark.parametrize("name", ["MIGRATION_DATABASE_URL", "DATABASE_URL"])
@pytest.mark.parametrize("value", ["", " "])
def test_a_variable_that_is_set_but_empty_is_refused(name: str, value: str) -> None:
    """Somebody meant a database, so neither the other variable nor a local Postgres replaces it."""
    given = {"DATABASE_URL": "postgres://u@host/db"} | {name: value}
    with pytest.raises(DatabaseRefused, match=f"^{name} is set, but empty"), database(given):
        pass


def test_a_deploy_on_render_without_a_url_starts_nothing() -> None:
    """A local Postgres never replaces a forgotten DATABASE_URL there."""
    refused = pytest.raises(DatabaseRefused, match="DATABASE_URL is not set")
    with refused, database({"RENDER": "true"}):
        pass

"""Which database a deploy works on, and how it is told."""

import pytest
from sqlalchemy import URL

from migrations.deploy.connection import read_url
from migrations.importer.errors import DatabaseRefused
from tests.support.bundled import IMPORT, records
from tests.support.database import shown, value
from tests.support.upgrades import alembic


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"]
)
@pytest.mark.parametrize("rest", ["u:p@host/db", "u:p@host:5432/db", "u:p@host/db?sslmode=require"])
def test_every_form_of_the_url_means_psycopg2(scheme: str, rest: str) -> None:
    """Render and others give several; whichever it is, the same driver connects, with all of its
    parts."""
    url = read_url(f"{scheme}://{rest}")
    assert url.drivername == "postgresql+psycopg2"
    assert url.render_as_string(hide_password=False).endswith(rest)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_of_renders_schemes_upgrade(scheme: str, database: URL) -> None:
    """A deploy with either scheme, and sslmode in the URL, ends well."""
    given = shown(database).replace("postgresql://", f"{scheme}://", 1)
    given += ("&" if "?" in given else "?") + "sslmode=prefer"
    upgraded = alembic(None, "upgrade", IMPORT, DATABASE_URL=given)
    assert upgraded.returncode == 0, upgraded.stdout
    assert value(database, "SELECT count(*) FROM leads") == len(records())


def test_special_characters_in_the_password_reach_the_server() -> None:
    """Percent signs and the like are nothing special on the way."""
    assert read_url("postgres://u:p%25%40%2Fw@host/db").password == "p%@/w"


@pytest.mark.parametrize(
    "given", ["nonsense", "mysql://u:secret@host/db", "postgres://u:secret@host:port/db"]
)
def test_a_url_that_does_not_fit_is_refused_without_being_shown(given: str) -> None:
    """The message says what is expected, and neither password nor host."""
    with pytest.raises(DatabaseRefused) as refused:
        read_url(given)
    assert "DATABASE_URL" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_deploy_on_render_without_a_url_starts_nothing() -> None:
    """On Render no throwaway database takes the place of a forgotten DATABASE_URL."""
    refused = alembic(None, "upgrade", "head", RENDER="true")
    assert refused.returncode != 0
    assert "DATABASE_URL is not set" in refused.stdout
    assert "Traceback" not in refused.stdout


def test_a_server_that_does_not_answer_is_an_error_without_traceback() -> None:
    """The message says what failed; the password is in none of the output."""
    refused = alembic(
        None, "upgrade", "head", DATABASE_URL="postgres://u:secret-word@127.0.0.1:1/db"
    )
    assert refused.returncode != 0
    assert "No connection to the database" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert "secret-word" not in refused.stdout


def test_an_unknown_option_is_refused(database: URL) -> None:
    """A misspelt -x stops the run, rather than being ignored."""
    refused = alembic(database, "-x", "batchsize=20", "upgrade", "head")
    assert refused.returncode != 0
    assert "-x batchsize is not known" in refused.stdout
    assert value(database, "SELECT to_regclass('alembic_version')") is None


def test_the_models_describe_the_database(crm: URL) -> None:
    """``alembic check`` finds no difference between models.py and what the revisions make."""
    assert alembic(crm, "upgrade", "head").returncode == 0
    checked = alembic(crm, "check")
    assert checked.returncode == 0, checked.stdout
    assert "No new upgrade operations detected" in checked.stdout

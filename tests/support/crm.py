"""The picture of a CRM's database, and what a test does to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, text

from tests.support.database import connected, run, value

Rows = dict[Any, dict[str, Any]]


def add_lead(url: URL, **fields: object) -> int:
    """Add a lead as the site does, and return its id."""
    names = ", ".join(fields)
    values = ", ".join(f":{name}" for name in fields)
    lead_id: int = value(
        url, f"INSERT INTO leads ({names}) VALUES ({values}) RETURNING id", **fields
    )
    return lead_id


@dataclass(frozen=True)
class Picture:
    """Everything in the database but the ledger: rows by their key, leads with their phone key."""

    leads: Rows
    users: Rows
    settings: Rows
    lead_audit: Rows


def picture(url: URL) -> Picture:
    """Take the picture of a database."""
    with connected(url) as connection:
        return Picture(
            leads=_rows(
                connection, "SELECT *, lead_phone_key_v1(phone) AS phone_key FROM leads ORDER BY id"
            ),
            users=_rows(connection, "SELECT * FROM users ORDER BY id"),
            settings=_rows(connection, "SELECT * FROM settings ORDER BY key"),
            lead_audit=_rows(connection, "SELECT * FROM lead_audit ORDER BY id"),
        )


def _rows(connection: Connection, sql: str) -> Rows:
    rows = [dict(row._mapping) for row in connection.execute(text(sql))]
    return {next(iter(row.values())): row for row in rows}


def keys_of(url: URL, phones: Iterable[str]) -> dict[str, str | None]:
    """Return the database's phone key for each spelling."""
    sql = "SELECT phone, lead_phone_key_v1(phone) AS key FROM unnest(:phones) AS phone"
    return {row.phone: row.key for row in run(url, sql, phones=list(phones))}


def slow_down(url: URL, seconds: float) -> None:
    """Slow down each new lead, so that a test can act in the middle of an import."""
    body = f"BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END"
    run(url, f"CREATE FUNCTION take_your_time() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(
        url,
        "CREATE TRIGGER slow BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION take_your_time()",
    )


def speed_up(url: URL) -> None:
    """Take ``slow_down`` back."""
    run(url, "DROP TRIGGER slow ON leads")
    run(url, "DROP FUNCTION take_your_time()")

"""Turn a database's URL, as hosts and programs write it, into one for psycopg2.

    read_url("postgres://deploy@db.example.com/crm?schema=public", "DATABASE_URL")

An application and its migration often share one URL, with options of the application's driver.
Options that decide what the migration works on are translated. The others are left out.
"""

import re

from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from migrations.importer.errors import DatabaseRefused
from migrations.importer.progress import log

__all__ = ["read_url", "url_for_psycopg2"]

FOREIGN_OPTIONS = {
    # asyncpg and SQLAlchemy's dialect of it
    "async_fallback",
    "command_timeout",
    "direct_tls",
    "max_cacheable_statement_size",
    "max_cached_statement_lifetime",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "server_settings",
    "statement_cache_size",
    "timeout",
    # Prisma
    "connection_limit",
    "max_connection_lifetime",
    "max_idle_connection_lifetime",
    "pgbouncer",
    "pool_timeout",
    "single_use_connections",
    "socket_timeout",
    "sslaccept",
    "sslidentity",
}
"""Options of other drivers. None of them decides which database it is."""

_SSL_WORDS = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
_QUOTES = tuple("\"'`“”‘’")  # noqa: RUF001  # the curly ones are meant
_SEVERAL_HOSTS = re.compile(r"([^:/]+://(?:[^@/?]*@)?)([^@/?]*,[^@/?]*)(.*)", re.DOTALL)
_HOST_AND_PORT = re.compile(r"(\[.*\]|[^:]*)(?::(\d*))?")
_EXPECTED = "Expected postgresql://user:password@host/database."


def read_url(given: str, name: str) -> URL:
    """Read a Postgres URL in any usual form.

    name: the variable or setting it comes from, for messages. No message holds the URL.
    Raises ``DatabaseRefused``.
    """
    if given.startswith(_QUOTES) or given.endswith(_QUOTES):
        raise DatabaseRefused(
            f"{name} has quotes around it. Remove them: nothing strips them here."
        )
    return url_for_psycopg2(_parsed(given, name), name)


def _parsed(given: str, name: str) -> URL:
    try:
        if several := _SEVERAL_HOSTS.fullmatch(given):
            before, hosts, after = several.groups()
            return make_url(before + after).update_query_dict(_hosts_and_ports(hosts))
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise DatabaseRefused(
            f"{name} is not a URL. {_EXPECTED} Write special characters in the password as %XX."
        ) from None
    if "@" in (url.host or ""):
        # The text after the password's own @ would be taken for a host, and shown.
        raise DatabaseRefused(f"{name} holds more than one @. Write the password's as %40.")
    return url


def _hosts_and_ports(hosts: str) -> dict[str, str]:
    """Split ``a:5432,b:5433`` into two lists for libpq."""
    found = [_HOST_AND_PORT.fullmatch(each) for each in hosts.split(",")]
    pairs = [match.groups(default="") for match in found if match]
    if len(pairs) < len(found):
        raise ValueError("not a host and a port")
    return {
        "host": ",".join(host.strip("[]") for host, _ in pairs),
        "port": ",".join(port for _, port in pairs),
    }


def url_for_psycopg2(url: URL, name: str) -> URL:
    """Turn a URL of any Postgres driver into one for psycopg2. Raises ``DatabaseRefused``."""
    if url.drivername.split("+")[0] not in ("postgres", "postgresql"):
        raise DatabaseRefused(f"{name} does not name a Postgres database. {_EXPECTED}")
    if not (url.database or url.query.get("dbname")):
        raise DatabaseRefused(f"{name} names no database. {_EXPECTED}")
    url = _of_several_hosts_the_primary(_without_foreign_options(url, name))
    url = url.set(drivername="postgresql+psycopg2")
    _refuse_unknown_options(url, name)
    return url


def _without_foreign_options(url: URL, name: str) -> URL:
    foreign = sorted(url.query.keys() & {"schema", "ssl", *FOREIGN_OPTIONS})
    if not foreign:
        return url
    instead = _translated(url, name)
    log.info("%s: %s", name, _left_out_in_words(foreign, instead))
    return url.difference_update_query(foreign).update_query_dict(instead)


def _left_out_in_words(foreign: list[str], instead: dict[str, str]) -> str:
    said = f"left out {', '.join(foreign)}, for other drivers only."
    if not instead:
        return said
    return f"{said} Set instead: {', '.join(f'{key}={value}' for key, value in instead.items())}"


def _translated(url: URL, name: str) -> dict[str, str]:
    """Translate two foreign options for libpq: encryption, and the schema of the application's
    tables."""
    instead = {}
    if (ssl := str(url.query.get("ssl", ""))) and "sslmode" not in url.query:
        instead["sslmode"] = _SSL_WORDS.get(ssl, ssl)
    if schema := str(url.query.get("schema", "")):
        if not re.fullmatch(r"\w+", schema):
            raise DatabaseRefused(f"{name} has a schema= with special characters. Leave it out.")
        options = [str(url.query.get("options", "")), f'-csearch_path="{schema}"']
        instead["options"] = " ".join(options).strip()
    return instead


def _of_several_hosts_the_primary(url: URL) -> URL:
    """Choose the primary if there are several hosts, because a standby refuses writes."""
    hosts = url.query.get("host", "")
    several = not isinstance(hosts, str) or "," in hosts
    if not several or "target_session_attrs" in url.query:
        return url
    return url.update_query_dict({"target_session_attrs": "read-write"})


def _refuse_unknown_options(url: URL, name: str) -> None:
    try:
        make_dsn(**url.get_dialect()().create_connect_args(url)[1])
    except (ArgumentError, ValueError):
        raise DatabaseRefused(
            f"{name} has hosts and ports that do not match. Expected "
            "postgresql://user:password@host1:5432,host2:5432/database."
        ) from None
    except ProgrammingError as error:
        reason = str(error).strip().removeprefix("invalid dsn: ")
        raise DatabaseRefused(f"{name} is not understood: {reason}. Correct it.") from None

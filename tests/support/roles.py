"""A role with few rights, because a superuser would not notice a missing one."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL

from tests.support.database import run
from tests.support.deploys import PASSWORD

__all__ = ["GIVEN_EVERYTHING", "MAY_IMPORT", "MAY_LOOK", "another_role"]

MAY_IMPORT = (
    "GRANT CREATE, USAGE ON SCHEMA public TO {role}",
    "ALTER TABLE leads OWNER TO {role}",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
)
"""What an import needs if somebody else has made the ledger."""
MAY_LOOK = ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",)
"""What a preview needs."""
GIVEN_EVERYTHING = (
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {role}, PUBLIC",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {role}, PUBLIC",
)
"""What some platforms do for the role of their public API."""

_WAIT_FOR_ITS_SESSIONS = """
    DO $wait$
    BEGIN
        FOR _ IN 1..20 LOOP
            EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = '{role}');
            PERFORM pg_sleep(0.05), pg_stat_clear_snapshot();
        END LOOP;
    END
    $wait$
"""
"""One that ends drops its temporary tables, and they cannot be given to another owner meanwhile."""


@contextmanager
def another_role(url: URL, *grants: str) -> Iterator[URL]:
    """Make a role with a login, give its URL for the same database, and drop it at the end.

    grants: statements to run, with ``{role}`` for its name.
    """
    role = f"role_of_{url.database}"  # roles belong to the whole server
    run(url, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    try:
        for grant in grants:
            run(url, grant.format(role=role))
        yield url.set(username=role, password=PASSWORD)
    finally:
        run(url, _WAIT_FOR_ITS_SESSIONS.format(role=role))
        run(
            url,
            f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}",
        )

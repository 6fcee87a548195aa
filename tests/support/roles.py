"""A role that is nobody special, for what a superuser would not notice."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL

from tests.support.database import run
from tests.support.deploys import PASSWORD

__all__ = ["MAY_IMPORT", "MAY_LOOK", "another_role"]

MAY_IMPORT = (
    "GRANT CREATE, USAGE ON SCHEMA public TO {role}",
    "ALTER TABLE leads OWNER TO {role}",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
)
"""What an import needs where somebody else has made the ledger."""
MAY_LOOK = ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",)
"""What a preview needs."""


@contextmanager
def another_role(url: URL, *grants: str) -> Iterator[URL]:
    """Make a role that may log in; its URL of the same database. It goes with all that it owns.

    grants: statements to run, in which ``{role}`` stands for its name.
    """
    role = f"role_of_{url.database}"  # a server has its roles for all databases
    run(url, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    try:
        for grant in grants:
            run(url, grant.format(role=role))
        yield url.set(username=role, password=PASSWORD)
    finally:
        run(
            url,
            f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}",
        )

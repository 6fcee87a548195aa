"""Make a revision's functions, but never replace somebody else's of the same name."""

from sqlalchemy import text

from migrations.importer.context import RevisionContext, connection_of
from migrations.importer.errors import DatabaseRefused

__all__ = ["create_function"]

_FIND_FUNCTION = "SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = to_regprocedure(:signature)"


def create_function(context: RevisionContext, signature: str, create: str) -> None:
    """Make a function, unless it is there.

    signature: its name and types, ``audit_lead()``. create: its CREATE FUNCTION, the body between
    $body$. Raises ``DatabaseRefused`` if another function has the name.
    """
    if not context.as_sql:
        parameters = {"signature": signature}
        found = (
            connection_of(context).execute(text(_FIND_FUNCTION), parameters).scalar_one_or_none()
        )
        if found is not None:
            if found != create.split("$body$")[1]:
                raise DatabaseRefused(
                    f"A function {signature} is there and is not ours. Nothing was written. "
                    f"Rename it and try again."
                )
            return
    context.execute(create)

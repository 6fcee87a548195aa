"""Run pending revisions with temporary things only, and note what they would make.

    rehearsal = Rehearsal(connection, options)
    rehearsal.run(revision)
    rehearsal.schema        ["table lead_imports", "index leads_phone_key_v1 on leads", …]

The revisions' own code runs. Tables and functions become temporary, so later revisions find them.
Everything else is only noted down.
"""

import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from alembic.operations import Operations
from alembic.script import Script
from sqlalchemy import Connection, text

from migrations.importer import v1
from migrations.importer.context import Options
from migrations.importer.errors import DatabaseRefused

__all__ = ["Rehearsal"]

_NAME = r'(?:"[^"]*"|[^ ("])+'
_CREATE = re.compile(
    r"CREATE (?P<unique>UNIQUE )?(?P<kind>TABLE|FUNCTION|INDEX|TRIGGER) +(?:CONCURRENTLY )?"
    rf"(?P<careful>IF NOT EXISTS )?(?P<name>{_NAME}(?:\(.*?\))?)"
    rf"(?:.*? ON (?P<on>{_NAME}))?"
)
_IN_PASSING = ("COMMENT ON ", "GRANT ", "DROP INDEX ")
"""Not worth noting: these are about things noted as new already."""
_AS_TEMPORARY = {"TABLE": "CREATE TEMPORARY TABLE ", "FUNCTION": "CREATE FUNCTION pg_temp."}
_IS_THERE = "SELECT to_regclass(:name) IS NOT NULL"
_IS_TEMPORARY = """
    SELECT relpersistence = 't' FROM pg_catalog.pg_class WHERE oid = to_regclass(:name)
"""


class Rehearsal:
    """A revision's context, in place of Alembic's.

    connection: in a transaction, for the caller to roll back. options: of the imports.
    """

    as_sql = False
    output_buffer = None

    def __init__(self, connection: Connection, options: Options) -> None:
        self.bind = connection
        self.opts = {"importer": options}
        self.impl = _Impl(self)
        self._schema: dict[str, None] = {}
        self._unseen: list[str] = []

    @property
    def schema(self) -> list[str]:
        """What the revisions would make, and which of them were not looked into."""
        return list(self._schema)

    def run(self, revision: Script) -> None:
        """Run a revision. If it is not ours, or does more than ours do, only name it.

        Raises ``DatabaseRefused`` if it does not find what it needs. Then one that was only named
        may make that.
        """
        try:
            if not _is_ours(revision):
                raise NotOursError
            with Operations.context(self):  # type: ignore[arg-type]  # as much of one as ours need
                revision.module.upgrade()
        except NotOursError:
            self._unseen.append(revision.revision)
            self._schema[f"what {revision.revision} makes: not looked into"] = None
        except DatabaseRefused as error:
            if not self._unseen:
                raise
            unseen = " and ".join(self._unseen)
            raise DatabaseRefused(
                f"{error}\nUnless {unseen} makes it: an upgrade runs that first, and a preview "
                "does not look into it. 'alembic -x dry-run upgrade head' on a copy of the "
                "database shows both."
            ) from None

    def autocommit_block(self) -> AbstractContextManager[None]:
        return nullcontext()

    def execute(self, sql: str) -> None:
        """Note what a statement would make, and make it if it can be temporary."""
        if sql.startswith(_IN_PASSING):
            return
        made = _CREATE.match(sql)
        if made is None:
            raise NotOursError
        if made["careful"] and self._ask(_IS_THERE, made["name"]):
            return
        kind, name, on = made.group("kind", "name", "on")
        is_on = f" on {on}" if kind in ("INDEX", "TRIGGER") else ""
        self._schema[f"{kind.lower()} {name}{is_on}"] = None
        if kind in _AS_TEMPORARY:
            self.bind.execute(text(sql.replace(f"CREATE {kind} ", _AS_TEMPORARY[kind], 1)))
        elif made["unique"] and self._ask(_IS_TEMPORARY, on):
            self.bind.execute(text(sql))  # a unique index changes what an import does

    def _ask(self, question: str, name: str) -> bool:
        return bool(self.bind.execute(text(question), {"name": name}).scalar())


class NotOursError(Exception):
    """A revision does something none of ours do."""


class _Impl:
    """What ``op`` calls. It takes statements only."""

    __dialect__ = "postgresql"

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal

    def execute(self, sql: str, **_: Any) -> None:
        self._rehearsal.execute(sql)

    def __getattr__(self, name: str) -> NoReturn:
        raise NotOursError


def _is_ours(revision: Script) -> bool:
    """Whether a revision calls the importer's functions for revisions."""
    door = (v1.apply, v1.create_crm, v1.create_phone_key, v1.create_tables)
    return any(value in door for value in vars(revision.module).values() if callable(value))

"""What the importer needs of the calling revision, to need no Alembic itself.

Alembic's ``MigrationContext`` (``op.get_context()``) fits.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

from msgspec import Struct
from sqlalchemy import Connection

from migrations.importer.errors import DatabaseRefused

__all__ = [
    "MAY_IMPORT",
    "Options",
    "People",
    "RevisionContext",
    "connection_of",
    "options_of",
]

People = Literal["real", "invented"]
"""Who is in an export: its own people, or its twin's."""


MAY_IMPORT = ("SELECT", "INSERT", "UPDATE")
"""The rights an import needs on the table of leads."""


class Options(Struct, frozen=True):
    """How an upgrade runs. ``env.py`` hands it over as ``context.configure(importer=Options(…))``.

    - batch_size: records a transaction, at most.
    - pause: seconds between two batches, at least.
    - dry_run: do everything in one transaction, for the caller to roll back.
    - reads: the same, but write to temporary tables only: leads and ledger are copies.
    - new_crm: make the bundled CRM although other tables have phones.
    - remove_created: a revert also removes created leads, if nobody has touched or referenced them
      since.
    - statement_timeout: seconds a batch may take.
    - why_stop: asked between batches. A reason, such as "the time is over", stops the import there.
    - people: import the export, or its twin.
    - look: connect to the database a script is for, to see its table of leads. Yields None if no
      database is named.
    - ran_by, release: who runs it and which release of the code it is, for the ledger.
    """

    batch_size: int = 1000
    pause: float = 0
    dry_run: bool = False
    reads: bool = False
    new_crm: bool = False
    remove_created: bool = False
    statement_timeout: float = 30
    why_stop: Callable[[], str | None] = lambda: None
    people: People = "real"
    look: Callable[[], AbstractContextManager[Connection | None]] = nullcontext
    ran_by: str = ""
    release: str = ""

    @property
    def keeps_nothing(self) -> bool:
        """Whether the caller rolls everything back."""
        return self.dry_run or self.reads

    @property
    def rights(self) -> tuple[str, ...]:
        """The rights the role needs on the table of leads."""
        return ("SELECT",) if self.reads else MAY_IMPORT


class RevisionContext(Protocol):
    """A revision at work: online on a connection, or writing a script (``as_sql``)."""

    as_sql: bool
    opts: dict[str, Any]
    output_buffer: Any

    @property
    def bind(self) -> Connection | None:
        """The connection of the upgrade."""

    def autocommit_block(self) -> AbstractContextManager[None]:
        """Commit the revision's work so far, and let it open its own transactions."""

    def execute(self, sql: str) -> None:
        """Run a statement, or write it into the script."""


def options_of(context: RevisionContext) -> Options:
    """Return the options from ``env.py``. Raises ``DatabaseRefused`` if another one runs."""
    options: Options | None = context.opts.get("importer")
    if options is None:
        raise DatabaseRefused(
            "The env.py that runs is not the import's: it holds no lock, and does not know which "
            "people belong here. Nothing was written. Let migrations/env.py of the import take its "
            "place, or keep both histories apart: docs/your-crm.md."
        )
    return options


def connection_of(context: RevisionContext) -> Connection:
    """Return the connection of an upgrade online."""
    assert context.bind is not None
    return context.bind

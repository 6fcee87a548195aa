"""Read code, stamp and ledger once, into one value."""

from collections.abc import Iterable, Iterator

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import to_tuple
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, text

from migrations.importer.errors import DatabaseRefused
from migrations.importer.ledger import Receipt, all_receipts
from migrations.importer.names import quoted
from migrations.importer.phone import KEY_FUNCTION
from migrations.importer.pinned import Import
from migrations.importer.schema.preflight import check_readable
from migrations.importer.sql import LEDGER_TABLES, statement

__all__ = [
    "History",
    "Step",
    "imports_of",
    "read_code",
    "read_history",
    "read_stamp",
    "version_table",
]

_CODE = "the code's revisions"


class Step(Struct, frozen=True):
    """A revision of the code.

    parents: the revisions right before it, none for the first one. import_: what it imports.
    """

    revision: str
    parents: tuple[str, ...] = ()
    import_: Import | None = None


class History(Struct, frozen=True):
    """What code, stamp and ledger say.

    steps: the code's revisions, each one after its parents. stamped: the rows of
    ``alembic_version``. receipts: the ledger's imports, the oldest first. missing: what an import
    needs and the database lacks, such as "the table lead_imports".
    """

    steps: tuple[Step, ...]
    stamped: tuple[str, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def imports(self) -> list[Import]:
        """The code's imports, the first one first."""
        return [step.import_ for step in self.steps if step.import_]

    @property
    def live(self) -> list[Receipt]:
        """The receipts of imports not reverted."""
        return [receipt for receipt in self.receipts if receipt.state != "reverted"]

    @property
    def pending(self) -> list[Import]:
        """The code's imports without a receipt in the ledger, or reverted since."""
        return [import_ for import_ in self.imports if self.receipt_of(import_.revision) is None]

    def steps_to(self, destination: Iterable[str]) -> list[Step]:
        """List the revisions of an upgrade to these, the first one first."""
        wanted = set(destination).union(*map(self.before, destination)) - self.applied
        return [step for step in self.steps if step.revision in wanted]

    def due(self, destination: Iterable[str]) -> list[Import]:
        """List the imports of an upgrade to these revisions, the first one first."""
        return [step.import_ for step in self.steps_to(destination) if step.import_]

    @property
    def unknown(self) -> tuple[str, ...]:
        """The stamps unknown to the code."""
        known = {step.revision for step in self.steps}
        return tuple(revision for revision in self.stamped if revision not in known)

    @property
    def applied(self) -> frozenset[str]:
        """The revisions that should be in: the stamped ones and all before them."""
        return frozenset(self.stamped).union(*(self.before(revision) for revision in self.stamped))

    @property
    def heads(self) -> tuple[str, ...]:
        """The code's last revisions."""
        parents = {parent for step in self.steps for parent in step.parents}
        return tuple(step.revision for step in self.steps if step.revision not in parents)

    def step(self, revision: str) -> Step:
        """Find a revision of the code."""
        return next(step for step in self.steps if step.revision == revision)

    def before(self, revision: str) -> frozenset[str]:
        """Find the code's revisions before another one. An unknown revision comes after all."""
        if revision in self.unknown:
            return frozenset(step.revision for step in self.steps)
        found = {revision}
        for step in reversed(self.steps):
            if step.revision in found:
                found.update(step.parents)
        return frozenset(found - {revision})

    def receipt_of(self, revision: str) -> Receipt | None:
        """Find the receipt of a revision's import, unless it is reverted."""
        return _last(self.live, revision)

    def is_invented(self, receipt: Receipt) -> bool:
        """Whether an import's people are known to be invented."""
        return any(import_.masked == receipt.sha256 for import_ in self.imports)

    def reverted_receipt_of(self, revision: str) -> Receipt | None:
        """Find the receipt of a revision's last reverted import."""
        gone = [receipt for receipt in self.receipts if receipt.state == "reverted"]
        return _last(gone, revision)


def _last(receipts: Iterable[Receipt], revision: str) -> Receipt | None:
    found = [receipt for receipt in receipts if receipt.revision == revision]
    return found[-1] if found else None


def read_history(connection: Connection, config: Config) -> History:
    """Read code, stamp and ledger.

    Without the deploy lock, another run may write between the two looks at stamp and ledger.
    """
    check_readable(connection, [], version_table(config))
    return replace(
        read_stamp(connection, config),
        receipts=tuple(all_receipts(connection)),
        missing=_read_missing(connection),
    )


def read_stamp(connection: Connection, config: Config) -> History:
    """Read code and stamp alone, because another run may be about to drop the ledger."""
    return History(_steps(config), _read_stamp(connection, version_table(config)))


def read_code(config: Config, stamped: Iterable[str] = ()) -> History:
    """Read code alone, as if a database were stamped so and had no ledger."""
    return History(_steps(config), tuple(stamped))


def imports_of(config: Config) -> list[Import]:
    """Return the code's imports, the first one first."""
    return read_code(config).imports


def _steps(config: Config) -> tuple[Step, ...]:
    """Return the code's revisions, read once for each ``Config``."""
    if _CODE not in config.attributes:
        config.attributes[_CODE] = tuple(_read_steps(config))
    steps: tuple[Step, ...] = config.attributes[_CODE]
    return steps


def _read_steps(config: Config) -> Iterator[Step]:
    script = ScriptDirectory.from_config(config)
    for revision in reversed(list(script.walk_revisions())):
        yield Step(revision.revision, to_tuple(revision.down_revision, ()), _import_of(revision))


def _import_of(revision: Script) -> Import | None:
    declared = getattr(revision.module, "IMPORT", None)
    return declared if isinstance(declared, Import) else None


def version_table(config: Config) -> str:
    """Return the table of the stamp: another one if the CRM has revisions of its own."""
    return config.get_main_option("version_table") or "alembic_version"


def _read_stamp(connection: Connection, table: str) -> tuple[str, ...]:
    may_read = text("SELECT has_table_privilege(to_regclass(quote_ident(:table)), 'SELECT')")
    may = connection.execute(may_read, {"table": table}).scalar()
    if may is None:
        return ()
    if not may:
        raise DatabaseRefused(
            f"The role may not read {table}. Nothing was written. GRANT SELECT ON {table} to it, "
            "then try again."
        )
    stamped = f"SELECT version_num FROM {quoted(table)} ORDER BY version_num"
    # Numbers of another tool, or NULL, are no stamp of ours, and must be named as such.
    return tuple(map(str, connection.execute(text(stamped)).scalars()))


def _read_missing(connection: Connection) -> tuple[str, ...]:
    wanted = {"tables": list(LEDGER_TABLES), "function": KEY_FUNCTION}
    return tuple(connection.execute(text(statement("find_missing")), wanted).scalars())

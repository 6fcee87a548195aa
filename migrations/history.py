"""Which state is each import in, and what is the remedy?

Read code, stamp and ledger once into one plain value, and judge it here and nowhere else:

    history = read_history(connection, config)
    for fault in faults(history):
        print(fault)            # a fact, then the one remedy for it

``env.py`` asks before an upgrade and again after it, from a fresh connection. Alembic believes the
stamp, so it can report success although its work was rolled back or never done. ``verify`` lists
all faults, ``status`` prints them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationInfo
from alembic.script import Script, ScriptDirectory
from alembic.util import to_tuple
from sqlalchemy import Connection, text

from migrations.importer.errors import DatabaseFailed, DatabaseRefused
from migrations.importer.ledger import Receipt, all_receipts
from migrations.importer.names import literal, quoted
from migrations.importer.phone import KEY_FUNCTION
from migrations.importer.sql import LEDGER_TABLES
from migrations.importer.v1 import Import, invented_in_words

__all__ = [
    "Done",
    "Fault",
    "History",
    "Step",
    "check_done",
    "faults",
    "faults_after",
    "imports_of",
    "last_import",
    "nothing_new_in_words",
    "read_code",
    "read_history",
    "read_stamp",
    "stamp_faults",
    "version_table",
]

PINNED: Mapping[str, Callable[[Import], object]] = {
    "sha256": attrgetter("sha256"),
    "records": attrgetter("records"),
    "policies": attrgetter("policies"),
    "declaration": lambda import_: import_.leads.as_json(),
}
"""What a revision pins: the ledger's column, and where the code keeps the value."""

_MISSING = """
    SELECT 'the table ' || needed FROM unnest(CAST(:tables AS text[])) AS needed
    WHERE to_regclass(needed) IS NULL
    UNION ALL
    SELECT 'the function ' || :function WHERE to_regprocedure(:function || '(text)') IS NULL
"""


# What is there.


@dataclass(frozen=True)
class Step:
    """A revision of the code.

    parents: the revisions right before it, none for the first one. import_: what it imports.
    """

    revision: str
    parents: tuple[str, ...] = ()
    import_: Import | None = None


@dataclass(frozen=True)
class History:
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
    return replace(
        read_stamp(connection, config),
        receipts=tuple(all_receipts(connection)),
        missing=_read_missing(connection),
    )


def read_stamp(connection: Connection, config: Config) -> History:
    """Read code and stamp alone, because another run may be about to drop the ledger."""
    return History(tuple(_steps(config)), _read_stamp(connection, version_table(config)))


def read_code(config: Config, stamped: Iterable[str] = ()) -> History:
    """Read code alone, as if a database were stamped so and had no ledger."""
    return History(tuple(_steps(config)), tuple(stamped))


def imports_of(config: Config) -> list[Import]:
    """Return the code's imports, the first one first."""
    return read_code(config).imports


def _steps(config: Config) -> Iterator[Step]:
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
    may_read = f"SELECT has_table_privilege(to_regclass({literal(quoted(table))}), 'SELECT')"
    may = connection.execute(text(may_read)).scalar()
    if may is None:
        return ()
    if not may:
        raise DatabaseRefused(
            f"The role may not read {table}. Nothing was written. GRANT SELECT ON {table} to it, "
            "then try again."
        )
    stamped = f"SELECT version_num FROM {quoted(table)} ORDER BY version_num"
    return tuple(connection.execute(text(stamped)).scalars())


def _read_missing(connection: Connection) -> tuple[str, ...]:
    wanted = {"tables": list(LEDGER_TABLES), "function": KEY_FUNCTION}
    return tuple(connection.execute(text(_MISSING), wanted).scalars())


# What is wrong with it.


@dataclass(frozen=True)
class Fault:
    """Something wrong, and what to do about it.

    revision: the import's; "" for the database as a whole.
    stops_upgrade: whether nothing may be imported, or called complete, until it is mended.
    """

    fact: str
    remedy: str
    revision: str = ""
    stops_upgrade: bool = True

    def __str__(self) -> str:
        return f"{self.fact}. {self.remedy}."


def faults(history: History) -> list[Fault]:
    """List what is wrong: with the stamp, with the database as a whole, with each import in order.

    If a fault does not stop an upgrade, the upgrade mends it or has nothing to do with it.
    """
    return [
        *stamp_faults(history),
        *_schema_faults(history),
        *_ledger_faults(history),
        *(fault for import_ in history.imports for fault in _import_faults(history, import_)),
    ]


def faults_after(history: History, heads: set[str], upgraded: Iterable[str]) -> list[Fault]:
    """List what is wrong with what a run has done.

    heads: what the database should be stamped with. upgraded: the revisions that should be in.
    """
    if set(history.stamped) != heads:
        stamped, expected = _names(history.stamped), _names(heads)
        fact = f"The database is stamped {stamped}, expected {expected}: the run was not committed"
        return [Fault(fact, "Run the same command again")]
    return [fault for fault in faults(history) if fault.revision in set(upgraded)]


def stamp_faults(history: History) -> list[Fault]:
    """List what is wrong with the stamp: Alembic would find no way from it."""
    if history.unknown:
        return [_stamped_unknown(history)]
    included = frozenset().union(*map(history.before, history.stamped))
    return [_stamped_twice(history, included)] if included.intersection(history.stamped) else []


def _stamped_unknown(history: History) -> Fault:
    back = " and ".join(f"'alembic downgrade {head}'" for head in history.heads)
    return Fault(
        f"The database is stamped {_names(history.unknown)}, which this release does not know: "
        "a newer one has upgraded it, or it was stamped by hand",
        f"Deploy that release again. Or run {back} with its code, then deploy this one",
    )


def _stamped_twice(history: History, included: frozenset[str]) -> Fault:
    last = [revision for revision in history.stamped if revision not in included]
    return Fault(
        f"The database is stamped {_names(history.stamped)}, but one of them comes after the other",
        f"Keep the last one: 'alembic stamp --purge {' '.join(last)}'",
    )


def _schema_faults(history: History) -> Iterator[Fault]:
    if history.missing and any(import_.revision in history.applied for import_ in history.imports):
        lacks = " and ".join(history.missing)
        is_not = "is not" if len(history.missing) == 1 else "are not"
        fact = f"The database is stamped {_names(history.stamped)}, but {lacks} {is_not} there"
        yield Fault(fact, _RUN_THEM, stops_upgrade=False)


def _ledger_faults(history: History) -> Iterator[Fault]:
    known = {step.revision for step in history.steps}
    for receipt in history.live:
        if receipt.revision not in known:
            yield Fault(
                f"The ledger holds an import of {receipt.export} under revision "
                f"{receipt.revision}, which this release does not know",
                "Verify with the release that imported it",
                stops_upgrade=False,
            )


def _import_faults(history: History, import_: Import) -> Iterator[Fault]:
    """Yield what is wrong with an import, at most one thing."""
    receipt = history.receipt_of(import_.revision)
    is_stamped = import_.revision in history.applied
    if receipt is None:
        yield _without_receipt(history, import_) if is_stamped else _pending(import_)
    elif different := list(_differences(receipt, import_.as_imported(receipt.sha256))):
        yield _another_export(history, receipt, different)
    elif receipt.state == "being reverted":
        at = f"record {receipt.revert_next_record:,} of {receipt.records:,}"
        yield _half_reverted(history, receipt, f"its downgrade has only reached {at}")
    elif receipt.state == "unfinished":
        yield _stamped_too_early(history, receipt) if is_stamped else _unfinished(receipt)
    elif not is_stamped:
        yield _not_stamped(receipt)


def _pending(import_: Import) -> Fault:
    return Fault(
        f"{import_.export} is not imported",
        "Run 'alembic upgrade head'",
        import_.revision,
        stops_upgrade=False,
    )


def _unfinished(receipt: Receipt) -> Fault:
    return Fault(
        f"The import of {receipt.export} stopped at record {receipt.next_record:,} of "
        f"{receipt.records:,}, or is running now",
        "Run 'alembic upgrade head': it continues there",
        receipt.revision,
        stops_upgrade=False,
    )


def _not_stamped(receipt: Receipt) -> Fault:
    return Fault(
        f"{receipt.export} is imported, but the database is not stamped {receipt.revision}",
        "Run 'alembic upgrade head': it adds nothing to a complete import",
        receipt.revision,
        stops_upgrade=False,
    )


def _without_receipt(history: History, import_: Import) -> Fault:
    fact = (
        f"The database is stamped {import_.revision}, but its ledger has no import of "
        f"{import_.export}"
    )
    if history.missing:
        why = "it was stamped without running the revisions"
        return Fault(f"{fact}: {why}", _RUN_THEM, import_.revision)
    if reverted := history.reverted_receipt_of(import_.revision):
        return _half_reverted(history, reverted, "its downgrade is not stamped")
    again = _one_by_one(_import_again(history, import_.revision))
    return Fault(
        f"{fact}: it was stamped by hand, or the ledger was emptied",
        f"Restore the ledger's tables from a backup. Or import the export again, over what was "
        f"edited since: {again}",
        import_.revision,
    )


def _stamped_too_early(history: History, receipt: Receipt) -> Fault:
    return Fault(
        f"The database is stamped {receipt.revision}, but the import of {receipt.export} has only "
        f"reached record {receipt.next_record:,} of {receipt.records:,}: it was stamped by hand",
        f"Import the rest: {_one_by_one(_import_again(history, receipt.revision))}",
        receipt.revision,
    )


def _half_reverted(history: History, receipt: Receipt, fact: str) -> Fault:
    steps = [
        f"alembic stamp {receipt.revision}",
        receipt.downgrade,
        *_upgrade_again(history, receipt.revision),
    ]
    if history.stamped == (receipt.revision,):
        del steps[0]
    return Fault(
        f"{receipt.export}: {fact}",
        f"Finish it, then import again: {_one_by_one(steps)}",
        receipt.revision,
    )


def _another_export(history: History, receipt: Receipt, different: list[str]) -> Fault:
    downgrade = [f"alembic downgrade {_before(history, receipt.revision)}"]
    if receipt.revision not in history.applied:
        downgrade.insert(0, f"alembic stamp {receipt.revision}")
    return Fault(
        f"The ledger's import of {receipt.export} is not what revision {receipt.revision} pins: "
        f"{', '.join(different)}",
        "A released export is never edited: put the old file and its pins back and add the new "
        "one with 'python -m migrations add'. If this one is meant instead, run "
        f"{_one_by_one(downgrade)} with the release that imported the other, and deploy again",
        receipt.revision,
    )


def _differences(receipt: Receipt, import_: Import) -> Iterator[str]:
    for column, pinned in PINNED.items():
        found, expected = getattr(receipt, column), pinned(import_)
        if found != expected:
            yield f"{column} found {found}, expected {expected}"


_RUN_THEM = "Run 'alembic stamp base', then 'alembic upgrade head': it leaves existing leads alone"


def _import_again(history: History, revision: str) -> list[str]:
    return [
        f"alembic stamp {_before(history, revision)}",
        *_upgrade_again(history, revision),
    ]


def _before(history: History, revision: str) -> str:
    """Name the revision right before another one, as Alembic's commands take it."""
    return " ".join(history.step(revision).parents) or "base"


def _upgrade_again(history: History, revision: str) -> list[str]:
    """Upgrade to a revision, without running the stamped ones above it again."""
    if any(revision in history.before(stamped) for stamped in history.stamped):
        return [f"alembic upgrade {revision}", f"alembic stamp {' '.join(history.stamped)}"]
    return ["alembic upgrade head"]


def _one_by_one(commands: Iterable[str]) -> str:
    return ", then ".join(f"'{command}'" for command in commands)


def _names(revisions: Iterable[str]) -> str:
    return " and ".join(sorted(revisions)) or "with nothing"


# Around a run of Alembic.


class Done:
    """The revisions a run went through: ``context.configure(on_version_apply=done)``."""

    def __init__(self) -> None:
        self.heads: set[str] | None = None
        self._upgraded: dict[str, bool] = {}

    def __call__(self, *, step: MigrationInfo, heads: set[str], **_: Any) -> None:
        self.heads = heads
        if not step.is_stamp:
            self._upgraded.update(dict.fromkeys(step.up_revision_ids, step.is_upgrade))

    @property
    def upgraded(self) -> list[str]:
        """The revisions upgraded to and not downgraded again."""
        return [revision for revision, up in self._upgraded.items() if up]


def check_done(connection: Connection, config: Config, done: Done) -> None:
    """Raise ``DatabaseFailed`` unless a fresh connection finds what a run has done."""
    assert done.heads is not None
    wrong = faults_after(read_history(connection, config), done.heads, done.upgraded)
    if wrong:
        raise DatabaseFailed(str(wrong[0]))


def last_import(history: History) -> Receipt | None:
    """Find the receipt of the last import that should be in. None if there is none."""
    applied = [import_ for import_ in history.imports if import_.revision in history.applied]
    return history.receipt_of(applied[-1].revision) if applied else None


def nothing_new_in_words(receipt: Receipt, leads: str, *, is_invented: bool = False) -> str:
    """Say: the import is in, and this run added nothing.

    leads: how many there are, "" if nobody can tell. is_invented: whether the import's people are.
    """
    counted = f" Leads: {leads} before, {leads} after." if leads else ""
    return (
        f"{receipt.export}: {receipt.records:,} records, imported on "
        f"{receipt.finished_at:%Y-%m-%d %H:%M} UTC. This run: 0 created, 0 updated, "
        f"{receipt.records:,} unchanged.{counted}"
        f"{invented_in_words(receipt.records) if is_invented else ''}"
    )

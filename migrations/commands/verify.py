"""After the fact: is every import of this code in the database, as the ledger says?

Wrong is: an export that is not the pinned file any more; a stamp without its import, as
``create_all`` and ``alembic stamp head`` leave it; a ledger that was emptied or does not add up; an
import or its way back that stopped in the middle; an import that is not in. That people have edited
or removed leads since is normal, and counted.

Nothing is written: but for its temporary tables, the connection is read-only. The export is read
again and compared batch by batch, so any size will do.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from migrations.history import imports_of, stamped_heads
from migrations.importer.batches import Batch
from migrations.importer.errors import ExportRefused
from migrations.importer.export.reading import Export
from migrations.importer.ledger import Receipt, all_receipts
from migrations.importer.phone import KEY_FUNCTION, KEY_INDEX
from migrations.importer.progress import Progress
from migrations.importer.session import Server
from migrations.importer.sql import apply as sql
from migrations.importer.sql import compare
from migrations.importer.staging import fold_repeats, stage_export
from migrations.importer.v1 import Import

__all__ = ["Checked", "Verdict", "verify"]

RECORDS_AT_A_TIME = 5_000

_MISSING = f"""
    SELECT 'the table ' || needed
    FROM unnest(ARRAY[{", ".join(f"'{table}'" for table in sql.WRITTEN_TABLES)}]) AS needed
    WHERE to_regclass(needed) IS NULL
    UNION ALL
    SELECT 'the function {KEY_FUNCTION}' WHERE to_regprocedure('{KEY_FUNCTION}(text)') IS NULL
    UNION ALL
    SELECT 'the unique index {KEY_INDEX}'
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_index WHERE indexrelid = to_regclass('{KEY_INDEX}') AND indisvalid AND indisunique
    )
"""
_SUMS = """
    SELECT
        coalesce(sum(next_record - first_record), 0) AS records,
        coalesce(sum(created), 0) AS created,
        coalesce(sum(updated), 0) AS updated,
        coalesce(sum(unchanged), 0) AS unchanged,
        coalesce(sum(rejected), 0) AS rejected,
        coalesce(sum(folded), 0) AS folded,
        coalesce(sum(cardinality(created_ids)), 0) AS created_ids,
        (SELECT count(*) FROM lead_before_images WHERE import_id = :import) AS before_images,
        (SELECT count(DISTINCT record) FROM lead_import_rejects WHERE import_id = :import) AS rejects
    FROM lead_import_batches
    WHERE import_id = :import
"""


@dataclass
class Checked:
    """One import: what is wrong with it, and what people have done to its leads since.

    edited: leads; fields: how many of them in which field; removed: leads that are gone.
    lost: records whose lead the ledger does not know, for they changed nothing, and whose phone no
    lead has any more.
    """

    revision: str
    export: str
    problems: list[str] = field(default_factory=list)
    edited: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    removed: int = 0
    lost: int = 0

    @property
    def is_as_imported(self) -> bool:
        """Whether nobody has edited or removed a lead since."""
        return not (self.problems or self.edited or self.removed or self.lost)


@dataclass
class Verdict:
    """stamped: the database's revisions; problems: those of no import; imports: of the code, in
    order."""

    stamped: list[str]
    problems: list[str]
    imports: list[Checked]

    @property
    def all_problems(self) -> list[str]:
        """Everything that is wrong."""
        return [
            *self.problems,
            *(problem for checked in self.imports for problem in checked.problems),
        ]

    @property
    def is_as_imported(self) -> bool:
        """Whether nothing is wrong, and no lead was edited or removed since."""
        return not self.problems and all(checked.is_as_imported for checked in self.imports)


def verify(connection: Connection, script: ScriptDirectory) -> Verdict:
    """Compare the code's imports with stamp, ledger and leads; ``connection`` commits by itself."""
    found = _find(connection, script)
    verdict = Verdict(found.stamped, list(_compare_schema(found)), [])
    server = None if found.missing else _read_only(connection)
    for declared in found.imports:
        receipt = found.live.get(declared.revision)
        import_ = declared.as_imported(receipt.sha256) if receipt else declared
        checked = Checked(import_.revision, import_.export)
        checked.problems += _compare_stamp(import_, receipt, found)
        if receipt and not checked.problems:
            checked.problems += _compare_sums(connection, receipt)
        _compare_export(import_, receipt, checked, server, found.live.values())
        verdict.imports.append(checked)
    return verdict


@dataclass(frozen=True)
class _Found:
    """What code and database have: the imports and all revisions of the code; the revisions that
    the database is stamped with, and those up to there; what is missing; the ledger's imports by
    revision.
    """

    imports: list[Import]
    revisions: dict[str, str]
    stamped: list[str]
    applied: set[str]
    missing: list[str]
    live: dict[str, Receipt]


def _find(connection: Connection, script: ScriptDirectory) -> _Found:
    steps = list(script.walk_revisions())[::-1]
    revisions = {step.revision: str(step.down_revision or "base") for step in steps}
    stamped = stamped_heads(connection)
    known = tuple(revision for revision in stamped if revision in revisions)
    return _Found(
        imports=imports_of(script, revisions),
        revisions=revisions,
        stamped=sorted(stamped),
        applied={step.revision for step in script.iterate_revisions(known, "base")}
        if known
        else set(),
        missing=list(connection.execute(text(_MISSING)).scalars()),
        live={
            receipt.revision: receipt
            for receipt in all_receipts(connection)
            if receipt.reverted_at is None
        },
    )


def _compare_schema(found: _Found) -> Iterator[str]:
    for revision in found.stamped:
        if revision not in found.revisions:
            yield (
                f"The database is stamped {revision}, which this code does not know. "
                "Look which release the database belongs to; verify with that one."
            )
    if found.missing and any(import_.revision in found.applied for import_ in found.imports):
        yield (
            f"The database is stamped {', '.join(found.stamped)}, but "
            f"{' and '.join(found.missing)} "
            f"{'is' if len(found.missing) == 1 else 'are'} not there: it was stamped without "
            f"running the revisions. "
            "Run 'alembic stamp base', then 'alembic upgrade head': it adopts the tables that "
            "are there."
        )
    for revision, receipt in found.live.items():
        if revision not in found.revisions:
            yield (
                f"The ledger holds an import of {receipt.export} under revision {revision}, "
                f"which this code does "
                "not know. Look which release it came from; verify with that one."
            )


def _compare_stamp(import_: Import, receipt: Receipt | None, found: _Found) -> Iterator[str]:
    is_stamped = import_.revision in found.applied
    if receipt is None and not is_stamped:
        yield f"{import_.export} is not imported. Run 'alembic upgrade head'."
    elif receipt is None:
        remedy = (
            f" Run 'alembic stamp {found.revisions[import_.revision]}', then 'alembic upgrade "
            f"head': leads that hold "
            "the export's values stay as they are."
        )
        yield (
            f"The database is stamped {import_.revision}, but its ledger has no import of "
            f"{import_.export}: it "
            f"was stamped by hand, or the ledger was emptied.{'' if found.missing else remedy}"
        )
    if receipt is None:
        return
    if (receipt.sha256, receipt.records) != (import_.sha256, import_.records):
        yield (
            f"The ledger's import of {receipt.export} has sha256 {receipt.sha256} and "
            f"{receipt.records} records; "
            f"revision {import_.revision} has {import_.sha256} and {import_.records}. A released "
            f"export is never "
            "edited: put the old one back."
        )
    if receipt.revert_next_record:
        yield (
            f"The downgrade of {receipt.export} stopped at record {receipt.revert_next_record} "
            f"of {receipt.records}. "
            "Run the same 'alembic downgrade' again."
        )
    elif not receipt.complete:
        yield (
            f"The import of {receipt.export} stopped at record {receipt.next_record} of "
            f"{receipt.records}, or is "
            "running now. Run 'alembic upgrade head': it continues there."
        )
    elif not is_stamped:
        yield (
            f"{receipt.export} is imported, but the database is not stamped {import_.revision}. "
            "Run 'alembic upgrade head': it adds nothing to a complete import."
        )


def _compare_sums(connection: Connection, receipt: Receipt) -> Iterator[str]:
    """The ledger against itself: its row, its batches and its before-images tell one story."""
    found = connection.execute(text(_SUMS), {"import": receipt.id}).one()
    expected = {
        "records": receipt.records,
        "created": receipt.created,
        "updated": receipt.updated,
        "unchanged": receipt.unchanged,
        "rejected": receipt.rejected,
        "folded": receipt.folded,
        "created_ids": receipt.created,
        "before_images": receipt.updated,
        "rejects": receipt.rejected,
    }
    wrong = [
        f"{name.replace('_', ' ')}: found {found._mapping[name]}, expected {count}"
        for name, count in expected.items()
        if found._mapping[name] != count
    ]
    counted = (
        receipt.created + receipt.updated + receipt.unchanged + receipt.rejected + receipt.folded
    )
    if counted != receipt.records:
        wrong.append(f"the outcomes add up to {counted}, expected {receipt.records}")
    if wrong:
        yield (
            f"The ledger of {receipt.export} does not add up: {'; '.join(wrong)}. Somebody has "
            f"written to it: "
            "restore the ledger's tables (lead_imports and those that refer to it) from a backup."
        )


def _compare_export(
    import_: Import,
    receipt: Receipt | None,
    checked: Checked,
    server: Server | None,
    live: Iterable[Receipt],
) -> None:
    try:
        with import_.open() as export:
            if receipt and server and not checked.problems:
                where: dict[str, object] = {
                    "import": receipt.id,
                    "later": [other.id for other in live if other.id > receipt.id],
                }
                _compare_leads(
                    server, export, where, checked, blanks_clear=import_.blanks == "clear"
                )
            else:
                export.check()
    except ExportRefused as error:
        checked.problems.append(str(error))


def _read_only(connection: Connection) -> Server:
    """A session that can write to its temporary tables alone."""
    for statement in (*sql.TEMPORARY_TABLES, *compare.TEMPORARY_TABLES, compare.READ_ONLY):
        connection.execute(text(statement))
    return Server(connection)


def _compare_leads(
    server: Server,
    export: Export,
    where: dict[str, object],
    checked: Checked,
    *,
    blanks_clear: bool,
) -> None:
    with server.transaction("reading the ledger"):
        for statement in compare.BEGIN:
            server.execute(statement, **where)
    stage_export(server, export, lambda: None, blanks_clear=blanks_clear)
    fold_repeats(server)
    with Progress(f"comparing {export.name}", "records") as progress:
        for here in range(0, export.count, RECORDS_AT_A_TIME):
            batch = Batch(here, min(here + RECORDS_AT_A_TIME, export.count))
            with server.transaction(f"comparing {batch}"):
                for statement in compare.COMPARE:
                    server.execute(statement, **where, here=batch.here, next=batch.next)
            progress.at(batch.next, export.count)
    with server.transaction("counting the leads"):
        checked.lost = server.execute(compare.COUNT_LOST).scalar_one()
        server.execute(compare.COMPARE_MOVED, **where)
        counts = server.execute(compare.COUNT).one()
        checked.edited, checked.removed = counts.edited, counts.removed
        checked.fields = {row.field: row.leads for row in server.execute(compare.COUNT_FIELDS)}

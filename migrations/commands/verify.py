"""``verify``: check that every import of this code is in the database.

Faults of the history are wrong, pending imports included. So is a ledger with sums that do not add
up, or an export other than the pinned file. If people have edited or removed leads since, that is
normal: verify only counts them.

It writes nothing but temporary tables, on a read-only connection. It reads the export again and
compares batch by batch, so any size will do.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from alembic.config import Config
from rich.text import Text
from sqlalchemy import Connection, text

from migrations.commands.project import alembic_config, check_may_read, reading
from migrations.console import console, counted, print_json, printable
from migrations.history import History, faults, read_history
from migrations.importer.comparing import compare_leads
from migrations.importer.errors import ExportRefused
from migrations.importer.ledger import OUTCOMES, Receipt
from migrations.importer.pinned import Import
from migrations.importer.schema.catalog import may_be_same
from migrations.importer.schema.since import find_table_since, why_no_lead_is_found
from migrations.importer.session import Server
from migrations.importer.sql import statement

__all__ = ["Checked", "Verdict", "add_arguments", "run", "verify"]


@dataclass
class Checked:
    """One import: what is wrong with it, and what people have done to its leads since.

    edited: leads. fields: how many of them by field. removed: leads now gone.
    lost: unchanged records with a phone no lead has any more. The ledger does not name their leads.
    missing: columns the import wrote, now gone from the table.
    forgotten: updated leads without old values, so a downgrade keeps them.
    blurred: later imports without old values, so their changes count as edits.
    redeclared: later imports by another declaration, so their changes count as edits too.
    uncompared: why no lead was compared, such as a table that has moved. Of the last import it
    is a problem.
    """

    revision: str
    export: str
    problems: list[str] = field(default_factory=list)
    edited: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    removed: int = 0
    lost: int = 0
    missing: list[str] = field(default_factory=list)
    forgotten: int = 0
    blurred: list[str] = field(default_factory=list)
    redeclared: list[str] = field(default_factory=list)
    uncompared: str = ""

    @property
    def is_as_imported(self) -> bool:
        """Whether nobody has edited or removed a lead since."""
        return not (self.problems or self.edited or self.removed or self.lost or self.uncompared)


@dataclass
class Verdict:
    """stamped: the database's revisions. problems: those of no import. imports: of the code, in
    order."""

    stamped: list[str]
    problems: list[str] = field(default_factory=list)
    imports: list[Checked] = field(default_factory=list)

    @property
    def all_problems(self) -> list[str]:
        """List everything wrong."""
        return [
            *self.problems,
            *(problem for checked in self.imports for problem in checked.problems),
        ]

    @property
    def is_as_imported(self) -> bool:
        """Whether nothing is wrong, and no lead was edited or removed since."""
        return not self.problems and all(checked.is_as_imported for checked in self.imports)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``verify`` to its parser."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="fail if leads were edited or removed since",
    )
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")


def run(arguments: Namespace) -> int:
    """Verify every import, print the verdict, and return the exit status."""
    with reading("verifying") as connection:
        verdict = verify(connection, alembic_config())
    if arguments.json:
        print_json(_as_json(verdict))
    else:
        _print_verdict(verdict)
        if arguments.strict and not verdict.all_problems and not verdict.is_as_imported:
            console().print("Leads were edited or removed since, and --strict calls that wrong.")
    return int(bool(verdict.all_problems) or (arguments.strict and not verdict.is_as_imported))


def verify(connection: Connection, config: Config) -> Verdict:
    """Compare the code's imports with stamp, ledger and leads. connection: in autocommit."""
    check_may_read(connection, config)
    history = read_history(connection, config)
    wrong = faults(history)
    verdict = Verdict(list(history.stamped), [str(fault) for fault in wrong if not fault.revision])
    for declared in history.imports:
        receipt = history.receipt_of(declared.revision)
        import_ = declared.as_imported(receipt.sha256) if receipt else declared
        checked = Checked(import_.revision, import_.export)
        checked.forgotten = receipt.forgotten if receipt else 0
        checked.problems += [str(fault) for fault in wrong if fault.revision == import_.revision]
        if receipt and not checked.problems and not history.missing:
            checked.problems += _compare_sums(connection, receipt)
        _compare_export(connection, import_, receipt, checked, history)
        verdict.imports.append(checked)
    return verdict


def _compare_sums(connection: Connection, receipt: Receipt) -> Iterator[str]:
    """Compare an import's receipt, batches and before-images with each other."""
    asked = text(statement("sum_batches"))
    found = connection.execute(asked, {"import": receipt.id}).one()._mapping
    outcomes = {outcome: getattr(receipt, outcome) for outcome in OUTCOMES}
    expected = {
        "records": receipt.records,
        **outcomes,
        "created_ids": receipt.created,
        "before_images": receipt.updated - receipt.forgotten,
        "rejects": receipt.rejected,
    }
    wrong = [
        f"{name.replace('_', ' ')} found {found[name]}, expected {count}"
        for name, count in expected.items()
        if found[name] != count
    ]
    if (total := sum(outcomes.values())) != receipt.records:
        wrong.append(f"the outcomes add up to {total:,}, expected {receipt.records:,}")
    if wrong:
        yield (
            f"The ledger of {receipt.export} does not add up, because somebody has written to it: "
            f"{', '.join(wrong)}. Restore its tables (lead_imports and those that refer to it) "
            "from a backup."
        )


def _compare_export(
    connection: Connection,
    import_: Import,
    receipt: Receipt | None,
    checked: Checked,
    history: History,
) -> None:
    """Compare leads with an export, or check the file alone if its import is wrong."""
    try:
        with import_.open() as export:
            if receipt is None or history.missing or checked.problems:
                export.check()
                return
            leads = import_.leads
            table = find_table_since(connection, leads, keeps_blanks=import_.keeps_blanks)
            if why := why_no_lead_is_found(connection, table, import_.revision):
                export.check()
                checked.uncompared = why[0]
                if import_.revision == history.imports[-1].revision:
                    remedy = "Put that back, or write a new declaration for the next import."
                    checked.problems.append(f"{_uncompared_in_words(checked)}. {remedy}")
                return
            later = [
                other
                for other in history.live
                if other.id > receipt.id and may_be_same(connection, other.leads.table, leads.table)
            ]
            edits = compare_leads(Server(connection), table, export, receipt, later)
            checked.edited, checked.fields = edits.edited, edits.fields
            checked.removed, checked.lost = edits.removed, edits.lost
            checked.missing = list(table.missing)
            checked.blurred = [other.export for other in later if other.forgotten]
            checked.redeclared = [
                other.export for other in later if other.declaration != receipt.declaration
            ]
    except ExportRefused as error:
        checked.problems.append(str(error))


# The words.


def _as_json(verdict: Verdict) -> dict[str, Any]:
    ok = not verdict.all_problems
    return {"ok": ok, "as_imported": verdict.is_as_imported, **asdict(verdict)}


def _print_verdict(verdict: Verdict) -> None:
    """Print each good import, with later edits, and then what is wrong."""
    say = console().print
    for checked in verdict.imports:
        if not checked.problems:
            say(_ok_in_words(checked))
    for problem in verdict.all_problems:
        lines = "\n".join(map(printable, problem.splitlines()))
        say(Text.assemble(("wrong: ", "bold red"), lines))
    if not verdict.imports and not verdict.problems:
        say("This code has no import to verify.")


def _ok_in_words(checked: Checked) -> Text:
    ok = "" if checked.uncompared else Text.assemble(("OK", "green"), ". ")
    return Text.assemble((checked.export, "bold"), ": ", ok, _edits_in_words(checked))


def _edits_in_words(checked: Checked) -> str:
    edits = list(_edits(checked))
    if checked.is_as_imported and not checked.missing:
        edits.insert(0, "No lead was edited or removed since")
    return " ".join(f"{sentence}." for sentence in edits)


def _edits(checked: Checked) -> Iterator[str]:
    if checked.edited:
        fields = ", ".join(f"{field} {leads:,}" for field, leads in checked.fields.items())
        yield f"{counted(checked.edited, 'lead')} edited since ({fields})"
    if checked.removed:
        yield f"{counted(checked.removed, 'lead')} removed since"
    if checked.lost:
        yield (
            f"{counted(checked.lost, 'lead')} unknown to the ledger removed or given another phone "
            "since"
        )
    if checked.forgotten:
        yield (
            f"The old values of {counted(checked.forgotten, 'lead')} are forgotten: a downgrade "
            "keeps what the import wrote"
        )
    if checked.blurred:
        exports = " and ".join(checked.blurred)
        yield f"What {exports} changed counts as edited, because its old values are forgotten"
    if checked.edited and checked.redeclared:
        exports = " and ".join(checked.redeclared)
        yield f"What {exports} changed counts as edited, because it has another declaration"
    if checked.missing:
        yield f"The table no longer has {', '.join(checked.missing)} as declared"
    if checked.uncompared:
        yield _uncompared_in_words(checked)


def _uncompared_in_words(checked: Checked) -> str:
    return f"The leads of {checked.export} cannot be compared ({checked.uncompared})"

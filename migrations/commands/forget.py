"""``forget``: delete old values from the ledger, and keep a person out of later imports."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection

from migrations.commands.project import alembic_config, check_may_read, reading
from migrations.console import counted
from migrations.deploy.lock import take_deploy_lock
from migrations.erasing import list_erased
from migrations.history import History, read_history
from migrations.importer.erased import ERASED
from migrations.importer.errors import ImportStopped
from migrations.importer.forgetting import find_forgettable, forget_batches, forget_lead
from migrations.importer.ledger import has_ledger
from migrations.importer.mask_key import MASK_KEY
from migrations.importer.phone import are_phones
from migrations.importer.pinned import DATA
from migrations.importer.progress import Progress
from migrations.importer.session import Server
from migrations.tracing.finding import create_trace, find_lead
from migrations.tracing.reading import Known, import_of, read_known, table_of_leads

__all__ = ["CannotForget", "add_arguments", "run"]

LOCK_WAIT = 10.0
"""Seconds."""

_DAYS = re.compile(r"([0-9]{1,5})d")

WHERE_IT_STAYS = (
    "Freed rows stay on the server's disk until VACUUM, and in its write-ahead log and backups "
    "until those expire."
)


class CannotForget(ImportStopped):
    """Something is in the way. Nothing was forgotten."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``forget`` to its parser."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--older-than",
        type=_days,
        metavar="90d",
        help="forget old values of imports that ended at least so many days ago",
    )
    which.add_argument(
        "--lead",
        metavar="ID",
        help="forget one lead's old values, and list its phones in data/erased.txt",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would go, change nothing")


def _days(given: str) -> int:
    found = _DAYS.fullmatch(given)
    if not found:
        raise ArgumentTypeError(f"{given!r}: expected a number of days, as in 90d")
    return int(found[1])


def run(arguments: Namespace) -> int:
    """Forget, say what stays, and return the exit status."""
    with reading("forgetting") as connection:
        check_may_read(connection, alembic_config())
        if not has_ledger(connection):
            raise CannotForget("The database has no ledger, so there is nothing to forget.")
        if not arguments.dry_run:
            take_deploy_lock(connection, LOCK_WAIT, lambda: None, "forgetting", option="")
        if missing := read_history(connection, alembic_config()).missing:
            raise CannotForget(
                f"The database lacks {' and '.join(missing)}. Nothing was forgotten. Run "
                "'python -m migrations status': it says what to do."
            )
        if arguments.lead is None:
            _forget_old(connection, arguments.older_than, dry_run=arguments.dry_run)
        else:
            _forget_lead(connection, arguments.lead, dry_run=arguments.dry_run)
    return 0


# By age.


def _forget_old(connection: Connection, days: int, *, dry_run: bool) -> None:
    server = Server(connection)
    found = find_forgettable(server, days)
    for old in found:
        if not dry_run:
            _forget_import(server, old.id, old.export, old.old_values)
        print(
            f"{old.export}: {_forgot(dry_run)} the old values of {counted(old.old_values, 'lead')}."
        )
    if not found:
        print(f"Nothing to forget: no import that ended {days} days ago or earlier has old values.")
    elif not dry_run:
        print(f"A downgrade keeps what these imports wrote. {WHERE_IT_STAYS}")


def _forget_import(server: Server, import_id: int, export: str, total: int) -> None:
    with Progress(f"forgetting the old values of {export}", "leads") as progress:
        for done in forget_batches(server, import_id):
            progress.at(done, total)


# One lead.


def _forget_lead(connection: Connection, lead_id: str, *, dry_run: bool) -> None:
    history, server = read_history(connection, alembic_config()), Server(connection)
    table = table_of_leads(connection, history)
    create_trace(server)
    find_lead(server, table, lead_id, "id")
    known = read_known(connection, history, table)
    _refuse_halfway(known)
    _refuse_unread(known, history)
    phones = _phones(known)
    if not dry_run:
        listed = list_erased(DATA, phones, datetime.now(UTC).date()) if phones else 0
        with server.writable():
            forget_lead(server, known.receipts)
    else:
        listed = len(phones)
    for line in _in_words(known, listed, dry_run=dry_run):
        print(line)


def _refuse_halfway(known: Known) -> None:
    for step in known.steps:
        if step.receipt.is_open:
            raise CannotForget(
                f"{step.receipt.export} is {step.receipt.state}, and still needs what it knows of "
                "this lead. Nothing was forgotten. Finish it first: 'python -m migrations status' "
                "says how."
            )


def _refuse_unread(known: Known, history: History) -> None:
    """Refuse if an export could bring the person back by an unknown phone."""
    for step in known.steps:
        is_unread = step.found is None and step.wrote is None
        if is_unread and import_of(history, step.receipt):
            raise CannotForget(
                f"{step.receipt.export}: {known.unread.get(step.receipt.export)}, and this lead "
                "came from it with an unknown phone. Nothing was forgotten. Put the export back "
                "into data/, or set LEADS_AGE_KEY, and try again."
            )


def _phones(known: Known) -> set[str]:
    """Collect every known phone of the lead, old or new."""
    held = [known.now]
    for step in known.steps:
        held += [step.found, step.wrote]
    phones = {values.get("phone") for values in held if values}
    changes = [change for event in known.trail for change in event.changes or ()]
    for change in changes:
        if change.field == "phone":
            phones |= {change.old, change.new}
    return {phone for phone in phones if phone and are_phones([phone])}


def _in_words(known: Known, listed: int, *, dry_run: bool) -> Iterator[str]:
    old_values = sum(step.found is not None for step in known.steps)
    yield f"The ledger {_forgot(dry_run)} {counted(old_values, 'old value')} of this lead."
    lists = "would list" if dry_run else "lists"
    phones = counted(listed, "more phone")
    yield f"data/{ERASED} {lists} {phones} of this lead: no import brings them in again."
    if listed and not dry_run:
        yield f"Commit it: git add data/{ERASED} data/{MASK_KEY}"
    yield "What this does not reach:"
    lead = "the lead itself" if known.now is not None else ""
    audit = f"lead_audit ({counted(known.audit_rows, 'row')})" if known.audit_rows else ""
    if lead or audit:
        yield f"  {' and '.join(filter(None, (lead, audit)))}: for the application to remove"
    for receipt in known.elsewhere:
        yield (
            f"  old values of {receipt.export}, which knows its leads by "
            f"{receipt.leads.table}.{receipt.leads.id}"
        )
    yield "  exports in git, and in every clone"
    yield "  the server's backups, until they age out"
    yield WHERE_IT_STAYS


def _forgot(dry_run: bool) -> str:
    return "would forget" if dry_run else "forgot"

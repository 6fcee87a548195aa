"""``lead``: tell the history of one lead, from the ledger, exports and the audit trail."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.text import Text
from sqlalchemy import Connection

from migrations.commands.project import alembic_config, check_may_read, reading
from migrations.console import console, print_json, printable
from migrations.history import History, read_history
from migrations.importer.session import Server
from migrations.preview.masking import masked
from migrations.tracing.events import Change, Event, timeline
from migrations.tracing.finding import WAYS, MeantLead, create_trace, find_lead
from migrations.tracing.reading import Known, read_known, table_of_leads

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``lead`` to its parser."""
    parser.add_argument(
        "lead", metavar="PHONE|NUMBER|ID", help="its phone in any spelling, its number or its id"
    )
    parser.add_argument("--by", choices=WAYS, help="which of these it is, if it could be several")
    parser.add_argument(
        "--show-personal-data",
        action="store_true",
        help="show phones and e-mails unmasked, and values in the JSON",
    )
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")


@dataclass(frozen=True)
class Trace:
    """One lead and its history. table: where it lives."""

    table: str
    lead: MeantLead
    known: Known

    @property
    def events(self) -> list[Event]:
        """List what happened to it, in order."""
        return timeline(self.known.steps, self.known.now, self.known.trail)

    @property
    def is_there(self) -> bool:
        """Whether the table holds it."""
        return self.known.now is not None


def run(arguments: Namespace) -> int:
    """Find a lead, print its history, and return the exit status."""
    with reading("reading the ledger") as connection:
        config = alembic_config()
        check_may_read(connection, config)
        found = _trace(connection, read_history(connection, config), arguments)
    shows = bool(arguments.show_personal_data)
    if arguments.json:
        print_json(_as_json(found, shows=shows))
    else:
        _print_trace(found, shows=shows)
    return 0


def _trace(connection: Connection, history: History, arguments: Namespace) -> Trace:
    server, table = Server(connection), table_of_leads(connection, history)
    with server.writable():  # a role for reading often is not, and nothing could be made
        create_trace(server)
    lead = find_lead(server, table, arguments.lead, arguments.by)
    return Trace(table.leads.table, lead, read_known(connection, history, table))


# The words.


def _as_json(found: Trace, *, shows: bool) -> dict[str, Any]:
    return {
        "table": found.table,
        "id": found.lead.id,
        "found_by": found.lead.by,
        "is_there": found.is_there,
        "events": [_event_as_json(event, shows=shows) for event in found.events],
        "forgotten": [
            {"revision": receipt.revision, "export": receipt.export, "leads": receipt.forgotten}
            for receipt in found.known.forgotten
        ],
        "unread": found.known.unread,
        "elsewhere": list(dict.fromkeys(receipt.export for receipt in found.known.elsewhere)),
    }


def _event_as_json(event: Event, *, shows: bool) -> dict[str, Any]:
    fields: Any = None
    if event.changes is not None and shows:
        fields = {change.field: [change.old, change.new] for change in event.changes}
    elif event.changes is not None:
        fields = [change.field for change in event.changes]
    return {
        "kind": event.kind,
        "at": event.at and event.at.isoformat(),
        "since": event.since and event.since.isoformat(),
        "export": event.export or None,
        "revision": event.revision or None,
        "record": event.record or None,
        "by": event.by or None,
        "fields": fields,
    }


def _print_trace(found: Trace, *, shows: bool) -> None:
    say = console().print
    gone = "" if found.is_there else ", now removed"
    say(Text.assemble((f"Lead {printable(found.lead.id)}", "bold"), f" of {found.table}{gone}"))
    if not found.events:
        say("As far as the ledger knows, no import has created or updated it.")
    for event in found.events:
        say()
        say(_event_in_words(event, shows=shows))
    # One import has several receipts, if it was reverted and imported again.
    for sentence in dict.fromkeys(_notes(found)):
        say()
        say(printable(sentence))


def _event_in_words(event: Event, *, shows: bool) -> Text:
    words = Text.assemble((_when(event), "dim"), "  ", printable(_what(event)))
    if event.changes is None:
        words.append("\n    its values afterwards are not known", "dim")
    for change in event.changes or ():
        words.append(f"\n    {change.field:15}", "dim").append(
            _change_in_words(change, shows=shows)
        )
    return words


def _when(event: Event) -> str:
    if event.since is None:
        return _moment(event.at)
    return f"{_moment(event.since)} to {_moment(event.at)}"


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "now"


def _what(event: Event) -> str:
    where = f"{event.export}, record {event.record}"
    return {
        "created": f"created by {where}",
        "updated": f"updated by {where}",
        "reverted": f"{event.export} was reverted",
        "added": f"added by {event.by}",
        "edited": f"edited by {event.by or 'people'}",
        "removed": f"removed by {event.by}",
    }[event.kind]


def _change_in_words(change: Change, *, shows: bool) -> str:
    old, new = (_shown(change.field, value, shows=shows) for value in (change.old, change.new))
    return f"{old} → {new}"


def _shown(field: str, value: str | None, *, shows: bool) -> str:
    told = value if shows else masked(field, value)
    return f'"{printable(told)}"' if told else "blank"


def _notes(found: Trace) -> Iterator[str]:
    for export, reason in found.known.unread.items():
        yield (f"{export} {reason}, so edits right after that import appear to be its own.")
    for receipt in found.known.receipts:
        if receipt.state == "being reverted":
            yield f"{receipt.export} is being reverted: restored values show as edited."
    for receipt in found.known.elsewhere:
        yield (
            f"{receipt.export} knows its leads by {receipt.leads.table}.{receipt.leads.id}. "
            "Whether it changed this lead is not known."
        )
    for receipt in found.known.forgotten:
        yield (
            f"{receipt.export}: old values are forgotten ({receipt.forgotten:,}). Whether it "
            "changed this lead is not known."
        )

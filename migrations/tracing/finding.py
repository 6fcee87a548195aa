"""Which lead is meant by an id, a lead number or a phone in any spelling?

What somebody asks for is personal data: it reaches the server by COPY, never as a parameter.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from migrations.importer.errors import ImportStopped
from migrations.importer.session import Server, copy_text
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = [
    "WAYS",
    "By",
    "LeadNotFound",
    "MeantLead",
    "create_trace",
    "find_lead",
    "mean_lead",
    "not_found",
]

By = Literal["id", "number", "phone"]
WAYS: tuple[By, ...] = get_args(By)

MOST_LISTED = 10

_TOLD: dict[By, str] = {"id": "its id", "number": "its lead number", "phone": "its phone"}
_WHOLE_NUMBERS = ("smallint", "integer", "bigint")
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_SHORT_NUMBER = re.compile(r"[0-9]{1,18}")


class LeadNotFound(ImportStopped):
    """No lead is meant, or more than one."""


class MeantLead(NamedTuple):
    """The id of a lead, as a text, and how it was found."""

    id: str
    by: By


def create_trace(server: Server) -> None:
    """Make the temporary tables that say which lead is meant, anew if they are there."""
    server.execute(statement("drop_trace"))
    server.execute(statement("create_trace"))


def find_lead(server: Server, table: LeadsTable, asked: str, by: By | None = None) -> MeantLead:
    """Find the lead that somebody means; ``lead_trace_lead`` names it from then on.

    asked: an id, a lead number or a phone; by: which of them, None if nobody has said. A lead that
    is gone is known by its id. Raises ``LeadNotFound``.
    """
    asked = asked.strip()
    if not asked:
        raise not_found(table)
    _copy(server, "lead_trace_asked (value)", asked)
    found = [lead for way in WAYS if by in (None, way) for lead in _find(server, table, asked, way)]
    if len({lead.id for lead in found}) > 1:
        raise LeadNotFound(_ambiguous(found))
    if not found and by in (None, "id") and _may_be_id(asked, table.id_type):
        found = [MeantLead(asked, "id")]  # the ledger may know it
    if not found:
        raise not_found(table)
    mean_lead(server, found[0].id)
    return found[0]


def not_found(table: LeadsTable) -> LeadNotFound:
    """The error that nobody is meant, without what was asked for."""
    return LeadNotFound(
        f"No lead of {table.leads.table} has that id, lead number or phone, and the ledger knows "
        "none of that id. Look how it is written."
    )


def mean_lead(server: Server, lead_id: str) -> None:
    """Name the lead of the statements that follow."""
    server.execute("DELETE FROM lead_trace_lead")
    _copy(server, "lead_trace_lead (lead_id)", lead_id)


def _copy(server: Server, place: str, value: str) -> None:
    with server.transaction("naming the lead"):
        server.copy(place, [copy_text([[value]])], blank_is_null=False)


def _find(server: Server, table: LeadsTable, asked: str, by: By) -> Iterator[MeantLead]:
    if by == "number" and table.lead_number is None:
        return
    cast = _cast(table.id_type)
    if by == "id" and not _may_be_id(asked, table.id_type):
        return
    sql = statement("find_lead", table=table, by=by, cast=cast, most=MOST_LISTED)
    for row in server.execute(sql):
        yield MeantLead(row.lead_id, by)


def _may_be_id(asked: str, type_: str) -> bool:
    """Whether the server can read a text as an id. It writes down what it cannot."""
    pattern = {"bigint": _SHORT_NUMBER, "uuid": _UUID}.get(_cast(type_))
    return pattern is None or pattern.fullmatch(asked) is not None


def _cast(type_: str) -> str:
    """As what an id of this type is looked for through its index; "" for as a text."""
    if type_ in _WHOLE_NUMBERS:
        return "bigint"
    return "uuid" if type_ == "uuid" else ""


def _ambiguous(found: Sequence[MeantLead]) -> str:
    leads = ", ".join(f"{lead.id} ({_TOLD[lead.by]})" for lead in found[:MOST_LISTED])
    return (
        f"That may be several leads: {leads}. Say which one by its id, as in "
        f"'python -m migrations lead {found[0].id} --by id'."
    )

"""One record of an export: its fields, their types and their limits.

A record is refused unless it holds exactly these fields. Only ``phone`` must not be empty: it says
whose record this is. The limits are far above what the CRM's forms let in; what is longer has been
mangled on its way.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["COLUMNS", "LONGEST_RECORD", "Record", "are_moments", "why_no_moment"]

Short = Annotated[str, Meta(max_length=50)]
Name = Annotated[str, Meta(max_length=200)]
Agent = Annotated[str, Meta(max_length=150)]
Phone = Annotated[str, Meta(min_length=1, max_length=40)]
Email = Annotated[str, Meta(max_length=254)]
"""254 characters: RFC 5321, section 4.5.3.1.3, less the angle brackets."""
Line = Annotated[str, Meta(max_length=500)]
Postcode = Annotated[str, Meta(max_length=20)]
Text = Annotated[str, Meta(max_length=100_000)]
SourceId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Moment = Annotated[datetime, Meta(tz=True)]

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""A lead from before the CRM's age or from another century has a mistyped date."""

FURTHEST_OFFSET = timedelta(hours=14)
"""Kiribati's. Postgres takes no offset of 16 hours or more."""

LONGEST_RECORD = 4 << 20
"""Bytes. Text fields at their limits, every character escaped as ``\\uXXXX\\uXXXX``, stay
below it."""

COLUMNS = (
    "lead_number",
    "full_name",
    "phone",
    "email",
    "status",
    "address1",
    "postal_code",
    "notes",
    "assigned_agent",
)
"""The columns of ``leads`` that an import may write; new leads get their ``created_at`` too."""


class Record(Struct, forbid_unknown_fields=True, gc=False):
    """One JSON object of an export. ``id`` is its source's and is checked, but not imported."""

    id: SourceId
    lead_number: Short
    full_name: Name
    phone: Phone
    email: Email
    status: Short
    address1: Line
    postal_code: Postcode
    notes: Text
    assigned_agent: Agent
    created_at: Moment


def why_no_moment(moment: datetime) -> str | None:
    """What is wrong with a ``created_at`` that is a date and time with an offset; None if
    nothing is."""
    offset = moment.utcoffset()
    if offset is None or abs(offset) > FURTHEST_OFFSET:
        return f"is more than {FURTHEST_OFFSET.seconds // 3600} hours off UTC"
    if not EARLIEST <= moment <= LATEST:
        return f"lies outside of {EARLIEST:%Y} to {LATEST:%Y}"
    return None


def are_moments(moments: Sequence[datetime]) -> bool:
    """Whether nothing is wrong with any of some: the earliest, the latest and one of each offset
    speak for all."""
    of_each_offset = {moment.tzinfo: moment for moment in moments}.values()
    return not any(map(why_no_moment, (min(moments), max(moments), *of_each_offset)))

"""Write a preview as one page for a browser. It has its own style and script, and loads nothing.

    with private_file(Path("preview.html")) as write:
        write(render(preview))

It holds people's data. Phones and e-mails are masked unless asked for. Each value is escaped, and
the page's policy only lets its own script run, known by its hash.

A browser takes seconds to lay out 10,000 leads as elements. So the rows after the first ones stand
in a ``<noscript>``. If scripts run, it is one text, and the page's script takes rows from it as
needed. If not, it is the rest of the table.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mako.template import Template  # type: ignore[import-untyped]  # it has no types

from migrations.preview.difference import marked
from migrations.preview.figures import SPELLED, Preview
from migrations.preview.masking import masked, masked_values

__all__ = ["render"]

HERE = Path(__file__).parent

AT_ONCE = 250
"""Rows of a table to lay out first. The script adds as many at a time."""

LABELS = {
    "lead_number": "Number",
    "full_name": "Name",
    "phone": "Phone",
    "email": "E-mail",
    "status": "Status",
    "address1": "Address",
    "postal_code": "Postcode",
    "notes": "Notes",
    "assigned_agent": "Agent",
}
"""Names of fields on the page. Fields only the declaration has keep their own names."""

WIDTHS = {
    "lead_number": "5.25rem",
    "full_name": "7rem",
    "phone": "8.25rem",
    "email": "8.25rem",
    "status": "8.25rem",
    "address1": "8rem",
    "postal_code": "5.5rem",
    "notes": "minmax(9rem, 1fr)",
    "assigned_agent": "5.75rem",
}
CHANGED_LABELS = ("Id", "Number", "Name", "Record", "Fields")
CHANGED_WIDTHS = "6rem 9.5rem 5.5rem 4.5rem 1fr"
ANY_WIDTH = "minmax(7rem, 1fr)"
RECORD_WIDTH = "4.5rem"


class Outcome(NamedTuple):
    """What becomes of records: its name in the ledger, its words, and the style of its figure."""

    name: str
    label: str
    why: str
    style: str


OUTCOMES = (
    Outcome("created", "Created", "a new lead", "good"),
    Outcome("updated", "Updated", "an existing lead, new values", "change"),
    Outcome("unchanged", "Unchanged", "an existing lead has these values already", ""),
    Outcome("folded", "Folded", "its phone comes again in a later record", ""),
    Outcome("rejected", "Rejected", "has a problem and is never imported", "bad"),
)

VERDICTS = {
    "kept": ("yes", "✓ kept"),
    "broken": ("no", "✗ broken"),
    "bookkeeping": ("own", "bookkeeping"),
}
"""Style and words of a table's verdict."""


def render(preview: Preview, *, show_personal_data: bool = False) -> str:
    """Return the page as HTML."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    numbers_leads = all(isinstance(lead.id, int) for lead in preview.changed)
    style += _columns(preview.fields, numbers_leads=numbers_leads)
    template = Template(
        (HERE / "page.html.mako").read_text(encoding="utf-8"),
        default_filters=["h"],
        strict_undefined=True,
    )
    page: str = template.render(
        preview=preview,
        title=_title(preview),
        labels={name: _label(name) for name in preview.fields},
        outcomes=OUTCOMES,
        verdicts=VERDICTS,
        numbers_leads=numbers_leads,
        spelled=SPELLED,
        at_once=AT_ONCE,
        mask=(lambda _, value: value) if show_personal_data else masked,
        mask_all=(lambda values: values) if show_personal_data else masked_values,
        marked=marked,
        visible=_visible,
        n=_number,
        is_masked=not show_personal_data,
        style=style,
        script=script,
        policy=(
            f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
    )
    return page


def _title(preview: Preview) -> str:
    if preview.refused:
        return preview.refused
    if not preview.imports:
        return "Nothing to import"
    if len(preview.imports) == 1:
        return preview.imports[0].export
    return f"{len(preview.imports):,} imports"


def _label(field: str) -> str:
    return LABELS.get(field, field.replace("_", " ").capitalize())


def _columns(fields: Sequence[str], *, numbers_leads: bool) -> str:
    """Return the style for these fields: the names and widths of the columns.

    numbers_leads: whether ids are numbers. Otherwise they may be as long as a UUID.
    """
    widths = [*(WIDTHS.get(name, ANY_WIDTH) for name in fields), RECORD_WIDTH]
    rules = [
        f".changed {{ --columns: {'4.5rem' if numbers_leads else '10rem'} {CHANGED_WIDTHS}; }}",
        f".created {{ --columns: {' '.join(widths)}; }}",
        *_labels("changed", CHANGED_LABELS),
        *_labels("created", [*map(_label, fields), "Record"]),
    ]
    return "\n".join(rules) + "\n"


def _labels(kind: str, labels: Sequence[str]) -> Iterator[str]:
    for column, label in enumerate(labels, start=1):
        escaped = re.sub(r"[^A-Za-z0-9 -]", lambda found: f"\\{ord(found[0]):x} ", label)
        yield f'.{kind} :nth-child({column}) {{ --label: "{escaped}"; }}'


def _number(number: int) -> str:
    return f"{number:,}"


def _visible(value: str) -> str:
    """Mark each character a page would not show or would obey."""
    if value.isprintable():
        return value
    return "".join(
        c if c.isprintable() or c in _SHOWN else "␣" if c.isspace() else "�" for c in value
    )


_SHOWN = "\r\n\t\u200d"
"""Unprintable characters a page shows: line breaks, tabs, and the joiner of emoji."""


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()

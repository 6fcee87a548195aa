"""The bundled import: its export, its revision, and the project under test."""

import json
from pathlib import Path
from typing import Any

import migrations
from tests.support import released

ROOT = Path(migrations.__file__).parents[1]
"""The project under test: see ``released``."""
EXPORT = ROOT / "data" / "production_leads_export.json"
IMPORT = released.IMPORT
BEFORE_IMPORT = "0003_ledger"
FIELDS = (
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
Record = dict[str, Any]


def records() -> list[Record]:
    """Return the records of the bundled export."""
    loaded: list[Record] = json.loads(EXPORT.read_text(encoding="utf-8"))
    return loaded

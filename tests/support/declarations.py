"""Declare a table as the CRM's, and make records for it."""

from typing import Any

import pytest
from sqlalchemy import URL

from migrations import crm as declared
from migrations.importer.declaration import Leads
from tests.support.database import shown

__all__ = ["record", "use"]


def record(n: int, leads: Leads, /, **given: Any) -> dict[str, Any]:
    """Return a record of a declaration, with blanks for fields not given."""
    blank = {
        field.name: "" if field.kind in ("text", "date", "timestamp") else None
        for field in leads.fields
    }
    required = {"phone": f"07700 900{n:03d}", "created_at": "2025-09-16T14:15:00+00:00"}
    return {"id": n, **blank, **required, **given}


def use(leads: Leads, url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare this table as the CRM's."""
    monkeypatch.setattr(declared, "LEADS", leads)
    monkeypatch.setenv("DATABASE_URL", shown(url))

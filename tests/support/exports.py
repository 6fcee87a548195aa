"""Other exports than the bundled one, put in its place for one test."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from migrations.crm import LEADS
from migrations.importer import pinned, v1
from migrations.importer.pinned import Import
from tests.support.bundled import IMPORT, Record

__all__ = ["bundle", "pin", "written"]


def written(export: list[Record], folder: Path, name: str = "export.json") -> Path:
    """Write records as an export."""
    path = folder / name
    path.write_text(json.dumps(export, ensure_ascii=False), encoding="utf-8")
    return path


def bundle(
    export: list[Record], monkeypatch: pytest.MonkeyPatch, folder: Path, **policies: Any
) -> None:
    """Let the import revision find this export in this process, pinned as a revision would
    pin it."""
    pin(written(export, folder), monkeypatch, **policies)


def pin(
    path: Path, monkeypatch: pytest.MonkeyPatch, records: int | None = None, **policies: Any
) -> None:
    """Let the import revision find the export at this path.

    records: how many it holds, if it is none that can be read.
    """
    if records is None:
        records = len(json.loads(path.read_text(encoding="utf-8")))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = Import(IMPORT, path.name, sha256, records, **{"leads": LEADS, **policies})

    def declared(**values: Any) -> Import:
        return expected if values["revision"] == IMPORT else Import(**values)

    monkeypatch.setattr(pinned, "DATA", path.parent)
    monkeypatch.setattr(v1, "Import", declared)

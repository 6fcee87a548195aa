"""Other exports than the bundled one, put in its place for one test."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from migrations.importer import v1
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


def pin(path: Path, monkeypatch: pytest.MonkeyPatch, **policies: Any) -> None:
    """Let the import revision find the export at this path."""
    records = len(json.loads(path.read_text(encoding="utf-8")))
    pinned = v1.Import(
        IMPORT, path.name, hashlib.sha256(path.read_bytes()).hexdigest(), records, **policies
    )
    monkeypatch.setattr(v1, "DATA", path.parent)
    for verb in ("apply", "revert"):
        real = getattr(v1, verb)
        monkeypatch.setattr(v1, verb, lambda _, context, real=real: real(pinned, context))

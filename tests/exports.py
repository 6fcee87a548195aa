"""Other exports than the bundled one, put in its place for one test."""

import hashlib
import json
from pathlib import Path

import pytest

from migrations.importer import v1
from tests.crm import IMPORT, Record

__all__ = ["bundle", "written"]


def written(export: list[Record], folder: Path, name: str = "export.json") -> Path:
    """Write records as an export."""
    path = folder / name
    path.write_text(json.dumps(export, ensure_ascii=False), encoding="utf-8")
    return path


def bundle(export: list[Record], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the import revision find this export in this process, pinned as a revision would pin it."""
    path = written(export, folder)
    pinned = v1.Import(IMPORT, path.name, hashlib.sha256(path.read_bytes()).hexdigest(), len(export))
    monkeypatch.setattr(v1, "DATA", folder)
    for verb in ("apply", "revert"):
        real = getattr(v1, verb)
        monkeypatch.setattr(v1, verb, lambda _, context, real=real: real(pinned, context))

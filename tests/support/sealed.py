"""Keys for tests, and exports sealed with them."""

import os
from dataclasses import dataclass
from pathlib import Path

import pyrage
from pyrage import x25519

from migrations.importer import pinned
from migrations.importer.age_key import KEY
from tests.support.bundled import EXPORT

__all__ = ["Sealed", "new_key", "public", "seal_for", "sealed_copy"]


def new_key() -> str:
    """Return the text of a new secret key."""
    return str(x25519.Identity.generate())


def public(key: str) -> str:
    """Return the public key of a secret one."""
    return str(x25519.Identity.from_str(key).to_public())


def seal_for(content: bytes, *keys: str) -> bytes:
    """Seal some bytes for these keys."""
    return pyrage.encrypt(content, [x25519.Identity.from_str(key).to_public() for key in keys])


def sealed_copy(folder: Path, *keys: str, source: Path = EXPORT) -> Path:
    """Seal an export for these keys into another folder, and return its path."""
    path = folder / f"{source.name}.age"
    path.write_bytes(seal_for(source.read_bytes(), *keys))
    return path


@dataclass(frozen=True)
class Sealed:
    """Import the bundled export from its sealed form in this folder, with this key."""

    folder: Path
    key: str

    def __call__(self) -> None:
        pinned.DATA = self.folder
        os.environ[KEY] = self.key

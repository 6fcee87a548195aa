"""The key to sealed exports: ``LEADS_AGE_KEY``, or the file of ``LEADS_AGE_KEY_FILE``.

Either may be a whole key file as ``age-keygen`` writes it: comments, blank lines, several keys.
The text of an identity is the secret itself: nothing here formats, prints or keeps one.
"""

import os
from pathlib import Path
from typing import TypeAlias

import pyrage
from pyrage import x25519

from migrations.importer.errors import CannotUnseal

__all__ = ["KEY", "KEY_FILE", "Identity", "read_identities"]

Identity: TypeAlias = x25519.Identity

KEY = "LEADS_AGE_KEY"
KEY_FILE = "LEADS_AGE_KEY_FILE"

LARGEST_KEY_FILE = 1 << 16
"""Bytes. A longer file holds no key behind them."""


def read_identities(sealed: str) -> list[Identity]:
    """Read the keys the environment names.

    sealed: the name of the file to open with them. Raises ``CannotUnseal``.
    """
    where, text = _key_text(sealed)
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise _no_key(sealed, where)
    return [_identity(sealed, where, key) for key in keys]


def _key_text(sealed: str) -> tuple[str, str]:
    """Find the variable with the key, and the key's text."""
    key, file = os.environ.get(KEY, "").strip(), os.environ.get(KEY_FILE, "").strip()
    if key and file:
        raise CannotUnseal(sealed, f"{KEY} and {KEY_FILE} are both set", "Keep one of them.")
    if key:
        return KEY, key
    if file:
        return KEY_FILE, _read_key_file(sealed, file)
    raise CannotUnseal(
        sealed,
        f"{sealed} is sealed, and neither {KEY} nor {KEY_FILE} is set",
        "Set one of them where real people belong. Elsewhere LEADS_PEOPLE=invented imports the "
        "twin.",
    )


def _read_key_file(sealed: str, path: str) -> str:
    try:
        with open(Path(path).expanduser(), "rb") as file:
            return file.read(LARGEST_KEY_FILE).decode("utf-8", "replace")
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such place"
        raise CannotUnseal(
            sealed, f"{KEY_FILE}: cannot be opened: {reason}", "Put the key's file there."
        ) from None


def _identity(sealed: str, where: str, key: str) -> Identity:
    try:
        return x25519.Identity.from_str(key)
    except pyrage.IdentityError:
        if key.lower().startswith("age1"):
            raise CannotUnseal(
                sealed,
                f"{where} is the public key and opens nothing",
                "Set the line beginning with AGE-SECRET-KEY-1.",
            ) from None
        raise _no_key(sealed, where) from None


def _no_key(sealed: str, where: str) -> CannotUnseal:
    fact = f"{where} is no age key: expected one line beginning with AGE-SECRET-KEY-1"
    return CannotUnseal(sealed, fact, "'python -m migrations keygen' makes one.")

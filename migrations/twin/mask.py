"""Mask values with the secret behind all twins.

The secret is in ``data/mask.key.age``, sealed for those who may open the exports. The first twin
makes it.
"""

import io
import secrets
from math import isqrt
from pathlib import Path

from migrations.files import written_whole
from migrations.importer.mask_key import LENGTH, MASK_KEY, keyed_digest, read_mask_key
from migrations.recipients import read_recipients, seal

__all__ = ["Mask", "read_mask", "read_or_make_mask_key"]

ROUNDS = 8
"""Four are enough against somebody who may choose every value (Luby and Rackoff, 1988)."""


class Mask:
    """Mask the values of a field with a secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def digest(self, field: str, value: str) -> bytes:
        """Return 32 bytes. Without the secret they look random."""
        return keyed_digest(self._secret, field, value)

    def number(self, field: str, value: str, below: int) -> int:
        """Return a number from 0 to ``below``, excluded. Two values may share one."""
        return int.from_bytes(self.digest(field, value)) % below

    def permuted(self, field: str, number: int, below: int) -> int:
        """Return another number from 0 to ``below``, excluded. Two numbers never share one.

        A Feistel network permutes a square holding them all. A number outside goes round again.
        """
        side = isqrt(below - 1) + 1
        while True:
            number = self._permuted_in_square(field, number, side, below)
            if number < below:
                return number

    def _permuted_in_square(self, field: str, number: int, side: int, below: int) -> int:
        left, right = divmod(number, side)
        for turn in range(ROUNDS):
            added = self.number(field, f"{turn} {below} {right}", side)
            left, right = right, (left + added) % side
        return left * side + right


def read_mask(folder: Path) -> Mask:
    """Open the secret of a folder, or make one. Raises ``ImportStopped``."""
    return Mask(read_or_make_mask_key(folder))


def read_or_make_mask_key(folder: Path) -> bytes:
    """Return the secret alone. Raises ``ImportStopped``."""
    path = folder / MASK_KEY
    if path.exists():
        return read_mask_key(folder)
    secret = secrets.token_bytes(LENGTH)
    recipients = read_recipients(folder)
    with written_whole(path) as sealed:
        seal(io.BytesIO(f"{secret.hex()}\n".encode()), sealed, recipients)
    return secret

"""Seal exports for those who may open them.

``data/recipients.txt`` lists them: one ``age1…`` a line, then ``#``, who it is and since when.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import pyrage
from pyrage import x25519

from migrations.files import written_whole
from migrations.importer.errors import ImportStopped
from migrations.importer.sealing import Content

__all__ = [
    "RECIPIENTS",
    "CannotSeal",
    "Recipient",
    "read_recipients",
    "recipients_from",
    "seal",
    "seal_file",
]

RECIPIENTS = "recipients.txt"

Recipient: TypeAlias = x25519.Recipient


class CannotSeal(ImportStopped):
    """Nothing was sealed. The message says why."""


def read_recipients(folder: Path) -> list[Recipient]:
    """Read ``recipients.txt`` of a folder. Raises ``CannotSeal``."""
    path = folder / RECIPIENTS
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        raise CannotSeal(
            f"{folder.name}/{RECIPIENTS} is not there. Nothing was written. Write the public keys "
            "of those who may open the exports into it, one age1… a line. 'python -m migrations "
            "keygen' makes a pair."
        ) from None
    return recipients_from(lines, f"{folder.name}/{RECIPIENTS}")


def recipients_from(lines: Iterable[str], where: str) -> list[Recipient]:
    """Read recipients from lines. Blank lines and comments name none.

    where: what the lines are, for messages. Raises ``CannotSeal``, also if nobody is named.
    """
    told = [line.partition("#")[0].strip() for line in lines]
    recipients = [
        _recipient(key, f"{where}, line {number}") for number, key in enumerate(told, 1) if key
    ]
    if not recipients:
        raise CannotSeal(
            f"{where} names nobody. Nothing was written. Add public keys, one age1… a line."
        )
    return recipients


def _recipient(key: str, where: str) -> Recipient:
    if key.upper().startswith("AGE-SECRET-KEY-"):
        raise CannotSeal(
            f"{where} is a secret key. Nothing was written. Write its public key instead. If the "
            "secret key was ever committed, make a new pair: 'python -m migrations keygen'."
        )
    try:
        return x25519.Recipient.from_str(key)
    except pyrage.RecipientError:
        raise CannotSeal(
            f"{where} is not an age recipient (age1…). Nothing was written. Correct that line."
        ) from None


def seal(content: Content, sealed: BinaryIO, recipients: Sequence[Recipient]) -> str:
    """Seal ``content`` into ``sealed`` as a binary age file.

    Returns the sha256 of the content, in hex. Raises whatever ``content`` and ``sealed`` raise.
    """
    sealing = _Sealing(content, sealed)
    try:
        # The stubs ask for buffered files, but read, write and flush are enough.
        pyrage.encrypt_io(sealing, sealing, recipients)  # type: ignore[arg-type]
    except pyrage.EncryptError:
        if sealing.error:
            raise sealing.error from None
        raise
    return sealing.sha256.hexdigest()


class _Sealing:
    """Both ends of a sealing. Keeps an error at either, because pyrage keeps only its text."""

    def __init__(self, content: Content, sealed: BinaryIO) -> None:
        self.sha256 = hashlib.sha256()
        self.error: Exception | None = None
        self._content = content
        self._sealed = sealed

    def read(self, size: int) -> bytes:
        with self._keeping_errors():
            block = self._content.read(size)
            self.sha256.update(block)
            return block

    def write(self, block: bytes) -> int:
        with self._keeping_errors():
            return self._sealed.write(block)

    def flush(self) -> None:
        with self._keeping_errors():
            self._sealed.flush()

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = error
            raise


def seal_file(source: Path, target: Path, recipients: Sequence[Recipient]) -> None:
    """Seal a file. ``target`` is complete, or does not exist."""
    with open(source, "rb") as content, written_whole(target) as sealed:
        seal(content, sealed, recipients)

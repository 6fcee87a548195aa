"""Who can open the exports of this repository, and sealing for them.

``data/recipients.txt`` names them: one ``age1…`` a line, who it is and since when behind a ``#``.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import pyrage
from pyrage import x25519

from migrations.importer.errors import ImportStopped
from migrations.importer.sealing import Content

__all__ = [
    "RECIPIENTS",
    "CannotSeal",
    "Recipient",
    "partial",
    "read_recipients",
    "recipients_from",
    "seal",
    "seal_file",
    "written_beside",
]

RECIPIENTS = "recipients.txt"

Recipient: TypeAlias = x25519.Recipient


class CannotSeal(ImportStopped):
    """Nothing was sealed; the message says what is in the way."""


def read_recipients(folder: Path) -> list[Recipient]:
    """Read ``recipients.txt`` of a folder. Raises ``CannotSeal``."""
    path = folder / RECIPIENTS
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        raise CannotSeal(
            f"{folder.name}/{RECIPIENTS} is not there. Nothing was written. Put the public key of "
            "each who can open the exports into it, one age1… a line; 'python -m migrations "
            "keygen' makes a pair."
        ) from None
    return recipients_from(lines, f"{folder.name}/{RECIPIENTS}")


def recipients_from(lines: Iterable[str], where: str) -> list[Recipient]:
    """The recipients that some lines name; blank lines and comments name none.

    where: what the lines are, for messages. Raises ``CannotSeal``, also where there is none.
    """
    told = [line.partition("#")[0].strip() for line in lines]
    recipients = [
        _recipient(key, f"{where}, line {number}") for number, key in enumerate(told, 1) if key
    ]
    if not recipients:
        raise CannotSeal(
            f"{where} names nobody. Nothing was written. Put a public key there, age1…: one a line."
        )
    return recipients


def _recipient(key: str, where: str) -> Recipient:
    if key.upper().startswith("AGE-SECRET-KEY-"):
        raise CannotSeal(
            f"{where} is a secret key. Nothing was written. Put its public key there, and if it "
            "was ever committed make a new pair: 'python -m migrations keygen'."
        )
    try:
        return x25519.Recipient.from_str(key)
    except pyrage.RecipientError:
        raise CannotSeal(
            f"{where} is no age recipient: expected age1… Nothing was written. Correct that line."
        ) from None


def seal(content: Content, sealed: BinaryIO, recipients: Sequence[Recipient]) -> str:
    """Seal what is read from ``content`` into ``sealed``, as a binary age file.

    Returns the sha256 of the content, in hex. Raises what ``content`` and ``sealed`` raise.
    """
    sealing = _Sealing(content, sealed)
    try:
        # The stubs ask for buffered files; what it needs is read, write and flush.
        pyrage.encrypt_io(sealing, sealing, recipients)  # type: ignore[arg-type]
    except pyrage.EncryptError:
        if sealing.error:
            raise sealing.error from None
        raise
    return sealing.sha256.hexdigest()


class _Sealing:
    """Both ends of a sealing, and the error at either: pyrage keeps the words of it alone."""

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
    """Write the sealed form of a file that is in clear. ``target`` is whole, or not there."""
    with open(source, "rb") as content, written_beside(target) as sealed:
        seal(content, sealed, recipients)
    os.replace(partial(target), target)


@contextmanager
def written_beside(target: Path) -> Iterator[BinaryIO]:
    """Write a file under its ``partial`` name, on the disk as a whole once the block has ended.

    Nothing of it stays where the block fails. Raises ``CannotSeal`` where the disk takes no more.
    """
    beside = partial(target)
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CannotSeal(
                f"{target.name} cannot be written: {error.strerror}. Nothing was replaced. "
                "Fix this and try again."
            ) from None
        raise


def partial(target: Path) -> Path:
    """The name of a file that is being written; git does not offer it."""
    return target.with_name(f".{target.name}.partial")

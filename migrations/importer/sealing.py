"""Open sealed exports, age files (https://age-encryption.org/v1), as streams.

    with unsealed(file, "october.json.age") as content:
        while block := content.read(BLOCK):
            ...

The content never touches a disk. If an age file is damaged or cut, everything before the damage has
been handed out by the time it shows, so the reader must be able to drop it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import BinaryIO, Protocol

import pyrage

from migrations.importer.age_key import Identity, read_identities
from migrations.importer.errors import CannotUnseal

__all__ = ["BLOCK", "SUFFIX", "Content", "Unsealing", "unsealed"]

SUFFIX = ".age"

BLOCK = 1 << 16
"""Bytes: what a pipe holds, and what age encrypts at a time."""

_OTHER_KEYS = "No matching keys found"


class Content(Protocol):
    """Where the bytes of an export come from."""

    def read(self, size: int, /) -> bytes:
        """Read the next ``size`` bytes, fewer only at the end."""


class Unsealing:
    """One pass through a sealed file: a thread opens it into a pipe, and we read from the pipe.

    The pipe holds the thread back while we are busy, and closing our end ends it.
    """

    def __init__(self, sealed: BinaryIO, name: str, identities: list[Identity]) -> None:
        reading, writing = os.pipe()
        self._content = os.fdopen(reading, "rb", BLOCK)
        self._name = name
        self._problem: BaseException | None = None
        self._thread = Thread(
            target=self._open,
            args=(sealed, writing, identities),
            name=f"unseal {name}",
            daemon=True,
        )
        self._thread.start()

    def read(self, size: int) -> bytes:
        """Read the next ``size`` bytes, fewer only at the end. Raises ``CannotUnseal``."""
        block = self._content.read(size)
        if len(block) < size:
            self._thread.join()
            self._refuse_problem()
        return block

    def close(self) -> None:
        """End the thread, wherever it is."""
        self._content.close()
        self._thread.join()

    def _open(self, sealed: BinaryIO, writing: int, identities: list[Identity]) -> None:
        with os.fdopen(writing, "wb", buffering=0) as content:
            try:
                # The stubs ask for a buffered file, but it needs only read and write.
                pyrage.decrypt_io(sealed, content, identities)  # type: ignore[arg-type]
            except BaseException as error:  # a panic in there is no Exception
                self._problem = error

    def _refuse_problem(self) -> None:
        if self._problem is None:
            return
        if isinstance(self._problem, OSError) and self._problem.errno:
            fact, remedy = f"cannot be read: {self._problem.strerror}", "Look at the disk."
        elif str(self._problem) == _OTHER_KEYS:
            fact = "is sealed for other keys than this one"
            remedy = "data/recipients.txt lists the keys it was sealed for."
        else:
            fact, remedy = "is damaged", "Take it from git again."
        raise CannotUnseal(self._name, f"{self._name} {fact}", remedy) from None


@contextmanager
def unsealed(sealed: BinaryIO, name: str) -> Iterator[Unsealing]:
    """Open a sealed file with the key the environment names.

    sealed: the file, at its start. name: the file's, for messages. Raises ``CannotUnseal``.
    """
    unsealing = Unsealing(sealed, name, read_identities(name))
    try:
        yield unsealing
    finally:
        unsealing.close()

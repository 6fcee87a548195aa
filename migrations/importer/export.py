"""An export: a JSON array of records under ``data/``, read in pieces, so any size will do.

    with open_export(path, sha256, records) as export:   # everything is checked here
        for position, record in export.records():
            ...

It is read twice: once to check every record and take the digest, once to import. The second time
each block must be what it was the first time: what is imported is what was checked.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from migrations.importer.errors import ExportChanged, ExportRefused, Problem
from migrations.importer.phone import is_phone
from migrations.importer.problems import Malformed, find_problems, read_carefully
from migrations.importer.record import COLUMNS, LONGEST_RECORD, Record, why_no_moment

__all__ = ["Export", "open_export"]

BLOCK = 1 << 20
"""Bytes read at a time: large enough for the decoder's speed, small beside the process."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_OTHER_ENCODINGS = {
    b"\xef\xbb\xbf": "starts with a byte order mark: save it as UTF-8 without one",
    b"\xff\xfe": "is UTF-16: save it as UTF-8",
    b"\xfe\xff": "is UTF-16: save it as UTF-8",
}
_QUOTES_A_RECORD = 2 * len(Record.__struct_fields__) + 2 * (len(COLUMNS) + 1)
"""Around each key, and around each value but ``id``."""
_BETWEEN_RECORDS = re.compile(rb"""\}[ \t\r\n]*+(,)(?=[ \t\r\n]*+\{[ \t\r\n]*+"[^" \t\r\n,:\]}])""")
"""The comma between two records. Text cannot look like it: the first quote that has no backslash ends a
text, and what follows the end of a text is excluded here."""
_decode_records = msgspec.json.Decoder(list[Record]).decode


class Export:
    """An open, checked export.

    name: the file's name; sha256: of its bytes, in hex; count: its number of records.
    rejected: what is wrong with records that are set aside, by position from 0; empty unless that was asked for.
    """

    def __init__(
        self, file: BinaryIO, name: str, *, set_aside: bool = False, progress: Callable[[int, int], None]
    ) -> None:
        self.name = name
        self.rejected: dict[int, list[Problem]] = {}
        self._file = file
        self._progress = progress
        self._block_digests: list[bytes] = []
        self.sha256, self.count = self._check(set_aside)

    def records(self) -> Iterator[tuple[int, Record]]:
        """Every record with its position, from 0, but those that are rejected.

        Raises ``ExportChanged`` where the file is no longer the one that was checked.
        """
        if self.rejected:
            for position, record in enumerate(read_carefully(self._blocks_as_checked())):
                if isinstance(record, Record) and position not in self.rejected:
                    yield position, record
            return
        position = 0
        for piece in _pieces(self._blocks_as_checked()):
            for record in _decode_records(piece):
                yield position, record
                position += 1

    def _check(self, set_aside: bool) -> tuple[str, int]:
        digest = hashlib.sha256()
        count = 0
        try:
            for piece in _pieces(self._blocks(digest)):
                records = _decode_records(piece)
                _reject_what_types_let_through(piece, records)
                count += len(records)
        except (ValueError, msgspec.MsgspecError):
            count = -1  # what was raised may hold a record: no error of ours shall remember it
        if count < 0 and set_aside:
            digest = hashlib.sha256()
            count = self._set_aside(digest)
        if count < 0:
            raise ExportRefused(self.name, *find_problems(self._blocks(hashlib.sha256())))
        if not count:
            raise ExportRefused(self.name, [Problem(0, "", "holds no records")])
        return digest.hexdigest(), count

    def _set_aside(self, digest: "hashlib._Hash") -> int:
        """Fill ``rejected``; returns the number of all records, or -1 where the file is no JSON."""
        count = 0
        try:
            for record in read_carefully(self._blocks(digest)):
                if not isinstance(record, Record):
                    self.rejected[count] = record
                count += 1
        except Malformed:
            return -1
        return count

    def _blocks(self, digest: "hashlib._Hash") -> Iterator[bytes]:
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        self._block_digests.clear()
        block = b"the first"
        while block:  # the empty one at the end has its digest too: nothing may be added
            block = self._file.read(BLOCK)
            digest.update(block)
            self._block_digests.append(hashlib.sha256(block).digest())
            yield block
            self._progress(self._file.tell(), size)

    def _blocks_as_checked(self) -> Iterator[bytes]:
        self._file.seek(0)
        for expected in self._block_digests:
            block = self._file.read(BLOCK)
            if hashlib.sha256(block).digest() != expected:
                raise ExportChanged(
                    f"{self.name}: the file changed while it was being imported. What was committed "
                    "stays; put the checked file back and run the same command again."
                )
            yield block


@contextmanager
def open_export(
    path: Path,
    sha256: str | None = None,
    records: int | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
    *,
    set_aside: bool = False,
) -> Iterator[Export]:
    """Open an export and check all of it.

    path: a regular file; sha256, records: what the revision has pinned, None to accept any.
    progress: told after each block how many bytes of how many are checked.
    set_aside: a record with problems is left out, instead of refusing the export.
    Raises ``ExportRefused`` with every problem found.
    """
    with _open_regular_file(path) as file:
        _refuse_other_formats(file, path.name, sha256)
        export = Export(file, path.name, set_aside=set_aside, progress=progress)
        _compare_with_pinned(export, sha256, records)
        yield export


def _open_regular_file(path: Path) -> BinaryIO:
    try:
        # Not following a link, not waiting for a FIFO's writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "is a symbolic link: put the file itself there" if path.is_symlink() else error.strerror or "?"
        raise ExportRefused(path.name, [Problem(0, "", f"cannot be opened: {reason}")]) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ExportRefused(path.name, [Problem(0, "", "is not a regular file")])
    return os.fdopen(descriptor, "rb", buffering=0)


def _refuse_other_formats(file: BinaryIO, name: str, sha256: str | None) -> None:
    start = file.read(len(_LFS_POINTER))
    reason = next((why for mark, why in _OTHER_ENCODINGS.items() if start.startswith(mark)), None)
    if not start:
        reason = "is empty"
    elif start == _LFS_POINTER:
        reason = "is a Git LFS pointer, not the export: run 'git lfs pull' where the deploy is built"
    elif b"\0" in start:
        reason = "is not UTF-8 text (UTF-16 or binary): save it as UTF-8"
    if reason:
        raise ExportRefused(name, [Problem(0, "", reason)])


def _compare_with_pinned(export: Export, sha256: str | None, records: int | None) -> None:
    problems = []
    if sha256 is not None and sha256 != export.sha256:
        problems.append(Problem(0, "", f"sha256 is {export.sha256}, expected {sha256}"))
    if records is not None and records != export.count:
        problems.append(Problem(0, "", f"holds {export.count} records, expected {records}"))
    if problems:
        raise ExportRefused(export.name, problems)


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut the array into smaller ones of whole records: ``[…]`` and ``[…]`` and ``[…]``."""
    buffer = b""
    opened = False
    for block in blocks:
        buffer += block
        if not opened:
            buffer = buffer.lstrip(b" \t\r\n")
            if not buffer:
                continue
            if buffer[:1] != b"[":
                raise ValueError("not an array")
            buffer, opened = buffer[1:], True
        if between := _last_between_records(buffer):
            yield b"[" + buffer[: between.start(1)] + b"]"
            buffer = buffer[between.end(1) :]
        elif len(buffer) > LONGEST_RECORD:
            raise ValueError("a record without an end")
    # What is left ends with the array's own bracket; an empty array shows up as no records.
    yield b"[" + buffer


def _last_between_records(buffer: bytes) -> re.Match[bytes] | None:
    end = len(buffer)
    while (end := buffer.rfind(b"}", 0, end)) >= 0:
        if between := _BETWEEN_RECORDS.match(buffer, end):
            return between
    return None


def _reject_what_types_let_through(piece: bytes, records: list[Record]) -> None:
    """Raise ``ValueError`` where a closer look is needed; ``find_problems`` takes it."""
    if b"\\u0000" in piece and any("\0" in text for record in records for text in _texts(record)):
        raise ValueError("a NUL")
    # The decoder takes the last of two equal keys in silence.
    if _count_quotes(piece) != _QUOTES_A_RECORD * len(records):
        raise ValueError("a field twice in one object")
    for record in records:
        if why_no_moment(record.created_at) or not is_phone(record.phone):
            raise ValueError("a date far away, or no phone")


def _count_quotes(piece: bytes) -> int:
    """How many quotes begin or end a text, in valid JSON."""
    if b'\\\\"' in piece:
        piece = piece.replace(b"\\\\", b"")  # that backslash is itself escaped: it does not escape the quote
    return piece.count(b'"') - piece.count(b'\\"')


def _texts(record: Record) -> tuple[str, ...]:
    return (
        record.lead_number,
        record.full_name,
        record.phone,
        record.email,
        record.status,
        record.address1,
        record.postal_code,
        record.notes,
        record.assigned_agent,
    )

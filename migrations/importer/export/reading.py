"""An export: a JSON array of records under ``data/``, read in pieces, so any size will do.

    with open_export(path, sha256, records) as export:
        for positions, records in export.checked():
            ...

Records come out as they are checked. Only the end of the file shows whether all of it is right, so
be ready to drop whatever you use before the end.
"""

import hashlib
import os
import re
import stat
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import msgspec

from migrations.importer.declaration import STANDARD_FIELDS, Field
from migrations.importer.errors import CannotUnseal, ExportRefused, Problem
from migrations.importer.export.problems import Malformed, find_problems, read_carefully
from migrations.importer.phone import are_phones
from migrations.importer.progress import log
from migrations.importer.record import LONGEST_RECORD, Record, are_moments, record_type
from migrations.importer.sealing import BLOCK, SUFFIX, Content, unsealed

__all__ = ["Export", "Piece", "find_export", "open_content", "open_export"]

Piece = tuple[Sequence[int], list[Any]]
"""Records, and the position of each."""

_AS_IT_IS = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
"""Follow no link, wait for no FIFO's writer, change no byte. No system has all four flags."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_SEALED = b"age-encryption.org/v1\n"
_ARMOURED = b"-----BEGIN AGE ENCRYPTED FILE-----"
_OTHER_ENCODINGS = {
    b"\xef\xbb\xbf": "starts with a byte order mark: save it as UTF-8 without one",
    b"\xff\xfe": "is UTF-16: save it as UTF-8",
    b"\xfe\xff": "is UTF-16: save it as UTF-8",
}
_BETWEEN_RECORDS = re.compile(rb"""\}[ \t\r\n]*+(,)(?=[ \t\r\n]*+\{[ \t\r\n]*+"[^" \t\r\n,:\]}])""")
"""The comma between two records. No text can look like it: a text ends at the first quote without a
backslash, and the pattern excludes whatever may follow the end of a text."""
_ESCAPED = re.compile(rb'\\(u0000|["\\])')
"""What must be counted, and the backslashes that would hide it."""
_PUT_BACK = "The revision was made for another file. Put that one back and try again."
_COMMIT = (
    "Commit it and try again. Git leaves out an export in clear: seal it, or 'git add -f data/{}'."
)
_WRONG = (ValueError, msgspec.MsgspecError, Malformed)


class Export:
    """An open export. Read it to its end to know ``sha256``, ``count`` and ``rejected``.

    name: the file's, in clear. sha256: of its content, sealed or not, in hex. count: its number of
    records.
    fields: what each record holds.
    rejected: what is wrong with records set aside, in their order. Empty unless the policy says
    "set aside".
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        sha256: str | None,
        records: int | None,
        set_aside: bool,
        *,
        fields: tuple[Field, ...],
    ) -> None:
        self.name = name.removesuffix(SUFFIX)
        self.fields = fields
        self.sha256 = ""
        self.count = 0
        self.rejected: list[Problem] = []
        self._file = file
        self._file_name = name
        self._pinned = sha256, records
        self._set_aside = set_aside
        self._type = record_type(fields)
        self._decode = msgspec.json.Decoder(list[self._type]).decode  # type: ignore[name-defined]
        texts = [field for field in fields if field.kind in ("text", "date", "timestamp")]
        self._quotes_a_record = 2 * (1 + len(fields)) + 2 * len(texts)
        """Around each key, and around each text."""

    def check(self) -> None:
        """Read it to its end. Raises ``ExportRefused`` with every problem found."""
        for _ in self.checked():
            pass

    def checked(self, progress: Callable[[int, int], None] = lambda *_: None) -> Iterator[Piece]:
        """Yield its records as they are checked, without those set aside.

        progress: called after each block with the bytes checked and the file's bytes.
        Raises ``ExportRefused`` with every problem found. A problem of the file as a whole comes
        after the last piece.
        """
        read = self._read_but_rejected if self._set_aside and not self._is_right() else self._read
        digest = hashlib.sha256()
        is_right = True
        try:
            with closing(self._blocks(digest, progress)) as blocks:
                yield from read(blocks)
        except _WRONG:
            is_right = False  # the error may hold a record, so it must not be the context of ours
        if not is_right:
            self._refuse()
        self.sha256 = digest.hexdigest()
        self._compare_with_pinned()

    def _refuse(self) -> NoReturn:
        """Raise ``ExportRefused``: this is not the pinned file, or else each problem in it."""
        digest = hashlib.sha256()
        with closing(self._blocks(digest)) as blocks:
            problems, total = find_problems(blocks, self.fields)
            deque(blocks, maxlen=0)  # the rest of the digest
        if another := self._another_digest(digest.hexdigest()):
            raise ExportRefused(self.name, another, remedy=_PUT_BACK)
        raise ExportRefused(self.name, problems, total)

    def _is_right(self) -> bool:
        try:
            with closing(self._blocks(hashlib.sha256())) as blocks:
                for _ in self._read(blocks):
                    pass
        except _WRONG:
            return False
        return True

    def _read(self, blocks: Iterator[bytes]) -> Iterator[Piece]:
        self.count = 0
        for piece in _pieces(blocks):
            records = self._decode(piece)
            if records:
                self._reject_what_types_let_through(piece, records)
                yield range(self.count, self.count + len(records)), records
                self.count += len(records)

    def _read_but_rejected(self, blocks: Iterator[bytes]) -> Iterator[Piece]:
        self.count = 0
        self.rejected.clear()
        for record in read_carefully(blocks, self.fields):
            if isinstance(record, Record):
                yield [self.count], [record]
            else:
                self.rejected += record
            self.count += 1

    def _reject_what_types_let_through(self, piece: bytes, records: list[Any]) -> None:
        """Raise ``ValueError`` if a closer look is needed. ``find_problems`` takes it."""
        escaped = _ESCAPED.findall(piece)
        if b"u0000" in escaped:
            raise ValueError("a NUL")
        # The decoder takes the last of two equal keys in silence.
        if piece.count(b'"') - escaped.count(b'"') != self._quotes_a_record * len(records):
            raise ValueError("a field twice in one object")
        if not are_moments([record.created_at for record in records]):
            raise ValueError("a date far away")
        if not are_phones([record.phone for record in records]):
            raise ValueError("no phone")

    def _blocks(
        self, digest: "hashlib._Hash", progress: Callable[[int, int], None] = lambda *_: None
    ) -> Generator[bytes]:
        size = self._file.seek(0, os.SEEK_END)
        with _content(self._file, self._file_name) as content:
            # Little at a time, to give the server work while we check the next block.
            while block := content.read(BLOCK):
                digest.update(block)
                yield block
                progress(self._file.tell(), size)

    def _compare_with_pinned(self) -> None:
        if not self.count:
            raise ExportRefused(self.name, [Problem(0, "", "holds no records")])
        problems = self._another_digest(self.sha256)
        _, records = self._pinned
        if records not in (None, self.count):
            problems.append(Problem(0, "", f"holds {self.count:,} records, expected {records:,}"))
        if problems:
            raise ExportRefused(self.name, problems, remedy=_PUT_BACK)

    def _another_digest(self, found: str) -> list[Problem]:
        expected, _ = self._pinned
        if expected in (None, found):
            return []
        return [Problem(0, "", f"sha256 is {found}, expected {expected}")]


@contextmanager
def open_export(
    path: Path,
    sha256: str | None = None,
    records: int | None = None,
    *,
    set_aside: bool = False,
    fields: tuple[Field, ...] = STANDARD_FIELDS,
) -> Iterator[Export]:
    """Open an export, to be checked while it is read.

    path: a regular file, sealed if its name ends in .age. sha256, records: the revision's pins,
    None to accept any.
    set_aside: leave out a record with problems, instead of refusing the export.
    fields: what each record holds, by the declaration.
    Raises ``ExportRefused`` if it is no such file.
    """
    with _open_regular_file(path) as file:
        _tell_who_may_write(file, path.name)
        _refuse_other_formats(file, path.name)
        yield Export(file, path.name, sha256, records, set_aside, fields=fields)


@contextmanager
def open_content(path: Path) -> Iterator[Content]:
    """Open the content of a file, sealed or not, without checking it. Raises ``ExportRefused``."""
    with _open_regular_file(path) as file, _content(file, path.name) as content:
        yield content


def find_export(folder: Path, name: str) -> Path:
    """Find an export: under its name, or sealed. Raises ``CannotUnseal`` if it is there as both."""
    clear, sealed = folder / name, folder / f"{name}{SUFFIX}"
    if not os.path.lexists(sealed):
        return clear
    if os.path.lexists(clear):
        raise CannotUnseal(
            name,
            f"{folder.name}/{name} lies in clear beside its sealed form",
            "Remove it, and if it was ever committed treat it as disclosed.",
        )
    return sealed


@contextmanager
def _content(file: BinaryIO, name: str) -> Iterator[Content]:
    """Open the content of a file, from its start."""
    file.seek(0)
    if not name.endswith(SUFFIX):
        yield file
        return
    with unsealed(file, name) as content:
        yield content


def _open_regular_file(path: Path) -> BinaryIO:
    if path.is_symlink():
        problem = Problem(0, "", "cannot be opened: is a symbolic link: put the file itself there")
        raise ExportRefused(path.name, [problem])
    try:
        descriptor = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in _AS_IT_IS))
    except OSError as error:
        problem = Problem(0, "", f"cannot be opened: {error.strerror or '?'}")
        if isinstance(error, FileNotFoundError):
            raise ExportRefused(path.name, [problem], remedy=_COMMIT.format(path.name)) from None
        raise ExportRefused(path.name, [problem]) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ExportRefused(path.name, [Problem(0, "", "is not a regular file")])
    return os.fdopen(descriptor, "rb", buffering=0)


def _tell_who_may_write(file: BinaryIO, name: str) -> None:
    mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        log.warning("%s can be written by others than its owner (mode %o): chmod go-w", name, mode)


def _refuse_other_formats(file: BinaryIO, name: str) -> None:
    start = file.read(len(_LFS_POINTER))
    if reason := _why_not_this_file(start, name):
        raise ExportRefused(name, [Problem(0, "", reason)])
    with _content(file, name) as content:
        start = content.read(len(_LFS_POINTER))
    if reason := _why_not_json(start):
        raise ExportRefused(name, [Problem(0, "", reason)])


def _why_not_this_file(start: bytes, name: str) -> str | None:
    if not start:
        return "is empty"
    if start == _LFS_POINTER:
        return "is a Git LFS pointer, not the export: run 'git lfs pull' where the deploy is built"
    if start.startswith(_ARMOURED):
        return "is armoured: seal it again with 'python -m migrations seal'"
    is_sealed = start.startswith(_SEALED)
    if is_sealed and not name.endswith(SUFFIX):
        return f"is sealed: name it {name}{SUFFIX}"
    if name.endswith(SUFFIX) and start.lstrip()[:1] == b"[":
        return f"is not sealed: name it {name.removesuffix(SUFFIX)}"
    return None


def _why_not_json(start: bytes) -> str | None:
    if not start:
        return "is empty"
    if reason := next(
        (why for mark, why in _OTHER_ENCODINGS.items() if start.startswith(mark)), None
    ):
        return reason
    return "is not UTF-8 text (UTF-16 or binary): save it as UTF-8" if b"\0" in start else None


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut the array into smaller ones of whole records: ``[…]`` and ``[…]`` and ``[…]``."""
    buffer = b""
    opened = False
    for block in blocks:
        # The part searched before has none, unless its last bracket begins one.
        searched = max(0, buffer.rfind(b"}"))
        buffer += block
        if not opened:
            buffer = buffer.lstrip(b" \t\r\n")
            if not buffer:
                continue
            if buffer[:1] != b"[":
                raise ValueError("not an array")
            buffer, opened = buffer[1:], True
        if between := _last_between_records(buffer, searched):
            yield b"[" + buffer[: between.start(1)] + b"]"
            buffer = buffer[between.end(1) :]
        elif len(buffer) > LONGEST_RECORD:
            raise ValueError("a record without an end")
    # The rest ends with the array's own bracket. An empty array shows up as no records.
    yield b"[" + buffer


def _last_between_records(buffer: bytes, start: int) -> re.Match[bytes] | None:
    """Find the last comma between records whose bracket stands at ``start`` or later."""
    end = len(buffer)
    while (end := buffer.rfind(b"}", start, end)) >= 0:
        if between := _BETWEEN_RECORDS.match(buffer, end):
            return between
    return None

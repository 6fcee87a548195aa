"""An export is checked whole before the first write: what passes, what is refused, and what is said
about it."""

import hashlib
import json
import os
import signal
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from migrations.importer.errors import SHOWN_PROBLEMS, ExportRefused
from migrations.importer.export import reading as export_module
from migrations.importer.export.reading import Export, open_export
from tests.support.bundled import EXPORT as BUNDLED

GOOD: dict[str, Any] = {
    "id": 3369,
    "lead_number": "MS001",
    "full_name": "Zoë Nettlebeck",
    "phone": "+44 7700 900503",
    "email": "zoe.3369@example.com",
    "status": "new",
    "address1": "35 Elmhatch Terrace",
    "postal_code": "ZZ99 7NA",
    "notes": 'Said "not\nbefore" \\ June.',
    "assigned_agent": "Tom Quillbeck",
    "created_at": "2025-01-05T19:10:00+00:00",
}
NO_RECORD = (0, "")


def one(**literals: str) -> str:
    """A record as JSON, with some values as they are given: ``one(id="1e999")``."""
    values = {
        field: json.dumps(value, ensure_ascii=False) for field, value in GOOD.items()
    } | literals
    return "{" + ", ".join(f'"{field}": {value}' for field, value in values.items()) + "}"


def many(count: int, **literals: str) -> str:
    return "[\n" + ",\n".join([one(**literals)] * count) + "\n]\n"


SMALL = many(2).encode()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A directory for all examples of a property."""
    with tempfile.TemporaryDirectory(prefix="export-") as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def within_a_minute() -> Iterator[None]:
    """No file, however made, keeps a deploy waiting."""

    def too_long(_: int, __: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@contextmanager
def blocks_of(size: int) -> Iterator[None]:
    """Read exports in blocks of so many bytes."""
    with mock.patch.object(export_module, "BLOCK", size):
        yield


def put(folder: Path, content: bytes | str) -> Path:
    path = folder / "export.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, **pinned: Any) -> list[dict[str, Any]]:
    """The records as ``json.loads`` would give them; their positions count from 0."""
    with open_export(path, **pinned) as export:
        found = list(pairs(export))
    assert [position for position, _ in found] == list(range(export.count))
    return [msgspec.structs.asdict(record) for _, record in found]


def pairs(export: Export) -> Iterator[tuple[int, Any]]:
    """Each record of an export with its position."""
    for positions, records in export.checked():
        yield from zip(positions, records, strict=True)


def expected(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        record | {"created_at": datetime.fromisoformat(record["created_at"])} for record in records
    ]


def refusal(path: Path, **pinned: Any) -> ExportRefused:
    """What is said about an export that does not pass."""
    error = refusal_or_none(path, **pinned)
    assert error and "This run has written nothing" in str(error)
    return error


def refusal_or_none(path: Path, **pinned: Any) -> ExportRefused | None:
    try:
        with open_export(path, **pinned) as export:
            export.check()
            return None
    except ExportRefused as error:
        if error.__context__ and not isinstance(error.__context__, OSError):
            raise AssertionError("an error is remembered that may hold a record") from error
        return error


def where(error: ExportRefused) -> list[tuple[int, str]]:
    return [(problem.record, problem.field) for problem in error.problems]


# The file.


def test_bundled_export_passes() -> None:
    """217 records, as its revision has pinned them, and each is what ``json.loads`` reads."""
    data = BUNDLED.read_bytes()
    found = read(BUNDLED, sha256=hashlib.sha256(data).hexdigest(), records=217)
    assert found == expected(json.loads(data))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \r\n\t ", "no '['"),
        (b"[]", "holds no records"),
        (b" [ \n ] ", "holds no records"),
        (b"null", "no '['"),
        (b"217", "no '['"),
        (b'"text"', "no '['"),
        (b'{"leads": [' + one().encode() + b"]}", "no '['"),
        (one().encode(), "no '['"),
        (one().encode() + b"\n" + one().encode(), "no '['"),
        (b"id,phone\n1,07700900123\n", "no '['"),
        (b"<html></html>", "no '['"),
        (SMALL + b"x", "something follows"),
        (SMALL + SMALL, "something follows"),
        (SMALL + b"\0", "something follows"),
        (SMALL.replace(b"\n]", b"\n],"), "something follows"),
        (SMALL.replace(b"\n]", b",\n]"), "malformed"),
        (SMALL.replace(b"},", b"},,"), "malformed"),
        (SMALL.replace(b"},", b"}"), "neither ',' nor ']'"),
        (SMALL.replace(b"}\n]", b",}\n]"), "malformed"),
        (SMALL.replace(b'"new"', b"'new'"), "malformed"),
        (SMALL.replace(b'"new"', b'"n\new"'), "malformed"),
        (SMALL.replace(b"3369", b"03369"), "malformed"),
        (SMALL + b" " * (9 << 20), "white space"),
        (b"\xef\xbb\xbf" + SMALL, "byte order mark"),
        (SMALL.decode().encode("utf-16"), "UTF-16"),
        (SMALL.decode().encode("utf-16-le"), "UTF-16"),
        (SMALL.decode().encode("utf-16-be"), "UTF-16"),
        (SMALL.decode().encode("utf-32-le"), "UTF-16"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n", "git lfs pull"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b"[" + b'{"notes":' * 100_000, "nested too deeply"),
        (many(1, notes="[" * 100_000 + "]" * 100_000).encode(), "nested too deeply"),
    ],
)
def test_a_file_that_is_no_array_of_records_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    """Each with its reason, and none of it imported."""
    assert words in str(refusal(put(tmp_path, content)))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The message has the file's name, and no directory of the machine."""
    error = refusal(tmp_path / "leads.json")
    assert "leads.json" in str(error) and str(tmp_path) not in str(error)


def a_link(path: Path) -> None:
    path.symlink_to(BUNDLED)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_link, "is a symbolic link"),
        (a_device, "is a symbolic link"),
        (Path.mkdir, "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
    ],
)
def test_what_is_no_regular_file_is_refused(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    """A link could lead out of ``data/``, a FIFO would wait for ever."""
    make(tmp_path / "export.json")
    assert words in str(refusal(tmp_path / "export.json"))


def test_an_export_that_is_not_there_is_to_be_committed(tmp_path: Path) -> None:
    """Git ignores it in clear, so it is easily forgotten."""
    assert "'git add -f data/export.json'" in str(refusal(tmp_path / "export.json"))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    """It might never end."""
    assert "is not a regular file" in str(refusal(Path(device)))


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "unpinned"])
@pytest.mark.parametrize("block", [7, 1 << 20])
def test_an_export_that_is_cut_off_anywhere_is_refused(
    tmp_path: Path, block: int, pinned: bool
) -> None:
    """At every byte, with the digest and without; only the last line break may go."""
    pins = {"sha256": hashlib.sha256(SMALL).hexdigest(), "records": 2} if pinned else {}
    with blocks_of(block):
        for length in range(len(SMALL) - 1):
            refusal(put(tmp_path, SMALL[:length]), **pins)
        assert len(read(put(tmp_path, SMALL), **pins)) == 2


@pytest.mark.parametrize("block", [64, 1 << 20])
def test_a_changed_byte_is_refused(tmp_path: Path, block: int) -> None:
    """Whichever it is: what the checks of the records let through, the digest does not."""
    right = hashlib.sha256(SMALL).hexdigest()
    with blocks_of(block):
        for place, byte in enumerate(SMALL):
            # One bit at each place, and the others in turn.
            others = [byte ^ 0x20, byte ^ 0x80, *b'"\\}],\0']
            for other in {byte ^ 1, others[place % len(others)]} - {byte}:
                error = refusal(
                    put(tmp_path, SMALL[:place] + bytes([other]) + SMALL[place + 1 :]), sha256=right
                )
                assert error.problems


@pytest.mark.parametrize(
    ("content", "pinned", "words"),
    [
        (
            SMALL.replace(b"\n", b"\r\n"),
            {"sha256": hashlib.sha256(SMALL).hexdigest()},
            "sha256 is {}, expected {}",
        ),
        (SMALL + b"\n", {"sha256": hashlib.sha256(SMALL).hexdigest()}, "sha256 is {}, expected {}"),
        (SMALL, {"sha256": "0" * 64, "records": 3}, "sha256 is {}, expected {}"),
        (SMALL, {"records": 3}, "holds 2 records, expected 3"),
    ],
)
def test_an_export_other_than_the_pinned_one_is_refused(
    tmp_path: Path, content: bytes, pinned: dict[str, Any], words: str
) -> None:
    """The message gives what is there and what was expected, also where git changed the line
    ends."""
    error = refusal(put(tmp_path, content), **pinned)
    assert words.format(hashlib.sha256(content).hexdigest(), pinned.get("sha256")) in str(error)
    assert len(error.problems) == len(pinned)


@pytest.mark.parametrize(("mode", "told"), [(0o664, True), (0o646, True), (0o640, False)])
def test_an_export_that_others_may_write_is_told(
    tmp_path: Path, mode: int, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line; the digest says whether somebody has."""
    path = put(tmp_path, SMALL)
    path.chmod(mode)
    read(path)
    line = f"export.json can be written by others than its owner (mode {mode:o}): chmod go-w"
    assert (line in caplog.messages) == told


@pytest.mark.parametrize("damage", [(b"7700 ", b"n/a "), (b"]", b""), (b"{", b"\xff")])
@pytest.mark.parametrize("set_aside", [False, True])
def test_a_pinned_file_that_is_damaged_is_to_be_put_back(
    tmp_path: Path, damage: tuple[bytes, bytes], set_aside: bool
) -> None:
    """Both digests, not what is wrong in it: its owner has exported nothing wrong."""
    digest, content = hashlib.sha256(SMALL).hexdigest(), SMALL.replace(*damage)
    assert content != SMALL
    error = refusal(put(tmp_path, content), sha256=digest, set_aside=set_aside)
    assert f"sha256 is {hashlib.sha256(content).hexdigest()}, expected {digest}" in str(error)
    assert str(error).endswith("Put that one back and try again.")
    assert len(error.problems) == 1


# The records.

FAR = "lies outside of 1990 to 2100"
NO_DATE = "is not an ISO 8601 date and time with an offset"
NO_PHONE = "is not one phone number"
NOT_TEXT = "holds bytes that are not UTF-8, or half of a surrogate pair"
TOO_LARGE = "is above 9223372036854775807"


@pytest.mark.parametrize(
    ("field", "literal", "reason"),
    [
        *[(field, "null", "is null, expected") for field in GOOD],
        *[(field, "true", "is true or false, expected") for field in GOOD],
        *[(field, '["x"]', "is a list, expected") for field in GOOD],
        *[(field, '{"x": "x"}', "is an object") for field in GOOD],
        *[
            (field, literal, "is NaN or Infinity")
            for field in GOOD
            for literal in ("NaN", "Infinity", "-Infinity")
        ],
        *[(field, "1.5", "is a number with a fraction, expected") for field in GOOD],
        *[(field, "7", "is a whole number, expected") for field in GOOD if field != "id"],
        *[(field, r'"x\u0000y"', "holds a NUL character") for field in GOOD],
        *[(field, r'"x\ud800y"', NOT_TEXT) for field in GOOD],
        *[(field, r'"x\udc00\ud800y"', NOT_TEXT) for field in GOOD],
        ("id", '"3369"', "is text, expected a whole number"),
        ("id", "0", "is below 1"),
        ("id", "-1", "is below 1"),
        ("id", "1e999", "is a number with a fraction, expected"),
        ("id", "1e2", "is a number with a fraction, expected"),
        ("id", "1.0", "is a number with a fraction, expected"),
        ("id", str(2**63), TOO_LARGE),
        ("id", str(2**64), TOO_LARGE),
        ("id", str(2**70), TOO_LARGE),
        ("id", "9" * 5000, TOO_LARGE),
        ("id", "-" + "9" * 5000, "is below 1"),
        ("lead_number", f'"{"x" * 51}"', "is longer than 50 characters"),
        ("full_name", f'"{"x" * 201}"', "is longer than 200 characters"),
        ("phone", f'"07700 900123{" " * 30}"', "is longer than 40 characters"),
        ("email", f'"{"x" * 255}"', "is longer than 254 characters"),
        ("status", f'"{"x" * 51}"', "is longer than 50 characters"),
        ("address1", f'"{"x" * 501}"', "is longer than 500 characters"),
        ("postal_code", f'"{"x" * 21}"', "is longer than 20 characters"),
        ("notes", f'"{"x" * 100_001}"', "is longer than 100000 characters"),
        ("notes", f'"{"x" * 3_000_000}"', "is longer than 100000 characters"),
        ("assigned_agent", f'"{"x" * 151}"', "is longer than 150 characters"),
        ("phone", '""', "is empty"),
        ("phone", '" "', NO_PHONE),
        ("phone", '"ask Bob"', NO_PHONE),
        ("phone", '"07700 900123 / 07700 900124"', NO_PHONE),
        ("phone", '"07700 900123 07700 900124"', NO_PHONE),
        ("phone", '"01234"', NO_PHONE),
        ("phone", '"+1234567890123456"', NO_PHONE),
        ("created_at", '""', "is empty"),
        ("created_at", '"infinity"', NO_DATE),
        ("created_at", '"-infinity"', NO_DATE),
        ("created_at", '"now"', NO_DATE),
        ("created_at", '"2025-02-29T00:00:00Z"', NO_DATE),
        ("created_at", '"2025-13-01T00:00:00Z"', NO_DATE),
        ("created_at", '"2025-01-01T24:00:00Z"', NO_DATE),
        ("created_at", '"2025-01-01T23:59:60Z"', NO_DATE),
        ("created_at", '"03/04/2025"', NO_DATE),
        ("created_at", '"03.04.2025 10:00"', NO_DATE),
        ("created_at", '"2025-01-01"', NO_DATE),
        ("created_at", '"2025-01-01T00:00:00"', NO_DATE),
        ("created_at", '"2025-01-01T00:00:00 GMT"', NO_DATE),
        ("created_at", '"2025-01-01T00:00:00+24:00"', NO_DATE),
        ("created_at", '"1735689600"', NO_DATE),
        ("created_at", '"1989-12-31T23:59:59Z"', FAR),
        ("created_at", '"2100-01-01T00:00:01Z"', FAR),
        ("created_at", '"0001-01-01T00:00:00+10:00"', FAR),
        ("created_at", '"9999-12-31T23:59:59-10:00"', FAR),
        ("created_at", '"10000-01-01T00:00:00Z"', NO_DATE),
        ("created_at", '"2025-01-01T00:00:00+14:01"', "is more than 14 hours off UTC"),
        ("created_at", '"2025-01-01T00:00:00-23:59"', "is more than 14 hours off UTC"),
    ],
)
def test_a_bad_value_is_refused(tmp_path: Path, field: str, literal: str, reason: str) -> None:
    """With the record's position, the field and the reason, and nothing else is found fault
    with."""
    error = refusal(put(tmp_path, f"[{one()}, {one(**{field: literal})}, {one()}]"))
    assert where(error) == [(2, field)]
    assert reason in error.problems[0].reason


@pytest.mark.parametrize(
    "content",
    [b"\xff", b"Zo\xeb", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"],
    ids=["no UTF-8", "Latin-1", "overlong", "a raw surrogate", "beyond Unicode", "cut off"],
)
def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path, content: bytes) -> None:
    """Where they stand, and with every other problem of the file."""
    bad = SMALL.replace("Zoë".encode(), content)
    error = refusal(put(tmp_path, many(217).encode()[:-3] + b",\n" + bad[2:]))
    assert where(error) == [(218, "full_name"), (219, "full_name")]
    assert {problem.reason for problem in error.problems} == {NOT_TEXT}


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        *[(one().replace(f'"{field}": ', '"other": '), (2, field)) for field in GOOD],
        (one(status='"new", "unknown": "x"'), (2, "unknown")),
        (one(status='"new", "Mr Smith": "x"'), (2, "(name not shown)")),
        (one(status='"new", "status\\u0000": "x"'), (2, "(name not shown)")),
        *[
            (one(status=f'"new", "{field}": {json.dumps(value)}'), (2, field))
            for field, value in GOOD.items()
        ],
        (one(status='"new", "p\\u0068one": "+447700900503"'), (2, "phone")),
        (one(status='"new", "phone": "x", "phone": "y"'), (2, "phone")),
        (one(status='"new\\u0022", "notes": ""'), (2, "notes")),
        ("{}", (2, "id")),
        ("[]", (2, "")),
        ('["x"]', (2, "")),
        ('"x"', (2, "")),
        ("null", (2, "")),
        ("1", (2, "")),
        ("true", (2, "")),
        ("NaN", (2, "")),
    ],
)
def test_a_record_with_other_fields_is_refused(
    tmp_path: Path, record: str, problem: tuple[int, str]
) -> None:
    """A field that is missing, unknown or there twice, however its name is spelled; and what is no
    object."""
    error = refusal(put(tmp_path, f"[{one()}, {record}, {one()}]"))
    assert problem in where(error)
    assert {record for record, _ in where(error)} == {2}


@pytest.mark.parametrize("block", [64, 300, 1 << 20])
def test_every_bad_record_is_listed(tmp_path: Path, block: int) -> None:
    """Five of different kinds among 217: all of them, by position and field, and no value of
    theirs."""
    records = json.loads(BUNDLED.read_text(encoding="utf-8"))
    bad = {3: ("phone", "ask Petra Quillbeck"), 50: ("email", None), 51: ("notes", "x" * 100_001)}
    bad |= {216: ("created_at", "2025-02-31T00:00:00+00:00"), 217: ("id", "MS217")}
    for position, (field, value) in bad.items():
        records[position - 1][field] = value
    with blocks_of(block):
        error = refusal(put(tmp_path, json.dumps(records, ensure_ascii=False)))
    assert where(error) == [(position, field) for position, (field, _) in bad.items()]
    values = [
        str(value)
        for position in bad
        for value in records[position - 1].values()
        if value is not None
    ]
    words = {word for value in values for word in (value, *value.split()) if len(word) > 3}
    assert [word for word in words if word in str(error)] == []


@pytest.mark.parametrize("block", range(1, 16))
def test_what_is_no_record_is_counted_once(tmp_path: Path, block: int) -> None:
    """Also where a block ends in the middle of a number."""
    with blocks_of(block):
        error = refusal(put(tmp_path, '[1234567, -1.5e300, true, null, "]}, {", [[]]]'))
    assert where(error) == [(position, "") for position in range(1, 7)]


def test_a_hundred_problems_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    """A file that is wrong throughout does not fill the log."""
    error = refusal(put(tmp_path, many(250, phone='"?"')))
    assert where(error) == [(position, "phone") for position in range(1, SHOWN_PROBLEMS + 1)]
    assert error.total == 250
    assert "250 problems" in str(error) and "and 150 more" in str(error)


# What passes.

ODD_TEXTS = [
    "'; DROP TABLE leads; --",
    "%s %(name)s :name {} {0} $1 ${x}",
    "<script>alert('x')</script> &amp;",
    "=1+1",
    "@SUM(A1)",
    "\x1b[31mred\x7f\x9b",
    "a\tb\\t\\N \\. \\",
    "\n\r\n\\n\v\f\b\x01\x1f",
    "}",
    "},",
    "},{",
    '}, {"id": 1',
    '"},{"id":',
    '\\"},{\\"',
    "]",
    "[{}]",
    '"',
    '""""',
    '\\"',
    '\\\\"',
    "\\",
    "\\\\",
    "\\u0000",
    '\\u0022 \\\\u0000 "',
    "\u2028\u2029\ufeff\ufffe\u200b\u202e",
    "👍🏽 日本語 e\u0301 é \u017f İ",
    "\U0010ffff",
    " leading and trailing ",
    "NULL",
    "infinity",
    "x" * 150,
    "},{" * 50,
    '"' * 150,
    "\\" * 149,
]


def odd_records() -> list[dict[str, Any]]:
    """Each odd text in the fields that take it, also as the last one before a record's end."""
    fields = ("full_name", "address1", "notes", "email")
    records = [
        GOOD | dict.fromkeys(fields, text) | {"id": n} for n, text in enumerate(ODD_TEXTS, start=1)
    ]
    last = [
        dict(sorted((GOOD | {"notes": text, "status": text[:50]}).items())) for text in ODD_TEXTS
    ]
    return records + [{"id": record.pop("id"), **record} for record in last]


SHAPES: dict[str, dict[str, Any]] = {
    "as text": {"ensure_ascii": False},
    "escaped": {"ensure_ascii": True},
    "tight": {"separators": (",", ":")},
    "airy": {"separators": (" ,\n\r\t ", " :  "), "indent": 3, "ensure_ascii": False},
}


def escaped_throughout(records: list[dict[str, Any]]) -> str:
    """The records with every character of every text as ``\\uXXXX``, keys too."""

    def text(value: str) -> str:
        return (
            '"'
            + "".join(f"\\u{unit:04X}" for unit in memoryview(value.encode("utf-16-le")).cast("H"))
            + '"'
        )

    def item(key: str, value: object) -> str:
        return f"{text(key)}:{text(value) if isinstance(value, str) else value}"

    return (
        "["
        + ",".join(
            "{" + ",".join(item(*pair) for pair in record.items()) + "}" for record in records
        )
        + "]"
    )


@pytest.mark.parametrize("shape", [*SHAPES, "escaped throughout"])
def test_odd_values_pass_unchanged_whatever_the_block(tmp_path: Path, shape: str) -> None:
    """Code, formulas, escapes and texts that look like JSON come out as they went in, cut at any
    byte."""
    records = odd_records()
    made = json.dumps(records, **SHAPES[shape]) if shape in SHAPES else escaped_throughout(records)
    path = put(tmp_path, made)
    for block in (*range(1, 8), *range(50, 400, 9), 1000, 4096, 1 << 20):
        with blocks_of(block):
            assert read(path) == expected(records)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(field, "") for field in GOOD if field not in ("id", "phone", "created_at")],
        ("id", 1),
        ("id", 2**63 - 1),
        ("lead_number", "é" * 50),
        ("notes", "👍" * 100_000),
        ("phone", "07700 900123 x12"),
        ("phone", "+44 (0)7700\u00a0900123"),
        ("created_at", "1990-01-01T00:00:00+00:00"),
        ("created_at", "2100-01-01T00:00:00+00:00"),
        ("created_at", "2025-06-30T23:59:59.123456+05:30"),
        ("created_at", "2025-06-30T23:59:59+14:00"),
        ("created_at", "2025-06-30T23:59:59-12:00"),
    ],
)
@pytest.mark.parametrize("shape", [True, False], ids=["escaped", "as text"])
def test_values_at_their_limits_pass(
    tmp_path: Path, field: str, value: object, shape: bool
) -> None:
    """The longest, the shortest, the earliest and the latest are within."""
    records = [GOOD, GOOD | {field: value}, GOOD]
    assert read(put(tmp_path, json.dumps(records, ensure_ascii=shape))) == expected(records)


def test_many_notes_at_their_limit_that_look_like_records_pass(tmp_path: Path) -> None:
    """However often a text looks like the end of a record, the real end is found."""
    records = [
        GOOD | {"notes": text} for text in ("},{" * 33_333, '"},{"id":' * 11_000, "}" * 100_000)
    ] * 4
    assert read(put(tmp_path, json.dumps(records))) == expected(records)


any_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
jsonish = st.lists(
    st.sampled_from([*'{}[]",:\\ \n', "},{", '"},', '\\"', "\\u0022", "é", "👍"]), max_size=12
)
texts = any_text | jsonish.map("".join) | st.sampled_from(ODD_TEXTS)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(
    datetime(1990, 1, 2), datetime(2099, 12, 31), timezones=offsets | st.just(UTC)
)
fields: dict[str, st.SearchStrategy[Any]] = {
    field: texts.map(lambda text: text[:20]) for field in GOOD
}
fields |= {
    "id": st.integers(1, 2**63 - 1),
    "created_at": moments.map(datetime.isoformat),
    "notes": texts,
}
fields["phone"] = st.sampled_from(
    ["07700900123", "+44 (0)7700 900123", "+1 201-555-0123 ext. 5", "020\u00a07946 0123"]
)
valid_records = st.lists(st.fixed_dictionaries(fields), min_size=1, max_size=4)
space = st.text(" \t\r\n", max_size=2)
spaced = st.tuples(space, space)
styles = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 2, "\t", "\r\n "]),
        "separators": st.tuples(spaced.map(",".join), spaced.map(":".join)),
    }
)


@settings(max_examples=150, deadline=None)
@given(records=valid_records, style=styles, ends=spaced, block=st.integers(1, 600))
def test_any_valid_export_is_read_as_it_was_written(
    folder: Path,
    records: list[dict[str, Any]],
    style: dict[str, Any],
    ends: tuple[str, str],
    block: int,
) -> None:
    """Whatever the texts, the white space, the escapes and the place where a block ends."""
    with blocks_of(block):
        assert read(put(folder, json.dumps(records, **style).join(ends))) == expected(records)


# No message carries a value.

marked: dict[str, Any] = {field: f"Zq{n} Marked{n}Value" for n, field in enumerate(GOOD)}
marked |= {
    "id": 7_318_552_901,
    "phone": "+44 7700 918273",
    "created_at": "2025-01-05T19:17:43+00:00",
}
MARKS = ["Zq", "Marked", "7318552901", "918273", "918", "19:17", "17:43"]


def bad_value(value: Any) -> st.SearchStrategy[Any]:
    text = str(value)
    bad = [
        None,
        True,
        [value],
        {text: value},
        text * 9000,
        f"{text}\0",
        f"\ud800{text}",
        f"{text}\udc00",
        1.5,
    ]
    return st.sampled_from(
        [*bad, float("inf"), float("nan"), 73185529017318552901, f"{text}/{text}", text.upper()]
    )


def bad_record(field: str) -> st.SearchStrategy[dict[str, Any]]:
    value = marked[field]
    other = {key: part for key, part in marked.items() if key != field}
    renamed = st.sampled_from([f"{value}", f"{field} ", "other"]).map(
        lambda key: other | {key: value}
    )
    return bad_value(value).map(lambda bad: marked | {field: bad}) | renamed | st.just(other)


spoiled = st.lists(
    st.just(marked) | st.sampled_from(list(GOOD)).flatmap(bad_record), min_size=1, max_size=4
)
splice = st.tuples(
    st.integers(0, 3000),
    st.integers(0, 40),
    st.sampled_from([b"", b'"', b"}", b"\\", b"\xff", b"{", b"\0"]),
)


@settings(max_examples=300, deadline=None)
@given(records=spoiled, splices=st.lists(splice, max_size=3), cut=st.none() | st.integers(1, 1500))
@example(records=[marked | {"phone": "Zq"}], splices=[], cut=None)
def test_no_refusal_shows_a_value(
    folder: Path,
    records: list[dict[str, Any]],
    splices: list[tuple[int, int, bytes]],
    cut: int | None,
) -> None:
    """Whatever is wrong with a file, and nothing but ``ExportRefused`` is raised."""
    made = json.dumps(records).encode()[:cut]
    for place, length, instead in splices:
        made = made[:place] + instead + made[place + length :]
    if error := refusal_or_none(put(folder, made)):
        assert [mark for mark in MARKS if mark in str(error)] == []
        assert "white space" not in str(error), "no reason was found"


# While it is read.


@pytest.mark.parametrize("block", [64, 1 << 16])
@pytest.mark.parametrize(
    "content",
    [
        SMALL.replace(b"Tom", b"Tim"),
        SMALL[:-3],
        b"",
        SMALL.replace(b"Tom", b"Thomas"),
        SMALL + b" ",
        b"?" * len(SMALL),
    ],
    ids=["a letter", "shorter", "emptied", "longer", "added to", "garbage"],
)
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, block: int, content: bytes
) -> None:
    """Before anybody has learned that it came to its end."""
    path = put(tmp_path, many(2000) if block > 64 else SMALL)
    whole = path.read_bytes()
    with (
        blocks_of(block),
        open_export(path, hashlib.sha256(whole).hexdigest(), len(read(path))) as export,
    ):
        reading = pairs(export)
        next(reading)
        path.write_bytes(content if block == 64 else whole[:-500] + content)
        with pytest.raises(ExportRefused, match="This run has written nothing"):
            list(reading)


def test_what_is_put_in_the_place_of_an_open_file_is_not_read(tmp_path: Path) -> None:
    """It is the file that was opened."""
    path = put(tmp_path, SMALL)
    with open_export(path) as export:
        (tmp_path / "other.json").write_bytes(SMALL.replace(b"Tom", b"Tim"))
        (tmp_path / "other.json").replace(path)
        assert {record.assigned_agent for _, record in pairs(export)} == {"Tom Quillbeck"}


def test_an_export_can_be_read_again(tmp_path: Path) -> None:
    """A script is written after a check."""
    with open_export(put(tmp_path, SMALL)) as export:
        next(pairs(export))
        assert list(pairs(export)) == list(pairs(export))
        assert export.count == 2


# Size.


@contextmanager
def peak_memory_below(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ended", [True, False], ids=["with its end", "without an end"])
def test_a_note_of_100_mb_is_refused_in_little_memory(tmp_path: Path, ended: bool) -> None:
    """Nobody reads it to its end."""
    start, end = one(notes='"*"').encode().split(b"*")
    with (tmp_path / "export.json").open("wb") as file:
        file.write(b"[" + one().encode() + b"," + start)
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(end + b"]" if ended else b"")
    with peak_memory_below(40_000_000):
        error = refusal(tmp_path / "export.json")
    assert where(error) == [(2, "")]
    assert "longer than 4 MB" in str(error)


def test_memory_does_not_grow_with_the_export(tmp_path: Path) -> None:
    """An export of any size is read in pieces."""
    path = put(tmp_path, many(20_000))
    assert path.stat().st_size > 6_000_000
    with blocks_of(1 << 16), peak_memory_below(2_000_000), open_export(path) as export:
        assert sum(1 for _ in pairs(export)) == 20_000


def test_memory_does_not_grow_with_the_problems(tmp_path: Path) -> None:
    """Nor does what is wrong with it pile up."""
    path = put(tmp_path, many(5_000, id="null", phone='"?"'))
    with blocks_of(1 << 16), peak_memory_below(2_000_000):
        assert refusal(path).total == 10_000

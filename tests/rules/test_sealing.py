"""Sealed exports are opened as a stream, or refused by name before anything is written."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyrage
import pytest
from pyrage import x25519

from migrations.importer.age_key import KEY, KEY_FILE, read_identities
from migrations.importer.errors import CannotUnseal, ExportRefused
from migrations.importer.export.reading import Piece, find_export, open_content, open_export
from migrations.importer.sealing import BLOCK, SUFFIX
from tests.support.bundled import EXPORT, ROOT, Record, records
from tests.support.released import REPOSITORY
from tests.support.sealed import new_key, public, seal_for, sealed_copy

BY_THE_AGE_PROGRAM = REPOSITORY / "tests" / "rules" / "sealed"

KEY_OF_NOBODY = new_key()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a key and put it into the environment."""
    made = new_key()
    monkeypatch.setenv(KEY, made)
    monkeypatch.delenv(KEY_FILE, raising=False)
    return made


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Check after each test that no thread runs and no descriptor is open."""
    before = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    yield
    assert (set(threading.enumerate()), set(os.listdir("/proc/self/fd"))) == before


def read(path: Path) -> tuple[Sequence[object], str, int]:
    """Return all records of an export, its digest and their number."""
    with open_export(path) as export:
        found = [record for _, piece in export.checked() for record in piece]
        return found, export.sha256, export.count


def refused(path: Path) -> str:
    """Return the message of a refused export."""
    with pytest.raises(ExportRefused) as refusal, open_export(path) as export:
        export.check()
    return str(refusal.value)


def many(number: int) -> bytes:
    """Return an export of so many records."""
    bundled = records()
    return json.dumps([bundled[n % len(bundled)] for n in range(number)]).encode()


@pytest.mark.parametrize("number", [1, 217, 100_000])
def test_a_sealed_export_reads_as_the_same_in_clear(number: int, key: str, tmp_path: Path) -> None:
    """Records, digest and count are the same, also across many blocks."""
    clear, sealed = tmp_path / "october.json", tmp_path / "october.json.age"
    clear.write_bytes(many(number))
    sealed.write_bytes(seal_for(many(number), key))
    assert read(sealed) == read(clear)
    assert read(sealed)[2] == number


def test_a_sealed_export_goes_by_its_name_in_clear(key: str, tmp_path: Path) -> None:
    """Sealing an export does not change its name in receipts and the log."""
    with open_export(sealed_copy(tmp_path, key)) as export:
        assert export.name == EXPORT.name


def test_problems_of_records_are_found_in_a_sealed_export(key: str, tmp_path: Path) -> None:
    """Position and field are given, as for one in clear."""
    bad: list[Record] = [*records()[:99], records()[99] | {"phone": "none"}]
    path = tmp_path / "bad.json.age"
    path.write_bytes(seal_for(json.dumps(bad).encode(), key))
    assert "record 100, phone: is not one phone number" in refused(path)


def test_progress_ends_at_the_size_of_the_file(key: str, tmp_path: Path) -> None:
    """Progress counts bytes of the sealed file."""
    path = tmp_path / "october.json.age"
    path.write_bytes(seal_for(many(5000), key))
    told: list[tuple[int, int]] = []
    with open_export(path) as export:
        for _ in export.checked(lambda done, size: told.append((done, size))):
            pass
    size = path.stat().st_size
    assert told == sorted(told)
    assert told[-1] == (size, size)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "  {}\n",
        "# created: today\n# public key: age1…\n\n{}\n",
        "# an old one\r\n{other}\r\n# a new one\r\n{}\r\n",
    ],
)
def test_the_variable_may_hold_a_whole_key_file(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It may have comments, blank lines, several keys and Windows line ends, and may be a file."""
    key = new_key()
    sealed = sealed_copy(tmp_path, key)
    held = text.format(key, other=KEY_OF_NOBODY)
    monkeypatch.setenv(KEY, held)
    monkeypatch.delenv(KEY_FILE, raising=False)
    assert read(sealed) == read(EXPORT)
    monkeypatch.setenv(KEY, " ")  # as good as not set
    (tmp_path / "key").write_text(held)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(KEY_FILE, "~/key")
    assert read(sealed) == read(EXPORT)


def test_each_of_several_recipients_opens_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One key is enough, whichever it is."""
    keys = [new_key() for _ in range(3)]
    sealed = sealed_copy(tmp_path, *keys)
    monkeypatch.delenv(KEY_FILE, raising=False)
    for key in keys:
        monkeypatch.setenv(KEY, key)
        assert read(sealed) == read(EXPORT)


NO_KEY = f"{KEY} is no age key: expected one line beginning with AGE-SECRET-KEY-1."


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, f"{EXPORT.name}.age is sealed, and neither {KEY} nor {KEY_FILE} is set."),
        ({KEY: "  \n"}, f"neither {KEY} nor {KEY_FILE} is set."),
        ({KEY: "# public key: age1…"}, NO_KEY),
        ({KEY: "secret"}, NO_KEY),
        ({KEY: KEY_OF_NOBODY[:40]}, NO_KEY),
        ({KEY: KEY_OF_NOBODY[1:]}, NO_KEY),
        ({KEY: f"{KEY_OF_NOBODY}\n{KEY_OF_NOBODY[:-1]}"}, NO_KEY),
        ({KEY: public(KEY_OF_NOBODY)}, f"{KEY} is the public key and opens nothing."),
        ({KEY: KEY_OF_NOBODY}, f"{EXPORT.name}.age is sealed for other keys than this one."),
        ({KEY: KEY_OF_NOBODY, KEY_FILE: "key"}, f"{KEY} and {KEY_FILE} are both set."),
        ({KEY_FILE: "none"}, f"{KEY_FILE}: cannot be opened: No such file or directory."),
        ({KEY_FILE: "."}, f"{KEY_FILE}: cannot be opened: Is a directory."),
        ({KEY_FILE: "~nobody-of-that-name/key"}, f"{KEY_FILE}: cannot be opened: no such place."),
        ({KEY_FILE: "empty"}, NO_KEY.replace(KEY, KEY_FILE)),
        ({KEY_FILE: "noise"}, NO_KEY.replace(KEY, KEY_FILE)),
    ],
)
def test_a_key_that_does_not_fit_is_refused_by_name(
    environ: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is read before, and the message gives a way out but no part of a key."""
    sealed = sealed_copy(tmp_path, new_key())
    (tmp_path / "empty").touch()
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    monkeypatch.chdir(tmp_path)
    for name in (KEY, KEY_FILE):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CannotUnseal) as refusal, open_export(sealed):
        raise AssertionError("opened")
    sentence = str(refusal.value)
    assert said in sentence
    assert "Nothing was written. " in sentence
    assert KEY_OF_NOBODY[17:30] not in sentence
    assert public(KEY_OF_NOBODY)[5:] not in sentence


class Stopped(Exception):
    """A reader wants no more of an export."""


def stop_at_the_first(pieces: Iterator[Piece]) -> None:
    for _ in pieces:
        raise Stopped


def flipped(sealed: bytes, at: int) -> bytes:
    """Flip one bit."""
    return sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


def header_end(sealed: bytes) -> int:
    return sealed.index(b"\n", sealed.index(b"\n--- ") + 1) + 1


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "version": lambda sealed: flipped(sealed, 21),
    "header's MAC": lambda sealed: flipped(sealed, header_end(sealed) - 10),
    "nonce": lambda sealed: flipped(sealed, header_end(sealed) + 3),
    "first chunk": lambda sealed: flipped(sealed, header_end(sealed) + 20),
    "middle": lambda sealed: flipped(sealed, len(sealed) // 2),
    "last byte": lambda sealed: flipped(sealed, len(sealed) - 1),
    "cut in the header": lambda sealed: sealed[: header_end(sealed) - 20],
    "cut before the first chunk": lambda sealed: sealed[: header_end(sealed)],
    "cut at a chunk's edge": lambda sealed: sealed[: header_end(sealed) + 16 + BLOCK + 16],
    "cut inside": lambda sealed: sealed[:100_000],
    "last byte gone": lambda sealed: sealed[:-1],
    "one byte more": lambda sealed: sealed + b"\0",
    "no sealed file at all": lambda sealed: b"\x89PNG" + sealed[4:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_export_is_refused(
    damage: Callable[[bytes], bytes], key: str, tmp_path: Path
) -> None:
    """One sentence says so, wherever the damage is, even after good records."""
    path = tmp_path / "october.json.age"
    path.write_bytes(damage(seal_for(many(1000), key)))
    assert refused(path) == (
        "october.json.age is damaged. Nothing was written. Take it from git again."
    )


def test_damaged_recipients_look_like_another_key(key: str, tmp_path: Path) -> None:
    """Age cannot tell the two apart."""
    path = tmp_path / "october.json.age"
    sealed = seal_for(EXPORT.read_bytes(), key)
    at = sealed.index(b"-> X25519 ") + 12
    another = b"B" if sealed[at : at + 1] == b"A" else b"A"
    path.write_bytes(sealed[:at] + another + sealed[at + 1 :])
    assert "october.json.age is sealed for other keys than this one." in refused(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json.age", b"", "is empty"),
        ("a.json.age", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        ("a.json.age", EXPORT.read_bytes(), "is not sealed: name it a.json"),
        ("a.json", seal_for(EXPORT.read_bytes(), KEY_OF_NOBODY), "is sealed: name it a.json.age"),
        (
            "a.json.age",
            pyrage.encrypt(b"[]", [x25519.Recipient.from_str(public(KEY_OF_NOBODY))], armored=True),
            "is armoured: seal it again",
        ),
    ],
)
def test_a_file_that_is_no_sealed_export_is_refused(
    name: str, content: bytes, said: str, key: str, tmp_path: Path
) -> None:
    """The message says what it is and what to do."""
    path = tmp_path / name
    path.write_bytes(content)
    assert said in refused(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf[]", "starts with a byte order mark"),
        (b"[]", "holds no records"),
        (b"{}", "is not a JSON array"),
    ],
)
def test_what_is_sealed_is_looked_at_as_in_clear(
    content: bytes, said: str, key: str, tmp_path: Path
) -> None:
    """Other encodings, an empty file and an empty array are recognised."""
    path = tmp_path / "a.json.age"
    path.write_bytes(seal_for(content, key))
    assert said in refused(path)


def test_another_export_sealed_for_the_same_key_is_refused(key: str, tmp_path: Path) -> None:
    """The revision pins the content, so a swapped file is noticed."""
    pinned = read(EXPORT)[1]
    path = tmp_path / "october.json.age"
    path.write_bytes(seal_for(many(3), key))
    with pytest.raises(ExportRefused) as refusal, open_export(path, pinned, 217) as export:
        export.check()
    assert f"expected {pinned}" in str(refusal.value)


def test_an_export_lies_in_clear_or_sealed(tmp_path: Path) -> None:
    """It is found in either form, and refused if both are there."""
    clear, sealed = tmp_path / "a.json", tmp_path / "a.json.age"
    assert find_export(tmp_path, "a.json") == clear
    sealed.touch()
    assert find_export(tmp_path, "a.json") == sealed
    clear.symlink_to("nowhere")
    with pytest.raises(CannotUnseal, match=r"/a\.json lies in clear beside its sealed form\. "):
        find_export(tmp_path, "a.json")


def test_a_reader_that_leaves_in_the_middle_leaves_nothing(key: str, tmp_path: Path) -> None:
    """No thread and no descriptor stays, at whichever end it stops."""
    path = tmp_path / "october.json.age"
    path.write_bytes(seal_for(many(5000), key))
    with open_export(path) as export:
        assert next(export.checked())
    with pytest.raises(Stopped), open_export(path) as export:
        stop_at_the_first(export.checked())
    with open_content(path) as content:
        content.read(1)


def test_no_record_of_a_refused_export_stays_in_the_error(key: str, tmp_path: Path) -> None:
    """The error of age is kept neither as its cause nor as a context to show."""
    path = tmp_path / "october.json.age"
    path.write_bytes(DAMAGE["middle"](seal_for(many(1000), key)))
    with pytest.raises(CannotUnseal) as refusal, open_export(path) as export:
        export.check()
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_keys_do_not_show_when_they_are_printed(key: str) -> None:
    """The representation of an identity is not its text."""
    assert key not in repr(read_identities("a.json.age"))


def test_an_export_sealed_by_the_age_program_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was made with age 1.1.1 for a key of age-keygen, and both are in the repository."""
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setenv(KEY_FILE, str(BY_THE_AGE_PROGRAM / "only-for-tests.txt"))
    assert read(BY_THE_AGE_PROGRAM / "three.json.age") == read(BY_THE_AGE_PROGRAM / "three.json")


MEASURED = """
import resource, sys
from pathlib import Path
from migrations.importer.export.reading import open_export
with open_export(Path(sys.argv[1])) as export:
    export.check()
print(export.count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_a_sealed_export(key: str, tmp_path: Path) -> None:
    """A check of 100,000 sealed records takes less than 4 MB more than in clear."""
    clear = tmp_path / "october.json"
    make = [sys.executable, str(ROOT / "data" / "make_export.py"), "--leads", "100000", "--seed=7"]
    subprocess.run([*make, "--out", str(clear)], check=True)
    sealed = sealed_copy(tmp_path, key, source=clear)
    told = [
        subprocess.run(
            [sys.executable, "-c", MEASURED, str(path)],
            check=True, capture_output=True, text=True, cwd=ROOT,
        ).stdout.split()
        for path in (clear, sealed)
    ]  # fmt: skip
    assert [records for records, _ in told] == ["100000", "100000"]
    assert int(told[1][1]) - int(told[0][1]) < 4096


def test_git_offers_no_export_in_clear() -> None:
    """It takes only the bundled, invented export, twins, and sealed exports byte for byte. What
    `add` reads here stays here."""
    offered = ["production_leads_export.json", "october.masked.json", "october.json.age"]
    ignored = ["october.json", "production_leads_export2.json", ".october.json.age.partial"]
    downloads = ["october.csv", "october.xlsx"]
    paths = [*(f"data/{name}" for name in (*offered, *ignored)), *downloads]
    told = subprocess.run(
        ["git", "check-ignore", "--no-index", *paths],
        check=False, capture_output=True, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert told.stdout.split() == [*(f"data/{name}" for name in ignored), *downloads]
    kept = ["git", "check-attr", "text", f"data/october.json{SUFFIX}"]
    told = subprocess.run(kept, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    assert told.stdout.strip().endswith("text: unset")

"""People who must not come back: keyed hashes of phones, in ``data/erased.txt``."""

from datetime import date
from pathlib import Path

import pytest

from migrations.erasing import list_erased
from migrations.importer.age_key import KEY, KEY_FILE
from migrations.importer.erased import ERASED, Erased, WithoutErased, read_erased
from migrations.importer.errors import CannotUnseal, Problem
from migrations.importer.export.reading import open_export
from migrations.importer.mask_key import MASK_KEY
from migrations.recipients import RECIPIENTS, CannotSeal
from migrations.twin.mask import Mask
from tests.support.bundled import EXPORT, records
from tests.support.sealed import new_key, public

TODAY = date(2026, 11, 27)
PHONE = "07700 900123"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with one recipient, and put the key in the environment."""
    key = new_key()
    (tmp_path / RECIPIENTS).write_text(f"{public(key)}  # tests\n")
    monkeypatch.setenv(KEY, key)
    monkeypatch.delenv(KEY_FILE, raising=False)
    return tmp_path


@pytest.mark.parametrize("spelled", [PHONE, "+44 (0)7700-900123", "7700900123", "00447700900123"])
def test_a_phone_is_known_in_any_spelling(spelled: str, folder: Path) -> None:
    """The hash is of the key, and another number or extension is somebody else."""
    assert list_erased(folder, [spelled], TODAY) == 1
    erased = read_erased(folder)
    assert erased
    assert PHONE in erased
    assert "07700 900124" not in erased
    assert f"{PHONE} x1" not in erased


def test_the_file_tells_nobody_who_it_is(folder: Path) -> None:
    """It shows neither the phone, nor its digits, nor the twin's hash."""
    list_erased(folder, [PHONE], TODAY)
    told = (folder / ERASED).read_text()
    assert "900123" not in told
    secret_of_another = Mask(bytes(32)).digest("erased", "447700900123").hex()
    assert secret_of_another[:32] not in told
    head, line = told.splitlines()
    assert head.startswith("mask-key ")
    assert line.endswith("  # since 2026-11-27")


def test_whoever_is_listed_is_not_listed_twice(folder: Path) -> None:
    """The same phone in another spelling changes no byte, and another phone adds one line."""
    assert list_erased(folder, [PHONE], TODAY) == 1
    before = (folder / ERASED).read_bytes()
    assert list_erased(folder, ["+447700900123"], TODAY) == 0
    assert (folder / ERASED).read_bytes() == before
    assert list_erased(folder, [PHONE, "07700 900999"], TODAY) == 1
    assert len((folder / ERASED).read_text().splitlines()) == 3


def test_a_list_of_nobody_takes_no_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without the list needs none either."""
    monkeypatch.delenv(KEY)
    assert read_erased(folder) is None
    (folder / ERASED).write_text("# nobody yet\n\n")
    assert read_erased(folder) is None


def test_without_the_key_nothing_is_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could be recognised, so the message says which key is needed."""
    list_erased(folder, [PHONE], TODAY)
    monkeypatch.delenv(KEY)
    with pytest.raises(CannotUnseal) as refused:
        read_erased(folder)
    assert str(refused.value) == (
        "data/erased.txt lists people who must not come back, and only the mask key recognises "
        "them: mask.key.age is sealed, and neither LEADS_AGE_KEY nor LEADS_AGE_KEY_FILE is set. "
        "Nothing was written. Set LEADS_AGE_KEY to a key that opens data/mask.key.age."
    )


def test_a_mask_key_that_is_gone_is_said(folder: Path) -> None:
    """The list means nothing without it."""
    list_erased(folder, [PHONE], TODAY)
    (folder / MASK_KEY).unlink()
    with pytest.raises(CannotUnseal, match="only the mask key recognises them: cannot be op"):
        read_erased(folder)


def test_a_list_that_cannot_be_read_is_no_empty_list(folder: Path) -> None:
    """A directory stands for any error of the system."""
    (folder / ERASED).mkdir()
    with pytest.raises(CannotUnseal, match=r"erased\.txt cannot be read: Is a directory"):
        read_erased(folder)


def test_another_mask_key_would_know_nobody_and_is_refused(folder: Path) -> None:
    """The first line says if the list and the key belong together."""
    list_erased(folder, [PHONE], TODAY)
    (folder / MASK_KEY).unlink()
    lines = (folder / ERASED).read_text()
    (folder / ERASED).unlink()
    list_erased(folder, [PHONE], TODAY)  # This makes a new mask key.
    (folder / ERASED).write_text(lines)
    with pytest.raises(CannotUnseal, match="was written with another mask key"):
        read_erased(folder)


@pytest.mark.parametrize("line", ["07700 900123", "1f2e", "G" * 32, "mask-key none"])
def test_a_line_that_is_no_hash_is_named_without_what_it_holds(line: str, folder: Path) -> None:
    """Somebody may have written a phone there."""
    list_erased(folder, [PHONE], TODAY)
    with open(folder / ERASED, "a") as file:
        file.write(f"{line}\n")
    with pytest.raises(CannotUnseal, match=r"^data/erased.txt, line 3: expected 32 hex") as said:
        read_erased(folder)
    assert line not in str(said.value)


def test_without_recipients_nobody_can_be_listed(tmp_path: Path) -> None:
    """Nobody could open the mask key."""
    with pytest.raises(CannotSeal, match=r"recipients\.txt is not there"):
        list_erased(tmp_path, [PHONE], TODAY)
    assert list(tmp_path.iterdir()) == []


def test_records_of_the_erased_are_rejected_and_the_others_stay() -> None:
    """Report position, field and reason, and read the other records as usual."""
    erased = Erased(bytes(32))
    listed = [records()[3], records()[200]]
    for record in listed:
        erased.add(record["phone"], TODAY)
    with open_export(EXPORT) as export:
        source = WithoutErased(export, erased)
        kept = [n for positions, _ in source.checked(lambda *_: None) for n in positions]
        assert export.count == 217
    assert source.rejected == [
        Problem(4, "phone", "erased on request"),
        Problem(201, "phone", "erased on request"),
    ]
    assert kept == [n for n in range(217) if n not in (3, 200)]


def test_a_list_without_its_first_line_is_refused(folder: Path) -> None:
    """Nobody could tell which mask key it takes."""
    list_erased(folder, [PHONE], TODAY)
    listed = folder / ERASED
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(CannotUnseal, match="does not begin with the line of its mask key"):
        read_erased(folder)

"""``keygen``, ``seal``, ``unseal`` and ``reseal``: keys change, and exports stay the same."""

import hashlib
import json
import os
import pty
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyrage import x25519

from migrations.bundling import bundle
from migrations.commands.reseal import reseal
from migrations.crm import LEADS
from migrations.files import CannotWriteFile
from migrations.importer.age_key import KEY, KEY_FILE
from migrations.importer.errors import CannotUnseal
from migrations.importer.export.reading import open_content
from migrations.importer.pinned import Import
from migrations.recipients import CannotSeal, seal_file
from tests.support.bundled import EXPORT, ROOT, records
from tests.support.projects import copy_project, migrations
from tests.support.sealed import new_key, public, seal_for, sealed_copy

OLD, NEW, OFFLINE, OTHER = (new_key() for _ in range(4))


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the keys from the environment, unless a test sets one."""
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.delenv(KEY_FILE, raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path)


def recipients(folder: Path, *keys: str) -> None:
    """Name the people who can open a folder's files."""
    lines = [f"{public(key)}  # number {n}, since 2026" for n, key in enumerate(keys)]
    (folder / "recipients.txt").write_text("\n".join(["# Who can open the exports.", "", *lines]))


def content(path: Path) -> bytes:
    with open_content(path) as file:
        return b"".join(iter(lambda: file.read(1 << 16), b""))


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_new_key_opens_what_is_sealed_for_it(project: Path, tmp_path: Path) -> None:
    """keygen prints a key file, and repeats its public line on standard error."""
    made = migrations(project, "keygen")
    key_file = tmp_path / "leads.key"
    key_file.write_text(made.stdout)
    secret = made.stdout.splitlines()[-1]
    assert f"Public key: {public(secret)}" in made.stderr
    assert secret not in made.stderr
    recipients(project / "data", secret, OFFLINE)
    october = tmp_path / "october.json"
    october.write_bytes(EXPORT.read_bytes())
    sealed = migrations(project, "seal", str(october))
    assert sealed.returncode == 0, sealed.stderr
    assert sealed.stdout.splitlines() == [
        "october.json.age: 217 records, sealed for 2.",
        "october.json is still here in clear: delete it.",
    ]
    path = tmp_path / "october.json.age"
    assert path.stat().st_mode & 0o777 == 0o644
    environ = {**os.environ, KEY_FILE: str(key_file)}
    unseal = [sys.executable, "-m", "migrations", "unseal", str(path)]
    shown = subprocess.run(unseal, check=True, capture_output=True, cwd=project, env=environ)
    assert shown.stdout == EXPORT.read_bytes()


def test_one_recipient_alone_is_warned_of(project: Path, tmp_path: Path) -> None:
    """--recipient replaces the file, and losing that one key would lose the export."""
    october = tmp_path / "october.json"
    october.write_bytes(EXPORT.read_bytes())
    sealed = migrations(project, "seal", str(october), "--recipient", public(OLD))
    assert sealed.returncode == 0
    assert "Only one key opens it." in sealed.stderr


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (None, "data/recipients.txt is not there."),
        ("# nobody\n\n", "data/recipients.txt names nobody."),
        ("# ada\nage1nonsense  # ada", "data/recipients.txt, line 2 is not an age recipient"),
        (OLD, "data/recipients.txt, line 1 is a secret key."),
    ],
    ids=["no file", "nobody", "nonsense", "a secret key"],
)
def test_an_export_is_not_sealed_for_nobody(
    listed: str | None, said: str, project: Path, tmp_path: Path
) -> None:
    """The message names the file and its line, and shows nothing of a key."""
    if listed is not None:
        (project / "data" / "recipients.txt").write_text(listed)
    october = tmp_path / "october.json"
    october.write_bytes(EXPORT.read_bytes())
    told = migrations(project, "seal", str(october))
    assert told.returncode == 1
    assert said in told.stderr
    assert OLD[17:30] not in told.stderr
    assert not (tmp_path / "october.json.age").exists()


def test_nothing_is_sealed_over_another_file_or_unchecked(project: Path, tmp_path: Path) -> None:
    """An existing target, an export with a problem and a sealed file are all refused."""
    recipients(project / "data", OLD)
    october, bad = tmp_path / "october.json", tmp_path / "bad.json"
    october.write_bytes(EXPORT.read_bytes())
    bad.write_text("[{}]")
    there = tmp_path / "october.json.age"
    there.write_text("another")
    for name, said in {
        october: "october.json.age is there already",
        there: "october.json.age is sealed already",
        bad: "record 1, phone: is missing",
    }.items():
        told = migrations(project, "seal", str(name))
        assert (told.returncode, said in told.stderr) == (1, True), told.stderr
    assert there.read_text() == "another"
    assert sorted(contents(tmp_path)) == ["bad.json", "october.json", "october.json.age"]


def test_unseal_shows_nothing_of_a_damaged_export(project: Path, tmp_path: Path) -> None:
    """The damage is in the last byte, so unseal reads everything before it writes the first."""
    path = tmp_path / "october.json.age"
    path.write_bytes(seal_for(EXPORT.read_bytes() * 9, OLD)[:-1] + b"?")
    unseal = [sys.executable, "-m", "migrations", "unseal", str(path)]
    environ = {**os.environ, KEY: OLD}
    shown = subprocess.run(unseal, check=False, capture_output=True, cwd=project, env=environ)
    assert (shown.returncode, shown.stdout) == (1, b"")
    assert b"october.json.age is damaged." in shown.stderr


def test_unseal_shows_nobody_on_a_terminal(project: Path, tmp_path: Path) -> None:
    """Name a file to look at the people."""
    path = sealed_copy(tmp_path, OLD)
    ours, theirs = pty.openpty()
    unseal = [sys.executable, "-m", "migrations", "unseal", str(path)]
    environ = {**os.environ, KEY: OLD}
    told = subprocess.run(
        unseal,
        check=False,
        stdout=theirs,
        stderr=subprocess.PIPE,
        cwd=project,
        env=environ,
        timeout=30,
    )
    os.close(theirs)
    os.close(ours)
    assert told.returncode == 1
    assert b"never shown on a terminal" in told.stderr


def test_keys_are_replaced_without_a_revision_being_touched(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the old key over both to the new one, production's key opens the export at each step."""
    data = project / "data"
    (data / EXPORT.name).unlink()
    sealed = sealed_copy(data, OLD, OFFLINE)
    revisions = contents(project / "migrations" / "versions")
    for readers, opened_with in ([OLD, NEW, OFFLINE], OLD), ([NEW, OFFLINE], NEW):
        recipients(data, *readers)
        monkeypatch.setenv(KEY, opened_with)
        told = migrations(project, "reseal")
        assert told.returncode == 0, told.stderr
        assert "Old ciphertexts stay in git's history" in told.stdout
        for key in readers:
            monkeypatch.setenv(KEY, key)
            assert content(sealed) == EXPORT.read_bytes()
    monkeypatch.setenv(KEY, OLD)
    with pytest.raises(CannotUnseal, match="other keys"):
        content(sealed)
    assert contents(project / "migrations" / "versions").keys() == revisions.keys()
    assert sorted(contents(data)) == sorted(
        ["README.md", "make_export.py", "recipients.txt", f"{EXPORT.name}.age"]
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seal three files for the old key, with the old and the new one as recipients."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.json.age").write_bytes(seal_for(name.encode() * 100_000, OLD))
    recipients(tmp_path, OLD, NEW)
    monkeypatch.setenv(KEY, OLD)
    return tmp_path


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_reseal_that_ends_between_two_files_leaves_each_whole(
    nth: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old key opens all of them, and running the command again finishes."""
    replaced: list[object] = []
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        replaced.append(target)
        if len(replaced) == nth:
            raise Killed
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(Killed):
        reseal(folder, {})
    assert [content(folder / f"{name}.json.age")[:1] for name in "abc"] == [b"a", b"b", b"c"]
    monkeypatch.setattr(os, "replace", real)
    reseal(folder, {})
    monkeypatch.setenv(KEY, NEW)
    assert [content(folder / f"{name}.json.age")[:1] for name in "abc"] == [b"a", b"b", b"c"]


def test_a_reseal_with_another_key_changes_nothing(folder: Path) -> None:
    """A key for the first files but not the last is not enough."""
    (folder / "c.json.age").write_bytes(seal_for(b"c", OTHER))
    before = contents(folder)
    with pytest.raises(CannotUnseal, match=r"^c\.json\.age is sealed for other keys"):
        reseal(folder, {})
    assert contents(folder) == before


def test_a_reseal_compares_with_what_is_pinned(folder: Path) -> None:
    """A swapped file is not sealed again."""
    before = contents(folder)
    pinned = {"b.json": hashlib.sha256(b"b" * 100_000).hexdigest(), "c.json": "another"}
    with pytest.raises(CannotUnseal, match=r"^c\.json\.age is not the export"):
        reseal(folder, pinned)
    assert contents(folder) == before
    reseal(folder, {"b.json": pinned["b.json"]})


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Limit files to 200,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


FULL = r"cannot be written: File too large\. Nothing was replaced\."


def test_a_reseal_on_a_full_disk_changes_nothing(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    """The last file does not fit."""
    (folder / "c.json.age").write_bytes(seal_for(b"c" * 300_000, OLD))
    before = contents(folder)
    request.getfixturevalue("full_disk")
    with pytest.raises(CannotWriteFile, match=rf"^c\.json\.age {FULL}"):
        reseal(folder, {})
    assert contents(folder) == before


def test_an_export_that_does_not_fit_leaves_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """No half of a sealed file is left, under any name."""
    october = tmp_path / "october.json"
    october.write_bytes(b" " * 300_000)
    request.getfixturevalue("full_disk")
    readers = [x25519.Identity.from_str(OLD).to_public()]
    with pytest.raises(CannotWriteFile, match=rf"^october\.json\.age {FULL}"):
        seal_file(october, tmp_path / "october.json.age", readers)
    assert list(contents(tmp_path)) == ["october.json"]


def test_an_export_in_clear_that_does_not_fit_leaves_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """No half of its people is left, and the message names the file that did not fit."""
    october, data = tmp_path / "source.json", tmp_path / "data"
    october.write_bytes(b" " * 300_000)
    data.mkdir()
    request.getfixturevalue("full_disk")
    with pytest.raises(CannotWriteFile, match=rf"^october\.json {FULL}"):
        bundle(october, data, Import("0005_x", "october.json", "", 1, LEADS))
    assert not contents(data)


def test_a_folder_without_sealed_files_has_nothing_to_reseal(tmp_path: Path) -> None:
    """The command says so instead of succeeding."""
    recipients(tmp_path, NEW)
    with pytest.raises(CannotSeal, match="holds no sealed file"):
        reseal(tmp_path, {})


def test_a_sealed_export_has_a_fix_sheet(project: Path, tmp_path: Path) -> None:
    """It holds the records' own values, as for a clear export."""
    path = tmp_path / "bad.json.age"
    path.write_bytes(seal_for(json.dumps([records()[0] | {"phone": "none"}]).encode(), OLD))
    sheet = tmp_path / "sheet.csv"
    check = [sys.executable, "-m", "migrations", "check", str(path), "--fix-sheet", str(sheet)]
    environ = {**os.environ, KEY: OLD}
    told = subprocess.run(check, check=False, capture_output=True, cwd=ROOT, env=environ)
    assert told.returncode == 1
    assert "1,phone,is not one phone number" in sheet.read_text()

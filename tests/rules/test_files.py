"""Files with personal data are readable by their owner alone, and complete or absent."""

import errno
import os
import stat
from pathlib import Path

import pytest

from migrations.files import CannotWriteFile, private_file


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    """It replaces an older file at once and leaves nothing else behind."""
    path = tmp_path / "preview.html"
    path.write_text("old")
    path.chmod(0o644)
    with private_file(path) as write:
        assert path.read_text() == "old"
        write("new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """Even a killed run leaves no half of a new file, because it makes none while it runs."""
    path = tmp_path / "preview.html"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError) as failed, private_file(path):
        raise ZeroDivisionError(list(tmp_path.iterdir()))
    assert failed.value.args == ([path],)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_never_replaces_a_link(tmp_path: Path) -> None:
    """Neither the link, which may be /dev/stdout, nor its target is replaced."""
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "nowhere").symlink_to("missing")
    for name in ("link", "nowhere"):
        with pytest.raises(CannotWriteFile, match="is a link"), private_file(tmp_path / name):
            pytest.fail("the run began")
    assert (tmp_path / "target").read_text() == "old"


def test_a_disk_that_is_full_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of the file."""

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with private_file(tmp_path / "preview.html") as write:
        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(CannotWriteFile, match="cannot be written: No space left on device"):
            write("page")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["missing/preview.html", ".", "/dev/null", "/proc/preview.html"])
def test_a_file_that_cannot_be_made_is_refused_before_the_run(name: str, tmp_path: Path) -> None:
    """The directory is missing, or the path is a directory, a device or in /proc."""
    with pytest.raises(CannotWriteFile), private_file(tmp_path / name):
        pytest.fail("the run began")

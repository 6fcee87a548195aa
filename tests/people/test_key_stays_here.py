"""The key to exports goes nowhere else."""

from contextlib import suppress
from pathlib import Path

import pytest

from migrations.deploy.local_postgres import running
from migrations.importer.age_key import KEY
from tests.support.sealed import new_key


def test_the_local_postgres_is_not_given_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its server nor the process keeping it has the key in its environment."""
    secret = new_key()
    monkeypatch.setenv(KEY, secret)
    with running(tmp_path / ".postgres", durable=False, keep=False):
        given = [
            path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if has(path, secret)
        ]
    assert given == []


def has(path: Path, secret: str) -> bool:
    with suppress(OSError):
        return secret.encode() in path.read_bytes()
    return False

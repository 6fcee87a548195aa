"""pytest-alembic's own tests pass: one head, up, up and down again, and models that fit.

It hands an engine to the chain, as it does in any project that uses it.
"""

from collections.abc import Iterator

import pytest
from alembic.config import Config
from pytest_alembic.plugin.fixtures import alembic_runner
from pytest_alembic.tests import (
    test_model_definitions_match_ddl,
    test_single_head_revision,
    test_up_down_consistency,
    test_upgrade,
)
from sqlalchemy import URL, Engine, NullPool, create_engine

from tests.support.bundled import ROOT

__all__ = [
    "alembic_runner",
    "test_model_definitions_match_ddl",
    "test_single_head_revision",
    "test_up_down_consistency",
    "test_upgrade",
]


@pytest.fixture
def alembic_config(monkeypatch: pytest.MonkeyPatch) -> Config:
    """The project's own; the database that the environment names is not there."""
    monkeypatch.setenv("DATABASE_URL", "postgres://u@nowhere.invalid/db")
    return Config(ROOT / "alembic.ini")


@pytest.fixture
def alembic_engine(database: URL) -> Iterator[Engine]:
    """An engine of an application's on an empty database."""
    engine = create_engine(database, poolclass=NullPool)
    yield engine
    engine.dispose()

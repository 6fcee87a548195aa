"""pytest-alembic's own tests pass: one head, up, up and down again, and matching models.

It hands the chain an engine, as in any project that uses it.
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
    """Use the project's own config, with an unreachable database in the environment."""
    monkeypatch.setenv("DATABASE_URL", "postgres://u@nowhere.invalid/db")
    return Config(ROOT / "alembic.ini")


@pytest.fixture
def alembic_engine(database: URL) -> Iterator[Engine]:
    """Create an application's engine on an empty database."""
    engine = create_engine(database, poolclass=NullPool)
    yield engine
    engine.dispose()

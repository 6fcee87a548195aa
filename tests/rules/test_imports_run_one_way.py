"""Who may import whom: versions → importer.vN → its parts → errors, and nobody the other way."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundled import ROOT

IMPORTER = ROOT / "migrations" / "importer"
REVISIONS = sorted((ROOT / "migrations" / "versions").glob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The full names of what a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda path: path.stem)
def test_a_revision_imports_alembic_and_the_door_alone(revision: Path) -> None:
    """A released revision must not move with models.py or with the importer's inside."""
    foreign = {
        name
        for name in imported(revision)
        if not name.startswith(("alembic.op", "migrations.importer.v"))
    }
    assert foreign == set()


@pytest.mark.parametrize("module", sorted(IMPORTER.rglob("*.py")), ids=lambda path: path.stem)
def test_the_importer_knows_neither_alembic_nor_the_models(module: Path) -> None:
    """It takes a connection, and imports nothing of ours but its own parts."""
    for name in imported(module):
        assert not name.startswith(("alembic", "models"))
        assert not name.startswith("migrations.") or name.startswith("migrations.importer.")
        assert module.stem.startswith("v") or not name.startswith("migrations.importer.v1")


def test_the_models_know_nothing_of_the_migrations() -> None:
    """The application can import them without Alembic."""
    assert not [
        name for name in imported(ROOT / "models.py") if name.startswith(("alembic", "migrations"))
    ]

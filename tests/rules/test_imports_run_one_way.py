"""Who may import whom: versions → importer.vN → its parts → errors, the three wings around them,
and never the other way."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.bundled import ROOT

MIGRATIONS = ROOT / "migrations"
IMPORTER = MIGRATIONS / "importer"
REVISIONS = sorted((MIGRATIONS / "versions").glob("*.py"))

WINGS = ("deploy", "preview", "commands")
WALLS = {
    "deploy": ("preview", "commands", "history", "env", "__main__"),
    "preview": ("commands", "env", "__main__"),
    "tracing": ("deploy", "preview", "commands", "env", "__main__"),
    "commands": ("env", "__main__"),
    "env.py": ("commands", "__main__"),
    "history": (*WINGS, "env", "__main__"),
    "running.py": ("preview", "commands", "env", "__main__"),
    "offline.py": ("preview", "commands", "env", "__main__"),
    "console.py": (*WINGS, "declared", "importer", "history", "env", "__main__"),
    "ending.py": (*WINGS, "history", "env", "__main__"),
    "files.py": (*WINGS, "history", "env", "__main__"),
}
"""Folders and modules under ``migrations/``, and what each never imports."""
GROUND = ("declaration", "record", "phone", "errors", "context", "pace")
"""Parts of the importer everything else builds on."""


def imported(path: Path) -> Iterator[str]:
    """Yield the full names a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda path: path.stem)
def test_a_revision_imports_alembic_and_the_door_alone(revision: Path) -> None:
    """A released revision must not change with models.py or with the importer's parts."""
    foreign = {
        name
        for name in imported(revision)
        if not name.startswith(("alembic.op", "migrations.importer.v", "migrations.crm"))
    }
    assert foreign == set()


@pytest.mark.parametrize("module", sorted(IMPORTER.rglob("*.py")), ids=lambda path: path.stem)
def test_the_importer_knows_neither_alembic_nor_the_models(module: Path) -> None:
    """It takes a connection and imports only its own parts of the project."""
    for name in imported(module):
        assert not name.startswith(("alembic", "models"))
        assert not name.startswith("migrations.") or name.startswith("migrations.importer.")
        assert module.stem.startswith("v") or not name.startswith("migrations.importer.v1")


@pytest.mark.parametrize("part", GROUND)
def test_the_ground_of_the_importer_stands_on_itself(part: str) -> None:
    """Raising errors and reading records need none of their users."""
    ours = {name for name in imported(IMPORTER / f"{part}.py") if name.startswith("migrations")}
    assert {name.split(".")[2] for name in ours} <= set(GROUND)


@pytest.mark.parametrize("place", WALLS)
def test_the_wings_stand_beside_each_other(place: str) -> None:
    """A deploy works without previews and commands, and a preview without commands."""
    path = MIGRATIONS / place
    modules = [path] if path.is_file() else sorted(path.rglob("*.py"))
    assert modules
    for module in modules:
        for name in imported(module):
            root, *inside = name.split(".")
            assert root != "migrations" or inside[0] not in WALLS[place], f"{module.name}: {name}"


def test_no_imports_go_round_in_a_circle() -> None:
    """You can read each module with only those below it."""
    modules = {module_name(path): path for path in MIGRATIONS.rglob("*.py")}
    graph = {
        name: {found for told in imported(path) if (found := known(told, modules)) != name}
        for name, path in modules.items()
    }
    TopologicalSorter(graph).prepare()


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def known(name: str, modules: dict[str, Path]) -> str:
    """Return the imported module: the name itself or its parent."""
    return name if name in modules else name.rpartition(".")[0]


def test_the_models_know_nothing_of_the_migrations() -> None:
    """The application can import them without Alembic."""
    assert not [
        name for name in imported(ROOT / "models.py") if name.startswith(("alembic", "migrations"))
    ]

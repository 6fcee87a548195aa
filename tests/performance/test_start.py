"""What a deploy loads before it begins."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.upgrades import start_alembic


@pytest.fixture
def loaded(crm: URL) -> set[str]:
    """Import into the CRM, and return the modules that were loaded for it."""
    deploy = start_alembic(crm, "upgrade", "head", PYTHONPROFILEIMPORTTIME="1")
    output, _ = deploy.communicate(timeout=60)
    assert deploy.returncode == 0, output
    lines = [line for line in output.splitlines() if line.startswith("import time:")]
    modules = {line.split("|")[-1].strip() for line in lines}
    assert "migrations.importer.v1" in modules
    return modules


def test_a_deploy_loads_nothing_that_draws(loaded: set[str]) -> None:
    """Neither a terminal's library nor previews: without a terminal, nobody sees them."""
    drawing = ("rich", "migrations.preview")
    assert {name for name in loaded if name.startswith(drawing)} == set()


def test_a_deploy_makes_no_dataclass(loaded: set[str]) -> None:
    """Its values are Structs: Python takes thirty times as long to make a dataclass."""
    ours = [find_spec(name) for name in loaded if name.startswith("migrations.")]
    sources = [Path(str(spec.origin)) for spec in ours if spec and spec.has_location]
    assert len(sources) > 50
    made = {path.name for path in sources if "@dataclass" in path.read_text(encoding="utf-8")}
    assert made == set()

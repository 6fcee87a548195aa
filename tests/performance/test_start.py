"""What a deploy loads before it begins."""

from sqlalchemy import URL

from tests.support.upgrades import start_alembic


def test_a_deploy_loads_nothing_that_draws(crm: URL) -> None:
    """Neither a terminal's library nor previews: without a terminal, nobody sees them."""
    deploy = start_alembic(crm, "upgrade", "head", PYTHONPROFILEIMPORTTIME="1")
    output, _ = deploy.communicate(timeout=60)
    assert deploy.returncode == 0, output
    loaded = {
        line.split("|")[-1].strip()
        for line in output.splitlines()
        if line.startswith("import time:")
    }
    assert "migrations.importer.v1" in loaded
    drawing = ("rich", "migrations.preview")
    assert {name for name in loaded if name.startswith(drawing)} == set()

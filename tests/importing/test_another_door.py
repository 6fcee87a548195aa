"""``CONTRIBUTING.md``: the example of a second door works."""

import re
from hashlib import sha256
from pathlib import Path

from sqlalchemy import URL

from tests.support.bundled import IMPORT, records
from tests.support.database import run
from tests.support.exports import written
from tests.support.projects import copy_project, migrations
from tests.support.released import REPOSITORY
from tests.support.upgrades import alembic

PAGE = REPOSITORY / "CONTRIBUTING.md"


def test_the_second_door_of_the_example_changes_its_rule_alone(
    database: URL, tmp_path: Path
) -> None:
    """A revision on the new door rejects a bad record, and one on v1 behaves as before."""
    project = copy_project(tmp_path)
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (project / "migrations" / "importer" / "v2.py").write_text(source)
    template = project / "migrations" / "script.py.mako"
    template.write_text(template.read_text().replace("importer.v1", "importer.v2"))
    good, bad = records()[:2]
    october = written([good | {"notes": "Later."}, bad], tmp_path, "october.json")
    added = migrations(project, "add", str(october), "-m", "import october leads")
    assert added.returncode == 0, added.stderr
    (revision,) = (project / "migrations" / "versions").glob("0005_*.py")
    assert "from migrations.importer.v2 import Import, apply, revert" in revision.read_text()
    spoil(project / "data" / "october.json", revision)
    upgraded = alembic(database, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    rejected = "SELECT revision, policies, rejected FROM lead_imports ORDER BY id"
    assert [tuple(row) for row in run(database, rejected)] == [
        (IMPORT, "rejected=stop, blanks=keep", 0),
        ("0005_import_october_leads", "rejected=set aside, blanks=keep", 1),
    ]


def spoil(export: Path, revision: Path) -> None:
    """Replace the second record's phone with an invalid one and pin the changed export."""
    before = export.read_bytes()
    after = before.replace(records()[1]["phone"].encode(), b"none")
    export.write_bytes(after)
    old, new = (sha256(content).hexdigest() for content in (before, after))
    revision.write_text(revision.read_text().replace(old, new))

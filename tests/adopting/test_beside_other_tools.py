"""The import beside a CRM's own tools: Django, an Alembic history of its own, changing tables."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import URL, Column, Integer, MetaData, Table, Text, create_engine

from migrations.__main__ import main
from migrations.importer.declaration import Leads
from tests.support.bundled import BEFORE_IMPORT, IMPORT, records
from tests.support.database import run, shown, value
from tests.support.declarations import record, use
from tests.support.exports import bundle, written
from tests.support.projects import copy_project, migrations
from tests.support.released import REPOSITORY
from tests.support.upgrades import alembic, downgrade, upgrade

DJANGO = Path(__file__).parent / "django_crm"
DJANGO_LEADS = """LEADS = Leads(
    "leads_lead",
    lead_number=New("lead_number"),
    full_name="full_name",
    phone="phone",
    email="email",
    status=Values(
        "status",
        {"booked": "won", "not_interested": "lost", "new": "new"},
        otherwise="contacted",
    ),
    address1="address1",
    postal_code="postal_code",
    notes="notes",
    assigned_agent=Lookup(
        "assigned_agent_id",
        "auth_user",
        by="username",
        names={"Tom Quillbeck": "tomq", "Siân Ferncott": "sianf", "Priya Moorhatch": "priyam"},
        otherwise="tomq",
    ),
    created_at="created_at",
    touch="updated_at",
    new={"is_deleted": "false"},
    only="NOT is_deleted",
)
"""
LOOK = """
import collections, django
django.setup()
from leads.models import AuditLog, Lead
leads = list(Lead.objects.select_related("assigned_agent"))
for lead in leads:
    lead.full_clean()
agents = collections.Counter(lead.assigned_agent.username for lead in leads)
audited = AuditLog.objects.count()
leads[0].save()
print(len(leads), dict(sorted(agents.items())), audited, AuditLog.objects.count())
"""


def declare(project: Path, declaration: str) -> None:
    """Replace the bundled declaration."""
    path = project / "migrations" / "crm.py"
    head = path.read_text(encoding="utf-8").partition("LEADS = ")[0]
    head = head.replace("import Leads", "import Leads, Lookup, New, Values")
    path.write_text(head + declaration, encoding="utf-8")


@pytest.fixture
def django(tmp_path: Path, database: URL) -> Path:
    """Make a Django CRM with its own migrations and three users."""
    project = tmp_path / "django"
    shutil.copytree(DJANGO, project)
    for command in (["makemigrations", "leads"], ["migrate"]):
        assert manage(project, database, *command).returncode == 0
    names = "('tomq'), ('sianf'), ('priyam')"
    run(
        database,
        "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, "
        "is_staff, is_active, date_joined) SELECT name, '', '', '', '', false, false, true, now() "
        f"FROM (VALUES {names}) AS v (name)",
    )
    return project


def manage(project: Path, url: URL, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Django's manage.py."""
    command = [sys.executable, "manage.py", *arguments]
    return _python(project, url, command)


def _python(project: Path, url: URL, command: list[str]) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "DATABASE_URL": shown(url), "DJANGO_SETTINGS_MODULE": "settings"}
    return subprocess.run(
        command, check=False, cwd=project, env=environ, capture_output=True, text=True, timeout=60
    )


def test_a_django_crm_reads_what_was_imported(django: Path, tmp_path: Path, database: URL) -> None:
    """Every lead passes Django's checks, has its agent, and is audited from then on."""
    project = copy_project(tmp_path)
    declare(project, DJANGO_LEADS)
    tables = {name for (name,) in run(database, "SELECT relname FROM pg_class WHERE relkind = 'r'")}
    upgraded = alembic(database, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    made = {name for (name,) in run(database, "SELECT relname FROM pg_class WHERE relkind = 'r'")}
    assert made - tables == {
        *("alembic_version", "lead_imports", "lead_import_batches", "lead_import_rejects"),
        "lead_before_images",
    }
    told = _python(django, database, [sys.executable, "-c", LOOK])
    expected = {"priyam": 26, "sianf": 26, "tomq": 29 + 136}
    assert told.stdout == f"217 {expected} 0 1\n", told.stderr
    assert migrations(project, "verify", url=database).returncode == 0
    assert manage(django, database, "makemigrations", "--check").returncode == 0


def test_the_chain_goes_on_from_the_head_of_a_crms_own(tmp_path: Path, database: URL) -> None:
    """0001 follows the CRM's last revision, and the tables stay the CRM's."""
    project = copy_project(tmp_path)
    versions = project / "migrations" / "versions"
    (versions / "a1b2_customers.py").write_text(
        'from alembic import op\n\nrevision = "a1b2"\ndown_revision = None\n\n\n'
        "def upgrade():\n    op.execute('CREATE TABLE customers (id serial PRIMARY KEY, "
        "name text, phone text)')\n\n\ndef downgrade():\n    op.execute('DROP TABLE customers')\n",
        encoding="utf-8",
    )
    first = versions / "0001_baseline.py"
    source = first.read_text(encoding="utf-8")
    source = source.replace("down_revision = None", 'down_revision = "a1b2"')
    first.write_text(source, encoding="utf-8")
    declare(project, 'LEADS = Leads("customers", full_name="name", phone="phone")\n')
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    assert value(database, "SELECT count(*) FROM customers") == 217
    assert alembic(database, "downgrade", "-1", root=project).returncode == 0
    assert value(database, "SELECT version_num FROM alembic_version") == "0003_ledger"
    assert value(database, "SELECT count(*) FROM customers") == 217


MODELS_IN_A_SCHEMA = """
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(schema="sales")


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    phone: Mapped[str | None]
"""


def test_models_in_another_schema_are_compared_with_their_tables(
    tmp_path: Path, database: URL
) -> None:
    """Autogenerate would make the CRM's tables again, and tables of nobody's models stay."""
    project = copy_project(tmp_path)
    run(database, "CREATE SCHEMA sales")
    run(
        database,
        "CREATE TABLE sales.customers (id serial PRIMARY KEY, name varchar, phone varchar)",
    )
    run(database, "CREATE TABLE sales.others (id int)")
    declare(project, 'LEADS = Leads("sales.customers", full_name="name", phone="phone")\n')
    (project / "models.py").write_text(MODELS_IN_A_SCHEMA, encoding="utf-8")
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    checked = alembic(database, "check", root=project)
    assert checked.returncode == 0, checked.stdout


ANOTHER_ENV = """
import os
from alembic import context
from sqlalchemy import create_engine, make_url

url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_another_env_py_is_refused(tmp_path: Path, database: URL) -> None:
    """It would import without a lock, and real people whatever LEADS_PEOPLE says."""
    project = copy_project(tmp_path)
    (project / "migrations" / "env.py").write_text(ANOTHER_ENV, encoding="utf-8")
    refused = alembic(database, "upgrade", "head", root=project)
    assert "The env.py that runs is not the import's" in refused.stdout
    assert value(database, "SELECT to_regclass('leads')") is None


def test_a_crms_own_history_may_stay_beside_ours(tmp_path: Path, database: URL) -> None:
    """Each has its own version table, and upgrade, verify, status and downgrade know ours alone."""
    project = copy_project(tmp_path)
    run(database, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    run(database, "INSERT INTO alembic_version VALUES ('theirs')")
    theirs = "id serial PRIMARY KEY, name text, phone text, lead_importance text"
    run(database, f"CREATE TABLE customers ({theirs})")
    run(database, "CREATE TABLE lead_import_jobs (id serial PRIMARY KEY)")
    declare(project, 'LEADS = Leads("customers", full_name="name", phone="phone")\n')
    ini = project / "alembic.ini"
    source = ini.read_text(encoding="utf-8")
    ini.write_text(
        source.replace("[alembic]\n", "[alembic]\nversion_table = lead_import_version\n"),
        encoding="utf-8",
    )
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    assert migrations(project, "verify", url=database).returncode == 0
    told = migrations(project, "status", "--json", url=database).stdout
    assert json.loads(told)["stamped"] == ["0004_import_production_leads"]
    assert theirs_autogenerated(database) == []
    assert alembic(database, "downgrade", "base", root=project).returncode == 0
    assert value(database, "SELECT version_num FROM alembic_version") == "theirs"


def test_a_crms_own_pyproject_does_not_bring_its_revisions_into_ours(
    tmp_path: Path, database: URL
) -> None:
    """Alembic reads ``[tool.alembic]`` of the folder that it is run in, beside our alembic.ini."""
    project = copy_project(tmp_path)
    theirs = project / "theirs"
    theirs.mkdir()
    (theirs / "a1b2.py").write_text(
        'revision = "a1b2"\ndown_revision = None\n\n\ndef upgrade():\n    pass\n',
        encoding="utf-8",
    )
    (project / "pyproject.toml").write_text(
        '[tool.alembic]\nversion_locations = ["%(here)s/theirs"]\n', encoding="utf-8"
    )
    upgraded = alembic(database, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    assert value(database, "SELECT version_num FROM alembic_version") == IMPORT


def test_a_revision_of_the_crm_that_fails_is_not_blamed_on_the_leads(
    tmp_path: Path, database: URL
) -> None:
    """The message names its table and its rule."""
    project = copy_project(tmp_path)
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    run(database, "CREATE TABLE teams AS VALUES ('twice'), ('twice')")
    (project / "migrations" / "versions" / "0005_once.py").write_text(
        'from alembic import op\n\nrevision = "0005_once"\n'
        'down_revision = "0004_import_production_leads"\n\n\ndef upgrade():\n'
        "    op.execute('ALTER TABLE teams ADD CONSTRAINT once UNIQUE (column1)')\n",
        encoding="utf-8",
    )
    refused = alembic(database, "upgrade", "head", root=project)
    told = " ".join(refused.stdout.split())
    assert refused.returncode != 0
    assert "23505 unique violation (table teams, constraint once)" in told
    assert "twice" not in told
    assert "lead has" not in told


def theirs_autogenerated(url: URL) -> list[Any]:
    """Compare the CRM's own models with the database, as docs/your-crm.md says."""
    page = (REPOSITORY / "docs" / "your-crm.md").read_text(encoding="utf-8")
    copied = re.search(r"  ```python\n(  def include_name.*?)  ```", page, re.DOTALL)
    assert copied
    there: dict[str, Any] = {}
    exec(textwrap.dedent(copied[1]), there)
    metadata = MetaData()
    Table(
        "customers",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", Text),
        Column("phone", Text),
        Column("lead_importance", Text),
    )
    Table("lead_import_jobs", metadata, Column("id", Integer, primary_key=True))
    with create_engine(url).connect() as connection:
        options = {"include_name": there["include_name"]}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def october(folder: Path) -> Path:
    """Write an export with a source, for one known lead and one new one."""
    known = records()[0] | {"full_name": "Renamed Since", "status": "won"}
    new = {**known, "id": 9000, "phone": "07700 900999", "lead_number": "MX1"}
    return written(
        [record | {"source": "fair"} for record in (known, new)], folder, "october_leads.json"
    )


NEW_SHAPE = """
OCTOBER = Leads(
    "leads",
    lead_number="lead_number",
    full_name="name",
    phone="phone",
    email="email",
    status="status",
    postal_code="postal_code",
    notes="notes",
    assigned_agent="assigned_agent",
    source="source",
    created_at="created_at",
    touch="updated_at",
)
"""
CHANGE = '''"""Leads have a name and a source, and no address."""

from alembic import op

revision = "0005_change"
down_revision = "0004_import_production_leads"


def upgrade() -> None:
    op.execute("ALTER TABLE leads RENAME full_name TO name")
    op.execute("ALTER TABLE leads DROP address1")
    op.execute("ALTER TABLE leads ADD source text")
    op.execute("ALTER TABLE leads ALTER notes TYPE varchar(9000)")


def downgrade() -> None:
    op.execute("ALTER TABLE leads ALTER notes TYPE text")
    op.execute("ALTER TABLE leads DROP source")
    op.execute("ALTER TABLE leads ADD address1 text NOT NULL DEFAULT \'\'")
    op.execute("ALTER TABLE leads RENAME name TO full_name")
'''
NEXT_IMPORT = '''"""Import october leads."""

from alembic import op

from migrations.crm import OCTOBER
from migrations.importer.v1 import Import, apply, revert

revision = "0006_october"
down_revision = "0005_change"

IMPORT = Import(
    revision=revision,
    export="october_leads.json",
    sha256="{sha256}",
    records=2,
    leads=OCTOBER,
)


def upgrade() -> None:
    apply(IMPORT, op.get_context())


def downgrade() -> None:
    revert(IMPORT, op.get_context())
'''


def test_the_import_goes_on_fitting_as_the_crm_changes(tmp_path: Path, database: URL) -> None:
    """A new declaration imports after columns were changed, and both imports revert."""
    project = copy_project(tmp_path)
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    with (project / "migrations" / "crm.py").open("a", encoding="utf-8") as crm:
        crm.write(NEW_SHAPE)
    export = october(project / "data")
    sha256 = hashlib.sha256(export.read_bytes()).hexdigest()
    versions = project / "migrations" / "versions"
    (versions / "0005_change.py").write_text(CHANGE, encoding="utf-8")
    (versions / "0006_october.py").write_text(
        NEXT_IMPORT.replace("{sha256}", sha256), encoding="utf-8"
    )
    before = run(database, "SELECT leads::text FROM leads ORDER BY id")
    upgraded = alembic(database, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    asked = "SELECT name, source FROM leads WHERE source IS NOT NULL ORDER BY id"
    assert run(database, asked) == [("Renamed Since", "fair"), ("Renamed Since", "fair")]
    verified = migrations(project, "verify", url=database)
    assert verified.returncode == 0, verified.stdout
    told = " ".join(verified.stdout.split())
    assert "The table no longer has full_name, address1" in told
    assert "What october_leads.json changed counts as edited" in told
    assert migrations(project, "status", url=database).returncode == 0
    back = alembic(database, "-x", "remove-created", "downgrade", "0003_ledger", root=project)
    assert back.returncode == 0, back.stdout
    again = alembic(database, "upgrade", "head", root=project)
    assert again.returncode == 0, again.stdout
    assert migrations(project, "verify", url=database).returncode == 0
    assert len(before) == 217


DJANGO_CHANGE = """from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("leads", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE leads_lead RENAME address1 TO source",
            "ALTER TABLE leads_lead RENAME source TO address1",
        )
    ]
"""


def test_a_new_environment_beside_django_goes_from_import_to_import(
    django: Path, tmp_path: Path, database: URL
) -> None:
    """Django's migrations stop where each import needs them to."""
    project = copy_project(tmp_path)
    declare(project, DJANGO_LEADS)
    crm = project / "migrations" / "crm.py"
    source = crm.read_text(encoding="utf-8")
    source += DJANGO_LEADS.replace("LEADS =", "OCTOBER =").replace("address1", "source")
    crm.write_text(source, encoding="utf-8")
    sha256 = hashlib.sha256(october(project / "data").read_bytes()).hexdigest()
    revision = NEXT_IMPORT.replace("{sha256}", sha256)
    revision = revision.replace("0005_change", "0004_import_production_leads")
    (project / "migrations" / "versions" / "0006_october.py").write_text(revision, encoding="utf-8")
    change = django / "leads" / "migrations" / "0002_source.py"
    change.write_text(DJANGO_CHANGE, encoding="utf-8")

    def migrate(*to: str) -> None:
        migrated = manage(django, database, "migrate", *to)
        assert migrated.returncode == 0, migrated.stderr

    migrate()
    refused = alembic(database, "upgrade", "head", root=project)
    assert refused.returncode != 0
    assert "address1" in refused.stdout
    for own, to in (("0001", "0004_import_production_leads"), ("0002", "head")):
        migrate("leads", own)
        upgraded = alembic(database, "upgrade", to, root=project)
        assert upgraded.returncode == 0, upgraded.stdout
    assert value(database, "SELECT count(*) FROM leads_lead") == 218
    assert value(database, "SELECT count(*) FROM leads_lead WHERE source = 'fair'") == 2


def test_a_dry_run_goes_on_if_a_later_revision_moves_the_table(
    tmp_path: Path, database: URL
) -> None:
    """Its counts are told, and its leads are not listed."""
    project = copy_project(tmp_path)
    (project / "migrations" / "versions" / "0005_move.py").write_text(
        'from alembic import op\n\nrevision = "0005_move"\n'
        'down_revision = "0004_import_production_leads"\n\n\ndef upgrade() -> None:\n'
        '    op.execute("ALTER TABLE leads RENAME TO people")\n',
        encoding="utf-8",
    )
    told = alembic(database, "-x", "dry-run", "upgrade", "head", root=project)
    assert told.returncode == 0, told.stdout
    assert "217 records: 217 created" in told.stdout


def test_a_table_that_has_changed_is_no_bare_error(database: URL, tmp_path: Path) -> None:
    """The next import by the old declaration names the column before it writes anything."""
    project = copy_project(tmp_path)
    assert alembic(database, "upgrade", "0003_ledger", root=project).returncode == 0
    run(database, "ALTER TABLE leads RENAME full_name TO name")
    refused = alembic(database, "upgrade", "head", root=project)
    assert refused.returncode != 0
    assert "leads.full_name: is not there" in refused.stdout
    assert "UndefinedColumn" not in refused.stdout
    assert value(database, "SELECT count(*) FROM lead_imports") == 0


@pytest.mark.parametrize(
    ("change", "gone", "what"),
    [
        ("RENAME TO customers", "leads: is not there", "table leads"),
        ("RENAME id TO nr", "leads.id: is not there", "column leads.id"),
    ],
)
def test_a_table_that_is_no_longer_there_is_named(
    change: str,
    gone: str,
    what: str,
    crm_with_leads: URL,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Once it has its name back, the import is verified and reverted."""
    upgrade(crm_with_leads)
    run(crm_with_leads, f"ALTER TABLE leads {change}")
    monkeypatch.setenv("DATABASE_URL", shown(crm_with_leads))
    with pytest.raises(CommandError, match=gone):
        downgrade(crm_with_leads)
    assert main(["verify"]) == 1
    assert main(["lead", "1", "--by", "id"]) == 1
    printed = capsys.readouterr()
    assert gone in printed.out
    assert f"The database no longer has the {what}" in printed.err


def test_without_a_column_of_only_all_rows_are_looked_at(
    database: URL,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What only looks goes on. Nothing is imported into such a table."""
    run(database, "CREATE TABLE leads (id serial PRIMARY KEY, phone text, gone bool DEFAULT false)")
    leads = Leads("leads", phone="phone", only="NOT gone")
    use(leads, database, monkeypatch)
    bundle([record(1, leads)], monkeypatch, tmp_path, leads=leads)
    upgrade(database)
    run(database, "ALTER TABLE leads RENAME gone TO deleted")
    assert main(["verify"]) == 0
    assert main(["lead", "07700 900001"]) == 0
    assert main(["preview"]) == 0
    assert "Leads: 1 before, 1 after" in capsys.readouterr().out
    downgrade(database, BEFORE_IMPORT, "remove-created")
    with pytest.raises(CommandError, match="only='NOT gone'"):
        upgrade(database)


def test_what_a_reverted_import_wrote_into_columns_that_are_gone_is_said(
    database: URL, tmp_path: Path
) -> None:
    """Everything else is reverted."""
    project = copy_project(tmp_path)
    assert alembic(database, "upgrade", "0003_ledger", root=project).returncode == 0
    record: dict[str, Any] = records()[0]
    run(
        database,
        "INSERT INTO leads (phone, status, address1) VALUES (:phone, 'old', 'old')",
        phone=record["phone"],
    )
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    run(database, "ALTER TABLE leads DROP address1")
    back = alembic(database, "downgrade", "-1", root=project)
    assert back.returncode == 0, back.stdout
    assert "leads no longer has address1" in back.stdout
    asked = "SELECT status FROM leads WHERE lead_phone_key_v1(phone) = lead_phone_key_v1(:phone)"
    assert value(database, asked, phone=record["phone"]) == "old"


def test_two_declarations_are_one_if_they_say_the_same() -> None:
    """The ledger stores one as text and gets it back unchanged."""
    leads = Leads("customers", full_name=("first", "last"), phone="phone", only="NOT gone")
    assert Leads.from_json(leads.as_json()) == leads

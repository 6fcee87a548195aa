"""The SQL that a database gets, as files that a review sees: ``SQL=write`` writes them anew."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from migrations.crm import LEADS
from migrations.importer import sql
from migrations.importer.column import Found
from migrations.importer.declaration import E164, Leads, Lookup, New, Numeric, Values
from migrations.importer.misfits import Rule
from migrations.importer.schema.leads import assumed_table
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

SOURCES = Path(sql.__file__).parent
GOLDEN = Path(__file__).parent / "sql"
TEXT = Found("text", "text", is_text=True)
FULLEST = Leads(
    "sales.customers",
    id="code",
    lead_number=New("reference"),
    full_name=("first_name", "last_name"),
    phone=E164("phone_number"),
    email="email",
    status=Values("stage", {"booked": "WON"}, otherwise="OPEN"),
    assigned_agent=Lookup("owner", "users", by=("username", "email"), otherwise="desk"),
    bill=Numeric("bill"),
    created_at="created_on",
    touch="changed_on",
    new={"is_deleted": "false"},
    only="NOT is_deleted",
)


def fullest() -> LeadsTable:
    """A table of which nothing is as in the bundled one."""
    found = dict.fromkeys(FULLEST.columns, TEXT) | {
        "code": Found("uuid", "uuid", is_text=False),
        "email": Found("citext", "citext", is_text=True, nullable=True, is_bytewise=False),
        "phone_number": Found("character varying(20)", "character varying", True, is_key=True),
        "stage": Found("stage", "stage", is_text=False),
        "owner": Found("bigint", "bigint", is_text=False),
        "bill": Found("numeric(10,2)", "numeric", is_text=False, nullable=True),
        "created_on": Found("date", "date", is_text=False),
        "changed_on": Found(
            "timestamp without time zone", "timestamp without time zone", is_text=False
        ),
    }
    return LeadsTable(FULLEST, found, keeps_blanks=False)


TABLES = {"bundled": assumed_table(LEADS), "fullest": fullest()}
UNIQUE = SimpleNamespace(
    name="unique_email",
    keys=["lower(email)"],
    columns=["email"],
    predicate="email IS NOT NULL",
    is_exclusion=False,
    has_one_null=False,
)
EXCLUDES = SimpleNamespace(
    **{**vars(UNIQUE), "is_exclusion": True, "operators": ["OPERATOR(pg_catalog.=)"]},
    has_equality=True,
    rule="one_email",
)
ONE_NULL = SimpleNamespace(
    **{**vars(UNIQUE), "keys": ["email", "lower(reference)"], "has_one_null": True}
)

RULES = [
    Rule(["email"], "NOT (email <> '')", "email", "breaks the rule of e-mails", "true"),
    Rule(["email"], "w._lead_id IS NULL AND w.email IS NULL", "email", "is blank", "false"),
]


def rendered(name: str, table: LeadsTable) -> str | None:
    """A template for a table; None if that table has no use for it."""
    if (name == "look_up" and not table.lookups) or (
        name in ("create_convert", "create_old_values") and not table.converted
    ):
        return None
    more: dict[str, dict[str, object]] = {
        "find_too_long": {"column": table.columns[0], "longest": 20},
        "find_taken": {
            "unique": ONE_NULL if table.lookups else UNIQUE,
            "field": "email",
            "fails": ["makes the index unique_email of leads fail"],
            "changes": table.differs(table.compared[:1]),
        },
        "find_excluded": {
            "unique": EXCLUDES,
            "field": "email",
            "fails": ["makes the index unique_email fail"],
            "changes": table.differs(table.compared[:1]),
        },
        "find_broken": {"rules": RULES, "start": 0},
        "has_values": {"column": "phone", "table": "sales.customers"},
        "are_e164": {"column": "phone", "table": "sales.customers"},
        "find_range": {"column": "stage", "table": "sales.customers"},
        "compare": {"kind": "updated"},
        "find_lead": {"by": "number", "cast": "", "most": 10},
        "trace_wrote": {"kind": "updated"},
        "preview_created": {"longest": 400, "most": 10_000},
        "preview_changed": {"longest": 400, "most": 10_000},
        "revoke_given": {"name": "lead_imports"},
        "copy_table": {"name": "lead_imports", "schema": "public"},
        "copy_receipts": {"schema": "public"},
        "copy_rejects": {"schema": "public"},
        "refuse_rejected": {"erased": "erased on request"},
        "create_copy": {"uniques": [UNIQUE], "numbers": "pg_temp.lead_preview_numbers"},
        "audit_lead": {"schema": "public"},
        "audit_only_imports_skip": {"lock": 1},
    }
    if name in ("revert_batch", "check_removal"):
        more[name] = {"referrers": statement("referrers", table=table)}
    if name in ("create_copy", "copy_leads"):
        copy = "pg_temp.lead_preview_copy"
        table = table.copied(copy, "pg_temp.lead_preview_whole", "pg_temp.lead_phone_key_v1")
    if name == "look_up":
        more[name] = {"column": table.lookups[0]}
    return statement(name, **{"table": table, **more.get(name, {})})


TEMPLATES = sorted(path.name.removesuffix(".sql.mako") for path in SOURCES.glob("*.sql.mako"))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_template_renders_to_is_what_was_reviewed(name: str, table: str) -> None:
    """For the bundled CRM, and for one that is declared otherwise in everything."""
    found = rendered(name, TABLES[table])
    if found is None:
        return
    golden = GOLDEN / table / f"{name}.sql"
    if os.environ.get("SQL") == "write":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(found.replace("\\:", ":"), encoding="utf-8")
    assert found.replace("\\:", ":") == golden.read_text(encoding="utf-8")


def test_no_line_is_too_long_to_be_read() -> None:
    """In the sources and in what they render to."""
    files = [*SOURCES.glob("*.sql"), *SOURCES.glob("*.mako"), *GOLDEN.rglob("*.sql")]
    assert [
        f"{path.name}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > 120
    ] == []


def test_every_statement_is_used() -> None:
    """By its name, somewhere in the importer, the preview, the commands or a template."""
    sources = [*SOURCES.parents[1].rglob("*.py"), *SOURCES.glob("*.mako")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    names = {path.name.partition(".")[0] for path in SOURCES.glob("*.sql*")}
    assert {name for name in names if f'"{name}"' not in code} == set()

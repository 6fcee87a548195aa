"""``python -m migrations adopt`` guesses a declaration, and checks it once the owner has completed
it."""

import re
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
from sqlalchemy import URL

from migrations import declared as declaring
from migrations.__main__ import main
from migrations.commands import adopt
from migrations.importer.declaration import (
    E164,
    BadDeclaration,
    Leads,
    Lookup,
    New,
    Text,
    Values,
    columns_of,
)
from tests.adopting.crms import CRMS, REFUSED, Crm, build
from tests.support.bundled import records
from tests.support.database import run, shown, value
from tests.support.projects import copy_project, migrations
from tests.support.roles import MAY_LOOK, another_role
from tests.support.upgrades import alembic

MARKED = {
    "owner": "whom, if nobody is found?",
    "enums": "which is what? NUEVO, EN_CONVERSACION, POTENCIAL, VENTA_CERRADA, PERDIDO",
    "uuids": "whom, if nobody is found?",
    "camel_case": "by which column? whom, if nobody is found?",
}
"""What nobody can guess, by the name of the CRM."""


@pytest.fixture
def crm_py(database: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the declaration file in a copy of the project, with DATABASE_URL set."""
    project = copy_project(tmp_path)
    for module in (adopt, declaring):
        monkeypatch.setattr(module, "DECLARED", project / "migrations" / "crm.py")
    monkeypatch.setenv("DATABASE_URL", shown(database))
    return project / "migrations" / "crm.py"


def declared(crm_py: Path) -> Leads:
    """Return what the file declares."""
    leads: Leads = run_path(str(crm_py))["LEADS"]
    return leads


def change(crm_py: Path, old: str, new: str) -> None:
    """Edit the file as its owner does."""
    source = crm_py.read_text(encoding="utf-8")
    assert old in source
    crm_py.write_text(source.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("crm", CRMS, ids=lambda crm: crm.name)
def test_the_declaration_is_guessed_from_the_tables(
    crm: Crm, crm_py: Path, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """It guesses table, columns, time of change and rows, and lists lines marked with CHECK."""
    build(database, crm.name)
    assert main(["adopt"]) == (1 if crm.name in MARKED else 0)
    said = capsys.readouterr().out
    assert f"Wrote the declaration of {crm.leads.table} into migrations/crm.py." in said
    guessed = declared(crm_py)
    assert (guessed.table, guessed.touch) == (crm.leads.table, crm.leads.touch)
    assert guessed.only == (crm.leads.only if crm.name == "owner" else "")
    for name, target in crm.leads.targets.items():
        assert columns_of(guessed.targets[name]) == columns_of(target), name
    lines = crm_py.read_text(encoding="utf-8").splitlines()
    marks = [(n, line.strip()) for n, line in enumerate(lines, start=1) if "# CHECK" in line]
    assert [line.partition("# CHECK: ")[2] for _, line in marks] == (
        [MARKED[crm.name]] if crm.name in MARKED else []
    )
    assert all(f"  line {n}: {line}" in said for n, line in marks)


def test_the_rest_of_the_file_stays(crm_py: Path, database: URL) -> None:
    """Lines around the declaration stay, and new names are imported."""
    change(crm_py, '    touch="updated_at",\n)\n', '    touch="updated_at",\n)\nAFTER = 1\n')
    head = crm_py.read_text(encoding="utf-8").partition("from ")[0]
    build(database, "owner")
    main(["adopt"])
    source = crm_py.read_text(encoding="utf-8")
    assert source.startswith(head)
    assert "\nfrom migrations.importer.v1 import Leads, Lookup, New\n" in source
    assert source.endswith(")\nAFTER = 1\n")
    assert [path.name for path in crm_py.parent.glob("*.partial")] == []


def test_a_second_call_checks_what_the_owner_has_completed(
    crm_py: Path, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """It writes nothing and lists the marks left, then what does not fit, then nothing more."""
    build(database, "owner")
    main(["adopt"])
    capsys.readouterr()
    guessed = crm_py.read_bytes()
    assert main(["adopt"]) == 1
    assert "# CHECK: whom, if nobody is found?" in capsys.readouterr().out
    assert crm_py.read_bytes() == guessed
    change(crm_py, 'otherwise="…"),  # CHECK: whom, if nobody is found?', 'otherwise="tomq"),')
    change(crm_py, 'notes="notes"', 'notes="remarks"')
    assert main(["adopt"]) == 1
    said = capsys.readouterr().out
    assert "  leads_lead.remarks: is not there\n" in said
    assert "Complete migrations/crm.py, then check it with 'python -m migrations adopt'" in said
    change(crm_py, 'notes="remarks"', 'notes="notes"')
    completed = crm_py.read_bytes()
    assert main(["adopt"]) == 0
    assert capsys.readouterr().out == (
        "leads_lead matches migrations/crm.py. Next: python -m migrations preview\n"
    )
    assert crm_py.read_bytes() == completed


@pytest.mark.parametrize(
    "edit",
    [
        ('    status="status",', '    status="stage",'),
        ('    touch="updated_at",\n', ""),
        ('    "leads",', '    "customers",'),
    ],
    ids=["a column", "a line less", "the table"],
)
def test_a_declaration_that_was_changed_is_not_overwritten(
    edit: tuple[str, str], crm_py: Path, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the edit, the file stays as it is, byte for byte."""
    build(database, "enums")
    change(crm_py, *edit)
    before = crm_py.read_bytes()
    assert main(["adopt", "leads"]) == 1
    assert "A released declaration is never edited" in " ".join(capsys.readouterr().err.split())
    assert crm_py.read_bytes() == before


@pytest.mark.parametrize("crm", REFUSED, ids=lambda crm: crm.name)
def test_what_no_declaration_can_mend_is_said(
    crm: Crm, crm_py: Path, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row-level security and a phone in several columns end with exit status 1."""
    build(database, crm.name)
    assert main(["adopt", crm.leads.table]) == 1
    expected = {
        "tenants": "lead: has row-level security, which hides rows from the role",
        "composite": "the phone lies in several columns",
    }
    assert expected[crm.name] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["adopt"], "No table seems to have a column of phones."),
        (["adopt", "sales.nobody"], "There is no table sales.nobody."),
    ],
)
def test_where_there_is_nothing_to_declare_nothing_is_written(
    arguments: list[str],
    said: str,
    crm_py: Path,
    database: URL,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It exits with status 1 and says what to run instead."""
    run(database, "CREATE TABLE users (id bigint PRIMARY KEY, name text)")
    before = crm_py.read_bytes()
    assert main(arguments) == 1
    assert said in capsys.readouterr().err
    assert crm_py.read_bytes() == before


def test_a_declaration_that_contradicts_itself_is_a_sentence(crm_py: Path) -> None:
    """It exits with status 1 and without a traceback."""
    change(crm_py, '    phone="phone",\n', "")
    told = migrations(crm_py.parents[1], "adopt")
    assert told.returncode == 1
    assert "phone: missing, but it says whose record this is" in told.stderr
    assert "Traceback" not in told.stderr


def untyped(value: object) -> Any:
    """Return a value of a type that is wrong there."""
    return value


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"new": {"org": 1}}, "new, org: expected SQL in quotes, found 1"),
        ({"touch": True}, "touch: expected a text in quotes, found True"),
        ({"email": ["email"]}, "email: expected a column's name in quotes, found ['email']"),
        (
            {"email": New(untyped(E164("email")))},
            "email: New takes a column's name, Values or Lookup",
        ),
        ({"city": Text("city", untyped("40"))}, "city: Expected `int`, got `str` - at `$.longest`"),
        ({"city": Text("city", -1)}, "city: Expected `int` >= 1 - at `$.longest`"),
        ({"agent": Lookup("agent", "users", by=())}, "agent: Expected `array` of length >= 1"),
        ({"status": Values("state", untyped("NEW"))}, "status: Expected `object`, got `str`"),
        ({"status": Values("state", {}, otherwise=untyped(2))}, "got `int` - at `$.otherwise`"),
        ({"full_name": ("name",)}, "full_name: names 1 columns, expected one or a pair"),
        ({"full_name": ("first", "middle", "last")}, "full_name: names 3 columns, expected one"),
        ({"xmin": "smallest"}, "xmin: is reserved for the importer"),
        ({"post code": "zip"}, "'post code': expected a field's name of letters, digits and _"),
    ],
)
def test_a_declaration_of_wrong_types_is_refused(wrong: dict[str, Any], told: str) -> None:
    """Python itself lets it pass, and three columns would get a name in disorder."""
    with pytest.raises(BadDeclaration, match=re.escape(told)):
        Leads("leads", phone="phone", **wrong)


def test_no_row_is_written_and_no_value_of_one_is_shown(
    crm_py: Path, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name is not guessed even if all rows have the same one."""
    run(
        database,
        "CREATE TABLE customers (id serial PRIMARY KEY, phone text, agent text NOT NULL)",
    )
    run(
        database,
        "INSERT INTO customers (phone, agent) "
        "SELECT '07700 90012' || n, 'Ann Invented' FROM generate_series(1, 3) AS n",
    )
    before = run(database, "SELECT xmin\\:\\:text, customers\\:\\:text FROM customers")
    main(["adopt"])
    told = capsys.readouterr()
    for shown_text in (told.out, told.err, crm_py.read_text(encoding="utf-8")):
        assert "Invented" not in shown_text
        assert "07700" not in shown_text
    assert run(database, "SELECT xmin\\:\\:text, customers\\:\\:text FROM customers") == before
    assert value(database, "SELECT count(*) FROM pg_class WHERE relname LIKE 'lead%'") == 0


def test_an_adopted_table_is_imported_into(database: URL, tmp_path: Path) -> None:
    """Adopt and deploy are enough."""
    build(database, "dates")
    project = copy_project(tmp_path)
    adopted = migrations(project, "adopt", url=database)
    assert adopted.returncode == 0, adopted.stderr
    upgraded = alembic(database, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    assert value(database, "SELECT count(*) FROM leads_lead") == len(records()) + 1


def test_a_declaration_with_imports_is_checked_and_not_rewritten(
    database: URL, tmp_path: Path
) -> None:
    """It is released, the bundled one too."""
    project = copy_project(tmp_path)
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    declaration = (project / "migrations" / "crm.py").read_text()
    told = migrations(project, "adopt", url=database)
    assert told.returncode == 0, told.stderr
    assert "leads matches migrations/crm.py" in told.stdout
    refused = migrations(project, "adopt", "leads", url=database)
    assert refused.returncode == 1
    assert "A released declaration is never edited" in refused.stderr
    assert (project / "migrations" / "crm.py").read_text() == declaration


def test_a_table_that_changed_since_an_import_needs_another_declaration(
    database: URL, tmp_path: Path
) -> None:
    """To complete the old one would be to edit it."""
    project = copy_project(tmp_path)
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    run(database, "ALTER TABLE leads RENAME full_name TO name")
    told = migrations(project, "adopt", url=database)
    assert told.returncode == 1
    assert "leads.full_name: is not there" in told.stdout
    assert "It has imported: write a new one below it in migrations/crm.py" in told.stdout


def adopted(url: URL, crm_py: Path, *statements: str) -> str:
    """Make a site, adopt its table, and return the declaration."""
    for statement in statements:
        run(url, statement)
    main(["adopt"])
    return crm_py.read_text(encoding="utf-8").partition("LEADS = ")[2]


def test_a_unique_column_without_a_default_is_a_question(crm_py: Path, database: URL) -> None:
    """A constant in it would fit one lead."""
    told = adopted(
        database,
        crm_py,
        "CREATE TABLE contacts (id text PRIMARY KEY, token text NOT NULL UNIQUE, "
        "extension bigint NOT NULL UNIQUE, seat numeric NOT NULL UNIQUE, phone text)",
        "INSERT INTO contacts VALUES ('a', 'b', 7, 8, '07700 900001')",
    )
    for column in ("id", "token", "extension", "seat"):
        assert f'"{column}": "…",  # CHECK' in told


def test_a_new_lead_is_active_and_not_blocked(crm_py: Path, database: URL) -> None:
    """Django has defaults in its code alone, and hides a lead that is not active."""
    told = adopted(
        database,
        crm_py,
        "CREATE TABLE contacts (id serial PRIMARY KEY, phone text, is_active boolean NOT NULL, "
        "is_blocked boolean NOT NULL)",
    )
    assert '"is_active": "true"' in told
    assert '"is_blocked": "false"' in told


def test_a_new_lead_is_active_if_the_table_lets_it_be_neither(crm_py: Path, database: URL) -> None:
    """Odoo has its defaults in its code alone, and shows no lead whose ``active`` is NULL."""
    build(database, "odoo")
    main(["adopt"])
    assert declared(crm_py).new["active"] == "true"


def test_what_is_enabled_for_a_lead_is_a_question(crm_py: Path, database: URL) -> None:
    """Nobody agrees to text messages by a guess."""
    table = "CREATE TABLE contacts (id serial PRIMARY KEY, phone text, sms_enabled bool NOT NULL)"
    question = '"sms_enabled": "…",  # CHECK: NOT NULL boolean, with which value?'
    assert question in adopted(database, crm_py, table)


def test_a_lead_that_nobody_has_called_deleted_is_one(crm_py: Path, database: URL) -> None:
    """NULL is not true."""
    told = adopted(
        database, crm_py, "CREATE TABLE contacts (id int PRIMARY KEY, phone text, deleted boolean)"
    )
    assert 'only="deleted IS NOT TRUE"' in told


@pytest.mark.parametrize(
    ("column", "only"),
    [
        ("deleted smallint NOT NULL DEFAULT 0", '"deleted <> 1"'),
        ("isdeleted boolean", '"isdeleted IS NOT TRUE"'),
        ("discarded_at timestamp", '"discarded_at IS NULL"'),
        ("_fivetran_deleted boolean", '"_fivetran_deleted IS NOT TRUE"'),
    ],
)
def test_the_bin_and_the_times_go_by_many_names(
    column: str, only: str, crm_py: Path, database: URL
) -> None:
    """Each framework has its own."""
    said = adopted(
        database,
        crm_py,
        "CREATE TABLE contacts (id serial PRIMARY KEY, phone text, date_entered timestamptz, "
        f"lastmodifieddate timestamptz, {column})",
    )
    assert f"only={only}" in said
    assert 'created_at="date_entered"' in said
    assert 'touch="lastmodifieddate"' in said


def test_an_email_goes_by_as_many_names_as_a_lead(crm_py: Path, database: URL) -> None:
    """Left out, it would be lost without a word."""
    said = adopted(
        database,
        crm_py,
        "CREATE TABLE contacts (id serial PRIMARY KEY, contact_name text, contact_phone text, "
        "contact_email text, address_street text)",
    )
    assert 'email="contact_email"' in said
    assert 'address1="address_street"' in said


def test_places_and_times_go_by_the_names_of_other_tools(crm_py: Path, database: URL) -> None:
    """As with Zoho, Mautic and Salesforce."""
    said = adopted(
        database,
        crm_py,
        'CREATE TABLE contacts (id serial PRIMARY KEY, phone text, "Created_Time" timestamptz, '
        '"Modified_Time" timestamptz, zipcode text, contact_address text, ownerid text)',
    )
    assert 'created_at="Created_Time"' in said
    assert 'touch="Modified_Time"' in said
    assert 'postal_code="zipcode"' in said
    assert 'address1="contact_address"' in said
    assert 'assigned_agent="ownerid"' in said


def test_a_column_that_the_server_computes_is_not_declared(crm_py: Path, database: URL) -> None:
    """The columns it is computed from are."""
    told = adopted(
        database,
        crm_py,
        "CREATE TABLE contacts (id bigserial PRIMARY KEY, phone text, first_name text NOT NULL, "
        "last_name text, full_name text GENERATED ALWAYS AS (first_name || last_name) STORED)",
    )
    assert 'full_name=("first_name", "last_name")' in told


@pytest.mark.parametrize("name", ["Id", "_id", "lead_id", "ad_user_id"])
def test_the_catalog_knows_the_primary_key(name: str, crm_py: Path, database: URL) -> None:
    """It may have any name, also one like an agent's."""
    told = adopted(
        database, crm_py, f'CREATE TABLE contacts ("{name}" bigserial PRIMARY KEY, phone text)'
    )
    assert f'id="{name}"' in told
    assert declared(crm_py).id == name


def test_the_fields_without_a_column_are_named(
    crm_py: Path, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table may have one by a name that nobody guesses."""
    adopted(
        database,
        crm_py,
        "CREATE TABLE contacts (id serial PRIMARY KEY, name text, phone text, email text, "
        "status text, address text, zip text, remarks_internal text, agent text, created date)",
    )
    said = capsys.readouterr().out
    assert "Not imported, because no column is named for it: lead_number, notes.\n" in said


def test_any_name_becomes_python(crm_py: Path, database: URL) -> None:
    """A quote in it does not end the text."""
    adopted(
        database,
        crm_py,
        'CREATE TABLE contacts (id bigserial PRIMARY KEY, phone text, "e""mail" text, '
        '"the ""x"" name" text NOT NULL, "имя" text, "_" text)',
    )
    compile(crm_py.read_text(encoding="utf-8"), "crm.py", "exec")


@pytest.mark.parametrize("name", ["auth.users", '"old.contacts"'], ids=["hidden", "with a dot"])
def test_a_table_that_cannot_be_looked_into_is_in_nobodys_way(
    name: str, crm_py: Path, database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Supabase's users have phones, in a schema of their own."""
    run(database, f"CREATE SCHEMA auth; CREATE TABLE {name} (id bigint PRIMARY KEY, phone text)")
    run(database, "CREATE TABLE contacts (id bigserial PRIMARY KEY, name text, phone text)")
    with another_role(database, *MAY_LOOK) as role:
        monkeypatch.setenv("DATABASE_URL", shown(role))
        main(["adopt"])
    assert declared(crm_py).table == "contacts"


def test_agents_in_a_hidden_schema_are_asked_for(
    crm_py: Path,
    database: URL,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The declaration is written, and the missing right is named."""
    run(database, "CREATE SCHEMA auth; CREATE TABLE auth.users (id bigint PRIMARY KEY, email text)")
    run(
        database,
        "CREATE TABLE contacts (id bigserial PRIMARY KEY, phone text, "
        "owner_id bigint REFERENCES auth.users)",
    )
    with another_role(database, *MAY_LOOK) as role:
        monkeypatch.setenv("DATABASE_URL", shown(role))
        assert main(["adopt"]) == 1
    assert "may not look into the schema auth (GRANT USAGE)" in capsys.readouterr().out
    assert "assigned_agent" in declared(crm_py).targets


def test_the_id_of_a_phone_is_no_phone(
    crm_py: Path, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """EspoCRM has phones in a table of their own, and foreign keys to none."""
    run(database, "CREATE TABLE phones (id bigserial PRIMARY KEY, phone_number_id varchar(17))")
    before = crm_py.read_bytes()
    assert main(["adopt"]) == 1
    told = "phones.phone_number_id: phones lie in a table of their own"
    assert told in capsys.readouterr().err
    assert crm_py.read_bytes() == before


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ("NULL, '07700 900001'", 'phone="mobile_no",\n'),
        ("'07700 900002', '07700 900001'", 'phone="phone",  # CHECK: or is it mobile_no?'),
        ("NULL, NULL", 'phone="phone",\n'),
    ],
    ids=["the other", "both", "none"],
)
def test_the_phone_is_in_the_column_that_has_some(
    there: str, told: str, crm_py: Path, database: URL
) -> None:
    """Known customers would come twice. If several have phones, it is a question."""
    rest = "phone text, mobile_no text, phone_type text"
    assert told in adopted(
        database,
        crm_py,
        f"CREATE TABLE contacts (id bigserial PRIMARY KEY, {rest})",
        f"INSERT INTO contacts (phone, mobile_no, phone_type) VALUES ({there}, 'private')",
    )


def test_a_phone_that_no_column_seems_to_have_is_a_question(crm_py: Path, database: URL) -> None:
    """It is marked."""
    run(database, "CREATE TABLE contacts (id bigserial PRIMARY KEY, number text)")
    main(["adopt", "contacts"])
    assert 'phone="…",  # CHECK: which column has the phone?' in crm_py.read_text(encoding="utf-8")


def test_what_a_lookup_goes_by_is_a_question(crm_py: Path, database: URL) -> None:
    """The other table has no column of a likely name."""
    told = adopted(
        database,
        crm_py,
        "CREATE TABLE staff (id bigint PRIMARY KEY, code text)",
        "CREATE TABLE contacts (id bigserial PRIMARY KEY, phone text, "
        "agent bigint REFERENCES staff)",
    )
    assert 'Lookup("agent", "staff", by="…"),  # CHECK: by which column?' in told


def test_a_type_and_a_reference_are_never_guessed_to_be_blank(crm_py: Path, database: URL) -> None:
    """No ORM reads a row without its type, and a blank refers to nothing."""
    told = adopted(
        database,
        crm_py,
        "CREATE TABLE regions (code text PRIMARY KEY)",
        "CREATE TABLE contacts (id bigserial PRIMARY KEY, phone text, dtype text NOT NULL, "
        '"Discriminator" text NOT NULL, discr text NOT NULL, '
        "lead_type text NOT NULL, region text NOT NULL REFERENCES regions, remark text NOT NULL)",
    )
    for column in ("dtype", "Discriminator", "discr", "lead_type", "region"):
        assert f'"{column}": "…",  # CHECK' in told
    assert '"remark": "\'\'",' in told


@pytest.mark.parametrize(
    ("column", "type_"),
    [("assigned_user_id", "varchar(36)"), ("assigned_user_id", "bigint"), ("assigned_to", "int")],
    ids=["SuiteCRM", "a number", "Fat Free CRM"],
)
def test_an_agents_id_without_a_foreign_key_is_a_question(
    column: str, type_: str, crm_py: Path, database: URL
) -> None:
    """Some have none at all, and a name would stand in place of an id."""
    told = adopted(
        database,
        crm_py,
        "CREATE TABLE contacts (id bigserial PRIMARY KEY, phone text, "
        f"modified_user_id {type_}, {column} {type_})",
    )
    question = "an id of which table, found by which column?"
    assert f'Lookup("{column}", "…", by="…"),  # CHECK: {question}' in told


def test_a_status_of_numbers_is_a_question(crm_py: Path, database: URL) -> None:
    """As in Rails. Left out, each new lead would have the default."""
    rest = "status integer NOT NULL DEFAULT 0"
    table = f"CREATE TABLE contacts (id bigserial PRIMARY KEY, phone text, {rest})"
    asked = 'Values("status", {}, otherwise="…"),  # CHECK: which word is which number?'
    assert asked in adopted(database, crm_py, table)


def test_a_status_in_a_table_of_its_own_is_looked_up(crm_py: Path, database: URL) -> None:
    """Left out, each new lead would have the default."""
    said = adopted(
        database,
        crm_py,
        "CREATE TABLE lead_statuses (id smallint PRIMARY KEY, label text)",
        "CREATE TABLE contacts (id bigserial PRIMARY KEY, phone text, "
        "status_id smallint DEFAULT 1 REFERENCES lead_statuses)",
    )
    assert 'status=Lookup("status_id", "lead_statuses", by="label"),' in said


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("people", "the role may not SELECT people"),
        ("auth.users", "may not look into the schema auth (GRANT USAGE)"),
    ],
)
def test_the_missing_right_on_a_named_table_is_named(
    table: str,
    told: str,
    database: URL,
    crm_py: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is written into the file."""
    run(database, f"CREATE SCHEMA auth; CREATE TABLE {table} (id bigint PRIMARY KEY, phone text)")
    before = crm_py.read_bytes()
    with another_role(database) as role:
        monkeypatch.setenv("DATABASE_URL", shown(role))
        assert main(["adopt", table]) == 1
    assert told in capsys.readouterr().err
    assert crm_py.read_bytes() == before


def test_a_wrong_guess_has_a_way_back(
    crm_py: Path, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """No import has used it, so it is not released."""
    adopted(
        database,
        crm_py,
        "CREATE TABLE leads_old (id bigserial PRIMARY KEY, phone text, name text, email text)",
        "CREATE TABLE people (id bigserial PRIMARY KEY, phone text, name text)",
    )
    assert main(["adopt", "people"]) == 1
    assert "git checkout -- migrations/crm.py" in " ".join(capsys.readouterr().err.split())


def test_other_tables_with_phones_are_named(
    crm_py: Path, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody knows for sure which one has the leads."""
    adopted(
        database,
        crm_py,
        "CREATE TABLE suppliers (id bigserial PRIMARY KEY, phone text, name text, email text)",
        "CREATE TABLE prospects (id bigserial PRIMARY KEY, phone text, name text)",
    )
    assert declared(crm_py).table == "suppliers"
    assert "There are phones in prospects too" in capsys.readouterr().out


def test_whoever_made_a_lead_is_not_its_agent(crm_py: Path, database: URL) -> None:
    """Whichever column comes first, an import would put the agent in the other one's place."""
    told = adopted(
        database,
        crm_py,
        "CREATE TABLE users (id serial PRIMARY KEY, username text)",
        "CREATE TABLE contacts (id serial PRIMARY KEY, phone text, "
        "created_by_user_id int REFERENCES users, assigned_to_user_id int REFERENCES users)",
    )
    assert 'assigned_agent=Lookup("assigned_to_user_id", "users"' in told


def test_json_that_holds_lists_begins_as_one(crm_py: Path, database: URL) -> None:
    """Django and Doctrine have the default in their code alone, and add to a list."""
    told = adopted(
        database,
        crm_py,
        "CREATE TABLE contacts (id serial PRIMARY KEY, phone text, tags jsonb NOT NULL, "
        "extra jsonb NOT NULL, mixed json NOT NULL)",
        """INSERT INTO contacts (tags, extra, mixed) VALUES ('[]', '{}', '[]'), """
        """('["solar"]', '{"a"\\: 1}', '{}')""",
    )
    assert '"tags": "\'[]\'"' in told
    assert '"extra": "\'{}\'"' in told
    assert '"mixed": "\'{}\'"' in told


def test_a_tools_own_columns_get_no_field(crm_py: Path, database: URL) -> None:
    """Frappe keeps JSON in ``_comments``, and cannot read a note there."""
    rest = "phone text, _comments text, _modified timestamp"
    adopted(database, crm_py, f"CREATE TABLE contacts (id serial PRIMARY KEY, {rest})")
    assert declared(crm_py).columns == ("id", "phone")


def test_a_house_number_is_no_leads_number(crm_py: Path, database: URL) -> None:
    """A new lead would live in house MS001."""
    rest = "phone text, street text, number text"
    adopted(database, crm_py, f"CREATE TABLE contacts (id serial PRIMARY KEY, {rest})")
    assert "lead_number" not in declared(crm_py).targets


def test_what_a_lead_has_agreed_to_is_a_question(crm_py: Path, database: URL) -> None:
    """The leads that are there may have ticked a box that nobody has shown to the new ones."""
    told = adopted(
        database,
        crm_py,
        'CREATE TABLE contacts (id serial PRIMARY KEY, phone text, "marketingOptIn" bool NOT NULL, '
        "gdpr_consent_at timestamptz NOT NULL, phone_verified boolean NOT NULL)",
        "INSERT INTO contacts VALUES (1, '07700 900001', true, now(), true)",
    )
    for column in ("marketingOptIn", "gdpr_consent_at", "phone_verified"):
        assert f'"{column}": "…",  # CHECK: NOT NULL' in told


def test_a_name_in_two_columns_is_as_likely_a_leads(crm_py: Path, database: URL) -> None:
    """The people are the leads, not the companies beside them."""
    adopted(
        database,
        crm_py,
        "CREATE TABLE companies (id serial PRIMARY KEY, name text, phone text, email text)",
        "CREATE TABLE contacts (id serial PRIMARY KEY, first_name text, last_name text, "
        "phone text, email text, notes text)",
    )
    assert declared(crm_py).table == "contacts"

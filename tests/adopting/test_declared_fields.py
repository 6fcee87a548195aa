"""Further fields and columns of every type are written, compared or refused."""

import subprocess
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL

from migrations.__main__ import main
from migrations.importer.declaration import (
    Boolean,
    Date,
    Integer,
    Leads,
    Lookup,
    New,
    Numeric,
    Text,
    Timestamp,
    Values,
)
from migrations.importer.record import in_two
from migrations.importer.sql import LEDGER_TABLES
from tests.adopting.crms import build
from tests.support.bundled import BEFORE_IMPORT, IMPORT, ROOT
from tests.support.database import run, shown, value
from tests.support.declarations import record, use
from tests.support.exports import bundle
from tests.support.servers import tool
from tests.support.upgrades import downgrade, upgrade

OWNERS = Leads(
    "leads_lead",
    lead_number=New("lead_number"),
    full_name="full_name",
    phone="phone",
    email="email",
    status="status",
    address1="address1",
    address2="address2",
    city=Text("city", 100),
    postal_code="postal_code",
    notes="notes",
    energy_bill_amount=Numeric("energy_bill_amount"),
    has_ev_charger=Boolean("has_ev_charger"),
    day_night_rate="day_night_rate",
    has_previous_quotes=Boolean("has_previous_quotes"),
    previous_quotes_details="previous_quotes_details",
    appointment_date=Timestamp("appointment_date"),
    assigned_agent=Lookup(
        "assigned_agent_id",
        "accounts_user",
        by=("username", "first_name"),
        names={"Shan": "sianf"},
        otherwise="tomq",
    ),
    created_at="created_at",
    touch="updated_at",
    new={"is_deleted": "false"},
    only="NOT is_deleted",
)

TYPES = """
CREATE TYPE stage AS ENUM ('open', 'won');
CREATE DOMAIN short AS varchar(8) CHECK (VALUE <> 'forbidden');
CREATE TABLE prospects (
    code uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    phone varchar(20) NOT NULL,
    name char(12),
    stage stage,
    nick short,
    visits integer,
    budget numeric(6, 2),
    is_vip boolean,
    born date,
    met timestamp,
    seen timestamptz,
    weight double precision
)
"""
PROSPECTS = Leads(
    "prospects",
    id="code",
    phone="phone",
    full_name="name",
    status="stage",
    nick="nick",
    visits=Integer("visits"),
    budget=Numeric("budget"),
    is_vip=Boolean("is_vip"),
    born=Date("born"),
    met=Timestamp("met"),
    seen=Timestamp("seen"),
    weight=Numeric("weight"),
)


def test_each_field_goes_where_the_crm_wants_it(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Alias, name or first name finds an agent, a lead in the bin is none, and numbers stay."""
    build(database, "owner")
    use(OWNERS, database, monkeypatch)
    run(database, "UPDATE leads_lead SET phone = '07700 900101' WHERE lead_number = 'ME001'")
    run(database, "UPDATE leads_lead SET phone = '+447700900103' WHERE lead_number = 'ME003'")
    common: dict[str, Any] = {
        "status": "qualified",
        "address1": "1 Invented Way",
        "postal_code": "ZZ99 1AA",
    }
    export = [
        record(
            101,
            OWNERS,
            **common,
            lead_number="MX900",
            full_name="Ann Invented",
            energy_bill_amount=120.5,
            has_ev_charger=True,
            assigned_agent="Shan",
            appointment_date="2025-10-01T09:30:00+01:00",
        ),
        record(102, OWNERS, **common, full_name="Bo Exämple", assigned_agent="nobody here"),
        record(
            103, OWNERS, **common, lead_number="ME103", full_name="Cy Sample", assigned_agent="tom"
        ),
    ]
    bundle(export, monkeypatch, tmp_path, leads=OWNERS)
    upgrade(database)
    found = run(
        database,
        "SELECT lead_number, phone, energy_bill_amount::text AS bill, has_ev_charger AS ev, "
        "username, appointment_date AT TIME ZONE 'UTC' AS at FROM leads_lead "
        "JOIN accounts_user AS u ON u.id = assigned_agent_id WHERE NOT is_deleted "
        "AND phone LIKE '07700 90010%' ORDER BY phone",
    )
    assert [(lead.lead_number, lead.bill, lead.ev, lead.username) for lead in found] == [
        ("ME001", "120.50", True, "sianf"),
        (None, None, None, "tomq"),
        ("ME103", None, None, "tomq"),
    ]
    assert str(found[0].at) == "2025-10-01 08:30:00"
    asked = "SELECT full_name, is_deleted FROM leads_lead WHERE lead_number = 'ME003'"
    assert tuple(run(database, asked)[0]) == ("Cy Invented", True), "the one in the bin"
    assert main(["verify", "--strict"]) == 0


def test_every_type_is_written_compared_and_restored(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A second import writes nothing, and a revert restores every value."""
    run(database, TYPES)
    use(PROSPECTS, database, monkeypatch)
    run(
        database,
        "INSERT INTO prospects VALUES (gen_random_uuid(), '07700900001', 'Old', 'open', 'o', 1, "
        "1.5, false, '1990-01-01', '2020-01-01', '2020-01-01 00\\:00+00', 'NaN')",
    )
    values = {
        "full_name": "Ann",
        "status": "won",
        "nick": "ann",
        "visits": 3,
        "budget": 12.345,
        "is_vip": True,
        "born": "1999-12-31",
        "met": "2025-06-01T12:00:00+02:00",
        "seen": "2025-06-01T12:00:00+02:00",
        "weight": 0.1,
    }
    bundle(
        [record(1, PROSPECTS, **values), record(2, PROSPECTS, **values), record(3, PROSPECTS)],
        *(monkeypatch, tmp_path),
        leads=PROSPECTS,
    )
    upgrade(database)
    told = (
        "SELECT stage, nick, visits, budget::text, is_vip, born::text, met::text, "
        "seen AT TIME ZONE 'UTC', weight FROM prospects ORDER BY lead_phone_key_v1(phone)"
    )
    first, second, third = (list(map(str, row)) for row in run(database, told))
    assert first == second
    assert first == [
        *("won", "ann", "3", "12.35", "True", "1999-12-31", "2025-06-01 10:00:00"),
        *("2025-06-01 10:00:00", "0.1"),
    ]
    assert set(third) == {"None"}
    written = "SELECT xmin::text, p::text FROM prospects AS p ORDER BY 2"
    after = run(database, written)
    run(database, "TRUNCATE lead_imports, lead_before_images CASCADE")
    run(database, f"UPDATE alembic_version SET version_num = '{BEFORE_IMPORT}'")
    upgrade(database)
    assert run(database, written) == after


def test_old_values_of_every_type_come_back(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """NaN, infinity and NULL come back too."""
    run(database, TYPES)
    use(PROSPECTS, database, monkeypatch)
    run(
        database,
        "INSERT INTO prospects (phone, name, stage, born, met, seen, weight, budget) VALUES "
        "('07700900001', 'Old', 'open', 'infinity', '-infinity', "
        "'2020-01-01 10\\:00\\:00.123456+00', 'NaN', NULL)",
    )
    before = run(database, "SELECT p::text FROM prospects AS p")
    changed = {"born": "1999-12-31", "met": "2025-06-01T12:00:00Z", "weight": 1, "budget": 3}
    bundle(
        [record(1, PROSPECTS, status="won", seen="2025-06-01T12:00:00Z", **changed)],
        *(monkeypatch, tmp_path),
        leads=PROSPECTS,
    )
    upgrade(database)
    assert run(database, "SELECT p::text FROM prospects AS p") != before
    downgrade(database)
    assert run(database, "SELECT p::text FROM prospects AS p") == before


def test_values_that_do_not_fit_are_listed_before_the_first_write(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All of them are listed by record and field, without a value."""
    run(database, TYPES)
    use(PROSPECTS, database, monkeypatch)
    bundle(
        [
            record(1, PROSPECTS, status="lost"),
            record(2, PROSPECTS, budget=123456.7),
            record(3, PROSPECTS, born="2026-02-30"),
            record(4, PROSPECTS),
            record(5, PROSPECTS, nick="forbidden", visits=2**40),
            record(6, PROSPECTS, met="2026-13-01T00:00:00Z", full_name="Somebody Too Long"),
        ],
        *(monkeypatch, tmp_path),
        leads=PROSPECTS,
    )
    with pytest.raises(CommandError) as refused:
        upgrade(database)
    lines = str(refused.value).splitlines()
    assert [line.strip().partition(":")[0] for line in lines[1:-1]] == [
        "record 1, status",
        "record 2, budget",
        "record 3, born",
        "record 5, nick",
        "record 5, visits",
        "record 6, full_name",
        "record 6, met",
    ]
    assert "forbidden" not in str(refused.value)
    assert value(database, "SELECT count(*) FROM prospects") == 0
    assert value(database, "SELECT count(*) FROM lead_imports") == 0


def test_a_preview_lists_values_that_do_not_fit(
    database: URL,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It only reads, and finds them as an upgrade does."""
    run(database, TYPES)
    use(PROSPECTS, database, monkeypatch)
    records = [record(1, PROSPECTS), record(2, PROSPECTS, budget=123456.7)]
    bundle(records, monkeypatch, tmp_path, leads=PROSPECTS)
    assert main(["preview"]) == 1
    assert "record 2, budget: does not fit budget (numeric(6,2))" in capsys.readouterr().err


def test_records_that_do_not_fit_are_set_aside_if_the_policy_says_so(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The ledger has them by position, field and reason."""
    run(database, TYPES)
    use(PROSPECTS, database, monkeypatch)
    bundle(
        [record(1, PROSPECTS, status="lost"), record(2, PROSPECTS, status="won")],
        *(monkeypatch, tmp_path),
        leads=PROSPECTS,
        rejected="set aside",
    )
    upgrade(database)
    assert value(database, "SELECT count(*) FROM prospects") == 1
    assert run(database, "SELECT record, field FROM lead_import_rejects") == [(0, "status")]


@pytest.mark.parametrize("blanks", ["keep", "clear"])
def test_a_blank_is_null_where_the_column_allows_it(
    blanks: str, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """New leads, cleared leads and the comparison treat it alike."""
    build(database, "owner")
    use(OWNERS, database, monkeypatch)
    run(
        database,
        "UPDATE leads_lead SET phone = '07700 900001', email = 'a@example.com' WHERE id = 1",
    )
    run(database, "UPDATE leads_lead SET email = '' WHERE id = 2")
    export = [
        record(1, OWNERS, status="cold_call", full_name="Ann Invented", postal_code="ZZ99 1AA"),
        record(998, OWNERS, status="cold_call", full_name="Bob Invented", postal_code="ZZ99 1AB"),
        record(3, OWNERS, status="new"),
    ]
    bundle(export, monkeypatch, tmp_path, leads=OWNERS, blanks=blanks)
    upgrade(database)
    emails = run(database, "SELECT email FROM leads_lead WHERE NOT is_deleted ORDER BY id")
    kept = "a@example.com" if blanks == "keep" else None
    assert [email for (email,) in emails] == [kept, "", None]
    assert value(database, "SELECT full_name FROM leads_lead WHERE phone = '07700 900003'") == ""
    assert value(database, "SELECT updated FROM lead_imports") == (0 if blanks == "keep" else 1)


@pytest.mark.parametrize("phone", ["07700 900001", "07700 900002"], ids=["known", "new"])
def test_a_blank_that_clears_nothing_leaves_what_an_earlier_record_has_given(
    phone: str, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A column without room for a blank holds what it would if they came one by one."""
    status = Values("status", {"booked": "won"}, otherwise="open")
    leads = Leads("leads", phone="phone", email="email", status=status)
    run(database, "CREATE TABLE leads (id serial PRIMARY KEY, phone text, email text, status text)")
    run(database, "ALTER TABLE leads ALTER status SET NOT NULL")
    run(database, "INSERT INTO leads (phone, status) VALUES ('07700 900001', 'own')")
    use(leads, database, monkeypatch)
    given = {"phone": phone, "email": "a@example.com", "status": "booked"}
    export = [record(1, leads, **given), record(2, leads, phone=phone)]
    bundle(export, monkeypatch, tmp_path, leads=leads, blanks="clear")
    upgrade(database)
    asked = "SELECT status, email FROM leads ORDER BY id DESC LIMIT 1"
    assert run(database, asked) == [("won", None)]
    assert main(["verify", "--strict"]) == 0


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("", ("", "")),
        ("Ann", ("Ann", "")),
        (" Mary Ann\tNew ", ("Mary Ann", "New")),
        ("Mary\N{NO-BREAK SPACE}New", ("Mary", "New")),
    ],
)
def test_the_last_of_several_words_is_the_last_name(name: str, parts: tuple[str, str]) -> None:
    """Whatever white space lies between them."""
    first, last = in_two([name])
    assert (*first, *last) == parts


@pytest.mark.parametrize("type_", ["text", "varchar(20)", "char(20)", "citext"])
@pytest.mark.parametrize("converted", ["text", "integer"])
def test_a_phone_s_last_record_takes_the_name_of_an_earlier_one(
    type_: str, converted: str, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both of its parts, into columns of any text, and the same import again changes nothing."""
    if type_ == "citext":
        run(database, "CREATE EXTENSION IF NOT EXISTS citext")
    run(
        database,
        f"CREATE TABLE people (id serial PRIMARY KEY, first {type_}, last {type_}, phone text, "
        f"age {converted})",
    )
    people = Leads("people", full_name=("first", "last"), phone="phone", age=Integer("age"))
    use(people, database, monkeypatch)
    run(database, "INSERT INTO people (first, last, phone) VALUES ('Ann', 'Old', '07700900002')")
    export = [
        record(1, people, full_name="Mary Ann New", age=30),
        record(1, people, age=31),
        record(2, people, full_name="Ann New"),
    ]
    bundle(export, monkeypatch, tmp_path, leads=people)
    upgrade(database)
    found = [
        ("Ann", "New", None),
        ("Mary Ann", "New", 31 if converted == "integer" else "31"),
    ]
    asked = "SELECT CAST(first AS text), CAST(last AS text), age FROM people ORDER BY id"
    assert run(database, asked) == found
    assert main(["verify", "--strict"]) == 0
    run(database, f"TRUNCATE {', '.join(LEDGER_TABLES)}")
    run(database, f"UPDATE alembic_version SET version_num = '{BEFORE_IMPORT}'")
    upgrade(database)
    assert run(database, "SELECT created, updated FROM lead_imports") == [(0, 0)]
    assert run(database, asked) == found


def test_a_name_that_is_divided_otherwise_is_the_same_name(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Mary Jane Watson is not divided into Mary Jane and Watson, whatever else changes."""
    run(
        database,
        "CREATE TABLE people (id serial PRIMARY KEY, first text NOT NULL, last text NOT NULL, "
        "phone text, status text)",
    )
    people = Leads("people", full_name=("first", "last"), phone="phone", status="status")
    use(people, database, monkeypatch)
    run(
        database,
        "INSERT INTO people (first, last, phone) VALUES ('Mary', 'Jane Watson', '07700900001'), "
        "('Ann', 'Old', '07700900002')",
    )
    export = [
        record(1, people, full_name="Mary Jane Watson", status="new"),
        record(2, people, full_name="Ann"),
        record(3, people, full_name="Mary Ann New"),
    ]
    bundle(export, monkeypatch, tmp_path, leads=people)
    upgrade(database)
    assert run(database, "SELECT first, last, status FROM people ORDER BY id") == [
        ("Mary", "Jane Watson", "new"),
        ("Ann", "", None),
        ("Mary Ann", "New", None),
    ]
    assert main(["verify", "--strict"]) == 0
    downgrade(database)
    assert run(database, "SELECT first, last, status FROM people ORDER BY id LIMIT 2") == [
        ("Mary", "Jane Watson", None),
        ("Ann", "Old", None),
    ]


def test_the_two_columns_of_a_name_may_have_other_collations(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beside each other they would have none to compare by."""
    run(
        database,
        'CREATE TABLE people (id serial PRIMARY KEY, first text COLLATE "C", '
        'last text COLLATE "POSIX", phone text)',
    )
    people = Leads("people", full_name=("first", "last"), phone="phone")
    use(people, database, monkeypatch)
    run(database, "INSERT INTO people (first, last, phone) VALUES ('Ann', 'Old', '07700900001')")
    bundle([record(1, people, full_name="Ann New")], monkeypatch, tmp_path, leads=people)
    upgrade(database)
    assert run(database, "SELECT first, last FROM people") == [("Ann", "New")]
    assert main(["verify", "--strict"]) == 0


def test_texts_are_compared_by_their_bytes(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A collation that ignores case hides no change."""
    run(database, "CREATE EXTENSION citext")
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, name citext, phone text)")
    people = Leads("people", full_name="name", phone="phone")
    use(people, database, monkeypatch)
    run(database, "INSERT INTO people (name, phone) VALUES ('ANN', '07700900001')")
    bundle([record(1, people, full_name="Ann")], monkeypatch, tmp_path, leads=people)
    upgrade(database)
    assert value(database, "SELECT name::text FROM people") == "Ann"


def test_a_number_written_otherwise_is_nobodys_edit(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A numeric keeps its zeros, and the import leaves the lead alone."""
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, bill numeric)")
    people = Leads("people", phone="phone", bill=Numeric("bill"))
    use(people, database, monkeypatch)
    run(database, "INSERT INTO people (phone, bill) VALUES ('07700 900001', 12.50)")
    bundle([record(1, people, bill=12.5)], monkeypatch, tmp_path, leads=people)
    upgrade(database)
    assert value(database, "SELECT unchanged FROM lead_imports") == 1
    assert main(["verify", "--strict"]) == 0


def test_what_does_not_fit_is_not_called_blank(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its column must have a value, and has none only because of that."""
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, age integer NOT NULL)")
    people = Leads("people", phone="phone", age="age")
    use(people, database, monkeypatch)
    records = [record(1, people, age="old"), record(2, people, age="")]
    bundle(records, monkeypatch, tmp_path, leads=people)
    with pytest.raises(CommandError) as refused:
        upgrade(database)
    assert [line.strip() for line in str(refused.value).splitlines()[1:-1]] == [
        "record 1, age: does not fit age (integer)",
        "record 2, age: is blank, and people.age must have a value",
    ]


@pytest.mark.parametrize("blanks", ["keep", "clear"])
def test_what_only_new_leads_get_is_of_the_first_record_of_a_phone(
    blanks: str, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One by one, the second record would have found the lead."""
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, no text, stage text)")
    stage = New(Values("stage", {"new": "OPEN", "won": "WON"}))
    people = Leads("people", phone="phone", lead_number=New("no"), status=stage)
    use(people, database, monkeypatch)
    export = [
        record(1, people, lead_number="L1", status="new"),
        record(1, people, lead_number="L2", status="won"),
    ]
    bundle(export, monkeypatch, tmp_path, leads=people, blanks=blanks)
    upgrade(database)
    assert run(database, "SELECT no, stage FROM people") == [("L1", "OPEN")]
    assert main(["verify", "--strict"]) == 0


def test_an_id_that_the_table_does_not_take_is_listed(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A lookup finds an id in one table, but the foreign key refers to another."""
    run(database, "CREATE TABLE users (id bigint PRIMARY KEY, name text)")
    run(database, "CREATE TABLE agents (id bigint PRIMARY KEY REFERENCES users)")
    run(
        database,
        "CREATE TABLE people (id serial PRIMARY KEY, phone text, agent bigint REFERENCES agents)",
    )
    run(database, "INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')")
    run(database, "INSERT INTO agents VALUES (1)")
    people = Leads("people", phone="phone", assigned_agent=Lookup("agent", "users", by="name"))
    use(people, database, monkeypatch)
    agents = ["Ann", "Bob"]
    records = [record(n, people, assigned_agent=agent) for n, agent in enumerate(agents, start=1)]
    bundle(records, monkeypatch, tmp_path, leads=people)
    with pytest.raises(CommandError) as refused:
        upgrade(database)
    assert "record 2, assigned_agent: refers to no row of agents" in str(refused.value)
    assert "record 1" not in str(refused.value)
    assert value(database, "SELECT count(*) FROM people") == 0


def test_a_declaration_is_refused_with_all_that_is_wrong(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is named before anything is made."""
    build(database, "enums")
    wrong = Leads(
        "leads",
        full_name="nome",
        phone="phone",
        status=Values("status", {"new": "NOVO"}),
        assigned_agent=Lookup("assigned_to_id", "users", by="login"),
        notes="notes",
        new={"source": "'PHONE'"},
        only="NOT gone",
    )
    use(wrong, database, monkeypatch)
    with pytest.raises(CommandError) as refused:
        upgrade(database, IMPORT)
    told = str(refused.value)
    for fault in (
        "only='NOT gone': column \"gone\" does not exist",
        "new={'source': \"'PHONE'\"}: invalid input value for enum leadsource",
        "leads.nome: is not there",
        "leads.name: is NOT NULL without a default",
        "leads.status: leadstatus has no value 'NOVO'",
        "assigned_agent: users.login is not there",
    ):
        assert fault in told
    assert value(database, "SELECT to_regclass('lead_imports')") is None


def test_a_word_of_values_that_is_no_number_is_named(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last batch may be the first to need it."""
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, stage smallint)")
    people = Leads("people", phone="phone", status=Values("stage", {"new": "1"}, otherwise="open"))
    use(people, database, monkeypatch)
    with pytest.raises(CommandError, match="smallint has no value 'open'"):
        upgrade(database)
    assert value(database, "SELECT to_regclass('lead_imports')") is None


def test_sql_that_does_not_parse_is_named(database: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's message is about the declaration, not about a person."""
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, kind text NOT NULL)")
    wrong = Leads("people", phone="phone", new={"kind": "oops("}, only="NOT there")
    use(wrong, database, monkeypatch)
    with pytest.raises(CommandError) as refused:
        upgrade(database, IMPORT)
    assert "only='NOT there': column \"there\" does not exist" in str(refused.value)
    assert "new={'kind': 'oops('}: syntax error" in str(refused.value)


def test_a_name_for_the_table_in_only_is_named(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import's own statements know the table by several names."""
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, gone bool)")
    use(Leads("people", phone="phone", only="NOT l.gone"), database, monkeypatch)
    with pytest.raises(CommandError, match=r"only='NOT l.gone': missing FROM-clause"):
        upgrade(database, IMPORT)


@pytest.mark.parametrize("options", [[], ["dry-run"]], ids=["preview", "dry run"])
def test_a_wrong_only_is_named_by_a_look_too(
    options: list[str],
    database: URL,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Leads are counted before anything else."""
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text)")
    use(Leads("people", phone="phone", only="deletd IS NULL"), database, monkeypatch)
    told = "only='deletd IS NULL': column \"deletd\" does not exist"
    if options:
        with pytest.raises(CommandError, match=told):
            upgrade(database, IMPORT, *options)
    else:
        assert main(["preview"]) == 1
        assert told in capsys.readouterr().err


def test_a_query_without_brackets_is_named(database: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import writes it as it stands."""
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, kind text NOT NULL)")
    use(Leads("people", phone="phone", new={"kind": "SELECT 'lead'"}), database, monkeypatch)
    with pytest.raises(CommandError, match=r'new=\{.*: syntax error at or near "SELECT"'):
        upgrade(database, IMPORT)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("0", "is of type boolean but"),
        ("bool_or(true)", "aggregate"),
        ("each_of()", "set-returning"),
    ],
)
def test_what_only_a_cast_takes_is_named(
    sql: str, told: str, database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first INSERT would stop, after updates before it are saved."""
    run(
        database,
        "CREATE FUNCTION each_of() RETURNS SETOF bool LANGUAGE sql AS 'VALUES (true), (false)'",
    )
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, is_gone bool)")
    use(Leads("people", phone="phone", new={"is_gone": sql}), database, monkeypatch)
    with pytest.raises(CommandError, match=rf"new=\{{.*: .*{told}"):
        upgrade(database, IMPORT)


def test_a_citext_is_judged_as_one(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another's e-mail in capitals is taken, before the first write."""
    run(database, "CREATE EXTENSION citext")
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, email citext UNIQUE)")
    run(database, "INSERT INTO people (phone, email) VALUES ('07700900001', 'ada@example.org')")
    people = Leads("people", phone="phone", email="email")
    use(people, database, monkeypatch)
    bundle([record(2, people, email="Ada@example.org")], monkeypatch, tmp_path, leads=people)
    with pytest.raises(CommandError, match="record 1, email: "):
        upgrade(database)
    assert value(database, "SELECT count(*) FROM lead_imports") == 0


def test_an_index_of_a_type_without_an_equality_refuses_nobody(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two points cannot be compared, and need not be."""
    run(
        database,
        "CREATE TABLE people (id serial PRIMARY KEY, phone text, lng numeric, lat numeric)",
    )
    run(database, "CREATE INDEX ON people USING gist (point(lng, lat))")
    people = Leads("people", phone="phone", lng=Numeric("lng"), lat=Numeric("lat"))
    use(people, database, monkeypatch)
    bundle([record(1, people, lng=1.5, lat=51)], monkeypatch, tmp_path, leads=people)
    upgrade(database)
    assert value(database, "SELECT lat FROM people") == 51


def import_by_script(url: URL, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let psql run the import as a script."""
    script = folder / "import.sql"
    with script.open("w", encoding="utf-8") as output, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", shown(url))
        config = Config(ROOT / "alembic.ini", output_buffer=output, cmd_opts=Namespace(x=[]))
        command.upgrade(config, f"{BEFORE_IMPORT}:{IMPORT}", sql=True)
    psql = [tool("psql", url), "-qXv", "ON_ERROR_STOP=1", "-f", str(script), shown(url)]
    return subprocess.run(psql, check=False, capture_output=True, text=True, timeout=60)


def test_a_script_stops_at_a_record_that_does_not_fit(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As an upgrade does: nothing of it is written."""
    run(database, "CREATE TABLE people (id serial PRIMARY KEY, phone text, age integer)")
    people = Leads("people", phone="phone", age="age")
    use(people, database, monkeypatch)
    upgrade(database, BEFORE_IMPORT)
    bundle([record(1, people, age="old")], monkeypatch, tmp_path, leads=people)
    done = import_by_script(database, tmp_path)
    assert done.returncode != 0
    assert "record 1, age: does not fit age (integer)" in done.stderr
    assert value(database, "SELECT count(*) FROM people") == 0


def test_a_script_writes_what_an_upgrade_writes_whatever_the_database_is_set_to(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A day begins in UTC, and an old number, which is kept as text, comes back with all digits."""
    people = Leads("people", phone="phone", met=Date("met"), weight=Numeric("weight"))
    use(people, database, monkeypatch)
    columns = "id serial PRIMARY KEY, phone text, met timestamptz, weight double precision"
    run(database, f"CREATE TABLE people ({columns})")
    run(database, "INSERT INTO people (phone, weight) VALUES ('07700 900001', 1 / 3.0)")
    upgrade(database, BEFORE_IMPORT)
    for setting in ("TimeZone = 'America/New_York'", "extra_float_digits = -3"):
        run(database, f'ALTER DATABASE "{database.database}" SET {setting}')
    days = record(1, people, met="2025-06-01", weight=2)
    bundle([days], monkeypatch, tmp_path, leads=people)
    done = import_by_script(database, tmp_path)
    assert done.returncode == 0, done.stderr
    told = "SELECT to_char(met AT TIME ZONE 'UTC', 'HH24:MI'), weight FROM people"
    assert run(database, told) == [("00:00", 2)]
    downgrade(database)
    assert run(database, "SELECT met, weight = 1 / 3.0 FROM people") == [(None, True)]


DOMAINS = """
CREATE TYPE mood AS ENUM ('calm', 'keen');
CREATE DOMAIN phone AS varchar(20) NOT NULL CHECK (VALUE ~ '[0-9]');
CREATE DOMAIN word AS text CHECK (VALUE !~ '[0-9]');
CREATE DOMAIN named AS word NOT NULL;
CREATE DOMAIN mood_now AS mood NOT NULL;
CREATE DOMAIN visits AS integer CHECK (VALUE >= 0);
CREATE DOMAIN moment AS timestamptz NOT NULL CHECK (VALUE > '2001-01-01');
CREATE TABLE guests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone phone,
    name named,
    mood mood_now DEFAULT 'calm',
    visits visits,
    since moment
)
"""
GUESTS = Leads(
    "guests",
    phone="phone",
    full_name="name",
    status=Values("mood", {"hot": "keen"}, otherwise="calm"),
    visits=Integer("visits"),
    created_at="since",
)


def test_a_domain_takes_what_its_type_takes(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A blank keeps what is there or becomes the new lead's, though the domain is NOT NULL."""
    run(database, DOMAINS)
    use(GUESTS, database, monkeypatch)
    run(
        database,
        "INSERT INTO guests (phone, name, mood, visits, since) "
        "VALUES ('07700900001', 'Ann', 'keen', 1, '2020-01-01')",
    )
    before = run(database, "SELECT * FROM guests")
    export = [
        record(1, GUESTS, visits=3),
        record(2, GUESTS, full_name="Bob", status="hot", visits=2),
        record(3, GUESTS),
    ]
    bundle(export, monkeypatch, tmp_path, leads=GUESTS)
    upgrade(database)
    assert run(database, "SELECT name, mood, visits FROM guests ORDER BY id") == [
        ("Ann", "keen", 3),
        ("Bob", "keen", 2),
        ("", "calm", None),
    ]
    downgrade(database)
    assert run(database, "SELECT * FROM guests WHERE id = 1") == before


def test_what_a_domain_forbids_is_listed_before_the_first_write(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By record and field, a new lead's blank too."""
    run(database, DOMAINS + "; ALTER DOMAIN named ADD CHECK (VALUE <> '')")
    use(GUESTS, database, monkeypatch)
    run(
        database,
        "INSERT INTO guests (phone, name, since) VALUES ('07700900001', 'Ann', '2020-01-01')",
    )
    export = [
        record(1, GUESTS),
        record(2, GUESTS, full_name="Bob the 2nd", visits=-1),
        record(3, GUESTS),
        record(4, GUESTS, full_name="Dan", created_at="1999-09-16T14:15:00+00:00"),
    ]
    bundle(export, monkeypatch, tmp_path, leads=GUESTS)
    with pytest.raises(CommandError) as refused:
        upgrade(database)
    assert [line.strip() for line in str(refused.value).splitlines()[1:-1]] == [
        "record 2, full_name: does not fit name (named)",
        "record 2, visits: does not fit visits (visits)",
        "record 3, full_name: does not fit name (named)",
        "record 4, created_at: does not fit since (moment)",
    ]
    assert value(database, "SELECT count(*) FROM guests") == 1


GUEST_BOOK = """
CREATE TABLE guests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone varchar(20),
    first_name varchar(100),
    last_name varchar(100),
    stage varchar(20),
    bill numeric(10, 2),
    score numeric(6, 0),
    met date
)
"""


def guests(**more: Any) -> Leads:
    """Declare a guest book with these fields."""
    return Leads("guests", phone="phone", **more)


NAMED = {
    "full_name": ("first_name", "last_name"),
    "status": Values("stage", {"hot": "WON"}, otherwise="OPEN"),
}


@pytest.mark.parametrize("more", [{}, {"score": Integer("score")}], ids=["derived", "converted"])
def test_a_repeats_blank_keeps_what_the_earlier_record_has(
    more: dict[str, Any], database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Names and mapped values too, whatever stands beside them."""
    run(database, GUEST_BOOK)
    leads = guests(**NAMED, **more)
    use(leads, database, monkeypatch)
    first = record(1, leads, full_name="Ann Bo", status="hot")
    bundle([first, record(2, leads, phone=first["phone"])], monkeypatch, tmp_path, leads=leads)
    upgrade(database)
    assert run(database, "SELECT first_name, last_name, stage FROM guests") == [
        ("Ann", "Bo", "WON")
    ]


def test_an_old_value_comes_back_whole(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A shorter column of the same type stands beside it."""
    run(database, GUEST_BOOK)
    leads = guests(**NAMED, bill=Numeric("bill"), score=Numeric("score"))
    use(leads, database, monkeypatch)
    run(
        database,
        "INSERT INTO guests (phone, first_name, last_name, stage, bill, score) "
        "VALUES ('07700900001', repeat('x', 40), 'Old', 'OPEN', 12.34, 5)",
    )
    before = run(database, "SELECT * FROM guests")
    export = [record(1, leads, full_name="Ann Bo", status="hot", bill=1, score=1)]
    bundle(export, monkeypatch, tmp_path, leads=leads)
    upgrade(database)
    assert run(database, "SELECT * FROM guests") != before
    downgrade(database)
    assert run(database, "SELECT * FROM guests") == before


@pytest.mark.parametrize(
    "more",
    [
        {"full_name": ("first_name", "last_name")},
        {"status": Values("first_name", {"hot": "WON"})},
        {"full_name": "first_name"},
    ],
    ids=["a pair", "mapped", "as it is"],
)
def test_a_text_that_the_column_pads_is_as_it_was_imported(
    more: dict[str, Any], database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A char(n) has no blanks at its end."""
    run(database, GUEST_BOOK + "; ALTER TABLE guests ALTER first_name TYPE char(9)")
    leads = guests(**more)
    use(leads, database, monkeypatch)
    bundle([record(1, leads, full_name="Cy ", status="new ")], monkeypatch, tmp_path, leads=leads)
    upgrade(database)
    assert main(["verify", "--strict"]) == 0
    downgrade(database, BEFORE_IMPORT, "remove-created")
    assert value(database, "SELECT count(*) FROM guests") == 0


@pytest.mark.parametrize("name", ["found", "a", "s", "value", "raw", "old", "user", "field"])
def test_a_field_may_have_any_name(
    name: str, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ours are others."""
    run(database, GUEST_BOOK)
    leads = guests(**{name: Date("met")})
    use(leads, database, monkeypatch)
    bundle([record(1, leads, **{name: "2020-01-01"})], monkeypatch, tmp_path, leads=leads)
    upgrade(database)
    assert run(database, "SELECT CAST(met AS text) FROM guests") == [("2020-01-01",)]


def test_a_trigger_that_changes_nothing_is_none_in_the_way(
    database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new lead may have a value where the record has a blank, and blanks clear."""
    run(
        database,
        GUEST_BOOK + "; CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NEW; END'; CREATE TRIGGER nothing BEFORE INSERT OR UPDATE ON guests "
        "FOR EACH ROW EXECUTE FUNCTION nothing()",
    )
    leads = guests(**NAMED)
    use(leads, database, monkeypatch)
    bundle([record(1, leads)], monkeypatch, tmp_path, leads=leads, blanks="clear")
    upgrade(database)
    assert run(database, "SELECT stage FROM guests") == [("OPEN",)]

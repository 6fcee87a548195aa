"""What the table demands is asked of every record before the first write, all at once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from data.make_export import records as made
from migrations.importer import staging
from migrations.importer.sql import statement
from tests.support.bundled import FIELDS, IMPORT, Record
from tests.support.crm import add_lead
from tests.support.database import run, value
from tests.support.exports import bundle
from tests.support.upgrades import upgrade

Bundle = Callable[..., None]
BROKEN = "breaks the rule sane of leads"
TOO_LONG = "is longer than the 5 characters of leads.status"


@pytest.fixture
def bundled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bundle:
    """Import 300 records; the ones named by position differ in some fields."""

    def bundled(changed: dict[int, dict[str, str]] | None = None, **everywhere: str) -> None:
        export: list[Record] = [{**record, **everywhere} for record in made(300, 7)]
        for position, fields in (changed or {}).items():
            export[position - 1] |= fields
        bundle(export, monkeypatch, tmp_path)

    return bundled


def refused(url: URL) -> list[str]:
    """The problems that an upgrade lists; nothing may be written."""
    before = run(url, "SELECT xmin::text, leads::text FROM leads ORDER BY id")
    with pytest.raises(CommandError) as error:
        upgrade(url, IMPORT, "batch-size=100")
    assert run(url, "SELECT xmin::text, leads::text FROM leads ORDER BY id") == before
    assert value(url, "SELECT count(*) FROM lead_imports") == 0
    return [line.strip() for line in str(error.value).splitlines()[1:-1]]


@pytest.mark.parametrize(
    ("rule", "told", "field"),
    [
        (
            "ADD CONSTRAINT sane CHECK (status <> 'insane')",
            "breaks the rule sane of leads",
            "status",
        ),
        (
            "ADD CONSTRAINT sane CHECK (length(notes) < 60 OR status <> 'insane')",
            BROKEN,
            "notes",
        ),
        (
            "ALTER status TYPE varchar(5)",
            "is longer than the 5 characters of leads.status",
            "status",
        ),
    ],
    ids=["of a column", "of two columns", "a length"],
)
def test_a_rule_that_two_records_break_is_listed(
    rule: str, told: str, field: str, crm: URL, bundled: Bundle
) -> None:
    """By position and field; the others are not written either."""
    bundled(
        {n: {"status": "insane", "notes": "x" * 80} for n in (150, 290)},
        status="old",
    )
    run(crm, f"ALTER TABLE leads {rule}")
    assert refused(crm) == [f"record 150, {field}: {told}", f"record 290, {field}: {told}"]


def test_a_rule_that_itself_fails_on_a_value_is_broken_by_it(crm: URL, bundled: Bundle) -> None:
    """As a cast in a CHECK does; the value is in no message."""
    bundled({77: {"notes": "no number"}}, notes="12")
    run(crm, "ALTER TABLE leads ADD CONSTRAINT counted CHECK (notes = '' OR notes::integer > 0)")
    assert refused(crm) == ["record 77, notes: breaks the rule counted of leads"]


def test_a_foreign_key_that_finds_nothing_is_listed(crm: URL, bundled: Bundle) -> None:
    """As of a table of statuses."""
    bundled({9: {"status": "odd"}}, status="open")
    run(crm, "CREATE TABLE statuses (name text PRIMARY KEY)")
    run(crm, "INSERT INTO statuses VALUES ('open')")
    run(crm, "ALTER TABLE leads ADD CONSTRAINT known FOREIGN KEY (status) REFERENCES statuses")
    assert refused(crm) == ["record 9, status: refers to no row of statuses (known)"]


def test_what_leads_broke_already_is_in_nobodys_way(crm: URL, bundled: Bundle) -> None:
    """A rule that is NOT VALID is for what is written: a lead that stays as it is is not, nor is a
    reference that stays while another field changes."""
    bundled({1: {"status": "odd", "notes": "same"}, 2: {"status": "odd", "notes": "new"}})
    same, changed = (dict(record) for record in list(made(300, 7))[:2])
    add_lead(crm, **{name: same[name] for name in FIELDS} | {"status": "odd", "notes": "same"})
    add_lead(crm, **{name: changed[name] for name in FIELDS} | {"status": "odd", "notes": "old"})
    run(crm, "ALTER TABLE leads ADD CONSTRAINT c CHECK (notes <> 'same') NOT VALID")
    run(crm, "CREATE TABLE statuses (name text PRIMARY KEY)")
    run(
        crm,
        "INSERT INTO statuses SELECT DISTINCT status FROM unnest(:names) AS status",
        names=[record["status"] for record in list(made(300, 7))[2:]],
    )
    run(crm, "ALTER TABLE leads ADD FOREIGN KEY (status) REFERENCES statuses NOT VALID")
    upgrade(crm, IMPORT)
    assert value(crm, "SELECT ARRAY[created, updated, unchanged] FROM lead_imports") == [298, 1, 1]


def test_a_rule_about_when_a_lead_was_created_is_listed(crm: URL, bundled: Bundle) -> None:
    """That is a field too."""
    bundled({5: {"created_at": "2021-01-01T00:00:00Z"}}, created_at="2025-01-01T00:00:00Z")
    run(crm, "ALTER TABLE leads ADD CONSTRAINT late CHECK (created_at > '2024-01-01')")
    assert refused(crm) == ["record 5, created_at: breaks the rule late of leads"]


def test_what_is_unique_over_two_columns_is_listed(crm: URL, bundled: Bundle) -> None:
    """Against other leads and other records."""
    bundled(
        {
            5: {"email": "a@example.com", "status": "x"},
            6: {"email": "b@example.com", "status": "y"},
            8: {"email": "B@example.com", "status": "y"},
        }
    )
    run(crm, "CREATE UNIQUE INDEX ON leads (lower(email), status) WHERE email <> ''")
    add_lead(crm, phone="07700 900990", email="a@example.com", status="x")
    told = "is another lead's or record's, and leads.email, leads.status is unique"
    assert refused(crm) == [f"record 5, email: {told}", f"record 8, email: {told}"]


def test_a_second_null_is_listed_where_the_index_takes_one(crm: URL, bundled: Bundle) -> None:
    """NULLS NOT DISTINCT: a blank e-mail is NULL, and another lead has none either."""
    mails = {n: {"email": f"lead{n}@example.org"} for n in range(1, 301)}
    bundled(mails | {12: {"email": ""}, 200: {"email": ""}})
    run(crm, "ALTER TABLE leads ALTER email DROP NOT NULL")
    run(crm, "CREATE UNIQUE INDEX one_without ON leads (email) NULLS NOT DISTINCT")
    told = "is another lead's or record's, and leads.email is unique"
    assert refused(crm) == [f"record 200, email: {told}"]
    run(crm, "INSERT INTO leads (phone, email, created_at) VALUES ('0700', NULL, now())")
    assert [told for told in refused(crm) if "email" in told] == [
        f"record 12, email: {told}",
        f"record 200, email: {told}",
    ]


def test_nulls_of_several_columns_are_told_apart(crm: URL, bundled: Bundle) -> None:
    """One NULL and one value make a key as two values do."""
    mails = {n: {"email": f"lead{n}@example.org", "status": "new"} for n in range(1, 301)}
    bundled(mails | {12: {"email": ""}, 210: {"email": "", "status": "won"}})
    run(crm, "ALTER TABLE leads ALTER email DROP NOT NULL")
    run(crm, "CREATE UNIQUE INDEX once ON leads (email, lower(status)) NULLS NOT DISTINCT")
    run(
        crm,
        "INSERT INTO leads (phone, email, status, created_at) "
        "VALUES ('0700', NULL, 'WON', now()), ('0701', 'lead5@example.org', 'other', now())",
    )
    told = "is another lead's or record's, and leads.email, leads.status is unique"
    assert refused(crm) == [f"record 210, email: {told}"]


def test_what_an_exclusion_constraint_forbids_is_listed(crm: URL, bundled: Bundle) -> None:
    """Beside a lead that is there, and beside an earlier record."""
    mails = {5: "a@example.org", 90: "b@example.org", 200: "B@example.org", 210: "b@example.org"}
    bundled({n: {"email": mail} for n, mail in mails.items()}, status="new")
    run(
        crm,
        "ALTER TABLE leads ADD CONSTRAINT alone EXCLUDE (lower(email) WITH =, status WITH =) "
        "WHERE (email ILIKE '_@example.org')",
    )
    add_lead(crm, phone="0600000001", email="A@example.org", status="new")
    add_lead(crm, phone="0600000002", email="b@example.org", status="old")
    told = "breaks the rule alone of leads beside another lead or record"
    assert refused(crm) == [f"record {n}, email: {told}" for n in (5, 200, 210)]


def test_ten_deploys_that_mend_a_record_each_write_nothing_before_the_last(
    crm: URL, bundled: Bundle
) -> None:
    """Everything is listed each time, so that the list gets shorter by one."""
    run(crm, "CREATE UNIQUE INDEX ON leads (email) WHERE email <> ''")
    run(crm, "CREATE INDEX ON leads ((NULLIF(postal_code, '')\\:\\:integer))")
    run(crm, "CREATE TABLE agents (name text PRIMARY KEY)")
    run(crm, "INSERT INTO agents VALUES ('')")
    run(crm, "ALTER TABLE leads ADD FOREIGN KEY (assigned_agent) REFERENCES agents")
    run(crm, "ALTER TABLE leads ADD CHECK (status <> 'insane'), ALTER lead_number TYPE varchar(9)")
    add_lead(crm, phone="07700 900990", email="taken@example.org")
    wrong = [
        {"email": "taken@example.org"},
        {"postal_code": "ZZ99 9ZZ"},
        {"assigned_agent": "nobody"},
        {"status": "insane"},
        {"lead_number": "1234567890"},
    ]
    right = {"email": "", "postal_code": "", "assigned_agent": ""}
    left = {25 * n: fields for n, fields in enumerate([*wrong, *wrong], start=1)}
    while left:
        bundled(left, **right)
        told = refused(crm)
        assert [line.split(",")[0] for line in told] == [f"record {position}" for position in left]
        del left[min(left)]
    bundled(**right)
    upgrade(crm)
    assert value(crm, "SELECT count(*) FROM leads") == 301


def test_a_column_that_must_have_a_value_is_named_before_any_write(
    crm: URL, bundled: Bundle
) -> None:
    """One that came since, and that no field is for."""
    bundled()
    run(crm, "ALTER TABLE leads ADD region text NOT NULL DEFAULT ''")
    run(crm, "ALTER TABLE leads ALTER region DROP DEFAULT")
    assert refused(crm)[0].startswith("leads.region: is NOT NULL without a default")


def test_a_sequence_behind_the_ids_is_named_with_its_setval(crm: URL, bundled: Bundle) -> None:
    """Leads that were added with ids of their own leave it there."""
    bundled()
    add_lead(crm, id=40, phone="07700 900990")
    (told,) = refused(crm)
    assert "the sequence public.leads_id_seq is behind the ids" in told
    run(crm, told[told.index("SELECT setval") :].rstrip("."))
    upgrade(crm)
    assert value(crm, "SELECT count(*) FROM leads") == 301


def test_a_sequence_told_to_begin_after_the_ids_is_not_behind(crm: URL, bundled: Bundle) -> None:
    """It has given no number yet, so only the sequence itself knows where it begins."""
    bundled()
    add_lead(crm, id=40, phone="07700 900990")
    run(crm, "ALTER TABLE leads ALTER id RESTART WITH 1000")
    upgrade(crm)
    assert value(crm, "SELECT min(id) FROM leads WHERE id <> 40") == 1000


@pytest.mark.parametrize("by", [2, -2])
def test_a_sequence_in_steps_is_not_behind_a_number_between(
    by: int, crm: URL, bundled: Bundle
) -> None:
    """Two masters give odd and even ids."""
    bundled()
    run(crm, f"ALTER SEQUENCE leads_id_seq MINVALUE -1000 INCREMENT {by}")
    add_lead(crm, phone="07700 900990")
    add_lead(crm, id=2, phone="07700 900991")
    upgrade(crm)
    assert value(crm, "SELECT count(*) FROM leads WHERE id % 2 = 0") == 1


def test_a_sequence_that_ends_too_soon_is_named(crm: URL, bundled: Bundle) -> None:
    """The leads that are there already need no number."""
    bundled()
    for record in list(made(300, 7))[:2]:
        add_lead(crm, phone=record["phone"])
    run(crm, "ALTER SEQUENCE leads_id_seq MAXVALUE 299")
    (told,) = refused(crm)
    assert "the sequence public.leads_id_seq has numbers for 297 of 298 new leads" in told
    run(crm, told[told.index("ALTER SEQUENCE") :].rstrip("."))
    upgrade(crm)
    assert value(crm, "SELECT max(id) FROM leads") == 300


@pytest.mark.parametrize("sequence", ["integer", "bigint"])
def test_a_column_of_ids_that_is_full_is_named(sequence: str, crm: URL, bundled: Bundle) -> None:
    """Its sequence may have numbers left, which the column does not take."""
    bundled()
    run(crm, "ALTER TABLE leads ALTER id TYPE integer")
    run(crm, f"ALTER SEQUENCE leads_id_seq AS {sequence}")
    run(crm, "SELECT setval('leads_id_seq', 2147483640)")
    (told,) = refused(crm)
    assert "the sequence public.leads_id_seq has numbers for 7 of 300 new leads" in told
    for remedy in told[told.index("ALTER TABLE") :].rstrip(".").split("; "):
        run(crm, remedy)
    upgrade(crm)
    assert value(crm, "SELECT max(id) FROM leads") == 2147483940


def test_a_rule_that_is_made_meanwhile_is_pinned_down_to_its_record(
    crm: URL, bundled: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records before it are saved, and nothing is tried again and again."""
    bundled({150: {"status": "insane"}})

    real = staging.fold_repeats

    def then_a_rule(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        run(crm, "ALTER TABLE leads ADD CONSTRAINT sane CHECK (status <> 'insane')")

    monkeypatch.setattr("migrations.importer.v1.fold_repeats", then_a_rule)
    with pytest.raises(CommandError, match=r"record 150: the table refuses a row .*sane, 23514"):
        upgrade(crm, IMPORT, "batch-size=100")
    assert value(crm, "SELECT count(*) FROM leads") == 149
    assert value(crm, "SELECT next_record FROM lead_imports") == 149


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("NEW.status := 'mine'; RETURN NEW;", "a trigger changes what is written"),
        ("NEW.email := NULLIF(NEW.email, NEW.email); RETURN NEW;", "the table refuses a row"),
        ("RETURN NULL;", "a trigger keeps a row out"),
    ],
    ids=["changes", "blanks", "drops"],
)
def test_a_trigger_that_writes_something_else_is_refused(
    body: str, told: str, crm: URL, bundled: Bundle
) -> None:
    """By what was really written."""
    bundled()
    function = f"BEGIN {body.replace(':=', ' = ')} END"
    run(crm, f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ {function} $$")
    run(
        crm,
        "CREATE TRIGGER meddle BEFORE INSERT OR UPDATE ON leads FOR EACH ROW "
        "EXECUTE FUNCTION meddle()",
    )
    with pytest.raises(CommandError, match=f"record 1: .*{told}"):
        upgrade(crm, IMPORT, "batch-size=100")
    assert value(crm, "SELECT count(*) FROM leads") == 0


def test_a_trigger_that_sets_the_time_of_the_last_change_is_in_nobodys_way(
    crm: URL, bundled: Bundle
) -> None:
    """Very many CRMs have one; the revert restores and removes as without it."""
    from tests.support.upgrades import downgrade

    bundled()
    known = dict(next(iter(made(300, 7))))
    body = "BEGIN NEW.updated_at = clock_timestamp(); RETURN NEW; END"
    run(crm, f"CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(crm, "CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON leads FOR EACH ROW "
        "EXECUTE FUNCTION touch()")  # fmt: skip
    add_lead(crm, phone=known["phone"], status="old")
    upgrade(crm)
    assert value(crm, "SELECT created FROM lead_imports") == 299
    downgrade(crm, "0003_ledger", "remove-created")
    assert run(crm, "SELECT status FROM leads") == [("old",)]


def test_a_unique_expression_is_compared_by_the_collation_of_its_index(crm: URL) -> None:
    """Another one might tell apart what the index takes for one."""
    run(crm, 'CREATE UNIQUE INDEX ON leads ((lower(email) COLLATE "POSIX"), phone)')
    found = run(crm, statement("find_unique"), name="leads")
    keys = next(row.keys for row in found if "email" in row.columns)
    assert keys == ['lower(email) COLLATE pg_catalog."POSIX"', "phone"]

"""What a preview says on a terminal, as JSON, as Markdown and as a sheet."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from migrations.importer.errors import Problem
from migrations.preview.figures import Preview, TableRows
from migrations.preview.markdown import preview_as_markdown
from migrations.preview.sheet import preview_as_csv
from migrations.preview.words import preview_as_json, print_preview
from tests.support.previews import made_up

EMPTY = Preview("crm on db.example.com as deploy", datetime(2026, 1, 2, tzinfo=UTC), "leads", 7, 7)
OURS = TableRows("lead_imports", 1, 3, 0)


def printed(capsys: pytest.CaptureFixture[str], preview: Preview, **options: bool) -> list[str]:
    """Return the lines a preview prints."""
    print_preview(preview, **options)
    return capsys.readouterr().out.splitlines()


def with_values(preview: Preview, **new: str | None) -> Preview:
    """Give the first changed lead new values, and change only these fields."""
    lead = preview.changed[0]
    return replace(
        preview, changed=[replace(lead, fields=list(new), new=lead.new | new)], total_changed=1
    )


def test_the_database_is_named_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Its host and role follow."""
    assert printed(capsys, EMPTY)[:3] == [
        "",
        "Database: crm on db.example.com as deploy",
        "No import to run or to revert.",
    ]
    assert next(iter(preview_as_json(EMPTY))) == "database"
    assert preview_as_markdown(EMPTY).startswith("### Import preview: crm on db.example.com as")


def test_totals_are_by_field_and_a_phones_spelling_is_counted_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Fields come in their order, with thousands separated."""
    preview = made_up(1200, 0)
    said = (
        "Fields that change: status 1,200, notes 1,200, "
        "phone 1,200 (same number, written differently)."
    )
    assert said in printed(capsys, preview)
    cut = replace(preview, total_changed=5000)
    assert any(
        line.startswith("Fields that change of the first 1,200 leads: ")
        for line in printed(capsys, cut)
    )
    told = preview_as_json(preview)
    assert told["fields"] == {"status": 1200, "notes": 1200}
    assert told["respelled"] == 1200


def test_a_lead_is_a_line_that_tells_nothing_personal(capsys: pytest.CaptureFixture[str]) -> None:
    """It has the lead number, the new status and how many other fields change, with names or masked
    values for the others."""
    preview = made_up(1, 1)
    lines = printed(capsys, preview, leads=True)
    assert "~ MS00000 status open → new, 2 more fields" in lines
    assert "+ MS00001" in lines
    notes = printed(capsys, with_values(preview, notes="secret", email="x"), leads=True)
    assert "~ MS00000 notes, 1 more field" in notes
    phone = printed(capsys, with_values(preview, phone="07700 900000"), leads=True)
    assert (
        "~ MS00000 phone +•• •••• •••000 → ••••• •••000 (same number, written differently)" in phone
    )
    for line in (*lines, *notes, *phone):
        assert "Ada" not in line and "secret" not in line and "900000" not in line


def test_figures_alone_have_no_line_for_a_lead(capsys: pytest.CaptureFixture[str]) -> None:
    """A deploy's log wants no more."""
    assert not [line for line in printed(capsys, made_up(2, 2)) if "MS0000" in line]


def test_many_leads_end_with_how_many_more_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal is no place for 10,000."""
    lines = printed(capsys, made_up(2000, 51), leads=True)
    assert len([line for line in lines if line.startswith("~")]) == 50
    assert "… and 1,950 more would be updated. --html and --csv list them." in lines
    assert "… and 1 more would be created. --html and --csv list them." in lines


def test_personal_data_comes_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """It shows values old and new, marks the words changed in a long note, and obeys none."""
    preview = with_values(
        made_up(1, 0),
        phone="07700 900000",
        full_name="Eve\x1b[2J",
        notes="Asked for a quote, call 0 times\r\non Tuesday or write a letter.",
        status=None,
    )
    lines = printed(capsys, preview, leads=True, show_personal_data=True)
    assert "    phone +44 7700 900000 → 07700 900000 (same number, written differently)" in lines
    assert "    full_name Ada Nettlebeck 0 → Eve�[2J" in lines
    assert "    status open → blank" in lines
    [notes] = [line for line in lines if line.startswith("    notes")]
    assert "[on Monday] or write a letter. → " in notes
    assert "[on Tuesday] or write a letter." in notes


def test_bookkeeping_tables_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """They are the import's own."""
    lines = printed(capsys, replace(EMPTY, tables=[OURS, TableRows("users", 0, 0, 0)]))
    assert [line.split() for line in lines if "lead_imports" in line] == [
        ["lead_imports", "1", "3", "0", "bookkeeping"]
    ]
    assert "Everything was rolled back." in lines
    assert "Nothing was changed." in printed(capsys, EMPTY)


def test_each_rejected_record_has_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a refused export the error lists them."""
    erased = [Problem(5, "phone", "erased on request")]
    rejecting = replace(made_up(1, 1), problems=erased, total_problems=60)
    lines = printed(capsys, rejecting)
    assert "! record 5, phone: erased on request" in lines
    assert "… and 59 more problems. --html lists them." in lines
    assert not any("erased" in line for line in printed(capsys, replace(rejecting, refused="x")))


def test_a_preview_ends_with_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    """It leaves that out if there is nothing to import."""
    assert printed(capsys, made_up(1, 1))[-1] == (
        "Nothing was changed. If this is right, run 'alembic upgrade head'."
    )
    assert printed(capsys, EMPTY)[-1] == "Nothing was changed."


def test_schema_and_invented_people_are_told_everywhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The terminal, JSON and Markdown have them."""
    preview = made_up(1, 0)
    invented = [replace(figures, is_invented=True) for figures in preview.imports]
    preview = replace(preview, schema=["index leads_phone_key_v1"], imports=invented)
    lines = printed(capsys, preview)
    assert "Schema: index leads_phone_key_v1" in lines
    said = "1 records: 0 created, 1 updated, 0 unchanged. Its people are invented."
    assert f"october_leads.json: {said}" in lines
    assert preview_as_json(preview)["schema"] == ["index leads_phone_key_v1"]
    assert preview_as_json(preview)["imports"][0]["is_invented"] is True
    told = preview_as_markdown(preview)
    assert "- Schema: index leads\\_phone\\_key\\_v1" in told
    assert said in told


def test_markdown_holds_counts_and_names_of_fields_alone() -> None:
    """It holds nobody's data, counts each kind of problem, and escapes names."""
    preview = replace(
        made_up(2, 3),
        tables=[TableRows("a|b<i>", 0, 1, 0), OURS],
        problems=[Problem(n, "phone", "is not one phone number") for n in range(1, 1200)],
        total_problems=2000,
        lead_numbers={1: "MS061"},
    )
    told = preview_as_markdown(preview)
    assert "- Leads: 2 before, 5 after, 0 deleted." in told
    assert "- Fields that change: status 2, notes 2, phone 2 (same number" in told
    assert "| a\\|b\\<i\\> | 0 | 1 | 0 | broken |" in told
    assert "| lead\\_imports | 1 | 3 | 0 | bookkeeping |" in told
    assert "| phone | is not one phone number | 1,199 |" in told
    assert "The first 1,199 of 2,000 problems." in told
    for personal in ("Ada", "900", "Monday", "MS0"):
        assert personal not in told
    refused = replace(EMPTY, refused="october_leads.json", total_problems=1)
    assert "- **october\\_leads.json** is refused: 1 problem." in preview_as_markdown(refused)
    assert "- Nothing to import." in preview_as_markdown(EMPTY)


def test_a_sheet_has_a_line_for_each_lead_with_values_old_and_new() -> None:
    """Changed leads come first, both kinds in the export's order, masked unless asked otherwise."""
    preview = made_up(2, 2)
    for shown, phone in ((False, "••••• •••000"), (True, "07700 900000")):
        text = preview_as_csv(preview, show_personal_data=shown)
        header, *lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
        leads = [dict(zip(header, line, strict=True)) for line in lines]
        assert [lead["outcome"] for lead in leads] == ["updated"] * 2 + ["created"] * 2
        assert [lead["record"] for lead in leads] == ["1", "2", "3", "4"]
        assert [lead["id"] for lead in leads] == ["0", "1", "", ""]
        assert leads[0]["changes"] == "phone, status, notes"
        assert (leads[0]["status old"], leads[0]["status new"]) == ("open", "new")
        assert leads[0]["phone new"] == phone
        assert (leads[2]["status old"], leads[2]["status new"]) == ("", "new")


@pytest.mark.parametrize("start", "=+-@\t\r\n＝")  # full-width
def test_no_value_in_a_sheet_is_a_formula(start: str) -> None:
    """An apostrophe makes it a text."""
    preview = with_values(made_up(1, 0), notes=f"{start}1+1")
    text = preview_as_csv(preview, show_personal_data=True)
    lead = dict(zip(*csv.reader(io.StringIO(text, newline="")), strict=True))
    assert lead["notes new"] == f"'{start}1+1"
    assert lead["phone old"] == "'+44 7700 900000"

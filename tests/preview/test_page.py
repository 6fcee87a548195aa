"""The page of a preview: escaped, masked, complete, and at work in a browser that has no
network."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations.importer.errors import Problem
from migrations.preview.figures import Preview, TableRows
from migrations.preview.page import render
from tests.support.bundled import records
from tests.support.crm import add_lead
from tests.support.exports import bundle
from tests.support.previews import Browser, preview_of, running_browser

HOSTILE = [
    "<script>window.pwned = 1; document.title = 'pwned'</script>",
    '"><img src=x onerror="window.pwned = 2">',
    "'><svg onload=alert(1)>",
    "</script><script>window.pwned = 3</script>",
    "</style><style>body { display: none }",
    "<!-- --><a href='javascript:alert(1)'>here</a>",
    "${1/0} <% raise Error %> % for x in y: {{7*7}}",
    "line\u2028separator\u2029and \u202eright to left",
    "\x1b[2Jterminal\x07",
    "W" * 50,
]
EMPTY = Preview("crm", datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "leads", 50, 50)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def hostile(crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Preview:
    """The preview of 217 leads in which every text is an attack, ten of them known by their
    phone."""
    export = [
        record
        | {
            field: HOSTILE[(n + k) % len(HOSTILE)][:50]
            for k, field in enumerate(
                ("lead_number", "full_name", "email", "status", "address1", "notes")
            )
        }
        for n, record in enumerate(records())
    ]
    for record in export[:10]:
        add_lead(
            crm,
            phone=record["phone"],
            notes=HOSTILE[1],
            full_name=HOSTILE[0],
            email='"><script>@example.org',
        )
    bundle(export, monkeypatch, tmp_path)
    return preview_of(crm)


@pytest.mark.parametrize("show_personal_data", [True, False])
def test_hostile_values_do_nothing_in_a_browser(
    hostile: Preview, show_personal_data: bool, browser: Browser, tmp_path: Path
) -> None:
    """No script of theirs runs, no element is made, nothing is asked for, the console stays
    silent."""
    page = tmp_path / "preview.html"
    page.write_text(render(hostile, show_personal_data=show_personal_data), encoding="utf-8")
    browser.open(page)
    assert browser.ask("document.title") == "Import preview: export.json"
    assert browser.ask("typeof window.pwned") == "undefined"
    assert browser.ask("document.querySelectorAll('script').length") == 1
    assert (
        browser.ask("document.querySelectorAll('img, iframe, svg svg, a[href^=javascript]').length")
        == 0
    )
    assert browser.ask("document.querySelectorAll('#changed-leads tbody tr').length") == 10
    assert browser.ask("document.querySelectorAll('#created-leads tbody tr').length") == 207
    if show_personal_data:
        found = "document.querySelectorAll('#created-leads tbody tr bdi')"
        cells = f"[...{found}].map(cell => cell.textContent)"
        marks = dict.fromkeys(map(ord, "\u2028\u2029"), "␣") | dict.fromkeys(
            map(ord, "\u202e\x1b\a"), "�"
        )
        values = (value for lead in hostile.created for value in lead.values.values())
        expected = [value.translate(marks) for value in values if value]
        assert sorted(browser.ask(cells)) == sorted(expected)
    assert browser.complaints() == []
    assert browser.requests() == [page.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_filters_and_sorts_and_fits(
    width: int, scheme: str, crm_with_leads: URL, browser: Browser, tmp_path: Path
) -> None:
    """From disk, on a phone and on a desk, in light and dark; nothing sticks out at the side."""
    page = tmp_path / "preview.html"
    page.write_text(render(preview_of(crm_with_leads)), encoding="utf-8")
    shown = "[...document.querySelectorAll('#created-leads tbody tr:not([hidden])')]"
    numbers = f"{shown}.map(row => row.cells[0].textContent.trim())"
    browser.look(width, 900, scheme)
    browser.open(page)
    assert browser.ask("innerWidth") == width
    assert browser.ask(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    paper = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", paper)[:3])) > 128) is (scheme == "light")
    head = "document.querySelector('#created-leads thead th')"
    browser.ask(f"{head}.querySelector('button').click()")
    up = browser.ask(numbers)
    assert up == sorted(up)
    assert browser.ask(f"{head}.getAttribute('aria-sort')") == "ascending"
    browser.ask(f"{head}.querySelector('button').click()")
    assert browser.ask(numbers) == up[::-1]
    browser.ask(
        f"""new Promise(done => {{
            const filter = document.getElementById("filter");
            filter.value = "{up[3]}";
            filter.dispatchEvent(new Event("input"));
            setTimeout(done, 100);
        }})"""
    )
    assert browser.ask(numbers) == [up[3]]
    assert (
        browser.ask("document.querySelector('[data-count-of=created-leads]').textContent")
        == "1 of 207"
    )
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [375, 1280])
def test_no_value_is_cut_off_or_covers_its_neighbour(
    width: int, hostile: Preview, browser: Browser, tmp_path: Path
) -> None:
    """However long its words are, each cell holds its value."""
    page = tmp_path / "preview.html"
    page.write_text(render(hostile), encoding="utf-8")
    browser.look(width, 900, "light")
    browser.open(page)
    browser.ask(
        "document.querySelectorAll('.leads tr').forEach(row => { row.style.contentVisibility = "
        "'visible' })"
    )
    cells = "[...document.querySelectorAll('.leads :is(td, th, dd, bdi)')]"
    too_wide = f"{cells}.filter(cell => cell.scrollWidth > cell.clientWidth + 1)"
    assert browser.ask(f"{too_wide}.map(cell => cell.outerHTML)") == []
    assert browser.ask(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


def test_blanks_come_last_up_and_down(
    crm_with_leads: URL, browser: Browser, tmp_path: Path
) -> None:
    """A word for what is not there has no place in the alphabet."""
    page = tmp_path / "preview.html"
    page.write_text(render(preview_of(crm_with_leads)), encoding="utf-8")
    browser.open(page)
    for _ in range(2):
        browser.ask("document.querySelectorAll('#created-leads thead button')[3].click()")
        rows = "[...document.querySelectorAll('#created-leads tbody tr')]"
        blank = browser.ask(f"{rows}.map(row => row.cells[3].querySelector('.blank') !== null)")
        assert True in blank and False in blank
        assert blank == sorted(blank)


def test_the_keyboard_filters_and_sorts(
    crm_with_leads: URL, browser: Browser, tmp_path: Path
) -> None:
    """Typed without accents; the next stops of the tab key are the lists and the headings, which
    Enter presses."""
    page = tmp_path / "preview.html"
    page.write_text(render(preview_of(crm_with_leads)), encoding="utf-8")
    browser.open(page)
    browser.ask("document.getElementById('filter').focus()")
    browser.send("Input.insertText", text="chloe")
    browser.ask("new Promise(done => setTimeout(done, 100))")
    accented = [record for record in records() if "Chloé" in record["full_name"]]
    found = "document.querySelectorAll('.leads tbody tr:not([hidden]) th')"
    names = f"[...{found}].map(name => name.textContent.trim())"
    assert sorted(browser.ask(names)) == sorted(record["full_name"] for record in accented)
    for _ in range(3):
        press(browser, "Tab")
    assert browser.ask("document.activeElement.textContent") == "Id"
    press(browser, "Enter")
    assert (
        browser.ask("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    )


def press(browser: Browser, key: str) -> None:
    """Press a key and let it go."""
    codes = {"Tab": 9, "Enter": 13}
    text = {"text": "\r"} if key == "Enter" else {}
    browser.send(
        "Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=codes[key], **text
    )
    browser.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=codes[key])


def test_phones_and_emails_are_masked_wherever_they_stand(crm_with_leads: URL) -> None:
    """In the fields of that name, old and new, and in notes; shown only where it is asked for."""
    first = next(record for record in records() if record["email"])
    add_lead(
        crm_with_leads,
        phone=first["phone"],
        notes="Mobile 07700 900765, write to ada.l@example.org",
    )
    preview = preview_of(crm_with_leads)
    masked, shown = render(preview), render(preview, show_personal_data=True)
    for record in records():
        digits = record["phone"].replace("&", "&amp;")
        assert digits not in masked
        assert record["email"] == "" or record["email"] not in masked
    assert "example.org" not in masked
    assert first["email"] in shown
    assert "--show-personal-data" in masked
    assert "--show-personal-data" not in shown


def test_the_page_shows_the_picture_and_the_proof(crm_with_leads: URL) -> None:
    """Before and after, the five outcomes, deletions, and every table's rows."""
    words = re.sub(
        r"<style.*?</style>|<script.*?</script>|<[^>]*>",
        " ",
        render(preview_of(crm_with_leads)),
        flags=re.S,
    )
    words = " ".join(words.split())
    for fact in (
        "50 leads before → 257 leads after 0 deleted",
        "40 stay as they are 10 would be updated 207 would be created",
        "Created 207",
        "Updated 10",
        "Unchanged 0",
        "Folded 0",
        "Rejected 0",
        "leads added and updated, never deleted 207 10 0 ✓ kept",
        "users untouched 0 0 0 ✓ kept",
    ):
        assert fact in words


def test_problems_and_broken_promises_are_on_the_page() -> None:
    """A refused export, and a table that was written though it should not."""
    page = render(
        replace(
            EMPTY,
            tables=[TableRows("users", 0, 1, 0)],
            refused="october_leads.json",
            problems=[
                Problem(4, "phone", "is not one phone number"),
                Problem(0, "", "holds no records"),
            ],
            total_problems=130,
        )
    )
    assert "refused before its first write" in page
    assert "is not one phone number" in page
    assert "130 problems" in page
    assert "The first 2 of 130." in page
    assert "✗ broken" in page


def test_a_page_without_an_import_says_so() -> None:
    """Nothing is pending: no table of leads, no filter."""
    page = render(EMPTY)
    assert "Nothing to import" in page
    assert 'id="filter"' not in page


def test_the_policy_names_the_pages_own_script_and_style(crm_with_leads: URL) -> None:
    """Both by their hash, and nothing from anywhere else; no attribute would need an exception."""
    page = render(preview_of(crm_with_leads))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "unsafe" not in policy[1]
    assert "default-src &#39;none&#39;" in policy[1]
    assert not re.search(r"<[^>]*\s(style|on\w+)=", page)
    assert not re.search(r"https?://", page)


def test_many_other_tables_are_one_line_of_the_proof() -> None:
    """Leads, what was written against the promise, users and the ledger stand alone; nothing is
    left out."""
    others = [TableRows(f"other_{n:02d}", 0, 0, 0) for n in range(13)]
    told = [TableRows("leads", 2, 0, 0), TableRows("sales", 0, 1, 0), TableRows("users", 0, 0, 0)]
    told.append(TableRows("lead_imports", 0, 0, 0))
    preview = replace(EMPTY, tables=sorted([*others, *told]))
    assert preview.listed_tables == told
    assert "13 other tables, untouched" in render(preview)
    assert "other_12" in render(preview)
    assert replace(EMPTY, tables=others[1:]).listed_tables == others[1:]

"""The page that travels in a real browser: long, on paper, by keys, with any name, for anyone."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from browsers import NEEDED, opened, playwright, serious
from pictures import jpeg
from review_room import keep_run, write_run
from screening.assess.evaluation_page import Section, html_page
from screening.record import Picture
from test_review_browser import HOSTILE, Server

pytestmark = NEEDED
MANY = 10_000
READY = "#shown:not(:empty)"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A run of 10,000 pictures, of which every eighth could not be judged."""
    out = tmp_path_factory.mktemp("many") / "out"
    one = Picture(
        "", "", status="ok", objects=46, p=np.full(20, 0.02, np.float32), thumbnail=jpeg()
    )
    pictures = []
    for number in range(MANY):
        name = f"case-{number:05}/cell.png"
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        pictures.append(replace(one, image=name, case=name[:10], sha256=sha256))
        if number % 8 == 0:
            pictures[-1] = Picture(name, name[:10], sha256, "rejected", reason="a blank page")
    keep_run(out, out.parent / "in", pictures)
    return out


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    names = {f"case-{i:02}/1.png": ("+21" if i % 3 == 0 else "") for i in range(24)}
    write_run(folder / "out", folder / "in", names | {HOSTILE: "+21"})
    return folder / "out"


def test_ten_thousand_rows_are_searched_turned_and_shown_twenty_at_a_time(browser, many):
    assert (many / "report.html").stat().st_size < 40e6
    page = opened(browser)
    page.goto((many / "report.html").as_uri())
    page.wait_for_selector(READY)
    assert page.inner_text("#shown") == "10000 of 10000 found, 1 to 20 shown"
    assert page.locator(".row").count() == 20
    page.fill("#search", "CASE-0999")
    playwright.expect(page.locator(".row")).to_have_count(10, timeout=60_000)
    page.fill("#search", "")
    page.click("[data-route=review]")
    page.wait_for_selector("text=1250 of 10000 found, 1 to 20 shown")
    page.locator("[data-turn='1']").first.click()
    page.wait_for_selector("text=1250 of 10000 found, 21 to 40 shown")
    assert page.locator(".row .name").first.inner_text() == "case-00160/cell.png"
    assert page.locator(".cases tbody tr").count() == MANY
    page.context.close()


def test_ten_thousand_cases_are_a_page_at_a_time_in_the_reading_room(browser, many):
    page = opened(browser)
    with Server(many) as server:
        page.goto(server.address)
        page.wait_for_selector("body[data-keys] .case-line")
        assert page.locator(".case-line").count() < 500
        page.fill("#search", "case-09999")
        playwright.expect(page.locator(".case-line")).to_have_count(1, timeout=60_000)
    page.context.close()


def test_hostile_names_run_nothing_and_are_found(browser, out):
    page = opened(browser)
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto((out / "report.html").as_uri())
    page.wait_for_selector(READY)
    page.focus("#search")
    page.keyboard.type("cmd|")
    page.wait_for_selector("text=1 of 25 found")
    assert "<script>alert(1)</script>" in page.inner_text(".row .name")
    page.evaluate("""() => {
        const odd = document.createElement("div");
        odd.innerHTML = "<img src=data: onerror='document.title = 1'>";
        document.body.append(odd);
    }""")
    page.wait_for_timeout(100)
    assert page.title() != "1"  # the browser runs the page's own script and nothing else
    page.context.close()


def test_by_keys_a_row_is_found_and_its_picture_enlarged(browser, out):
    page = opened(browser)
    page.goto((out / "report.html").as_uri())
    page.wait_for_selector(READY)
    page.focus("#search")
    page.keyboard.type("case-03")
    page.wait_for_selector("text=1 of 25 found")
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "picture":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector(".row.open")
    page.context.close()


def test_print_has_a_line_for_each_case_and_a_page_for_each_worth_it(browser, out):
    page = opened(browser)
    page.goto((out / "report.html").as_uri())
    page.wait_for_selector(READY)
    page.evaluate("window.print = () => { document.title = 'printed'; }")
    page.click("[data-print]")
    page.wait_for_function("document.title === 'printed'")
    assert page.locator(".cases tbody tr").count() == 25
    worth = page.locator(".cases tbody tr:not(.low-priority)").count()
    assert page.locator("#paper > section").count() == worth > 8
    assert page.pdf().startswith(b"%PDF")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_serious_stands_in_the_way_of_anyone(browser, out, tmp_path, scheme, width):
    page = opened(browser, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto((out / "report.html").as_uri())
    page.wait_for_selector(READY)
    found = serious(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    part = Section("Part", ("Text.",), ("a", "b"), ((1, 2.5),))
    (tmp_path / "evaluation.html").write_text(html_page([part], [("x", "y")], ["w"], {}), "utf-8")
    page.goto((tmp_path / "evaluation.html").as_uri())
    found += serious(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()
    assert not found

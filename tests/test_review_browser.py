"""The reading room in a real browser: Debian's Chromium, driven by Playwright; skips without it."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from browsers import NEEDED, opened, playwright, serious
from review_room import keep_run, write_run
from screening.record import Picture
from screening.review.exchange import Settings, exchange
from screening.review.verdicts import FILE_NAME, Verdicts

pytestmark = NEEDED
HOSTILE = '"=cmd|"<script>alert(1)</script>\u05d0\u202e🧬.png'
CELLS = {"case-a/1.png": "+21", "case-a/2.png": "+21", "case-b/1.png": "", HOSTILE: ""}


class Server:
    """`screening review` as a person starts it."""

    def __init__(self, out: Path, *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "screening", "review", str(out), "--no-browser", *more],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[1],
        )  # fmt: skip
        self.address = re.search(r"http://\S+", self.process.stdout.readline())[0]

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder / "out", folder / "in", CELLS)
    return folder / "out"


@pytest.fixture(scope="module")
def server(out):
    with Server(out) as started:
        yield started


@pytest.fixture
def page(browser, server):
    shown = opened(browser)
    wrong: list[str] = []
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    shown.goto(server.address)
    shown.wait_for_selector("body[data-keys]")
    yield shown
    shown.context.close()
    assert not wrong


def wait_for_cell(page) -> None:
    page.wait_for_selector("body[data-keys] #relaid .boxes rect", state="attached")


def test_from_the_list_to_labels_by_keys_alone(page, out, tmp_path):
    page.fill("input[name=initials]", "AB")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=given as AB")
    page.keyboard.press("/")
    page.keyboard.type("+21")
    playwright.expect(page.locator(".case-line")).to_have_count(1, timeout=60_000)
    assert "q=%2B21" in page.url
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("o")
    wait_for_cell(page)
    page.keyboard.press("a")
    page.wait_for_selector(".history tbody tr")
    page.keyboard.press("u")
    page.wait_for_selector("body[data-keys] .case-line")
    assert "q=%2B21" in page.url
    page.keyboard.press("n")
    page.wait_for_selector("text=Choose a case first")
    page.keyboard.press("j")
    page.keyboard.press("n")
    page.wait_for_selector(".reading.normal")
    assert page.inner_text("#read") == "1 of 3 read"
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    assert [kbd.inner_text() for kbd in page.locator("dialog kbd").all()] == list("jkonar/bu?")
    exchange(Settings(out, tmp_path / "labels.csv"))
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = {Path(row["path"]).name: row["label"] for row in csv.DictReader(file)}
    assert rows == {"1.png": "abnormal", "2.png": "normal"}


def test_a_search_begun_on_a_case_is_none_of_its_verdicts(page, out):
    page.click("text=case-a")
    wait_for_cell(page)
    with Verdicts(out / FILE_NAME) as store:
        before = len(store.all())
    page.fill("input[name=initials]", "AB")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=given as AB")
    page.keyboard.press("/")
    page.keyboard.press("n")  # the case is still there: a verdict, were its keys still heard
    page.wait_for_selector("body[data-keys] #search:focus")
    page.keyboard.type("case-b")
    playwright.expect(page.locator(".case-line")).to_have_count(1)
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    playwright.expect(page.locator(".open-case")).to_be_focused()
    with Verdicts(out / FILE_NAME) as store:
        assert len(store.all()) == before


def test_a_class_is_corrected_and_goes_into_the_verdict(page, out):
    page.click("text=case-a")
    wait_for_cell(page)
    page.locator("#relaid rect[data-name='21']").first.click()
    page.wait_for_selector(".homolog")
    assert page.locator(".homolog").count() == 3
    page.locator(".rename input").first.fill("?")
    page.locator(".rename input").first.press("Tab")
    page.wait_for_selector("#reread h2")
    assert "46,XX" in page.inner_text("#reread h2")
    page.click("[data-take]")
    page.wait_for_selector("#iscn-said.right")
    page.fill("#iscn", "46,XX,+21")
    page.wait_for_selector("#iscn-said.wrong")
    page.fill("#iscn", "46,XX")
    page.fill("input[name=initials]", "CD")
    page.check("input[value=normal]")
    page.click("text=Store the verdict")
    page.wait_for_selector("text=with 1 chromosome named by the reader")
    with Verdicts(out / FILE_NAME) as store:
        last = store.all()[-1]
    assert (last.initials, last.iscn, list(last.classes.values())) == ("CD", "46,XX", ["?"])


def test_a_chromosome_is_dragged_to_another_class(page):
    page.click("text=case-a")
    wait_for_cell(page)
    page.wait_for_load_state("networkidle")  # pictures that come move what stands below them
    one = page.locator("#relaid rect[data-name='21']").first.bounding_box()
    other = page.locator("#relaid rect[data-name='22']").first.bounding_box()
    page.mouse.move(one["x"] + one["width"] / 2, one["y"] + one["height"] / 2)
    page.mouse.down()
    page.mouse.move(other["x"] + 5, other["y"] + 5, steps=5)
    page.mouse.up()
    page.wait_for_selector("#reread h2")
    assert "47,XX,+22" in page.inner_text("#reread h2")
    playwright.expect(page.locator(".homolog")).to_have_count(3, timeout=60_000)
    page.click("[data-reset]")
    page.wait_for_selector("#reread", state="hidden")


def test_a_correction_belongs_to_the_cell_and_is_there_when_the_reader_comes_back(page):
    page.fill("input[name=initials]", "GH")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=given as GH")
    page.click("text=case-b")
    wait_for_cell(page)
    assert page.locator("input[value=case]").is_checked()  # it has one cell
    page.locator("#relaid rect[data-name='21']").first.click()
    page.locator(".rename input").first.fill("22")
    page.locator(".rename input").first.press("Tab")
    page.wait_for_selector("#reread h2")
    assert page.locator("input[value=cell]").is_checked()
    assert page.locator("#cell .sheet rect.named").count() == 1
    assert page.locator("#cell .sheet rect.gain").count() == 3
    page.check("input[value=case]")
    playwright.expect(page.locator("#named")).to_contain_text("choose this cell")
    page.check("input[value=cell]")
    page.check("input[value=abnormal]")
    page.click("text=Store the verdict")
    page.wait_for_selector("text=with 1 chromosome named by the reader")
    page.reload()
    page.wait_for_selector("#reread h2")
    assert page.locator("input[value=abnormal]").is_checked()
    page.click("[data-reset]")
    page.wait_for_selector("#reread", state="hidden")
    assert page.locator("#cell .sheet rect.named, #cell .sheet rect.gain").count() == 0


def test_the_next_case_takes_the_place_of_this_one(page):
    page.click("text=case-a")
    wait_for_cell(page)
    page.evaluate("window.same = true")
    ahead = page.locator(".around a[rel=next]").get_attribute("href")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("b")
    page.keyboard.press("j")
    page.wait_for_url(f"**{ahead}")
    playwright.expect(page.locator("h1")).not_to_have_text("case-a", timeout=60_000)
    wait_for_cell(page)
    assert page.evaluate("window.same") and page.title().startswith('"=cmd|')
    page.locator("#relaid rect[data-name='21']").first.click()
    page.wait_for_selector(".homolog")
    assert page.locator(".sheet rect").first.is_visible()
    page.keyboard.press("b")
    assert not page.locator(".sheet rect").first.is_visible()
    page.go_back()
    playwright.expect(page.locator("h1")).to_have_text("case-a", timeout=60_000)


def test_without_the_originals_the_small_picture_stands_in_and_it_is_said(browser, tmp_path):
    write_run(tmp_path / "out", tmp_path / "in", {"a.png": "+21"})
    (tmp_path / "in").rename(tmp_path / "moved")
    with Server(tmp_path / "out") as started:
        page = opened(browser)
        page.goto(started.address)
        page.locator(".open-case").first.click()
        page.wait_for_selector("#original-said:has-text('--pictures')")
        page.wait_for_function("document.querySelector('.sheet img').naturalWidth === 200")
        assert page.locator(".sheet rect.gain").first.is_visible()
        assert not page.locator("#relaid").is_visible()
        page.context.close()


def test_the_original_is_zoomed_moved_and_has_boxes(page):
    page.click("text=case-a")
    wait_for_cell(page)
    before = page.locator(".sheet").bounding_box()
    page.click("[data-zoom='1.4']")
    after = page.locator(".sheet img").bounding_box()
    assert after["width"] > 1.3 * before["width"]
    page.focus("#viewer")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".sheet img").bounding_box()["x"] > after["x"]
    assert page.locator(".sheet rect").first.is_visible()
    page.keyboard.press("b")
    assert not page.locator(".sheet rect").first.is_visible()


def test_the_scripts_speak_the_language_of_the_room(browser, tmp_path):
    """A verdict in German, on a narrow screen, stored as ever."""
    write_run(tmp_path / "out", tmp_path / "in", {"a.png": "+21", "b.png": ""})
    with Server(tmp_path / "out", "--language", "de") as started:
        page = opened(browser, viewport={"width": 390, "height": 900})
        page.goto(started.address)
        page.wait_for_selector("body[data-keys]")
        page.keyboard.press("n")
        page.wait_for_selector("text=Zuerst einen Fall wählen")
        page.locator(".open-case").first.click()
        wait_for_cell(page)
        page.fill("input[name=initials]", "AB")
        page.select_option("#choose", "21")
        page.locator(".rename input").first.fill("?")
        page.locator(".rename input").first.press("Tab")
        page.wait_for_selector(
            "text=Korrigierte Klassen, die Ihr Urteil zu dieser Zelle festhält: 1."
        )
        page.check("input[name=subject][value=case]")
        page.check("input[value=abnormal]")
        page.click("text=Urteil speichern")
        page.wait_for_selector("text=Gespeichert: a, auffällig, von AB.")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert not serious(page)
        page.context.close()
    with Verdicts(tmp_path / "out" / FILE_NAME) as store:
        assert [one.decision for one in store.all()] == ["abnormal"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_serious_stands_in_the_way_of_anyone(browser, server, scheme, width):
    page = opened(browser, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(server.address)
    found = serious(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("text=case-a")
    wait_for_cell(page)
    page.select_option("#choose", "21")
    page.wait_for_selector(".homolog")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found += serious(page)
    page.context.close()
    assert not found


def test_a_killed_server_loses_nothing_and_the_page_says_that_it_is_gone(browser, tmp_path):
    write_run(tmp_path / "out", tmp_path / "in", {"case-a/1.png": ""})
    page = opened(browser)
    with Server(tmp_path / "out") as first:
        page.goto(first.address)
        page.wait_for_selector("body[data-keys]")
        page.fill("input[name=initials]", "AB")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=given as AB")
        page.keyboard.press("j")
        page.keyboard.press("n")
        page.wait_for_selector(".reading.normal")
    page.keyboard.press("a")
    page.wait_for_selector(".said.bad")
    assert "does not answer" in page.inner_text(".said") and page.inner_text(".readers") == "▽ AB"
    with Server(tmp_path / "out") as second:
        page.goto(second.address)
        assert page.inner_text(".readers").strip() == "▽ AB"
        tab = page.context.new_page()
        tab.goto(second.address)
        assert tab.inner_text(".readers").strip() == "▽ AB"
        page.context.close()


def test_hostile_names_are_read_and_judged_as_any_other(page, out, tmp_path):
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.fill("#search", "cmd|")
    playwright.expect(page.locator(".case-line")).to_have_count(1, timeout=60_000)
    page.click(".open-case")
    page.wait_for_selector("body[data-keys]")
    assert page.inner_text("h1") == '"=cmd|"<script>alert(1)<'
    assert "🧬" in page.inner_text("#cell h2 >> nth=0")
    page.fill("input[name=initials]", "EF")
    page.check("input[value=redo]")
    page.fill("textarea[name=note]", "=HYPERLINK(<img src=x onerror=alert(2)>)")
    page.click("text=Store the verdict")
    page.wait_for_selector(".history .note")
    assert "onerror" in page.inner_text(".history .note")
    exchange(Settings(out, tmp_path / "labels.csv"))
    assert "\n=" not in (tmp_path / "labels.csv").read_text("utf-8")


def test_a_verdict_given_while_the_server_is_killed_is_whole_or_said_to_be_lost(browser, tmp_path):
    """Each time a little later: before, while and after it is stored."""
    names = [f"case-{number}/1.png" for number in range(3)]
    keep_run(tmp_path / "out", tmp_path / "in", [Picture(name, name[:6]) for name in names])
    page, confirmed = opened(browser), set()
    for number, wait in enumerate((0, 15, 120)):
        with Server(tmp_path / "out") as server:
            page.goto(f"{server.address}?q=case-{number}")
            page.wait_for_selector("body[data-keys] .case-line")
            page.fill("input[name=initials]", "AB")
            page.keyboard.press("Enter")
            page.wait_for_selector("text=given as AB")
            page.keyboard.press("j")
            page.keyboard.press("a")
            page.wait_for_timeout(wait)
        page.wait_for_selector(".reading.abnormal, .said.bad")
        if page.locator(".reading.abnormal").count():
            confirmed.add(f"case-{number}")
    page.context.close()
    with Verdicts(tmp_path / "out" / FILE_NAME) as store:
        kept = [one.case for one in store.all()]
    assert confirmed <= set(kept) and len(kept) == len(set(kept))


def test_the_case_is_printed(page):
    page.click("text=case-a")
    wait_for_cell(page)
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print")
    assert not page.locator("#verdict").is_visible() and page.locator("#relaid").is_visible()

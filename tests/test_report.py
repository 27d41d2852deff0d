"""The page: complete, harmless, self-contained, the same for the same view."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from pictures import jpeg, judged, reading
from screening import words
from screening.bundle_schema import StructureFound, StructureInfo
from screening.classes import ROUTES
from screening.record import Picture
from screening.report import packed
from screening.report.figures import scale_bar
from screening.report.glossary import LIMITS, NO_ROOM
from screening.report.work_list import WorkList, passes_histogram, render, size_of
from screening.triage.cases import summarise_cases
from screening.triage.rule import Rule
from screening.uncertainty.venn_abers import VennAbers

HOSTILE = '<script>alert("1")</script>\u202e&"\'.png'


def row(name: str, route: str = "flag", status: str = "ok", **changes: object) -> Picture:
    return judged(name, route, status, **({"thumbnail": b"\xff\xd8jpeg"} | changes))


def view(*rows: Picture, rule: Rule = Rule(), **changes: object) -> WorkList:  # noqa: B008
    cases = tuple(sorted(summarise_cases(rows, rule), key=lambda case: ROUTES.index(case.route)))
    values = {
        "title": "Work list", "pictures": rows, "cases": cases, "facts": (("bundle", "b" * 64),),
        "notes": (),
    }  # fmt: skip
    return WorkList(rule=rule, **(values | changes))


def cell(name: str, route: str, karyotype: str, **changes: object) -> Picture:
    """A picture of the case P1, read as `karyotype`."""
    sex = karyotype.split(",")[1]
    read = reading(" ".join(karyotype.split(",")[2:]), sex)
    return row(name, route, **({"case": "P1", "reading": read, "thumbnail": jpeg()} | changes))


class Tags(HTMLParser):
    """Collects tags and complains about those that do not close."""

    VOID = {"meta", "img", "input", "br"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open[-3:])
        self.open.pop()


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def test_every_row_reason_and_count_is_there():
    rows = [row(f"p{i}.png", ("flag", "review", "low-priority")[i % 3]) for i in range(9)]
    rows.append(row("torn.png", "review", "failed"))
    page = render(view(*rows))
    for one in rows:
        assert one.image in page and one.judged.reasons[0] in page
    assert page.count("<article") == 10
    assert words.RESEARCH_USE in page and words.scope_told(view().rule.scope) in page
    for limit in LIMITS:
        assert limit in page


def head(page: str) -> dict[str, tuple[int, int]]:
    """Cases and pictures of each route as the head counts them."""
    found = re.findall(
        r'class="count ([\w-]+)"><b>(\d+)</b>.*?<span>(\d+) cases?, (\d+) pictures?<', page
    )
    assert len(found) == 3 and all(big == said for _, big, said, _ in found)
    return {route: (int(cases), int(pictures)) for route, cases, _, pictures in found}


def table(page: str) -> dict[str, tuple[int, int]]:
    """Cases and pictures of each route as the table of cases lists them."""
    counts = dict.fromkeys(ROUTES, (0, 0))
    lines = re.findall(r'<tr class="([\w-]+)">.*?</span></td><td>(\d+)', page)
    assert lines
    for route, pictures in lines:
        counts[route] = (counts[route][0] + 1, counts[route][1] + int(pictures))
    return counts


def test_the_findings_of_a_case_reach_the_page_and_the_head_counts_as_the_table():
    trisomy = [cell(f"t{i}.png", "flag", "47,XX,+21") for i in range(6)]
    normal = cell("n.png", "low-priority", "46,XX")
    alone = row("torn.png", "review", "failed", case="P2")
    page = render(view(*trisomy, alone, normal))
    assert "6 of 7 cells show +21; possible mosaic: 47,XX,+21 in 6 of 7, 46,XX in 1 of 7" in page
    assert page.index("6 of 7 cells") < page.index("<article")
    assert head(page) == table(page) == {"flag": (1, 7), "review": (1, 1), "low-priority": (0, 0)}
    assert "(1 not judged)" in page and "no picture could be judged" in page
    # What is less urgent by itself says where its case is.
    assert page.count("(for <b>▲ flag</b>)") == 1


def test_a_case_raised_as_a_mosaic_is_counted_where_it_is_routed():
    cells = [cell("a.png", "low-priority", "46,XX"), cell("b.png", "low-priority", "46,XY")]
    others = [cell("c.png", "low-priority", "46,XX", case="P2")]
    page = render(view(*cells, *others))
    assert head(page) == table(page) == {"flag": (0, 0), "review": (1, 2), "low-priority": (1, 1)}
    assert "a chimera, or pictures of two persons?" in page
    assert page.count("(for <b>● review</b>)") == 2 and ">▽ low-priority 3<" in page


def test_the_search_looks_at_names_cases_reasons_and_karyotypes_only():
    """Every karyotype that is possible at all lists +21 among those that fit."""
    fits = (("46,XX", 0.5), ("47,XX,+21", 0.4))
    rest = cell("a.png", "review", "46,XX", reading=reading(karyotypes=fits))
    page = render(view(rest, cell("b.png", "flag", "47,XX,+21")))
    assert "[data-find]" in page.split("<script>")[1] and "row.textContent" not in page
    texts = [
        "\n".join(re.findall(r"data-find>([^<]*)<", article))
        for article in page.split("<article")[1:]
    ]
    assert texts == ["a.png\nP1\nreason of a.png\n46,XX", "b.png\nP1\nreason of b.png\n47,XX,+21"]
    assert "47,XX,+21" in page.split("<article")[1]
    assert '<button type="button" data-case="P1">' in page


CALIBRATED = VennAbers(((0.0, 40.0, 0.0), (0.5, 5.0, 5.0), (1.0, 0.0, 40.0)))


def test_the_probability_is_an_interval_on_a_whole_scale():
    rule = Rule(0.04, flag_threshold=0.5, venn_abers=CALIBRATED)
    shown = row("a.png")
    shown = replace(shown, verdict=replace(shown.judged, interval=(0.25, 0.75)))
    page = render(view(shown, rule=rule))
    assert "<b>between 0.25 and 0.75</b>" in page and "passes that vote" not in page
    assert 'class="filled" x="25.0" width="50.0"' in page and 'x="49.5" width="1"' in page
    votes = render(view(row("a.png")))
    assert "<dt>passes that vote abnormal</dt>" in votes and "<b>97 %</b>" in votes
    assert 'class="filled" x="0.0" width="97.0"' in votes
    assert 'x="79.5" width="1"' in votes and 'x="19.5" width="1"' in votes
    for low, high, drawn in ((0, 0, (0, 1)), (1, 1, (99, 1)), (-1, 2, (0, 100))):
        x, width = re.search(
            r'filled" x="([\d.]+)" width="([\d.]+)"', scale_bar(low, high)
        ).groups()
        assert (float(x), float(width)) == drawn


def test_the_words_of_the_page_are_those_of_the_rule():
    told = dict(view(row("a.png"), rule=Rule(0.04, 0.8, flag_threshold=0.5)).glossary())
    assert told["flag"] == "at least 80 % of the passes reach 0.5."
    assert "stay under 0.04, exactly 46 separate" in told["low-priority"]
    assert "structural changes not judged" in told["low-priority"] and "probability" not in told
    read = cell("a.png", "flag", "46,XX")
    told = dict(
        view(read, rule=Rule(0.04, 0.7, min_p_normal=0.9, venn_abers=CALIBRATED)).glossary()
    )
    assert told["flag"].startswith("all of the probability’s interval lies above one half, and")
    assert told["flag"].endswith("at least 70 % of the passes reach 0.04.")
    assert "interval lies under one half" in told["low-priority"]
    assert "a probability of 0.9 or more by the chromosomes" in told["low-priority"]
    assert "where 50 % of patients are abnormal" in told["probability"]


def test_hostile_names_stay_text():
    page = render(view(row(HOSTILE)))
    assert "<script>alert" not in page
    assert not any(name.startswith("on") for _, name, _ in parsed(page).attributes)


def test_what_is_known_of_structure_stands_apart_from_the_promise_as_a_table():
    found = [
        StructureFound(kind="inv", low=0.25, high=0.5, pages=4, raised=2, bound=0.0976),
        StructureFound(kind="del", low=0.5, high=2, pages=14, raised=14, bound=0.8073),
    ]
    known = StructureInfo(
        recall=0.8, confidence=0.95, people=9, normal=40, lost=2, lost_bound=0.149,
        found=tuple(found),
    )  # fmt: skip
    text = render(view(judged("a.png"), certificate="At least all.", structure=known))
    promise = text.index("At least all.")
    assert promise < text.index("Structure: no size is promised.") < text.index("<h2>Cases</h2>")
    row = '<tr><th scope="row">deletion</th><td></td><td>14 of 14 (at least 80 %)</td></tr>'
    assert row in text and '<th scope="col">25–50 %</th>' in text
    assert text.index("deletion</th>") < text.index("inversion</th>")
    assert "(at most 15 % of all such, with 95 % confidence)" in text
    none = render(view(judged("a.png"), structure=known.model_copy(update={"found": ()})))
    assert "Of 40 normal cells 2 are not of low priority" in none
    assert 'structural changes">' not in render(view(judged("a.png")))


def test_the_page_asks_nobody_for_anything():
    page = render(view(row("a.png"), row("b.png", "review", "rejected")))
    for _, name, value in parsed(page).attributes:
        if name in ("src", "href", "action", "poster", "srcset"):
            assert value.startswith("data:image/jpeg;base64,")
    assert not re.search(r"https?:|@import|url\(", page)
    assert "default-src 'none'" in page


def test_the_same_view_gives_the_same_page():
    assert render(view(row("a.png"))) == render(view(row("a.png")))


def test_a_very_large_run_still_opens():
    thumbnail = b"\xff\xd8" + bytes(6000)
    rows = [row(f"{i}.png", "low-priority", thumbnail=thumbnail) for i in range(5000)]
    page = render(view(*rows))
    assert len(page) < 40e6 and page.count("<article") == packed.INLINE
    shown = [html for piece in unpacked(page, "data-rows") for html in piece]
    assert len(shown) == 5000 - packed.INLINE
    room = packed.MOST_ROWS * packed.PICTURE_BYTES // len(thumbnail)
    assert sum("data:image/jpeg" in html for html in shown) == room - packed.INLINE
    assert "4999.png" in shown[-1]


def unpacked(page: str, what: str) -> list[list]:
    """What the page's script would unpack."""
    found = re.findall(rf'<script type="text/plain" {what}>([^<]*)</script>', page)
    return [json.loads(zlib.decompress(base64.b64decode(text))) for text in found]


def test_a_thousand_pictures_of_any_kind_stay_under_15_mb():
    """Every one flagged, read, with as many single chromosomes as one may have."""
    rng = np.random.default_rng(1)
    noise = lambda size: b"\xff\xd8" + rng.bytes(size - 2)  # noqa: E731
    one = cell("x", "flag", "47,XX,+21")
    rows = [
        replace(one, image=f"{i}.png", thumbnail=(head := jpeg()) + noise(6000 - len(head)),
                crops=(("a", noise(17_000)),), pairs=(("b", noise(20_000)),))
        for i in range(1000)
    ]  # fmt: skip
    page = render(view(*rows))
    assert len(page) < 15e6
    shown = "".join(html for piece in unpacked(page, "data-rows") for html in piece)
    assert page.count(">a</figcaption>") and NO_ROOM in shown
    assert shown.count("data:image/jpeg") >= 980


def test_what_is_packed_is_searched_and_printed_as_what_stands_there():
    rows = [row(f"p{i}.png", ("review", "low-priority")[i % 2]) for i in range(packed.INLINE + 2)]
    rows[-1] = cell(HOSTILE, "flag", "47,XX,+21")
    page = render(view(*rows))
    ((review, hostile),) = unpacked(page, "data-index")
    name = f"p{packed.INLINE}.png"
    assert review == ["review", f"{name}\n{rows[-2].case}\nreason of {name}", rows[-2].case]
    assert hostile[:2] == ["flag", f"{HOSTILE}\nP1\nreason of {HOSTILE}\n47,XX,+21"]
    assert "<script>alert" not in "".join(unpacked(page, "data-rows")[0])
    assert len(unpacked(render(view(*rows[: packed.INLINE])), "data-index")) == 0


def test_the_browser_runs_the_pages_own_script_alone():
    page = render(view(row("a.png")))
    script = re.search(r"<script>(.*)</script>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "unsafe-inline'; script" in page


def test_a_row_links_to_its_original():
    page = render(view(row("a.png"), row("b.png"), originals={"a.png": "../in/a%20b.png"}))
    assert page.count('class="original"') == 1 and 'href="../in/a%20b.png"' in page


def test_what_was_not_judged_shows_no_numbers():
    page = render(view(row("torn.png", "review", "failed")))
    assert "not judged by the model" in page and "passes: mean" not in page
    with pytest.raises(ValueError, match="no verdict"):
        view(replace(row("a.png"), verdict=None)).count("flag")


def test_the_histogram_counts_every_pass():
    assert passes_histogram(np.array([0, 0.049, 0.5, 1], np.float32)) == [
        2, *[0] * 9, 1, *[0] * 8, 1,
    ]  # fmt: skip
    assert passes_histogram(np.zeros(0, np.float32)) == []
    assert "100 passes: mean 0.90, spread 0.10" in render(view(row("a.png")))


def test_the_size_of_a_thumbnail_is_read_from_its_header():
    assert size_of(judged().thumbnail) == (320, 240) and size_of(b"") == (0, 0)
    with pytest.raises(OSError):
        size_of(b"no picture")

"""The page: complete, harmless, self-contained, the same for the same view."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from pictures import judged
from screening.record import Case, Picture
from screening.report.work_list import MOST_THUMBNAILS, WorkList, passes_histogram, render, size_of

HOSTILE = '<script>alert("1")</script>\u202e&"\'.png'


def row(name: str, route: str = "flag", status: str = "ok", **changes: object) -> Picture:
    return judged(name, route, status, **({"thumbnail": b"\xff\xd8jpeg"} | changes))


def view(*rows: Picture, **changes: object) -> WorkList:
    case = Case("c1", "review", 2, 2, 0, 0, 0, 0.1, "0 of 2 cells", "46,XX in 2 of 2 cells")
    values = {
        "title": "Work list", "pictures": rows, "cases": (case,), "facts": (("bundle", "b" * 64),),
        "notes": (), "threshold": 0.5, "min_confidence": 0.8,
    }  # fmt: skip
    return WorkList(**(values | changes))


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
    assert re.search(r'count review"><b>4</b>', page) and "(1 not judged)" in page
    assert page.count("<article") == 10
    assert "Research use only" in page and "0 of 2 cells" in page
    assert "46,XX in 2 of 2 cells" in page


def test_hostile_names_stay_text():
    page = render(view(row(HOSTILE)))
    assert "<script>alert" not in page
    assert not any(name.startswith("on") for _, name, _ in parsed(page).attributes)


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
    assert page.count("data:image/jpeg") == MOST_THUMBNAILS
    assert len(page) < 60e6


def test_what_was_not_judged_shows_no_numbers():
    page = render(view(row("torn.png", "review", "failed")))
    assert "not judged by the model" in page and "passes, mean" not in page
    with pytest.raises(ValueError, match="no verdict"):
        view(replace(row("a.png"), verdict=None)).count("flag")


def test_the_histogram_counts_every_pass():
    assert passes_histogram(np.array([0, 0.049, 0.5, 1], np.float32)) == [
        2, *[0] * 9, 1, *[0] * 8, 1,
    ]  # fmt: skip
    assert passes_histogram(np.zeros(0, np.float32)) == []
    assert "100 passes, mean 0.90 ± 0.10" in render(view(row("a.png")))


def test_the_size_of_a_thumbnail_is_read_from_its_header():
    assert size_of(judged().thumbnail) == (320, 240) and size_of(b"") == (0, 0)
    with pytest.raises(OSError):
        size_of(b"no picture")

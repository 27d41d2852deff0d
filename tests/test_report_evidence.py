"""What was read of a cell on the page: boxes where the chromosomes are, odd ones marked, small."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from screening.classes import CHROMOSOMES
from screening.evidence.record import PictureEvidence, Placed
from screening.report.overlay import described, overlay
from screening.report.page import render
from screening.report.view import ChromosomeView
from screening.worklist.page import CROP_BYTES, MOST_CROPS, MOST_KARYOTYPES, evidence_view
from test_report import HOSTILE, parsed, row, view


def jpeg(size: tuple[int, int] = (40, 90)) -> str:
    noise = np.random.default_rng(1).integers(0, 255, size[::-1], np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=70)
    return base64.b64encode(buffer.getvalue()).decode()


def evidence(**changes: object) -> PictureEvidence:
    """47,XX,+21 as it may be read."""
    counts = dict.fromkeys(CHROMOSOMES, 2) | {"21": 3, "Y": 0}
    names = [name for name, count in counts.items() for _ in range(count)]
    placed = tuple(
        Placed((i % 12) / 12, i // 12 / 4, 0.05, 0.2, name, 0.99, name)
        for i, name in enumerate(names)
    )
    values = {
        "features": {}, "chromosomes": placed, "counts": counts, "gains_and_losses": ("+21",),
        "karyotypes": (("47,XX,+21", 0.97), ("46,XX", 0.0001)), "iscn": "47,XX,+21",
    }  # fmt: skip
    return PictureEvidence(**(values | changes))


def page(read: PictureEvidence, route: str = "flag", contributions: tuple = ()) -> str:
    shown = evidence_view(read, contributions)
    return render(view(row("a.png", route, evidence=shown, thumbnail_size=(320, 240))))


def boxes(text: str) -> list[str]:
    return re.findall(r'<rect class="([^"]*)"[^>]*><title>', text)


def test_every_chromosome_has_its_box_in_thumbnail_pixels():
    text = page(evidence())
    parsed(text)
    assert len(boxes(text)) == 47 and boxes(text).count("gain") == 3
    assert 'viewBox="0 0 320 240"' in text
    one = ChromosomeView(0.25, 0.5, 0.1, 0.2, "7", 0.9)
    assert 'x="80.0" y="120.0" width="32.0" height="48.0"' in overlay([one], (320, 240))
    assert overlay([one], (0, 0)) == "" and overlay([], (320, 240)) == ""


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [({}, "fine", "chromosome 9, probability 0.97"), ({"slot": "8"}, "fine", "stands in slot 8"),
     ({"doubtful": True}, "doubtful", "doubtful to read"),
     ({"slot": "8", "missorted": True}, "missorted", "slot 8, not its own"),
     ({"change": "loss", "missorted": True}, "loss", "fewer of this class"),
     ({"change": "gain", "doubtful": True}, "gain doubtful", "more of this class"),
     ({"name": "?", "doubtful": True}, "doubtful", "reads as no class")],
)  # fmt: skip
def test_state_and_words_of_a_box(changes, kind, words):
    one = replace(ChromosomeView(0.5, 0.5, 0.1, 0.1, "9", 0.97), **changes)
    drawn = overlay([one], (320, 240))
    assert boxes(drawn) == [kind] and words in described(one) and words in drawn
    assert ("<text" in drawn) == (kind != "fine")


def test_losses_and_markers_are_changes_too():
    read = evidence(gains_and_losses=("-X", "+mar", "3n"))
    unnamed = Placed(0.9, 0.9, 0.05, 0.05, "?", 0.4, doubtful=True)
    shown = evidence_view(replace(read, chromosomes=(*read.chromosomes, unnamed)))
    assert [(c.name, c.change) for c in shown.chromosomes if c.change] == [
        ("X", "loss"), ("X", "loss"), ("?", "gain"),
    ]  # fmt: skip


def test_counts_stand_in_denver_order_and_differences_are_marked():
    text = page(evidence())
    counted = re.findall(
        r'class="class( differs)?" title="chromosome (\w+): (\d+) found, (\d+) expected"', text
    )
    assert [name for _, name, _, _ in counted] == list(CHROMOSOMES)
    assert [(name, found) for odd, name, found, _ in counted if odd] == [("21", "3")]


def test_karyotypes_and_contributions_are_in_words():
    parts = (("network", 1.25), ("reading", -2.5), ("own_measure", 0.3), ("layout", 0.001))
    text = page(evidence(), contributions=parts)
    assert "47,XX,+21" in text and ">0.97<" in text and "&lt;0.01" in text
    assert "whole-picture network" in text and "own measure" in text
    assert ">+1.2<" in text and ">-2.5<" in text
    assert "order of the chromosomes" not in text.split("Words</h2>")[0]
    many = tuple((f"47,XX,+{n}", 0.05) for n in range(1, 20))
    assert len(evidence_view(evidence(karyotypes=many)).karyotypes) == MOST_KARYOTYPES


def test_only_the_urgent_ones_are_open():
    assert '<details class="evidence" open>' in page(evidence(), "review")
    assert '<details class="evidence">' in page(evidence(), "low-priority")
    assert "no karyotype probable enough" in page(evidence(iscn=""))


def test_nothing_read_shows_no_legend_and_no_boxes():
    text = render(view(row("a.png")))
    assert 'class="legend"' not in text and "<details" not in text
    assert "separate objects of chromosome size" in text
    empty = page(PictureEvidence({}))
    parsed(empty)
    assert "0 found" in empty


def test_hostile_captions_and_names_stay_text():
    read = evidence(crops=((HOSTILE, jpeg()),), karyotypes=((HOSTILE, 0.5),), iscn=HOSTILE)
    text = page(read, contributions=((HOSTILE, 1.0),))
    assert "<script>alert" not in text
    for _, name, value in parsed(text).attributes:
        assert not name.startswith("on")
        assert name != "src" or value.startswith("data:image/jpeg;base64,")


def test_a_picture_takes_at_most_60_kb():
    crops = tuple((f"chromosome {i}, reads as 21 (0.55), stands in slot 22", jpeg()) for i in range(46))  # noqa: E501  # fmt: skip
    placed = tuple(replace(p, doubtful=True, missorted=True) for p in evidence().chromosomes)
    read = evidence(crops=crops, chromosomes=placed)
    shown = evidence_view(read)
    assert 0 < len(shown.crops) <= MOST_CROPS
    assert len(shown.crops) + shown.crops_left_out == 46
    assert sum(len(c.picture) for c in shown.crops) <= CROP_BYTES * 3 / 4
    one = row("a.png", evidence=shown, thumbnail=bytes(6 * 1024), thumbnail_size=(320, 240))
    text = render(view(one))
    assert len(render(view(one, one))) - len(text) < 60_000
    assert f"{shown.crops_left_out} more are not shown" in text

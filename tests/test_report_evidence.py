"""What was read of a cell on the page: boxes where the chromosomes are, odd ones marked, small."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pictures import jpeg, judged, reading
from screening.classes import CHROMOSOMES
from screening.evidence.fusion import Fusion
from screening.evidence.witnesses import KNOWN, labels_of
from screening.record import Chromosome, Reading
from screening.report.glossary import CHANGED, CHANGED_MEANS, LOOKED, LOOKED_MEANS
from screening.report.overlay import change_of, described, overlay
from screening.report.work_list import CROP_BYTES, MOST_CROPS, MOST_KARYOTYPES, crops_shown, render
from screening.triage.rule import Rule
from screening.words import START
from test_report import HOSTILE, parsed, row, view


def evidence(**changes: object) -> Reading:
    """47,XX,+21 as it may be read."""
    return reading("+21", **({"karyotypes": (("47,XX,+21", 0.97), ("46,XX", 0.0001))} | changes))


def page(
    read: Reading, route: str = "flag", contributions: Mapping[str, float] | None = None,
    crops: tuple[tuple[str, bytes], ...] = (),
) -> str:  # fmt: skip
    shown = judged("a.png", route, contributions=contributions, reading=read, crops=crops)
    rule = Rule(0.04, flag_threshold=0.5, fusion=Fusion(1.97, {}))
    return render(view(shown, rule=rule, labels=labels_of(KNOWN)))


def boxes(text: str) -> list[str]:
    return re.findall(r'<rect class="([^"]*)"[^>]*><title>', text)


def test_every_chromosome_has_its_box_in_thumbnail_pixels():
    text = page(evidence())
    parsed(text)
    assert len(boxes(text)) == 47 and boxes(text).count("gain") == 3
    assert 'viewBox="0 0 320 240"' in text
    one = Reading((Chromosome("7", 0.9, x=0.25, y=0.5, w=0.1, h=0.2),))
    assert 'x="80.0" y="120.0" width="32.0" height="48.0"' in overlay(one, (320, 240))
    assert overlay(one, (0, 0)) == "" and overlay(Reading(), (320, 240)) == ""


@pytest.mark.parametrize(
    ("changes", "cell", "kind", "words"),
    [({}, (), "fine", "chromosome 9, probability 0.97"),
     ({"position": "8"}, (), "fine", "stands in position 8"),
     ({"doubtful": True}, (), "doubtful", "doubtful to read"),
     ({"position": "8", "misplaced": True}, (), "misplaced", "position 8, not its own"),
     ({"misplaced": True}, ("-9",), "loss", "fewer of this class"),
     ({"doubtful": True}, ("+8", "+9"), "gain doubtful", "more of this class"),
     ({"name": "?", "doubtful": True}, (), "doubtful", "reads as no class")],
)  # fmt: skip
def test_state_and_words_of_a_box(changes, cell, kind, words):
    one = replace(Chromosome("9", 0.97, x=0.5, y=0.5, w=0.1, h=0.1), **changes)
    drawn = overlay(Reading((one,), gains_and_losses=cell), (320, 240))
    assert boxes(drawn) == [kind] and words in described(one, cell) and words in drawn
    assert ("<text" in drawn) == (kind != "fine")


def test_losses_and_markers_are_changes_too():
    changes = ("-X", "+mar", "3n")
    unnamed = Chromosome("?", 0.4, doubtful=True, x=0.9, y=0.9, w=0.05, h=0.05)
    cell = (*evidence().chromosomes, unnamed)
    found = [(one.name, change) for one in cell if (change := change_of(one, changes))]
    assert found == [("X", "loss"), ("X", "loss"), ("?", "gain")]
    drawn = overlay(Reading(cell, gains_and_losses=changes), (320, 240))
    assert sorted(kind for kind in boxes(drawn) if kind != "fine") == [
        "gain doubtful", "loss", "loss",
    ]  # fmt: skip


def test_counts_stand_in_denver_order_and_differences_are_marked():
    text = page(evidence())
    counted = re.findall(
        r'class="class( differs)?" title="chromosome (\w+): (\d+) found, (\d+) expected"', text
    )
    assert [name for _, name, _, _ in counted] == list(CHROMOSOMES)
    assert [(name, found) for odd, name, found, _ in counted if odd] == [("21", "3")]


def test_karyotypes_and_contributions_are_in_words():
    parts = {"network": 1.25, "reading": -2.5, "own_measure": 0.3, "layout": 0.001}
    text = page(evidence(), contributions=parts)
    assert "47,XX,+21" in text and ">0.97<" in text and "46,XX</span>" not in text
    assert "whole-picture network" in text and "own measure" in text
    assert (
        "Evidence speaks for low priority where the sum is under -3.2, for a flag from 0 on."
        in (text)
    )
    assert "order of the chromosomes" not in text.split("Words</h2>")[0]
    many = tuple((f"47,XX,+{n}", 0.05) for n in range(1, 20))
    text = page(evidence(karyotypes=many))
    fit = text.split("Karyotypes that fit")[1].split("</section>")[0]
    assert fit.count('class="line"') == MOST_KARYOTYPES


@pytest.mark.parametrize(
    "parts",
    [{"network": -0.44, "reading": -0.84}, {"network": 1.25, "reading": -2.55, "count": 0.349},
     {"network": -1.97}, {"network": 0.04, "reading": 0.04, "count": 0.04}],
)  # fmt: skip
def test_bars_start_at_the_starting_point_and_add_up(parts):
    section = page(evidence(), contributions=parts).split("What speaks for normal")[1]
    lines = re.findall(r"<span>([^<]+)</span>.*?<b>([+-]\d\.\d)</b>", section)
    shown = {name: float(value) for name, value in lines}
    total = shown.pop("sum")
    assert next(iter(shown)) == START and abs(shown[START] - 1.97) < 0.1
    assert (
        total
        == pytest.approx(sum(shown.values()))
        == pytest.approx(sum(parts.values()) + 1.97, abs=0.051)
    )


def test_without_a_fusion_nothing_speaks():
    text = render(view(judged(reading=evidence(), contributions={"network": 1.0}), rule=Rule()))
    assert "What speaks for normal (left)" not in text
    assert "What speaks for normal (left)" not in page(evidence(), contributions={})


def test_only_the_urgent_ones_are_open():
    assert '<details class="evidence" open>' in page(evidence(), "review")
    assert '<details class="evidence">' in page(evidence(), "low-priority")
    assert "no karyotype probable enough" in page(evidence(iscn=""))


def test_where_the_network_looked_is_shown_of_urgent_pictures_alone():
    one = judged(reading=evidence(), heat=b"\x89PNG", changed=b"\x89PNG2")
    text = render(view(one))
    parsed(text)
    for kind, label, means in (
        ("looked", LOOKED, LOOKED_MEANS), ("changed", CHANGED, CHANGED_MEANS)
    ):  # fmt: skip
        assert text.count(f'<img class="heat {kind}" alt="" src="data:image/png;base64,') == 1
        assert text.count(f'<label class="lay {kind}">') == 1 and label in text and means in text
    text = render(view(judged(reading=evidence(), heat=b"\x89PNG")))
    assert LOOKED in text and CHANGED not in text
    for other in (judged("a.png", "low-priority", heat=b"\x89PNG"), judged()):
        text = render(view(other))
        assert 'class="heat' not in text and LOOKED not in text and CHANGED not in text


def test_nothing_read_shows_no_legend_and_no_boxes():
    text = render(view(row("a.png")))
    assert 'class="legend"' not in text and "<details" not in text
    assert "separate objects of chromosome size" in text
    empty = page(Reading())
    parsed(empty)
    assert "0 found" in empty


def test_hostile_captions_and_names_stay_text():
    read = evidence(karyotypes=((HOSTILE, 0.5),), iscn=HOSTILE)
    text = page(read, contributions={HOSTILE: 1.0}, crops=((HOSTILE, jpeg()),))
    assert "<script>alert" not in text
    for _, name, value in parsed(text).attributes:
        assert not name.startswith("on")
        assert name != "src" or value.startswith("data:image/jpeg;base64,")


def test_a_picture_takes_at_most_60_kb():
    crops = tuple((f"chromosome {i}, reads as 21 (0.55), stands in position 22", jpeg()) for i in range(46))  # noqa: E501  # fmt: skip
    placed = tuple(replace(p, doubtful=True, misplaced=True) for p in evidence().chromosomes)
    one = replace(judged("a.png", reading=evidence(chromosomes=placed), crops=crops),
                  thumbnail=jpeg((320, 240))[: 6 * 1024])  # fmt: skip
    shown = crops_shown(one)
    assert 0 < len(shown) <= MOST_CROPS and shown == crops[: len(shown)]
    assert sum(len(picture) for _, picture in shown) <= CROP_BYTES
    text = render(view(one))
    assert len(render(view(one, one))) - len(text) < 60_000
    assert f"{46 - len(shown)} more are not shown" in text
    large = replace(one, crops=(("small", b"x"), ("large", bytes(CROP_BYTES)), ("small", b"x")))
    assert crops_shown(large) == large.crops[:1]

"""Composed karyograms: the truth matches the pixels, in every look."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from screening.classes import CHROMOSOMES
from screening.karyogram.layout import LAYOUTS
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Chromosome, Metaphase, length_unit
from screening.synthesis.style import STYLES, Style, clinical_style, random_style

PLAIN = Style(jpeg=0, chromosome_blur=0.0, label="none", rule="none")


@pytest.fixture(scope="module")
def male() -> Metaphase:
    return draw_cell(np.random.default_rng(1), "XY")


def with_counts(cell: Metaphase, counts: dict[str, int]) -> Metaphase:
    """`cell` with so many of each class, the same picture repeated."""
    first = {c.name: c for c in cell.chromosomes}
    many = tuple(first[name] for name, n in counts.items() for _ in range(n))
    return Metaphase(many, cell.source, cell.case, cell.cell)


def test_same_seed_gives_the_same_picture_and_another_seed_another(male):
    for family in STYLES.values():
        one, two, other = (
            compose(male, family(rng), rng) for rng in map(np.random.default_rng, (7, 7, 8))
        )
        assert np.array_equal(one.image, two.image) and one.boxes == two.boxes
        assert one.image.shape != other.image.shape or not np.array_equal(one.image, other.image)


def test_random_styles_are_valid_plain_values():
    rng = np.random.default_rng(0)
    for _ in range(200):
        style = random_style(rng)
        assert style.layout in LAYOUTS
        assert 400 <= style.width <= 2000
        assert all(type(getattr(style, f.name)) in (int, float, bool, str) for f in fields(style))


def test_every_layout_holds_each_class_once():
    for layout in LAYOUTS.values():
        names = [name for row in layout for block in row for name in block]
        assert sorted(names) == sorted(CHROMOSOMES)


@pytest.mark.parametrize("seed", range(8))
def test_every_chromosome_has_one_box_inside_its_slot_and_the_page(male, seed):
    rng = np.random.default_rng(seed)
    karyogram = compose(male, random_style(rng), rng)
    counts = male.counts()
    assert Counter(box.name for box in karyogram.boxes) == {n: c for n, c in counts.items() if c}
    assert [slot.name for slot in karyogram.slots] == list(CHROMOSOMES)
    slots = {slot.name: slot for slot in karyogram.slots}
    height, width = karyogram.image.shape
    for box in karyogram.boxes:
        slot = slots[box.slot]
        assert slot.x <= box.x and box.x + box.w <= slot.x + slot.w
        assert slot.y <= box.y and box.y + box.h <= slot.y + slot.h
        assert 0 <= box.x and 0 <= box.y and box.x + box.w <= width and box.y + box.h <= height


@pytest.mark.parametrize("align", ["bottom", "centromere", "middle"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_enclose_all_ink_tightly(male, layout, align):
    style = replace(PLAIN, layout=layout, align=align, homolog_gap=0.6)
    karyogram = compose(male, style, np.random.default_rng(2))
    ink = karyogram.image < 245
    covered = np.zeros_like(ink)
    for box in karyogram.boxes:
        window = ink[box.y : box.y + box.h, box.x : box.x + box.w]
        for edge in (window[0], window[-1], window[:, 0], window[:, -1]):
            assert edge.any(), f"the box of {box.name} is not tight"
        covered[box.y : box.y + box.h, box.x : box.x + box.w] = True
    assert not (ink & ~covered).any()


@pytest.mark.parametrize("seed", range(8))
def test_labels_captions_and_rules_stay_clear_of_chromosomes(male, seed, monkeypatch):
    look = random_style(np.random.default_rng(seed))
    look = replace(look, noise=0.0, jpeg=0, blur=0.0, vignette=0.0, inverted=False)
    look = replace(look, label="number", letters=True, rule="pair", caption="Case 7")
    # What a style may draw across chromosomes on purpose is not meant here.
    look = replace(look, arrows=0, underlines=0, rule_gap=0.006, label_gap=0.01)

    def inside_boxes(grey: int) -> list[np.ndarray]:
        monkeypatch.setattr(
            "screening.synthesis.compose.letters",
            lambda text, font, height: np.full((height, height * len(text)), grey, np.uint8),
        )
        style = replace(look, rule_grey=grey)
        karyogram = compose(male, style, np.random.default_rng(seed))
        return [karyogram.image[b.y : b.y + b.h, b.x : b.x + b.w] for b in karyogram.boxes]

    for black, white in zip(inside_boxes(0), inside_boxes(255), strict=True):
        assert np.array_equal(black, white)


def test_a_label_stands_under_every_slot(male):
    style = replace(PLAIN, label="number", rule="page")
    labelled = compose(male, style, np.random.default_rng(5))
    ink = labelled.image < 245
    for box in labelled.boxes:
        ink[box.y : box.y + box.h, box.x : box.x + box.w] = False
    for slot in labelled.slots:  # a label under each slot
        below = ink[slot.y + slot.h : slot.y + slot.h + 40, slot.x : slot.x + slot.w]
        assert below.any(), f"no label under {slot.name}"


def test_homologs_can_touch_and_can_stand_apart(male):
    def gaps(homolog_gap: float) -> list[int]:
        style = replace(PLAIN, homolog_gap=homolog_gap, gap_jitter=0.0)
        boxes = compose(male, style, np.random.default_rng(3)).boxes
        pairs = zip(boxes[::2], boxes[1::2], strict=True)
        return [b.x - (a.x + a.w) for a, b in pairs if a.name == b.name]

    assert max(gaps(-0.15)) <= 0
    assert min(gaps(0.5)) > 0


def test_one_scale_for_the_whole_cell(male):
    straight = replace(PLAIN, rotation=0.0, bend=0.0)
    karyogram = compose(male, straight, np.random.default_rng(4))
    original = Counter()
    for chromosome in male.chromosomes:
        original[chromosome.name] += chromosome.image.shape[0]
    drawn = Counter()
    for box in karyogram.boxes:
        drawn[box.name] += box.h
    ratios = np.array([drawn[name] / original[name] for name in original])
    assert ratios.std() / ratios.mean() < 0.04


def test_missing_chromosomes_leave_their_gap_and_extra_ones_stand_together(male):
    counts = {name: n for name, n in male.counts().items() if n}
    style = replace(PLAIN, gap_jitter=0.0)
    lacking = compose(with_counts(male, counts | {"7": 1}), style, np.random.default_rng(0))
    trisomy = compose(with_counts(male, counts | {"21": 3}), style, np.random.default_rng(0))
    slot = {s.name: s for s in lacking.slots}
    assert slot["7"].w >= 0.85 * slot["8"].w
    assert (lacking.iscn, lacking.label) == ("45,XY,-7", "abnormal")
    assert (trisomy.iscn, trisomy.label) == ("47,XY,+21", "abnormal")
    wide = {s.name: s for s in trisomy.slots}
    assert wide["21"].w > wide["22"].w


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_any_number_of_homologs_composes(male, count):
    cell = with_counts(male, dict.fromkeys(CHROMOSOMES, count))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        karyogram = compose(cell, random_style(rng), rng)
        assert len(karyogram.boxes) == 24 * count
        assert len(karyogram.slots) == 24
        width = karyogram.image.shape[1]
        assert all(0 <= b.x and b.x + b.w <= width for b in karyogram.boxes)


def test_slots_of_a_clinical_page_do_not_overlap(male):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        slots = compose(male, clinical_style(rng), rng).slots
        for index, a in enumerate(slots):
            for b in slots[index + 1 :]:
                apart_x = a.x + a.w <= b.x + 2 or b.x + b.w <= a.x + 2
                apart_y = a.y + a.h <= b.y + 2 or b.y + b.h <= a.y + 2
                assert apart_x or apart_y, f"{a.name} and {b.name} overlap"


def test_wrong_pictures_and_names_are_refused():
    good = np.full((4, 4), 9, np.uint8)
    with pytest.raises(ValueError, match="received '23'"):
        Chromosome(good, "23", "a")
    with pytest.raises(ValueError, match="uint8"):
        Chromosome(good.astype(np.float32), "1", "a")


def test_length_unit_ignores_one_extra_chromosome(male):
    extra = (*male.chromosomes, male.chromosomes[-3])
    assert length_unit(extra) == pytest.approx(length_unit(male.chromosomes), rel=0.03)

"""Every chromosome is found once, cut from what it touches, and nothing else is taken for one."""

from __future__ import annotations

import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest

from screening.images.normalise import normalise
from screening.images.read import read_image
from screening.karyogram.locate import AmbiguousCut, FoundChromosome, Located
from screening.karyogram.locate.masks import Piece
from screening.karyogram.locate.printing import unlike_in_tone
from screening.karyogram.locate.touching import side_by_side, usual_width
from screening.synthesis.compose import Karyogram, compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Chromosome, Metaphase
from screening.synthesis.style import Style
from shipped import locate

PLAIN = Style(noise=0.5)


def page_of(style: Style, seed: int = 1, cell: Metaphase | None = None) -> Karyogram:
    rng = np.random.default_rng(seed)
    return compose(cell or draw_cell(rng, "XY"), style, rng)


def found_on(karyogram: Karyogram) -> Located:
    return locate(normalise(karyogram.image))


def overlaps(located: Located, karyogram: Karyogram) -> np.ndarray:
    """Intersection over union (found, true) of boxes."""
    a = np.array([each.box for each in located.chromosomes], float)[:, None]
    b = np.array([(box.x, box.y, box.w, box.h) for box in karyogram.boxes], float)[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    return common / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common)


def assert_all_found(karyogram: Karyogram, least: float = 0.7) -> Located:
    located = found_on(karyogram)
    assert len(located.chromosomes) == len(karyogram.boxes)
    assert (overlaps(located, karyogram).max(0) >= least).all()
    return located


@pytest.fixture(scope="module")
def plain() -> tuple[Karyogram, Located]:
    karyogram = page_of(PLAIN)
    return karyogram, found_on(karyogram)


@pytest.mark.parametrize("width", [400, 700, 1300, 2000, 3000])
def test_every_chromosome_is_found_at_any_resolution(width):
    assert_all_found(page_of(replace(PLAIN, width=width), seed=width))


@pytest.mark.parametrize(
    "style",
    [
        Style(layout="five", label="group", letters=True, font="serif", caption="Metaphase 12-345"),
        Style(label="number", font="sans-bold", label_size=0.022, caption="Case 18-74025"),
        Style(label="none", rule="none"),
        Style(rule="pair", rule_gap=-0.002, rule_width=2),
        Style(rule="line", rule_gap=0.0, rule_grey=0, jpeg=60),
        Style(label_gap=-0.001),
        Style(arrows=3, underlines=3),
        Style(width=1200, paper=225, vignette=0.1, noise=4, jpeg=50),
        Style(inverted=True),
    ],
    ids=["letters", "large-labels", "bare", "rules-cross-feet", "feet-on-lines", "labels-touch",
         "arrows", "grey-paper", "inverted"],
)  # fmt: skip
def test_what_is_drawn_in_is_no_chromosome(style):
    assert_all_found(page_of(style, seed=3))


@pytest.mark.parametrize("gap", [-0.02, 0.0, 0.05])
def test_homologs_that_touch_are_cut_apart(gap):
    style = replace(PLAIN, homolog_gap=gap, gap_jitter=0.02)
    karyogram = page_of(style, seed=5)
    ink = (normalise(karyogram.image) < 240).astype(np.uint8)
    sizes = cv2.connectedComponentsWithStats(ink)[2][1:, cv2.CC_STAT_AREA]
    assert np.count_nonzero(sizes > 0.3 * np.median(sizes)) < 46  # some do touch
    assert_all_found(karyogram)


@pytest.mark.parametrize("seed", range(3))
def test_bent_chromosomes_stay_whole(seed):
    style = replace(PLAIN, curl=1.0, homolog_gap=0.5)
    located = assert_all_found(page_of(style, seed=20 + seed))
    longest = max(located.chromosomes, key=lambda each: each.length)
    assert longest.length > 1.05 * max(longest.w, longest.h) or longest.h > longest.w


def test_a_tiny_marker_is_kept():
    rng = np.random.default_rng(3)
    cell = draw_cell(rng)
    tiny = np.full((14, 13), 255, np.uint8)
    cv2.ellipse(tiny, (6, 7), (5, 6), 0, 0, 360, 70, -1)
    tiny = cv2.GaussianBlur(tiny, (0, 0), 1)
    marker = Chromosome(tiny, "mar", "drawn/marker")
    karyogram = page_of(PLAIN, 3, replace(cell, chromosomes=(*cell.chromosomes, marker)))
    assert_all_found(karyogram, least=0.5)


def tones(spread: float, w: int = 20, h: int = 60, mean: float = 120.0) -> np.ndarray:
    """A patch of ink whose tones vary by so much of their mean."""
    rows = np.where(np.arange(h) // 4 % 2, 1 - spread, 1 + spread) * mean
    return np.repeat(rows[:, None], w, 1)


def unlike(*patches: np.ndarray, others: int = 30, spread: float = 0.25) -> list[bool]:
    """Which of `patches` are unlike in tone among others of the same spread."""
    paper = np.full((90, 40 * (others + len(patches))), 255, np.uint8)
    pieces = []
    for k, ink in enumerate([tones(spread)] * others + [*patches]):
        h, w = ink.shape
        paper[10 : 10 + h, 40 * k : 40 * k + w] = np.rint(255 - ink)
        pieces.append(Piece(40 * k, 10, np.ones((h, w), bool)))
    found = unlike_in_tone(paper, pieces, 20.0)
    assert not found[:others].any()
    return found[others:].tolist()


def test_what_varies_far_less_or_more_in_tone_than_the_page_is_print():
    assert unlike(tones(0.0), tones(0.07), tones(0.15), tones(0.6), tones(0.95)) == [
        True, True, False, False, True,
    ]  # fmt: skip
    assert unlike(tones(0.0, 20, 30), tones(0.0, 33, 20)) == [False, True]  # a marker; an arrow
    # In solid stain all are of one tone, and a page of few pieces does not tell what is usual.
    assert unlike(tones(0.03), spread=0.04) == [False]
    assert unlike(tones(0.0), others=15) == [False]


def test_gains_and_losses_are_counted():
    rng = np.random.default_rng(4)
    cell = draw_cell(rng)
    more = (*cell.chromosomes, *[c for c in cell.chromosomes if c.name in ("8", "21")][:3])
    assert_all_found(page_of(PLAIN, 4, replace(cell, chromosomes=more)))
    assert_all_found(page_of(PLAIN, 4, replace(cell, chromosomes=cell.chromosomes[:23])))


def test_masks_are_disjoint_and_boxes_tight(plain):
    karyogram, located = plain
    taken = np.zeros(karyogram.image.shape, int)
    for each in located.chromosomes:
        assert each.mask.shape == (each.h, each.w) and each.mask.dtype == bool
        assert each.mask.any(1)[[0, -1]].all() and each.mask.any(0)[[0, -1]].all()
        taken[each.y : each.y + each.h, each.x : each.x + each.w] += each.mask
        assert each.area == np.count_nonzero(each.mask)
    assert taken.max() == 1
    assert (normalise(karyogram.image)[taken > 0] < 250).mean() > 0.97


def test_axis_runs_from_the_top_end_to_the_bottom_end(plain):
    _, located = plain
    for each in located.chromosomes:
        assert each.axis.dtype == np.float32 and each.axis.shape[1] == 2 and len(each.axis) >= 2
        assert each.axis[0, 1] < each.axis[-1, 1]
        assert each.axis[:, 0].min() >= each.x - 1 and each.axis[:, 0].max() <= each.x + each.w
        assert 0.85 * each.h <= each.length <= 1.4 * np.hypot(each.w, each.h)
        assert 0.3 * located.chromosome_width < each.width < 2 * located.chromosome_width


def test_reading_order_rows_and_groups(plain):
    karyogram, located = plain
    row = [each.row for each in located.chromosomes]
    assert row == sorted(row) and located.rows == row[-1] + 1 == 4
    middle = [each.x + each.w / 2 for each in located.chromosomes]
    assert all(b > a for a, b, r, s in zip(middle, middle[1:], row, row[1:]) if r == s)  # noqa: B905
    true = overlaps(located, karyogram).argmax(1)
    slot = [karyogram.boxes[k].slot for k in true]
    group = [each.group for each in located.chromosomes]
    pairs = zip(slot, slot[1:], group, group[1:], strict=False)
    assert np.mean([(a == b) == (g == h) for a, b, g, h in pairs]) > 0.9


def test_print_is_told_as_other(plain):
    karyogram, located = plain
    assert len(located.print_boxes) >= 24  # a label under each slot, and the rule
    bottom = max(box.y + box.h for box in karyogram.boxes)
    assert any(
        w > 0.8 * karyogram.image.shape[1] and y > bottom - 5 for _, y, w, _ in located.print_boxes
    )


@pytest.mark.parametrize("shape", [(300, 400), (1, 1), (5, 900)])
def test_a_blank_page_has_no_chromosome(shape):
    located = locate(np.full(shape, 255, np.uint8))
    assert located.chromosomes == () and located.doubts == () and located.rows == 0


def test_one_object_and_a_black_page():
    page = np.full((200, 200), 255, np.uint8)
    cv2.ellipse(page, (100, 100), (12, 60), 10, 0, 360, 80, -1)
    page = cv2.GaussianBlur(page, (0, 0), 1.5)
    assert len(locate(page).chromosomes) <= 2
    locate(np.zeros((120, 90), np.uint8))


def test_half_a_page_mirrored_turned_and_noise_do_not_crash(plain):
    karyogram, located = plain
    paper = normalise(karyogram.image)
    assert len(locate(np.ascontiguousarray(paper[:, ::-1])).chromosomes) == 46
    half = locate(np.ascontiguousarray(paper[: paper.shape[0] // 2]))
    assert 15 <= len(half.chromosomes) <= 35
    for turned in (paper[::-1], paper.T, np.rot90(paper)):
        assert len(locate(np.ascontiguousarray(turned)).chromosomes) >= 20
    noise = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)
    locate(noise)


def test_the_same_from_any_thread(plain):
    karyogram, located = plain
    paper = normalise(karyogram.image)
    boxes: list[list[tuple[int, ...]]] = []
    threads = [
        threading.Thread(target=lambda: boxes.append([c.box for c in locate(paper).chromosomes]))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert boxes == [[each.box for each in located.chromosomes]] * 2


@pytest.mark.parametrize(
    "page",
    [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32), np.zeros((0, 4), np.uint8)],
)
def test_anything_but_a_page_is_refused(page):
    with pytest.raises(ValueError, match="normalised page"):
        locate(page)


def piece(x: int, row: int = 0, w: int = 10) -> FoundChromosome:
    mask = np.ones((20, w), bool)
    axis = np.array([[x + w / 2, 0], [x + w / 2, 19]], np.float32)
    return FoundChromosome(x, 40 * row, w, 20, mask, axis, 20.0, float(w), row, row)


def test_a_doubt_is_decided_and_the_others_follow():
    pieces = (piece(0), piece(12), piece(50), piece(0, 1))
    doubts = (
        AmbiguousCut((0, 1), ((piece(0, w=22),),), (0.7, 0.3)),
        AmbiguousCut((3,), ((piece(0, 1, 5), piece(5, 1, 5)),), (0.9, 0.1)),
    )
    page = Located(pieces, doubts, 2)
    fewer = page.replaced({0: 0})
    assert [each.x for each in fewer.chromosomes] == [0, 50, 0]
    assert [doubt.members for doubt in fewer.doubts] == [(2,)]
    both = page.replaced({0: 0, 1: 0})
    assert [each.box for each in both.chromosomes][-1] == (5, 40, 5, 20)
    assert both.doubts == () and page.replaced({}).chromosomes == pieces
    with pytest.raises(IndexError):
        page.replaced({2: 0})


def test_one_that_is_parted_leaves_the_doubts_about_others():
    pieces = (piece(0), piece(12), piece(50), piece(0, 1))
    doubts = (
        AmbiguousCut((0, 1), ((piece(0, w=22),),), (0.7, 0.3)),
        AmbiguousCut((3,), ((piece(0, 1, 5), piece(5, 1, 5)),), (0.9, 0.1)),
    )
    page = Located(pieces, doubts, 2)
    parted = page.parted({1: (piece(12, w=4), piece(17, w=4))})
    assert [each.x for each in parted.chromosomes] == [0, 12, 17, 50, 0]
    assert [doubt.members for doubt in parted.doubts] == [(4,)]
    assert page.parted({}).chromosomes == pieces and len(page.parted({}).doubts) == 2


def touching(gap: int, tone: int) -> tuple[FoundChromosome, np.ndarray]:
    """Two upright bars, 30 and 34 px high and 12 wide, `gap` px of grey `tone` between them; they
    stand at 9, 7 on the page."""
    paper = np.full((60, 60), 255, np.uint8)
    paper[7:41, 9 : 33 + gap] = tone
    paper[7:41, 9:21] = 90
    paper[7:11, 9:21] = 255
    paper[7:41, 21 + gap : 33 + gap] = 90
    mask = paper[7:41, 9 : 33 + gap] < 255
    axis = np.array([[20, 7], [20, 40]], np.float32)
    return FoundChromosome(9, 7, mask.shape[1], 34, mask, axis, 34.0, 24.0, 2, 5), paper


def test_two_that_lean_on_each_other_are_parted_where_it_is_lightest():
    both, paper = touching(2, 200)
    one, other = side_by_side(both, paper, 12.0)
    assert {one.x, one.x + one.w} <= {9, 21, 22, 23} and other.x + other.w == 35
    assert (one.row, one.group, other.row, other.group) == (2, 5, 2, 5)
    assert one.area + other.area == both.area
    assert other.length == pytest.approx(34, abs=3) and other.width == pytest.approx(12, abs=2)
    assert one.axis[:, 0] == pytest.approx(15, abs=2) and one.axis[:, 1].max() < 42


def test_the_way_between_two_may_bend():
    both, paper = touching(2, 200)
    way = both.x + 12 + np.rint(4 * np.sin(np.arange(34) / 6)).astype(int)
    paper[7:41, 9:35][both.mask] = 90
    paper[np.arange(7, 41), way] = 230
    one, other = side_by_side(both, paper, 12.0)
    right = np.zeros(paper.shape, bool)
    right[other.y : other.y + other.h, other.x : other.x + other.w] = other.mask
    lines = np.arange(7, 41)
    assert not right[lines, way - 1].any() and right[lines, way + 1].all()


def test_the_usual_width_is_that_of_chromosomes_about_as_long():
    def bar(length: float, width: float) -> FoundChromosome:
        return FoundChromosome(0, 0, 1, 1, np.ones((1, 1), bool), np.zeros((2, 2)), length, width)

    page = [bar(20 + i / 10, 10) for i in range(9)] + [bar(80 + i, 16) for i in range(9)]
    assert usual_width(page, 20) == 10 and usual_width(page, 85) == 16
    assert usual_width([bar(40, 12)], 0) == 12


def test_there_is_not_always_a_way_between_two():
    slender = FoundChromosome(0, 0, 2, 30, np.ones((30, 2), bool), np.zeros((2, 2)), 30.0, 2.0)
    assert side_by_side(slender, np.zeros((40, 40), np.uint8), 2.0) is None
    # On the left of the light line nothing but scraps.
    both, paper = touching(0, 90)
    paper[7:41, 9:33] = 90
    paper[7:41, 21] = 240
    mask = np.ones((34, 24), bool)
    mask[np.arange(34) % 6 > 2, :12] = False
    assert side_by_side(replace(both, mask=mask), paper, 12.0) is None
    assert side_by_side(replace(both, mask=np.ones((34, 24), bool)), paper, 12.0) is not None


def test_doubts_share_no_member_and_hold_the_same_ink():
    style = replace(PLAIN, homolog_gap=-0.1, gap_jitter=0.1, lean=0.5, curl=0.3)
    for seed in range(4):
        located = found_on(page_of(style, seed=seed))
        members = [m for doubt in located.doubts for m in doubt.members]
        assert len(members) == len(set(members))
        for doubt in located.doubts:
            own = sum(located.chromosomes[m].area for m in doubt.members)
            assert 1 <= len(doubt.alternatives) <= 3
            assert len(doubt.plausible) == 1 + len(doubt.alternatives)
            assert sum(doubt.plausible) == pytest.approx(1)
            for alternative in doubt.alternatives:
                assert sum(each.area for each in alternative) == pytest.approx(own, rel=0.1)


def test_clinical_karyograms_are_counted_right(shared_data):
    counted = {
        "11.jpg": 47,
        "119.jpg": 46,
        "124.jpg": 46,
        "12nf.jpg": 46,
        "3cml.jpg": 46,
        "k7-female.png": 46,
    }
    for name, count in counted.items():
        page = normalise(read_image(shared_data / "karyograms" / name))
        assert len(locate(page).chromosomes) == count, name

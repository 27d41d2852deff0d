"""The one medial axis: known centre lines, tips, odd bodies, and the strip along it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.karyogram.axis import MedialAxis, medial_axis
from screening.karyogram.axis_quality import median
from screening.karyogram.strip import COLUMNS, ROWS, class_strip, strip
from screening.karyogram.whole import ink_mask
from screening.synthesis.warp import Hinge, curl


def tube(line: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A mask as wide everywhere around a line (k, 2), and that line in the mask's pixels."""
    line = line - line.min(0) + width / 2 + 4
    columns, rows = np.ceil(line.max(0) + width / 2 + 4).astype(int)
    drawn = np.zeros((rows, columns), np.uint8)
    cv2.polylines(drawn, [np.rint(line * 16).astype(np.int32)], False, 1, width, shift=4)
    return drawn > 0, line


def arc(turn: float, length: float) -> np.ndarray:
    """Points of an arc that turns by `turn` degrees, its chord upright."""
    s = np.linspace(-length / 2, length / 2, 300)
    bend = np.deg2rad(max(turn, 0.1)) / length
    return np.stack([(1 - np.cos(bend * s)) / bend, np.sin(bend * s) / bend], 1)


def hooked() -> np.ndarray:
    """A straight line whose upper end turns by 90 degrees."""
    heading = np.deg2rad(90) * np.clip((np.arange(100) - 78) / -20, 0, 1)[::-1]
    heading = heading[::-1] if heading[0] < heading[-1] else heading
    return np.cumsum(np.stack([-np.sin(heading), np.cos(heading)], 1), 0)


def away(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance of each point from the nearest of a line's."""
    return np.hypot(*(points[:, None] - line[None]).transpose(2, 0, 1)).min(1)


def two_bars(gap: int, joined: bool) -> np.ndarray:
    drawn = np.zeros((80, 24 + gap), np.uint8)
    for left in (2, 12 + gap):
        drawn[4:76, left : left + 10] = 1
    if joined:
        drawn[4:16, 2 : 22 + gap] = 1
    return drawn > 0


@pytest.mark.parametrize("turn", [0, 45, 90, 135, 180])
def test_the_axis_follows_the_known_line_from_tip_to_tip(turn):
    mask, line = tube(arc(turn, 110), 16)
    axis = medial_axis(mask)
    assert away(line, axis.points).mean() < 0.8
    assert away(line, axis.points).max() < 3
    # Drawn with round ends: half the width more at each.
    assert axis.length == pytest.approx(110 + 16, rel=0.03)
    assert np.median(axis.width) == pytest.approx(16.5, abs=1)
    assert axis.quality.turn == pytest.approx(turn, abs=30)
    assert axis.quality.explained > 0.97
    assert axis.quality.branch < 0.02
    assert not axis.quality.ring


def test_points_stand_a_pixel_apart_turn_gently_and_run_downwards():
    mask, _ = tube(arc(120, 110), 16)
    axis = medial_axis(mask)
    steps = np.diff(axis.points, axis=0)
    sizes = np.hypot(*steps.T)
    assert sizes == pytest.approx(np.ones(len(sizes)), abs=0.15)
    heading = np.unwrap(np.arctan2(steps[:, 0], steps[:, 1]))
    assert np.abs(np.diff(heading)).max() < np.deg2rad(8)
    assert axis.points[0, 1] < axis.points[-1, 1]
    assert axis.points.dtype == axis.width.dtype == np.float32
    assert len(axis.points) == len(axis.width)
    assert medial_axis(mask[::-1]).points[0, 1] < mask.shape[0] / 2


def test_a_hooked_end_is_followed():
    mask, line = tube(hooked(), 12)
    axis = medial_axis(mask)
    assert away(line, axis.points).mean() < 1.0
    assert away(line, axis.points).max() < 4
    assert 55 < axis.quality.turn < 110


@pytest.mark.parametrize("turn", [0, 100])
def test_moved_mirrored_and_larger_masks_move_mirror_and_enlarge_the_axis(turn):
    mask, _ = tube(arc(turn, 90), 14)
    axis = medial_axis(mask)
    moved = medial_axis(np.pad(mask, ((7, 3), (11, 2))))
    assert moved.points == pytest.approx(axis.points + [11, 7], abs=1e-3)
    mirrored = medial_axis(mask[:, ::-1])
    other = mirrored.points * [-1, 1] + [mask.shape[1] - 1, 0]
    assert away(other, axis.points).max() < 0.9
    assert mirrored.length == pytest.approx(axis.length, rel=0.01)
    large = medial_axis(np.kron(mask, np.ones((5, 5), bool)))
    assert large.length == pytest.approx(5 * axis.length, rel=0.02)
    assert np.median(large.width) == pytest.approx(5 * np.median(axis.width), rel=0.05)
    assert away((large.points + 0.5) / 5 - 0.5, axis.points).max() < 1.3


def test_ends_lie_on_the_edge_of_the_mask():
    mask = np.zeros((70, 30), bool)
    mask[5:65, 8:20] = True
    axis = medial_axis(mask)
    assert axis.points[[0, -1]] == pytest.approx(np.array([[13.5, 4.5], [13.5, 64.5]]), abs=0.3)
    assert axis.length == pytest.approx(60, abs=0.5)
    assert axis.width[3:-3] == pytest.approx(np.full(len(axis.width) - 6, 12), abs=0.2)


@pytest.mark.parametrize(("gap", "joined"), [(3, True), (3, False), (7, False)])
def test_the_axis_of_open_chromatids_runs_between_them(gap, joined):
    mask = two_bars(gap, joined)
    axis = medial_axis(mask)
    assert np.abs(axis.points[:, 0] - (mask.shape[1] - 1) / 2).max() < 1.5
    assert axis.length == pytest.approx(72, abs=4)
    assert axis.quality.filled > 0.05


def test_wide_open_arms_are_one_body():
    drawn = np.zeros((84, 48), np.uint8)
    for x, tip_x in ((21, 13), (25, 33)):
        cv2.line(drawn, (tip_x, 8), (x, 40), 1, 9)
        cv2.line(drawn, (x, 40), (tip_x, 74), 1, 9)
    axis = medial_axis(drawn > 0)
    assert np.abs(axis.points[:, 0] - 23).max() < 3
    assert axis.quality.branch < 0.05


def test_bands_tell_open_chromatids_from_a_chromosome_bent_back():
    mask = two_bars(6, joined=True)
    rng = np.random.default_rng(0)
    bands = cv2.GaussianBlur(rng.uniform(0, 255, (80, 1)), (1, 9), 0, 3)
    bands = np.interp(bands, (bands.min(), bands.max()), (40, 200))
    same = np.where(mask, bands, 255).astype(np.uint8)
    other = same.copy()
    other[:, :15] = np.where(mask, bands[::-1], 255)[:, :15]
    assert medial_axis(mask, same).length < 80
    assert medial_axis(mask, other).length > 130
    assert medial_axis(mask).length > 130


def test_satellites_belong_and_dust_does_not():
    drawn = np.zeros((80, 60), np.uint8)
    cv2.line(drawn, (20, 32), (20, 66), 1, 14)
    alone = medial_axis(drawn > 0)
    cv2.circle(drawn, (20, 16), 3, 1, -1)
    axis = medial_axis(drawn > 0)
    assert axis.points[0] == pytest.approx([20, 12.5], abs=1.5)
    drawn[10:13, 52:55] = 1
    drawn[70, 2] = 1
    dusty = medial_axis(drawn > 0)
    assert dusty.points[0] == pytest.approx(axis.points[0], abs=0.5)
    assert dusty.length == pytest.approx(axis.length, abs=1)
    assert axis.length > alone.length + 8


def test_a_ring_is_opened_and_said_to_be_one():
    drawn = np.zeros((80, 80), np.uint8)
    cv2.circle(drawn, (40, 40), 26, 1, 13)
    axis = medial_axis(drawn > 0)
    assert axis.quality.ring
    assert axis.length == pytest.approx(2 * np.pi * 26, rel=0.1)
    radius = np.hypot(*(axis.points - 40).T)
    assert radius[10:-10] == pytest.approx(np.full(len(radius) - 20, 26), abs=2)


def test_a_crossing_body_is_a_branch():
    drawn = np.zeros((100, 90), np.uint8)
    cv2.line(drawn, (45, 8), (45, 92), 1, 14)
    assert medial_axis(drawn > 0).quality.branch < 0.02
    cv2.line(drawn, (12, 40), (78, 60), 1, 12)
    assert medial_axis(drawn > 0).quality.branch > 0.1


def test_an_end_on_the_border_of_the_window_is_cut():
    mask, _ = tube(arc(0, 80), 16)
    tight = mask[np.ix_(mask.any(1), mask.any(0))]
    assert medial_axis(mask).quality.cut == 0
    assert medial_axis(tight).quality.cut < 0.7
    assert medial_axis(tight[: len(tight) - 15]).quality.cut > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (2, 2), (3, 1), (5, 5), (19, 9)])
def test_tiny_masks_have_an_axis(shape):
    axis = medial_axis(np.ones(shape, bool))
    assert len(axis.points) >= 2
    assert axis.length == pytest.approx(shape[1] if shape == (1, 30) else shape[0], abs=0.6)
    assert np.isfinite(axis.points).all()
    assert (axis.width > 0).all()


def test_a_body_as_wide_as_long_stands_upright():
    drawn = np.zeros((30, 30), np.uint8)
    cv2.ellipse(drawn, (15, 14), (10, 11), 0, 0, 360, 1, -1)
    axis = medial_axis(drawn > 0)
    assert axis.points[:, 0] == pytest.approx(np.full(len(axis.points), 15), abs=0.7)
    assert axis.length == pytest.approx(23, abs=1)


def test_a_mask_of_two_thousand_pixels():
    mask, line = tube(arc(90, 1800), 300)
    axis = medial_axis(mask)
    assert away(line[::10], axis.points).max() < 0.05 * 300
    assert len(axis.points) == pytest.approx(axis.length, abs=2)


def test_noise_gives_some_axis():
    rng = np.random.default_rng(0)
    for _ in range(30):
        mask = cv2.GaussianBlur(rng.normal(0, 1, (40, 25)), (0, 0), rng.uniform(0.5, 4)) > 0
        axis = medial_axis(mask)
        assert np.isfinite(axis.points).all()
        assert axis.length > 0
        assert 0 <= axis.quality.explained <= 1


@pytest.mark.parametrize("mask", [np.zeros((5, 5), bool), np.zeros((0, 4), bool), np.ones(3, bool)])
def test_no_mask_is_refused(mask):
    with pytest.raises(ScreeningError, match="expected a mask"):
        medial_axis(mask)


def banded() -> np.ndarray:
    """A straight chromosome, uint8, with bands of several widths."""
    rng = np.random.default_rng(1)
    tones = cv2.GaussianBlur(rng.uniform(0, 255, (120, 1)), (1, 15), 0, 3)
    tones = np.interp(tones, (tones.min(), tones.max()), (40, 190))
    mask = np.zeros((120, 34), np.uint8)
    cv2.line(mask, (16, 12), (16, 107), 1, 18)
    return np.where(mask > 0, tones, 255).astype(np.uint8)


def straightened(picture: np.ndarray) -> tuple[np.ndarray, MedialAxis]:
    mask = ink_mask(picture)
    axis = medial_axis(mask)
    return strip(picture, mask, axis, 96, 31), axis


def profile(image: np.ndarray) -> np.ndarray:
    return image[6:-6, 12:19].mean(1)


@pytest.mark.parametrize("turn", [40, -80, 120])
def test_the_strip_of_a_bent_chromosome_has_the_bands_of_the_straight_one(turn):
    straight, _ = straightened(banded())
    bent, axis = straightened(curl(banded(), [Hinge(0.45, turn, 0.12)]))
    assert axis.quality.turn > 0.6 * abs(turn)
    assert np.corrcoef(profile(bent), profile(straight))[0, 1] > 0.9


def test_the_strip_keeps_the_width_and_has_paper_around():
    image, axis = straightened(banded())
    assert image.shape == (96, 31)
    assert image.dtype == np.uint8
    dark = (image < 250).sum(1)
    assert np.median(dark) == pytest.approx(np.median(axis.width) * 96 / axis.length, abs=1.5)
    assert (image[:, [0, -1]] == 255).all()
    middle = (image < 250) @ np.arange(31) / dark
    assert middle[5:-5] == pytest.approx(np.full(86, 15), abs=0.7)


def test_another_arm_beside_the_row_is_not_in_the_strip():
    line = np.concatenate([[[0, 60], [0, 14]], arc(180, 36)[:, ::-1] * [1, 1], [[24, 60]]])
    bend = np.linspace(0, np.pi, 40)
    over = np.stack([12 - 12 * np.cos(bend), 14 - 12 * np.sin(bend)], 1)
    line = np.concatenate([[[0, 60]], over, [[24, 60]]])
    mask, _ = tube(line, 14)
    axis = medial_axis(mask)
    assert axis.length > 120
    image = strip(np.where(mask, 90, 255).astype(np.uint8), mask, axis, 100, 61)
    assert ((image < 250).sum(1) < 1.5 * 15 * 100 / axis.length + 2).all()


def test_a_strip_of_nothing_or_of_another_picture_is_refused():
    mask = np.ones((9, 5), bool)
    axis = medial_axis(mask)
    with pytest.raises(ScreeningError, match="at least 1 x 1"):
        strip(np.zeros((9, 5), np.uint8), mask, axis, 0, 5)
    with pytest.raises(ScreeningError, match="as large as its mask"):
        strip(np.zeros((9, 6), np.uint8), mask, axis, 9, 5)


def test_the_ink_is_relative_to_the_dark_bands():
    picture = banded()
    pale = (255 - (255 - picture.astype(int)) // 3).astype(np.uint8)
    assert np.count_nonzero(ink_mask(picture) != ink_mask(pale)) < 0.02 * picture.size
    assert not ink_mask(np.full((4, 4), 255, np.uint8)).any()


def test_a_class_strip_is_as_long_as_the_chromosome_is_for_its_class():
    picture = banded()
    mask = ink_mask(picture)
    axis = medial_axis(mask)
    wide = float(np.median(axis.width))
    made = []
    for name, percent, width in (("1", 8.44, wide), ("9", 4.8, wide), ("1", 4, 2 * wide)):
        ink = class_strip(picture, mask, axis, name, axis.length / percent, width)
        assert ink.shape == (ROWS, COLUMNS) and np.percentile(ink[ink > 8], 97) >= 220
        rows = np.flatnonzero(ink.any(1))
        assert abs(rows[0] - (ROWS - 1 - rows[-1])) <= 1
        made.append((len(rows), np.median((ink > 20).sum(1)[rows])))
    (usual, across), (nine, same), (half, slim) = made
    assert usual == pytest.approx(108, abs=3) and half == pytest.approx(usual * 4 / 8.44, abs=3)
    # A smaller class is drawn longer than its share; its width is in units of the cell's.
    assert 108 * 4.8 / 8.44 + 8 < nine < 108
    assert across == same == pytest.approx(15, abs=1.5) and slim == pytest.approx(7.5, abs=1.5)


def test_the_median_of_a_line_is_numpys():
    rng = np.random.default_rng(0)
    for count in (*range(1, 9), 100):
        values = rng.normal(size=count)
        for line in (values, values.astype(np.float32), (9 * values).astype(np.int64)):
            assert median(line) == np.median(line)

"""Augmentation changes grey values, within the thesis' bounds, and no position."""

from __future__ import annotations

import os

import albumentations as A
import cv2
import numpy as np
import pytest

from screening.data.augment import (
    BRIGHTNESS,
    NOISY_PIXELS,
    Brightness,
    augment,
    build,
    transforms,
)

SIZE, PITCH, RADIUS = 150, 30, 7


def dots() -> tuple[np.ndarray, np.ndarray]:
    """Return dark dots on light grey paper and their grid points (n, 2) in pixels, y and x.

    Each stands off its grid point in its own way, so that a flip or a half turn would show.
    """
    y, x = np.mgrid[:SIZE, :SIZE]
    image = np.full((SIZE, SIZE), 200, np.uint8)
    centres = np.array(
        [(r, c) for r in range(15, SIZE, PITCH) for c in range(15, SIZE, PITCH)], float
    )
    for number, (row, column) in enumerate(centres):
        row, column = row + 7 * number % 9 - 4, column + 5 * number % 9 - 4
        image[(y - row) ** 2 + (x - column) ** 2 <= RADIUS**2] = 20 + 4 * number
    return image, centres


def centroids(image: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the centre of darkness (n, 2) of each grid square; salt and pepper is taken out."""
    smooth = cv2.medianBlur(image, 5).astype(float)
    dark = np.clip(np.median(smooth) - 30 - smooth, 0, None)
    y, x = np.mgrid[:SIZE, :SIZE]
    found = []
    for row, column in centres.astype(int):
        square = np.s_[row - 15 : row + 15, column - 15 : column + 15]
        weight = dark[square]
        found.append([(weight * y[square]).sum(), (weight * x[square]).sum()] / weight.sum())
    return np.array(found)


def largest_shift(change) -> float:
    """Return how far, in pixels, `change` moves a dot at most, over 40 draws."""
    image, centres = dots()
    before = centroids(image, centres)
    shifts = [
        np.abs(centroids(change(image, f"item {n}"), centres) - before).max() for n in range(40)
    ]
    return max(shifts)


def test_no_position_moves():
    apply = augment(seed=1)
    assert largest_shift(lambda image, name: apply(image, name, 0)) < 0.5


@pytest.mark.parametrize(
    "move",
    [
        lambda image: np.roll(image, 1, axis=1),
        np.fliplr,
        np.flipud,
        lambda image: np.rot90(image, 2),
    ],
    ids=["one pixel", "mirrored", "upside down", "half turn"],
)
def test_the_landmarks_would_show_a_movement(move):
    """The test above can fail: the least movement is seen."""
    assert largest_shift(lambda image, _: np.ascontiguousarray(move(image))) > 0.9


def test_every_transform_is_pixel_level():
    assert all(isinstance(t, A.ImageOnlyTransform) for t in transforms())
    assert {type(t).__name__ for t in build().transforms} == {
        "Brightness",
        "GaussianBlur",
        "SaltAndPepper",
    }


@pytest.mark.parametrize(
    "moving", [A.HorizontalFlip(), A.Rotate(limit=3), A.Affine(), A.RandomCrop(64, 64)]
)
def test_a_transform_that_moves_pixels_is_refused(moving):
    with pytest.raises(ValueError, match=type(moving).__name__):
        build([*transforms(), moving])


def test_what_happens_depends_on_seed_item_and_epoch_only():
    image, _ = dots()
    apply, again = augment(seed=3), augment(seed=3)
    names = [f"item {n}" for n in range(20)]
    forwards = [apply(image, name, 2) for name in names]
    backwards = [again(image, name, 2) for name in names[::-1]][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))

    def differs(other) -> float:
        return np.mean([not np.array_equal(a, b) for a, b in zip(forwards, other, strict=True)])

    assert differs([apply(image, name, 3) for name in names]) > 0.5
    assert differs([augment(seed=4)(image, name, 2) for name in names]) > 0.5
    assert differs(forwards[1:] + forwards[:1]) > 0.5


def test_brightness_stays_within_a_quarter_and_uses_the_range():
    flat = np.full((8, 8), 160, np.uint8)
    pipeline = build([Brightness(limit=BRIGHTNESS)])
    factors = []
    for seed in range(200):
        pipeline.set_random_seed(seed)
        factors.append(pipeline(image=flat)["image"].mean() / 160)
    assert 0.74 < min(factors) < 0.80
    assert 1.20 < max(factors) < 1.26


def test_noise_touches_at_most_five_percent_of_the_pixels():
    flat = np.full((100, 100), 160, np.uint8)
    noise = [t for t in transforms() if isinstance(t, A.SaltAndPepper)]
    noise[0].p = 1.0
    pipeline = build(noise)
    shares = []
    for seed in range(100):
        pipeline.set_random_seed(seed)
        shares.append((pipeline(image=flat)["image"] != 160).mean())
    assert 0 < max(shares) <= NOISY_PIXELS + 1e-9


def test_shape_type_and_input_are_kept():
    image, _ = dots()
    copy = image.copy()
    result = augment()(image[:, :100], "a", 0)
    assert (result.shape, result.dtype) == ((SIZE, 100), np.uint8)
    assert np.array_equal(image, copy)


def test_importing_it_does_not_ask_an_index_for_news():
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"

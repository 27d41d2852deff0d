"""Solid stain and reversed bands keep the silhouette and change what is inside."""

from __future__ import annotations

import numpy as np

from screening.synthesis.drawn import draw_cell
from screening.synthesis.stains import reversed_bands, unbanded

IMAGE = draw_cell(np.random.default_rng(3)).chromosomes[0].image


def _middle(image: np.ndarray) -> np.ndarray:
    """Ink along the thick of a chromosome, without its ends."""
    ink = 255.0 - image
    at = np.array([ink[row].argsort()[-5:].mean() for row in range(len(ink))]).round().astype(int)
    line = np.array([ink[row, max(0, x - 2) : x + 3].mean() for row, x in enumerate(at)])
    return line[len(line) // 8 : -len(line) // 8]


def test_solid_stain_has_one_tone_inside_the_same_outline():
    solid = unbanded(IMAGE, np.random.default_rng(1))
    assert _middle(solid).std() < 0.3 * _middle(IMAGE).std()
    assert _middle(solid).mean() > _middle(IMAGE).mean()
    assert np.mean((solid < 200) == (IMAGE < 200)) > 0.9
    assert np.mean(solid[IMAGE > 250] > 240) > 0.95


def test_a_share_of_the_bands_may_be_left():
    rng = np.random.default_rng
    half, none = (unbanded(IMAGE, rng(1), left=share) for share in (0.5, 0.0))
    assert _middle(none).std() < _middle(half).std() < _middle(IMAGE).std()
    assert np.array_equal(unbanded(IMAGE, rng(1), left=1.0), IMAGE)


def test_dark_bands_become_light_ones():
    turned = reversed_bands(IMAGE)
    assert np.corrcoef(_middle(IMAGE), _middle(turned))[0, 1] < -0.8
    assert np.mean(turned[IMAGE > 250] > 240) > 0.95

"""The masks in NumPy: Philox as published, and the very masks that TensorFlow draws."""

from __future__ import annotations

import numpy as np
import pytest

from screening.predict.coins import Layout, coins, mask, masked_mean, philox

LAYOUTS = [
    Layout((256,), 0.7), Layout((9,), 0.5), Layout((7,), 0.9), Layout((40, 8), 0.8),
    Layout((5, 3, 6), 0.3), Layout((9, 9, 8), 0.7), Layout((33, 4), 0.5),
]  # fmt: skip
KEY = 0xFEDCBA9876543210


def test_philox_gives_the_published_words():
    # Random123's known answers for philox4x32-10.
    words = philox(0, np.zeros(1, np.uint64))
    assert [f"{word:08x}" for word in words[0]] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    many = philox(KEY, np.arange(20_000, dtype=np.uint64))
    np.testing.assert_array_equal(many[9000], philox(KEY, np.array([9000], np.uint64))[0])


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_the_masks_are_those_of_tensorflow(layout):
    import tensorflow as tf

    from screening.predict.masks import TensorLayout

    theirs = TensorLayout(layout.shape, layout.keep)
    key, start = tf.constant(KEY, tf.uint64), tf.constant(0)
    np.testing.assert_array_equal(mask(layout, KEY, 12), theirs.mask(key, start, 12).numpy())


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_more_passes_begin_with_the_same_ones(layout):
    used = np.uint32(2**layout.bits - 1)
    few, many = (coins(layout, KEY, count) & used for count in (3, 40))
    np.testing.assert_array_equal(many[:3], few)
    kept = mask(layout, KEY, 40)
    assert kept.shape == (40, *layout.shape)
    assert kept.mean() == pytest.approx(layout.keep, abs=4 * np.sqrt(0.25 / kept.size))


@pytest.mark.parametrize("layout", LAYOUTS[3:], ids=str)
def test_the_mean_under_masks_is_what_averaging_masked_features_gives(layout):
    features = np.random.default_rng(0).normal(size=layout.shape).astype(np.float32)
    axes = tuple(range(1, len(layout.shape)))
    expected = (mask(layout, KEY, 30) * features).mean(axes, dtype=np.float64)
    np.testing.assert_allclose(masked_mean(layout, features, KEY, 30), expected, atol=1e-6)

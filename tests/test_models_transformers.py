"""Windows, shifts and zooms of the networks of our own, against what they must do by definition."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from screening.models import davit, res_crann, swin, varifocal, windows

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


def test_relative_places_are_those_of_the_paper():
    assert swin.relative_places(2).tolist() == [
        [4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4],
    ]  # fmt: skip
    assert len(np.unique(swin.relative_places(7))) == 13**2


def test_windows_part_a_map_and_give_it_back():
    x = normal(2, 6, 9, 4)
    parted = windows.in_windows(x, 3)
    assert parted.shape == (2, 6, 9, 4)
    np.testing.assert_array_equal(np.asarray(parted)[0, 4].reshape(3, 3, 4), x[0, 3:, 3:6])
    np.testing.assert_array_equal(windows.out_of_windows(parted, 3, 6, 9), x)
    assert windows.padded(x, 4).shape == (2, 8, 12, 4)


@pytest.mark.parametrize(
    ("shift", "size", "changed", "seen"),
    [
        (0, 6, (1, 1), (slice(0, 3), slice(0, 3))),
        (1, 6, (1, 1), (slice(1, 4), slice(1, 4))),
        # What the shift carried from the one end to the other are no neighbours.
        (1, 6, (0, 0), (slice(0, 1), slice(0, 1))),
        (1, 6, (5, 2), (slice(4, 6), slice(1, 4))),
        # One window: no shift. Padding is seen by none.
        (1, 3, (0, 0), (slice(0, 3), slice(0, 3))),
        (0, 5, (4, 4), (slice(3, 5), slice(3, 5))),
    ],
)
def test_a_token_is_seen_in_its_window_alone(shift, size, changed, seen):
    picture = keras.Input((size, size, 4))
    zero = ops.cast(ops.zeros_like(picture[:1, 0, 0, :1]), "int32")
    model = keras.Model(picture, swin._block(picture, zero, 2, 3, shift, "it"))
    before = normal(2, size, size, 4)
    after = before.copy()
    after[0, *changed] += normal(4)
    differs = np.abs(np.asarray(model(after)) - np.asarray(model(before))).max(-1) > 1e-7
    expected = np.zeros_like(differs)
    expected[0, *seen] = True
    np.testing.assert_array_equal(differs, expected)


def test_attention_is_the_formula():
    tokens = keras.Input((2, 5, 4))
    added = normal(5, 5)
    model = keras.Model(tokens, windows.attention(tokens, 2, "it", added))
    x = normal(3, 2, 5, 4)
    kernel, _, out, _ = model.get_weights()
    q, k, v = np.split(x @ kernel, 3, -1)
    heads = []
    for head in (slice(0, 2), slice(2, 4)):
        scores = q[..., head] @ k[..., head].swapaxes(-1, -2) / np.sqrt(2) + added
        share = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        heads.append(share @ v[..., head])
    np.testing.assert_allclose(model(x), np.concatenate(heads, -1) @ out, rtol=1e-4, atol=1e-5)


def test_channels_see_each_other_within_a_head_over_the_whole_map():
    picture = keras.Input((3, 2, 4))
    model = keras.Model(picture, davit._among_channels(picture, 2, "it"))
    x = normal(2, 3, 2, 4)
    kernel, _, out, _ = model.get_weights()
    q, k, v = np.split(x.reshape(2, 6, 4) @ kernel, 3, -1)
    heads = []
    for head in (slice(0, 2), slice(2, 4)):
        scores = k[..., head].swapaxes(-1, -2) @ v[..., head] / np.sqrt(2)
        share = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        heads.append(q[..., head] @ share.swapaxes(-1, -2))
    expected = (np.concatenate(heads, -1) @ out).reshape(x.shape)
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


def test_the_zoom_takes_the_part_that_was_asked_for():
    ramp = np.broadcast_to(np.arange(9, dtype="float32")[:, None, None], (9, 9, 2)).copy()
    ramp[..., 1] = np.arange(9)[None]
    x = np.stack([ramp, ramp])
    corner, side = np.float32([[0, 0], [0.25, 0.5]]), np.float32([[1], [0.5]])
    taken = np.asarray(varifocal.zoomed(x, corner, side))
    np.testing.assert_allclose(taken[0], ramp, atol=1e-5)
    np.testing.assert_allclose(taken[1, :, 0, 0], 2 + np.arange(9) / 2, atol=1e-5)
    np.testing.assert_allclose(taken[1, 0, :, 1], 4 + np.arange(9) / 2, atol=1e-5)


def test_the_loss_teaches_where_to_look():
    import tensorflow as tf

    x = normal(1, 9, 9, 1)
    corner, side = tf.Variable([[0.2, 0.3]]), tf.Variable([[0.5]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(varifocal.zoomed(x, corner, side) ** 2)
    assert all(np.abs(one).min() > 0 for one in tape.gradient(loss, [corner, side]))


def test_without_a_preference_every_row_counts_alike():
    picture = keras.Input((67, 67, 3))
    last = res_crann.res_crann(picture, (1, 1), (8, 16), units=8)
    model = keras.Model(picture, last)
    model.get_layer("where").set_weights([np.zeros((8, 1)), np.zeros(1)])
    rows = keras.Model(picture, model.get_layer("rows").output)
    x = normal(2, 67, 67, 3)
    assert rows.output_shape == (None, 9, 8) and model.output_shape == (None, 1, 1, 8)
    mean = np.asarray(rows(x)).mean(1)
    np.testing.assert_allclose(np.asarray(model(x))[:, 0, 0], mean, rtol=1e-4, atol=1e-6)

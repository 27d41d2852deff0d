"""Where the network looked: the map of the head's own arithmetic, laid where it was on the page."""

from __future__ import annotations

import io
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from screening.models.backbones import BACKBONES
from screening.models.screener import HEAD_START, build_screener
from screening.predict.mc_dropout import McDropout
from screening.predict.tensorflow_engine import attention_of
from screening.record import Picture, Verdict
from screening.report.glossary import LOOKED, LOOKED_MEANS
from screening.report.work_list import heat_shown
from screening.worklist.looked import heat, plain_place
from tiny_base import TINY


@pytest.fixture
def model(monkeypatch) -> keras.Model:
    monkeypatch.setitem(BACKBONES, "tiny", TINY)
    keras.utils.set_random_seed(0)
    made = build_screener("tiny", 64, dropout=0.3, preprocess="ink", hidden=16)
    norm, rng = made.get_layer("hidden_norm"), np.random.default_rng(0)
    norm.set_weights([rng.uniform(0.5, 2, 16), *rng.normal(0, 1, (2, 16)), rng.uniform(0.5, 2, 16)])
    kernel, bias = made.get_layer("p_abnormal").get_weights()
    made.get_layer("p_abnormal").set_weights([-kernel, bias])  # so that something speaks for it
    return made


def test_the_map_is_grad_cam_of_the_log_odds(model):
    import tensorflow as tf

    images = np.random.default_rng(1).uniform(0, 255, (3, 64, 64, 3)).astype(np.float32)
    base = keras.Model(model.input, model.get_layer(HEAD_START).input)
    features = tf.convert_to_tensor(base(images, training=False))
    with tf.GradientTape() as tape:
        tape.watch(features)
        x = features
        for name in ("feature_mean", "hidden", "hidden_norm"):
            x = model.get_layer(name)(x, **({"training": False} if "norm" in name else {}))
        kernel, bias = model.get_layer("p_abnormal").get_weights()
        log_odds = x @ kernel + bias
    gradient = tape.gradient(log_odds, features).numpy().mean((1, 2), keepdims=True)
    expected = np.maximum((gradient * features.numpy()).sum(-1), 0)
    expected = 255 * expected / np.maximum(expected.max((1, 2), keepdims=True), 1e-12)
    attention = attention_of(model)
    assert attention is not None and (expected.max((1, 2)) > 0).any()
    assert np.abs(attention.maps(features.numpy()).astype(float) - expected).max() <= 1
    mc = McDropout(model, passes=3)
    p, seen = mc.predict_with_features(images, [1, 2, 3])
    np.testing.assert_array_equal(p, mc.predict(images, [1, 2, 3]))
    np.testing.assert_allclose(seen[0], features.numpy(), atol=1e-4)


def test_another_head_is_not_asked():
    image = keras.Input((8, 8, 3))
    other = keras.Model(image, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(image)))
    assert attention_of(other) is None


def alpha(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[..., 3]


def test_the_map_lies_where_the_network_looked():
    seen = np.zeros((13, 13), np.uint8)
    seen[4, 9] = 255  # right of the middle, in the upper half of a page twice as wide as high
    over = alpha(heat(seen, 416, [plain_place((500, 1000), 416)], (500, 1000)))
    y, x = np.unravel_index(over.argmax(), over.shape)
    assert over.shape == (28, 56) and over.max() > 120 and over.min() == 0
    assert x / 56 == pytest.approx(9.5 / 13, abs=0.05)
    assert y / 28 == pytest.approx((4.5 / 13 - 0.25) / 0.5, abs=0.1)
    assert heat(np.zeros((13, 13), np.uint8), 416, [], (500, 1000)) == b""


def test_in_the_compact_view_the_map_goes_back_to_the_chromosomes():
    seen = np.zeros((13, 13), np.uint8)
    seen[:, :7] = 255
    places = [((0, 0, 100, 400), (0.7, 0.1, 0.2, 0.8)), ((300, 0, 100, 400), (0.1, 0.1, 0.2, 0.8))]
    over = alpha(heat(seen, 416, places, (500, 500)))
    assert over[28, 45] > 120 and over[28, 10] == 0 and over[28, 28] == 0


def test_it_is_kept_small_and_not_shown_of_low_priority():
    noise = np.random.default_rng(0).integers(0, 256, (13, 13)).astype(np.uint8)
    png = heat(noise, 416, [plain_place((600, 800), 416)], (600, 800))
    assert 0 < len(png) < 1500
    picture = Picture("a.png", "a", heat=png, verdict=Verdict("flag"))
    assert heat_shown(picture) == png
    assert heat_shown(replace(picture, verdict=Verdict("low-priority"))) == b""
    kept = picture.to_dict()
    assert Picture.from_dict(kept).heat == png
    del kept["heat"]
    assert Picture.from_dict(kept).heat == b"", "a record from before there was one"
    assert "network" in LOOKED and "no finding" in LOOKED_MEANS

"""Where the network looked: the map of the head's own arithmetic, laid where it was on the page."""

from __future__ import annotations

import io
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from screening.bundle import write_bundle
from screening.bundle_schema import BundleInfo, PartInfo
from screening.models.backbones import BACKBONES
from screening.models.screener import HEAD_START, build_screener, picture_part, with_slots
from screening.predict.mc_dropout import McDropout
from screening.predict.predictor import Predictor
from screening.predict.tensorflow_engine import TensorFlowEngine, attention_of
from screening.record import Picture, Verdict
from screening.report.glossary import LOOKED, LOOKED_MEANS
from screening.report.work_list import heats_shown
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
    assert [(one.kind, one.png) for one in heats_shown(picture)] == [("looked", png)]
    assert not heats_shown(replace(picture, verdict=Verdict("low-priority")))
    both = replace(picture, changed=png)
    assert [one.kind for one in heats_shown(both)] == ["changed", "looked"]
    kept = both.to_dict()
    assert Picture.from_dict(kept).heat == Picture.from_dict(kept).changed == png
    del kept["heat"], kept["changed"]
    again = Picture.from_dict(kept)
    assert again.heat == again.changed == b"", "a record from before there were any"
    assert "network" in LOOKED and "no finding" in LOOKED_MEANS


def test_a_screener_that_was_taught_slots_says_which_positions_are_changed(model, tmp_path):
    both = with_slots(model)
    np.testing.assert_array_equal(
        picture_part(both).get_layer("hidden").get_weights()[0],
        model.get_layer("hidden").get_weights()[0],
    )
    part = PartInfo(backbone="tiny", preprocessing="ink", size=64, dropout=0.3,
                    config="screener.json", weights="screener.weights.h5")  # fmt: skip
    info = BundleInfo(name="b", created="2026-01-01", parts={"screener": part})
    rng = np.random.default_rng(3)
    images = [rng.integers(0, 255, (64, 64)).astype(np.uint8) for _ in range(3)]
    said = []
    for number, network in enumerate((both, model)):
        bundle = write_bundle(tmp_path / str(number), info, {"screener": network}, "# B\n", {})
        predictor = Predictor(bundle, TensorFlowEngine(bundle, "cpu"), passes=4, batch_size=2)
        said.append((predictor.passes_of(images, [1, 2, 3]), predictor.looked))
    (p, taught), (same, untaught) = said
    np.testing.assert_array_equal(p, same)
    assert len(taught) == len(untaught) == 3 and all(one.changed is None for one in untaught)
    slots = both.predict(
        np.repeat(np.stack(images)[..., None], 3, -1).astype(np.float32), verbose=0
    )
    share = np.exp(slots["slots"]) / np.exp(slots["slots"]).sum(-1, keepdims=True)
    for one, states in zip(taught, share, strict=True):
        expected = np.log(1 - states[..., 0]) - np.log(states[..., 0])
        np.testing.assert_allclose(one.changed, expected, atol=0.05)  # stored as float16

"""Weights from a file: as Keras publishes them, as a laboratory saved its own, and what is none."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from screening.bundle import load_bundle, write_bundle
from screening.bundle_schema import BundleInfo, PartInfo
from screening.errors import ScreeningError
from screening.models import backbones
from screening.models.screener import build_screener
from screening.models.weights import load_base_weights
from tiny_base import TINY, tiny_constructor

SHAPE = (32, 32, 3)
TOP = [("flatten", {}), ("fc1", {"kernel": np.zeros((8, 2)), "bias": np.zeros(2)})]


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", TINY)


@pytest.fixture(scope="module")
def base() -> keras.Model:
    """A base whose every value is another one."""
    model = tiny_constructor(input_shape=SHAPE)
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(w.shape, "float32") for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def classifier(base) -> keras.Model:
    """The base as a layer of a whole network, as one is fine-tuned."""
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Rescaling(1 / 255),
            base,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4),
        ]
    )


def _layers(base: keras.Model) -> list[tuple[str, dict]]:
    return [(layer.name, {w.name: w.numpy() for w in layer.weights}) for layer in base.layers]


def _keras_2(path: Path, layers: list[tuple[str, dict]], group: str = "/", **options) -> Path:
    """Write names and values as Keras 1 and 2 did, who kept the order in attributes."""
    with h5py.File(path, "w") as file:
        root = file.require_group(group)
        names = [name.encode() for name, _ in layers]
        root.attrs["layer_names0"], root.attrs["layer_names1"] = names[:2], names[2:]
        for name, weights in layers:
            own = root.create_group(name)
            inner = {w if "/" in w else f"{name}/{w}:0": v for w, v in weights.items()}
            own.attrs["weight_names"] = [w.encode() for w in inner]
            for weight, value in inner.items():
                own.create_dataset(weight, data=value, **options)
    return path


def _assert_taken(path: Path, base: keras.Model, exact: bool = True) -> None:
    model = build_screener("tiny", 48, weights=path, hidden=4)
    for layer in base.layers:
        for ours, theirs in zip(
            model.get_layer(layer.name).get_weights() if layer.weights else [],
            layer.get_weights(),
            strict=True,
        ):
            np.testing.assert_allclose(ours, theirs, rtol=0 if exact else 1e-3)


def test_a_published_file_is_taken_layer_for_layer_with_or_without_its_top(base, tmp_path):
    _assert_taken(_keras_2(tmp_path / "tiny_notop.h5", _layers(base)), base)
    _assert_taken(_keras_2(tmp_path / "tiny.hdf5", _layers(base) + TOP), base)
    renumbered = [(f"layer_{n}", weights) for n, (_, weights) in enumerate(_layers(base))]
    _assert_taken(_keras_2(tmp_path / "auto.h5", renumbered), base)
    half = _keras_2(tmp_path / "half.h5", _layers(base), dtype="float16")
    _assert_taken(half, base, exact=False)


def test_a_whole_classifier_of_keras_2_gives_its_base(base, tmp_path):
    _assert_taken(_keras_2(tmp_path / "c.h5", _layers(base) + TOP, "model_weights"), base)
    named = {f"{name}/{w}:0": v for name, own in _layers(base) for w, v in own.items()}
    moving = {name: v for name, v in named.items() if "moving" in name}
    trained = {name: v for name, v in named.items() if name not in moving}
    frozen = dict(list(trained.items())[:6])
    trained = {name: v for name, v in trained.items() if name not in frozen}
    inside = [("input_2", {}), ("tiny", trained | frozen | moving), *TOP]
    _assert_taken(_keras_2(tmp_path / "nested.h5", inside, "model_weights"), base)


@pytest.mark.parametrize("name", ["c.keras", "c.weights.h5", "c.h5"])
def test_a_whole_classifier_of_keras_3_gives_its_base(name, base, classifier, tmp_path):
    save = classifier.save_weights if name == "c.weights.h5" else classifier.save
    save(tmp_path / name)
    _assert_taken(tmp_path / name, base)


def _cut(path: Path, given: Path) -> Path:
    path.write_bytes(given.read_bytes()[: given.stat().st_size // 2])
    return path


def test_what_does_not_fit_is_refused_by_file_and_reason_and_nothing_is_loaded(base, tmp_path):
    layers = _layers(base)
    good = _keras_2(tmp_path / "good.h5", layers)
    base.save(tmp_path / "good.keras")
    rotten = bytearray((tmp_path / "good.keras").read_bytes())
    rotten[len(rotten) // 2] ^= 255
    (tmp_path / "rotten.keras").write_bytes(rotten)
    for name in ("text.h5", "text.weights.h5", "text.keras", "text.pth"):
        (tmp_path / name).write_text("no weights")
    last, own = layers[-3]  # the last that has weights: a half-loaded base would show
    _keras_2(tmp_path / "few.h5", layers[:5])
    _keras_2(tmp_path / "other.h5", [*layers[:-3], (last, {w: v[1:] for w, v in own.items()})])
    _keras_2(tmp_path / "nan.h5", [*layers[:-3], (last, {w: v * np.nan for w, v in own.items()})])
    with h5py.File(_keras_2(tmp_path / "hole.h5", layers), "a") as file:
        del file[f"{last}/{last}/gamma:0"]
    expected = {
        "cut.h5": "truncated", "cut.keras": "nor a whole", "rotten.keras": "CRC",
        "text.h5": "neither HDF5", "text.weights.h5": "neither HDF5",
        "text.keras": "neither HDF5", "text.pth": "neither HDF5",
        "few.h5": "6 layers with weights, received 2",
        "other.h5": f"layer {last} expects", "nan.h5": f"{last} are no numbers",
        "hole.h5": "gamma",
    }  # fmt: skip
    _cut(tmp_path / "cut.h5", good)
    _cut(tmp_path / "cut.keras", tmp_path / "good.keras")
    blank = tiny_constructor(input_shape=SHAPE)
    before = blank.get_weights()
    for name, reason in expected.items():
        with pytest.raises(ScreeningError, match=reason) as told:
            load_base_weights(blank, TINY, 32, tmp_path / name)
        assert name in str(told.value)
    for ours, theirs in zip(blank.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_network_taught_on_pictures_scaled_otherwise_is_taken_only_when_told(tmp_path):
    screener = build_screener("tiny", 32, hidden=4, preprocess="tf")
    screener.save(tmp_path / "s.keras")
    part = PartInfo(
        backbone="tiny", preprocessing="tf", size=32, dropout=0.5, config="screener.json",
        weights="screener.weights.h5",
    )  # fmt: skip
    info = BundleInfo(name="t", created="2026-01-01", parts={"screener": part})
    write_bundle(tmp_path / "bundle", info, {"screener": screener}, "card", {})
    assert load_bundle(tmp_path / "bundle")
    for file in (tmp_path / "s.keras", tmp_path / "bundle" / "screener.weights.h5"):
        with pytest.raises(ScreeningError, match="scaled as tf, these would be scaled as ink"):
            build_screener("tiny", 32, weights=file, hidden=4)
        taken = build_screener("tiny", 32, weights=file, hidden=4, preprocess="tf")
        kernel = screener.get_layer("block2_conv").get_weights()[0]
        np.testing.assert_allclose(
            taken.get_layer("block2_conv").get_weights()[0], kernel, atol=1e-3
        )

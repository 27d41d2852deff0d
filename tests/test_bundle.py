"""A bundle is whole, verified and exact to half precision, or it is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from screening.bundle import load_bundle, write_bundle
from screening.bundle_schema import BundleInfo, PartInfo
from screening.errors import BundleError

PART = PartInfo(
    backbone="tiny", preprocessing="ink", size=16, dropout=0.5,
    config="screener.json", weights="screener.weights.h5",
)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(-1 / 127.5, offset=2.0)(image)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(x))
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(x))


@pytest.fixture
def bundle(model, tmp_path):
    info = BundleInfo(name="tiny", created="2026-01-01", parts={"screener": PART})
    return write_bundle(tmp_path / "bundle", info, {"screener": model}, "# Model card\n")


def test_a_bundle_round_trips_to_half_precision(bundle, model):
    again = load_bundle(bundle.folder).load_model("screener")
    images = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype("float32")
    assert again.dtype_policy.name == "float32"
    np.testing.assert_allclose(again(images), model(images), atol=2e-3)
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs.astype("float16").astype("float32"))


def test_the_hash_names_the_content(bundle, model, tmp_path):
    other = bundle.info.model_copy(update={"threshold": 0.4})
    changed = write_bundle(tmp_path / "other", other, {"screener": model}, "# Model card\n")
    assert changed.hash != bundle.hash


@pytest.mark.parametrize("name", ["bundle.json", "screener.json", "screener.weights.h5", "DONE"])
def test_an_altered_or_missing_file_is_refused_by_name(bundle, name):
    path = bundle.folder / name
    path.write_bytes(path.read_bytes()[:-3] + b"abc")
    with pytest.raises(BundleError, match=r"altered|match"):
        load_bundle(bundle.folder)
    path.unlink()
    with pytest.raises(BundleError, match="missing"):
        load_bundle(bundle.folder)


def test_a_part_outside_the_folder_is_refused(bundle, model, tmp_path):
    part = PART.model_copy(update={"weights": "../stolen.weights.h5"})
    info = bundle.info.model_copy(update={"parts": {"screener": part}})
    with pytest.raises(BundleError, match="not listed"):
        write_bundle(tmp_path / "bad", info, {"screener": model}, "card")


def test_unknown_keys_are_refused_by_name(bundle):
    import json

    from screening.bundle import sha256_of

    path = bundle.folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"surprise": 1}))
    (bundle.folder / "DONE").write_text(sha256_of(path))
    with pytest.raises(BundleError, match="surprise"):
        load_bundle(bundle.folder)


def test_an_absent_folder_is_a_clear_error(tmp_path):
    with pytest.raises(BundleError, match="no bundle here"):
        load_bundle(tmp_path / "nowhere")

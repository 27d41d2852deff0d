"""The thesis models: size to the parameter, preprocessing, weights in and out."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from screening.bundle import default_bundle, load_bundle
from screening.errors import ScreeningError
from screening.models.backbones import BACKBONES, get_backbone
from screening.models.screener import build_screener, preprocessed
from screening.models.weights import copy_weights

APPLICATIONS = {
    "vgg16": keras.applications.vgg16,
    "inceptionv3": keras.applications.inception_v3,
    "mobilenetv2": keras.applications.mobilenet_v2,
    "densenet121": keras.applications.densenet,
    "xception": keras.applications.xception,
    "inceptionresnetv2": keras.applications.inception_resnet_v2,
}


@pytest.fixture(scope="module")
def tiny_vgg() -> keras.Model:
    keras.utils.set_random_seed(1)
    return build_screener("vgg16", size=32)


@pytest.mark.parametrize(
    ("backbone", "parameters"), [("vgg16", 14_847_297), ("inceptionv3", 22_328_609)]
)
def test_parameter_count_equals_the_thesis(backbone: str, parameters: int) -> None:
    model = build_screener(backbone, size=150)
    assert model.count_params() == parameters
    assert model.input_shape == (None, 150, 150, 3)
    assert model.output_shape == (None, 1)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_preprocessing_equals_keras_applications(name: str) -> None:
    rgb = np.random.default_rng(0).uniform(0, 255, (2, 9, 9, 3)).astype("float32")
    images = keras.Input((9, 9, 3))
    model = keras.Model(images, preprocessed(images, BACKBONES[name].preprocess))
    expected = APPLICATIONS[name].preprocess_input(rgb.copy())
    np.testing.assert_allclose(model.predict(rgb, verbose=0), expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["vgg16", "mobilenetv2"])
def test_table_row_is_true_of_the_built_base(name: str) -> None:
    row = BACKBONES[name]
    base = row.constructor(include_top=False, weights=None, input_shape=(96, 96, 3))
    assert base.output_shape[-1] == row.features
    names = [layer.name for layer in base.layers]
    positions = [names.index(s.after) if s.after else -1 for s in row.stages]
    assert positions == sorted(positions, reverse=True)
    assert positions[-1] == -1


def test_save_load_and_one_fit_step(tiny_vgg: keras.Model, tmp_path) -> None:
    images = np.random.default_rng(2).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    before = tiny_vgg.predict(images, verbose=0)
    assert before.shape == (2, 1)
    assert ((before > 0) & (before < 1)).all()
    tiny_vgg.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), before)
    for layer in loaded.layers:
        layer.trainable = layer.name in {"hidden", "hidden_norm", "p_abnormal"}
    loaded.compile("sgd", "binary_crossentropy")
    assert np.isfinite(loaded.train_on_batch(images, np.array([[0.0], [1.0]])))


def test_base_weights_come_from_a_keras_model_and_from_a_weight_file(
    tiny_vgg: keras.Model, tmp_path
) -> None:
    tiny_vgg.save(tmp_path / "m.keras")
    copied = build_screener("vgg16", size=48, weights=tmp_path / "m.keras")
    for name in ("block1_conv1", "block5_conv3"):
        for ours, theirs in zip(
            copied.get_layer(name).get_weights(),
            tiny_vgg.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)
    base = get_backbone("vgg16").constructor(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    copy_weights(tiny_vgg, base)
    base.save_weights(tmp_path / "base.weights.h5")
    again = build_screener("vgg16", size=32, weights=str(tmp_path / "base.weights.h5"))
    np.testing.assert_array_equal(
        again.get_layer("block3_conv2").get_weights()[0],
        tiny_vgg.get_layer("block3_conv2").get_weights()[0],
    )


def test_weights_that_do_not_fit_are_named(tmp_path) -> None:
    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    other.save(tmp_path / "other.keras")
    with pytest.raises(ScreeningError, match="does not fit"):
        build_screener("vgg16", size=32, weights=tmp_path / "other.keras")
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ScreeningError, match="no file that holds weights of vgg16"):
        build_screener("vgg16", size=32, weights=tmp_path / "other.weights.h5")
    (tmp_path / "text.keras").write_text("not a model", encoding="utf-8")
    with pytest.raises(ScreeningError, match="text.keras"):
        build_screener("vgg16", size=32, weights=tmp_path / "text.keras")
    with pytest.raises(ScreeningError, match="no file"):
        build_screener("vgg16", size=32, weights=tmp_path / "absent.h5")


def test_imagenet_without_a_connection_says_what_to_do(monkeypatch) -> None:
    def refuse(**options):
        raise Exception("URL fetch failure")

    row = BACKBONES["vgg16"]
    constructor = row.constructor
    offline = type(row)(
        **{
            **vars(row),
            "constructor": lambda **o: refuse() if o["weights"] else constructor(**o),
        }
    )
    monkeypatch.setitem(BACKBONES, "vgg16", offline)
    with pytest.raises(ScreeningError, match="path of a weight file"):
        build_screener("vgg16", size=32, weights="imagenet")


def test_wrong_use_is_named() -> None:
    with pytest.raises(ScreeningError, match="vgg16, inceptionv3"):
        build_screener("resnet", size=150)
    with pytest.raises(ScreeningError, match="at least 75"):
        build_screener("inceptionv3", size=64)
    with pytest.raises(ScreeningError, match="dropout"):
        build_screener("vgg16", size=32, dropout=1.0)
    with pytest.raises(ScreeningError, match="block5"):
        get_backbone("vgg16").stage("block6")


def test_the_shipped_base_is_taken_over_with_its_preprocessing():
    model = build_screener("vgg16", 64, weights="shipped")
    donor = load_bundle(default_bundle()).load_model()
    for a, b in zip(
        model.get_layer("block3_conv2").get_weights(),
        donor.get_layer("block3_conv2").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    assert model.get_layer("preprocess_ink")
    assert build_screener("vgg16", 64).get_layer("preprocess_caffe")
    with pytest.raises(ScreeningError, match="base of vgg16, not of inceptionv3"):
        build_screener("inceptionv3", 80, weights="shipped")

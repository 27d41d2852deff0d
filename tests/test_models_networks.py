"""Every network of the table through one harness: parameters, shape, a step, a file."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.models import (
    alexnet,
    chromosome_cnns,
    classifier,
    davit,
    mixnet,
    res_crann,
    residual,
    swin,
    varifocal,
    vit,
)
from screening.models.backbones import BACKBONES, Backbone, depths
from screening.models.network import SCORES, build_network, operations, parameters
from screening.models.plain import base_of_body
from screening.models.screener import build_screener
from screening.models.unfreezing import unfreeze

TWO = {"widths": (8, 16), "depths": (1, 1)}
SMALL = {"widths": (8, 8, 16, 16), "depths": (1, 1, 2, 1)}


def _narrow(name: str) -> partial:
    """The same blocks with few channels."""
    body = chromosome_cnns.BODIES[name]
    few = [[(8, *rest) for _, *rest in block] for block in body.keywords["blocks"]]
    return partial(body, blocks=few)


TINY = {
    "resnet34": partial(residual.BODIES["resnet34"], **SMALL),
    "resnet50": partial(residual.BODIES["resnet50"], **SMALL),
    "resnext101": partial(
        residual.residual_network, block=partial(residual.bottleneck, groups=2, width=32), **SMALL
    ),
    "res2net50": partial(
        residual.residual_network, block=partial(residual.multi_scale, width=16), **SMALL
    ),
    "resnest50": partial(residual.BODIES["resnest50"], **SMALL),
    "alexnet": partial(alexnet.BODIES["alexnet"], widths=(8, 8, 8, 8, 8)),
    "anet_c6": partial(alexnet.BODIES["anet_c6"], widths=(8, 8, 8, 8, 8)),
    "vit_ti16": partial(vit.vision_transformer, patch=16, width=16, depth=4, heads=2),
    "vit_lite8": partial(
        vit.vision_transformer, patch=8, width=16, depth=4, heads=2, ratio=2, bias=False
    ),
    "swin_s": partial(swin.swin, width=8, heads=(2, 2), depths=(2, 1), window=3),
    "davit_s": partial(davit.davit, width=8, heads=(2, 2), depths=(1, 1), window=3),
    "sharma2017": _narrow("sharma2017"),
    "zhang2018": _narrow("zhang2018"),
    "hu2019": _narrow("hu2019"),
    "chromenet2022": _narrow("chromenet2022"),
    "res_crann": partial(res_crann.res_crann, **TWO, units=8),
    "mixnet": partial(mixnet.mixnet, **TWO, groups=2, width=32, units=8),
    "varifocal": partial(varifocal.varifocal, **TWO),
    "compact": partial(classifier.compact_body, widths=(8, 8, 8, 8)),
}
"""Networks of our own, each in the smallest form that has all its parts."""
APPLICATIONS = ("vgg16", "inceptionv3", "mobilenetv2", "densenet121", "xception",
                "inceptionresnetv2", "efficientnetv2b0", "convnexttiny")  # fmt: skip
LARGE = ("vgg16", "inceptionresnetv2", "resnet101", "resnet152", "resnext101", "vit_l16",
         "vit_l14", "swin_s", "swin_l", "davit_s", "davit_l", "mixnet")  # fmt: skip
"""Built only among the slow tests."""


def tiny(name: str) -> Backbone:
    """The row with a small body in the place of the published one."""
    row = BACKBONES[name]
    made = partial(base_of_body, TINY[name], name)
    return Backbone(
        name, made, row.preprocess, row.min_size, row.features, row.stages, (16,) * len(row.top)
    )


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in LARGE else ()) for n in BACKBONES]
)
def test_parameters_are_the_published_ones_to_every_printed_digit(name):
    row = BACKBONES[name]
    known = row.published
    model = build_network(row, known.size if known else 227, (known and known.classes) or 24)
    base_end = model.get_layer("features").input
    assert base_end.shape[-1] == row.features
    layers = [layer.name for layer in model.layers]
    places = [layers.index(stage.after) for stage in row.stages if stage.after]
    assert places == sorted(places, reverse=True) and row.stages[-1].after is None
    if known is None:
        return
    count = parameters(model, known.everything)
    if not known.classes:  # published without a last layer
        count -= sum(int(np.prod(w.shape)) for w in model.get_layer(SCORES).weights)
    digits = len(known.millions.partition(".")[2])
    assert f"{count / 1e6:.{digits}f}" == known.millions


@pytest.mark.parametrize("name", TINY)
def test_a_network_takes_a_step_and_survives_a_file(name, tmp_path):
    row = tiny(name)
    model = build_network(row, 67, embedding=8 if name == "compact" else 0)
    pictures = np.random.default_rng(0).uniform(0, 255, (4, 67, 67, 1)).astype("float32")
    before = np.asarray(model(pictures, training=False))
    assert before.shape == (4, 24) and np.isfinite(before).all()
    model.save(tmp_path / "it.keras")
    again = keras.models.load_model(tmp_path / "it.keras", safe_mode=True)
    np.testing.assert_allclose(again(pictures, training=False), before, rtol=1e-4, atol=1e-5)
    assert keras.Model.from_config(model.get_config()).count_params() == model.count_params()
    again.compile("sgd", "mse", run_eagerly=True)
    loss = again.train_on_batch(pictures, np.eye(24, dtype="float32")[:4])
    assert np.isfinite(loss)
    changed = [
        not np.array_equal(a, b)
        for a, b in zip(again.get_weights(), model.get_weights(), strict=True)
    ]
    assert np.mean(changed) > 0.9
    assert operations(model) > 2 * parameters(model) / 100


def test_the_harness_has_every_kind_of_network_of_our_own():
    kinds = {"resnet18": "resnet34", "resnet101": "resnet50", "resnet152": "resnet50",
             "vit_s8": "vit_ti16", "vit_l16": "vit_ti16", "vit_l14": "vit_ti16",
             "swin_l": "swin_s", "davit_l": "davit_s"}  # fmt: skip
    assert {kinds.get(name, name) for name in set(BACKBONES) - set(APPLICATIONS)} == set(TINY)


def test_every_depth_of_a_row_has_a_name_of_its_own():
    assert all(len(set(depths(row))) == len(depths(row)) for row in BACKBONES.values())


@pytest.mark.parametrize("name", ["resnest50", "vit_ti16", "alexnet", "swin_s", "varifocal"])
def test_a_network_of_the_table_is_a_base_of_the_screener(name, monkeypatch):
    row = tiny(name)
    monkeypatch.setitem(BACKBONES, name, row)
    screener = build_screener(name, 80)
    assert screener.output_shape == (None, 1)
    cut = unfreeze(screener, BACKBONES["alexnet"] if name == "alexnet" else row, "whole")
    assert cut.frozen is None and cut.trained
    if name == "alexnet":
        cut = unfreeze(screener, row, "last-block")
        assert cut.trained == ("conv5",) and depths(row)[:2] == ("head", "last-block")
    if name == "swin_s":
        # What tells places and shifts is of the stage's own map: a cut between stages is one.
        cut = unfreeze(screener, row, "stage2")
        assert cut.frozen is not None and cut.frozen.output.shape == (None, 20, 20, 8)
        assert {one.partition("_")[0] for one in cut.trained} == {"s2", "s2b0", "norm"}
    with pytest.raises(ScreeningError, match="no published weights"):
        build_screener(name, 80, weights="imagenet")


def test_local_response_normalisation_is_the_published_formula():
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 7)).astype("float32")
    inputs = keras.Input((2, 2, 7))
    said = keras.Model(inputs, alexnet.local_response_norm(inputs))(x)
    expected = np.empty_like(x)
    for k in range(7):
        near = x[..., max(0, k - 2) : k + 3]
        expected[..., k] = x[..., k] / (2 + 1e-4 * (near**2).sum(-1)) ** 0.75
    np.testing.assert_allclose(said, expected, rtol=1e-5)


def test_wrong_use_is_named():
    with pytest.raises(ScreeningError, match="compact, |, compact"):
        build_network("resnet", 64)
    with pytest.raises(ScreeningError, match="at least 67 pixels, received 64"):
        build_network("alexnet", 64)


def test_moving_statistics_follow_a_short_training():
    model = build_network(tiny("resnet34"), 67)
    layers = [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    assert layers and all(one.momentum <= 0.95 for one in layers)

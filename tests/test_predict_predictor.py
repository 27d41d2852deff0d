"""A bundle's screener scores pictures the same however they are grouped."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.models.screener import build_screener
from screening.predict.predictor import Predictor, in_precision


@pytest.fixture(scope="module")
def bundle() -> SimpleNamespace:
    """What Predictor uses of a bundle, around an untrained network."""
    keras.utils.set_random_seed(0)
    model = build_screener("vgg16", size=32)
    return SimpleNamespace(
        load_model=lambda part: {"screener": model}[part],
        info=SimpleNamespace(threshold=0.5),
    )


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (32, 32), np.uint8) for _ in range(5)]


def test_grouping_and_order_do_not_matter(bundle, pictures) -> None:
    predictor = Predictor(bundle, passes=15, seed=3, batch_size=4)
    together = predictor.predict(pictures)
    assert len(together) == 5
    assert all(s.passes == 15 and s.p.shape == (15,) for s in together)
    for picture, one in zip(pictures, together, strict=True):
        (alone,) = predictor.predict([picture])
        np.testing.assert_allclose(alone.p, one.p, atol=1e-6)
        assert alone.votes == one.votes
    assert predictor.predict([]) == []


def test_keys_replace_the_pixels_as_identity(bundle, pictures) -> None:
    predictor = Predictor(bundle, passes=15, batch_size=4)
    same, other = predictor.predict([pictures[0]] * 2, keys=[5, 6])
    assert np.abs(same.p - other.p).max() > 0
    (again,) = predictor.predict([pictures[0]], keys=[5])
    np.testing.assert_allclose(again.p, same.p, atol=1e-6)


def test_bfloat16_is_close_and_keeps_the_float32_model(bundle, pictures) -> None:
    model = bundle.load_model("screener")
    half = in_precision(model, "bfloat16")
    assert half.get_layer("hidden").compute_dtype == "bfloat16"
    assert half.get_layer("p_abnormal").compute_dtype == "float32"
    assert model.get_layer("hidden").compute_dtype == "float32"
    exact = Predictor(bundle, passes=20, batch_size=5).predict(pictures)
    rough = Predictor(bundle, passes=20, batch_size=5, precision="bfloat16").predict(pictures)
    for a, b in zip(exact, rough, strict=True):
        assert a.mean == pytest.approx(b.mean, abs=0.05)


def test_wrong_use_is_named(bundle, pictures) -> None:
    predictor = Predictor(bundle, passes=2)
    with pytest.raises(ScreeningError, match="32 x 32"):
        predictor.predict([np.zeros((32, 30), np.uint8)])
    with pytest.raises(ScreeningError, match="uint8"):
        predictor.predict([np.zeros((32, 32), np.float32)])
    with pytest.raises(ScreeningError, match="keys"):
        predictor.predict(pictures, keys=[1])
    with pytest.raises(ScreeningError, match="precision"):
        in_precision(bundle.load_model("screener"), "float8")

"""A bundle's screener scores pictures the same however they are grouped."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.models.screener import build_screener
from screening.predict.predictor import Predictor
from screening.predict.tensorflow_engine import TensorFlowEngine


@pytest.fixture(scope="module")
def bundle() -> SimpleNamespace:
    """What Predictor uses of a bundle, around an untrained network."""
    keras.utils.set_random_seed(0)
    model = build_screener("vgg16", size=32)
    return SimpleNamespace(
        load_model=lambda part: {"screener": model}[part],
        network=lambda part: SimpleNamespace(size=32),
        info=SimpleNamespace(threshold=0.5),
    )


@pytest.fixture(scope="module")
def engine(bundle) -> TensorFlowEngine:
    return TensorFlowEngine(bundle)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (32, 32), np.uint8) for _ in range(5)]


def test_grouping_and_order_do_not_matter(bundle, engine, pictures) -> None:
    predictor = Predictor(bundle, engine, passes=15, seed=3, batch_size=4)
    together = predictor.passes_of(pictures, range(5))
    assert together.shape == (5, 15) and together.dtype == np.float32
    for key, picture in enumerate(pictures):
        alone = predictor.passes_of([picture], [key])
        np.testing.assert_array_equal(alone[0], together[key])
    assert predictor.passes_of([], []).shape == (0, 15)


def test_the_key_decides_the_masks(bundle, engine, pictures) -> None:
    predictor = Predictor(bundle, engine, passes=15, batch_size=4)
    same, other = predictor.passes_of([pictures[0]] * 2, [5, 6])
    assert np.abs(same - other).max() > 0
    np.testing.assert_allclose(predictor.passes_of([pictures[0]], [5])[0], same, atol=1e-6)


def test_wrong_use_is_named(bundle, engine, pictures) -> None:
    predictor = Predictor(bundle, engine, passes=2)
    with pytest.raises(ScreeningError, match="32 x 32"):
        predictor.passes_of([np.zeros((32, 30), np.uint8)], [1])
    with pytest.raises(ScreeningError, match="uint8"):
        predictor.passes_of([np.zeros((32, 32), np.float32)], [1])
    with pytest.raises(ScreeningError, match="keys"):
        predictor.passes_of(pictures, [1])
    with pytest.raises(ScreeningError, match="batch_size"):
        Predictor(bundle, engine, batch_size=0)

"""The bundle's model behind the pipeline: same votes in any batch, named trouble with devices."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.worklist.scorer import BundleScorer

SIZE = 16


@pytest.fixture(scope="module")
def bundle() -> SimpleNamespace:
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Dropout(0.5),
            layers.GlobalAveragePooling2D(),
            layers.Dense(8),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    info = SimpleNamespace(parts={"screener": None}, threshold=0.5)
    part = SimpleNamespace(size=SIZE, view="plain")
    return SimpleNamespace(
        info=info, folder="b", hash="b", load_model=lambda part: model, network=lambda name: part
    )


def test_votes_hang_on_the_picture_not_on_its_batch(bundle: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (SIZE, SIZE), np.uint8) for _ in range(4)]
    scorer = BundleScorer(
        bundle, passes=12, seed=0, device="cpu", batch_size=4, engine="tensorflow"
    )
    together = scorer.score(images, [5, 6, 7, 2**63 - 1])
    alone = scorer.score(images[2:3], [7])
    assert scorer.device == "cpu"
    assert together.shape == (4, 12) and together[2].std() > 0
    np.testing.assert_array_equal(alone[0], together[2])
    other = BundleScorer(bundle, passes=12, seed=1, device="cpu", batch_size=4, engine="tensorflow")
    assert not np.array_equal(other.score(images[2:3], [7]), alone)


def test_a_missing_device_or_part_is_named(bundle: SimpleNamespace) -> None:
    scorer = BundleScorer(bundle, passes=1, device="gpu:99", engine="tensorflow")
    with pytest.raises(ScreeningError, match="--device gpu:99"):
        scorer.score([], [])
    empty = SimpleNamespace(info=SimpleNamespace(parts={}), folder="b")
    with pytest.raises(ScreeningError, match="no screener"):
        BundleScorer(empty, passes=1)

"""Published recipes: the contrastive loss by hand, its batches, trainings that end."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.models import backbones
from screening.train.contrastive import Temperature, contrastive_loss, pairs_of_batches
from screening.train.recipes import KINDS, Labelled, Recipe, fit_recipe, predict
from tiny_base import TINY


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", TINY)


def bars(count: int, size: int = 32) -> Labelled:
    """A class is the height of a bar."""
    labels = np.arange(count) % 24
    pictures = np.full((count, size, size), 255, np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture[2 : 4 + label, 8:24] = 40
    return Labelled(pictures, labels)


def test_the_contrastive_loss_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    e = rng.normal(size=(2, 5, 7))
    e /= np.linalg.norm(e, axis=-1, keepdims=True)

    def focal(similar: np.ndarray) -> float:
        p = np.exp(similar) / np.exp(similar).sum(1, keepdims=True)
        own = np.diag(p)
        return float(np.mean(-((1 - own) ** 2) * np.log(own)))

    t = 3.0
    expected = sum(
        focal(t * e[i] @ e[j].T) + focal((t * e[i] @ e[j].T).T) for i in (0, 1) for j in (0, 1)
    )
    scaled = (np.sqrt(t) * e).reshape(10, 7).astype("float32")
    assert float(contrastive_loss(None, scaled)) == pytest.approx(expected, rel=1e-5)
    right = np.tile(np.eye(5, 7, dtype="float32") * 9, (2, 1))
    assert float(contrastive_loss(None, right)) < 1e-6


def test_the_temperature_is_learned_and_multiplies_products():
    layer = Temperature()
    once = np.ones((2, 3), "float32")
    said = np.asarray(layer(once))
    assert (said @ said.T)[0, 1] == pytest.approx(3 / 0.07, rel=1e-5)
    assert len(layer.trainable_weights) == 1


def test_two_batches_hold_every_class_once_each_and_other_pictures():
    labels = np.repeat(np.arange(24), 3)[:-2]  # the last class has one picture
    made = pairs_of_batches(labels, 50, seed=1)
    assert made.shape == (50, 48)
    assert (labels[made] == np.tile(np.arange(24), 2)).all()
    assert (made[:, :23] != made[:, 24:47]).all() and (made[:, 23] == made[:, 47]).all()
    assert np.array_equal(made, pairs_of_batches(labels, 50, seed=1))
    with pytest.raises(ValueError, match="class Y"):
        pairs_of_batches(labels[:-1], 1, seed=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_learns_and_its_network_reads_alone(kind):
    data = bars(48)
    recipe = Recipe(kind, 12, 2e-2, batch=12, smoothing=0.0, steps=4, augment=False)
    model, history = fit_recipe("tiny", data, data, recipe)
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    p = predict(model, data.pictures)
    assert p.shape == (48, 24) and np.allclose(p.sum(1), 1, atol=1e-4)
    own = p[np.arange(48), data.labels]
    # The best epoch's weights, computed in float32.
    assert -np.log(own).mean() == pytest.approx(min(r["val_loss"] for r in history), rel=1e-3)


def test_a_training_stops_when_nothing_gets_better():
    held = Labelled(bars(24).pictures, np.roll(np.arange(24), 7))  # nothing to be learned for it
    recipe = Recipe("one-cycle", 40, 5e-2, batch=24, patience=2)
    _, history = fit_recipe("tiny", bars(24), held, recipe)
    assert len(history) < 40


def test_a_rate_that_breaks_the_loss_is_told():
    recipe = Recipe("one-cycle", 3, 1e30, batch=24)
    with pytest.raises(ScreeningError, match="learning rate is too high"):
        fit_recipe("tiny", bars(48), bars(24), recipe)


def test_the_policy_of_a_recipe_is_not_left_behind():
    fit_recipe("tiny", bars(24), bars(24), Recipe("one-cycle", 1, 1e-3, dtype="mixed_bfloat16"))
    assert keras.config.dtype_policy().name == "float32"

"""Published recipes: the contrastive loss by hand, its batches, trainings that end."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.models import backbones
from screening.train.check_and_adjust import CheckAndAdjust, EarlyBreak, Level
from screening.train.contrastive import Temperature, contrastive_loss
from screening.train.labelled import (
    Labelled,
    balanced,
    paired_batches,
    pairs_of_batches,
    shuffled_batches,
)
from screening.train.metric_heads import (
    SquaredDistances,
    centre_loss,
    siamese_loss,
    triplet_loss,
)
from screening.train.recipe_kinds import KINDS
from screening.train.recipes import Recipe, fit_recipe, predict
from screening.train.records import read_records, write_records
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
    with pytest.raises(ValueError, match="class number 23"):
        pairs_of_batches(labels[:-1], 1, seed=0)


def distances(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def some_points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Six points of three classes, their labels and these one-hot."""
    points = np.random.default_rng(0).normal(size=(6, 4)).astype("float32") / 3
    names = np.array([0, 1, 2, 0, 1, 2])
    return points, names, np.eye(3, dtype="float32")[names]


def test_the_siamese_loss_equals_one_pair_after_another():
    points, names, labels = some_points()
    d = distances(points)
    near = [d[i, j] ** 2 for i in range(6) for j in range(6) if i != j and names[i] == names[j]]
    far = [max(1 - d[i, j], 0) ** 2 for i in range(6) for j in range(6) if names[i] != names[j]]
    expected = 0.5 * (np.mean(near) + np.mean(far))
    assert float(siamese_loss(labels, points)) == pytest.approx(expected, rel=1e-4)


def test_the_triplet_loss_equals_one_triplet_after_another():
    points, names, labels = some_points()
    d = distances(points) ** 2
    triplets = [
        d[a, p] - d[a, n] + 0.2
        for a in range(6) for p in range(6) for n in range(6)
        if a != p and names[a] == names[p] and names[a] != names[n]
    ]  # fmt: skip
    violated = [one for one in triplets if one > 0]
    assert 0 < len(violated) < len(triplets)
    assert float(triplet_loss(labels, points)) == pytest.approx(np.mean(violated), rel=1e-4)
    apart = 9 * np.eye(3, 4, dtype="float32")[names]
    assert float(triplet_loss(labels, apart)) == 0


def test_the_centre_loss_draws_centres_to_their_class():
    points, names, labels = some_points()
    layer = SquaredDistances(3)
    squared = np.asarray(layer(points))
    assert np.allclose(squared, (points**2).sum(1, keepdims=True), rtol=1e-5)
    layer.set_weights([np.stack([points[names == n].mean(0) for n in range(3)])])
    own = np.asarray(layer(points))[np.arange(6), names]
    assert float(centre_loss(labels, np.asarray(layer(points)))) == pytest.approx(own.mean() / 2)
    assert own.mean() < squared[:, 0].mean()


def test_smote_fills_rarer_classes_with_what_lies_between_two_of_them():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 12 + [1] * 4 + [2])
    pictures = rng.integers(0, 256, (17, 8, 8)).astype(np.uint8)
    made = balanced(Labelled(pictures, labels, 4), seed=1)
    assert np.bincount(made.labels, minlength=4).tolist() == [12, 12, 12, 0]
    assert np.array_equal(made.pictures[:17], pictures)
    own = pictures[12:16].astype(float)
    for new in made.pictures[17:25].astype(float):
        # On the line between two of the class: the distances to both add up to theirs.
        gaps = [
            np.linalg.norm(new - a) + np.linalg.norm(new - b) - np.linalg.norm(a - b)
            for a in own for b in own if a is not b
        ]  # fmt: skip
        assert min(gaps) < 1
    assert (made.pictures[made.labels == 2] == pictures[16]).all(), "one picture is repeated"
    again = balanced(Labelled(pictures, labels, 4), seed=1)
    assert np.array_equal(again.pictures, made.pictures)


def test_cda_turns_by_any_angle_and_light_by_a_little():
    picture = np.full((32, 32), 255, np.uint8)
    picture[4:28, 14:18] = 0  # upright
    many = Labelled(np.repeat(picture[None], 64, 0), np.zeros(64, int), 1)

    def upright(augment: str) -> float:
        batch, _ = next(iter(shuffled_batches(many, 64, augment, seed=3)))
        ink = 255 - np.asarray(batch)[..., 0]
        high = (ink.sum(2) > 300).sum(1)
        wide = (ink.sum(1) > 300).sum(1)
        return float(np.mean(high > wide))

    assert upright("none") == upright("light") == 1
    assert 0.25 < upright("cda") < 0.75
    batch, labels = next(iter(paired_batches(bars(48), 2, "cda", seed=0)))
    assert batch.shape == (48, 32, 32, 1) and labels.shape == (48, 24)


def test_records_hold_what_was_written_and_feed_a_training(tmp_path):
    data, path = bars(48), tmp_path / "train.tfrecord"
    originals = [(100 + n, 50 + n, 1 + 2 * (n % 2)) for n in range(48)]
    names = [f"ä/{n}.png" for n in range(48)]
    write_records(path, data.pictures, data.labels, originals, names)
    read = list(read_records(path).as_numpy_iterator())
    assert [one["name"].decode() for one in read] == names
    assert all((one["image"] == picture).all() for one, picture in zip(read, data.pictures,
                                                                       strict=True))  # fmt: skip
    kept = [(one["height"], one["width"], one["channels"]) for one in read]
    assert kept == originals and [one["label"] for one in read] == data.labels.tolist()
    streamed = Labelled(data.pictures, data.labels, file=path)
    batches = iter(shuffled_batches(streamed, 48, "none", seed=0))
    pictures, labels = next(batches)
    order = np.asarray(labels).argmax(1)
    assert sorted(order) == sorted(data.labels) and list(order) != list(data.labels)
    seen = {picture.tobytes() for picture in np.asarray(pictures, np.uint8)[..., 0]}
    assert seen == {picture.tobytes() for picture in data.pictures}
    recipe = Recipe("one-cycle", 12, 2e-2, batch=12, smoothing=0.0, augment="none")
    _, history = fit_recipe("tiny", streamed, data, recipe)
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]


class Model:
    """What the callbacks need of a model."""

    def __init__(self) -> None:
        self.optimizer = type("Optimizer", (), {"learning_rate": 1.0})()
        self.stop_training, self.now, self.restored = False, 0, None

    def get_weights(self) -> list:
        return [self.now]

    def set_weights(self, weights: list) -> None:
        self.restored = weights[0]


def test_check_and_adjust_follows_its_four_levels():
    levels = [Level(0.0, 1.0, 0.1), Level(0.5, 0.5, 0.05), Level(0.8, 0.1, 0.02),
              Level(0.95, 0.01, 0.005)]  # fmt: skip
    validation = {1: 0.1, 4: 0.4, 6: 0.9, 10: 0.7, 11: 0.2}
    model = Model()
    callback = CheckAndAdjust(lambda: validation[model.now], levels, 2.0, every=2)
    callback.set_model(model)
    rates, kept = [], []
    accuracies = [0.2, 0.99, 0.7, 0.52, 0.9, 0.96, 0.1, 0.96, 0.1, 0.97, 0.1]
    callback.validated = lambda: kept.append(model.now) or validation.get(model.now, 0.3)
    for step, accuracy in enumerate(accuracies, 1):
        model.now = step
        callback.on_train_batch_end(step - 1, {"batch_accuracy": accuracy})
        rates.append(model.optimizer.learning_rate)
    # After the first batch; then every second: .99 beats .2 by .1, and no later one beats .99.
    assert kept == [1, 2] and rates == [2.0, 2.0, 2.0, *[0.02] * 8]
    callback.best, kept[:] = 0.5, []
    for step, accuracy in enumerate([0.52, 0.7, 0.96], 12):
        callback.steps = 2 * step - 1
        model.now = step
        callback.on_train_batch_end(0, {"batch_accuracy": accuracy})
    assert kept == [13, 14] and callback.best == 0.96
    assert model.optimizer.learning_rate == 1.0, "the level of .7, the best so far"
    model.now = 6
    callback.on_epoch_end(9)
    assert kept[-1] == 6
    model.now = 20
    callback.on_train_end()
    assert model.restored == 6, "the checkpoint best on validation"


def test_early_break_needs_both_accuracies_and_five_batches_on_end():
    model = Model()
    callback = EarlyBreak(validation=0.9, training=0.8)
    callback.set_model(model)
    for accuracies, held, ends in (
        ([0.9] * 4, 0.95, False), ([0.9, 0.7, 0.9, 0.9, 0.9, 0.9], 0.95, False),
        ([0.9] * 5, 0.89, False), ([0.9], 0.95, True),
    ):  # fmt: skip
        for accuracy in accuracies:
            callback.on_train_batch_end(0, {"chromosome_batch_accuracy": accuracy})
        callback.on_epoch_end(0, {"val_accuracy": held})
        assert model.stop_training == ends


@pytest.mark.parametrize("kind", ["one-cycle", "triplet"])
def test_early_break_ends_any_kind(kind):
    data = bars(48)
    recipe = Recipe(kind, 30, 2e-2, batch=8, steps=6, augment="none", early_break=(0.01, 0.01))
    _, history = fit_recipe("tiny", data, data, recipe)
    assert len(history) < 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_learns_and_its_network_reads_alone(kind):
    data = bars(48)
    recipe = Recipe(
        kind, 12, 2e-2, batch=12, smoothing=0.0, steps=4, augment="none", check_every=4,
        levels=(Level(0.0, 1.0, 0.05), Level(0.5, 0.5, 0.02)),
    )  # fmt: skip
    model, history = fit_recipe("tiny", data, data, recipe)
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    p = predict(model, data.pictures)
    assert p.shape == (48, 24) and np.allclose(p.sum(1), 1, atol=1e-4)
    own = p[np.arange(48), data.labels]
    if kind == "check-and-adjust":
        assert np.mean(p.argmax(1) == data.labels) >= max(r["val_accuracy"] for r in history)
        return
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

"""Epoch by epoch: a killed training ends with the weights of an unbroken one."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.train.epochs import STATE, fit_epochs


def new_model(units: int = 3, rate: float = 0.05) -> keras.Model:
    keras.utils.set_random_seed(1)
    x = keras.Input((4,))
    y = keras.layers.Dropout(0.4)(keras.layers.Dense(units, activation="relu")(x))
    model = keras.Model(x, keras.layers.Dense(1)(keras.layers.BatchNormalization()(y)))
    schedule = keras.optimizers.schedules.CosineDecay(rate, 12)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=0.01), loss="mse")
    return model


class Batches(keras.utils.PyDataset):
    def __init__(self, epoch: int) -> None:
        super().__init__()
        rng = np.random.default_rng(epoch)
        self.x = rng.normal(size=(3, 8, 4)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int):
        return self.x[index], self.x[index].sum(axis=1, keepdims=True)


class Broken(Batches):
    def __getitem__(self, index: int):
        x, y = super().__getitem__(index)
        return x, np.full_like(y, np.nan)


def test_killed_twice_it_ends_the_same(tmp_path):
    whole = new_model()
    expected = fit_epochs(whole, 4, tmp_path / "whole", Batches, seed=3)

    def kill_at(wanted: int):
        def batches(epoch: int) -> Batches:
            if epoch == wanted:
                raise KeyboardInterrupt
            return Batches(epoch)

        return batches

    for wanted in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            fit_epochs(new_model(), 4, tmp_path / "killed", kill_at(wanted), seed=3)
    killed = new_model()
    assert fit_epochs(killed, 4, tmp_path / "killed", Batches, seed=3) == expected
    for ours, theirs in zip(killed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_dropout_hangs_on_the_seed(tmp_path):
    one, two = new_model(), new_model()
    fit_epochs(one, 1, tmp_path / "one", Batches, seed=3)
    fit_epochs(two, 1, tmp_path / "two", Batches, seed=4)
    assert not np.array_equal(one.get_weights()[0], two.get_weights()[0])


def test_another_networks_checkpoint_is_refused(tmp_path):
    fit_epochs(new_model(), 1, tmp_path, Batches)
    with pytest.raises(ScreeningError, match="another network"):
        fit_epochs(new_model(units=5), 2, tmp_path, Batches)


def test_a_loss_that_is_no_number_keeps_the_last_good_epoch(tmp_path):
    def batches(epoch: int) -> Batches:
        return Broken(epoch) if epoch else Batches(epoch)

    with pytest.raises(ScreeningError, match="epoch 2: the loss is no number"):
        fit_epochs(new_model(), 3, tmp_path, batches)
    assert (tmp_path / STATE).exists()
    assert len(fit_epochs(new_model(), 3, tmp_path, Batches)) == 3


def test_what_is_measured_and_how_far_it_is_are_told(tmp_path: Path):
    told = []
    rows = fit_epochs(
        new_model(), 2, tmp_path, Batches, lambda epoch: {"seen": epoch + 0.5},
        tick=lambda done, total, what: told.append((done, total)),
    )  # fmt: skip
    assert [row["seen"] for row in rows] == [0.5, 1.5]
    assert told[0] == (0, 2) and told[-1] == (2, 2) and (0.333, 2) in told

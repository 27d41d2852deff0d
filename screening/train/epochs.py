"""Keras' own `fit`, epoch by epoch: a kill at any moment costs one epoch and changes nothing.

Checkpoints are those of `train.checkpoint`. What an epoch sees hangs on its number alone (the
batches by their maker, dropout by `reseed`), all else is in the checkpoint: a resumed training ends
with the weights of an unbroken one. For trainings on one device; `train.staged` runs on many.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from screening.errors import ScreeningError
from screening.train.checkpoint import load_state, packed, save_state, unpacked
from screening.train.durations import Tick, silent
from screening.train.loop import set_weights, weights_of

STATE = "state.npz"


def fit_epochs(
    model: keras.Model,
    epochs: int,
    folder: Path,
    batches: Callable[[int], Any],
    measure: Callable[[int], dict[str, float]] = lambda epoch: {},
    stop_after: int | None = None,
    seed: int = 0,
    tick: Tick = silent,
) -> list[dict[str, float]]:
    """Train the compiled `model` in place; return a row for each epoch.

    `batches(epoch)`: what `fit` takes, in the order given; `measure(epoch)` adds to the row of a
    finished epoch. Goes on after the last epoch in `folder`/state.npz. `stop_after`: end after so
    many epochs of the longer schedule. ScreeningError when the loss is no number, or the folder
    holds another network's training.
    """
    model.optimizer.build(model.trainable_variables)
    history: list[dict[str, float]] = []
    saved = load_state(folder / STATE)
    if saved is not None:
        arrays, meta = saved
        try:
            set_weights(model, unpacked("w", arrays))
            for variable, value in zip(
                model.optimizer.variables, unpacked("o", arrays), strict=True
            ):
                variable.assign(value)
        except ValueError as error:
            raise ScreeningError(
                f"{folder} holds the training of another network: choose another folder"
            ) from error
        history = meta["history"]
    tick(len(history), epochs, "epochs")
    for epoch in range(len(history), min(epochs, stop_after or epochs)):
        reseed(model, seed, epoch)
        data = batches(epoch)
        told = model.fit(
            data,
            epochs=epoch + 1,
            initial_epoch=epoch,
            shuffle=False,
            verbose=0,
            callbacks=[_Telling(epoch, epochs, tick)],
        )
        row = {"epoch": epoch + 1, **{k: round(float(v[-1]), 6) for k, v in told.history.items()}}
        if not np.isfinite(row["loss"]):
            raise ScreeningError(
                f"epoch {epoch + 1}: the loss is no number any more, the learning rate is too high"
            )
        history.append(row | measure(epoch))
        arrays = packed("w", weights_of(model))
        arrays |= packed("o", [np.array(variable) for variable in model.optimizer.variables])
        save_state(folder / STATE, arrays, {"history": history})
        tick(epoch + 1, epochs, "epochs")
    return history


def write_history(folder: Path, history: list[dict[str, float]]) -> None:
    """Write the rows of all epochs to `folder`/history.json."""
    (folder / "history.json").write_text(json.dumps(history, indent=1) + "\n", "utf-8")


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Set every random layer's state by (seed, layer, epoch)."""
    layers = model._flatten_layers(include_self=False)
    random = [one for one in layers if isinstance(getattr(one, "seed_generator", None), _Generator)]
    for number, layer in enumerate(random):
        state = layer.seed_generator.state
        value = [(seed + 7919 * number) % 2**31, (epoch + 1) * 2**20 % 2**31]
        state.assign(tf.cast(value, state.dtype))


_Generator = keras.random.SeedGenerator


class _Telling(keras.callbacks.Callback):
    """Tells how far an epoch is."""

    def __init__(self, epoch: int, epochs: int, tick: Tick) -> None:
        super().__init__()
        self.epoch, self.epochs, self.tick = epoch, epochs, tick

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Count the batch as a part of its epoch."""
        steps = self.params.get("steps")
        if steps:
            self.tick(round(self.epoch + (batch + 1) / steps, 3), self.epochs, "epochs")

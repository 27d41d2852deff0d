"""ANet-c6's *early break* and *check and adjust* (CCEAI 2020), as callbacks of any training.

Check and adjust: every 200 steps the best accuracy of a mini-batch so far chooses one of four
levels, each with a learning rate and a least gain; a checkpoint is kept when the batch at hand
beats the best by that gain, after the first batch, every ten epochs, and at the end; of all, the
one best on the validation part is taken. Early break: after an epoch whose validation accuracy
passes what was expected, when the last five batches passed what was expected of training.
The paper prints neither levels, rates, gains nor expectations: those here are assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

ACCURACY = "batch_accuracy"
_CONSECUTIVE = 5
_EPOCHS_BETWEEN = 10


@dataclass(frozen=True)
class Level:
    """What holds while the best accuracy is above `above`: `rate` × the learning rate, and the
    least `gain` for a checkpoint."""

    above: float
    rate: float
    gain: float


class BatchAccuracy(keras.metrics.Metric):
    """The accuracy of the batch at hand, where Keras' own is the mean over the epoch so far."""

    def __init__(self) -> None:
        super().__init__(name=ACCURACY)
        self.last = self.add_variable(shape=(), initializer="zeros", name="last")

    def update_state(
        self, labels: keras.KerasTensor, scores: keras.KerasTensor, sample_weight: Any = None
    ) -> None:
        """Take the batch's one-hot labels and scores (b, classes)."""
        right = ops.equal(ops.argmax(labels, axis=-1), ops.argmax(scores, axis=-1))
        self.last.assign(ops.mean(ops.cast(right, self.last.dtype)))

    def result(self) -> keras.KerasTensor:
        """Return the last batch's accuracy."""
        return ops.convert_to_tensor(self.last)


class CheckAndAdjust(keras.callbacks.Callback):
    """Sets the learning rate by the level and leaves the best checkpoint's weights in the model;
    `validated`: returns the accuracy on the validation part."""

    def __init__(
        self, validated: Callable[[], float], levels: Sequence[Level], rate: float, every: int
    ) -> None:
        super().__init__()
        self.validated, self.rate, self.every = validated, rate, every
        self.levels = sorted(levels, key=lambda level: level.above)
        self.steps, self.best = 0, 0.0
        self.kept: tuple[float, list] | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Set the rate by the level and keep a checkpoint, when it is time."""
        self.steps += 1
        if self.steps > 1 and self.steps % self.every:
            return
        level = self._level()
        self.model.optimizer.learning_rate = level.rate * self.rate
        accuracy = float(logs[ACCURACY])
        if self.steps == 1 or accuracy - self.best > level.gain:
            self.best = max(self.best, accuracy)
            self._keep()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Store a checkpoint every ten epochs."""
        if (epoch + 1) % _EPOCHS_BETWEEN == 0:
            self._keep()

    def on_train_end(self, logs: Any = None) -> None:
        """Let the model have the weights of the checkpoint that is best on validation."""
        self._keep()
        assert self.kept is not None
        self.model.set_weights(self.kept[1])

    def _level(self) -> Level:
        passed = [level for level in self.levels if self.best > level.above]
        return passed[-1] if passed else self.levels[0]

    def _keep(self) -> None:
        accuracy = self.validated()
        if self.kept is None or accuracy > self.kept[0]:
            self.kept = accuracy, self.model.get_weights()


class EarlyBreak(keras.callbacks.Callback):
    """Ends a training that reached what was expected of it: an accuracy on the validation part
    after an epoch, and one of five batches on end. Comes behind what logs `val_accuracy`."""

    def __init__(self, validation: float, training: float) -> None:
        super().__init__()
        self.validation, self.training = validation, training
        self.passed = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note how many batches on end passed."""
        accuracy = next(value for key, value in logs.items() if key.endswith(ACCURACY))
        self.passed = self.passed + 1 if accuracy > self.training else 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Let the training end when both passed."""
        if self.passed >= _CONSECUTIVE and logs["val_accuracy"] > self.validation:
            self.model.stop_training = True

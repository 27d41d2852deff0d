"""One network trained on one or many devices, by a loop of its own around `strategy.run`.

Keras' `fit` fails under MultiWorkerMirroredStrategy (keras 3.15, keras-team/keras#20585); this loop
is TensorFlow's documented custom training. The loss is the sum over the real rows of the global
batch divided by their number, whatever the number of devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from screening.models.dropout import SharedDropout
from screening.train.batches import Batch
from screening.train.cache import Source
from screening.train.strategy import Devices


@dataclass(frozen=True, eq=False)
class EpochResult:
    """Mean `loss` over the epoch's real rows; `p` and `labels` (n,) of those seen by this host."""

    loss: float
    p: np.ndarray
    labels: np.ndarray


class Trainer:
    """Trains `model` (input -> p(abnormal) (b, 1)) in place; make it and the model in one scope.

    `loss` is unreduced: (b, 1), (b, 1) -> (b,). With several replicas BatchNormalization takes its
    statistics over the global batch. Dropout masks depend on (seed, epoch) and,
    unless drawn by `models.dropout.SharedDropout`, on the replica.
    """

    def __init__(
        self,
        model: keras.Model,
        devices: Devices,
        loss: keras.losses.Loss,
        learning_rate: float,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.model, self.devices, self.loss, self.seed = model, devices, loss, seed
        self._input_type = model.inputs[0].dtype
        layers = list(model._flatten_layers(include_self=False))
        if devices.replicas > 1:
            for layer in layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.synchronized = True
        self._random = [
            layer
            for layer in layers
            if isinstance(getattr(layer, "seed_generator", None), keras.random.SeedGenerator)
        ]
        with devices.strategy.scope():
            if weight_decay:
                optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
            else:
                optimizer = keras.optimizers.Adam(learning_rate)
            if any(layer.compute_dtype == "float16" for layer in layers):
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(model.trainable_variables)
        self.optimizer = optimizer
        self._step = tf.function(self._distributed_step)
        self._guess = tf.function(self._distributed_guess)
        self._reseed = tf.function(self._distributed_reseed)

    def train_epoch(
        self,
        source: Source,
        labels: np.ndarray,
        weights: np.ndarray,
        batches: Sequence[Batch],
        epoch: int,
    ) -> EpochResult:
        """Run one epoch; `labels` and `weights` (n,) are those of all pictures of `source`."""
        self._reseed(tf.constant(epoch, tf.int64))
        total, p_seen, y_seen = 0.0, [], []
        for batch, x in _ahead(source, batches):
            y = labels[batch.rows].astype(np.float32)
            w = weights[batch.rows] * batch.real
            count = np.float32(batch.real.sum())
            loss, p = self._step(
                *self._spread(x, y[:, None], w.astype(np.float32)), tf.constant(count)
            )
            total += float(loss) * float(count)
            p = np.concatenate([part.numpy()[:, 0] for part in p])
            here = self._local_rows(len(batch.rows))
            real = batch.real[here] > 0
            p_seen.append(p[real])
            y_seen.append(y[here][real])
        rows = sum(float(batch.real.sum()) for batch in batches)
        return EpochResult(total / rows, np.concatenate(p_seen), np.concatenate(y_seen))

    def predict(self, source: Source, batches: Sequence[Batch]) -> np.ndarray:
        """Return p(abnormal) float32 (n,) of the real rows, dropout off; every host does all."""
        found = []
        for batch, x in _ahead(source, batches):
            per = -(-len(x) // self.devices.local)
            x = np.resize(x, (per * self.devices.local, *x.shape[1:]))
            pieces = iter(np.split(x, self.devices.local))
            parts = self._guess(self._values(lambda _: tf.constant(next(pieces))))  # noqa: B023
            p = np.concatenate([part.numpy()[:, 0] for part in parts])[: len(batch.real)]
            found.append(p[batch.real > 0])
        return np.concatenate(found)

    def state(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return copies of (weights of the model, variables of the optimizer)."""
        optimizer = [np.array(variable) for variable in self.optimizer.variables]
        return weights_of(self.model), optimizer

    def restore(self, weights: Sequence[np.ndarray], optimizer: Sequence[np.ndarray]) -> None:
        """Take over what `state` returned."""
        set_weights(self.model, weights)
        for variable, value in zip(self.optimizer.variables, optimizer, strict=True):
            variable.assign(value)

    def _distributed_step(
        self, x: tf.Tensor, y: tf.Tensor, w: tf.Tensor, count: tf.Tensor
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        def replica(
            x: tf.Tensor, y: tf.Tensor, w: tf.Tensor, count: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                p = self.model(tf.cast(x, self._input_type), training=True)
                loss = tf.reduce_sum(self.loss(y, p) * w) / count
                scaled = self.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, self.model.trainable_variables)
            self.optimizer.apply_gradients(
                zip(gradients, self.model.trainable_variables, strict=True)
            )
            return loss, p

        strategy = self.devices.strategy
        loss, p = strategy.run(replica, args=(x, y, w, count))
        total = strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)
        return total, strategy.experimental_local_results(p)

    def _distributed_guess(self, x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        def replica(x: tf.Tensor) -> tf.Tensor:
            return self.model(tf.cast(x, self._input_type), training=False)

        p = self.devices.strategy.run(replica, args=(x,))
        return self.devices.strategy.experimental_local_results(p)

    def _distributed_reseed(self, epoch: tf.Tensor) -> None:
        """Dropout's state from (seed, replica, layer, epoch): nothing of it needs to be stored."""

        def replica(epoch: tf.Tensor) -> None:
            context = tf.distribute.get_replica_context()
            own = tf.cast(context.replica_id_in_sync_group, tf.int64)
            for number, layer in enumerate(self._random):
                first = self.seed + 7919 * number
                if not isinstance(layer, SharedDropout):
                    first += 1_000_003 * own
                value = tf.stack([first % 2**31, (epoch + 1) * 2**20 % 2**31])
                generator = layer.seed_generator
                generator.state.assign(tf.cast(value, generator.state.dtype))

        self.devices.strategy.run(replica, args=(epoch,))

    def _spread(self, *arrays: np.ndarray) -> Iterator[tf.Tensor]:
        """Yield each array shared out: replica r of all hosts gets the r-th equal piece."""
        per = len(arrays[0]) // self.devices.replicas
        for array in arrays:

            def piece(context: _Replica, array: np.ndarray = array) -> tf.Tensor:
                first = context.replica_id_in_sync_group * per
                return tf.constant(array[first : first + per])

            yield self._values(piece)

    def _values(self, piece: Callable[[_Replica], tf.Tensor]) -> tf.Tensor:
        if self.devices.replicas == 1:
            return piece(tf.distribute.get_replica_context() or _OnlyReplica())
        return self.devices.strategy.experimental_distribute_values_from_function(piece)

    def _local_rows(self, size: int) -> np.ndarray:
        """Return which rows of a global batch this host's replicas hold."""
        per = size // self.devices.replicas
        if self.devices.workers == 1:
            return np.arange(size)
        own: list[int] = []

        def seen(context: _Replica) -> tf.Tensor:
            own.append(context.replica_id_in_sync_group)
            return tf.constant(0)

        self._values(seen)
        return np.concatenate([np.arange(r * per, (r + 1) * per) for r in own])


class _Replica(Protocol):
    @property
    def replica_id_in_sync_group(self) -> int: ...


class _OnlyReplica:
    replica_id_in_sync_group = 0


def weights_of(model: keras.Model) -> list[np.ndarray]:
    """Return copies of the model's weights in their order."""
    return [np.array(weight) for weight in model.weights]


def set_weights(model: keras.Model, values: Sequence[np.ndarray]) -> None:
    """Give the model these weights; works on one device and under a strategy."""
    for weight, value in zip(model.weights, values, strict=True):
        weight.assign(value)


def _ahead(source: Source, batches: Iterable[Batch]) -> Iterator[tuple[Batch, np.ndarray]]:
    """Yield (batch, its input) while the next input is already being made."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for batch in batches:
            coming = (batch, pool.submit(source.take, batch.rows, batch.variants))
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = coming
        if waiting is not None:
            yield waiting[0], waiting[1].result()

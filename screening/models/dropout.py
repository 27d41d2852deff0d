"""Dropout that several devices draw together, so that their number changes nothing."""

from __future__ import annotations

import keras
import tensorflow as tf


class SharedDropout(keras.layers.Dropout):
    """Keras' Dropout with the mask of the whole global batch, of which each replica takes its rows.

    Every replica must hold as many rows as the others and the same seed state. The mask on n
    devices is then the one that Dropout draws on one device for the same seed. Drawing n times as
    much costs little behind the last convolutions. Only for training: a screener that is kept is
    built with plain Dropout.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return `inputs` (b, …), in training with this replica's rows of the common mask."""
        if not training or self.rate == 0:
            return inputs
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync if context is not None else 1
        if replicas == 1:
            return super().call(inputs, training=True)
        rows = tf.shape(inputs)[0]
        shape = tf.concat([[rows * replicas], tf.shape(inputs)[1:]], 0)
        every = keras.random.dropout(
            tf.ones(shape, inputs.dtype), self.rate, seed=self.seed_generator
        )
        first = context.replica_id_in_sync_group * rows
        mask = every[first : first + rows]
        return inputs * tf.ensure_shape(mask, inputs.shape)

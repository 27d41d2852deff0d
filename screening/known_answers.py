"""What a network says of known inputs: whoever runs it otherwise can tell whether it is the same.

Keras gives the answers when a bundle is written, and they are stored with the network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

Answers: TypeAlias = dict[str, tuple[float, ...]]
"""Numbers by the name of a layer: what reaches a dropout, and the outputs."""

TOLERANCE = 1e-3
"""Of the largest number of a layer; engines that are sound differ by a hundredth of that."""

ROUNDED_TOLERANCE = 0.02
"""The same for a network in eight bits, whose answers are compared with its own of when the bundle
was made: what differs in its first layer, in floating point, may fall on either side of a step."""

_NUMBERS = 16
_LARGE = 96
"""Side of a picture, in pixels, that is large enough for every base."""


def tried_shape(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """Return the shape at which an input of `shape`, without the batch, is tried: convolutions do
    with a small picture what they do with a large one."""
    if len(shape) == 3 and min(side or 0 for side in shape[:2]) > _LARGE:
        return (_LARGE, _LARGE, *shape[2:])
    return tuple(shape)


def known_input(shape: Sequence[int | None], kind: str) -> np.ndarray:
    """Return one input (1, …) of a network: `shape` without the batch, `kind` its type."""
    rng = np.random.default_rng(46)
    sides = [1, *(int(side or 1) for side in shape)]
    if kind.startswith("int"):
        return np.full(sides, 20, kind)
    grey = len(sides) > 3  # pictures, ink or paper of 0 to 255; else numbers beside them
    return rng.uniform(0, 255 if grey else 1, sides).astype(np.float32)


def sampled(values: np.ndarray) -> tuple[float, ...]:
    """Return a few numbers of an answer, from all over it, to six digits: more differ from one
    processor to the next."""
    flat = np.asarray(values, np.float64).ravel()
    places = np.linspace(0, flat.size - 1, min(flat.size, _NUMBERS)).astype(np.int64)
    return tuple(float(f"{value:.6g}") for value in flat[places])


def answers_of(config: str, weights: Path) -> Answers:
    """Return what a stored network says of the known inputs, every dropout off: Keras'
    configuration (JSON) and its weight file. Nothing of a network that is not functional."""
    import keras

    stored = json.loads(config)
    if stored["class_name"] != "Functional":
        return {}
    for layer in stored["config"]["layers"]:
        if layer["class_name"] == "InputLayer":
            batch, *shape = layer["config"]["batch_shape"]
            layer["config"]["batch_shape"] = [batch, *tried_shape(shape)]
    model = keras.models.model_from_json(json.dumps(stored))
    model.load_weights(weights)
    tensors = {
        layer.name: layer.input for layer in model.layers if isinstance(layer, keras.layers.Dropout)
    }
    tensors |= {tensor._keras_history.operation.name: tensor for tensor in model.outputs}
    inputs = [known_input(each.shape[1:], each.dtype) for each in model.inputs]
    said = keras.Model(model.inputs, list(tensors.values()))(inputs, training=False)
    return {name: sampled(each) for name, each in zip(tensors, said, strict=True)}


def worst(answers: Answers, said: Mapping[str, np.ndarray]) -> float:
    """Return by how much what is said differs at most, as a share of the largest number of the
    layer; infinite when it answers nothing that is known."""
    off = [np.inf] if not answers.keys() & said.keys() else [0.0]
    for name in answers.keys() & said.keys():
        expected, found = np.array(answers[name]), np.array(sampled(said[name]))
        if expected.shape != found.shape or not np.isfinite(found).all():
            return np.inf
        off.append(float(np.abs(expected - found).max() / max(np.abs(expected).max(), 1e-6)))
    return max(off)

"""The part of a network behind its first dropout, repeated in NumPy.

The masks are those of `coins`, so that every pass is the one that TensorFlow makes of the same
seed and key (`predict.mc_dropout`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.special import expit

from screening.predict.coins import Layout, mask, masked_mean, stream_keys
from screening.predict.stored import Layer, Network, NotTranslated, before, expect

_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0, out=x),
    "sigmoid": expit,
}


class Head:
    """The layers of `network` from `inputs` (names of layers whose output is given) to `output`.

    `predict` runs `passes` dropout passes seeded by `seed`; `quick` and `values` run none.
    NotTranslated for a layer that has no place in a head.
    """

    def __init__(
        self, network: Network, inputs: tuple[str, ...], output: str, passes: int, seed: int
    ) -> None:
        self.inputs, self.output, self.passes, self.seed = inputs, output, passes, seed
        self.layers = [one for one in before(network, [output], inputs) if one.name not in inputs]
        self._means = self._means_of_masks()
        for layer in self.layers:
            wide = layer.drops and len(layer.tensors[0].shape) != 1
            if layer.kind not in _KINDS or (wide and layer.name not in self._means):
                raise NotTranslated(f"layer {layer.name} ({layer.kind}) behind a dropout")
            last = (-1, max(len(tensor.shape) for tensor in layer.tensors))
            known = {
                "activation": tuple(_ACTIVATIONS), "axis": last, "noise_shape": None,
                "keepdims": False, "data_format": "channels_last",
            }  # fmt: skip
            expect(layer, **{name: each for name, each in known.items() if name in layer.config})

    def predict(self, given: Sequence[np.ndarray], keys: Sequence[int | str | bytes]) -> np.ndarray:
        """Return float32 (n, passes), or (n, passes, classes) for many outputs, for the `given`
        inputs (n, …); `keys`: one of each of the n, what its masks hang on."""
        values = self._run(given, keys)
        made = values[self.output].astype(np.float32, copy=False)
        if not any(layer.drops for layer in self.layers):
            made = np.repeat(made[:, None], self.passes, 1)
        return made[..., 0] if made.shape[-1] == 1 else made

    def quick(self, given: Sequence[np.ndarray]) -> np.ndarray:
        """Return the output (n, …) without dropout."""
        return self.values(given)[self.output]

    def values(self, given: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return what each layer gives without dropout, by its name."""
        return self._run(given, None)

    def _means_of_masks(self) -> dict[str, str]:
        """The dropouts of whole maps by name, and the mean of each map, which alone reads them."""
        readers: dict[str, list[Layer]] = {}
        for layer in self.layers:
            for tensor in layer.tensors:
                readers.setdefault(tensor.name, []).append(layer)
        return {
            layer.name: readers[layer.name][0].name
            for layer in self.layers
            if layer.drops
            and layer.tensors[0].name in self.inputs
            and layer.name != self.output
            and [one.kind for one in readers[layer.name]] == ["GlobalAveragePooling2D"]
        }

    def _run(
        self, given: Sequence[np.ndarray], keys: Sequence[int | str | bytes] | None
    ) -> dict[str, np.ndarray]:
        values = dict(zip(self.inputs, given, strict=True))
        repeated: set[str] = set()
        for layer in self.layers:
            if layer.name in values:  # the mean of a masked map
                continue
            read = [tensor.name for tensor in layer.tensors]
            if layer.drops and keys is not None:
                mean = self._means.get(layer.name)
                made = self._dropped(layer, values[read[0]], read[0] in repeated, keys)
                values[mean or layer.name] = made
                repeated.add(mean or layer.name)
                continue
            if not repeated.isdisjoint(read):
                repeated.add(layer.name)
            # What is read together with passes is the same in each of them.
            values[layer.name] = _KINDS[layer.kind](layer, [
                np.repeat(values[name][:, None], self.passes, 1)
                if layer.name in repeated and name not in repeated else values[name]
                for name in read
            ])  # fmt: skip
        return values

    def _dropped(
        self, layer: Layer, x: np.ndarray, repeated: bool, keys: Sequence[int | str | bytes]
    ) -> np.ndarray:
        """What a dropout lets through in every pass, or the mean of it: (n, passes, channels)."""
        rate = layer.config["rate"]
        shape = tuple(side for side in layer.tensors[0].shape if side is not None)
        layout, scale = Layout(shape, 1 - rate), np.float32(1 / (1 - rate))
        streams = stream_keys(self.seed, keys, [f"{layer.name}:1"])[:, 0]
        if layer.name in self._means:
            means = [
                masked_mean(layout, one, int(key), self.passes)
                for one, key in zip(x, streams, strict=True)
            ]
            return np.stack(means) * scale
        x = x * scale
        made = np.empty((len(x), self.passes, *shape), np.float32)
        # The chromosomes of one cell share their masks.
        for key in np.unique(streams):
            kept = mask(layout, int(key), self.passes).astype(np.float32)
            for row in np.flatnonzero(streams == key):
                np.multiply(x[row], kept, out=made[row])
        return made


def _dense(layer: Layer, read: Sequence[np.ndarray]) -> np.ndarray:
    (x,) = read
    made = x.reshape(-1, x.shape[-1]) @ layer.weights[0]
    if layer.config["use_bias"]:
        made += layer.weights[1]
    made = _ACTIVATIONS[layer.config["activation"]](made)
    return made.reshape(*x.shape[:-1], -1)


def _norm(layer: Layer, read: Sequence[np.ndarray]) -> np.ndarray:
    gamma, beta, mean, variance = layer.norm
    factor = gamma / np.sqrt(variance + np.float32(layer.config["epsilon"]))
    return read[0] * factor + (beta - mean * factor)


_KINDS: Mapping[str, Callable[[Layer, Sequence[np.ndarray]], np.ndarray]] = {
    "Dense": _dense,
    "BatchNormalization": _norm,
    "Concatenate": lambda layer, read: np.concatenate(read, -1),
    "Dropout": lambda layer, read: read[0],
    "GlobalAveragePooling2D": lambda layer, read: read[0].mean((-3, -2)),
}

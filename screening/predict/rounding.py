"""Networks in eight bits: a third to a half of the time on a processor.

What a layer gives is held in 255 steps between the least and the most that it gave on pictures of a
build, the weights of a convolution in 127 (Jacob et al. 2018, "Quantization and training of neural
networks for efficient integer-arithmetic-only inference"). The first convolution and what follows
the last are computed as ever. Integers add up alike everywhere: a processor gives the numbers of
another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from screening.predict.folding import CONVOLUTIONS, RECTIFIERS, is_plain, readers_of
from screening.predict.stored import Layer, Network, before

Range = tuple[float, float]
"""The least, at most 0, and the most that a layer gives."""
Run = Callable[[Sequence[str]], Callable[[Sequence[np.ndarray]], list[np.ndarray]]]

_NORM = "BatchNormalization"
_PASS_ON = ("MaxPooling2D", "ops.Reshape", "Dropout", "SpatialDropout1D")
"""Layers that give some of what they read: in the steps of that."""
_JOIN = ("Concatenate", "AveragePooling2D")
"""Layers that give what they read beside or amid one another: in steps of their own."""
_FEWEST = 16
"""Channels on either side of a convolution from which on it is much quicker in integers."""


def rounded_layers(network: Network, ends: Sequence[str], in_cell: bool = False) -> tuple[str, ...]:
    """Return the layers before `ends` whose output can be held in eight bits; none of a network
    with fewer than two convolutions of that kind.

    What such a convolution reads: rectified ones, poolings and reshapings of these, joins of them
    unless `in_cell`, and rectifiers behind a sum or, `in_cell`, a normalisation that adapts to the
    batch. What it gives: rectified, or read by a sum or such a normalisation alone. What only
    others read stays as it is, and all behind a dense layer: no picture of a build shows how large
    a finding may be.
    """
    readers = readers_of(network)
    between = {"Add", _NORM} if in_cell else {"Add"}
    passing = _PASS_ON if in_cell else (*_PASS_ON, *_JOIN)

    def wanted(layer: Layer) -> bool:
        return any(
            _quicker(one) or (one.kind in passing and wanted(one)) for one in readers[layer.name]
        )

    found: list[str] = []
    convolutions = 0
    for layer in before(network, list(ends), ()):
        reads = layer.tensors[0].name if layer.tensors else ""
        if layer.kind in CONVOLUTIONS:
            then = {one.kind for one in readers[layer.name]}
            whole = _quicker(layer) and reads in found
            between_only = bool(then) and then <= between
            held = whole and between_only or _rectified(layer) and (whole or wanted(layer))
            convolutions += held
        elif layer.kind in RECTIFIERS:
            held = is_plain(layer) and network.layers[reads].kind in between and wanted(layer)
        else:
            whole = all(tensor.name in found for tensor in layer.tensors)
            held = layer.kind in passing and whole and wanted(layer)
        if held:
            found.append(layer.name)
    return tuple(found) if convolutions > 1 else ()


def _quicker(layer: Layer) -> bool:
    return layer.kind in CONVOLUTIONS and min(layer.weights[0].shape[-2:]) >= _FEWEST


def _rectified(layer: Layer) -> bool:
    return layer.config.get("activation") == "relu"


def ranges_of(
    network: Network, layers: Sequence[str], run: Run, given: Iterable[Sequence[np.ndarray]]
) -> dict[str, Range]:
    """Return the range of each of the rounded `layers`, by its name, over the batches `given` of
    the network's inputs; what passes on has that of what it reads. `run(layers)` gives what
    computes the outputs of the layers."""
    least, most = dict.fromkeys(layers, 0.0), dict.fromkeys(layers, 1e-6)
    if layers:
        computed = run(layers)
        for batch in given:
            for name, made in zip(layers, computed(batch), strict=True):
                least[name] = min(least[name], float(made.min()))
                most[name] = max(most[name], float(made.max()))
    return _of_what_they_read(network, {name: (least[name], most[name]) for name in layers})


def _of_what_they_read(network: Network, ranges: Mapping[str, Range]) -> dict[str, Range]:
    made: dict[str, Range] = {}
    for name, own in ranges.items():
        layer = network.layers[name]
        made[name] = made[layer.tensors[0].name] if layer.kind in _PASS_ON else own
    return made

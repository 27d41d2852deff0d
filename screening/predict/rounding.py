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

from screening.predict.folding import CONVOLUTIONS, is_plain, readers_of
from screening.predict.stored import Layer, Network, before

Range = tuple[float, float]
"""The least, at most 0, and the most that a layer gives."""
Run = Callable[[Sequence[str]], Callable[[Sequence[np.ndarray]], list[np.ndarray]]]

_NORM, _AVERAGE = "BatchNormalization", "AveragePooling2D"
_PASS_ON = ("MaxPooling2D", "ops.Reshape", "Dropout", "SpatialDropout1D")
"""Layers that give some of what they read: in the steps of that."""
_READING = (*CONVOLUTIONS, "MaxPooling2D")


def rounded_layers(network: Network, ends: Sequence[str], in_cell: bool = False) -> tuple[str, ...]:
    """Return the layers before `ends` whose output can be held in eight bits; none of a network
    with fewer than two convolutions of that kind.

    Convolutions that end in a rectifier, the first of them where another reads it; others that only
    go into a sum or, `in_cell`, a normalisation that adapts to the batch; rectifiers behind those;
    poolings and reshapings of all these. Averages are no quicker in integers: of what only they
    read, they are held. Nothing behind a dense layer is: no picture of a build shows how large a
    finding may be.
    """
    readers = readers_of(network)
    between = ("Add", _NORM) if in_cell else ("Add",)
    found: list[str] = []
    convolutions = 0
    for layer in before(network, list(ends), ()):
        then = {one.kind for one in readers[layer.name]}
        reads = layer.tensors[0].name if layer.tensors else ""
        if layer.kind in CONVOLUTIONS:
            if reads in found:
                held = _rectified(layer) or (bool(then) and then <= {*between})
            else:
                held = _rectified(layer) and not then.isdisjoint(_READING)
            convolutions += held
        elif layer.kind == "ReLU":
            held = is_plain(layer) and network.layers[reads].kind in between
        elif layer.kind == _AVERAGE:
            held = _rectified(network.layers[reads]) and reads not in found
        else:
            held = layer.kind in _PASS_ON and reads in found
        if held:
            found.append(layer.name)
    return tuple(found) if convolutions > 1 else ()


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

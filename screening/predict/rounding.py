"""The convolutions of a screener in eight bits: a third of the time on a processor.

What a convolution gives is held in 255 steps from nothing to the most that it gave on pictures of a
build, its weights in 127 (Jacob et al. 2018, "Quantization and training of neural networks for
efficient integer-arithmetic-only inference"). The first convolution and what follows the last
are computed as ever. Integers add up alike everywhere: a processor gives the numbers of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from screening.predict.stored import Network

Run = Callable[[Sequence[str]], Callable[[Sequence[np.ndarray]], list[np.ndarray]]]

_POOL = "MaxPooling2D"


def rounded_layers(network: Network) -> tuple[str, ...]:
    """Return the layers whose output can be held in eight bits: convolutions that end in a
    rectifier and read each other or a pooling of their like; none of a network with fewer than
    two."""
    found: list[str] = []
    for layer in network.layers.values():
        rectified = layer.kind == "Conv2D" and layer.config.get("activation") == "relu"
        if rectified or (layer.kind == _POOL and layer.tensors[0].name in found):
            found.append(layer.name)
    convolutions = [name for name in found if network.layers[name].kind != _POOL]
    return tuple(found) if len(convolutions) > 1 else ()


def most_of(network: Network, run: Run, pictures: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the most that each of the rounded layers gives on the pictures, each float32
    (size, size, 3), by its name; a pooling's is that of what it reads. `run(layers)` gives what
    computes the outputs of the layers of the network for a batch of its input."""
    layers = rounded_layers(network)
    found = dict.fromkeys(layers, 0.0)
    if layers:
        computed = run(layers)
        for picture in pictures:
            for name, made in zip(layers, computed([picture[None]]), strict=True):
                found[name] = max(found[name], float(made.max()))
    return _of_what_they_read(network, found)


def _of_what_they_read(network: Network, most: Mapping[str, float]) -> dict[str, float]:
    made: dict[str, float] = {}
    for name, value in most.items():
        layer = network.layers[name]
        made[name] = made[layer.tensors[0].name] if layer.kind == _POOL else max(value, 1e-6)
    return made

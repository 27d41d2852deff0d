"""Batch normalisations behind convolutions made part of them: the same numbers, fewer layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from screening.predict.stored import Layer, Network

CONVOLUTIONS = ("Conv1D", "Conv2D")
RECTIFIERS = ("ReLU", "Activation")
"""Layers that may be rectifiers: see `is_plain`."""


def folded(network: Network) -> Network:
    """Return the network with each convolution that nothing but a batch normalisation reads joined
    with it, and with a rectifier that alone reads that: they go by the name of the last."""
    readers = readers_of(network)
    layers = dict(network.layers)
    for layer in network.layers.values():
        if layer.kind not in CONVOLUTIONS or layer.config["activation"] != "linear":
            continue
        last = layer
        norm = _only(readers, last, "BatchNormalization")
        if norm is None or layer.name in network.outputs.values():
            continue
        made, last = _joined(layer, norm), norm
        del layers[layer.name]
        rectifier = _only(readers, norm, *RECTIFIERS)
        if (
            rectifier is not None
            and is_plain(rectifier)
            and norm.name not in (network.outputs.values())
        ):
            del layers[norm.name]
            made = replace(made, config={**made.config, "activation": "relu"})
            last = rectifier
        layers[last.name] = replace(made, name=last.name)
    return replace(network, layers=layers)


def readers_of(network: Network) -> dict[str, list[Layer]]:
    """Return the layers that read each layer, by its name."""
    readers: dict[str, list[Layer]] = {name: [] for name in network.layers}
    for layer in network.layers.values():
        for tensor in layer.tensors:
            readers[tensor.name].append(layer)
    return readers


def is_plain(rectifier: Layer) -> bool:
    """Return whether a layer of RECTIFIERS cuts off at 0 and does nothing else."""
    config = rectifier.config
    if rectifier.kind == "Activation":
        return bool(config["activation"] == "relu")
    return config["max_value"] is None and not config["negative_slope"] and not config["threshold"]


def _only(readers: dict[str, list[Layer]], layer: Layer, *kinds: str) -> Layer | None:
    found = readers[layer.name]
    return found[0] if len(found) == 1 and found[0].kind in kinds else None


def _joined(layer: Layer, norm: Layer) -> Layer:
    gamma, beta, mean, variance = norm.norm
    factor = (gamma / np.sqrt(variance + np.float32(norm.config["epsilon"]))).astype(np.float32)
    bias = layer.weights[1] if layer.config["use_bias"] else np.zeros_like(mean)
    weights = layer.weights[0] * factor, (bias - mean) * factor + beta
    return replace(layer, config={**layer.config, "use_bias": True}, weights=weights)

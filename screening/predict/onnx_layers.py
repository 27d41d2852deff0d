"""How each kind of Keras layer that screeners and classifiers are made of is said in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from screening.predict.onnx_graph import Graph, Translation
from screening.predict.stored import Layer, NotTranslated, Tensor, expect

_SEVEN_BITS = 63
ACTIVATIONS = {"linear": "", "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}


def _activated(graph: Graph, layer: Layer, name: str) -> str:
    expect(layer, activation=tuple(ACTIVATIONS))
    kind = ACTIVATIONS[layer.config["activation"]]
    return graph.op(kind, name) if kind else name


def _pads(layer: Layer, sides: tuple[int | None, ...], size: Any, dilation: Any) -> list[int]:
    """How much ONNX pads before and behind each side, as Keras does for "same" and "valid"."""
    expect(layer, padding=("same", "valid"))
    if layer.config["padding"] == "valid":
        return [0] * (2 * len(sides))
    before, behind = [], []
    steps = layer.config["strides"]
    for side, width, step, apart in zip(sides, size, steps, dilation, strict=True):
        if side is None:
            raise NotTranslated(f"layer {layer.name} of pictures of no fixed size")
        total = max((-(-side // step) - 1) * step + (width - 1) * apart + 1 - side, 0)
        before.append(total // 2)
        behind.append(total - total // 2)
    return before + behind


def _convolution(graph: Graph, layer: Layer) -> None:
    """Conv1D, Conv2D and DepthwiseConv2D."""
    expect(layer, data_format="channels_last")
    (tensor,), config = layer.tensors, layer.config
    kernel = layer.weights[0]
    groups = 1
    if layer.kind == "DepthwiseConv2D":
        expect(layer, depth_multiplier=1)
        groups, kernel = kernel.shape[2], kernel.swapaxes(2, 3)
    else:
        expect(layer, groups=(1, None))
    rank = kernel.ndim - 2
    turned = kernel.transpose(rank + 1, rank, *range(rank))
    bias = layer.weights[1] if config["use_bias"] else np.zeros(len(turned), np.float32)
    read: list[str | np.ndarray] = [graph.first(tensor), turned, bias]
    if {tensor.name, layer.name} <= graph.ranges.keys():
        read[1:] = _rounded(graph, turned, bias, graph.step(tensor))
    size, dilation = kernel.shape[:rank], config["dilation_rate"]
    made = graph.op(
        "Conv", *read, kernel_shape=size, strides=config["strides"], dilations=dilation,
        group=groups, pads=_pads(layer, tensor.shape[:-1], size, dilation),
    )  # fmt: skip
    graph.give(layer, _activated(graph, layer, made), first=True)


def _rounded(graph: Graph, kernel: np.ndarray, bias: np.ndarray, step: np.float32) -> list[str]:
    """The weights of a convolution in seven bits, a scale for each of its channels, and its bias in
    32: sums of eight by seven bits fit into the 16 of processors without VNNI, so that all of them
    give the same numbers. `step`: of its input."""
    scale = abs(kernel).reshape(len(kernel), -1).max(1) / _SEVEN_BITS
    scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
    whole = np.rint(kernel / scale.reshape(-1, *[1] * (kernel.ndim - 1))).astype(np.int8)
    added = np.rint(bias / (scale * step)).astype(np.int32)
    return [
        graph.op("DequantizeLinear", whole, scale, np.zeros(len(scale), np.int8), axis=0),
        graph.op("DequantizeLinear", added, scale * step, axis=0),
    ]


def _pooling(graph: Graph, layer: Layer) -> None:
    expect(layer, data_format="channels_last")
    (tensor,), size = layer.tensors, layer.config["pool_size"]
    pads = _pads(layer, tensor.shape[:-1], size, (1,) * len(size))
    kind = "MaxPool" if layer.kind.startswith("Max") else "AveragePool"
    made = graph.op(
        kind, graph.first(tensor), kernel_shape=size, strides=layer.config["strides"], pads=pads
    )
    graph.give(layer, made, first=True)


def _mean_of_all(graph: Graph, layer: Layer) -> None:
    expect(layer, data_format="channels_last", keepdims=False)
    axes = np.arange(2, len(layer.tensors[0].shape) + 1)
    graph.give(layer, graph.op("ReduceMean", graph.first(layer.tensors[0]), axes, keepdims=0))


def _padding(graph: Graph, layer: Layer) -> None:
    expect(layer, data_format="channels_last")
    (top, bottom), (left, right) = layer.config["padding"]
    pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
    graph.give(layer, graph.op("Pad", graph.first(layer.tensors[0]), pads), first=True)


def _normalisation(graph: Graph, layer: Layer) -> None:
    (tensor,), config = layer.tensors, layer.config
    axis = config["axis"]
    if axis not in (-1, len(tensor.shape)):
        raise NotTranslated(f"layer {layer.name} over axis {axis}")
    gamma, beta, mean, variance = layer.norm
    first = graph.first(tensor)
    if graph.share is None:
        kept: list[str | np.ndarray] = [first, gamma, beta, mean, variance]
        made = graph.op("BatchNormalization", *kept, epsilon=config["epsilon"])
    else:
        made = _adapted(graph, first, len(tensor.shape), layer)
    graph.give(layer, made, first=True)


def _adapted(graph: Graph, first: str, rank: int, layer: Layer) -> str:
    """Normalisation of which `graph.share` is taken from the batch, as `predict.adapt` has it."""
    share = float(graph.share or 0)
    axes = np.array([0, *range(2, rank + 1)], np.int64)
    gamma, beta, mean, variance = layer.norm
    own = graph.op("ReduceMean", first, axes, keepdims=1)
    away = graph.op("Sub", first, own)
    spread = graph.op("ReduceMean", graph.op("Mul", away, away), axes, keepdims=0)
    own = graph.op("Reshape", own, np.array([-1], np.int64))
    mean_ = graph.op("Add", graph.op("Mul", own, share), (1 - share) * mean)
    spread = graph.op("Add", graph.op("Mul", spread, share), (1 - share) * variance)
    epsilon = layer.config["epsilon"]
    return graph.op("BatchNormalization", first, gamma, beta, mean_, spread, epsilon=epsilon)


def _dense(graph: Graph, layer: Layer) -> None:
    made = graph.op("MatMul", graph.last(layer.tensors[0]), layer.weights[0])
    if layer.config["use_bias"]:
        made = graph.op("Add", made, layer.weights[1])
    graph.give(layer, _activated(graph, layer, made))


def _rescaling(graph: Graph, layer: Layer) -> None:
    numbers = [np.asarray(layer.config[name], np.float32) for name in ("scale", "offset")]
    made = graph.op("Mul", graph.last(layer.tensors[0]), numbers[0])
    graph.give(layer, graph.op("Add", made, numbers[1]))


def _relu(graph: Graph, layer: Layer) -> None:
    if layer.kind == "ReLU":
        expect(layer, negative_slope=(0, None), threshold=(0, None))
        most = layer.config["max_value"]
    else:
        expect(layer, activation=("relu",))
        most = None
    (tensor,) = layer.tensors
    first = graph.is_first(tensor)
    held = graph.first(tensor) if first else graph.last(tensor)
    made = graph.op("Relu", held) if most is None else graph.op("Clip", held, 0.0, float(most))
    graph.give(layer, made, first)


def _sum(graph: Graph, layer: Layer) -> None:
    first = graph.is_first(*layer.tensors)
    made, *others = [graph.first(t) if first else graph.last(t) for t in layer.tensors]
    for other in others:
        made = graph.op("Add", made, other)
    graph.give(layer, made, first)


def _concatenation(graph: Graph, layer: Layer) -> None:
    tensors = layer.tensors
    rank = len(tensors[0].shape) + 1
    expect(layer, axis=(-1, rank - 1))
    first = graph.is_first(*tensors) and rank > 2
    read = [graph.first(t) if first else graph.last(t) for t in tensors]
    graph.give(layer, graph.op("Concat", *read, axis=1 if first else -1), first)


def _unchanged(graph: Graph, layer: Layer) -> None:
    """Dropouts, which are off here."""
    (tensor,) = layer.tensors
    first = graph.is_first(tensor)
    graph.give(layer, graph.first(tensor) if first else graph.last(tensor), first)


def _embedding(graph: Graph, layer: Layer) -> None:
    graph.give(layer, rows_of(graph, layer.weights[0], layer.tensors[0]))


def rows_of(graph: Graph, table: np.ndarray, rows: Tensor) -> str:
    """Return the name of the rows of `table` that the tensor `rows` of integers names."""
    return graph.op("Gather", table, graph.last(rows), axis=0)


LAYERS: dict[str, Translation] = {
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "DepthwiseConv2D": _convolution,
    "MaxPooling2D": _pooling,
    "AveragePooling2D": _pooling,
    "GlobalAveragePooling2D": _mean_of_all,
    "ZeroPadding2D": _padding,
    "BatchNormalization": _normalisation,
    "Dense": _dense,
    "Rescaling": _rescaling,
    "ReLU": _relu,
    "Activation": _relu,
    "Add": _sum,
    "Concatenate": _concatenation,
    "Dropout": _unchanged,
    "SpatialDropout1D": _unchanged,
    "SpatialDropout2D": _unchanged,
    "Embedding": _embedding,
}

"""How Keras' operations and the layers of `models.structure` are said in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from screening.predict.onnx_graph import Graph, Translation
from screening.predict.onnx_layers import LAYERS, rows_of
from screening.predict.stored import Layer, NotTranslated, Tensor, expect

_END = np.iinfo(np.int64).max
FLOATS = ("float32", None)


def _read(graph: Graph, argument: Any) -> str | np.ndarray | float:
    """A tensor's name, or a number."""
    if isinstance(argument, Tensor):
        return graph.last(argument)
    if isinstance(argument, np.ndarray):
        return argument.astype(np.float32)
    if isinstance(argument, int | float):
        return float(argument)
    raise NotTranslated(f"an argument {argument!r}")


def _plain(kind: str) -> Translation:
    """An operation that takes tensors or numbers and nothing else."""

    def translate(graph: Graph, layer: Layer) -> None:
        made = graph.op(kind, *(_read(graph, each) for each in layer.arguments))
        graph.give(layer, made)

    return translate


def _quotient(graph: Graph, layer: Layer) -> None:
    over, under = layer.arguments
    if isinstance(under, int | float):  # to multiply is quicker
        graph.give(layer, graph.op("Mul", _read(graph, over), 1 / under))
    else:
        graph.give(layer, graph.op("Div", _read(graph, over), _read(graph, under)))


def _reduction(kind: str) -> Translation:
    def translate(graph: Graph, layer: Layer) -> None:
        expect(layer, initial=None)
        axes = np.atleast_1d(np.array(layer.config["axis"], np.int64))
        keep = int(layer.config["keepdims"])
        graph.give(layer, graph.op(kind, graph.last(layer.tensors[0]), axes, keepdims=keep))

    return translate


def _whole(values: Any) -> np.ndarray:
    return np.array(values, np.int64)


def _reshape(graph: Graph, layer: Layer) -> None:
    shape = layer.config["newshape"]
    made = graph.op("Reshape", graph.last(layer.tensors[0]), _whole(shape))
    graph.give(layer, made)


def _item(graph: Graph, layer: Layer) -> None:
    tensor, keys = layer.arguments
    keys = list(keys) if isinstance(keys, list | tuple) else [keys]
    rank = len(tensor.shape) + 1
    if ... in keys:
        at = keys.index(...)
        missing = rank - sum(key is not None for key in keys) + 1
        keys[at : at + 1] = [slice(None)] * missing
    made, axis = graph.last(tensor), 0
    fresh: list[int] = []
    gone: list[int] = []
    for key in keys:
        if key is None:
            fresh.append(axis - len(gone) + len(fresh))
            continue
        if isinstance(key, int):
            made = graph.op("Gather", made, _whole(key), axis=axis - len(gone))
            gone.append(axis)
        elif key != slice(None):
            if key.step not in (None, 1):
                raise NotTranslated(f"layer {layer.name} with steps of {key.step}")
            ends = [_whole([key.start or 0]), _whole([_END if key.stop is None else key.stop])]
            made = graph.op("Slice", made, *ends, _whole([axis - len(gone)]))
        axis += 1
    graph.give(layer, graph.op("Unsqueeze", made, _whole(fresh)) if fresh else made)


def _repeat(graph: Graph, layer: Layer) -> None:
    (tensor,), count, axis = layer.tensors, layer.config["repeats"], layer.config["axis"]
    if axis is None or axis <= 0 or not isinstance(count, int):
        raise NotTranslated(f"layer {layer.name} along axis {axis}")
    times = np.ones(len(tensor.shape) + 2, np.int64)
    times[axis + 1] = count
    wide = graph.op("Unsqueeze", graph.last(tensor), _whole([axis + 1]))
    sides: list[Any] = [-1, *tensor.shape]
    sides[axis] *= count
    graph.give(layer, graph.op("Reshape", graph.op("Tile", wide, times), _whole(sides)))


def _flip(graph: Graph, layer: Layer) -> None:
    (tensor,), axis = layer.tensors, layer.config["axis"]
    back = [_whole([-1]), _whole([np.iinfo(np.int64).min]), _whole([axis]), _whole([-1])]
    graph.give(layer, graph.op("Slice", graph.last(tensor), *back))


def _one_hot(graph: Graph, layer: Layer) -> None:
    expect(layer, dtype=FLOATS, sparse=False, axis=-1)
    count = int(layer.config["num_classes"])
    graph.give(layer, rows_of(graph, np.eye(count, dtype=np.float32), layer.tensors[0]))


def _stack(graph: Graph, layer: Layer) -> None:
    axis = layer.config["axis"]
    parts = [graph.op("Unsqueeze", graph.last(t), _whole([axis])) for t in layer.tensors]
    graph.give(layer, graph.op("Concat", *parts, axis=axis))


def _joined(graph: Graph, layer: Layer) -> None:
    read = [graph.last(tensor) for tensor in layer.tensors]
    graph.give(layer, graph.op("Concat", *read, axis=layer.config["axis"]))


def _cast(graph: Graph, layer: Layer) -> None:
    expect(layer, dtype=FLOATS)
    graph.give(layer, graph.op("Cast", graph.last(layer.tensors[0]), to=1))


def _ones(graph: Graph, layer: Layer) -> None:
    expect(layer, dtype=FLOATS)
    none = graph.op("Mul", graph.last(layer.tensors[0]), 0.0)
    graph.give(layer, graph.op("Add", none, 1.0))


def _softmax(graph: Graph, layer: Layer) -> None:
    made = graph.op("Softmax", graph.last(layer.tensors[0]), axis=layer.config["axis"])
    graph.give(layer, made)


def _class_rows(graph: Graph, layer: Layer) -> None:
    graph.give(layer, rows_of(graph, layer.weights[0], layer.tensors[0]))


def _aligned(graph: Graph, layer: Layer) -> None:
    """`models.structure.Aligned`, line by line."""
    own, other, own_rows, other_rows = layer.tensors
    query, value, near, sharp = layer.weights
    heads, width, n = layer.config["heads"], layer.config["width"], own.shape[0]
    if n is None:
        raise NotTranslated(f"layer {layer.name} of no fixed number of rows")
    op = graph.op
    apart = _whole([0, n, heads, width])
    together, last = _whole([0, n, heads * width]), _whole([-1])

    def split(tensor: Tensor, matrix: np.ndarray) -> str:
        y = op("Reshape", op("MatMul", graph.last(tensor), matrix), apart)
        return op("Transpose", y, perm=[0, 2, 1, 3])

    def unit(x: str) -> str:
        length = op("Sqrt", op("Add", op("ReduceSum", op("Mul", x, x), last, keepdims=1), 1e-4))
        return op("Div", x, length)

    def flat(x: str) -> str:
        return op("Reshape", op("Transpose", x, perm=[0, 2, 1, 3]), together)

    q, k = unit(split(own, query)), unit(split(other, query))
    v_own, v = split(own, value), split(other, value)
    place = np.arange(n, dtype=np.float32)
    away = np.exp(near)[None, :, None, None] * (place[:, None] - place[None]) ** 2
    logits = op("MatMul", q, op("Transpose", k, perm=[0, 1, 3, 2]))
    logits = op("Sub", op("Mul", logits, 8 * sharp[None, :, None, None]), away)
    none = op("Unsqueeze", op("Sub", 1.0, graph.last(other_rows)), _whole([1, 2]))
    weight = op("Softmax", op("Sub", logits, op("Mul", none, 30.0)), axis=-1)
    found = op("MatMul", weight, v)
    alike = op("ReduceSum", op("Mul", op("MatMul", weight, k), q), last, keepdims=0)
    # A product with a matrix of one column takes a tenth of the time of one with a vector.
    shift = op("Squeeze", op("MatMul", weight, place[:, None]), last)
    shift = op("Mul", op("Sub", shift, place), 0.125)
    sharpness = op("ReduceMax", weight, last, keepdims=0)
    numbers = [op("Transpose", x, perm=[0, 2, 1]) for x in (shift, sharpness, alike)]
    differs = op("Sub", v_own, found)
    made = [flat(op("Abs", differs)), flat(differs), flat(v_own), *numbers]
    kept = op("Unsqueeze", graph.last(own_rows), last)
    graph.give(layer, op("Mul", op("Concat", *made, axis=-1), kept))


def _dot_plot(graph: Graph, layer: Layer) -> None:
    """`models.structure.DotPlot`, line by line."""
    one, other, one_rows, other_rows = layer.tensors
    heads, width, n = layer.config["heads"], layer.config["width"], one.shape[0]
    if n is None:
        raise NotTranslated(f"layer {layer.name} of no fixed number of rows")
    op, last = graph.op, _whole([-1])

    def split(tensor: Tensor, matrix: np.ndarray, perm: list[int]) -> str:
        y = op("Reshape", op("MatMul", graph.last(tensor), matrix), _whole([0, n, heads, width]))
        length = op("Sqrt", op("Add", op("ReduceSum", op("Mul", y, y), last, keepdims=1), 1e-3))
        return op("Transpose", op("Div", y, length), perm=perm)

    a, b = split(one, layer.weights[0], [0, 2, 1, 3]), split(other, layer.weights[1], [0, 2, 3, 1])
    alike = op("Transpose", op("MatMul", a, b), perm=[0, 2, 3, 1])
    rows = op("Unsqueeze", graph.last(one_rows), _whole([2, 3]))
    both = op("Mul", rows, op("Unsqueeze", graph.last(other_rows), _whole([1, 3])))
    row = np.arange(n, dtype=np.float32)
    apart = (row[:, None] - row[None])[..., None] / np.float32(16)
    made = [op("Mul", each, both) for each in (alike, apart, np.exp(-4 * apart**2))]
    graph.give(layer, op("Concat", made[0], both, *made[1:], axis=-1))


_PLAIN = {
    "Absolute": "Abs", "Add": "Add", "Greater": "Greater", "Multiply": "Mul", "Subtract": "Sub",
}  # fmt: skip
_REDUCTIONS = {"Max": "ReduceMax", "Mean": "ReduceMean", "Sum": "ReduceSum"}
_OTHERS: dict[str, Callable[[Graph, Layer], None]] = {
    "Cast": _cast, "Concatenate": _joined, "Flip": _flip, "GetItem": _item, "OneHot": _one_hot,
    "OnesLike": _ones, "Repeat": _repeat, "Reshape": _reshape, "Softmax": _softmax,
    "Stack": _stack, "TrueDivide": _quotient,
}  # fmt: skip

TABLE: dict[str, Translation] = {
    **LAYERS,
    **{f"ops.{name}": _plain(kind) for name, kind in _PLAIN.items()},
    **{f"ops.{name}": _reduction(kind) for name, kind in _REDUCTIONS.items()},
    **{f"ops.{name}": translate for name, translate in _OTHERS.items()},
    "ops.ExpandDims": lambda graph, layer: graph.give(
        layer,
        graph.op("Unsqueeze", graph.last(layer.tensors[0]), _whole([layer.config["axis"]])),
    ),
    "screening>Aligned": _aligned,
    "screening>ClassRows": _class_rows,
    "screening>DotPlot": _dot_plot,
}
"""Every kind of layer and operation that can be said in ONNX."""

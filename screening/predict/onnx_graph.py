"""A stored network, or a part of it, as an ONNX graph that ONNX Runtime runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from screening.known_answers import tried_shape
from screening.predict.rounding import Range
from screening.predict.stored import Layer, Network, NotTranslated, Tensor, before

OPSET, IR = 18, 10
_TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}

Translation = Callable[["Graph", Layer], None]


class Graph:
    """An ONNX graph while it is made. Keras holds the channels last, ONNX' convolutions want them
    first: each tensor is held either way, and turned only where it is asked for the other.

    `share`: of the statistics that batch normalisations take from the batch itself, None for
    ordinary ones (see `predict.adapt`). `ranges`: by layer, the least and the most that it gives,
    where that is held in eight bits (see `predict.rounding`).
    """

    def __init__(
        self, share: float | None = None, ranges: Mapping[str, Range] | None = None
    ) -> None:
        self.share, self.ranges = share, ranges or {}
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._first: dict[str, str] = {}
        self._last: dict[str, str] = {}

    def op(
        self, kind: str, *inputs: str | np.ndarray | np.generic | float, **attributes: Any
    ) -> str:
        """Return the name of what an ONNX operation gives; arrays and numbers become constants."""
        name = f"t{len(self.nodes)}"
        read = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        self.nodes.append(helper.make_node(kind, read, [name], **attributes))
        return name

    def constant(self, value: np.ndarray | np.generic | float) -> str:
        """Return the name of a constant; plain numbers are float32."""
        name = f"c{len(self.constants)}"
        typed = isinstance(value, np.ndarray | np.generic)
        array = np.asarray(value) if typed else np.array(value, np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def last(self, tensor: Tensor) -> str:
        """Return the name of a tensor with its channels last, as Keras has it."""
        if tensor.name not in self._last:
            order = [0, *range(2, len(tensor.shape) + 1), 1]
            self._last[tensor.name] = self.op("Transpose", self._first[tensor.name], perm=order)
        return self._last[tensor.name]

    def first(self, tensor: Tensor) -> str:
        """Return the name of a tensor with its channels behind the batch."""
        if tensor.name not in self._first:
            rank = len(tensor.shape) + 1
            order = [0, rank - 1, *range(1, rank - 1)]
            self._first[tensor.name] = self.op("Transpose", self._last[tensor.name], perm=order)
        return self._first[tensor.name]

    def is_first(self, *tensors: Tensor) -> bool:
        """Return whether all of them are held with the channels first."""
        return all(tensor.name in self._first for tensor in tensors)

    def give(self, layer: Layer, name: str, first: bool = False) -> None:
        """Hold what a layer gives, in eight bits where it is one of `ranges`."""
        if layer.name in self.ranges:
            step = self.step(layer)
            held = step, np.uint8(round(-self.ranges[layer.name][0] / float(step)))
            name = self.op("DequantizeLinear", self.op("QuantizeLinear", name, *held), *held)
        (self._first if first else self._last)[layer.name] = name

    def step(self, layer: Layer | Tensor) -> np.float32:
        """Return what one step of the eight bits of a layer of `ranges` is."""
        least, most = self.ranges[layer.name]
        return np.float32((most - least) / 255)


def onnx_model(
    network: Network,
    outputs: Sequence[str],
    table: Mapping[str, Translation],
    inputs: Sequence[str] | None = None,
    share: float | None = None,
    ranges: Mapping[str, Range] | None = None,
) -> bytes:
    """Return the part of a network from `inputs` (None: its own) to the layers `outputs` as ONNX.

    Inputs and outputs carry the names of their layers. Dropouts pass everything on. `table`: how
    each kind of layer is translated, NotTranslated names a layer that is not in it; `share`,
    `ranges`: see `Graph`.
    """
    graph = Graph(share, ranges)
    given = tuple(network.inputs if inputs is None else inputs)
    ends = []
    for layer in before(network, list(outputs), given):
        if layer.kind == "InputLayer":
            ends.append(_input(layer))
            graph.give(layer, layer.name)
            continue
        if layer.kind not in table:
            raise NotTranslated(f"layer {layer.name} ({layer.kind})")
        table[layer.kind](graph, layer)
    shapes = {t.name: t for layer in network.layers.values() for t in layer.tensors}
    made = []
    for name in outputs:
        # Of what nothing reads Keras stores no shape: it has as many sides as what it reads, or it
        # is held as Keras has it, whatever its shape.
        read = network.layers[name].tensors
        held = graph.last(shapes.get(name, Tensor(name, read[0].shape if read else ())))
        graph.nodes.append(helper.make_node("Identity", [held], [f"out:{name}"]))
        made.append(helper.make_tensor_value_info(f"out:{name}", TensorProto.FLOAT, None))
    whole = helper.make_graph(graph.nodes, "network", ends, made, graph.constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(whole, opset_imports=opset, ir_version=IR)
    content: bytes = model.SerializeToString()
    return content


def _input(layer: Layer) -> onnx.ValueInfoProto:
    shape = layer.config["batch_shape"][1:]
    tried = tried_shape(shape)  # where it is another one, the sides are open
    sides = [own if own == other else f"side{at}" for at, (own, other) in
             enumerate(zip(shape, tried, strict=True))]  # fmt: skip
    kind = _TYPES.get(layer.config["dtype"])
    if kind is None:
        raise NotTranslated(f"an input of type {layer.config['dtype']}")
    return helper.make_tensor_value_info(layer.name, kind, ["batch", *sides])

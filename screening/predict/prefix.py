"""A Keras functional model as a flat list of steps, cut where dropout first makes it random."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from screening.errors import ScreeningError

# Layers whose noise a Monte Carlo pass draws. GaussianNoise is left out: it blurs the input in
# training to regularise and is not a dropout, so it stays off as in any prediction.
DROPOUTS = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
)


@dataclass(frozen=True, eq=False)
class Step:
    """One call of one layer or operation: `arguments` name its tensors, slots hold their values.

    `site` names an active dropout call ("" for all else). It is made of layer names and the number
    of the call, so it is the same after saving and loading.
    """

    operation: Any
    arguments: Any
    inputs: dict[int, int]
    outputs: tuple[int, ...]
    site: str = ""

    def run(self, values: dict[int, Any]) -> None:
        """Fill the output slots in `values`; every layer runs in inference mode."""
        known = {tensor: values[slot] for tensor, slot in self.inputs.items()}
        args, kwargs = self.arguments.fill_in(known)
        if _accepts_training(self.operation):
            kwargs = {**kwargs, "training": False}
        results = keras.tree.flatten(self.operation(*args, **kwargs))
        values.update(zip(self.outputs, results, strict=True))


@dataclass
class Program:
    """All steps of a model in running order, nested models flattened, shared layers repeated."""

    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    shapes: dict[int, tuple[int | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """A model in two: `prefix` steps see no dropout, `head` steps depend on one.

    `crossing` are the slots that the head reads and the prefix (or the input) fills, `outputs`
    the model's outputs; an output that no dropout reaches is a crossing slot too.
    """

    inputs: tuple[int, ...]
    prefix: tuple[Step, ...]
    head: tuple[Step, ...]
    crossing: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: dict[int, tuple[int | None, ...]]

    @property
    def sites(self) -> tuple[str, ...]:
        """Return the names of the active dropout calls, in running order; empty without dropout."""
        return tuple(step.site for step in self.head if step.site)

    def run_prefix(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Return the crossing tensors, (b, ...) each, for the model's inputs in flat order."""
        values = dict(zip(self.inputs, inputs, strict=True))
        for step in self.prefix:
            step.run(values)
        return tuple(values[slot] for slot in self.crossing)


def cut(model: keras.Model) -> Cut:
    """Return `model` cut in front of its active dropouts (rate above 0).

    Works on functional and Sequential models with branches, skip connections, shared layers,
    several inputs and nested models. ScreeningError: a subclassed model, or a layer that hides a
    dropout inside (recurrent, attention, wrappers), because its masks cannot be repeated.
    """
    program = flatten(model)
    random: set[int] = set()
    prefix: list[Step] = []
    head: list[Step] = []
    for step in program.steps:
        if step.site or not random.isdisjoint(step.inputs.values()):
            head.append(step)
            random.update(step.outputs)
        else:
            prefix.append(step)
    read = [slot for step in head for slot in step.inputs.values()] + program.outputs
    crossing = tuple(dict.fromkeys(slot for slot in read if slot not in random))
    return Cut(
        inputs=tuple(program.inputs),
        prefix=tuple(prefix),
        head=tuple(head),
        crossing=crossing,
        outputs=tuple(program.outputs),
        shapes=program.shapes,
    )


def flatten(model: keras.Model) -> Program:
    """Return the Program of a functional or Sequential model; ScreeningError for any other."""
    graph = _graph(model)
    if graph is None:
        raise ScreeningError(
            f"model {model.name!r} is a {type(model).__name__}, expected a built functional or "
            "Sequential Keras model: rebuild it with keras.Model(inputs, outputs)"
        )
    program = Program()
    known = {id(tensor): _new_slot(program, tensor) for tensor in graph.inputs}
    program.inputs = list(known.values())
    _append(program, graph, known, path="", calls={})
    program.outputs = [known[id(tensor)] for tensor in graph.outputs]
    return program


def is_active_dropout(operation: Any) -> bool:
    """Return whether a call of `operation` draws noise in a Monte Carlo pass."""
    return isinstance(operation, DROPOUTS) and operation.rate > 0


def _graph(model: Any) -> Any:
    """The functional graph behind a model, None where there is none."""
    if isinstance(model, keras.Sequential):
        model = getattr(model, "_functional", None)
    own_call = getattr(type(model), "call", None)
    functional = getattr(model, "_nodes_by_depth", None) is not None
    return model if functional and own_call.__module__.startswith("keras.") else None


def _append(
    program: Program, graph: Any, known: dict[int, int], path: str, calls: dict[str, int]
) -> None:
    """Adds `graph`'s calls to the program; `known` maps ids of its tensors to slots."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input or any(id(t) not in known for t in node.input_tensors):
                continue
            operation = node.operation
            inner = _graph(operation) if _holds_dropout(operation) else None
            if inner is not None:
                tensors = keras.tree.flatten(node.arguments.args)
                slots = {
                    id(target): _cast(program, known[id(source)], source, target)
                    for target, source in zip(inner.inputs, tensors, strict=True)
                }
                name = _count(calls, f"{path}{operation.name}")
                _append(program, inner, slots, f"{name}/", calls)
                results = [slots[id(tensor)] for tensor in inner.outputs]
                known.update(zip(map(id, node.outputs), results, strict=True))
                continue
            if not isinstance(operation, DROPOUTS) and _holds_dropout(operation):
                raise ScreeningError(
                    f"layer {path}{operation.name} ({type(operation).__name__}) hides a dropout "
                    "whose masks cannot be repeated: set its dropout to 0 or use Dropout layers"
                )
            active = is_active_dropout(operation)
            inputs = {id(tensor): known[id(tensor)] for tensor in node.input_tensors}
            outputs = tuple(_new_slot(program, tensor) for tensor in node.outputs)
            known.update(zip(map(id, node.outputs), outputs, strict=True))
            site = _count(calls, f"{path}{operation.name}") if active else ""
            program.steps.append(Step(operation, node.arguments, inputs, outputs, site))


def _count(calls: dict[str, int], name: str) -> str:
    """`name` with the number of this call: two calls of a shared dropout have two masks."""
    calls[name] = calls.get(name, 0) + 1
    return f"{name}:{calls[name]}"


def _new_slot(program: Program, tensor: keras.KerasTensor) -> int:
    slot = len(program.shapes)
    program.shapes[slot] = tuple(tensor.shape)
    return slot


def _cast(program: Program, slot: int, source: keras.KerasTensor, target: keras.KerasTensor) -> int:
    """The slot that feeds a nested model's input, in the type which that input declares."""
    if source.dtype == target.dtype:
        return slot
    cast = keras.layers.Identity(dtype=target.dtype)
    cast(keras.KerasTensor(source.shape, dtype=target.dtype))
    node = cast._inbound_nodes[0]
    out = _new_slot(program, target)
    program.steps.append(Step(cast, node.arguments, {id(node.input_tensors[0]): slot}, (out,)))
    return out


def _holds_dropout(operation: Any) -> bool:
    """Whether an active dropout, or a layer with a `dropout` of its own, is in `operation`."""
    return any(
        is_active_dropout(layer)
        or any(_rate(layer, name) > 0 for name in ("dropout", "recurrent_dropout"))
        for layer in _with_sublayers(operation)
    )


def _rate(layer: Any, name: str) -> float:
    value = getattr(layer, name, 0)
    return value if isinstance(value, int | float) else 0


def _with_sublayers(operation: Any) -> Iterable[Any]:
    yield operation
    if isinstance(operation, keras.Layer):
        yield from operation._flatten_layers(include_self=False)


def _accepts_training(operation: Any) -> bool:
    return "training" in getattr(operation, "_call_context_args", ()) or bool(
        getattr(operation, "_call_has_training_arg", False)
    )

"""A network as a bundle stores it, read without Keras: its layers in order, with their weights.

From Keras' configuration (JSON) and weight file (HDF5) alone; nothing in them is executed. What
Keras can store and this does not know is refused by name, never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from screening.bundle import Bundle
from screening.errors import ScreeningError


class NotTranslated(ScreeningError):
    """Names what of a network only Keras can run."""


@dataclass(frozen=True)
class Tensor:
    """What the layer `name` gives: `shape` without the batch, None where it is not fixed."""

    name: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer or operation of a network: `kind` is its class' name, "Conv2D" or "ops.Reshape" of
    Keras, "screening>Aligned" of this program; `arguments` are those of its one call, with Tensors
    in place of what other layers give; `weights` float32 in Keras' order."""

    name: str
    kind: str
    config: Mapping[str, Any]
    arguments: tuple[Any, ...] = ()
    weights: tuple[np.ndarray, ...] = ()

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Return what it reads of other layers, in order."""
        return tuple(_tensors(self.arguments))

    @property
    def drops(self) -> bool:
        """Return whether it is a dropout that draws noise in a Monte Carlo pass."""
        return "Dropout" in self.kind and self.config["rate"] > 0

    @property
    def norm(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return scale, offset, mean and variance of a batch normalisation."""
        values = list(self.weights)
        mean, variance = values[-2:]
        scale = values.pop(0) if self.config["scale"] else np.ones_like(mean)
        offset = values.pop(0) if self.config["center"] else np.zeros_like(mean)
        return scale, offset, mean, variance


@dataclass(frozen=True, eq=False)
class Network:
    """A functional network: `layers` by name, in an order in which they can run; `inputs` and
    `outputs` name them in Keras' order, outputs under their names in a dictionary, else "0"…"""

    layers: Mapping[str, Layer]
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]


def expect(layer: Layer, **settings: Any) -> None:
    """Raise NotTranslated when a setting of the layer is none of the values that are known."""
    for name, known in settings.items():
        value = layer.config.get(name)
        if value not in (known if isinstance(known, tuple) else (known,)):
            raise NotTranslated(f"layer {layer.name} ({layer.kind}) with {name} {value}")


def stored_network(bundle: Bundle, part: str) -> Network:
    """Return the network of a bundle's part; NotTranslated when it is no plain functional one."""
    files = bundle.network(part)
    text = (bundle.folder / files.config).read_text("utf-8")
    import h5py

    with h5py.File(bundle.folder / files.weights) as file:
        return network_of(json.loads(text), file)


def network_of(stored: Mapping[str, Any], weights: Mapping[str, Any]) -> Network:
    """Return the network of Keras' configuration and opened weight file."""
    if stored.get("class_name") != "Functional":
        raise NotTranslated(f"a {stored.get('class_name')} network")
    counts: dict[str, int] = {}
    waiting = [_layer(each, weights, counts) for each in stored["config"]["layers"]]
    layers: dict[str, Layer] = {}
    while waiting:
        ready = [one for one in waiting if all(t.name in layers for t in one.tensors)]
        if not ready:
            raise NotTranslated("a network that does not end")
        layers |= {one.name: one for one in ready}
        waiting = [one for one in waiting if one.name not in layers]
    inputs, outputs = (stored["config"][f"{end}_layers"] for end in ("input", "output"))
    return Network(layers, tuple(_names(inputs).values()), _names(outputs))


def before(network: Network, outputs: list[str], inputs: tuple[str, ...]) -> list[Layer]:
    """Return the layers that `outputs` need, in running order, from `inputs` on."""
    needed = set(outputs)
    for layer in reversed(list(network.layers.values())):
        if layer.name in needed and layer.name not in inputs:
            needed.update(t.name for t in layer.tensors)
    return [each for each in network.layers.values() if each.name in needed]


def _layer(stored: Mapping[str, Any], weights: Mapping[str, Any], counts: dict[str, int]) -> Layer:
    name, module = stored["name"], stored["module"]
    operation = module.startswith("keras.src.ops")
    if operation:
        kind = f"ops.{stored['class_name']}"
    else:
        kind = stored["registered_name"] or stored["class_name"]
    own: tuple[np.ndarray, ...] = ()
    if not operation:  # as Keras names them in the file: by class, numbered where there are several
        group = _snake_case(stored["class_name"])
        counts[group] = counts.get(group, -1) + 1
        group = f"{group}_{counts[group]}" if counts[group] else group
        kept = weights["layers"].get(f"{group}/vars", {})
        # Read as they are: HDF5 itself takes seconds to make float32 of float16.
        own = tuple(kept[str(i)][()].astype(np.float32) for i in range(len(kept)))
    calls = stored["inbound_nodes"]
    if len(calls) > 1:
        raise NotTranslated(f"layer {name}, which is called {len(calls)} times")
    if not operation and stored["config"].get("dtype", "float32") not in ("float32", "int32"):
        policy = stored["config"]["dtype"]
        if not isinstance(policy, dict) or policy["config"]["name"] != "float32":
            raise NotTranslated(f"layer {name} of another precision than float32")
    if not calls:
        return Layer(name, kind, stored["config"])
    if any(_tensors([value]) for value in calls[0]["kwargs"].values()):
        raise NotTranslated(f"layer {name}, which takes tensors by name")
    arguments = tuple(_value(each) for each in calls[0]["args"])
    return Layer(name, kind, stored["config"], arguments, own)


def _value(stored: Any) -> Any:
    """An argument as Keras wrote it, with Tensors, arrays and slices in their places."""
    if isinstance(stored, list):
        return [_value(each) for each in stored]
    if not isinstance(stored, dict):
        return stored
    kind, config = stored["class_name"], stored["config"]
    if kind == "__keras_tensor__":
        name, _, index = config["keras_history"]
        if index:
            raise NotTranslated(f"layer {name}, which has several outputs")
        return Tensor(name, tuple(config["shape"][1:]))
    if kind == "__numpy__":
        return np.array(config["value"], config["dtype"])
    if kind == "__slice__":
        return slice(config["start"], config["stop"], config["step"])
    if kind == "__ellipsis__":
        return ...
    raise NotTranslated(f"an argument of kind {kind}")


def _tensors(arguments: Any) -> list[Tensor]:
    if isinstance(arguments, Tensor):
        return [arguments]
    if isinstance(arguments, list | tuple):
        return [tensor for each in arguments for tensor in _tensors(each)]
    if isinstance(arguments, dict) and arguments.get("class_name") == "__keras_tensor__":
        return [_value(arguments)]
    return []


def _names(ends: Any) -> dict[str, str]:
    """The layers at an end of the network, by their names or places there."""
    if isinstance(ends, dict):  # Keras keeps a dictionary's tensors in the order of sorted keys
        return {key: ends[key][0] for key in sorted(ends)}
    listed = ends if isinstance(ends[0], list) else [ends]
    return {str(place): each[0] for place, each in enumerate(listed)}


def _snake_case(name: str) -> str:
    """A class' name as Keras writes it in weight files."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()

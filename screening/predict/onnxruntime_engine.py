"""The bundle's networks run by ONNX Runtime and NumPy: no TensorFlow, a start in under a second.

What no dropout reaches becomes an ONNX graph, made of the stored networks when they are loaded; the
heads behind it run in NumPy, with the masks that TensorFlow would draw.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial

import numpy as np
import onnxruntime

from screening.bundle import Bundle
from screening.bundle_schema import PartInfo, RoundingInfo
from screening.known_answers import known_input, sampled, tried_shape, worst
from screening.models.screener_outputs import SLOTS
from screening.models.structure_outputs import DENSE, PAIR, ROW, SINGLE
from screening.predict.attention import HEAD, NORM, Attention
from screening.predict.folding import folded
from screening.predict.heads import Head
from screening.predict.networks import (
    ClassifierNetwork,
    ScreenerNetwork,
    ScreenerSaid,
    StructureNetwork,
)
from screening.predict.onnx_graph import onnx_model
from screening.predict.onnx_operations import TABLE
from screening.predict.rounding import Range, ranges_of, rounded_layers
from screening.predict.stored import Network, NotTranslated, before, stored_network

SCREENER, CLASSIFIER, STRUCTURE = "screener", "classifier", "structure"
IN_CELL = "in_cell"
"""Among the answers of a rounded classifier: what it says of the pieces of a cell."""


class OnnxRuntimeEngine:
    """Runs `bundle` on the processor, with `rounded` in eight bits what the bundle says how.
    NotTranslated names what of it ONNX does not know, or that it does not say that of any."""

    version = onnxruntime.__version__
    device = "cpu"

    def __init__(self, bundle: Bundle, rounded: bool = False) -> None:
        self.bundle = bundle
        self.name = "int8" if rounded else "onnxruntime"
        self._rounding = _roundings_in(bundle) if rounded else {}
        self._parts = {
            part: _made(bundle, part, self._rounding.get(part))
            for part in _PARTS
            if part in bundle.info.parts
        }

    def at_once(self, batch_size: int) -> int:
        """Return 1, as on any processor."""
        return 1

    def screener(self, passes: int, seed: int) -> ScreenerNetwork:
        """Return the screener in passes."""
        part, head = self._parts[SCREENER], self._head(SCREENER, passes, seed)
        layers = part.network.layers
        epsilon = layers[NORM].config["epsilon"] if NORM in layers else 0.0
        weights = {name: layers[name].weights for name in HEAD if name in layers}

        def predict(images: np.ndarray, keys: Sequence[int | str | bytes]) -> ScreenerSaid:
            *slots, features = part.body([images])
            p = head.predict([features], keys)
            return ScreenerSaid(p, features, slots[0] if slots else None)

        return ScreenerNetwork(predict, Attention.of(weights, epsilon))

    def classifier(self, passes: int, seed: int) -> ClassifierNetwork:
        """Return the classifier in parts."""
        part, head = self._parts[CLASSIFIER], self._head(CLASSIFIER, passes, seed)
        assert isinstance(part, _Classifier)
        return ClassifierNetwork(
            width=part.width,
            bands=lambda images: part.body([images])[0],
            bands_in_cell=lambda images: part.in_cell([images])[0],
            quick=lambda said, length: head.quick([said, length]),
            head=head,
        )

    def structure(self, passes: int, seed: int) -> StructureNetwork:
        """Return the reader of structure in parts."""
        part = self._parts[STRUCTURE]
        names = part.network.inputs

        def said(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            made = part.body([inputs[name] for name in names])
            return dict(zip(_OF_PAIRS, made, strict=True))

        return StructureNetwork(said, self._head(STRUCTURE, passes, seed))

    def off(self) -> dict[str, float | None]:
        """Return by how much the answers of each part to the known inputs differ from Keras', as a
        share of the largest number; None where Keras' answers are not known. NotTranslated when a
        part cannot be run."""
        found: dict[str, float | None] = {}
        for name, part in self._parts.items():
            rounded = self._rounding.get(name)
            answers = self.bundle.network(name).answers if rounded is None else rounded.answers
            try:
                said = part.answers()
            except Exception as error:  # as in _Session: no class in common
                raise NotTranslated(f"a {name} that ONNX Runtime cannot run ({error})") from error
            found[name] = worst(answers, said) if answers else None
        return found

    def _head(self, part: str, passes: int, seed: int) -> Head:
        return self._parts[part].head(passes, seed)


class _Session:
    """A part of a network that no dropout reaches."""

    def __init__(self, network: Network, outputs: Sequence[str], **options: object) -> None:
        how = onnxruntime.SessionOptions()
        how.log_severity_level = 3  # errors
        # Said outright, or it would bind its threads to processors that may not be ours.
        how.intra_op_num_threads = _usable_cores()
        # Threads that wait in a loop would take the processor from those that read pictures.
        how.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = onnx_model(network, outputs, TABLE, **options)  # type: ignore[arg-type]
        try:
            self._session = onnxruntime.InferenceSession(model, how, ["CPUExecutionProvider"])
        except Exception as error:  # its errors have no class of their own in common
            raise NotTranslated(f"a network that ONNX Runtime refuses ({error})") from error
        self._names = [each.name for each in self._session.get_inputs()]
        self._order = [network.inputs.index(name) for name in self._names]

    def __call__(self, given: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for the network's first inputs, in Keras' order."""
        read = {name: given[place] for name, place in zip(self._names, self._order, strict=True)}
        made: list[np.ndarray] = self._session.run(None, read)
        return made


class _Part:
    """A screener: the pictures' one input, a body up to the first dropout, the head behind it; what
    it says of slots no dropout reaches."""

    def __init__(
        self, network: Network, bundle: Bundle, rounding: RoundingInfo | None = None
    ) -> None:
        self.network = network
        self.ends = self._ends()
        self.rounded = rounding is not None
        self._made(bundle, rounding.ranges if rounding else None)
        self.head(1, 0)

    def _made(self, bundle: Bundle, ranges: Mapping[str, Range] | None) -> None:
        """Make the sessions."""
        network = self.network if ranges is None else folded(self.network)
        self.body = _Session(network, self.ends, ranges=ranges)

    def ranges(self, bundle: Bundle, given: Iterable[Sequence[np.ndarray]]) -> dict[str, Range]:
        """Return the range of each layer that can be held in eight bits over batches of inputs,
        the batch normalisations made part of the convolutions."""
        network = folded(self.network)
        layers = rounded_layers(network, self.ends)
        return ranges_of(network, layers, partial(_Session, network), given)

    def _ends(self) -> list[str]:
        """The names of the layers that the body gives, of which the head reads the last."""
        layers = before(self.network, [self._output], ())
        dropouts = [layer.tensors[0].name for layer in layers if layer.drops]
        slots = [name for key, name in self.network.outputs.items() if key == SLOTS]
        return [*slots, dropouts[0] if dropouts else self._output]

    @property
    def _output(self) -> str:
        """The layer of the one output that dropout may reach."""
        (output,) = (name for key, name in self.network.outputs.items() if key != SLOTS)
        return output

    def head(self, passes: int, seed: int) -> Head:
        """Return what follows."""
        return Head(self.network, (self.ends[-1],), self._output, passes, seed)

    def answers(self) -> dict[str, np.ndarray]:
        """Return what it says of the known inputs, by layer."""
        said = self.body(self.known)
        return self.head(1, 0).values(said[-1:]) | dict(zip(self.ends, said, strict=True))

    @cached_property
    def known(self) -> list[np.ndarray]:
        """Return the known inputs."""
        configs = [self.network.layers[name].config for name in self.network.inputs]
        return [
            known_input(tried_shape(each["batch_shape"][1:]), each["dtype"]) for each in configs
        ]


class _Classifier(_Part):
    """Its head also reads the length, which the convolutions do not see."""

    def _made(self, bundle: Bundle, ranges: Mapping[str, Range] | None) -> None:
        """Single ones are few: they are not rounded."""
        share = bundle.info.reading.chromosomes.adapted
        self.body = _Session(self.network, self.ends)
        self.in_cell = _Session(self.network, self.ends, share=share, ranges=ranges)
        self.width = int(self.network.layers["joined"].tensors[0].shape[-1] or 0)

    def ranges(self, bundle: Bundle, given: Iterable[Sequence[np.ndarray]]) -> dict[str, Range]:
        """Return the same for pieces of cells, one cell a batch."""
        layers = rounded_layers(self.network, self.ends, in_cell=True)
        share = bundle.info.reading.chromosomes.adapted
        run = partial(_Session, self.network, share=share)
        return ranges_of(self.network, layers, run, given)

    def _ends(self) -> list[str]:
        if "pool" not in self.network.layers or len(self.network.inputs) != 2:
            raise NotTranslated("a classifier of another build")
        return ["pool"]

    def head(self, passes: int, seed: int) -> Head:
        """Return what follows, for the bands and the lengths."""
        inputs = "pool", self.network.inputs[1]
        return Head(self.network, inputs, self._output, passes, seed)

    def answers(self) -> dict[str, np.ndarray]:
        """Return what it says of the known inputs, by layer."""
        said = self.head(1, 0).values([*self.body(self.known[:1]), self.known[1]])
        return said | {IN_CELL: self.in_cell(self.known[:1])[0]} if self.rounded else said


class _Structure(_Part):
    """Only the head that judges a pair takes passes."""

    def _ends(self) -> list[str]:
        layers = self.network.layers
        if "drop_pair" not in layers or "pair_out" not in layers:
            raise NotTranslated("a reader of structure of another build")
        named = [self.network.outputs[name] for name in _OF_PAIRS[:-1]]
        return [*named, layers["drop_pair"].tensors[0].name]

    def head(self, passes: int, seed: int) -> Head:
        """Return what judges a pair."""
        return Head(self.network, (self.ends[-1],), "pair_out", passes, seed)


def _usable_cores() -> int:
    """The processors that this process may use: results are the same with any number."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def rounding_of(
    bundle: Bundle, part: str, given: Sequence[Sequence[np.ndarray]]
) -> RoundingInfo | None:
    """Return how a part of a bundle is run in eight bits, by what its layers give for the batches
    `given` of its network's inputs, of the classifier cell by cell; None without any, and where
    that would save nothing."""
    ranges = _made(bundle, part).ranges(bundle, given) if given else {}
    if not ranges:
        return None
    info = RoundingInfo(
        most={name: most for name, (_, most) in ranges.items()},
        least={name: least for name, (least, _) in ranges.items() if least},
        answers={},
    )
    said = _made(bundle, part, info).answers()
    return info.model_copy(update={"answers": {name: sampled(one) for name, one in said.items()}})


def _roundings_in(bundle: Bundle) -> dict[str, RoundingInfo]:
    found = {
        name: part.rounding
        for name, part in bundle.info.parts.items()
        if isinstance(part, PartInfo) and part.rounding is not None
    }
    if not found:
        raise NotTranslated("no network of which anything says how to hold it in eight bits")
    return found


def _made(bundle: Bundle, part: str, rounding: RoundingInfo | None = None) -> _Part:
    try:
        return _PARTS[part](stored_network(bundle, part), bundle, rounding)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise NotTranslated(f"a {part} stored in a way that is not known ({error!r})") from error


_OF_PAIRS = (DENSE, ROW, SINGLE, PAIR)
_PARTS = {SCREENER: _Part, CLASSIFIER: _Classifier, STRUCTURE: _Structure}

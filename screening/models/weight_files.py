"""Files of weights that others wrote: HDF5 as Keras published it, `.weights.h5` and `.keras`."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import h5py
import keras
import numpy as np

from screening.bundle import load_bundle
from screening.bundle_schema import PartInfo

Given = list[tuple[str, list[np.ndarray]]]
"""Names of layers, each with the values of its weights."""


def is_container(path: Path) -> bool:
    """Return whether a file is of a kind that can hold weights: HDF5, or a .keras archive."""
    return bool(h5py.is_hdf5(path)) or zipfile.is_zipfile(path)


def is_keras_2(path: Path) -> bool:
    """Return whether a file is HDF5 in the layout before Keras 3, whatever its name."""
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path) as file:
        return _names(_root(file), "layer_names") != []


def keras_2_layers(path: Path, names: Sequence[str], most: int) -> Given:
    """Return the first len(`names`) layers with weights of a file in the layout before Keras 3.

    What lies behind them, as a top, is not read. A layer with more than `most` weights is a model
    in a model, a base in a classifier: it is parted into the layers that its weights are named by,
    in the order of `names` where these are theirs, since what was frozen stands behind the rest.
    """
    with h5py.File(path) as file:
        layers = _layers(_root(file), names, most)
        return [
            (name, [np.asarray(group[weight][()], "float32") for weight in weights])
            for name, group, weights in islice(layers, len(names))
        ]


def load_weights_of(donor: keras.Model, path: Path) -> None:
    """Fill `donor`, in place, from a `.weights.h5` of itself, of a model that begins with it or
    that has it as a layer; what Keras raises where none of these is so."""
    try:
        donor.load_weights(path)
    except ValueError:
        with h5py.File(path) as file, tempfile.TemporaryDirectory() as folder:
            within = file.get("layers", {})
            bases = [group for group in within.values() if "layers" in group]
            if len(bases) != 1:
                raise
            alone = Path(folder) / "base.weights.h5"
            with h5py.File(alone, "w") as copy:
                file.copy(bases[0]["layers"], copy, "layers")
            donor.load_weights(alone)


def taught_with(path: Path) -> str | None:
    """Return the preprocessing of a network that this program taught, if the file is one's: as its
    bundle says, or its own layers; None for others. BundleError where the bundle is altered."""
    if (path.parent / "bundle.json").is_file():
        for part in load_bundle(path.parent).info.parts.values():
            if isinstance(part, PartInfo) and part.weights == path.name:
                return part.preprocessing
    layers = re.search(r'"preprocess_(caffe|tf|torch|ink)"', _architecture(path))
    return layers and layers.group(1)


def _architecture(path: Path) -> str:
    """What a whole model's file says of its layers, in JSON."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return json.dumps(json.loads(archive.read("config.json")))
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            text = file.attrs.get("model_config", "")
            return text.decode() if isinstance(text, bytes) else str(text)
    return ""


def _root(file: h5py.File) -> h5py.Group:
    """What holds the layers: a whole model's file has an optimizer beside them."""
    return file["model_weights"] if "model_weights" in file else file


def _layers(
    root: h5py.Group, names: Sequence[str], most: int
) -> Iterator[tuple[str, h5py.Group, list[str]]]:
    for layer in _names(root, "layer_names"):
        weights = _names(root[layer], "weight_names")
        if len(weights) > most:
            parts: dict[str, list[str]] = {}
            for weight in weights:
                parts.setdefault(weight.split("/")[-2], []).append(weight)
            for name in names if set(names) == set(parts) else parts:
                yield name, root[layer], parts[name]
        elif weights:
            yield layer, root[layer], weights


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """The names in an attribute, which Keras cuts into numbered ones where it is too long."""
    pieces = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(pieces)}" in group.attrs:
        pieces.append(f"{attribute}{len(pieces)}")
    names = [name for piece in pieces for name in group.attrs[piece]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]

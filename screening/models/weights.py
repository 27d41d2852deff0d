"""Weights for a convolutional base: from Keras' download, a weight file, or a trained model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import keras
import numpy as np

from screening.bundle import default_bundle, load_bundle
from screening.errors import ScreeningError
from screening.models.backbones import Backbone
from screening.models.weight_files import (
    Given,
    is_container,
    is_keras_2,
    keras_2_layers,
    load_weights_of,
    taught_with,
)

SHIPPED = "shipped"
"""The base of the bundle that comes with the package: it has seen chromosomes, ImageNet has not."""


def preprocessing_for(row: Backbone, weights: str | Path | None, preprocess: str | None) -> str:
    """Return how pictures are scaled: as asked for, else as the weights of the base expect it."""
    if preprocess is None and str(weights) == SHIPPED:
        return load_bundle(default_bundle()).network("screener").preprocessing
    return preprocess or row.preprocess


def load_base_weights(base: keras.Model, row: Backbone, size: int, weights: str | Path) -> None:
    """Fill `base`, in place, with `weights`.

    "imagenet": what Keras downloads. "shipped": the default bundle's base. A path: a
    `.weights.h5`, a `.keras` or an HDF5 file of Keras 2 (as Keras publishes them, with or without
    the top) of this base, or of a model that begins with it or has it as a layer (a screener, a
    chromosome classifier). ScreeningError: not reachable, missing, or not fitting; says what to do.
    """
    if str(weights) == "imagenet":
        copy_weights(_download(row, size), base, source="imagenet")
    elif str(weights) == SHIPPED:
        copy_weights(_shipped(row), base, source=SHIPPED)
    else:
        path = Path(weights)
        if not path.is_file():
            raise ScreeningError(
                f"weights must be None, 'imagenet', 'shipped' or an existing file; there is no "
                f"file {path}"
            )
        _load_file(base, row, size, path)


def copy_weights(donor: keras.Model, base: keras.Model, source: str = "the donor") -> None:
    """Copy the weights of `donor`'s first layers into all of `base`'s, by order and shape.

    Order, not name: InceptionV3's convolutions are numbered anew in each build. Nothing is copied
    unless everything fits; otherwise ScreeningError names the first layer that does not.
    """
    targets = [(layer.name, layer.weights) for layer in _layers_with_weights(base)]
    givers = islice(_layers_with_weights(donor), len(targets))
    _copy([(layer.name, layer.get_weights()) for layer in givers], targets, base.name, source)


def refuse_other_scale(weights: str | Path | None, mode: str) -> None:
    """Raise ScreeningError where `weights` is the file of a network of this program, taught on
    pictures scaled otherwise than by `mode`: it would look at what it never saw."""
    if weights is None or str(weights) in ("imagenet", SHIPPED) or not Path(weights).is_file():
        return
    with _reasons_told(Path(weights), "can be read"):
        taught = taught_with(Path(weights))
    if taught not in (None, mode):
        raise ScreeningError(
            f"{weights} was taught on pictures scaled as {taught}, these would be scaled as {mode}:"
            f" give preprocess: {taught}, or {mode} where that is meant"
        )


def _copy(
    givers: Given, targets: list[tuple[str, list[keras.Variable]]], base: str, source: str
) -> None:
    if len(givers) < len(targets):
        raise ScreeningError(
            f"{source} does not fit {base}: expected at least {len(targets)} layers with "
            f"weights, received {len(givers)}; give a file of the same base"
        )
    for (name, variables), (giver, values) in zip(targets, givers, strict=True):
        expected = [tuple(variable.shape) for variable in variables]
        received = [value.shape for value in values]
        if expected != received:
            raise ScreeningError(
                f"{source} does not fit {base}: layer {name} expects the shapes "
                f"{expected}, received {received} from {giver}; give a file of the same base"
            )
        if not all(np.isfinite(value).all() for value in values):
            raise ScreeningError(
                f"{source} is damaged: some weights of its layer {giver} are no numbers; "
                "give another copy of the file"
            )
    for (_, variables), (_, values) in zip(targets, givers, strict=True):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _layers_with_weights(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers_with_weights(layer)
        elif layer.weights:
            yield layer


def _download(row: Backbone, size: int) -> keras.Model:
    try:
        return row.constructor(include_top=False, weights="imagenet", input_shape=(size, size, 3))
    except Exception as error:  # Keras raises a bare Exception when the download fails
        raise ScreeningError(
            f"the ImageNet weights of {row.name} could not be fetched ({error}); without a "
            "connection give the path of a weight file instead of 'imagenet'"
        ) from error


def _shipped(row: Backbone) -> keras.Model:
    bundle = load_bundle(default_bundle())
    backbone = bundle.network("screener").backbone
    if backbone != row.name:
        raise ScreeningError(
            f"the shipped bundle has a base of {backbone}, not of {row.name}: give 'imagenet' or a "
            "weight file, or leave the weights out to start from random ones"
        )
    return bundle.load_model()


def _load_file(base: keras.Model, row: Backbone, size: int, path: Path) -> None:
    with _reasons_told(path, f"holds weights of {row.name}"):
        if not is_container(path):
            raise ValueError("it is neither HDF5 nor a whole .keras archive")
        if is_keras_2(path):
            # Keras 2 wrote what trains first, and Keras 3 has other orders in layers of layers.
            targets = [
                (layer.name, layer.trainable_weights + layer.non_trainable_weights)
                for layer in _layers_with_weights(base)
            ]
            most = max(len(variables) for _, variables in targets)
            givers = keras_2_layers(path, [name for name, _ in targets], most)
            return _copy(givers, targets, base.name, str(path))
        if path.suffix == ".keras":
            donor = keras.models.load_model(path, compile=False, safe_mode=True)
        else:
            donor = row.constructor(include_top=False, weights=None, input_shape=(size, size, 3))
            with warnings.catch_warnings():
                # Keras warns of every container that a foreign file lacks, then raises ValueError.
                warnings.filterwarnings("ignore", "Skipping nested container", UserWarning)
                load_weights_of(donor, path)
    copy_weights(donor, base, source=str(path))


@contextmanager
def _reasons_told(path: Path, expected: str) -> Iterator[None]:
    try:
        yield
    except (ScreeningError, MemoryError):
        raise
    except Exception as error:  # Keras, h5py and zipfile fail with nearly every type there is
        reason = " ".join(str(error).split())[:200] or repr(error)
        raise ScreeningError(
            f"{path} is no file that {expected} ({reason}); give one that Keras published for "
            "this base or that save_weights wrote (.h5), or a .keras model that begins with it"
        ) from error

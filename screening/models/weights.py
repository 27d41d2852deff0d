"""Weights for a convolutional base: from Keras' download, a weight file, or a trained model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import keras

from screening.bundle import default_bundle, load_bundle
from screening.errors import ScreeningError
from screening.models.backbones import Backbone

SHIPPED = "shipped"
"""The base of the bundle that comes with the package: it has seen chromosomes, ImageNet has not."""


def preprocessing_for(row: Backbone, weights: str | Path | None, preprocess: str | None) -> str:
    """Return how pictures are scaled: as asked for, else as the weights of the base expect it."""
    if preprocess is None and str(weights) == SHIPPED:
        return load_bundle(default_bundle()).network("screener").preprocessing
    return preprocess or row.preprocess


def load_base_weights(base: keras.Model, row: Backbone, size: int, weights: str | Path) -> None:
    """Fill `base`, in place, with `weights`.

    "imagenet": what Keras downloads. "shipped": the default bundle's base. A path:
    `.weights.h5` or the published `*_notop.h5` of the same base, or a
    `.keras` model whose first layers with weights are this base (a screener, a chromosome
    classifier, with whatever on top). ScreeningError: not reachable, missing, or not
    fitting; says what to do.
    """
    if str(weights) == "imagenet":
        donor = _download(row, size)
    elif str(weights) == SHIPPED:
        donor = _shipped(row)
    else:
        path = Path(weights)
        if not path.is_file():
            raise ScreeningError(
                f"weights must be None, 'imagenet', 'shipped' or an existing file; there is no "
                f"file {path}"
            )
        donor = _read(row, size, path)
    copy_weights(donor, base, source=str(weights))


def copy_weights(donor: keras.Model, base: keras.Model, source: str = "the donor") -> None:
    """Copy the weights of `donor`'s first layers into all of `base`'s, by order and shape.

    Order, not name: InceptionV3's convolutions are numbered anew in each build. Nothing is copied
    unless everything fits; otherwise ScreeningError names the first layer that does not.
    """
    targets = list(_layers_with_weights(base))
    givers = list(_layers_with_weights(donor))
    if len(givers) < len(targets):
        raise ScreeningError(
            f"{source} does not fit {base.name}: expected at least {len(targets)} layers with "
            f"weights, received {len(givers)}; give a file of the same base"
        )
    pairs = list(zip(targets, givers, strict=False))
    for target, giver in pairs:
        expected = [tuple(w.shape) for w in target.weights]
        received = [tuple(w.shape) for w in giver.weights]
        if expected != received:
            raise ScreeningError(
                f"{source} does not fit {base.name}: layer {target.name} expects the shapes "
                f"{expected}, received {received} from {giver.name}; give a file of the same base"
            )
    for target, giver in pairs:
        target.set_weights(giver.get_weights())


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


def _read(row: Backbone, size: int, path: Path) -> keras.Model:
    try:
        if path.suffix == ".keras":
            return keras.models.load_model(path, compile=False, safe_mode=True)
        with warnings.catch_warnings():
            # Keras warns of every container that a foreign file lacks, then raises ValueError.
            warnings.filterwarnings("ignore", "Skipping nested container", UserWarning)
            return row.constructor(
                include_top=False, weights=str(path), input_shape=(size, size, 3)
            )
    except (ValueError, TypeError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ScreeningError(
            f"{path} does not hold weights of {row.name} without its top ({reason}); give a "
            f".weights.h5, a published *_notop.h5, or a .keras model built on {row.name}"
        ) from error

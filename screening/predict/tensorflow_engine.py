"""The bundle's networks run by Keras on TensorFlow: the reference, and the only way onto a GPU."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from screening.bundle import Bundle
from screening.errors import ScreeningError
from screening.models.screener import picture_part
from screening.models.screener_outputs import SLOTS
from screening.models.structure import pair_head
from screening.predict.adapt import adapted
from screening.predict.attention import HEAD, NORM, Attention
from screening.predict.mc_dropout import McDropout
from screening.predict.networks import (
    ClassifierNetwork,
    ScreenerNetwork,
    ScreenerSaid,
    StructureNetwork,
)

_BEHIND_THE_POOL = ("drop_features", "hidden", "drop_hidden", "chromosome")


class TensorFlowEngine:
    """Runs `bundle` on `device`: auto, cpu, gpu or gpu:N; TensorFlow sees that one alone from here
    on. ScreeningError when it is not there."""

    name = "tensorflow"
    version = tf.__version__

    def __init__(self, bundle: Bundle, device: str = "auto") -> None:
        self.bundle, self.device = bundle, select_device(device)

    def at_once(self, batch_size: int) -> int:
        """Return `batch_size` on a GPU. A processor takes pictures one by one: no slower for
        networks of this kind, a fraction of the memory, and one picture waits for no other."""
        return batch_size if tf.config.get_visible_devices("GPU") else 1

    def screener(self, passes: int, seed: int) -> ScreenerNetwork:
        """Return the screener in passes."""
        model = self.bundle.load_model("screener")
        mc = McDropout(picture_part(model), passes=passes, seed=seed)
        slots = next((layer for layer in model.layers if layer.name == SLOTS), None)

        def predict(images: np.ndarray, keys: Sequence[Any]) -> ScreenerSaid:
            p, (features, *_) = mc.predict_with_features(images, keys)
            return ScreenerSaid(p, features, None if slots is None else np.asarray(slots(features)))

        return ScreenerNetwork(predict, attention_of(model))

    def classifier(self, passes: int, seed: int) -> ClassifierNetwork:
        """Return the classifier in parts."""
        model = self.bundle.load_model("classifier")
        bands = keras.Model(model.inputs[0], model.get_layer("pool").output)
        in_cell = adapted(bands, self.bundle.info.reading.chromosomes.adapted)
        head = _head_of(model)
        return ClassifierNetwork(
            width=bands.output_shape[-1],
            bands=lambda images: np.asarray(bands(images, training=False)),
            bands_in_cell=lambda images: np.asarray(in_cell(images, training=False)),
            quick=lambda said, length: np.asarray(head([said, length], training=False)),
            head=McDropout(head, passes=passes, seed=seed),
        )

    def structure(self, passes: int, seed: int) -> StructureNetwork:
        """Return the reader of structure in parts."""
        body, head = pair_head(self.bundle.load_model("structure"))
        run = tf.function(lambda inputs: body(inputs, training=False))

        def said(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: np.asarray(each) for name, each in run(dict(inputs)).items()}

        return StructureNetwork(said, McDropout(head, passes=passes, seed=seed))


def attention_of(model: keras.Model) -> Attention | None:
    """Return the attention of a screener, None when its head is another than ours."""
    layers = {layer.name: layer for layer in model.layers}
    epsilon = layers[NORM].epsilon if NORM in layers else 0.0
    weights = {name: layers[name].get_weights() for name in HEAD if name in layers}
    return Attention.of(weights, epsilon)


def _head_of(model: keras.Model) -> keras.Model:
    """The layers behind the pooling as a model of their own, with the same weights."""
    bands = keras.Input(model.get_layer("pool").output.shape[1:], name="bands")
    length = keras.Input(model.inputs[1].shape[1:], name="length")
    x = model.get_layer("joined")([bands, model.get_layer("size")(length)])
    for name in _BEHIND_THE_POOL:
        x = model.get_layer(name)(x)
    return keras.Model([bands, length], x, name="classifier_head")


def select_device(asked: str) -> str:
    """Return the device in use, in words; TensorFlow sees only that one from here on.

    Raises ScreeningError when `asked` (auto, cpu, gpu, gpu:N) is not there.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if asked == "cpu" or (asked == "auto" and not gpus):
        _show_only([])
        return "cpu"
    number = int(asked.partition(":")[2] or 0)
    if number >= len(gpus):
        raise ScreeningError(
            f"--device {asked} expects a GPU that TensorFlow can use, found {len(gpus)}: "
            "use --device cpu, or see `screening doctor`"
        )
    _show_only([gpus[number]])
    # Grow instead of taking all memory: others may use the same device.
    tf.config.experimental.set_memory_growth(gpus[number], True)
    name = tf.config.experimental.get_device_details(gpus[number]).get("device_name", "GPU")
    return f"gpu:{number} ({name})"


def _show_only(gpus: list[Any]) -> None:
    try:
        tf.config.set_visible_devices(gpus, "GPU")
    except RuntimeError as error:  # too late: something in this process has run on a device
        raise ScreeningError(
            f"the device cannot be changed after TensorFlow has started ({error})"
        ) from error

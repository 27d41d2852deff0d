"""Which engine runs a bundle's networks.

ONNX Runtime starts at once and is as fast on a processor; TensorFlow is the reference and can use a
GPU. "auto" takes ONNX Runtime where every network is known to give Keras' own answers to known
inputs (`screening.known_answers`): that was tried here, just now, when the bundle was loaded. It
takes "int8", ONNX Runtime with networks in eight bits, of a bundle that says how: then score and
certificate of the bundle were earned so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from screening.bundle import Bundle
from screening.bundle_schema import PartInfo
from screening.classes import ENGINES
from screening.errors import NotInstalled, ScreeningError
from screening.known_answers import ROUNDED_TOLERANCE, TOLERANCE
from screening.native_log import native_log_filtered
from screening.predict.networks import Engine
from screening.predict.stored import NotTranslated

AUTO, TENSORFLOW, ONNXRUNTIME, INT8 = ENGINES
_GPUS = (Path("/dev/nvidia0"), Path("/dev/dxg"))
"""One of them is there where a system has a GPU that TensorFlow could use."""


@dataclass(frozen=True)
class Chosen:
    """An engine, ready, and `why` another was not taken ("" where it was asked for, or the first
    choice)."""

    engine: Engine
    why: str = ""

    def __str__(self) -> str:
        said = f"{self.engine.name} {self.engine.version}"
        return f"{said} ({self.why})" if self.why else said


@dataclass(frozen=True)
class _Wanted:
    hash: str
    asked: str
    device: str
    bundle: Bundle = field(compare=False)


def engine_of(bundle: Bundle, asked: str = AUTO, device: str = AUTO) -> Chosen:
    """Return the engine for `bundle`, loaded: `asked` is one of ENGINES, `device` auto, cpu, gpu or
    gpu:N. Asked the same again, it is the same one.

    ScreeningError when the engine that is asked for cannot run this bundle or use that device, or
    there is no such device; NotInstalled when only TensorFlow can and is not there.
    """
    return _chosen(_Wanted(bundle.hash, asked, device, bundle))


@lru_cache(maxsize=1)
def _chosen(wanted: _Wanted) -> Chosen:
    bundle, asked, device = wanted.bundle, wanted.asked, wanted.device
    if asked == TENSORFLOW:
        return Chosen(_tensorflow(bundle, device, f"--engine {TENSORFLOW}"))
    on_gpu = device.startswith("gpu")
    if asked in (ONNXRUNTIME, INT8) and on_gpu:
        raise ScreeningError(
            f"--engine {asked} computes on the processor, not on {device}: use --device cpu, "
            f"or --engine {TENSORFLOW}"
        )
    if asked == AUTO and (on_gpu or (device == AUTO and gpu_is_there())):
        return Chosen(_tensorflow(bundle, device, f"--device {device}"), "for the GPU")
    try:
        from screening.predict.onnxruntime_engine import OnnxRuntimeEngine

        in_eight_bits = rounded_parts(bundle)
        rounded = asked == INT8 or (asked == AUTO and bool(in_eight_bits))
        engine = OnnxRuntimeEngine(bundle, rounded)
        why = _doubt(engine.off(), asked != AUTO, in_eight_bits if rounded else ())
    except ImportError as error:
        why = f"ONNX Runtime cannot be loaded: {error}"
    except NotTranslated as error:
        why = f"the bundle has {error}, which only TensorFlow can run"
    if not why:
        return Chosen(engine)
    if asked != AUTO:
        raise ScreeningError(f"--engine {asked}: {why}: use --engine {TENSORFLOW}")
    return Chosen(_tensorflow(bundle, device, why), why)


def rounded_parts(bundle: Bundle) -> tuple[str, ...]:
    """Return the networks of a bundle that are to be run in eight bits, by name."""
    parts = bundle.info.parts.items()
    return tuple(
        name for name, part in parts if isinstance(part, PartInfo) and part.rounding is not None
    )


def _doubt(off: dict[str, float | None], asked: bool, rounded: Collection[str]) -> str:
    """Why answers that are off by so much are not trusted, "" when they are; whoever asks for the
    engine by name does without answers of Keras to compare with."""
    for part, share in off.items():
        most = ROUNDED_TOLERANCE if part in rounded else TOLERANCE
        if share is None and not asked:
            return f"nothing is known to compare ONNX Runtime's answers of the {part} with"
        if share is not None and not share <= most:
            return f"ONNX Runtime's answers of the {part} are not those of Keras ({share:.2g} off)"
    return ""


def gpu_is_there() -> bool:
    """Return whether this machine may have a GPU that the installed TensorFlow can use, without
    loading it."""
    if not any(path.exists() for path in _GPUS) or find_spec("tensorflow") is None:
        return False
    try:
        metadata.version("tensorflow-cpu")
    except metadata.PackageNotFoundError:
        return True
    return False


def _tensorflow(bundle: Bundle, device: str, what: str) -> Engine:
    if find_spec("tensorflow") is None:
        raise NotInstalled(what)
    with native_log_filtered():
        from screening.predict.tensorflow_engine import TensorFlowEngine

        return TensorFlowEngine(bundle, device)

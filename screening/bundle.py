"""A trained model on disk: written whole or not at all, verified before it is used.

A bundle is a folder: `bundle.json` (this module's `BundleInfo`), one Keras configuration and one
half-precision weight file per part, `MODEL_CARD.md`, and `DONE`, written last, which holds the
sha256 of `bundle.json`; that file in turn holds the sha256 of all the others but the card. Loading
checks every hash, never unpickles, and keeps Keras' safe mode.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from screening import __version__
from screening.classes import LABELS
from screening.errors import BundleError

if TYPE_CHECKING:
    import keras

SCHEMA = 1
MODEL_CARD = "MODEL_CARD.md"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PartInfo(_Strict):
    """One network of a bundle: its files and what goes in and comes out.

    `size` is the input's height in pixels, `width` its width (None: square); `dropout` the rate of
    its dropout; `temperature` what its logits are divided by before they are probabilities.
    """

    backbone: str
    preprocessing: str
    size: int = Field(gt=0)
    width: int | None = Field(default=None, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    dropout: float = Field(ge=0, lt=1)
    config: str
    weights: str


class FusionInfo(_Strict):
    """How a bundle joins its parts into one score and what it asks of the cell's reading.

    `intercept` and `weights` by feature, in log-odds towards abnormal (see `evidence.fusion`). A
    picture is put last only if the posterior of a normal complement is at least `min_p_normal` and
    its layout score at least `min_layout`; it is flagged only if enough passes reach
    `flag_threshold` (None: the bundle's threshold), else reviewed.
    """

    intercept: float
    weights: dict[str, float]
    flag_threshold: float | None = Field(default=None, gt=0, lt=1)
    min_p_normal: float = Field(default=0.5, ge=0, le=1)
    min_layout: float = Field(default=0.0, ge=0, le=1)


class CertificateInfo(_Strict):
    """What is promised of a bundle's threshold and what earned the promise.

    With probability `confidence` over the draw of calibration cases, at least `recall` of abnormal
    cases are not put last while a pass votes abnormal at `threshold` or a lower one, the minimum
    confidence is `min_confidence` or higher, and `passes` passes vote. `bound`: lower bound of the
    recall at this threshold alone. `abnormal` cases of `patients` patients, `simulated` of them
    made by simulation, and `normal` cases; `missed` abnormal and `cleared` normal cases put last.
    With `flag_threshold`, at most `most_false_flags` of normal cases have passes that vote for flag
    at it. `data_hash`: sha256 of pictures, labels and cases; `date` in UTC.
    """

    recall: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)
    threshold: float = Field(gt=0, lt=1)
    min_confidence: float = Field(ge=0.5, le=1)
    passes: int = Field(gt=0)
    flag_threshold: float | None = Field(default=None, gt=0, lt=1)
    most_false_flags: float | None = Field(default=None, gt=0, lt=1)
    normal: int = Field(ge=0)
    abnormal: int = Field(gt=0)
    patients: int = Field(gt=0)
    simulated: int = Field(ge=0)
    missed: float = Field(ge=0)
    cleared: int = Field(ge=0)
    bound: float = Field(ge=0, le=1)
    method: str
    date: str
    data_hash: str


class CalibrationInfo(_Strict):
    """What the calibration cases showed, for probabilities, drift checks and overlap checks.

    `scaling`: as `uncertainty.calibration.to_json` writes it, good for the share `prevalence` of
    abnormal pictures. `points`: of every p(abnormal), how many normal and how many abnormal
    patients it stands for (see `uncertainty.venn_abers`). `scores`: score name to label to sorted
    scores, for comparing distributions. `unread` of `pictures` were not judged. `images` (sha256
    of files) and `cases` (see `uncertainty.certificate.case_hash`):
    what a measurement must not use again.
    """

    scaling: dict[str, Any]
    prevalence: float = Field(gt=0, lt=1)
    points: tuple[tuple[float, float, float], ...] = ()
    scores: dict[str, dict[str, list[float]]]
    unread: int = Field(ge=0)
    pictures: int = Field(gt=0)
    images: tuple[str, ...]
    cases: tuple[str, ...]


class BundleInfo(_Strict):
    """All that a reader of the bundle needs to know besides the weights.

    `threshold` is the probability above which one pass votes abnormal; `min_confidence` the vote
    share under which a case goes to a person; `rule` says whose confidence is told and flags: the
    calibrated one or the vote share (see `triage.rule`); `fusion` joins network and reading (None:
    network alone); `certificate` what certifies the threshold (None: nothing does); `calibration`
    what was seen on calibration cases; `likeness` is kept empty for older bundles. `data` names
    sources, split hash and seeds; `metrics` holds measured figures by group.
    """

    schema_version: Literal[1] = SCHEMA
    tool_version: str = __version__
    name: str
    created: str
    labels: tuple[str, str] = LABELS
    parts: dict[str, PartInfo]
    threshold: float = Field(default=0.5, gt=0, lt=1)
    min_confidence: float = Field(default=0.8, ge=0.5, le=1)
    rule: Literal["calibrated", "votes"] = "votes"
    fusion: FusionInfo | None = None
    certificate: CertificateInfo | None = None
    calibration: CalibrationInfo | None = None
    likeness: None = None
    data: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    files: dict[str, str] = {}


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: `folder`, `info`, and `hash` (sha256 hex of bundle.json)."""

    folder: Path
    info: BundleInfo
    hash: str

    def load_model(self, part: str = "screener") -> keras.Model:
        """Return the Keras model of `part` in float32; BundleError when there is no such part."""
        import keras

        if part not in self.info.parts:
            known = ", ".join(self.info.parts)
            raise BundleError(f"{self.folder}: no part {part!r} in this bundle, only {known}")
        files = self.info.parts[part]
        model = keras.models.model_from_json((self.folder / files.config).read_text("utf-8"))
        model.load_weights(self.folder / files.weights)
        return model


def default_bundle() -> Path:
    """Return the folder of the bundle that ships with the package."""
    return Path(__file__).parent / "bundles" / "default"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bundle(
    folder: Path, info: BundleInfo, models: dict[str, keras.Model], card: str
) -> Bundle:
    """Write a bundle and return it loaded back; `folder` appears complete or not at all.

    `models` holds one Keras model for each key of `info.parts`; weights are stored as float16.
    An existing bundle at `folder` is replaced once the new one is complete.
    """
    if set(models) != set(info.parts):
        raise ValueError(f"expected models for {sorted(info.parts)}, received {sorted(models)}")
    building = folder.with_name(folder.name + ".part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for name, model in models.items():
        part = info.parts[name]
        (building / part.config).write_text(model.to_json(), "utf-8")
        _save_half(model, building / part.weights)
    # The card is left out: it reports measurements that name the hash of what was measured.
    files = {path.name: sha256_of(path) for path in sorted(building.iterdir())}
    (building / MODEL_CARD).write_text(card, "utf-8")
    info = info.model_copy(update={"files": files})
    text = json.dumps(info.model_dump(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    (building / "bundle.json").write_text(text, "utf-8")
    (building / "DONE").write_text(sha256_of(building / "bundle.json") + "\n", "ascii")
    if folder.exists():
        retired = folder.with_name(folder.name + ".old")
        shutil.rmtree(retired, ignore_errors=True)
        os.replace(folder, retired)
        os.replace(building, folder)
        shutil.rmtree(retired)
    else:
        os.replace(building, folder)
    return load_bundle(folder)


def rewrite_bundle(
    bundle: Bundle, info: BundleInfo, folder: Path, card: str | None = None
) -> Bundle:
    """Write `bundle` with another `info` to `folder`; return it loaded.

    `folder` appears complete or not at all and may be the bundle's own. `card`: the model card's
    text (None: as it is). BundleError when `folder` holds something else.
    """
    building = folder.with_name(folder.name + ".part")
    retired = folder.with_name(folder.name + ".old")
    if folder.exists() and not (folder / "bundle.json").is_file():
        raise BundleError(f"expected a new folder or a bundle to replace, {folder} is none")
    shutil.rmtree(building, ignore_errors=True)
    shutil.copytree(bundle.folder, building, ignore=shutil.ignore_patterns("DONE"))
    text = json.dumps(info.model_dump(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    (building / "bundle.json").write_text(text, "utf-8")
    if card is not None:
        (building / MODEL_CARD).write_text(card, "utf-8")
    (building / "DONE").write_text(sha256_of(building / "bundle.json") + "\n", "ascii")
    load_bundle(building)
    if folder.exists():
        shutil.rmtree(retired, ignore_errors=True)
        os.replace(folder, retired)
    os.replace(building, folder)
    shutil.rmtree(retired, ignore_errors=True)
    return load_bundle(folder)


def load_bundle(folder: Path) -> Bundle:
    """Return the verified bundle at `folder`.

    BundleError names what is wrong: no folder, not finished (no DONE), altered, or another schema.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BundleError(f"{folder}: no bundle here; expected a folder with bundle.json and DONE")
    if not (folder / "DONE").is_file() or not (folder / "bundle.json").is_file():
        raise BundleError(f"{folder}: not a finished bundle (bundle.json or DONE is missing)")
    found = sha256_of(folder / "bundle.json")
    if found != (folder / "DONE").read_text("ascii", errors="replace").strip():
        raise BundleError(f"{folder}: bundle.json does not match DONE: altered or half copied")
    try:
        info = BundleInfo.model_validate_json((folder / "bundle.json").read_text("utf-8"))
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise BundleError(
            f"{folder}/bundle.json does not fit schema {SCHEMA} of version {__version__}: {where}"
        ) from None
    needed = {name for part in info.parts.values() for name in (part.config, part.weights)}
    for name in sorted(needed | set(info.files)):
        path = folder / name
        if path.parent != folder or name not in info.files or not path.is_file():
            raise BundleError(f"{folder}: the file {name} is missing or not listed; copy it again")
        if sha256_of(path) != info.files[name]:
            raise BundleError(f"{folder}: {name} was altered or half copied (sha256 differs)")
    return Bundle(folder, info, found)


def _save_half(model: keras.Model, path: Path) -> None:
    """Write the weights as float16, in the layout that the float32 model loads."""
    import keras

    config = json.loads(model.to_json())
    _set_policy(config, "float16")
    half = keras.models.model_from_json(json.dumps(config))
    half.set_weights(model.get_weights())
    half.save_weights(path)


def _set_policy(node: Any, policy: str) -> None:
    """Replace every layer's dtype policy in a Keras configuration, in place."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "dtype" and value is not None and not isinstance(value, str):
                node[key] = policy
            else:
                _set_policy(value, policy)
    elif isinstance(node, list):
        for value in node:
            _set_policy(value, policy)

"""What `bundle.json` holds: parts, thresholds, what certifies them, what calibration showed.

Everything that decides about a picture is in here or in a file whose sha256 is in here, so that the
bundle's hash stands for the whole rule.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from screening import __version__
from screening.classes import LABELS
from screening.known_answers import Answers
from screening.reading_settings import ReadingSettings
from screening.setting_types import PLAIN, View
from screening.words import OF_A_TRIAL

SCHEMA: Literal[2] = 2
Scope = Literal["numerical", "labelled"]
TRIAL = "trial"
"""Key of `BundleInfo.data`, true for what `--smoke` made."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoundingInfo(_Strict):
    """How a network is run in eight bits: `most` and, where below 0, `least`, the largest and the
    smallest number that each of its rounded layers gives, by layer, and `answers` to known inputs
    so rounded (see `predict.rounding`)."""

    most: dict[str, float]
    least: dict[str, float] = Field(default={}, exclude_if=lambda least: not least)
    answers: Answers

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return the least and the most of each layer."""
        return {name: (self.least.get(name, 0.0), most) for name, most in self.most.items()}


class PartInfo(_Strict):
    """One Keras network of a bundle: its files and what goes in and comes out.

    `size` is the input's height in pixels, `width` its width (None: square); `dropout` the rate of
    its dropout; `temperature` what its logits are divided by before they are probabilities;
    `view` how a network of whole karyograms is shown them; `answers` what Keras made of known
    inputs (see `known_answers`; of older bundles none), `rounding` how it is run in eight bits
    (None: it is not).
    """

    backbone: str
    preprocessing: str
    size: int = Field(gt=0)
    width: int | None = Field(default=None, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    dropout: float = Field(ge=0, lt=1)
    view: View = PLAIN
    config: str
    weights: str
    # Not written where there are none: bundles of before keep their bytes.
    answers: Answers = Field(default={}, exclude_if=lambda answers: not answers)
    rounding: RoundingInfo | None = Field(default=None, exclude_if=lambda how: how is None)


class FilePart(_Strict):
    """A part that is one file: the segmenter (ONNX) or the arbiter (JSON) of `karyogram.locate`."""

    file: str


class FusionInfo(_Strict):
    """How a bundle joins its parts into one score and what it asks of the cell's reading.

    `intercept` and `weights` by feature, in log-odds towards abnormal, no feature counting beyond
    ±`limit` (see `evidence.fusion`). A picture is low-priority only if the posterior of a normal
    complement is at least `min_p_normal` and its layout score at least `min_layout`; it is flagged
    only if enough passes reach `flag_threshold` (None: the bundle's threshold), else reviewed.
    """

    intercept: float
    weights: dict[str, float]
    limit: float = Field(default=8.0, gt=0)
    flag_threshold: float | None = Field(default=None, gt=0, lt=1)
    min_p_normal: float = Field(default=0.5, ge=0, le=1)
    min_layout: float = Field(default=0.0, ge=0, le=1)


class CertificateInfo(_Strict):
    """What is promised of a bundle's threshold and what earned the promise.

    With probability `confidence` over the draw of calibration cases, at least `recall` of abnormal
    cases of the `scope` are not of low priority while a pass votes abnormal at `threshold` or a
    lower one, the minimum confidence is `min_confidence` or higher, and `passes` passes vote.
    `scope`: gains and losses of whole chromosomes, or whatever the labels called abnormal.
    `looks`: how often these people have been looked at for a promise, this time included. `bound`:
    lower bound of the recall at this threshold alone. `abnormal` cases of `patients` people,
    `simulated` of them made by simulation, and `normal` cases, `composed` of them made of single
    chromosomes; `missed` abnormal and `low_priority` normal cases are of low priority.
    With `flag_threshold`, at most `most_false_flags` of normal cases have passes that vote for flag
    at it. `data_hash`: sha256 of pictures, labels and cases; `date` in UTC. Values that no count
    of people can have earned are refused.
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
    composed: int = Field(default=0, ge=0)
    missed: float = Field(ge=0)
    low_priority: int = Field(ge=0)
    bound: float = Field(ge=0, le=1)
    scope: Scope = "labelled"
    looks: int = Field(default=1, ge=1)
    method: str
    date: str
    data_hash: str

    @model_validator(mode="after")
    def _earned(self) -> CertificateInfo:
        """Raise ValueError that names every field which contradicts another."""
        # Nobody missed is the best that people can show, and no method makes more of it.
        most = (1 - self.confidence) ** (1 / self.patients)
        flag = self.flag_threshold
        wrong = [
            f"{name}: expected {expected}, received {getattr(self, name):g}"
            for name, fits, expected in (
                ("patients", self.patients <= self.abnormal, f"at most abnormal, {self.abnormal}"),
                ("simulated", self.simulated <= self.abnormal, f"at most {self.abnormal}"),
                ("composed", self.composed <= self.normal, f"at most {self.normal}"),
                ("low_priority", self.low_priority <= self.normal, f"at most {self.normal}"),
                ("missed", self.missed <= self.patients, f"at most patients, {self.patients}"),
                ("recall", self.recall <= self.bound + 1e-9, f"at most bound, {self.bound:g}"),
                ("bound", self.bound <= most + 1e-9, f"at most {most:.4f} of these patients"),
                ("flag_threshold", flag is None or flag >= self.threshold,
                 f"at least threshold, {self.threshold:g}"),
            )
            if not fits
        ]  # fmt: skip
        if (flag is None) != (self.most_false_flags is None):
            wrong.append("flag_threshold and most_false_flags: expected both or neither")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


EXPECTED_KINDS = ("del", "dup", "inv", "t")
"""Structural changes that a laboratory must expect: no size is promised without all of them."""


class StructureFound(_Strict):
    """Of `pages` with a change of `kind` ("del", "dup", "inv", "t", "i", "rob", "add") of at least
    `low` and less than `high` of a chromosome, how many are not of low priority (`raised`), and the
    exact lower `bound` of that share (None: of an older bundle, without one). A person with several
    such pages counts once for the bound, as the worst of them.
    """

    kind: str
    low: float = Field(ge=0)
    high: float = Field(gt=0)
    pages: int = Field(gt=0)
    raised: int = Field(ge=0)
    bound: float | None = Field(default=None, ge=0, lt=1)

    @model_validator(mode="after")
    def _possible(self) -> StructureFound:
        if self.raised > self.pages or self.low >= self.high:
            raise ValueError("expected raised <= pages and low < high")
        if self.bound and not self.raised:
            raise ValueError("bound: expected 0 where nothing was raised")
        return self


class StructureInfo(_Strict):
    """What is known of structural changes, all `simulated` in cells of `people` calibration people.

    `covers`: part of a chromosome from which on at least `recall` of the changes of each of
    EXPECTED_KINDS are not of low priority, by bounds of `confidence` each; None: of no size.
    `found`: all that was measured. `lost` of `normal` normal pages are not of low priority for
    their structure alone, at most `lost_bound` of such pages. Without `confidence` it is of an
    older bundle, which counted without bounds: it promises nothing. A size that its own bounds have
    not earned is refused.
    """

    covers: float | None = Field(default=None, gt=0, lt=1)
    recall: float = Field(gt=0, le=1)
    confidence: float | None = Field(default=None, gt=0, lt=1)
    people: int = Field(gt=0)
    normal: int = Field(ge=0)
    lost: int = Field(ge=0)
    lost_bound: float | None = Field(default=None, ge=0, le=1)
    found: tuple[StructureFound, ...] = ()
    data_hash: str = ""

    @property
    def promised(self) -> float | None:
        """Return `covers`, None of an older bundle: what nobody bounded is not promised."""
        return None if self.confidence is None else self.covers

    @model_validator(mode="after")
    def _earned(self) -> StructureInfo:
        """Raise ValueError that names what contradicts the counts."""
        if self.lost > self.normal:
            raise ValueError(f"lost: expected at most normal, {self.normal}, received {self.lost}")
        if self.confidence is None:
            return self
        for one in self.found:
            most = (1 - self.confidence) ** (1 / one.pages)
            if one.bound is not None and one.bound > most + 1e-9:
                raise ValueError(
                    f"bound of {one.kind}: expected at most {most:.4f} of {one.pages} pages, "
                    f"received {one.bound:g}"
                )
        if self.promised is not None:
            earned = {
                one.kind for one in self.found
                if one.low <= self.promised + 1e-9 < one.high and (one.bound or 0) >= self.recall
            }  # fmt: skip
            missing = [kind for kind in EXPECTED_KINDS if kind not in earned]
            if missing:
                raise ValueError(
                    f"covers: expected a bound of at least recall, {self.recall:g}, for each kind "
                    f"of that size, not so {', '.join(missing)}"
                )
        return self


class CalibrationInfo(_Strict):
    """What the calibration cases showed, for probabilities, drift checks and overlap checks.

    `scaling`: as `uncertainty.calibration.to_json` writes it, good for the share `prevalence` of
    abnormal pictures. `points`: of every p(abnormal), how many normal and how many abnormal
    patients it stands for (see `uncertainty.venn_abers`). `scores`: score name to label to sorted
    scores, for comparing distributions. `unread` of `pictures` were not judged. `images` (sha256
    of files), their `labels`, `cases` (see `assess.recognise.case_hash`) and the names of their
    `sources`: what a measurement must not use again, of every tuning so far.
    """

    scaling: dict[str, Any]
    prevalence: float = Field(gt=0, lt=1)
    points: tuple[tuple[float, float, float], ...] = ()
    scores: dict[str, dict[str, list[float]]]
    unread: int = Field(ge=0)
    pictures: int = Field(gt=0)
    images: tuple[str, ...]
    cases: tuple[str, ...]
    labels: dict[str, str] = {}
    sources: tuple[str, ...] = ()


class BundleInfo(_Strict):
    """All that a reader of the bundle needs to know besides the weights.

    `threshold` is the probability above which one pass votes abnormal; `min_confidence` the vote
    share under which a case goes to a person; `rule` says whose confidence is told and flags: the
    calibrated one or the vote share (see `triage.rule`). `reading` holds every rate, prior and
    limit by which chromosomes are read; `witnesses` names the kinds of evidence that are heard (see
    `evidence.witnesses`), `fusion` joins what they say (None: the network alone). `certificate`:
    what certifies the threshold (None: nothing does); `structure`: what is found of structural
    changes (None: they are not judged); `calibration`: what was seen on calibration cases. `data`
    names sources, split hash and seeds, and whether it was a trial; `metrics` holds measured
    figures by group.
    """

    schema_version: Literal[2] = SCHEMA
    tool_version: str = __version__
    name: str
    created: str
    labels: tuple[str, str] = LABELS
    parts: dict[str, PartInfo | FilePart]
    threshold: float = Field(default=0.5, gt=0, lt=1)
    min_confidence: float = Field(default=0.8, ge=0.5, le=1)
    rule: Literal["calibrated", "votes"] = "votes"
    reading: ReadingSettings = ReadingSettings()
    witnesses: tuple[str, ...] = (
        "network",
        "positions",
        "reading",
        "count",
        "homologs",
        "structure",
    )
    fusion: FusionInfo | None = None
    certificate: CertificateInfo | None = None
    structure: StructureInfo | None = None
    calibration: CalibrationInfo | None = None
    data: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    files: dict[str, str] = {}

    @property
    def trial_warning(self) -> str:
        """Return that the bundle came from a trial (`--smoke`), which judges nothing; else ""."""
        return OF_A_TRIAL if self.data.get(TRIAL) else ""

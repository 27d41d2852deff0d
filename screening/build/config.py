"""Settings of a build, read from YAML: every value that decides what the bundle will be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from screening.build.screener_config import BaseConfig, HeadConfig, ScreenerConfig, SlotsConfig
from screening.config import PART_NAMES, Strict, in_words, mistakes, read_yaml
from screening.errors import ConfigError
from screening.evidence.witnesses import KNOWN, labels_of
from screening.reading_settings import ReadingSettings
from screening.train import karyogram_set as made

KINDS = {
    "normal": made.COMPOSED, "simulated": made.SIMULATED, "scrambled": made.SCRAMBLED,
    "real": made.REAL, "structural": made.STRUCTURAL, "rejoined": made.REJOINED,
}  # fmt: skip
"""Kinds of karyograms as settings name them."""
UNSEEN = "unseen"
"""The part that holds the sources left out of everything learned."""
ONE, PLAIN, STRUCTURAL = "one", "plain", "structural"
"""What may stand behind a part of pages: one cell of each patient; good preparations; rearranged
chromosomes."""

Counts = dict[Literal["normal", "simulated", "scrambled", "real", "structural", "rejoined"], int]


class SourcesConfig(Strict):
    """Whose chromosomes teach. Every source of the `stains` stands in one of the two lists.

    `leave_out`: sources that have no part in anything learned, to be measured on. `pooled`: sources
    of single crops, whose complete cells are pooled from several people of one part. `spoiled`:
    cells (source/case/cell) of which the data say something else than their pictures show; they
    are in no part. `most_cases` of each source are used (null: all).
    """

    train_on: tuple[str, ...] = Field(min_length=1)
    leave_out: tuple[str, ...] = ()
    pooled: tuple[str, ...] = ()
    spoiled: tuple[str, ...] = ()
    stains: tuple[Literal["G", "Q"], ...] = Field(default=("G",), min_length=1)
    most_cases: int | None = Field(default=None, ge=8)

    @model_validator(mode="after")
    def _apart(self) -> SourcesConfig:
        both = sorted(set(self.train_on) & set(self.leave_out))
        if both:
            raise ValueError(f"{', '.join(both)} cannot both teach and be left out")
        stray = sorted(set(self.pooled) - set(self.train_on) - set(self.leave_out))
        if stray:
            raise ValueError(f"pooled names {', '.join(stray)}, which no list of sources has")
        return self

    def leaving_out(self, names: Collection[str]) -> SourcesConfig:
        """Return the same with the sources `names` left out and every other one teaching;
        ConfigError for one that is in no list, or when none would teach."""
        every = (*self.train_on, *self.leave_out)
        strange = [name for name in names if name not in every]
        teach = tuple(name for name in every if name not in names)
        if strange or not teach:
            raise ConfigError(
                f"sources to leave out: expected some of {', '.join(every)}, not all of them; "
                f"received {', '.join(names)}"
            )
        out = tuple(name for name in every if name in names)
        return self.model_copy(update={"train_on": teach, "leave_out": out})


class DrawnConfig(Strict):
    """Drawn cells instead of real ones, for a trial: `cases` people, of them `abnormal` with a
    truly aneuploid cell each, and `left_out` people of another laboratory."""

    source: str = "drawn"
    cases: int = Field(default=40, ge=8)
    abnormal: int = Field(default=4, ge=0)
    left_out: int = Field(default=2, ge=0)
    seed: int = 0


class SplitConfig(Strict):
    """How people are shared out among the parts, within each source."""

    fractions: dict[Literal["train", "validation", "calibration", "test"], float] = {
        "train": 0.6, "validation": 0.1, "calibration": 0.15, "test": 0.15,
    }  # fmt: skip
    seed: int = Field(default=0, ge=0)

    @field_validator("fractions")
    @classmethod
    def _whole(cls, value: dict[str, float]) -> dict[str, float]:
        missing = [name for name in PART_NAMES[:3] if value.get(name, 0) <= 0]
        if missing or min(value.values()) < 0 or abs(sum(value.values()) - 1) > 1e-6:
            raise ValueError(
                "expected shares that sum to 1, with some for train, validation and calibration"
            )
        return value


class SegmentPagesConfig(Strict):
    """Pages with the truth of every pixel: `network` teach the segmenter, `arbiter` fit the
    arbiter, from the training patients; of these one in `held` serves the arbiter alone. At least
    `pooled` cells are pooled from sources of single crops.
    """

    network: int = Field(default=1000, ge=1)
    arbiter: int = Field(default=300, ge=10)
    held: int = Field(default=7, ge=2)
    pooled: int = Field(default=40, ge=1)


class SegmenterConfig(Strict):
    """Training of the network that tells chromosomes, borders and print apart."""

    steps: int = Field(default=6000, ge=1)
    batch: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=4e-3, gt=0, le=1)
    seed: int = Field(default=0, ge=0)


class ArbiterConfig(Strict):
    """Fit of what decides whether two touching regions are one chromosome."""

    hidden: tuple[int, ...] = (32, 16)
    alpha: float = Field(default=0.3, ge=0)
    iterations: int = Field(default=60, ge=1)
    seed: int = Field(default=0, ge=0)


class SetsConfig(Strict):
    """Karyograms per cell composed inside each part (and `unseen`), by kind; `pooled`: cells pooled
    from sources of single crops, by part (not for calibration: a promise counts people)."""

    parts: dict[Literal["train", "validation", "calibration", "test", "unseen"], Counts]
    pooled: dict[Literal["train", "validation", "test"], int] = {}

    @field_validator("parts")
    @classmethod
    def _needed(cls, value: dict[str, Any]) -> dict[str, Any]:
        missing = [name for name in ("train", "validation") if not value.get(name)]
        if missing:
            raise ValueError(f"expected karyograms for {' and '.join(missing)}")
        return value


class CropsConfig(Strict):
    """`sets` of crops that the classifier's epochs take turns with; `pooled` cells at least."""

    sets: int = Field(default=8, ge=1)
    pooled: int = Field(default=40, ge=1)


class ClassifierConfig(Strict):
    """Training of the 24-class classifier: `steps` batches an epoch, one-cycle schedule.

    `unknown`: share of the crops that are shown without their length, so that single pictures
    without a scale are read. `goes_on`: where a bundle gives the parts, begin with its weights.
    """

    epochs: int = Field(default=30, ge=1)
    steps: int = Field(default=260, ge=1)
    batch: int = Field(default=192, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    weight_decay: float = Field(default=0.02, ge=0, lt=1)
    smoothing: float = Field(default=0.04, ge=0, lt=1)
    unknown: float = Field(default=0.12, ge=0, le=1)
    goes_on: bool = False
    seed: int = Field(default=0, ge=0)


class StructurePagesConfig(Strict):
    """Strips for the reader of structure: `shards` of training people's `pages`, `held` of others;
    shares of them are `clean` (single pictures) and `pooled` (of single crops' sources)."""

    shards: int = Field(default=140, ge=1)
    pages: int = Field(default=40, ge=1)
    held: int = Field(default=2, ge=1)
    clean: float = Field(default=0.15, ge=0, le=1)
    pooled: float = Field(default=0.25, ge=0, le=1)


class StructureConfig(Strict):
    """Its training: of `at_once` shards an epoch, `steps` batches of `pairs` pairs, cosine.
    `goes_on`: where a bundle with a reader gives the parts, begin with its weights. `precision`:
    Keras' policy while it learns; mixed_bfloat16 is fast where the processor has AMX. `width` of
    its encoder; `hard_negatives`: share of a batch of untouched pairs that look changed to it."""

    at_once: int = Field(default=16, ge=1)
    epochs: int = Field(default=75, ge=1)
    steps: int = Field(default=150, ge=1)
    pairs: int = Field(default=32, ge=4)
    learning_rate: float = Field(default=1.5e-3, gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0, lt=1)
    goes_on: bool = False
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    width: int = Field(default=80, ge=16, le=160)
    hard_negatives: float = Field(default=0.0, ge=0, le=0.5)
    seed: int = Field(default=0, ge=0)


class PagesConfig(Strict):
    """Karyograms per cell that a bundle is shown, by part and kind. `parts` are of the build,
    `measured` for `scripts/measure_fused.py` alone.

    A part is one of the split or `unseen`; behind a hyphen `one` (one cell of each patient),
    `plain` (good preparations) or `structural`. `fusion`: on which of them the score is fitted,
    `certificate`: on which the promise is earned, `calibration`: from which the confidences come
    (null: the same); several pages of a person say more of one score, and weigh as one.
    `structure`: on which is counted how many structural changes are found (null: nowhere).
    """

    parts: dict[str, Counts]
    measured: dict[str, Counts] = {}
    fusion: str = "validation"
    certificate: str = "calibration-one"
    calibration: str | None = None
    structure: str | None = None

    @field_validator("parts", "measured")
    @classmethod
    def _known(cls, value: dict[str, Counts]) -> dict[str, Counts]:
        for name in value:
            people, _, look = name.partition("-")
            if people not in (*PART_NAMES, UNSEEN) or look not in ("", ONE, PLAIN, STRUCTURAL):
                raise ValueError(f"expected a part such as test, test-plain or unseen, not {name}")
        return value

    @model_validator(mode="after")
    def _there(self) -> PagesConfig:
        uses = dict.fromkeys(("certificate", "calibration", "structure"), "calibration")
        for use, people in ({"fusion": "validation"} | uses).items():
            name = getattr(self, use)
            if name is not None and (name not in self.parts or name.split("-")[0] != people):
                raise ValueError(f"{use}: expected one of parts, of {people} patients, not {name}")
        return self


class ScoringConfig(Strict):
    """How the bundle scores: `passes` of Monte Carlo dropout."""

    passes: int = Field(default=100, ge=1)


class FusionConfig(Strict):
    """How network and reading become one score, on validation patients; see `build.fusion`.

    `features` of the witnesses that may have a weight, none of which counts beyond ±`limit`
    (log-odds; 8 is 1 in 3,000); `penalty` on large weights; `most_network`: highest weight of the
    network; `stray`: share of labels taken as wrong. `most_doubted`: share of the normal pages
    of low priority that structure may raise; `readable`: 0.12 is the least of the stoutest
    laboratory's pages.
    `thresholds`: lowest, highest and step of those tried; at most `most_missed` of abnormal pages
    are low-priority, and `enough_low_priority` of the normal ones is enough.
    """

    features: tuple[str, ...] = Field(
        default=("network", "reading", "count", "doubtful", "homologs"), min_length=1
    )
    limit: float = Field(default=8.0, gt=0)
    penalty: float = Field(default=0.3, ge=0)
    most_network: float = Field(default=0.25, ge=0)
    stray: float = Field(default=0.003, ge=0, lt=0.5)
    most_doubted: float = Field(default=0.05, ge=0, lt=1)
    readable: float = Field(default=0.12, ge=0, lt=1)
    thresholds: tuple[float, float, float] = (0.01, 0.5, 0.005)
    most_missed: float = Field(default=0.004, ge=0, le=1)
    enough_low_priority: float = Field(default=0.92, ge=0, le=1)
    min_confidence: float = Field(default=0.8, ge=0.5, le=1)
    min_p_normal: float = Field(default=0.9, ge=0, le=1)
    min_layout: float = Field(default=0.5, ge=0, le=1)
    flag: float = Field(default=0.5, gt=0, lt=1)


class CertificateConfig(Strict):
    """What `screening tune` is asked for on calibration patients; `own`: no threshold above the one
    that validation chose."""

    recall: float = Field(default=0.95, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    at_most: Literal["own"] | float = "own"
    cluster: Literal["bet", "mean", "any"] = "bet"
    rule: Literal["calibrated", "votes"] = "calibrated"


class BuildConfig(Strict):
    """All settings of a build, a section for each stage; `smoke` holds those of a trial that
    differ, in the same sections. `witnesses`: the kinds of evidence that the bundle hears (see
    `evidence.witnesses`). `trial`: the bundle says of itself that it must judge nothing."""

    name: str = Field(min_length=1)
    sources: SourcesConfig
    drawn: DrawnConfig = DrawnConfig()
    split: SplitConfig = SplitConfig()
    segment_pages: SegmentPagesConfig = SegmentPagesConfig()
    segmenter: SegmenterConfig = SegmenterConfig()
    arbiter: ArbiterConfig = ArbiterConfig()
    screener: ScreenerConfig = ScreenerConfig()
    base: BaseConfig = BaseConfig()
    sets: SetsConfig
    slots: SlotsConfig = SlotsConfig()
    head: HeadConfig = HeadConfig()
    crops: CropsConfig = CropsConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    structure_pages: StructurePagesConfig = StructurePagesConfig()
    structure: StructureConfig = StructureConfig()
    reading: ReadingSettings = ReadingSettings()
    witnesses: tuple[str, ...] = ("network", "reading", "count", "homologs")
    pages: PagesConfig
    scoring: ScoringConfig = ScoringConfig()
    fusion: FusionConfig = FusionConfig()
    certificate: CertificateConfig = CertificateConfig()
    trial: bool = False
    smoke: dict[str, Any] = {}

    @field_validator("witnesses")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = [witness.name for witness in KNOWN]
        strange = [name for name in value if name not in known]
        if strange:
            raise ValueError(f"expected witnesses among {', '.join(known)}, not {strange}")
        return value

    @model_validator(mode="after")
    def _heard(self) -> BuildConfig:
        labels = labels_of(witness for witness in KNOWN if witness.name in self.witnesses)
        strange = [name for name in self.fusion.features if name not in labels]
        if strange:
            raise ValueError(f"expected fusion.features among {', '.join(labels)}, not {strange}")
        return self

    def leaving_out(self, names: Collection[str]) -> BuildConfig:
        """Return the settings of a build that only the other sources teach, see `SourcesConfig`."""
        return self.model_copy(update={"sources": self.sources.leaving_out(names)})

    def for_smoke(self, drawn: bool) -> BuildConfig:
        """Return the settings of a trial; with `drawn` cells they are the only source."""
        raw = _merged(self.model_dump(exclude_unset=True), self.smoke) | {"smoke": {}}
        raw["trial"] = True
        if drawn:
            left = (f"{self.drawn.source} elsewhere",) if self.drawn.left_out else ()
            raw["sources"] = {"train_on": (self.drawn.source,), "leave_out": left}
        return BuildConfig.model_validate(raw)


def read_build(path: Path, bases: Mapping[str, Sequence[str]]) -> BuildConfig:
    """Return the settings in the YAML file `path`, those of its trial checked as well.

    `bases`: the depths of the known bases by name. ConfigError lists every mistake at once.
    """
    raw = read_yaml(path)
    problems = list(_problems(raw))
    smoke = raw.get("smoke")
    if isinstance(smoke, dict) and not problems:
        merged = _merged(raw, smoke) | {"smoke": {}}
        problems += [f"smoke.{problem}" for problem in _problems(merged)]
    backbone = _named(raw, "screener", "backbone", "vgg16")
    depth, depths = _named(raw, "slots", "unfreeze", "whole"), bases.get(backbone)
    if depths is None:
        known = ", ".join(bases)
        problems.append(f"screener.backbone: expected one of {known}, received {backbone!r}")
    elif depths and depth not in depths:
        known = ", ".join(depths)
        problems.append(f"slots.unfreeze: expected one of {known}, received {depth!r}")
    if problems:
        raise mistakes(path, problems)
    return BuildConfig.model_validate(raw)


def _named(raw: Mapping[str, Any], section: str, name: str, default: str) -> str:
    """Return what a section names; the default where that is no word, which is told elsewhere."""
    values = raw.get(section)
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, str) else default


def _problems(raw: dict[str, Any]) -> list[str]:
    try:
        BuildConfig.model_validate(raw)
    except ValidationError as error:
        return list(in_words(error, BuildConfig))
    return []


def _merged(raw: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `raw` with the values of `changes` in its sections; a value inside one is replaced."""
    found = dict(raw)
    for section, values in changes.items():
        before = found.get(section)
        both = isinstance(before, dict) and isinstance(values, dict)
        found[section] = before | values if both else values
    return found

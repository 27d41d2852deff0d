"""Pictures of single chromosomes on square paper, and who of them trains and who is measured."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from sklearn.model_selection import train_test_split

from screening.benchmark.config import BY_PATIENT, LABORATORY_OUT, DatasetConfig, Row
from screening.benchmark.keras_sets import load
from screening.classes import CHROMOSOMES, class_index
from screening.data.chromosomes import (
    ChromosomeRecord,
    Stored,
    load_stored,
    read_chromosomes,
)
from screening.data.split import TEST, TRAIN, VALIDATION, case_key, split_by_case
from screening.data.tables import Problems
from screening.errors import ImageError, ManifestError
from screening.words import counted

MEDIAN_SHARE = 0.45
"""Share of the paper's side that a laboratory's median chromosome fills. The longest is hardly
twice as long; what would not fit is made smaller."""
_MOST_SHARE = 0.96
_FEWEST = 3
"""Pictures of a class that a random split into three parts needs at least."""
_DARK, _DARKER = 128, 8
_LITTLE = 24
"""Pixels of the longer side under which hardly a band is left to be read."""
_FAR = 3
"""Times the median of its laboratory: hardly the scale of the others; chromosome 1 is twice it."""


@dataclass(frozen=True)
class Parts:
    """Indices of the pictures that train, choose the epoch, and are measured."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """`records` and, in their order, `pictures` uint8 (n, s, s), dark on white, and `labels`
    (n,) 0…23, `stored`: how their files hold them. `hash`: of what it lists. `notes`: sentences on
    what is unusual about the pictures and was taken all the same; `classes`: their names."""

    name: str
    records: tuple[ChromosomeRecord, ...]
    pictures: np.ndarray
    labels: np.ndarray
    stored: tuple[Stored, ...]
    hash: str
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = CHROMOSOMES

    @property
    def sources(self) -> list[str]:
        """Return the laboratories, sorted."""
        return sorted({record.source for record in self.records})

    @property
    def people(self) -> np.ndarray:
        """Return the number of each picture's person (n,)."""
        keys = [case_key(record) for record in self.records]
        number = {key: n for n, key in enumerate(sorted(set(keys)))}
        return np.array([number[key] for key in keys])


def read_datasets(
    data: Path | None, configs: Sequence[DatasetConfig], protocols: Sequence[str], size: int
) -> dict[str, Dataset]:
    """Return the datasets by name, drawn at `size` pixels; `data` may be None for Keras' own sets.

    ManifestError names every problem at once, before anything is trained: sources that are not
    there, unreadable or blank pictures, dark ground, classes without a picture or with too few,
    people unknown where the protocol needs them, one laboratory where one is to be left out.
    """
    own = [config for config in configs if config.keras is None]
    if own and data is None:
        raise ManifestError(f"expected a folder of single chromosomes for {own[0].name}")
    everything = read_chromosomes(data) if own and data is not None else []
    problems = Problems(str(data))
    chosen = {}
    for config in own:
        chosen[config.name] = _chosen(everything, config, problems)
        if chosen[config.name]:
            _check(chosen[config.name], config.name, protocols, problems)
    problems.raise_if_any()
    read = {name: _drawn(name, records, size, problems) for name, records in chosen.items()}
    problems.raise_if_any()
    for config in configs:
        if config.keras is not None:
            records, rest = load(config, size)
            read[config.name] = Dataset(config.name, records, **rest)
    return read


def people_known(records: Sequence[ChromosomeRecord]) -> bool:
    """Return whether pictures are grouped into cases: else each is a case of its own, by name."""
    return any(record.case != record.origin for record in records)


def parts_of(dataset: Dataset, row: Row, shares: Sequence[float]) -> Parts:
    """Return who trains, chooses and is measured in a row, by its protocol and seed.

    Only in the random protocol may one person's chromosomes be on two sides.
    """
    everyone = np.arange(len(dataset.labels))
    if row.protocol not in (BY_PATIENT, LABORATORY_OUT):
        train, rest = train_test_split(
            everyone, train_size=shares[0], stratify=dataset.labels, random_state=row.seed
        )
        # The rest of a rare class may be too small to be shared out evenly once more.
        counts = np.bincount(dataset.labels[rest])[dataset.labels[rest]]
        even = dataset.labels[rest] if counts.min() > 1 else None
        validation, test = train_test_split(
            rest, train_size=shares[1] / (shares[1] + shares[2]), stratify=even,
            random_state=row.seed,
        )  # fmt: skip
        return Parts(np.sort(train), np.sort(validation), np.sort(test))
    named = zip((TRAIN, VALIDATION, TEST), shares, strict=True)
    fractions = dict(named)
    records = dataset.records
    outside = np.array([record.source == row.left_out for record in records])
    if row.protocol == LABORATORY_OUT:
        kept = 1 - fractions.pop(TEST)
        fractions = {part: share / kept for part, share in fractions.items()}
    inside = everyone[~outside]
    split = split_by_case([records[i] for i in inside], fractions, row.seed)
    part = np.array([split.of(records[i]) for i in inside])
    test = everyone[outside] if row.protocol == LABORATORY_OUT else inside[part == TEST]
    return Parts(inside[part == TRAIN], inside[part == VALIDATION], test)


def check_rows(
    rows: Sequence[Row], datasets: Mapping[str, Dataset], shares: Sequence[float]
) -> None:
    """Raise ManifestError, before anything is trained, that names every row of which a part is
    empty or whose training part lacks a class."""
    problems = Problems("the parts of the benchmark")
    for row in rows:
        dataset = datasets[row.dataset.name]
        parts = parts_of(dataset, row, shares)
        empty = [name for name, part in vars(parts).items() if not len(part)]
        taught = set(dataset.labels[parts.train])
        lacking = [name for n, name in enumerate(dataset.classes) if n not in taught]
        if empty:
            problems.add(f"{row.name}: too few people or pictures, nobody for {', '.join(empty)}")
        elif lacking:
            problems.add(f"{row.name}: class {', '.join(lacking)} has no picture to train on")
    problems.raise_if_any()


def _chosen(
    everything: Sequence[ChromosomeRecord], config: DatasetConfig, problems: Problems
) -> list[ChromosomeRecord]:
    own = [record for record in everything if record.stain == config.stain]
    found = sorted({record.source for record in own})
    if not own:
        others = ", ".join(sorted({record.stain for record in everything}))
        problems.add(
            f"{config.name}: no {config.stain}-banded chromosome; there are those of the stain "
            f"{others}"
        )
        return []
    for source in sorted(set(config.sources) - set(found)):
        problems.add(
            f"{config.name}: no {config.stain}-banded source {source}; there are {', '.join(found)}"
        )
    kept: list[ChromosomeRecord] = []
    for source in config.sources or found:
        of_source = [record for record in own if record.source == source]
        kept += of_source if config.most is None else _some(of_source, config.most)
    return kept


def _some(records: Sequence[ChromosomeRecord], most: int) -> list[ChromosomeRecord]:
    """Whole people, in the order of a hash, until the next one would exceed `most`."""
    sizes: dict[str, int] = {}
    for record in records:
        sizes[record.case] = sizes.get(record.case, 0) + 1
    kept, total = set(), 0
    for case in sorted(sizes, key=lambda case: hashlib.sha256(case.encode()).hexdigest()):
        if total + sizes[case] <= most:
            kept.add(case)
            total += sizes[case]
    return [record for record in records if record.case in kept]


def _check(
    records: Sequence[ChromosomeRecord], name: str, protocols: Sequence[str], problems: Problems
) -> None:
    counts = dict.fromkeys(CHROMOSOMES, 0)
    for record in records:
        counts[record.name] += 1
    few = [f"{chromosome} ({n})" for chromosome, n in counts.items() if n < _FEWEST]
    if few:
        problems.add(f"{name}: expected {_FEWEST} pictures of each class; too few of {few}")
    sources = sorted({record.source for record in records})
    if LABORATORY_OUT in protocols and len(sources) == 1:
        problems.add(f"{name}: the protocol {LABORATORY_OUT} needs two sources, there is {sources}")
    for source in sources if {BY_PATIENT, LABORATORY_OUT} & set(protocols) else ():
        own = [record for record in records if record.source == source]
        if not people_known(own):
            problems.add(
                f"{name}: whose chromosomes those of {source} are is not known (no column `case`, "
                "no sub-folders in the class folders), so people cannot be kept apart: the only "
                "protocol for it is random"
            )
        elif BY_PATIENT in protocols and len({record.case for record in own}) < 3:
            problems.add(f"{name}: the protocol {BY_PATIENT} needs three people of {source}")


def _drawn(
    name: str, records: Sequence[ChromosomeRecord], size: int, problems: Problems
) -> Dataset:
    digest, images, stored = hashlib.sha256(), [], []
    for record in records:
        try:
            chromosome, held = load_stored(record)
        except ImageError as error:
            problems.add(str(error))
            continue
        image = chromosome.image
        edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        # Darker than what it surrounds: a chromosome that fills its picture is not.
        if np.median(edge) < _DARK and edge.mean() < image.mean() - _DARKER:
            problems.add(
                f"{record.origin}: the ground is dark; expected a chromosome dark on white, or the "
                "stain Q in the table for bright ones on black"
            )
        digest.update(f"{record.source}\t{record.case}\t{record.origin}\t{record.name}\n".encode())
        digest.update(image.tobytes())
        images.append(image)
        stored.append(held)
    sources = np.array([record.source for record in records])
    pictures = np.full((len(records), size, size), 255, np.uint8)
    notes: tuple[str, ...] = ()
    if len(images) == len(records):
        sides, factors = np.array([max(image.shape) for image in images]), np.ones(len(images))
        for source in np.unique(sources):
            of = sources == source
            factors[of] = MEDIAN_SHARE * size / np.median(sides[of])
        for i, image in enumerate(images):
            pictures[i] = on_paper(image, size, factors[i])
        too_long = factors * sides > _FAR * MEDIAN_SHARE * size
        notes = _notes(records, stored, sides < _LITTLE, too_long)
    labels = np.array([class_index(record.name) for record in records])
    return Dataset(name, tuple(records), pictures, labels, tuple(stored), digest.hexdigest(), notes)


def _notes(
    records: Sequence[ChromosomeRecord],
    stored: Sequence[Stored],
    little: np.ndarray,
    too_long: np.ndarray,
) -> tuple[str, ...]:
    """What is unusual, how often and where first; `little`, `too_long` (n,): by their size."""
    unusual: dict[str, Sequence[bool] | np.ndarray] = {
        "more than 8 bits: read by the range of grey that each uses": [s.bits > 8 for s in stored],
        "colour: read as grey": [s.channels > 1 for s in stored],
        f"a chromosome under {_LITTLE} pixels: hardly a band to be read": little,
        "a chromosome far longer than its laboratory's others: made smaller than they": too_long,
    }
    told = []
    for what, which in unusual.items():
        if count := int(np.sum(which)):
            first = records[int(np.argmax(which))].origin
            told.append(f"{counted(count, 'picture')} with {what}; first {first}")
    return tuple(told)


def on_paper(image: np.ndarray, size: int, factor: float) -> np.ndarray:
    """Return a chromosome uint8 (h, w), `factor` times as large, in the middle of white paper."""
    factor = min(factor, _MOST_SHARE * size / max(image.shape))
    height, width = (max(1, round(factor * side)) for side in image.shape)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, (width, height), interpolation=way)
    paper = np.full((size, size), 255, np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    paper[top : top + height, left : left + width] = small
    return paper

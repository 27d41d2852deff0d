"""Labelled karyograms through the very pipeline of `screen`, for commands that measure it.

A case is what is put first or last: by default a patient with all pictures; where the manifest says
that pictures were made (`kind` composed, sham or simulated), every picture is a case of its own and
its case column names the patient whose chromosomes it shows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import expit

from screening.assess.recognise import case_hash
from screening.bundle import Bundle, sha256_of
from screening.classes import ABNORMAL, FLAG, LOW_PRIORITY
from screening.data.manifest import read_manifest
from screening.data.pool import is_pooled
from screening.data.tables import Problems, read_table
from screening.errors import ManifestError, ScreeningError
from screening.images.frames import frame_hash
from screening.record import Picture
from screening.triage.rule import Rule, judge

if TYPE_CHECKING:
    from screening.worklist.pipeline import Scorer

MADE = ("composed", "sham", "simulated")
SIMULATED = "simulated"
GROUPINGS = ("source", "stain", "kind", "pooled")
"""Columns of a manifest by which results are told apart unless others are asked for."""

THRESHOLDS = tuple(float(t) for t in expit(np.arange(-80, 81) / 10))
"""The fixed path of thresholds of a pass' vote: log-odds from -8 (most cautious) to 8 by 0.1."""

_YES = {"1", "yes", "true"}


class Scoring(Protocol):
    """How labelled pictures are scored: the options that `tune` and `evaluate` share."""

    @property
    def data(self) -> Path: ...

    @property
    def seed(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def workers(self) -> int | None: ...

    @property
    def device(self) -> str: ...

    @property
    def engine(self) -> str: ...

    @property
    def quiet(self) -> bool: ...


@dataclass(frozen=True)
class LabelledPicture:
    """One labelled karyogram of a manifest: whose it is, and to which groups it belongs.

    `simulated`: its abnormality is; `composed`: a normal one made of single chromosomes;
    `pooled`: it shows chromosomes of several people, so that it is no patient.
    """

    id: str
    path: Path
    abnormal: bool
    unit: str
    source: str
    patient: str
    simulated: bool
    sha256: str
    frame: int = 1
    groups: Mapping[str, str] = field(default_factory=dict)
    case: str = ""
    pooled: bool = False
    composed: bool = False

    @property
    def hash(self) -> str:
        """Return the patient's name as bundles keep it."""
        return case_hash(self.source, self.patient)


@dataclass(frozen=True)
class LabelledCase:
    """One case: its pictures, abnormal when any of them is."""

    name: str
    pictures: tuple[LabelledPicture, ...]

    @property
    def abnormal(self) -> bool:
        """Return whether any of the pictures is labelled abnormal."""
        return any(picture.abnormal for picture in self.pictures)

    @property
    def simulated(self) -> bool:
        """Return whether any of the pictures is simulated."""
        return any(picture.simulated for picture in self.pictures)

    @property
    def patient(self) -> str:
        """Return the hash of the patient whose case it is."""
        return self.pictures[0].hash


def read_pictures(
    location: Path, unit: str = "auto", by: Sequence[str] | None = None
) -> list[LabelledPicture]:
    """Return the pictures of a manifest, each file read once for its hash.

    `by`: columns to group by (default: those of GROUPINGS that are there). ManifestError for what
    `read_manifest` refuses, an unknown column, or pictures of the same content.
    """
    items = read_manifest(location)
    extra: dict[str, dict[str, str]] = {}
    if location.is_file():
        rows = read_table(location, required=("path", "label", "case"))
        extra = {Path(row["path"]).as_posix(): row for _, row in rows}
    columns = set().union(*extra.values()) if extra else set()
    unknown = [name for name in by or () if name not in columns]
    if unknown:
        raise ManifestError(
            f"{location}: no column {', '.join(unknown)} to group by, there are "
            f"{', '.join(sorted(columns)) or 'none'}"
        )
    grouping = [name for name in GROUPINGS if name in columns] if by is None else list(by)
    if unit == "auto":
        unit = "picture" if any(r.get("kind") in MADE for r in extra.values()) else "case"
    pictures = []
    for item in items:
        row = extra.get(item.id, {})
        source, patient = row.get("source", ""), row.get("patient") or item.case
        abnormal = item.label == ABNORMAL
        simulated = row.get("kind") == SIMULATED or row.get("simulated", "").lower() in _YES
        case = f"{source}/{item.case}" if source else item.case
        pictures.append(
            LabelledPicture(
                id=item.id,
                path=item.path,
                abnormal=abnormal,
                unit=item.id if unit == "picture" else case,
                source=source,
                patient=patient,
                simulated=abnormal and simulated,
                sha256=frame_hash(sha256_of(item.path), item.frame),
                frame=item.frame,
                groups={name: row.get(name) or "unknown" for name in grouping},
                case=item.case,
                pooled=row.get("pooled", "").lower() in _YES or is_pooled(patient),
                composed=not abnormal and row.get("kind") in MADE,
            )
        )
    _refuse_duplicates(location, pictures)
    return pictures


def units_of(pictures: Sequence[LabelledPicture]) -> list[LabelledCase]:
    """Return the cases in the order of their first pictures."""
    groups: dict[str, list[LabelledPicture]] = {}
    for picture in pictures:
        groups.setdefault(picture.unit, []).append(picture)
    return [LabelledCase(name, tuple(members)) for name, members in groups.items()]


def check_enough(units: Sequence[LabelledCase], least: int, purpose: str) -> None:
    """Raise ManifestError unless there are `least` normal and `least` abnormal cases."""
    abnormal = sum(unit.abnormal for unit in units)
    normal = len(units) - abnormal
    if min(abnormal, normal) >= least:
        return
    raise ManifestError(
        f"{purpose} needs at least {least} normal and {least} abnormal cases, received "
        f"{normal} normal and {abnormal} abnormal"
        + (": a set of one kind says nothing about the other" if not normal * abnormal else "")
    )


def score_pictures(
    pictures: Sequence[LabelledPicture],
    bundle: Bundle,
    scorer: Scorer,
    folder: Path,
    args: Scoring,
) -> dict[str, Picture]:
    """Return each picture's result by id, as `screen` makes it; kept in a ledger in `folder`.

    The chromosomes are read one by one where the bundle can.

    What the ledger already holds for this bundle and these options is not computed again.
    """
    from screening.karyogram.locate import Locator
    from screening.worklist.discover import PictureFile
    from screening.worklist.ledger import FILE_NAME, Ledger
    from screening.worklist.pipeline import Looking, run_pipeline
    from screening.worklist.progress import RunProgress
    from screening.worklist.reader import reader_of
    from screening.worklist.run import options_hash

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScreeningError(f"cannot create the folder {folder} ({error.strerror})") from error
    ordered = sorted(pictures, key=lambda p: p.id)
    found = [PictureFile(p.id, p.path, p.unit, frame=p.frame) for p in ordered]
    options = options_hash(scorer.passes, args.seed)
    with Ledger(folder / FILE_NAME, bundle.hash, options) as ledger:
        ledger.begin({"data": str(args.data)}, datetime.now(UTC).isoformat(timespec="seconds"))
        with RunProgress(len(found), args.quiet) as progress:
            run_pipeline(
                found,
                scorer,
                ledger,
                Looking(scorer.size, Locator.of(bundle), scorer.view),
                reader=reader_of(bundle, scorer.passes, args.seed, args.device, args.engine),
                batch_size=args.batch_size,
                workers=args.workers or min(4, os.cpu_count() or 1),
                advance=progress.advance,
            )
        return {result.image: result for result in ledger.results()}


def routes_along(
    units: Sequence[LabelledCase],
    results: Mapping[str, Picture],
    rule: Rule,
    thresholds: Sequence[float] = THRESHOLDS,
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each case is low-priority and whether it is flagged, bool (cases, thresholds).

    Every picture goes through the whole rule (`judge`) at every threshold of a pass' vote; a case
    is low-priority only with all its pictures, and flagged with any.
    """
    last = np.ones((len(units), len(thresholds)), bool)
    flagged = np.zeros((len(units), len(thresholds)), bool)
    for i, unit in enumerate(units):
        for picture in unit.pictures:
            routes = _routes(rule, results[picture.id], np.asarray(thresholds))
            last[i] &= routes == LOW_PRIORITY
            flagged[i] |= routes == FLAG
    return last, flagged


def _routes(rule: Rule, picture: Picture, thresholds: np.ndarray) -> np.ndarray:
    """The route at each threshold. A threshold decides by how many passes reach it and by nothing
    else, so thresholds that as many passes reach are judged once."""
    p = judge(rule, picture).p.astype(np.float64)
    votes = (p[:, None] >= thresholds).sum(axis=0)
    _, first, same = np.unique(votes, return_index=True, return_inverse=True)
    routes = [judge(replace(rule, threshold=float(t)), picture).route for t in thresholds[first]]
    return np.array(routes)[same]


def _refuse_duplicates(location: Path, pictures: Sequence[LabelledPicture]) -> None:
    problems = Problems(str(location))
    first: dict[str, str] = {}
    for picture in pictures:
        other = first.setdefault(picture.sha256, picture.id)
        if other != picture.id:
            problems.add(f"{picture.id} and {other} are the same picture: it would count twice")
    problems.raise_if_any()

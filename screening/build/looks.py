"""What a bundle sees of composed pages, kept so that its score can be fitted and measured again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from screening.build.pages import rows_of
from screening.bundle import Bundle
from screening.classes import OK, REJECTED
from screening.evidence.reading import CellReading
from screening.evidence.slots import Page
from screening.images.foreground import components, shrunk
from screening.images.normalise import crop_margins, letterbox, normalise
from screening.images.read import read_image
from screening.karyogram.gate import inspect
from screening.karyogram.locate import Locator
from screening.karyogram.marks import toned_marks
from screening.reading_settings import ReadingSettings
from screening.train.checkpoint import load_state, save_state
from screening.train.durations import Tick, silent
from screening.triage.rule import Judgement, Rule, judge
from screening.worklist.reader import BundleReader, reading_of
from screening.worklist.scorer import BundleScorer

CHUNK = 32
"""Pages kept in one file; an interrupted look goes on behind the last one."""
_SAID = ("p", "p_std", "relative", "crops")


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen of one composed page, with its truth `row`; `reading` is None when the page was
    refused before anything was found on it."""

    row: dict
    p: np.ndarray
    accepted: bool
    reason: str
    warnings: tuple[str, ...]
    components: int
    reading: CellReading | None

    @property
    def abnormal(self) -> bool:
        """Whether the cell is not 46,XX or 46,XY."""
        return self.row["label"] == "abnormal"

    @property
    def found(self) -> int:
        """Chromosomes found."""
        read = self.reading.chromosomes if self.reading else ()
        return sum(one.name != "?" for one in read)

    def judged(self, rule: Rule) -> Judgement:
        """Return the decision of `rule`, as `screening screen` would make it."""
        evidence = None
        if self.reading is not None:
            evidence = self.reading.evidence(np.zeros((len(self.reading.chromosomes), 4)))
        return judge(
            rule, OK if self.accepted else REJECTED, self.p, evidence, self.found, self.reason,
            self.warnings,
        )  # fmt: skip


def look_at(pages: Path, kept: Path, bundle: Bundle, passes: int, tick: Tick = silent) -> None:
    """Let a bundle look at a part of pages as `screening screen` does, and keep it in `kept`."""
    kept.mkdir(parents=True, exist_ok=True)
    rows = rows_of(pages)
    scorer, reader = BundleScorer(bundle, passes), BundleReader(bundle, passes)
    locator = Locator.of(bundle)
    began = False
    for start in range(0, len(rows), CHUNK):
        path = kept / f"{start:05d}.npz"
        if path.exists():
            continue
        if not began:
            tick(start, len(rows), f"pages of {pages.name} read")
            began = True
        papers = [normalise(read_image(pages / r["name"])) for r in rows[start : start + CHUNK]]
        tensors = [letterbox(crop_margins(paper), scorer.size) for paper in papers]
        keys = [int(hashlib.sha256(t.tobytes()).hexdigest()[:15], 16) for t in tensors]
        answers = []
        for first in range(0, len(papers), scorer.batch_size):
            some = slice(first, first + scorer.batch_size)
            answers += [answer.p for answer in scorer.score(tensors[some], keys[some])]
        arrays: dict[str, np.ndarray] = {}
        seen = []
        for number, (paper, p) in enumerate(zip(papers, answers, strict=True)):
            one, found = _seen(paper, locator, reader)
            seen.append(one)
            arrays |= {f"{number:02d}/{name}": value for name, value in found.items()}
            arrays[f"{number:02d}/passes"] = np.asarray(p, np.float32)
            tick(start + number + 1, len(rows), f"pages of {pages.name} read")
        save_state(path, arrays, {"seen": seen})


def looks_of(pages: Path, kept: Path, settings: ReadingSettings) -> list[Look]:
    """Return what `look_at` kept of a part of pages, read with `settings`, with their truth."""
    looks: list[Look] = []
    rows = rows_of(pages)
    for path in sorted(kept.glob("*.npz")):
        arrays, meta = load_state(path) or ({}, {"seen": []})
        for number, one in enumerate(meta["seen"]):
            prefix = f"{number:02d}/"
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            looks.append(_look(rows[len(looks)], one, own, settings))
    if len(looks) != len(rows):
        raise ValueError(f"expected looks at {len(rows)} pages in {kept}, received {len(looks)}")
    return looks


def _seen(
    paper: np.ndarray, locator: Locator, reader: BundleReader
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `screening screen` sees of a page besides the network's answer: values and arrays."""
    inspection = inspect(paper, locator)
    quality = inspection.quality
    one: dict[str, Any] = {
        "accepted": quality.ok,
        "reason": quality.reason,
        "warnings": list(quality.warnings),
        "components": components(shrunk(paper)[0]).count,
    }
    if inspection.located is None:
        return one, {}
    chosen, said = reader.classifier.read(inspection.located, paper)
    found = chosen.chromosomes
    one["marks"] = len(toned_marks(paper, chosen))
    arrays = {
        "boxes": np.array([f.box for f in found], np.int32).reshape(-1, 4),
        "rows": np.array([f.row for f in found], np.int32),
        "groups": np.array([f.group for f in found], np.int32),
        "areas": np.array([f.area for f in found], np.float32),
    }
    return one, arrays | {name: getattr(said, name) for name in _SAID}


def _look(
    row: dict, one: dict[str, Any], arrays: dict[str, np.ndarray], settings: ReadingSettings
) -> Look:
    from screening.predict.chromosomes import Classified

    reading = None
    if "boxes" in arrays:
        boxes = arrays["boxes"].astype(float)
        page = Page(boxes, arrays["rows"], arrays["groups"], arrays["areas"], one["marks"])
        p, p_std, relative, crops = (arrays[name] for name in _SAID)
        votes = np.zeros(len(p), np.float32)
        reading = reading_of(page, Classified(p, p_std, votes, relative, crops), settings)
    return Look(
        row, arrays["passes"], one["accepted"], one["reason"], tuple(one["warnings"]),
        one["components"], reading,
    )  # fmt: skip

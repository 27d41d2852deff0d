"""What a bundle finds of structural changes of known truth, and what that entitles it to say."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from screening.bundle_schema import EXPECTED_KINDS, BundleInfo, StructureFound, StructureInfo
from screening.classes import LOW_PRIORITY
from screening.evidence.witness import Sight
from screening.evidence.witnesses.structure import PairStructure
from screening.metrics import proportion
from screening.page_settings import StructureReading
from screening.reading_settings import ReadingSettings
from screening.record import Picture
from screening.synthesis.rearrangements import changed_part, rearrangement
from screening.triage.rule import Rule, judge

BANDS = ((0.05, 0.10), (0.10, 0.25), (0.25, 0.50), (0.50, 2.0))
"""Changed parts of a chromosome that are counted apart."""

_RECALL = 0.8
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Shown:
    """A page that a bundle has judged: its person, the ISCN name of its structural change ("" for a
    normal cell), and the picture without a verdict."""

    person: str
    change: str
    picture: Picture

    @property
    def kind(self) -> str:
        """Return the kind of the change, "del"."""
        return self.change.partition("(")[0]

    @property
    def size(self) -> float:
        """Return the largest changed part of a chromosome, in its lengths."""
        made = rearrangement(self.change).derivatives
        return max(changed_part(one.name, one.pieces) for one in made)


@dataclass(frozen=True)
class Tried:
    """A change of a `kind` and `size` (changed part of a chromosome) of one person's cell that a
    bundle was shown, and whether it was `raised` above low priority."""

    person: str
    kind: str
    size: float
    raised: bool


def structural_limits(
    normal: Sequence[Picture], most_doubted: float, how: StructureReading, readable: float
) -> StructureReading:
    """Return the limits at which at most this share (0–1) of the pictures of normal cells, each of
    one person, is doubted for its structure; `readable` as in `StructureReading`. As they are when
    no picture was compared."""
    seen = [p.reading.structure for p in normal if p.reading and p.reading.structure]
    if not seen:
        return how
    odds = np.sort([one.log_odds for one in seen])
    allowed = int(most_doubted * len(seen))
    # Between the last that may be doubted and the next; a bundle's numbers are round.
    doubt = (odds[-1 - allowed] + odds[-max(allowed, 1)]) / 2 if allowed else odds[-1] + 0.5
    return how.model_copy(update={"doubt": round(float(doubt), 2), "readable": readable})


def structure_info(pages: Sequence[Shown], info: BundleInfo, data_hash: str) -> StructureInfo:
    """Return what was found on pages of calibration people, normal ones among them."""
    rule = Rule.of(info)
    tried: list[Tried] = []
    people, costs = set(), set()
    normal, lost = 0, 0
    for page in pages:
        low = judge(rule, page.picture).route == LOW_PRIORITY
        if page.change:
            tried.append(Tried(page.person, page.kind, page.size, not low))
            continue
        normal += 1
        people.add(page.person)
        bare = without_structure(page.picture, info.reading)
        if not low and judge(rule, bare).route == LOW_PRIORITY:
            lost += 1
            costs.add(page.person)
    found = counted(tried)
    return StructureInfo(
        covers=covers(found),
        recall=_RECALL,
        confidence=_CONFIDENCE,
        people=len({page.person for page in pages}),
        normal=normal,
        lost=lost,
        lost_bound=_upper(len(costs), len(people)),
        found=found,
        data_hash=data_hash,
    )


def counted(tried: Sequence[Tried], confidence: float = _CONFIDENCE) -> tuple[StructureFound, ...]:
    """Return how many changes of each kind and size are raised, with the exact lower bound of that
    share of people (Clopper & Pearson 1934, one-sided)."""
    groups: dict[tuple[str, float, float], list[Tried]] = defaultdict(list)
    for one in tried:
        for low, high in BANDS:
            if low <= one.size < high:
                groups[one.kind, low, high].append(one)
    found = []
    for (kind, low, high), group in sorted(groups.items()):
        people = {one.person for one in group}
        worst = len(people - {one.person for one in group if not one.raised})
        # Both tails of twice the share: the one-sided bound.
        bound = proportion(worst, len(people), 2 * confidence - 1).low
        found.append(
            StructureFound(
                kind=kind, low=low, high=high, pages=len(group),
                raised=sum(one.raised for one in group), bound=bound,
            )
        )  # fmt: skip
    return tuple(found)


def covers(
    found: Sequence[StructureFound], recall: float = _RECALL, confidence: float = _CONFIDENCE
) -> float | None:
    """Return the part of a chromosome from which on at least `recall` of the changes are raised, of
    every kind that a laboratory must expect; None when there is none.

    Sizes are asked from the largest on, and the first that fails ends it (fixed sequence: no bound
    pays for another). Each speaks for itself: those that nobody overlooks say nothing of small
    ones. A size of which too few pages were looked at to say so, whatever they show, is passed
    over. Of other kinds, none may contradict.
    """
    fewest = math.ceil(math.log(1 - confidence) / math.log(recall))
    reached = None
    for low, _ in reversed(BANDS):
        here = {one.kind: one for one in found if one.low == low}
        expected = [here.get(kind) for kind in EXPECTED_KINDS]
        if any(one is None or one.pages < fewest for one in expected):
            continue
        others = [one for kind, one in here.items() if kind not in EXPECTED_KINDS]
        contradicted = any(
            proportion(one.raised, one.pages, 2 * confidence - 1).high < recall for one in others
        )
        if contradicted or any(one is None or (one.bound or 0) < recall for one in expected):
            break
        reached = low
    return reached


def _upper(successes: int, total: int) -> float:
    """The exact one-sided upper bound of a share."""
    return proportion(successes, total, 2 * _CONFIDENCE - 1).high


def without_structure(picture: Picture, settings: ReadingSettings) -> Picture:
    """Return the picture as if nothing had been said about its structure."""
    said = PairStructure().look(Sight(reading=picture.reading), settings).doubts
    doubts = tuple(doubt for doubt in picture.doubts if doubt not in said)
    return replace(picture, doubts=doubts)

"""What a bundle finds of structural changes of known truth, and what that entitles it to say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from screening.bundle_schema import FEWEST_PAGES, BundleInfo, StructureFound, StructureInfo
from screening.classes import LOW_PRIORITY
from screening.evidence.witness import Sight
from screening.evidence.witnesses.structure import PairStructure
from screening.page_settings import StructureReading
from screening.reading_settings import ReadingSettings
from screening.record import Picture
from screening.synthesis.rearrangements import changed_part, rearrangement
from screening.triage.rule import Rule, judge

BANDS = ((0.05, 0.10), (0.10, 0.25), (0.25, 0.50), (0.50, 2.0))
"""Changed parts of a chromosome that are counted apart."""

_COVERS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
_RECALL = 0.8
_ABOUT, _LARGEST = 0.25, 0.8


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
    found: dict[tuple[str, float, float], list[bool]] = defaultdict(list)
    sizes: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    normal, lost = 0, 0
    for page in pages:
        low = judge(rule, page.picture).route == LOW_PRIORITY
        if not page.change:
            normal += 1
            bare = without_structure(page.picture, info.reading)
            lost += not low and judge(rule, bare).route == LOW_PRIORITY
            continue
        size = page.size
        sizes[page.kind].append((size, not low))
        for low_end, high_end in BANDS:
            if low_end <= size < high_end:
                found[page.kind, low_end, high_end].append(not low)
    return StructureInfo(
        covers=covers(sizes),
        recall=_RECALL,
        people=len({page.person for page in pages}),
        normal=normal,
        lost=lost,
        found=tuple(
            StructureFound(kind=kind, low=a, high=b, pages=len(raised), raised=sum(raised))
            for (kind, a, b), raised in sorted(found.items())
        ),
        data_hash=data_hash,
    )


def covers(sizes: Mapping[str, Sequence[tuple[float, bool]]]) -> float | None:
    """Return the part of a chromosome from which on enough changes are raised, the mean of the
    kinds; None when there is none.

    `sizes`: of each kind (changed part, raised) of its pages. Asked of changes of about that size,
    and of every larger one: those that nobody overlooks must not speak for small ones.
    """
    reached = None
    sizes = {kind: [(min(size, _LARGEST), up) for size, up in all_] for kind, all_ in sizes.items()}
    for least in reversed(_COVERS):
        shares = list(_shares(sizes, least))
        if shares and np.mean(shares) < _RECALL:
            break
        reached = least if shares else reached
    return reached


def _shares(sizes: Mapping[str, Sequence[tuple[float, bool]]], least: float) -> Iterator[float]:
    for pages in sizes.values():
        raised = [up for size, up in pages if least <= size < least + _ABOUT]
        if len(raised) >= FEWEST_PAGES:
            yield float(np.mean(raised))


def without_structure(picture: Picture, settings: ReadingSettings) -> Picture:
    """Return the picture as if nothing had been said about its structure."""
    said = PairStructure().look(Sight(reading=picture.reading), settings).doubts
    doubts = tuple(doubt for doubt in picture.doubts if doubt not in said)
    return replace(picture, doubts=doubts)

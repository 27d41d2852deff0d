"""From the votes of the passes to where a picture goes: flag, review or low-priority, and why.

The rule is the thesis' (Chu, KTH 2020): the label that most dropout passes vote for is the
prediction, its share of the votes is the confidence, and under a minimum the picture goes to a
person. Around it stands what a screening tool owes: nothing that was not judged is ever normal, a
tie is abnormal, and a picture with a known doubt is never low-priority.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from screening import words
from screening.bundle_schema import Scope
from screening.classes import ABNORMAL, FLAG, LABELLED, LOW_PRIORITY, NORMAL, OK, REVIEW, STATUSES
from screening.iscn import say_the_same
from screening.record import Picture, Verdict


@dataclass(frozen=True)
class Votes:
    """How the passes of one picture voted: `mean` and `std` of p(abnormal) (0–1), `abnormal` of
    `passes` passes against it."""

    mean: float
    std: float
    abnormal: int
    passes: int

    @property
    def share(self) -> float:
        """Return the share that voted abnormal."""
        return self.abnormal / self.passes


@dataclass(frozen=True)
class Policy:
    """`min_confidence`: the vote share under which nobody is told "normal" or "abnormal" (0.5–1).

    `expected_objects`: of the pictures whose chromosomes were not read one by one, only those with
    exactly as many separate chromosome-like objects may be low-priority. The whole-image network
    hardly sees one small chromosome more or less, the count does; where homologs touch it is low
    although nothing is missing, and a person looks. None switches the check off.
    `scope`: what abnormal means; `covers`: see `Rule`.
    """

    min_confidence: float = 0.8
    expected_objects: int | None = 46
    scope: Scope = LABELLED
    covers: float | None = None

    def __post_init__(self) -> None:
        if not 0.5 <= self.min_confidence <= 1:
            raise ValueError(f"expected min_confidence in 0.5–1, received {self.min_confidence}")

    def enough(self, share: float) -> bool:
        """Return whether a share of the votes meets the minimum, whatever its last bit."""
        return share >= self.min_confidence - 1e-9


def decide(
    picture: Picture, votes: Votes | None, policy: Policy, doubts: Sequence[str] = ()
) -> Verdict:
    """Return the verdict on one picture; never "normal" for one that is rejected or failed.

    `votes`: None when the model gave no usable answer; `doubts`: further ones than the picture's
    own, against low priority only.
    """
    if picture.status not in STATUSES:
        raise ValueError(f"expected a status of {STATUSES}, received {picture.status!r}")
    if picture.status != OK:
        return Verdict(REVIEW, reasons=(picture.reason or "could not be judged",))
    if votes is None or votes.passes < 1 or not math.isfinite(votes.mean):
        return Verdict(REVIEW, reasons=(words.NO_ANSWER,))
    abnormal = votes.share >= 0.5
    won = max(votes.share, 1 - votes.share)
    sure = policy.enough(won)
    against = [*picture.warnings, *picture.doubts, *(() if abnormal else doubts)]
    if picture.reading is None:
        against += _count_doubt(picture.objects, policy.expected_objects)
    if abnormal:
        route = FLAG if sure else REVIEW
    else:
        route = LOW_PRIORITY if sure and not against else REVIEW
    return Verdict(
        route=route,
        prediction=ABNORMAL if abnormal else NORMAL,
        votes=won,
        confidence=won,
        reasons=(
            _said(votes, policy, abnormal, sure, bool(against)),
            *picture.notes,
            *_against_print(picture),
            *against,
        ),
        p_abnormal=votes.mean,
        p_std=votes.std,
    )


def _count_doubt(objects: int | None, expected: int | None) -> list[str]:
    if expected is None or objects == expected:
        return []
    if objects is None:
        return [words.NOT_COUNTED]
    return [words.objects_counted(objects, expected)]


def _against_print(picture: Picture) -> list[str]:
    """What is told, and decides nothing: that another karyotype is printed on the picture."""
    read = picture.reading.iscn if picture.reading is not None else ""
    if not read or not picture.printed:
        return []
    if any(say_the_same(read, each) for each in picture.printed):
        return []
    return [words.printed_differs(picture.printed, read)]


def _said(votes: Votes, policy: Policy, abnormal: bool, sure: bool, doubted: bool) -> str:
    if not sure:
        needed = math.ceil(policy.min_confidence * votes.passes - 1e-9)
        return words.undecided(votes.abnormal, votes.passes, needed)
    if abnormal:
        return words.abnormal_by_votes(votes.abnormal, votes.passes)
    return words.normal_by_votes(
        votes.passes - votes.abnormal, votes.passes, policy.scope, policy.covers, doubted
    )

"""From what is known of one picture to where it goes: flag, review or low-priority, and why.

The rule is the thesis' (Chu, KTH 2020): the label that most dropout passes vote for is the
prediction, its share of the votes is the confidence, and under a minimum the picture goes to a
person. Around it stands what a screening tool owes: nothing that was not judged is ever normal, a
tie is abnormal, and a picture with a known doubt is never put last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from screening.classes import ABNORMAL, FLAG, LOW_PRIORITY, NORMAL, OK, REVIEW, STATUSES

CALIBRATED, VOTES = RULES = ("calibrated", "votes")
"""Whose confidence decides, see `triage.rule`."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one picture.

    `p_abnormal` and `p_std` are mean and spread of the passes (0–1), `abnormal_votes` of `passes`
    passes voted abnormal. `objects` counts chromosomes, or what looks like them (None: not
    counted). `problem` says why a picture is not ok; `warnings` are the quality gate's doubts about
    one that is. `read`: its chromosomes were read one by one; then `findings` are sentences about
    what they show and `doubts` sentences that keep it from the end of the list.
    """

    status: str
    p_abnormal: float = math.nan
    p_std: float = math.nan
    abnormal_votes: int = 0
    passes: int = 0
    objects: int | None = None
    problem: str = ""
    warnings: tuple[str, ...] = ()
    read: bool = False
    findings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """`min_confidence`: the vote share under which nobody is told "normal" or "abnormal" (0.5–1).

    `expected_objects`: of the pictures whose chromosomes were not read one by one, only those with
    exactly as many separate chromosome-like objects may be put last. The whole-image network hardly
    sees one small chromosome more or less, the count does; where homologs touch it is low although
    nothing is missing, and a person looks. None switches the check off.
    """

    min_confidence: float = 0.8
    expected_objects: int | None = 46

    def __post_init__(self) -> None:
        if not 0.5 <= self.min_confidence <= 1:
            raise ValueError(f"expected min_confidence in 0.5–1, received {self.min_confidence}")


@dataclass(frozen=True)
class Decision:
    """Where a picture goes. `votes`: the share of the passes for the `prediction`; `confidence` as
    the rule in use has it. Empty and None when the picture was not judged."""

    route: str
    prediction: str
    votes: float | None
    confidence: float | None
    reasons: tuple[str, ...]


def decide(evidence: Evidence, policy: Policy) -> Decision:
    """Return the decision on one picture; never "normal" for one that is rejected or failed."""
    if evidence.status not in STATUSES:
        raise ValueError(f"expected a status of {STATUSES}, received {evidence.status!r}")
    if evidence.status != OK:
        return Decision(REVIEW, "", None, None, (evidence.problem or "could not be judged",))
    if evidence.passes < 1 or not math.isfinite(evidence.p_abnormal):
        return Decision(REVIEW, "", None, None, ("the model gave no usable answer",))
    share = evidence.abnormal_votes / evidence.passes
    abnormal = share >= 0.5
    votes = max(share, 1 - share)
    # A share such as 80/100 must meet a minimum of 0.8 whatever its last bit.
    sure = votes >= policy.min_confidence - 1e-9
    doubts = [*evidence.warnings, *evidence.doubts]
    if not evidence.read:
        doubts += _count_doubt(evidence.objects, policy.expected_objects)
    if abnormal:
        route = FLAG if sure else REVIEW
    else:
        route = LOW_PRIORITY if sure and not doubts else REVIEW
    reasons = [_verdict(evidence, policy, abnormal, sure), *evidence.findings, *doubts]
    return Decision(route, ABNORMAL if abnormal else NORMAL, votes, votes, tuple(reasons))


def _count_doubt(objects: int | None, expected: int | None) -> list[str]:
    if expected is None or objects == expected:
        return []
    if objects is None:
        return ["the chromosomes were not counted"]
    found = f"{objects} separate objects of chromosome size, expected {expected}"
    if objects > expected:
        return [f"{found}: a chromosome too many, or a fragment?"]
    return [f"{found}: homologs that touch, or a missing chromosome?"]


def _verdict(evidence: Evidence, policy: Policy, abnormal: bool, sure: bool) -> str:
    votes, passes = evidence.abnormal_votes, evidence.passes
    if not sure:
        needed = math.ceil(policy.min_confidence * passes - 1e-9)
        return (
            f"the model does not know: {votes} of {passes} passes say abnormal, "
            f"{needed} would have to agree"
        )
    if abnormal:
        return f"looks abnormal in {votes} of {passes} passes"
    return f"looks normal in {passes - votes} of {passes} passes"

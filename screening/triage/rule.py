"""A bundle's whole rule: from what was measured on one picture to its decision.

Everything that decides stands here once; screening, tuning and evaluation all call `judge`. There
are two rules:

votes: the thesis' (see `triage.policy`). The majority of the passes is the prediction, its share of
them the confidence, and under the minimum confidence a picture goes to review.

calibrated: the votes' rule, of which two things are taken back. The prediction is the label that is
more probable by the calibration cases, the confidence the lower end of its Venn–Abers probability
(`uncertainty.venn_abers`). What the votes would make low-priority goes to review unless all of its
interval is under one half, what they would flag unless all of it is above.
So whatever the calibrated rule makes low-priority or flags, the votes alone would have too:
`screening tune` certifies the votes, and what it promises of them (few abnormal cases low-priority,
few normal cases flagged) holds for both rules, although the probabilities come from the very cases
that earned the certificate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from screening import words
from screening.bundle_schema import BundleInfo, Scope
from screening.classes import (
    ABNORMAL,
    CALIBRATED,
    FLAG,
    LABELLED,
    LOW_PRIORITY,
    NORMAL,
    NUMERICAL,
    OK,
    REVIEW,
    VOTES,
)  # fmt: skip
from screening.errors import ScreeningError
from screening.evidence.fusion import Fusion
from screening.evidence.witnesses import only_raising, witnesses_of
from screening.predict.statistics import summarise
from screening.record import Picture, Reading, Verdict
from screening.triage.policy import Policy, Votes, decide
from screening.uncertainty.venn_abers import VennAbers


@dataclass(frozen=True)
class Rule:
    """`threshold`: a pass votes abnormal at it or above. `min_confidence`: the vote share under
    which a picture goes to a person. `fusion`: how the network and the cell's reading are joined
    (None: the network's passes alone). A picture that was read is low-priority only with a
    posterior of a normal complement of at least `min_p_normal` and a layout score of at least
    `min_layout`.
    `flag_threshold` (None: `threshold`): a picture is flagged only when `min_confidence` of the
    passes reach it too, else it goes to review. `venn_abers`: where calibrated confidences come
    from (None: the rule of votes). `scope`: what abnormal means; `covers`: part of a chromosome
    (0–1) from which structural changes are looked for (1: from none with any promise, None: they
    are not);
    `structural`: log-odds of a cell, or of a case, from which they are doubted; `together`: the
    cells of a case are known to be one person's, and only doubted for what all of them show (see
    `triage.cases.without_outvoted`). `many_changes`: gains and losses from which pieces may have
    been counted for chromosomes (None: none)."""

    threshold: float = 0.5
    min_confidence: float = 0.8
    fusion: Fusion | None = None
    min_p_normal: float = 0.5
    min_layout: float = 0.0
    flag_threshold: float | None = None
    venn_abers: VennAbers | None = None
    scope: Scope = LABELLED
    covers: float | None = None
    structural: float = 1e6
    together: bool = False
    many_changes: int | None = None

    @property
    def name(self) -> str:
        """Return which of `triage.policy.RULES` this is."""
        return VOTES if self.venn_abers is None else CALIBRATED

    @staticmethod
    def of(
        info: BundleInfo,
        min_confidence: float | None = None,
        name: str | None = None,
        together: bool = False,
    ) -> Rule:
        """Return the rule of a bundle, with the user's own minimum confidence if there is one.

        `name`: one of `triage.policy.RULES` (None: the bundle's own); `together` as in the rule.
        ScreeningError for a
        calibrated rule of a bundle that was never calibrated.
        """
        minimum = info.min_confidence if min_confidence is None else min_confidence
        flag = info.certificate.flag_threshold if info.certificate is not None else None
        scope: Scope = LABELLED if info.fusion is None else NUMERICAL
        scope = info.certificate.scope if info.certificate is not None else scope
        if info.fusion is None:
            return Rule(
                info.threshold, minimum, flag_threshold=flag,
                venn_abers=_calibrated(info, name), scope=scope, together=together,
            )  # fmt: skip
        known = info.fusion
        raising = only_raising(witnesses_of(info.witnesses))
        fusion = Fusion(known.intercept, known.weights, raising, known.limit)
        flag = known.flag_threshold if flag is None else flag
        covers = None if info.structure is None else info.structure.promised or 1.0
        return Rule(
            info.threshold, minimum, fusion, known.min_p_normal, known.min_layout, flag,
            _calibrated(info, name), scope, covers, info.reading.structure.doubt,
            together, info.reading.doubts.many_changes,
        )  # fmt: skip


def judge(rule: Rule, picture: Picture) -> Verdict:
    """Return the whole rule's verdict on one picture."""
    policy = Policy(rule.min_confidence, scope=rule.scope, covers=rule.covers)
    p = picture.p
    if picture.status != OK or p is None or not len(p):
        return decide(picture, None, policy)
    fused, contributions = np.asarray(p, np.float32), {}
    if picture.reading is not None and rule.fusion is not None:
        contributions = rule.fusion.contributions(picture.features)
        fused = rule.fusion.passes(picture.features, len(p))
    if not np.all((fused >= 0) & (fused <= 1)):  # a part of the score is NaN
        return decide(picture, None, policy)
    said = summarise(fused[None], rule.threshold)[0]
    share = said.votes if said.abnormal else 1 - said.votes
    votes = Votes(said.mean, said.std, round(share * said.passes), said.passes)
    voted = decide(picture, votes, policy, _doubts(rule, picture.reading))
    voted = replace(voted, p=fused, contributions=contributions)
    verdict = _flagged_only_above(rule, voted)
    if verdict.route == FLAG and _pieces_counted(rule, picture.reading):
        verdict = replace(verdict, route=REVIEW, reasons=(*verdict.reasons, words.PIECES))
    if verdict.route == FLAG and picture.reading is not None and not picture.reading.whole:
        # What is no whole cell has gains and losses of any kind; its notes say how many were found.
        verdict = replace(verdict, route=REVIEW)
    if rule.venn_abers is None:
        return verdict
    return _told_by(rule.venn_abers, rule, voted, verdict, votes)


def _calibrated(info: BundleInfo, name: str | None) -> VennAbers | None:
    if (name or info.rule) == VOTES:
        return None
    if info.calibration is None or not info.calibration.points:
        raise ScreeningError(
            f"--rule calibrated expects a calibrated bundle, {info.name} is not: run `screening "
            "tune` on it, or use --rule votes"
        )
    return VennAbers(info.calibration.points)


def _told_by(
    venn_abers: VennAbers, rule: Rule, voted: Verdict, verdict: Verdict, votes: Votes
) -> Verdict:
    """Return the verdict with the calibrated label and confidence; see the module's top.

    `voted`: the same before the threshold for flag was asked.
    """
    sureness = venn_abers.sureness(votes.mean)
    low, high = venn_abers.interval(votes.mean)
    route, others = verdict.route, verdict.reasons[1:]
    share = votes.share if sureness.abnormal else 1 - votes.share
    kept_from = words.kept_from_flag
    if sureness.abnormal:
        route = FLAG if route == FLAG and low > 0.5 else REVIEW
    else:
        # Nobody asks why a picture that looks normal was not flagged.
        others, kept_from = voted.reasons[1:], words.kept_from_low_priority
        route = LOW_PRIORITY if route == LOW_PRIORITY and high < 0.5 else REVIEW
    if not Policy(rule.min_confidence).enough(share):
        others = (kept_from(share, rule.threshold, rule.min_confidence), *others)
    return replace(
        verdict,
        route=route,
        prediction=ABNORMAL if sureness.abnormal else NORMAL,
        votes=share,
        confidence=sureness.at_least,
        interval=(low, high),
        reasons=(words.by_calibration(route, low, high, rule.scope, rule.covers), *others),
    )


def _flagged_only_above(rule: Rule, verdict: Verdict) -> Verdict:
    """Send to review what has the votes against normal, but not those for flag."""
    if rule.flag_threshold is None or verdict.route != FLAG:
        return verdict
    share = float((verdict.p.astype(np.float64) >= rule.flag_threshold).mean())
    if Policy(rule.min_confidence).enough(share):
        return verdict
    reason = words.kept_from_flag(share, rule.flag_threshold, rule.min_confidence)
    return replace(verdict, route=REVIEW, reasons=(*verdict.reasons, reason))


def _pieces_counted(rule: Rule, reading: Reading | None) -> bool:
    """Whether so much is there more and less that pieces are likelier than a karyotype. Triploid
    and tetraploid cells are told by their ploidy, "3n", and have few changes besides."""
    if reading is None or rule.many_changes is None or not reading.whole:
        return False
    changes = reading.gains_and_losses
    untold = not changes and not reading.karyotypes  # more than are ever told
    return untold or len([one for one in changes if one[0] in "+-"]) >= rule.many_changes


def _doubts(rule: Rule, reading: Reading | None) -> tuple[str, ...]:
    """Return the doubts by the bundle's gates on the reading."""
    if reading is None:
        return ()
    doubts = []
    if reading.layout_score < rule.min_layout or not math.isfinite(reading.layout_score):
        doubts.append(words.OUT_OF_ORDER)
    if not reading.p_normal >= rule.min_p_normal:
        doubts.append(words.normal_improbable(reading.p_normal, rule.min_p_normal))
    return tuple(doubts)

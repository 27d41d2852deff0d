"""What another rule does to labelled cases: routes before and after, and who is less urgent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from screening.assess.labelled import LabelledCase, routes_along
from screening.classes import ABNORMAL, FLAG, LABELS, LOW_PRIORITY, NORMAL, REVIEW, ROUTES
from screening.record import Picture
from screening.triage.rule import Rule
from screening.words import first_of

NAMED = 20
"""How many cases `less_urgent_words` names before it only counts the rest."""


@dataclass(frozen=True)
class Rerouted:
    """One case, its label, and its routes by the rule before and after."""

    case: str
    label: str
    before: str
    after: str

    @property
    def less_urgent(self) -> bool:
        """Return whether the case comes later than before."""
        return ROUTES.index(self.after) > ROUTES.index(self.before)

    def __str__(self) -> str:
        return f"{self.case} ({self.label}): {self.before} → {self.after}"


def reroute(
    units: Sequence[LabelledCase], results: Mapping[str, Picture], before: Rule, after: Rule
) -> list[Rerouted]:
    """Return every case with its routes by the two rules."""
    routes = [_routes(units, results, rule) for rule in (before, after)]
    return [
        Rerouted(unit.name, ABNORMAL if unit.abnormal else NORMAL, *both)
        for unit, *both in zip(units, *routes, strict=True)
    ]


def counts(cases: Sequence[Rerouted]) -> list[tuple[str, str, int, int]]:
    """Return (label, route, cases before, cases after), normal cases first."""
    first = Counter((case.label, case.before) for case in cases)
    then = Counter((case.label, case.after) for case in cases)
    keys = [(label, route) for label in LABELS for route in ROUTES]
    return [(*key, first[key], then[key]) for key in keys]


def less_urgent_words(cases: Sequence[Rerouted]) -> str:
    """Return which cases come later than before, in words."""
    later = [case for case in cases if case.less_urgent]
    if not later:
        return "No case of the data becomes less urgent."
    verb = "case becomes" if len(later) == 1 else "cases become"
    return f"{len(later)} {verb} less urgent: {first_of(later, NAMED, '; ')}."


def looser(before: Rule, after: Rule) -> list[str]:
    """Return why a picture, of these or another, may become less urgent; empty when none can.

    With nothing but a lower threshold every pass that voted abnormal still does: what was flagged
    is flagged, and what was not low-priority is not.
    """
    found = []
    if after.threshold > before.threshold:
        found.append(f"the threshold rises from {before.threshold:.4g} to {after.threshold:.4g}")
    if _flags_at(after) > _flags_at(before):
        found.append(
            f"the threshold for flag rises from {_flags_at(before):.4g} to {_flags_at(after):.4g}"
        )
    if after.min_confidence != before.min_confidence:
        found.append(
            f"the minimum confidence is {after.min_confidence:g} instead of "
            f"{before.min_confidence:g}"
        )
    if after.name != before.name:
        found.append(f"the rule is {after.name} instead of {before.name}")
    elif after.venn_abers != before.venn_abers:
        found.append("the confidences come from other calibration cases")
    return found


def _flags_at(rule: Rule) -> float:
    return max(rule.threshold, rule.flag_threshold or 0.0)


def _routes(units: Sequence[LabelledCase], results: Mapping[str, Picture], rule: Rule) -> list[str]:
    last, flagged = routes_along(units, results, rule, (rule.threshold,))
    return [
        FLAG if flag else LOW_PRIORITY if low else REVIEW
        for low, flag in zip(last[:, 0], flagged[:, 0], strict=True)
    ]

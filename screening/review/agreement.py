"""How far readers agree: where they differ, and Cohen's kappa of every two of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from screening.review.verdicts import PersonVerdict


@dataclass(frozen=True)
class Agreement:
    """Two readers: on how many cells and cases both gave a verdict, on how many the same one, and
    Cohen's kappa (1960), None where it is not defined: both gave only one and the same."""

    first: str
    second: str
    both: int
    same: int
    kappa: float | None

    @property
    def raw(self) -> float:
        """Return the share (0–1) of the same verdicts."""
        return self.same / self.both


@dataclass(frozen=True)
class Disagreement:
    """One cell (or case, `image` "") on which the standing verdicts of readers differ; `iscn`: the
    decision is the same, the karyotypes are not."""

    case: str
    image: str
    verdicts: tuple[PersonVerdict, ...]
    iscn: bool = False


def agreements(standing: Iterable[PersonVerdict]) -> list[Agreement]:
    """Return the agreement of every two readers who judged something in common."""
    readers: dict[str, dict[tuple[str, str], PersonVerdict]] = {}
    names: dict[str, str] = {}
    for verdict in standing:
        reader = verdict.initials.casefold()
        names.setdefault(reader, verdict.initials)
        readers.setdefault(reader, {})[verdict.subject] = verdict
    found = []
    for first, second in itertools.combinations(sorted(readers), 2):
        common = sorted(readers[first].keys() & readers[second].keys())
        if common:
            one = [readers[first][subject].decision for subject in common]
            other = [readers[second][subject].decision for subject in common]
            same = sum(a == b for a, b in zip(one, other, strict=True))
            found.append(
                Agreement(names[first], names[second], len(common), same, _kappa(one, other))
            )
    return found


def disagreements(standing: Iterable[PersonVerdict]) -> list[Disagreement]:
    """Return the cells and cases on which readers differ, by case and image."""
    by_subject: dict[tuple[str, str], list[PersonVerdict]] = {}
    for verdict in standing:
        by_subject.setdefault(verdict.subject, []).append(verdict)
    found = []
    for (case, image), verdicts in sorted(by_subject.items()):
        ordered = tuple(sorted(verdicts, key=lambda each: each.initials.casefold()))
        if len({each.decision for each in ordered}) > 1:
            found.append(Disagreement(case, image, ordered))
        elif len({each.iscn for each in ordered if each.iscn}) > 1:
            found.append(Disagreement(case, image, ordered, iscn=True))
    return found


def _kappa(one: Sequence[str], other: Sequence[str]) -> float | None:
    """By hand: what the library loads for it takes a second, while the reader waits."""
    if len({*one, *other}) < 2:
        return None
    same = sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
    first, second = Counter(one), Counter(other)
    by_chance = sum(first[each] * second[each] for each in first) / len(one) ** 2
    return (same - by_chance) / (1 - by_chance)

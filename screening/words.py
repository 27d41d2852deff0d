"""Sentences that people read, each saying exactly what was judged, and numbers as they read them.

Whatever is said about a verdict, its probability, its scope, its chromosomes or its case comes from
here, so that no two places say two things. A sentence holds no "; ", which stands between the
reasons of a table. Numbers are never rounded towards certainty.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from screening.classes import FLAG, LABELLED, LOW_PRIORITY, NUMERICAL, REVIEW

if TYPE_CHECKING:
    from screening.bundle_schema import Scope
    from screening.record import PairChange, Structure

ABNORMALITY: Mapping[Scope, str] = {
    NUMERICAL: "a gain or loss of a whole chromosome",
    LABELLED: "what was labelled abnormal",
}
"""What abnormal means, by what the calibration and the certificate know of."""
NOT_JUDGED = "structural changes not judged"
MANY_UNSEEN = "no structural change seen, but many go unseen"
RESEARCH_USE = (
    "Research use only: suggestions for a person, not a diagnosis. Low priority means look later, "
    "never that a case is normal."
)
ICONS: Mapping[str, str] = {FLAG: "▲", REVIEW: "●", LOW_PRIORITY: "▽"}
START = "starting point"
"""Log-odds of abnormal before any evidence is heard: the intercept of the fusion."""
OF_A_TRIAL = (
    "this bundle comes from a trial (--smoke), which only shows that every step works: its routes "
    "and probabilities mean nothing, do not use them for real pictures"
)
NO_ANSWER = "the model gave no usable answer"
NOT_COUNTED = "the chromosomes were not counted"
OUT_OF_ORDER = "the chromosomes do not follow the order of a karyogram"


def scope_told(scope: Scope, covers: float | None = None) -> str:
    """Return what was judged, and what was not. `covers`: see `structure_covered`."""
    judged = {NUMERICAL: "gains and losses of whole chromosomes", LABELLED: ABNORMALITY[LABELLED]}
    also, smaller = "", ""
    if covers is not None and covers >= 1:
        also, smaller = ", large structural changes in part", "other "
    elif covers is not None:
        also = f", structural changes of about {percent(covers)} of a chromosome or more"
        smaller = "smaller "
    return (
        f"Judged: {judged[scope]}{also}, each picture as one G-banded cell. Not judged: {smaller}"
        "structural changes, mosaics, other stains."
    )


def structure_covered(covers: float | None) -> str:
    """Return what no sign of an abnormality says of structure: changes of at least `covers` (0–1)
    of a chromosome are looked for, 1: of no size are enough seen, None: none are looked for."""
    if covers is None:
        return NOT_JUDGED
    if covers >= 1:
        return MANY_UNSEEN
    return f"no structural change of about {percent(covers)} of a chromosome or more seen"


def meaning(route: str, scope: Scope, covers: float | None = None) -> str:
    """Return what a route means to a person."""
    return {
        FLAG: "looks abnormal: look at these first",
        REVIEW: "not sure, poor picture, or not judged",
        LOW_PRIORITY: f"no sign of {ABNORMALITY[scope]}, {structure_covered(covers)}: look later",
    }[route]


# Numbers.


def probability(p: float) -> str:
    """Return such as 0.97, never rounded up; <0.01 and >0.99 at the ends, for nothing is surer.

    ValueError for what is no probability.
    """
    p = _probable(p)
    if p < 0.01:
        return "<0.01"
    return ">0.99" if p >= 0.995 else rounded_down(p, 2)


def rounded_down(share: float, decimals: int = 3) -> str:
    """Return a guaranteed share as text, never rounded up."""
    return f"{math.floor(share * 10**decimals + 1e-9) / 10**decimals:.{decimals}f}"


def stated(p: float) -> str:
    """Return `probability` within a sentence: "a probability of 0.97", "above 0.99"."""
    short = probability(p)
    words = {"<": "a probability below ", ">": "a probability above "}
    return words[short[0]] + short[1:] if short[0] in words else f"a probability of {short}"


def interval(low: float, high: float) -> str:
    """Return "between 0.02 and 0.06", rounded outwards; the ends of the scale are 0 and 1."""
    if not _probable(low) <= _probable(high):
        raise ValueError(f"expected low <= high, received {low} and {high}")
    lower = "0" if low < 0.01 else rounded_down(min(low, 0.99), 2)
    upper = "1" if high > 0.99 else f"{max(math.ceil(100 * high - 1e-9), 1) / 100:.2f}"
    return f"about {lower}" if lower == upper else f"between {lower} and {upper}"


def percent(share: float) -> str:
    """Return a share (0–1) in percent, never rounded up: 99.6 % is not 100 %."""
    whole = math.floor(100 * _probable(share) + 1e-9)
    return "<1 %" if share and not whole else f"{whole} %"


def counted(n: int, noun: str) -> str:
    """Return "1 cell", "3 cells"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}{'es' if noun.endswith('s') else 's'}"


def first_of(names: Sequence[object], most: int, between: str = ", ") -> str:
    """Return the first `most` names, and how many more there are."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return between.join([*map(str, names[:most]), *more])


def adding_up(parts: Sequence[float]) -> tuple[tuple[str, ...], str]:
    """Return numbers with sign and one decimal, and their sum, such that the printed add up.

    Each lies less than 0.1 from its number (the method of largest remainders).
    """
    if not all(map(math.isfinite, parts)):
        raise ValueError(f"expected finite numbers, received {list(parts)}")
    tenths = [math.floor(10 * part) for part in parts]
    total = round(10 * math.fsum(parts))
    ups = sorted(range(len(parts)), key=lambda i: tenths[i] - 10 * parts[i])
    for i in ups[: total - sum(tenths)]:
        tenths[i] += 1
    return tuple(f"{n / 10:+.1f}" for n in tenths), f"{total / 10:+.1f}"


# Verdicts.


def abnormal_by_votes(votes: int, passes: int) -> str:
    """Return that enough passes voted abnormal."""
    return f"looks abnormal in {votes} of {counted(passes, 'pass')}"


def normal_by_votes(
    votes: int, passes: int, scope: Scope, covers: float | None = None, doubted: bool = False
) -> str:
    """Return that enough passes voted normal, and what normal covers; of structure nothing where
    something is `doubted` besides."""
    said = f"no sign of {ABNORMALITY[scope]} in {votes} of {counted(passes, 'pass')}"
    return said + _of_structure(covers, doubted)


def undecided(abnormal: int, passes: int, needed: int) -> str:
    """Return that too few passes agree."""
    return (
        f"the model does not know: {abnormal} of {counted(passes, 'pass')} "
        f"{'says' if abnormal == 1 else 'say'} abnormal, {needed} would have to agree"
    )


def by_calibration(
    route: str, low: float, high: float, scope: Scope, covers: float | None = None
) -> str:
    """Return what the calibration cases say: a probability of abnormal between `low` and `high`.

    ValueError for a flag unless abnormal is more probable than not all over the interval, for low
    priority unless normal is.
    """
    found = f"probability of {ABNORMALITY[scope]} {interval(low, high)}"
    if (route == FLAG and not low > 0.5) or (route == LOW_PRIORITY and not high < 0.5):
        raise ValueError(f"{route} does not go with a probability {interval(low, high)}")
    untold = _of_structure(covers, route != LOW_PRIORITY)
    if route == LOW_PRIORITY:
        return f"no sign of {ABNORMALITY[scope]}: probability {interval(low, high)}{untold}"
    if route == FLAG:
        return f"looks abnormal: {found}"
    if low > 0.5:
        return f"more probably abnormal than normal: {found}"
    said = "more probably normal than abnormal" if high < 0.5 else "cannot be told"
    return f"{said}: {found}{untold}"


def _of_structure(covers: float | None, doubted: bool) -> str:
    return "" if doubted and covers is not None else f", {structure_covered(covers)}"


def kept_from_flag(share: float, threshold: float, needed: float) -> str:
    """Return that too few passes reach the threshold for flag."""
    return (
        f"not surely enough to flag: {percent(share)} of the passes reach "
        f"{threshold:.4g}, {percent(needed)} would have to"
    )


def kept_from_low_priority(share: float, threshold: float, needed: float) -> str:
    """Return that too few passes stay under the threshold for low priority."""
    return (
        f"not surely enough for low priority: {percent(share)} of the passes stay under "
        f"{threshold:.4g}, {percent(needed)} would have to"
    )


def normal_improbable(p: float, least: float) -> str:
    """Return that the chromosomes do not make a normal complement probable enough."""
    if not 0 <= p <= 1:
        return "the probability of 46,XX or 46,XY is not known"
    return (
        f"46,XX or 46,XY has {stated(p)} by the chromosomes, low priority needs {least:.4g} or more"
    )


def objects_counted(found: int, expected: int) -> str:
    """Return that a picture shows another number of objects than a cell has chromosomes."""
    said = f"{counted(found, 'separate object')} of chromosome size, expected {expected}"
    if found > expected:
        return f"{said}: a chromosome too many, or a fragment?"
    return f"{said}: homologs that touch, or a missing chromosome?"


# Chromosomes of a cell.

NO_KARYOTYPE = "the chromosomes do not add up to a karyotype: too many gains and losses"
TONED_MARK = "a mark among the chromosomes is toned like one: a marker chromosome?"
UNREADABLE_ORDER = "the order of the chromosomes does not read as a karyogram"
UNORDERED_LENGTHS = "the lengths of the chromosomes do not fall in the order of a karyogram"
LEFT_OUT_CHROMOSOME = "an object left out may be a chromosome"
_COUNT_ONLY = (
    "gains and losses can be counted, but structural changes and the identity of chromosomes "
    "cannot be judged"
)
NO_BANDS = f"no G bands are seen: {_COUNT_ONLY}"
REVERSED_BANDS = f"the bands look reversed (R-banding?): {_COUNT_ONLY}"
BLURRED_BANDS = f"the bands are too blurred or too faint to be read: {_COUNT_ONLY}"
POOR_BANDS = "the bands are hard to read: count and places carry the reading"
PIECES = "too many gains and losses for one cell: were pieces or open chromatids counted?"
UNREADABLE_STRUCTURE = (
    "the bands are too hard to read for structural changes to be judged, gains and losses were"
)
PAIR_LEGEND = (
    "Straightened, the short arm up, at one scale. Between the two: the bands of the class. Orange "
    "beside a chromosome: where its bands look changed. Red beside the class: the stretch that "
    "differs, where it can be told."
)
_CHANGE = {
    "shorter": "one is shorter, as if {} were missing",
    "longer": "one is longer, at {}",
    "bands": "one has other bands at {}",
}


def structural_doubt(structure: Structure) -> str:
    """Return which homologs differ, how as far as it can be read, and what it may be together."""
    pairs = structure.pairs[: 2 if structure.suggestion else 1]
    told = " and ".join(pair_differs(pair) for pair in pairs)
    end = f": {structure.suggestion}?" if structure.suggestion else ": a structural change?"
    return f"{told}{end}"


def cells_that_differ(name: str, count: int, n: int) -> str:
    """Return in how many of a case's n cells homologs differ; 0: in all of them together only."""
    seen = f"two chromosomes {name} that differ"
    if not count:
        return f"{counted(n, 'cell')} together show {seen}"
    said = f"{count} of {counted(n, 'cell')} {'shows' if count == 1 else 'show'} {seen}"
    return f"{said} (in a single cell often a stretched or bent one)" if n > count == 1 else said


def pair_differs(pair: PairChange) -> str:
    """Return how the two homologs of a pair differ, without a name for it."""
    said = f"the two chromosomes {pair.name} differ"
    return f"{said} ({_CHANGE[pair.kind].format(pair.bands)})" if pair.kind else said


def pair_caption(pair: PairChange) -> str:
    """Return `pair_differs`, and how surely, for a picture of the two."""
    low, odds, high = (_odds(pair.log_odds + sign * pair.spread) for sign in (-1, 0, 1))
    sure = f"{odds}, mostly {low} to {high} over the passes"
    return f"{pair_differs(pair)}, log-odds of a change {sure}"


def not_a_cell(objects: int) -> str:
    """Return that what was found cannot be one cell."""
    return f"{counted(objects, 'object')} found: not the chromosomes of one whole cell"


def turned(orientation: str) -> str:
    """Return that the page stands as `orientation` says."""
    return f"the chromosomes stand as in a karyogram that is {orientation}"


def other_number(found: int, expected: int) -> str:
    """Return that the karyotype needs another number of chromosomes than were found."""
    return (
        f"{counted(found, 'chromosome')} found, {expected} expected: homologs that touch, or a "
        "chromosome that was not found"
    )


def doubtful(names: Sequence[str]) -> str:
    """Return which chromosomes are doubtful to read, few enough for low priority."""
    return f"doubtful to read: {_listed(names)}"


def too_doubtful(names: Sequence[str]) -> str:
    """Return which chromosomes could not be told, too many for low priority."""
    return f"{counted(len(names), 'chromosome')} could not be told: {_listed(names)}"


def rejected(objects: int) -> str:
    """Return how many objects were left out."""
    return f"{counted(objects, 'object')} left out: not one chromosome"


def too_rejected(objects: int) -> str:
    """Return how many objects were left out, too many for low priority."""
    verb = "does" if objects == 1 else "do"
    return f"{counted(objects, 'object')} {verb} not look like one chromosome"


def misplaced(name: str, position: str) -> str:
    """Return where a chromosome stands that reads as another class."""
    return f"a chromosome {name} stands in the position of {position}"


def stray(name: str, position: str) -> str:
    """Return what stands where it does not belong while its own position lacks it."""
    return (
        f"what reads as a chromosome {name} stands in the position of {position}, and the position "
        f"of {name} got nothing in exchange: a piece of another chromosome?"
    )


def too_misplaced(n: int) -> str:
    """Return how many chromosomes stand in another's position, too many for low priority."""
    return f"{counted(n, 'chromosome')} {'stands' if n == 1 else 'stand'} in another's position"


def karyotype(changes: Sequence[str], iscn: str, p: float) -> str:
    """Return the gains and losses of the most probable karyotype."""
    return f"{', '.join(changes)}: {iscn} with {stated(p)} by the chromosomes"


def printed_differs(printed: Sequence[str], iscn: str) -> str:
    """Return that another karyotype is printed on the picture than was read."""
    return f"printed on the picture is {' / '.join(printed)}, its chromosomes read as {iscn}"


# Cases and the page.


def case_summary(judged: int, abnormal: int, unread: int) -> str:
    """Return how many of the judged cells look abnormal, and how many were not judged."""
    if not judged:
        return "no picture could be judged"
    verb = "looks" if abnormal == 1 else "look"
    said = f"{abnormal} of {counted(judged, 'cell')} {verb} abnormal"
    return said + (f", {unread} more could not be judged" if unread else "")


def spread(mean: float, std: float, passes: int) -> str:
    """Return mean and spread of the score of the passes."""
    return f"{counted(passes, 'pass')}: mean {probability(mean)}, spread {probability(std)}"


def left_out(files: str) -> str:
    """Return which other files the folder holds, `files` in words."""
    return f"Other files, not read: {files}"


def turning_points(low: float, flag: float) -> str:
    """Return between which sums of log-odds a picture is for review."""
    return (
        f"Evidence speaks for low priority where the sum is under {_odds(low)}, for a flag from "
        f"{_odds(flag)} on."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name if n == 1 else f"{n} of {name}" for name, n in Counter(names).items())


def _odds(value: float) -> str:
    return "0" if abs(value) < 0.05 else f"{value:+.1f}"


def _probable(p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"expected a probability, 0 to 1, received {p}")
    return p

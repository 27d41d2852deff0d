"""Sentences of the reading room that hold numbers; those about a picture come from `words`."""

from __future__ import annotations

from screening import words
from screening.review.agreement import Agreement

BLIND = (
    "Blind reading: you see your own verdicts only. What readers differ in is told by `screening "
    "verdicts` when all have read."
)
NO_OUTLINES = "the record of an older version keeps no outlines: nothing can be straightened"
UNLIKE = "differs from its homolog"
NO_EVIDENCE = (
    "Counted from the classes alone: this record keeps too little for the evidence to be weighed "
    "anew. Screen the picture again with this version to have it."
)
REREAD = (
    "Weighed anew without the networks: the chromosomes that you named are held to be what you "
    "said, all others as the classifier saw them."
)
_STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (7, "day"), (52, "week"))


def age(seconds: float) -> str:
    """Return how long something has waited, in its largest unit: "3 days"; "just now" for less
    than a minute."""
    value = max(0.0, seconds)
    for size, unit in _STEPS:
        if value < size:
            return "just now" if unit == "second" else words.counted(int(value), unit)
        value /= size
    return words.counted(int(value), "year")


def read_so_far(read: int, cases: int) -> str:
    """Return how many cases were read: "12 of 50 read"."""
    return f"{read} of {cases} read"


def compared(log_odds: float) -> str:
    """Return how much the bands of two homologs speak for a structural change of one of them."""
    odds = "0" if abs(log_odds) < 0.05 else f"{log_odds:+.1f}"
    return (
        f"The reader of structure compared the two: log-odds {odds} that one is changed, less what "
        "all pairs of this cell have."
    )


def agreed(agreement: Agreement) -> str:
    """Return how far two readers agree, and Cohen's kappa where it is defined."""
    said = (
        f"{agreement.first} and {agreement.second}: the same verdict on {agreement.same} of "
        f"{words.counted(agreement.both, 'subject')}, {round(100 * agreement.raw)} %"
    )
    if agreement.kappa is None:
        return f"{said}, Cohen's kappa is not defined where both gave one verdict only"
    return f"{said}, Cohen's kappa {agreement.kappa:.2f}".replace("-0.00", "0.00")

"""What the words of the page mean under the rule that judged, and what the tool cannot see."""

from __future__ import annotations

from screening import words
from screening.bundle_schema import Scope
from screening.classes import FLAG, LOW_PRIORITY, REVIEW

LIMITS = (
    "any change of structure: translocations, inversions, deletions, duplications, balanced or not",
    "changes smaller than a band (about 5–10 million bases), such as microdeletions",
    "mosaics: each picture is judged as one cell, other cells of the same person may differ",
    "what a poor, crowded or wrongly arranged karyogram hides",
    "gains and losses of whole chromosomes that it misses: the model card says how often",
)
"""What the tool cannot see."""

NEEDS_SCRIPTS = (
    "Only the first rows are shown: the others need a browser of 2023 or later, with scripts "
    "allowed. Every row is in triage.csv, every case in the table above."
)
NO_KARYOTYPE = "no karyotype probable enough to suggest"
NO_ROOM = (
    "Pictures of single chromosomes are left out of so long a page: the reading room has them."
)
ONLY_FOUND = "Shown is only what was taken for a chromosome: one that was missed is not seen here."
PRINTED = "prints a line for each case, then a page for each one that is not of low priority"


def limits(covers: float | None = None) -> tuple[str, ...]:
    """Return what the tool cannot see; `covers`: from which part of a chromosome structural changes
    are looked for (1: from none with any promise, None: they are not)."""
    if covers is None:
        return LIMITS
    if covers >= 1:
        many = "many changes of structure, inversions and balanced translocations above all"
        return (f"{many}: the model card says how many were found", *LIMITS[1:])
    smaller = f"smaller than about {words.percent(covers)} of a chromosome"
    missed = "some of the larger ones are missed: the model card says how many"
    return (f"changes of structure {smaller}, and {missed}", *LIMITS[1:])


CHANGED = "show which positions the whole-picture network takes for changed"
CHANGED_MEANS = (
    "Redder: the more probable it holds a gain or a loss there (clear: none, full: certainly one). "
    "A place of its map is about as wide as a position, so that neighbours colour each other. It "
    "is no finding: the network takes normal positions for changed ones as well, on pages of "
    "laboratories unlike those that taught it above all."
)
LOOKED = "show where the whole-picture network looked"
LOOKED_MEANS = (
    "Redder: what the network that sees the whole picture found there speaks for abnormal "
    "(Grad-CAM of its last map, of which a place is several chromosomes wide). The colour compares "
    "places of this picture alone. It is no finding: that network errs more often than the count "
    "of the chromosomes, and what is not red may be changed as well."
)

_SAME = (
    " The network’s answer and the classes of the chromosomes differ; where chromosomes were "
    "found, cut apart and stand is the same in all: passes that agree say nothing of it."
)
_READ = (
    (
        "karyotypes that fit",
        "what the chromosomes found, and the positions they stand in, leave probable, given how "
        "common each karyotype is. One cell cannot show a mosaic.",
    ),
    (
        "doubtful",
        "a chromosome that cannot be named with certainty. Look at it before you believe the "
        "count of its class.",
    ),
    (
        "stands in another’s position",
        "it reads as another class than the position it was put in: perhaps only sorted wrongly.",
    ),
    (
        "what speaks for normal or abnormal",
        "how much each kind of evidence moves the score, in log-odds: +0.7 doubles the odds of "
        f"abnormal, -0.7 halves them. The {words.START} stands before any evidence is heard. All "
        "of them together are the sum.",
    ),
)

_COMPARED = (
    "homologs that differ",
    "the two chromosomes of a class are compared row by row, where a cell has exactly two: of a "
    "class with one, three or more nothing is said. A bend, an overlap or poor bands also make two "
    "look different: look at the figure before you believe it.",
)


def glossary(
    threshold: float,
    flag: float,
    needed: float,
    prevalence: float | None,
    p_normal: float | None,
    scope: Scope,
    covers: float | None = None,
    compared: bool = False,
) -> tuple[tuple[str, str], ...]:
    """Return what the words of the page mean under a rule, as (term, meaning).

    A pass votes abnormal from `threshold` on, for a flag from `flag` on, and a share `needed` of
    them must agree. `prevalence`: where calibrated probabilities hold (None: the rule of votes).
    `p_normal`: what the chromosomes must give 46,XX or 46,XY (None: no picture was read).
    `scope`: what abnormal means; `covers`: from which part of a chromosome structural changes are
    looked for (None: they are not); `compared`: whether homologs were compared.
    """
    agree = f"at least {words.percent(needed)} of the passes"
    above = "all of the probability’s interval lies above one half, and " if prevalence else ""
    seen = "exactly 46 separate chromosomes were counted"
    if p_normal is not None:
        seen = f"46,XX or 46,XY has a probability of {p_normal:.4g} or more by the chromosomes"
    entries = [
        (FLAG, f"{above}{agree} reach {flag:.4g}."),
        (REVIEW, "neither of the two, something is doubtful, or it could not be judged."),
        (
            LOW_PRIORITY,
            f"{above.replace('above', 'under')}{agree} stay under {threshold:.4g}, {seen}, and "
            f"nothing is doubtful: {words.structure_covered(covers)}. A person still decides.",
        ),
        (
            "pass",
            "the picture is judged many times, each time with other parts of the networks switched "
            "off by chance (Monte Carlo dropout). How far the passes differ says how steady the "
            f"answer is, not how often it is right.{_SAME if p_normal is not None else ''}",
        ),
    ]
    if prevalence:
        entries.append((
            "probability",
            f"of {words.ABNORMALITY[scope]}, by the calibration cases with such scores "
            "(Venn–Abers): it lies between the two ends. It holds where "
            f"{words.percent(prevalence)} of patients are abnormal, as among the calibration "
            "patients, and is too high where fewer are. The confidence in triage.csv is what the "
            "interval leaves the prediction at least.",
        ))  # fmt: skip
    else:
        entries.append(("confidence", "the share of the passes that agree with the prediction."))
    if p_normal is not None:
        entries += _READ
    if compared:
        entries.append(_COMPARED)
    return tuple(entries)

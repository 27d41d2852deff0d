"""What a bundle promises, in sentences: its certificate, and what it finds of structural changes.

Like all of `words`, of which this is a part, never surer than what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from screening import words
from screening.bundle_schema import EXPECTED_KINDS
from screening.classes import LABELLED, NUMERICAL

if TYPE_CHECKING:
    from screening.bundle_schema import CertificateInfo, Scope, StructureInfo

_CASES: Mapping[Scope, str] = {
    NUMERICAL: f"cases with {words.ABNORMALITY[NUMERICAL]}",
    LABELLED: "cases like those that were labelled abnormal",
}
_KINDS: Mapping[str, str] = {
    "del": "deletion", "dup": "duplication", "inv": "inversion", "t": "translocation",
    "i": "isochromosome", "rob": "Robertsonian translocation", "add": "addition",
}  # fmt: skip

_TIMES = {2: "second", 3: "third"}


def certificate_sentence(certificate: CertificateInfo | None) -> str:
    """Return what is promised, in words.

    The first sentence says when abnormalities were simulated, or the people looked at before.
    """
    if certificate is None:
        return (
            "No certificate: nothing is promised about how many abnormal cases are of low priority."
        )
    c = certificate
    earned = []
    if c.simulated == c.abnormal:
        earned.append("on simulated abnormalities, not on patients' own")
    elif c.simulated:
        earned.append(f"in part on simulated abnormalities ({c.simulated} of {c.abnormal})")
    if c.looks > 1:
        earned.append(
            f"at the {_TIMES.get(c.looks, f'{c.looks}th')} look at the same people (the confidence "
            "is that of a first look)"
        )
    first = f"Earned {', '.join(earned)}: at" if earned else "At"
    people = _people(c.patients)
    made = f"{c.composed} composed of single chromosomes, " if c.composed else ""
    text = (
        f"{first} least {words.rounded_down(c.recall)} of {_CASES[c.scope]} are not of low "
        f"priority, with {100 * c.confidence:g} % confidence "
        f"({words.counted(c.abnormal, 'abnormal case')} of {people}, {_missed(c)}; "
        f"{words.counted(c.normal, 'normal case')}, {made}{c.low_priority} of them of low "
        f"priority; "
        f"{c.method}; {c.date[:10]}, data {c.data_hash[:12]}). It holds for cases like those, "
        f"{words.counted(c.passes, 'pass')}, a minimum confidence of {c.min_confidence:g} or more."
    )
    if c.flag_threshold is not None and c.most_false_flags is not None:
        text += (
            f" At most {c.most_false_flags:g} of normal cases are flagged (threshold "
            f"{c.flag_threshold:.4f})."
        )
    return text


def structure_sentence(structure: StructureInfo | None) -> str:
    """Return all that is known of structural changes, in words: a sentence for each kind."""
    if structure is None:
        return f"Structure: {words.NOT_JUDGED}."
    head, *rows = structure_found(structure)
    said = [structure_promised(structure)]
    if rows:
        said.append(structure_origin(structure))
    for kind, *cells in rows:
        sizes = [f"{size}: {cell}" for size, cell in zip(head[1:], cells, strict=True) if cell]
        said.append(f"{kind[0].upper()}{kind[1:]}, {', '.join(sizes)}.")
    return " ".join([*said, structure_costs(structure)])


def structure_promised(structure: StructureInfo) -> str:
    """Return from which size on structural changes are surely not of low priority, or that none
    is."""
    enough, size = words.percent(structure.recall), structure.promised
    if structure.confidence is None:
        return (
            "Structure: no size is promised. These counts are of few cases, and how sure they are "
            "was not computed."
        )
    if size is None:
        return (
            "Structure: no size is promised. None is known from which on it is sure that "
            f"{enough} of the changes of each kind are kept from low priority."
        )
    kinds = [f"{_KINDS[kind]}s" for kind in EXPECTED_KINDS]
    return (
        f"Structure: at least {enough} of {', '.join(kinds[:-1])} and {kinds[-1]} of "
        f"{words.percent(size)} of a chromosome or more are not of low priority, "
        f"each kind with {100 * structure.confidence:g} % confidence."
    )


def structure_origin(structure: StructureInfo) -> str:
    """Return on what was counted how many changes are not of low priority."""
    bounds = ""
    if structure.confidence is not None:
        bounds = f" In brackets what holds with {100 * structure.confidence:g} % confidence."
    return (
        "How many are not of low priority, of changes simulated in cells of "
        f"{_people(structure.people)} of the calibration cases (none is a patient's own), by kind "
        f"and changed part of the chromosome.{bounds}"
    )


def structure_found(structure: StructureInfo) -> tuple[tuple[str, ...], ...]:
    """Return a table: its head, then of each kind how many changes of each size are not of low
    priority, in brackets the bound."""
    sizes = sorted({(one.low, one.high) for one in structure.found})
    by_kind: dict[str, dict[tuple[float, float], str]] = {kind: {} for kind in _KINDS}
    for one in structure.found:
        # Of less than one percent nothing is worth saying.
        least = one.bound or 0.0
        bound = f" (at least {words.percent(least)})" if least >= 0.01 else ""
        cells = by_kind.setdefault(one.kind, {})
        cells[one.low, one.high] = f"{one.raised} of {one.pages}{bound}"
    rows = [
        (_KINDS.get(kind, kind), *(cells.get(size, "") for size in sizes))
        for kind, cells in by_kind.items() if cells
    ]  # fmt: skip
    return (("kind", *(_range(*size) for size in sizes)), *rows)


def structure_costs(structure: StructureInfo) -> str:
    """Return how many normal cells are not of low priority for their structure alone."""
    s, bound = structure, ""
    if s.lost_bound is not None and s.confidence is not None:
        most = math.ceil(100 * s.lost_bound - 1e-9)
        bound = f" (at most {most} % of all such, with {100 * s.confidence:g} % confidence)"
    return (
        f"Of {words.counted(s.normal, 'normal cell')} {s.lost} {'is' if s.lost == 1 else 'are'} "
        f"not of low priority for the structure alone{bound}."
    )


def outside_certificate(certificate: CertificateInfo) -> str:
    """Return that a certificate does not hold for the settings of a run."""
    return (
        f"The certificate is for {words.counted(certificate.passes, 'pass')}, a threshold up to "
        f"{certificate.threshold:.4g} and a minimum confidence of "
        f"{certificate.min_confidence:g} or more: it does not cover these settings."
    )


def _range(low: float, high: float) -> str:
    first = words.percent(low)
    if high >= 1:
        return f"{first} or more"
    return f"{first.removesuffix(' %')}–{words.percent(high)}"


def _people(n: int) -> str:
    return "1 person" if n == 1 else f"{n} people"


def _missed(certificate: CertificateInfo) -> str:
    missed = certificate.missed
    if float(missed).is_integer():
        return f"{missed:.0f} missed"
    return f"{missed:.2f} missed when each patient counts by the share of its cases"

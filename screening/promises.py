"""What a bundle promises, in sentences: its certificate, and what it finds of structural changes.

Like all of `words`, of which this is a part, never surer than what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from screening import words
from screening.classes import LABELLED, NUMERICAL

if TYPE_CHECKING:
    from screening.bundle_schema import CertificateInfo, Scope, StructureInfo

_CASES: Mapping[Scope, str] = {
    NUMERICAL: f"cases with {words.ABNORMALITY[NUMERICAL]}",
    LABELLED: "cases like those that were labelled abnormal",
}
_LARGE = 0.25
"""Part of a chromosome from which on the finds are told where no size is promised."""

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
    """Return what is known of structural changes, in words."""
    if structure is None:
        return f"Structure: {words.NOT_JUDGED}."
    s = structure
    covered = [one for one in s.found if one.low >= (s.promised or _LARGE) - 1e-9]
    kinds: dict[str, list[int]] = {}
    for one in covered:
        counts = kinds.setdefault(one.kind, [0, 0])
        counts[0] += one.raised
        counts[1] += one.pages
    counted_kinds = ", ".join(f"{kind} {up} of {n}" for kind, (up, n) in sorted(kinds.items()))
    size = f"{words.percent(s.promised or _LARGE)} of a chromosome or more"
    if s.promised is None:
        first = (
            f"Structure: of no size is it known that {words.percent(s.recall)} of the changes of "
            "every kind are kept from low priority"
        )
    else:
        first = (
            f"Structure: of changes of about {size}, {words.percent(s.recall)} or more are not of "
            "low priority, the mean of the kinds"
        )
    found = f" Found of {size}: {counted_kinds}." if counted_kinds else ""
    return (
        f"{first}.{found} Counted on changes simulated in cells of {_people(s.people)} of the "
        f"calibration cases, without a bound. Of {words.counted(s.normal, 'normal cell')} {s.lost} "
        f"{'is' if s.lost == 1 else 'are'} not of low priority for the structure alone."
    )


def outside_certificate(certificate: CertificateInfo) -> str:
    """Return that a certificate does not hold for the settings of a run."""
    return (
        f"The certificate is for {words.counted(certificate.passes, 'pass')}, a threshold up to "
        f"{certificate.threshold:.4g} and a minimum confidence of "
        f"{certificate.min_confidence:g} or more: it does not cover these settings."
    )


def _people(n: int) -> str:
    return "1 person" if n == 1 else f"{n} people"


def _missed(certificate: CertificateInfo) -> str:
    missed = certificate.missed
    if float(missed).is_integer():
        return f"{missed:.0f} missed"
    return f"{missed:.2f} missed when each patient counts by the share of its cases"

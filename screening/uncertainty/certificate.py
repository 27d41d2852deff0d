"""The certificate of a bundle in words, and what it covers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from screening.bundle_schema import CertificateInfo, Scope
from screening.classes import LABELLED, NUMERICAL
from screening.uncertainty.risk_control import rounded_down
from screening.words import ABNORMALITY

_SCOPES: dict[Scope, str] = {
    NUMERICAL: f"cases with {ABNORMALITY[NUMERICAL]}",
    LABELLED: "cases like those that were labelled abnormal",
}
"""Of which cases a certificate promises something, in words."""
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
    text = (
        f"{first} least {rounded_down(c.recall)} of {_SCOPES[c.scope]} are not of low priority, "
        f"with {100 * c.confidence:g} % confidence ({c.abnormal} abnormal cases of {c.patients} "
        f"people, {_missed(c)}; {c.normal} normal cases, {_made(c)}{c.low_priority} of them of low "
        f"priority; {c.method}; {c.date[:10]}, data {c.data_hash[:12]}). "
        f"It holds for cases like those, {c.passes} passes, a minimum confidence of "
        f"{c.min_confidence:g} or more."
    )
    if c.flag_threshold is not None and c.most_false_flags is not None:
        text += (
            f" At most {c.most_false_flags:g} of normal cases are flagged (threshold "
            f"{c.flag_threshold:.4f})."
        )
    return text


def _made(certificate: CertificateInfo) -> str:
    composed = certificate.composed
    return f"{composed} composed of single chromosomes, " if composed else ""


def _missed(certificate: CertificateInfo) -> str:
    missed = certificate.missed
    if float(missed).is_integer():
        return f"{missed:.0f} missed"
    return f"{missed:.2f} missed when each patient counts by the share of its cases"


def certificate_covers(
    certificate: CertificateInfo, threshold: float, min_confidence: float, passes: int
) -> bool:
    """Return whether the promise holds for a run with these settings.

    A lower threshold or a higher minimum confidence only puts fewer cases last.
    """
    return (
        threshold <= certificate.threshold + 1e-9
        and min_confidence >= certificate.min_confidence - 1e-9
        and passes == certificate.passes
    )


def not_covered(
    certificate: CertificateInfo | None, threshold: float, min_confidence: float, passes: int
) -> str:
    """Return in words why the promise does not hold for these settings, "" when it does."""
    if certificate is None or certificate_covers(certificate, threshold, min_confidence, passes):
        return ""
    return (
        f"The certificate is for {certificate.passes} passes, a threshold up to "
        f"{certificate.threshold:.4f} and a minimum confidence of "
        f"{certificate.min_confidence:g} or more: it does not cover these settings."
    )


def data_hash(pictures: Iterable[tuple[str, str, str]]) -> str:
    """Return the sha256 of (file's sha256, label, case) of each picture, in any order."""
    lines = sorted("\t".join(picture) for picture in pictures)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

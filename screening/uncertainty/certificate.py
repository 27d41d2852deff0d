"""The certificate of a bundle in words, and what it covers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from screening.bundle_schema import CertificateInfo
from screening.uncertainty.risk_control import rounded_down


def certificate_sentence(certificate: CertificateInfo | None) -> str:
    """Return what is promised, in words; the first says so when abnormalities were simulated."""
    if certificate is None:
        return "No certificate: nothing is promised about how many abnormal cases are put last."
    c = certificate
    if c.simulated == c.abnormal:
        earned = "Earned on simulated abnormalities, not on patients' own: "
    elif c.simulated:
        earned = f"Earned in part on simulated abnormalities ({c.simulated} of {c.abnormal}): "
    else:
        earned = ""
    first = "at" if earned else "At"
    least = rounded_down(c.recall)
    text = (
        f"{earned}{first} least {least} of abnormal cases are not put last, with "
        f"{100 * c.confidence:g} % confidence ({c.abnormal} abnormal cases of {c.patients} "
        f"patients, {_missed(c)}; {c.normal} normal cases, {c.cleared} of them put last; "
        f"{c.method}; {c.date[:10]}, data {c.data_hash[:12]}). "
        f"It holds for cases like those, {c.passes} passes, a minimum confidence of "
        f"{c.min_confidence:g} or more."
    )
    if c.flag_threshold is not None and c.most_false_flags is not None:
        text += (
            f" At most {c.most_false_flags:g} of normal cases are flagged (threshold "
            f"{c.flag_threshold:.4f})."
        )
    return text


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

"""What the certificate of a bundle covers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from screening.bundle_schema import CertificateInfo
from screening.promises import outside_certificate


def certificate_covers(
    certificate: CertificateInfo, threshold: float, min_confidence: float, passes: int
) -> bool:
    """Return whether the promise holds for a run with these settings.

    A lower threshold or a higher minimum confidence only makes fewer cases low-priority.
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
    return outside_certificate(certificate)


def data_hash(pictures: Iterable[tuple[str, str, str]]) -> str:
    """Return the sha256 of (file's sha256, label, case) of each picture, in any order."""
    lines = sorted("\t".join(picture) for picture in pictures)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

"""The certificate in words, whom it covers, and what a bundle has seen before."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from screening.bundle_schema import BundleInfo, CalibrationInfo, CertificateInfo
from screening.uncertainty.certificate import (
    SEEN,
    case_hash,
    certificate_covers,
    certificate_sentence,
    data_hash,
    overlap,
    seen,
)

CERTIFICATE = CertificateInfo(
    recall=0.95, confidence=0.95, threshold=0.3, min_confidence=0.8, passes=100, normal=120,
    abnormal=60, patients=60, simulated=0, missed=0, cleared=101, bound=0.951,
    method="exact binomial", date="2026-11-21T10:00:00+00:00", data_hash="ab" * 32,
)  # fmt: skip


def test_the_sentence_names_promise_counts_and_date():
    text = certificate_sentence(CERTIFICATE)
    for part in ("At least 0.950", "95 % confidence", "60 abnormal", "120 normal", "2026-11-21"):
        assert part in text
    assert "imulated" not in text and "flagged" not in text


@pytest.mark.parametrize(("simulated", "words"), [(60, "Earned on simulated"), (20, "20 of 60")])
def test_simulated_abnormalities_are_named_first(simulated, words):
    text = certificate_sentence(CERTIFICATE.model_copy(update={"simulated": simulated}))
    assert text.startswith("Earned") and words in text.split(":")[0]


def test_no_certificate_promises_nothing():
    assert certificate_sentence(None).startswith("No certificate")


@pytest.mark.parametrize(
    ("threshold", "minimum", "passes", "covered"),
    [(0.3, 0.8, 100, True), (0.2, 0.95, 100, True), (0.31, 0.8, 100, False),
     (0.3, 0.7, 100, False), (0.3, 0.8, 50, False)],
)  # fmt: skip
def test_more_cautious_settings_are_covered_and_no_others(threshold, minimum, passes, covered):
    assert certificate_covers(CERTIFICATE, threshold, minimum, passes) is covered


def test_old_bundles_load_and_new_fields_round_trip():
    old = BundleInfo(name="old", created="2026-01-01", parts={})
    assert old.certificate is None and old.calibration is None
    new = old.model_copy(update={"certificate": CERTIFICATE})
    assert BundleInfo.model_validate_json(new.model_dump_json()) == new
    with pytest.raises(ValidationError):
        CertificateInfo(**{**CERTIFICATE.model_dump(), "recall": 1.5})


def test_data_hash_ignores_order_and_nothing_else():
    a, b = ("1" * 64, "normal", "x"), ("2" * 64, "abnormal", "y")
    assert data_hash([a, b]) == data_hash([b, a]) != data_hash([a])


def test_overlap_counts_what_trained_and_what_calibrated():
    info = BundleInfo(
        name="b", created="2026-01-01", parts={},
        data={SEEN: seen([("lab", "1"), ("lab", "1")], ["aa"])},
        calibration=CalibrationInfo(
            scaling={"kind": "identity"}, prevalence=0.5, scores={}, unread=0, pictures=2,
            images=("bb",), cases=(case_hash("lab", "2"),),
        ),
    )  # fmt: skip
    cases = [case_hash("lab", "1"), case_hash("lab", "2"), case_hash("other", "2")]
    assert overlap(info, ["aa", "bb", "cc", "cc"], cases) == (2, 2)
    assert overlap(BundleInfo(name="b", created="x", parts={}), ["aa"], cases) == (0, 0)

"""The certificate in words and whom it covers."""

from __future__ import annotations

import hashlib
import re

import pytest
from pydantic import ValidationError

from screening.bundle_schema import BundleInfo, CertificateInfo
from screening.promises import certificate_sentence
from screening.uncertainty.certificate import certificate_covers, data_hash, not_covered

CERTIFICATE = CertificateInfo(
    recall=0.95, confidence=0.95, threshold=0.3, min_confidence=0.8, passes=100, normal=120,
    abnormal=60, patients=60, simulated=0, missed=0, low_priority=101, bound=0.951,
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


@pytest.mark.parametrize(
    ("simulated", "looks", "opening"),
    [
        (0, 1, "At least"),
        (0, 2, "Earned at the second look at the same people (the confidence is that of a first "
         "look): at least"),
        (20, 3, "Earned in part on simulated abnormalities (20 of 60), at the third look at"),
        (60, 4, "Earned on simulated abnormalities, not on patients' own, at the 4th look at"),
    ],
)  # fmt: skip
def test_a_second_look_is_in_the_first_sentence(simulated, looks, opening):
    changes = {"simulated": simulated, "looks": looks}
    assert certificate_sentence(CERTIFICATE.model_copy(update=changes)).startswith(opening)


def test_the_sentence_promises_no_more_than_what_was_abnormal_in_the_data():
    text = certificate_sentence(CERTIFICATE.model_copy(update={"scope": "numerical"}))
    assert " 0.950 of cases with a gain or loss of a whole chromosome are not " in text


def test_normal_cases_that_were_composed_are_told():
    text = certificate_sentence(CERTIFICATE.model_copy(update={"composed": 90}))
    assert "; 120 normal cases, 90 composed of single chromosomes, 101 of them of low" in text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"recall": 0.952}, "recall: expected at most bound, 0.951, received 0.952"),
        ({"patients": 61}, "patients: expected at most abnormal, 60, received 61"),
        ({"simulated": 61}, "simulated: expected at most 60"),
        ({"composed": 121}, "composed: expected at most 120"),
        ({"low_priority": 121}, "low_priority: expected at most 120"),
        ({"missed": 61}, "missed: expected at most patients, 60"),
        ({"bound": 0.952}, "bound: expected at most 0.9513 of these patients"),
        ({"patients": 59}, "bound: expected at most 0.9505"),
        ({"flag_threshold": 0.2, "most_false_flags": 0.1}, "flag_threshold: expected at least"),
        ({"flag_threshold": 0.5}, "flag_threshold and most_false_flags: expected both or neither"),
        ({"most_false_flags": 0.5}, "flag_threshold and most_false_flags: expected both"),
        ({"looks": 0}, "looks"),
    ],
)
def test_a_certificate_that_nobody_can_have_earned_is_refused_by_field(changes, named):
    with pytest.raises(ValidationError, match=re.escape(named)):
        CertificateInfo(**{**CERTIFICATE.model_dump(), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"recall": 0.951, "bound": 0.951}, {"simulated": 60, "composed": 120},
        {"low_priority": 120, "missed": 60}, {"bound": 0.05 ** (1 / 60)},
        {"flag_threshold": 0.3, "most_false_flags": 0.1},
    ],
)  # fmt: skip
def test_a_certificate_at_its_limits_is_taken(changes):
    CertificateInfo(**{**CERTIFICATE.model_dump(), **changes})


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


def test_the_whole_sentence_is_what_was_promised_and_nothing_more():
    assert certificate_sentence(CERTIFICATE) == (
        "At least 0.950 of cases like those that were labelled abnormal are not of low priority, "
        "with 95 % confidence (60 abnormal cases of 60 people, 0 missed; 120 normal cases, 101 of "
        "them of low priority; exact binomial; 2026-11-21, data abababababab). It holds for cases "
        "like those, 100 passes, a minimum confidence of 0.8 or more."
    )


def test_false_flags_are_promised_only_with_both_their_threshold_and_their_share():
    both = {"flag_threshold": 0.75, "most_false_flags": 0.05}
    text = certificate_sentence(CERTIFICATE.model_copy(update=both))
    assert text.endswith(" At most 0.05 of normal cases are flagged (threshold 0.7500).")
    assert text.startswith(certificate_sentence(CERTIFICATE))
    for missing in both:
        half = CERTIFICATE.model_copy(update={**both, missing: None})
        assert certificate_sentence(half) == certificate_sentence(CERTIFICATE)


@pytest.mark.parametrize(
    ("missed", "words"),
    [(2.0, ", 2 missed;"),
     (2.5, ", 2.50 missed when each patient counts by the share of its cases;")],
)  # fmt: skip
def test_shares_of_patients_missed_are_named_as_shares(missed, words):
    assert words in certificate_sentence(CERTIFICATE.model_copy(update={"missed": missed}))


def test_a_rounding_error_is_covered_and_a_hundredth_is_not():
    assert certificate_covers(CERTIFICATE, 0.3 + 1e-12, 0.8 - 1e-12, 100)
    assert not certificate_covers(CERTIFICATE, 0.301, 0.8, 100)
    assert not certificate_covers(CERTIFICATE, 0.3, 0.799, 100)


def test_settings_that_are_not_covered_are_told_those_that_are():
    assert not_covered(None, 0.9, 0.1, 1) == ""
    assert not_covered(CERTIFICATE, 0.3, 0.8, 100) == ""
    assert not_covered(CERTIFICATE, 0.3, 0.8, 50) == (
        "The certificate is for 100 passes, a threshold up to 0.3 and a minimum confidence of "
        "0.8 or more: it does not cover these settings."
    )


def test_the_hash_of_the_data_is_that_of_its_lines():
    lines = f"{'1' * 64}\tnormal\tx\n{'2' * 64}\tabnormal\ty"
    pictures = [("2" * 64, "abnormal", "y"), ("1" * 64, "normal", "x")]
    assert data_hash(pictures) == hashlib.sha256(lines.encode()).hexdigest()

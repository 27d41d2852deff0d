"""What the reading room says with numbers in it, and how far readers are said to agree."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from screening.review import sentences
from screening.review.agreement import Agreement, agreements, disagreements
from screening.review.verdicts import DECISIONS, PersonVerdict

SAID = {
    "age": [(0,), (59,), (60,), (3600,), (7300,), (86400 * 3,), (86400 * 15,), (86400 * 800,)],
    "read_so_far": [(0, 1), (1, 1), (12, 50)],
    "compared": [(-3.04,), (0.01,), (4.5,)],
    "agreed": [
        (Agreement("AB", "CD", both, same, kappa),)
        for both, same, kappa in ((1, 0, 0.0), (1, 1, None), (12, 11, 0.814), (9, 9, 1.0))
    ],
}
GIVEN = PersonVerdict("c", "normal", "AB")


def functions() -> dict[str, object]:
    return {
        name: value for name, value in vars(sentences).items()
        if inspect.isfunction(value) and value.__module__ == sentences.__name__
    }  # fmt: skip


def test_every_sentence_is_english_for_any_number():
    assert set(functions()) == set(SAID)
    told = [functions()[name](*values) for name, cases in SAID.items() for values in cases]
    told += [text for name, text in vars(sentences).items() if name.isupper() and name[0] != "_"]
    for text in told:
        assert text == text.strip() and "  " not in text and "; " not in text
        assert not re.search(r"\b1 (?:hours|days|minutes|weeks|years|subjects)\b|-0\b|nan", text)
        assert not re.search(r"\b(?:0|[2-9]|\d\d+) (?:hour|day|minute|week|year|subject)\b", text)


def test_an_age_is_told_in_its_largest_unit():
    told = [sentences.age(seconds) for (seconds,) in SAID["age"]]
    assert told == [
        "just now", "just now", "1 minute", "1 hour", "2 hours", "3 days", "2 weeks", "2 years",
    ]  # fmt: skip


def test_kappa_is_that_of_cohens_own_table():
    """50 subjects, 20 and 15 agreed, 5 and 10 not: kappa 0.4."""
    pairs = [("normal", "normal")] * 20 + [("normal", "abnormal")] * 5
    pairs += [("abnormal", "normal")] * 10 + [("abnormal", "abnormal")] * 15
    given = [
        replace(GIVEN, case=str(i), decision=decision, initials=initials)
        for i, pair in enumerate(pairs)
        for decision, initials in zip(pair, ("AB", "cd"), strict=True)
    ]
    (found,) = agreements([*given, replace(GIVEN, case="only one")])
    assert (found.first, found.second, found.both, found.same) == ("AB", "cd", 50, 35)
    assert found.kappa == pytest.approx(0.4) and "kappa 0.40" in sentences.agreed(found)
    assert len(disagreements(given)) == 15
    (one,) = agreements(given[:4])
    assert one.kappa is None and "not defined" in sentences.agreed(one)


def test_kappa_is_that_of_the_library_too():
    rng = np.random.default_rng(0)
    for count in (2, 3, 9, 40):
        one, other = rng.choice(DECISIONS, (2, count))
        given = [
            replace(GIVEN, case=str(i), decision=str(said[i]), initials=initials)
            for initials, said in (("AB", one), ("CD", other))
            for i in range(count)
        ]
        (found,) = agreements(given)
        assert found.kappa == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


def test_another_karyotype_under_the_same_decision_is_a_disagreement():
    one = replace(GIVEN, decision="abnormal", iscn="47,XX,+21")
    other = replace(one, initials="CD", iscn="47,XX,+22")
    (found,) = disagreements([one, other])
    assert found.iscn and not disagreements([one, replace(other, iscn="")])

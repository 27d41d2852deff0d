"""Every sentence, for extreme values: true as it stands, and English."""

from __future__ import annotations

import inspect
import itertools
import math
import re

import pytest
from pydantic import ValidationError

from screening import promises, words
from screening.bundle_schema import EXPECTED_KINDS, CertificateInfo, StructureFound, StructureInfo
from screening.classes import FLAG, LABELLED, LOW_PRIORITY, NUMERICAL, REVIEW, ROUTES
from screening.metrics import proportion
from screening.record import PairChange, Structure
from screening.report import glossary

PROBABILITIES = (0.0, 1e-9, 0.004, 0.01, 0.29, 0.5, 0.8999, 0.949, 0.99, 0.9949, 0.9999, 1.0)
SCOPES = (NUMERICAL, LABELLED)
COVERS = (None, 0.25, 1.0)
COUNTS = (0, 1, 2, 46)
INTERVALS = [(a, b) for a in PROBABILITIES for b in PROBABILITIES if a <= b]
NAMES = (["21"], ["21", "21"], ["21", "22", "21"])
NO_PROBABILITY = (float("nan"), -0.001, 1.001, math.inf, -math.inf)


def allowed(route: str, low: float, high: float) -> bool:
    return (route != FLAG or low > 0.5) and (route != LOW_PRIORITY or high < 0.5)


CERTIFICATES = list(itertools.product((0, 1), (1, 2, 4), (0.0, 1.0, 0.5), (None, 0.01), SCOPES))


def certificate(
    n: int, simulated: int = 0, looks: int = 1, missed: float = 0.0,
    flagged: float | None = None, scope: str = NUMERICAL,
) -> CertificateInfo:  # fmt: skip
    """A certificate earned with `n` people, cases and passes."""
    return CertificateInfo.model_construct(
        recall=0.9399, confidence=0.95, threshold=0.0312, min_confidence=0.8, passes=n, normal=n,
        abnormal=n, patients=n, simulated=simulated, looks=looks, missed=missed, low_priority=n,
        bound=0.94, method="exact binomial", date="2026-11-21T10:00:00+00:00",
        data_hash="ab" * 32, scope=scope, composed=simulated, flag_threshold=flagged,
        most_false_flags=flagged,
    )  # fmt: skip


def pair(kind: str, name: str = "9") -> PairChange:
    return PairChange(name, 0, 1, 0, 5.0, 1.0, kind, 0.5, 1.0, "q22 to q34" * bool(kind))


def structure(kind: str, suggestion: str = "") -> Structure:
    return Structure(9.0, 0.8, 22, (pair(kind), pair(kind, "22")), suggestion)


STRUCTURES = [("",), ("shorter",), ("longer", "t(9;22)(q34;q11.2)")]


def covered(n: int, covers: float | None, bounded: bool = True) -> StructureInfo:
    bound = proportion(n, n, 0.9).low if bounded else None
    more = {"confidence": 0.95, "lost_bound": 1.0} if bounded else {}
    found = [
        StructureFound(kind=kind, low=low, high=high, pages=n, raised=n, bound=bound)
        for low, high in ((0.1, 0.25), (0.25, 0.5), (0.5, 2)) for kind in EXPECTED_KINDS
    ]  # fmt: skip
    return StructureInfo(
        covers=covers, recall=0.8, people=n, normal=n, lost=n, found=tuple(found), **more
    )


COVERED = [
    (n, covers, bounded) for n in (1, 2, 46) for covers in COVERS[:-1] for bounded in (False, True)
    if n == 46 or not bounded or covers is None
]  # fmt: skip
SENTENCES: dict[str, list[tuple[object, ...]]] = {
    "probability": [(p,) for p in PROBABILITIES],
    "stated": [(p,) for p in PROBABILITIES],
    "interval": INTERVALS,
    "percent": [(p,) for p in PROBABILITIES],
    "first_of": [(["a", "b", "c"], most) for most in (1, 2, 3)],
    "counted": itertools.product(COUNTS, ("cell", "pass")),
    "adding_up": [],  # numbers, below
    "abnormal_by_votes": [(n, n) for n in COUNTS],
    "normal_by_votes": itertools.product(COUNTS, COUNTS[-1:], SCOPES, COVERS, (False, True)),
    "scope_told": itertools.product(SCOPES, COVERS),
    "structure_covered": [(covers,) for covers in COVERS],
    "structural_doubt": [(structure(*each),) for each in STRUCTURES],
    "cells_that_differ": [("9", count, n) for count, n in ((1, 1), (1, 7), (3, 7), (0, 2))],
    "pair_differs": [(pair(kind),) for kind in ("", "shorter", "longer", "bands")],
    "pair_caption": [(pair(kind),) for kind in ("", "shorter", "longer", "bands")],
    "meaning": itertools.product(ROUTES, SCOPES, COVERS),
    "undecided": itertools.product(COUNTS, COUNTS[1:], COUNTS),
    "by_calibration": [
        (route, *ends, scope, covers)
        for route, ends, scope, covers in itertools.product(ROUTES, INTERVALS, SCOPES, COVERS)
        if allowed(route, *ends)
    ],
    "kept_from_flag": itertools.product(PROBABILITIES, (0.0001, 0.04, 0.9997), (0.5, 0.8, 1.0)),
    "kept_from_low_priority": itertools.product(PROBABILITIES, (0.0001, 0.9997), (0.5, 1.0)),
    "normal_improbable": itertools.product((*PROBABILITIES, *NO_PROBABILITY), (0.5, 0.9, 0.995)),
    "objects_counted": itertools.product(COUNTS, (46,)),
    "not_a_cell": [(n,) for n in COUNTS],
    "turned": [("upside down",)],
    "other_number": itertools.product(COUNTS, (45, 46)),
    "doubtful": [(names,) for names in NAMES],
    "too_doubtful": [(names,) for names in NAMES],
    "rejected": [(n,) for n in COUNTS],
    "too_rejected": [(n,) for n in COUNTS],
    "misplaced": [("21", "22")],
    "stray": [("21", "X")],
    "too_misplaced": [(n,) for n in COUNTS],
    "printed_differs": [(("47,XX,+21",), "46,XX"), (("47,XY,+8", "46,XY"), "45,X")],
    "karyotype": itertools.product((("+21",), ("-X", "+8")), ("47,XX,+21",), PROBABILITIES),
    "spread": [(p, min(p, 0.5), n) for p in PROBABILITIES for n in COUNTS],
    "left_out": [("2 (2 .csv), such as a.csv",)],
    "turning_points": itertools.product((-9.2, -3.178, -0.04), (-0.01, 0.0, 8.1)),
    "glossary": itertools.product(
        (0.0001, 0.04),
        (0.5, 0.9997),
        (0.5, 1.0),
        (None, 0.004, 0.5072),
        (None, 0.5),
        SCOPES,
        COVERS,
        (False, True),
    ),
    "limits": [],  # a list of lines, in the test of the page
    "rounded_down": [(p, n) for p in PROBABILITIES[4:-1] for n in (2, 3)],
    "certificate_sentence": [
        (None,),
        *((certificate(n, *more),) for n in (1, 2) for more in CERTIFICATES),
    ],
    "structure_sentence": [(None,), *((covered(*each),) for each in COVERED)],
    **{
        name: [(covered(*each),) for each in COVERED]
        for name in ("structure_promised", "structure_origin", "structure_found", "structure_costs")
    },
    "outside_certificate": [(certificate(n),) for n in (1, 100)],
    "case_summary": itertools.product(COUNTS, COUNTS, COUNTS),
}
FUNCTIONS = {
    name: value
    for module in (words, promises, glossary)
    for name, value in vars(module).items()
    if inspect.isfunction(value)
    and not name.startswith("_")
    and value.__module__ == module.__name__
}
CONSTANTS = [
    text for name, value in (vars(words) | vars(promises) | vars(glossary)).items()
    if name.isupper() and name[0] != "_" and not isinstance(value, bool)
    for text in ([value] if isinstance(value, str) else
                 value.values() if isinstance(value, dict) else value)
]  # fmt: skip
PLURALS = re.compile(
    r"\b1 (?:more )?(?:\w+ )?(?:cells|passes|objects|chromosomes|pictures|cases)\b"
    r"|\b(?:0|[2-9]|\d\d+) (?:separate )?(?:cell|pass|object|chromosome|picture|case)\b"
    r"|\b1 chromosome (?:stand|do) |\b1 object do |\b(?:[02-9]|\d\d+) \w+ (?:stands|does)\b"
    r"|\b1 of \d+ \w+ (?:look|say|show) |\b(?:[02-9]|\d\d+) of \d+ \w+ (?:looks|says|shows) "
)


def rendered() -> list[str]:
    sentences = list(CONSTANTS)
    for name, cases in SENTENCES.items():
        for case in cases:
            said = FUNCTIONS[name](*case)
            sentences += (
                [said] if isinstance(said, str) else [text for pair in said for text in pair]
            )
    return sentences


def test_every_sentence_is_rendered_here():
    assert set(SENTENCES) == set(FUNCTIONS)


def test_no_sentence_is_surer_than_anything_can_be():
    sure = re.compile(r"\b[01]\.0+\b(?!\d)|only 0|nan|inf\b|-0\b(?!\.)|probability at least")
    for sentence in rendered():
        assert not sure.search(sentence), sentence


def test_every_sentence_is_one_reason_in_english():
    for sentence in rendered():
        assert sentence == sentence.strip() and "  " not in sentence
        assert "; " not in sentence or sentence.startswith(("At least", "Earned"))
        assert not PLURALS.search(sentence), sentence
        assert not re.search(r"put last|cleared|slot", sentence), sentence


def test_nothing_is_called_normal_without_what_normal_covers():
    calm = re.compile(r"no sign|normal than abnormal|cannot be told:")
    judged = [s for s in rendered() if calm.search(s)]
    assert len(judged) > 50
    for sentence in judged:
        doubted = sentence.startswith(("more probably", "cannot be told")) or "passes" in sentence
        assert doubted or "structural change" in sentence
        assert any(what in sentence for what in words.ABNORMALITY.values())
    assert not any(re.search("looks? normal", sentence) for sentence in rendered())


@pytest.mark.parametrize("covers", COVERS)
def test_normal_says_what_it_covers_of_structure(covers):
    covered = words.structure_covered(covers)
    assert ("25 %" in covered) == (covers == 0.25)
    assert ("many go unseen" in covered) == (covers == 1.0)
    assert covered in words.normal_by_votes(9, 10, NUMERICAL, covers)
    assert covered in words.by_calibration(LOW_PRIORITY, 0.0, 0.04, NUMERICAL, covers)
    assert covered in words.meaning(LOW_PRIORITY, NUMERICAL, covers)
    # Where a person looks anyway, nothing may be said to be free of what is doubted there.
    for said in (
        words.normal_by_votes(9, 10, NUMERICAL, covers, doubted=True),
        words.by_calibration(REVIEW, 0.0, 0.04, NUMERICAL, covers),
    ):
        assert "seen" not in said and (words.NOT_JUDGED in said) == (covers is None)


def test_a_size_is_promised_only_when_every_kind_was_looked_for():
    known = covered(14, 0.25)
    assert known.promised == 0.25
    said = promises.structure_sentence(known)
    assert "translocations of 25 % of a chromosome or more are not of low priority" in said
    assert "each kind with 95 % confidence" in said
    assert "Deletion, 10–25 %: 14 of 14 (at least 80 %), 25–50 %: 14 of 14" in said
    for fewer in ("found", "covers"):
        content = known.model_dump() | {"found": known.found[:4]}
        with pytest.raises(ValidationError, match="covers: .* not so del, dup, inv, t"):
            StructureInfo(**content | ({"covers": 0.5} if fewer == "covers" else {}))
    with pytest.raises(ValidationError, match="for each kind"):
        covered(13, 0.25)
    with pytest.raises(ValidationError, match="bound of del: expected at most 0.8074"):
        one = known.found[0].model_copy(update={"bound": 0.9})
        StructureInfo(**known.model_dump() | {"found": [one], "covers": None})
    none = covered(14, None)
    assert none.promised is None and "no size is promised" in promises.structure_sentence(none)


def test_an_older_bundle_without_bounds_is_read_and_promises_nothing():
    older = covered(46, 0.25, bounded=False)
    assert older.promised is None
    said = promises.structure_sentence(older)
    assert "not computed" in said and "at least" not in said and "confidence" not in said
    assert "Inversion, 10–25 %: 46 of 46" in said


def test_a_structural_doubt_tells_the_pair_and_what_it_may_be():
    said = words.structural_doubt(structure("longer", "t(9;22)(q34;q11.2)"))
    assert said.endswith(": t(9;22)(q34;q11.2)?") and "chromosomes 9" in said
    assert "chromosomes 22" in said and "one is longer, at q22 to q34" in said
    said = words.structural_doubt(structure("shorter"))
    assert "as if q22 to q34 were missing" in said and said.endswith("a structural change?")


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_a_verdict_never_contradicts_its_probability(low, high):
    said = words.by_calibration(REVIEW, low, high, NUMERICAL)
    assert ("more probably abnormal" in said) == (low > 0.5)
    assert ("more probably normal" in said) == (high < 0.5)
    assert words.interval(low, high) in said
    for route in (FLAG, LOW_PRIORITY):
        if allowed(route, low, high):
            assert words.interval(low, high) in words.by_calibration(route, low, high, NUMERICAL)
        else:
            with pytest.raises(ValueError, match="does not go with"):
                words.by_calibration(route, low, high, NUMERICAL)


@pytest.mark.parametrize("p", NO_PROBABILITY)
def test_what_is_no_probability_is_refused(p):
    for render in (words.probability, words.stated, words.percent):
        with pytest.raises(ValueError, match="expected a probability"):
            render(p)
    for ends in ((p, 0.5), (0.5, p), (p, p)):
        with pytest.raises(ValueError, match="expected"):
            words.interval(*ends)
    assert words.normal_improbable(p, 0.9) == "the probability of 46,XX or 46,XY is not known"
    with pytest.raises(ValueError, match="low <= high"):
        words.interval(0.6, 0.5)


def test_numbers_are_rounded_away_from_certainty():
    shown = [words.probability(p) for p in PROBABILITIES]
    assert shown == ["<0.01", "<0.01", "<0.01", "0.01", "0.29", "0.50", "0.89", "0.94", "0.99",
                     "0.99", ">0.99", ">0.99"]  # fmt: skip
    assert words.stated(0.97) == "a probability of 0.97"
    assert words.stated(1) == "a probability above 0.99"
    assert words.stated(0) == "a probability below 0.01"
    assert words.rounded_down(0.92999) == "0.929" and words.rounded_down(0.95) == "0.950"
    assert words.interval(0.0201, 0.0599) == "between 0.02 and 0.06"
    assert words.interval(0.02, 0.06) == "between 0.02 and 0.06"
    assert words.interval(0, 0.001) == "between 0 and 0.01"
    assert words.interval(0.9999, 1) == "between 0.99 and 1"
    assert words.interval(0.5, 0.5) == "about 0.50" and words.interval(0, 1) == "between 0 and 1"
    assert [words.percent(p) for p in (0, 1e-9, 0.29, 0.996, 1)] == [
        "0 %", "<1 %", "29 %", "99 %", "100 %",
    ]  # fmt: skip
    for low, high in INTERVALS:
        ends = [float(end) for end in re.findall(r"[\d.]+", words.interval(low, high))]
        assert ends[0] <= low + 1e-9 and high - 1e-9 <= ends[-1]


@pytest.mark.parametrize(
    "parts",
    [(), (0.0,), (1.97, 0.43, -5.41), (0.04, 0.04, 0.04), (-0.05, 0.05), (-8.0, 8.0, 1e-12),
     (0.25, 0.25, 0.25, 0.25), (1.97, *[-0.149] * 9)],
)  # fmt: skip
def test_printed_parts_add_up_to_the_printed_sum(parts):
    shown, total = words.adding_up(parts)
    assert math.isclose(sum(map(float, shown)), float(total), abs_tol=1e-9)
    assert abs(float(total) - sum(parts)) <= 0.05 + 1e-9
    assert all(abs(float(text) - part) < 0.1 for text, part in zip(shown, parts, strict=True))
    for odd in NO_PROBABILITY[:1] + NO_PROBABILITY[3:]:
        with pytest.raises(ValueError, match="finite"):
            words.adding_up((*parts, odd))

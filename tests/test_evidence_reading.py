"""The reading of a cell: exact against brute force, right on known pages, humble on odd ones."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict

import numpy as np
import pytest

from evidence_pages import chromosomes, draw, say
from screening.classes import CHROMOSOMES, class_index
from screening.evidence import reading, witness
from screening.evidence.assignment import MARKER, NOTHING, OPTIONS, PAIRS, assignment_sums
from screening.evidence.karyotypes import COLUMNS, iscn_of, log_prior
from screening.evidence.reading import read_cell
from screening.evidence.slots import Page
from screening.evidence.weights import tilted
from screening.evidence.witnesses import KNOWN
from screening.reading_settings import Assignment, Rates, ReadingSettings
from screening.record import Picture, Reading

SETTINGS = ReadingSettings()


def heard(got: Reading, page: Page) -> witness.Testimony:
    """What the witnesses say of a reading whose chromosomes nobody has a picture of."""
    return witness.hear(KNOWN, witness.Sight(reading=got, page=page), SETTINGS)


def increments(option: int) -> np.ndarray:
    one = np.zeros(25, int)
    if option < NOTHING:
        one[option] = 1
    elif option >= PAIRS:
        one[option - PAIRS] = 2
    return one


def brute_force(weights: np.ndarray) -> dict[tuple[int, ...], float]:
    """Every assignment of every object, summed by the counts that it amounts to."""
    total: dict[tuple[int, ...], float] = defaultdict(float)
    options = [np.flatnonzero(row > 0) for row in weights]
    for choice in itertools.product(*options):
        counts = sum((increments(o) for o in choice), np.zeros(25, int))
        total[tuple(counts)] += float(np.prod([w[o] for w, o in zip(weights, choice, strict=True)]))
    return total


@pytest.mark.parametrize("seed", range(5))
def test_sums_equal_those_over_all_assignments(seed):
    rng = np.random.default_rng(seed)
    weights = np.zeros((6, OPTIONS))
    for row in weights:
        some = rng.choice([0, 1, 2, 3, MARKER, NOTHING, PAIRS, PAIRS + 2], 5, replace=False)
        row[some] = rng.uniform(0.01, 1, 5)
    expected = brute_force(weights)
    got = assignment_sums(weights, Assignment(states=10_000))
    sums = {tuple(c): np.exp(w) for c, w in zip(got.counts, got.log_weight, strict=True)}
    assert set(sums) == set(expected)
    for counts, value in expected.items():
        assert sums[counts] == pytest.approx(value, rel=1e-9)
    assert (np.diff(got.log_weight) <= 1e-12).all()


def test_few_states_keep_the_heaviest_and_never_add_weight():
    rng = np.random.default_rng(1)
    weights = np.zeros((12, OPTIONS))
    weights[:, :8] = rng.dirichlet(np.full(8, 0.3), 12)
    full, few = (assignment_sums(weights, Assignment(states=states)) for states in (100_000, 300))
    assert np.exp(few.log_weight).sum() <= np.exp(full.log_weight).sum() + 1e-9
    best = {tuple(c): w for c, w in zip(few.counts, few.log_weight, strict=True)}
    for counts, weight in zip(full.counts[:5], full.log_weight[:5], strict=True):
        assert best[tuple(counts)] == pytest.approx(weight, abs=0.3)


def test_posterior_equals_brute_force_times_prior():
    weights = np.zeros((47, OPTIONS))
    names = chromosomes("+21")
    for row, name in zip(weights, names, strict=True):
        row[class_index(name)] = 1.0
    for i, others in {3: (1, NOTHING), 20: (11, 22), 40: (MARKER,), 46: (21, NOTHING, MARKER),
                      12: (7, PAIRS + 6)}.items():  # fmt: skip
        weights[i, list(others)] = 0.07 * (np.arange(len(others)) + 1)
    expected = brute_force(weights)
    counts = np.array(list(expected))
    log_weight = np.log(list(expected.values())) + log_prior(counts, SETTINGS.prior)
    posterior = np.exp(log_weight - np.logaddexp.reduce(log_weight))
    wanted = {tuple(c): p for c, p in zip(counts, posterior, strict=True)}
    got_counts, got = reading.posterior_of(weights, ReadingSettings(rates=Rates(missed=1e-30)))
    for c, p in zip(got_counts, got, strict=True):
        assert p == pytest.approx(wanted.get(tuple(c), 0.0), abs=1e-9)
    assert got.sum() == pytest.approx(1)


def test_objects_nobody_can_refuse():
    with pytest.raises(ValueError, match="weights"):
        assignment_sums(np.ones((3, 4)), Assignment())
    with pytest.raises(ValueError, match="at least one"):
        assignment_sums(np.zeros((1, OPTIONS)), Assignment())
    with pytest.raises(ValueError, match="objects"):
        read_cell(np.ones((3, 25)), Page(np.ones((2, 4)), np.zeros(2)), None, SETTINGS)


def test_scaling_to_the_counts_decides_between_twins():
    weights = np.full((2, OPTIONS), 1e-300)
    weights[0, [0, 1]] = 0.6, 0.4
    weights[1, [0, 1]] = 0.9, 0.1
    expected = np.zeros(25)
    expected[[0, 1]] = 1
    q = tilted(weights, expected)
    assert q[0, 1] > 0.6 and q[1, 0] > 0.6
    assert np.allclose(q.sum(1), 1)


CASES = [
    ("", "XX", "46,XX"), ("", "XY", "46,XY"), ("+21", "XY", "47,XY,+21"), ("-7", "XX", "45,XX,-7"),
    ("+1", "XX", "47,XX,+1"), ("", "X", "45,X"), ("", "XXY", "47,XXY"), ("", "XYY", "47,XYY"),
    ("", "XXX", "47,XXX"), ("+18 -21", "XX", "46,XX,+18,-21"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "sex", "iscn"), CASES)
@pytest.mark.parametrize("accuracy", [1.0, 0.65])
def test_known_pages(change, sex, iscn, accuracy):
    drawn = draw(chromosomes(change, sex))
    got = read_cell(say(drawn.names, accuracy), drawn.page, drawn.lengths, SETTINGS)
    assert got.karyotypes[0][0] == iscn
    assert sum(p for _, p in got.karyotypes) <= 1 + 1e-9
    assert [p for _, p in got.karyotypes] == sorted((p for _, p in got.karyotypes), reverse=True)
    assert (got.p_normal > 0.95) == (iscn in ("46,XX", "46,XY"))
    assert got.p_normal < 0.3 or got.p_normal > 0.95
    right = np.mean([o.name == n for o, n in zip(got.chromosomes, drawn.names, strict=True)])
    assert right > 0.97
    assert {c for c in got.gains_and_losses if c[1:] not in "XY"} == set(change.split())
    if accuracy == 1:
        assert not heard(got, drawn.page).doubts and got.layout_score > 0.95
        assert got.iscn == (iscn if got.karyotypes[0][1] >= 0.9 else "")
        assert got.misread_rate <= 0.05
    else:
        assert got.misread_rate >= 0.2


def test_triploid_tetraploid_and_markers():
    for names, iscn in ((sorted([*CHROMOSOMES[:22]] * 3 + list("XXY"), key=CHROMOSOMES.index),
                         "69,XXY"), (chromosomes() * 2, "92,XXXX")):  # fmt: skip
        drawn = draw(names)
        got = read_cell(say(drawn.names), drawn.page, None, SETTINGS)
        assert got.karyotypes[0][0] == iscn and got.p_normal < 1e-6
    drawn = draw(chromosomes("+mar"))
    got = read_cell(say(drawn.names), drawn.page, None, SETTINGS)
    assert got.p_normal < 0.9
    assert got.p_normal < 0.5 or heard(got, drawn.page).doubts


def test_nothing_is_forced_into_pairs_and_no_slot_hides_a_gain():
    # The third 21 stands in the slot of 22.
    names = chromosomes("+21")
    slots = [*names]
    slots[-1] = "22"
    drawn = draw(names, slots=slots)
    got = read_cell(say(drawn.names), drawn.page, None, SETTINGS)
    assert got.karyotypes[0][0] == "47,XX,+21" and got.p_normal < 0.1


def test_poor_bands_do_not_hide_an_extra_chromosome():
    for seed in range(5):
        drawn = draw(chromosomes("+21"), groups=seed % 2 == 0)
        got = read_cell(say(drawn.names, 0.5, seed), drawn.page, drawn.lengths, SETTINGS)
        assert got.p_normal < 0.1


def test_two_exchanged_chromosomes_are_misplaced_not_aneuploid():
    names = chromosomes()
    slots = [*names]
    i, j = names.index("4"), names.index("5")
    slots[i], slots[j] = "5", "4"
    drawn = draw(names, slots=slots)
    got = read_cell(say(drawn.names), drawn.page, None, SETTINGS)
    assert got.p_normal > 0.95
    wrong = [(o.name, o.position) for o in got.chromosomes if o.misplaced]
    assert sorted(wrong) == [("4", "5"), ("5", "4")]
    assert any("stands in the slot" in note for note in heard(got, drawn.page).notes)


def test_litter_is_left_out_and_a_missing_chromosome_is_a_doubt():
    drawn = draw(chromosomes())
    p = say(drawn.names)
    page = drawn.page
    boxes = np.vstack([page.boxes, [700, 395, 8, 8]])
    more = Page(boxes, np.append(page.rows, 0), np.append(page.groups, 999))
    got = read_cell(np.vstack([p, say(["?"])]), more, None, SETTINGS)
    assert got.chromosomes[-1].name == "?" and heard(got, more).features["rejected"] == 1
    assert got.karyotypes[0][0] == "46,XX"
    keep = np.arange(46) != 12
    fewer = drawn.part(keep)
    got = read_cell(say(fewer.names), fewer.page, None, SETTINGS)
    assert got.p_normal < 0.5 or heard(got, fewer.page).doubts


def test_print_found_as_objects_is_left_out_in_any_number():
    drawn = draw(chromosomes("", "XY"))
    for n in (3, 9):
        letters = np.array([[40 + 60 * i, 415, 12, 14] for i in range(n)])
        boxes = np.vstack([drawn.page.boxes, letters])
        page = Page(boxes, np.append(drawn.page.rows, [0] * n), None)
        p = np.vstack([say(drawn.names), 0.7 * say(["?"] * n) + 0.3 * say(["21"] * n)])
        got = read_cell(p, page, None, SETTINGS)
        assert got.karyotypes[0][0] == "46,XY" and got.p_normal > 0.9
        assert [one.name for one in got.chromosomes[46:]] == ["?"] * n
        assert (
            heard(got, page).features["count"] == 0 and heard(got, page).features["rejected"] == n
        )


def test_a_single_small_object_may_be_a_marker():
    drawn = draw(chromosomes("+mar", "XY"))
    assert drawn.names[-1] == "mar"
    boxes = drawn.page.boxes.copy()
    boxes[-1, 2:] = 12, 14
    page = Page(boxes, drawn.page.rows, drawn.page.groups)
    got = read_cell(say(drawn.names), page, None, SETTINGS)
    assert got.p_normal < 0.5 or heard(got, page).doubts


def test_two_homologs_found_as_one_are_not_a_loss():
    drawn = draw(chromosomes())
    keep = np.ones(46, bool)
    i = drawn.names.index("12")
    keep[i] = False
    fewer = drawn.part(keep)
    p = say(fewer.names)
    p[i] = say(["?"])[0]
    got = read_cell(p, fewer.page, None, SETTINGS)
    assert got.karyotypes[0][0] == "46,XX"
    assert any("touch" in doubt for doubt in heard(got, fewer.page).doubts)


def odd_pages():
    drawn = draw(chromosomes(sex="XY"), groups=False)
    boxes, rows = drawn.page.boxes, drawn.page.rows
    p = say(drawn.names, 0.95)
    mirrored = boxes * (-1, 1, 1, 1)
    yield "mirrored", p, Page(mirrored, rows)
    yield "upside-down", p, Page(mirrored, 9 - rows)
    yield "rows reversed", p, Page(boxes, 9 - rows)
    yield "on its side", p, Page(boxes[:, [1, 0, 3, 2]], (boxes[:, 0] // 150).astype(int))
    half = drawn.part(rows < 2)
    yield "half", p[rows < 2], half.page
    left = boxes[:, 0] < 350
    yield "left half", p[left], drawn.part(left).page
    twice = np.vstack([boxes, boxes + (0, 2000, 0, 0)])
    yield "doubled", np.vstack([p, p]), Page(twice, np.r_[rows, rows + 9])
    yield "garbage", np.random.default_rng(0).dirichlet(np.full(25, 0.1), 46), drawn.page
    yield "no answer", np.full((46, 25), 0.04), drawn.page
    yield "all refused", say(["?"] * 46), drawn.page
    for n in (0, 1, 20, 92, 200):
        i = np.arange(n) % 46
        yield f"{n} objects", p[i].reshape(n, 25), Page(boxes[i], rows[i])


@pytest.mark.parametrize(
    ("p", "page"), [o[1:] for o in odd_pages()], ids=[o[0] for o in odd_pages()]
)
def test_odd_pages_can_never_be_put_last(p, page):
    lengths = np.ones(len(p))
    for got in (read_cell(p, page, None, SETTINGS), read_cell(p, page, lengths, SETTINGS)):
        assert len(got.chromosomes) == len(p)
        said = heard(got, page)
        assert said.doubts or got.p_normal < 0.01
        assert all(np.isfinite(value) for value in said.features.values())
        assert not (got.iscn and said.doubts and got.layout_score < 0.5)


def test_lengths_that_do_not_fall_are_a_doubt():
    drawn = draw(chromosomes())
    got = read_cell(say(drawn.names), drawn.page, drawn.lengths[::-1].copy(), SETTINGS)
    assert any("lengths" in doubt for doubt in heard(got, drawn.page).doubts)


def test_the_order_of_the_objects_given_does_not_matter():
    drawn = draw(chromosomes("+13"))
    p, page = say(drawn.names, 0.9), drawn.page
    order = np.random.default_rng(0).permutation(47)
    one = read_cell(p, page, drawn.lengths, SETTINGS)
    other = read_cell(p[order], Page(page.boxes[order], page.rows[order], page.groups[order]),
                      drawn.lengths[order], SETTINGS)  # fmt: skip
    assert other.p_normal == pytest.approx(one.p_normal, rel=1e-2)
    assert [o.name for o in other.chromosomes] == [one.chromosomes[i].name for i in order]


def test_the_record_holds_it_all():
    drawn = draw(chromosomes("+21"))
    got = read_cell(say(drawn.names), drawn.page, None, SETTINGS)
    kept = Picture("a.png", "a", reading=got).to_dict()
    again = Picture.from_dict(json.loads(json.dumps(kept, allow_nan=False))).reading
    assert again == got
    assert again.counts["21"] == 3 and len(again.chromosomes) == 47
    assert iscn_of(np.array([again.counts.get(c, 0) for c in COLUMNS])) == again.karyotypes[0][0]

"""The reading of a cell: exact against brute force, right on known pages, humble on odd ones."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict

import numpy as np
import pytest

from evidence_pages import chromosomes, draw, say
from screening import words
from screening.classes import CHROMOSOMES, RELATIVE_LENGTH, class_index
from screening.evidence import reading, witness
from screening.evidence.assignment import MARKER_INDEX, NOTHING, OPTIONS, PAIRS, assignment_sums
from screening.evidence.karyotypes import COLUMNS, iscn_of, log_prior
from screening.evidence.reading import log_ratio, read_cell, read_passes
from screening.evidence.reasons import doubts_of
from screening.evidence.slots import OUTSIDE, UPRIGHT, Page, Slots
from screening.evidence.weights import tilted
from screening.evidence.witness import Sight, hear
from screening.evidence.witnesses import KNOWN
from screening.reading_settings import Assignment, Conclusions, Rates, ReadingSettings
from screening.record import Chromosome, Picture, Reading

SETTINGS = ReadingSettings()


def heard(got: Reading, page: Page) -> witness.Testimony:
    """What the witnesses say of a reading whose chromosomes nobody has a picture of."""
    return hear(KNOWN, Sight(reading=got, page=page), SETTINGS)


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
        some = rng.choice([0, 1, 2, 3, MARKER_INDEX, NOTHING, PAIRS, PAIRS + 2], 5, replace=False)
        row[some] = rng.uniform(0.01, 1, 5)
    expected = brute_force(weights)
    got = assignment_sums(weights, Assignment(states=10_000))
    sums = {tuple(c): np.exp(w) for c, w in zip(got.counts, got.log_weight, strict=True)}
    assert set(sums) == set(expected)
    for counts, value in expected.items():
        assert sums[counts] == pytest.approx(value, rel=1e-9)
    assert (np.diff(got.log_weight) <= 1e-12).all()


def test_further_weights_are_summed_over_the_same_assignments():
    rng = np.random.default_rng(4)
    weights, others = np.zeros((6, OPTIONS)), np.zeros((3, 6, OPTIONS))
    for i in range(6):
        some = rng.choice([0, 1, 2, MARKER_INDEX, NOTHING, PAIRS + 2], 1 + i % 4, replace=False)
        weights[i, some] = rng.uniform(0.01, 1, len(some))
        others[:, i, some] = rng.uniform(0.01, 1, (3, len(some)))
    got = assignment_sums(weights, Assignment(states=10_000), others)
    alone = assignment_sums(weights, Assignment(states=10_000))
    np.testing.assert_array_equal(got.counts, alone.counts)
    np.testing.assert_array_equal(got.log_weight[:, :1], alone.log_weight)
    for k, other in enumerate(others):
        expected = brute_force(other)
        found = {tuple(c): w for c, w in zip(got.counts, got.log_weight[:, k + 1], strict=True)}
        assert set(found) == set(expected)
        assert all(found[c] == pytest.approx(np.log(w), rel=1e-9) for c, w in expected.items())


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
    for i, others in {3: (1, NOTHING), 20: (11, 22), 40: (MARKER_INDEX,),
                      46: (21, NOTHING, MARKER_INDEX), 12: (7, PAIRS + 6)}.items():  # fmt: skip
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


def test_a_pass_says_what_its_classes_say():
    drawn = draw(chromosomes())
    sure, doubts = say(drawn.names), say(drawn.names)
    lost = drawn.names.index("13")
    doubts[lost] = say(["14"])[0]  # three of 14, one of 13: by the looks of half of the passes
    each = np.stack([sure, doubts] * 5)
    p = each.mean(0)
    got, odds = read_passes(p, each, drawn.page, drawn.lengths, SETTINGS)
    alone = read_cell(p, drawn.page, drawn.lengths, SETTINGS)
    assert got.karyotypes == alone.karyotypes and got.chromosomes == alone.chromosomes
    assert odds.shape == (10,) and (odds[0::2] == odds[0]).all() and (odds[1::2] == odds[1]).all()
    assert odds[0] < log_ratio(1 - got.p_normal, got.p_normal, SETTINGS.conclusions) < odds[1]
    for k in range(2):
        by_itself = read_cell(each[k], drawn.page, drawn.lengths, SETTINGS)
        assert by_itself.misread_rate == got.misread_rate
        own = log_ratio(1 - by_itself.p_normal, by_itself.p_normal, SETTINGS.conclusions)
        assert odds[k] == pytest.approx(float(own), abs=0.3)


@pytest.mark.parametrize(("change", "accuracy"), [("", 1.0), ("", 0.65), ("+21", 0.9), ("-7", 0.8)])
def test_passes_that_agree_say_what_their_mean_says(change, accuracy):
    drawn = draw(chromosomes(change))
    p = say(drawn.names, accuracy)
    got, odds = read_passes(p, np.stack([p] * 3), drawn.page, drawn.lengths, SETTINGS)
    mean = log_ratio(1 - got.p_normal, got.p_normal, SETTINGS.conclusions)
    np.testing.assert_allclose(odds, np.full(3, mean), rtol=1e-6)


def test_no_pass_concludes_anything_of_what_is_no_cell():
    drawn = draw(chromosomes()).part(np.arange(46) < 5)
    p = say(drawn.names)
    got, odds = read_passes(p, np.stack([p] * 3), drawn.page, None, SETTINGS)
    assert not got.whole and odds.shape == (0,)


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
    assert any("stands in the position" in note for note in heard(got, drawn.page).notes)


def test_a_chromosome_in_anothers_position_whose_own_got_none_is_a_doubt():
    names = ["21" if i == 40 else "X" if i == 44 else "5" for i in range(46)]

    def doubts(moved):
        objects = tuple(
            Chromosome(name, 0.9, moved.get(i, name), misplaced=i in moved)
            for i, name in enumerate(names)
        )
        counts = {"21": 1, "X": 1, "5": 44}
        reading = Reading(
            objects, karyotypes=(("46,XX", 0.99),), counts=counts, layout_score=1.0,
            orientation="upright",
        )  # fmt: skip
        return doubts_of(reading, SETTINGS.doubts)

    assert doubts({}) == doubts({40: "X", 44: "21"}) == ()
    assert doubts({40: "X"}) == (words.stray("21", "X"),)


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


# The parts of the reading, each for itself.

LIMITS = SETTINGS.conclusions


def complement(change: str = "", sex: str = "XX") -> np.ndarray:
    counts = np.zeros(len(COLUMNS), int)
    for name in chromosomes(change, sex):
        counts[COLUMNS.index(name)] += 1
    return counts


def standing(places: list[int], sure: float = 1.0, score: float = 1.0) -> Slots:
    """Objects that stand in `places`, each with the probability `sure`."""
    slot = np.full((len(places), OUTSIDE + 1), (1 - sure) / OUTSIDE)
    slot[np.arange(len(places)), places] = sure
    return Slots(slot, slot, score, UPRIGHT)


def one(p: float, what: int, place: int, sure: float = 1.0) -> Chromosome:
    return reading._read(p, what, standing([place], sure).slot[0], LIMITS)


def test_one_object():
    assert one(0.9, 3, 3) == Chromosome("4", 0.9, "4") == Chromosome("4", 0.9, "4", False, False)
    assert one(1.0000001, 22, 22) == Chromosome("X", 1.0, "X")
    assert (
        one(0.9, MARKER_INDEX, OUTSIDE) == Chromosome("mar", 0.9)
        and one(0.9, NOTHING, 3).name == "?"
    )


def test_the_place_of_an_object_is_told_from_even_odds_on():
    assert one(0.9, 3, 3, 0.5).position == "4" and one(0.9, 3, 3, 0.49).position == ""
    assert one(0.9, 3, OUTSIDE).position == ""


def test_an_object_is_doubtful_below_its_limit():
    assert not one(0.7, 3, 3).doubtful and one(0.6999, 3, 3).doubtful


@pytest.mark.parametrize(
    ("p", "what", "place", "sure", "misplaced"),
    [
        (0.8, 3, 4, 0.8, True), (0.79, 3, 4, 1.0, False), (1.0, 3, 4, 0.79, False),
        (1.0, 3, 3, 1.0, False), (1.0, 3, OUTSIDE, 1.0, False), (1.0, MARKER_INDEX, 4, 1.0, False),
        (1.0, MARKER_INDEX - 1, 4, 1.0, True), (1.0, NOTHING, 4, 1.0, False),
    ],
)  # fmt: skip
def test_only_what_is_surely_another_class_is_misplaced(p, what, place, sure, misplaced):
    assert one(p, what, place, sure).misplaced == misplaced


def test_all_objects_together_are_the_complement():
    # Apart, both objects are a 1; the product of the chances says which of them is the 2.
    q = np.full((3, NOTHING + 1), 1e-9)
    q[0, :2] = 0.5, 0.01
    q[1, :2] = 0.9, 0.2
    q[2, [0, NOTHING]] = 0.95, 0.04
    counts = np.zeros(len(COLUMNS), int)
    counts[:2] = 1
    slots = standing([0, 1, 0], score=0.9)
    got = reading._objects(q[:2], counts, standing([0, 1]), None, LIMITS)
    assert [(o.name, o.probability) for o in got] == [("1", 0.5), ("2", 0.2)]
    got = reading._objects(q, counts, slots, None, LIMITS)
    assert [o.name for o in got] == ["1", "2", "?"]
    assert [o.probability for o in got] == [0.5, 0.2, 0.04]
    assert [o.position for o in got] == ["1", "2", "1"]
    poor = reading._objects(q, counts, standing([0, 1, 0], score=0.4), None, LIMITS)
    assert [o.position for o in poor] == ["", "", ""]


def look(ratio: float, own: list[int], other: list[int]) -> np.ndarray:
    """Looks of objects that are so many times rather `other` than their `own` class."""
    p = np.zeros((len(own), 24))
    p[np.arange(len(own)), own] = 1e-3
    p[np.arange(len(own)), other] = 1e-3 * ratio
    return p


def test_an_exchange_is_as_probable_as_both_looks_and_its_rate():
    # 1000 times likelier by the looks together, and 0.003 beforehand: 3 to 1.
    looks = look(np.sqrt(1000), [3, 4], [4, 3])
    ((i, j, p),) = reading._swaps(np.array([3, 4]), looks, standing([3, 4]), LIMITS)
    assert (i, j, p) == (0, 1, pytest.approx(0.75))
    assert not reading._swaps(
        np.array([3, 4]), look(np.sqrt(330), [3, 4], [4, 3]), standing([3, 4]), LIMITS
    )


def test_only_what_stands_in_its_own_slot_is_exchanged_and_only_once():
    what = np.array([7, 3, 4, MARKER_INDEX, 5])
    places = [8, 3, 4, OUTSIDE, 5]
    looks = look(50, [7, 3, 4, 0, 5], [3, 4, 3, 0, 4])
    looks[2, 5] = 0.04  # the third would also change with the last, a little less
    swaps = reading._swaps(what, looks, standing(places), LIMITS)
    assert [(i, j) for i, j, _ in swaps] == [(1, 2)]
    alike = look(50, [3, 3], [4, 4])
    assert not reading._swaps(np.array([3, 3]), alike, standing([3, 3]), LIMITS)
    assert not reading._swaps(np.array([3, 4]), looks[1:3], standing([4, 3]), LIMITS)
    assert reading._swaps(np.zeros(0, int), np.zeros((0, 24)), standing([]), LIMITS) == []


def test_two_exchanges_on_a_page():
    what = np.array([3, 4, 5, 6])
    looks = look(50, [3, 4, 5, 6], [6, 5, 4, 3])
    swaps = reading._swaps(what, looks, standing([3, 4, 5, 6]), LIMITS)
    assert sorted((i, j) for i, j, _ in swaps) == [(0, 3), (1, 2)]


def test_an_exchange_changes_the_names_and_their_probability():
    q = np.full((2, NOTHING + 1), 1e-9)
    q[[0, 1], [3, 4]] = 0.9, 0.6
    counts = np.zeros(len(COLUMNS), int)
    counts[[3, 4]] = 1
    looks = look(np.sqrt(3000), [3, 4], [4, 3])
    got = reading._objects(q, counts, standing([3, 4]), looks, LIMITS)
    assert [(o.name, o.position, o.misplaced) for o in got] == [("5", "4", True), ("4", "5", True)]
    assert [o.probability for o in got] == pytest.approx([0.9, 0.9])


def test_log_ratios():
    assert reading.log_ratio(0.9, 0.1, LIMITS) == pytest.approx(np.log(9))
    assert reading.log_ratio(0.1, 0.9, LIMITS) == pytest.approx(-np.log(9))
    assert (reading.log_ratio(1, 0, LIMITS), reading.log_ratio(0, 1, LIMITS)) == (12, -12)
    wide = Conclusions(most_log_odds=30)
    assert reading.log_ratio(1, 0, wide) == pytest.approx(np.log(1e9))
    assert reading.log_ratio(0, 1, wide) == pytest.approx(-np.log(1e9))


def test_disorder_is_one_minus_the_correlation_of_the_lengths():
    places = [*range(24), *range(11)]
    table = np.array([RELATIVE_LENGTH[CHROMOSOMES[i]] for i in places])
    slots = standing(places)
    assert reading._disorder(3 * table + 1, slots, LIMITS) == pytest.approx(0)
    assert reading._disorder(-table, slots, LIMITS) == pytest.approx(2)
    other = np.random.default_rng(0).permutation(table)
    r = np.corrcoef(table, other)[0, 1]
    assert reading._disorder(other, slots, LIMITS) == pytest.approx(1 - r)


def test_disorder_of_too_little():
    places = [*range(24), *range(11)]
    table = np.array([RELATIVE_LENGTH[CHROMOSOMES[i]] for i in places])
    few = table[::-1].copy()
    few[0] = np.nan
    assert len(places) == LIMITS.fewest
    assert reading._disorder(table[::-1], standing(places), LIMITS) > 0.1
    assert reading._disorder(few, standing(places), LIMITS) == 0
    assert reading._disorder(table[::-1], standing(places, score=0), LIMITS) == 0
    assert reading._disorder(np.ones(35), standing(places), LIMITS) == 1
    assert reading._disorder(table, standing([3] * 35), LIMITS) == 1
    # What is not known is left out of both.
    more = standing([*places, 5])
    assert reading._disorder(np.r_[table, np.nan], more, LIMITS) == pytest.approx(0)


def test_names_of_the_most_probable_complements():
    changes = ["", "+21", "+8", "-7", "+13", "+18", "+9"]
    counts = np.array([complement(change) for change in changes])
    p = np.array([0.4, 0.3, 0.1, 0.09, 0.06, 0.03, 0.02])
    named = reading._named(counts, p, LIMITS)
    assert named == (
        ("46,XX", 0.4), ("47,XX,+21", 0.3), ("47,XX,+8", 0.1), ("45,XX,-7", 0.09),
        ("47,XX,+13", 0.06),
    )  # fmt: skip
    assert [n for n, _ in reading._named(counts, p[::-1], LIMITS)][0] == "47,XX,+9"
    rare = np.r_[1 - 3e-6, 2e-6, 9e-7]
    assert [n for n, _ in reading._named(counts[:3], rare, LIMITS)] == ["46,XX", "47,XX,+21"]
    # Equal names are one, and no probability is above 1.
    same = reading._named(counts[[0, 0, 1]], np.array([0.75, 0.2500001, 0.1]), LIMITS)
    assert same == (("46,XX", 1.0), ("47,XX,+21", 0.1))
    two = Conclusions(named=1)  # of the two most probable complements
    assert len(reading._named(counts[[0, 0, 1]], p, two)) == 1
    assert reading._named(counts[[1, 0, 0]], np.array([0.3, 0.2, 0.2]), two) == (
        ("47,XX,+21", 0.3),
    )


def test_endless_changes_are_no_karyotype():
    eight = " ".join(f"+{n}" for n in range(1, 9))
    counts = np.array([complement(f"{eight} +9"), complement(eight), complement()])
    names = [name for name, _ in reading._named(counts, np.array([0.5, 0.3, 0.2]), LIMITS)]
    assert len(names) == 2 and names[0].startswith("54,XX,+1,+2") and names[1] == "46,XX"


def test_a_chromosome_that_was_not_found_costs_its_rate():
    """45 sure objects: a monosomy, or a normal cell of which either 12 was not found."""
    weights = np.full((45, OPTIONS), 0.0)
    for row, name in zip(weights, chromosomes("-12"), strict=True):
        row[class_index(name)] = 1.0
    settings = ReadingSettings(rates=Rates(missed=0.01))
    counts, p = reading.posterior_of(weights, settings)
    found = {iscn_of(c): value for c, value in zip(counts, p, strict=True)}
    both = np.array([complement(), complement("-12")])
    prior = np.exp(np.subtract(*log_prior(both, settings.prior)))
    assert found["46,XX"] / found["45,XX,-12"] == pytest.approx(0.01 * 2 * prior, rel=1e-6)
    assert (np.diff(p) <= 0).all()


# The whole reading, number by number.


def read_page(change: str = "", settings: ReadingSettings = SETTINGS) -> Reading:
    drawn = draw(chromosomes(change))
    return read_cell(say(drawn.names), drawn.page, drawn.lengths, settings)


@pytest.mark.parametrize("change", ["", "+21", "-7", "+mar"])
def test_the_features_tell_what_was_read(change):
    drawn = draw(chromosomes(change))
    got = read_cell(say(drawn.names), drawn.page, drawn.lengths, SETTINGS)
    f = heard(got, drawn.page).features
    assert f["reading"] == pytest.approx(
        np.clip(np.log((1 - got.p_normal + 1e-300) / got.p_normal), -12, 12), abs=0.05
    )
    first, second = (p for _, p in got.karyotypes[:2])
    assert f["margin"] == got.margin == pytest.approx(np.log(first / second), rel=1e-6)
    assert f["layout"] == 1 - got.layout_score and 0 <= f["layout"] < 0.1
    found = sum(o.name != "?" for o in got.chromosomes)
    assert f["count"] == abs(found - 46) and f["rejected"] == len(got.chromosomes) - found
    assert f["doubtful"] == sum(o.doubtful for o in got.chromosomes)
    assert f["misplaced"] == sum(o.misplaced for o in got.chromosomes)
    assert f["misread"] == pytest.approx(np.log10(got.misread_rate / 0.01))
    assert f["lengths"] == got.disorder and abs(got.disorder) < 0.1
    assert got.orientation == UPRIGHT and got.whole
    assert sum(got.counts.values()) == found and all(got.counts.values())


def test_a_suggested_karyotype_is_sure_in_order_and_in_grammar(monkeypatch):
    assert read_page("+21").iscn == "47,XX,+21"
    strict = SETTINGS.layout.model_copy(update={"full_gain": 50.0})
    out_of_order = SETTINGS.model_copy(update={"layout": strict})
    got = read_page("+21", out_of_order)
    assert got.layout_score < SETTINGS.doubts.good_layout and got.karyotypes[0][1] > 0.9
    assert got.iscn == ""
    surer = SETTINGS.model_copy(update={"conclusions": Conclusions(sure_iscn=1.0)})
    assert read_page("+21", surer).iscn == ""
    monkeypatch.setattr(
        reading, "validate_karyotype", lambda text: type("Said", (), {"valid": False})
    )
    assert read_page("+21").iscn == "" and read_page("+21").karyotypes[0][0] == "47,XX,+21"


def test_more_changes_than_can_be_told_are_not_told():
    for most, told in ((2, ("+18", "-21")), (1, ())):
        limits = Conclusions(most_changes=most)
        settings = SETTINGS.model_copy(update={"conclusions": limits})
        assert read_page("+18 -21", settings).gains_and_losses == told


@pytest.mark.parametrize(("n", "whole"), [(34, False), (35, True), (130, True), (131, False)])
def test_how_many_objects_can_be_a_cell(n, whole):
    drawn = draw(chromosomes())
    i = np.sort(np.arange(n) % 46)
    boxes = drawn.page.boxes[i] + np.c_[np.arange(n) * 1e-3, np.zeros((n, 3))]
    got = read_cell(say([drawn.names[k] for k in i]), Page(boxes, drawn.page.rows[i]), None,
                    SETTINGS)  # fmt: skip
    assert got.whole == whole and bool(got.counts) == whole and got.orientation == UPRIGHT
    if not whole:
        assert got.karyotypes == ()
        assert (got.p_normal, got.iscn, got.misread_rate, got.margin) == (0, "", 0, 0)
        assert got.gains_and_losses == ()


def test_a_part_of_a_cell_is_read_object_by_object():
    drawn = draw(chromosomes()).part(np.arange(46) < 34)
    got = read_cell(say(drawn.names), drawn.page, drawn.lengths, SETTINGS)
    assert [o.name for o in got.chromosomes] == list(drawn.names)
    assert {o.position for o in got.chromosomes} <= {"", *CHROMOSOMES}
    assert all(o.position in ("", n) for o, n in zip(got.chromosomes, drawn.names, strict=True))
    assert all(0.5 < o.probability <= 1 for o in got.chromosomes)


def test_an_object_of_a_part_of_a_cell_is_named_by_its_looks_not_by_its_place():
    names = chromosomes()
    slots = [*names]
    i, j = names.index("4"), names.index("5")
    slots[i], slots[j] = "5", "4"
    drawn = draw(names, slots=slots).part(np.arange(46) < 34)
    got = read_cell(say(drawn.names), drawn.page, drawn.lengths, SETTINGS)
    assert [o.name for o in got.chromosomes] == list(drawn.names)
    assert drawn.names != drawn.slots


def test_lengths_of_another_number_are_refused():
    drawn = draw(chromosomes())
    with pytest.raises(ValueError, match="expected 46 objects, received 46 and lengths"):
        read_cell(say(drawn.names), drawn.page, drawn.lengths[:-1], SETTINGS)


def test_no_object_at_all():
    nothing = Page(np.zeros((0, 4)), np.zeros(0, int))
    for p in ([], np.zeros((0, 25))):
        got = read_cell(p, nothing, None, SETTINGS)
        assert got.chromosomes == () and not got.whole and heard(got, nothing).doubts


def test_the_page_is_asked_with_the_prior_of_the_settings(monkeypatch):
    asked = []
    usual = reading.align_best

    def align_best(seen, log_prior, *others):
        asked.append(log_prior)
        return usual(seen, log_prior, *others)

    monkeypatch.setattr(reading, "align_best", align_best)
    read_page()
    np.testing.assert_allclose(asked, [np.log([0.35, 0.4, 0.18, 0.07])])

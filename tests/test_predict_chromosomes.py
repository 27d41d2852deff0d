"""How the cuttings of a page are chosen, widths judged and lengths rescaled: arithmetic alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax

from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME_INDEX, RELATIVE_LENGTH, class_index
from screening.karyogram.locate import Located
from screening.karyogram.locate.found import AmbiguousCut, FoundChromosome
from screening.page_settings import ChromosomeReading, OpenChromatids, Touching
from screening.predict import chromosomes
from screening.predict.chromosomes import ChromosomeClassifier

HOW = ChromosomeReading()


def piece(x: int) -> FoundChromosome:
    axis = np.array([[x, 0], [x, 9]], np.float32)
    return FoundChromosome(x, 0, 4, 10, np.ones((10, 4), bool), axis, 10.0, 4.0)


def chances(*one: float) -> np.ndarray:
    """p (n, 25) of pieces that are one chromosome (a 1) with these probabilities."""
    p = np.zeros((len(one), NOT_A_CHROMOSOME_INDEX + 1))
    p[:, 0], p[:, NOT_A_CHROMOSOME_INDEX] = one, 1 - np.array(one)
    return p


def page(plausible: tuple[float, ...] = (0.5, 0.25, 0.25)) -> Located:
    """Three chromosomes; the second may be two pieces, or one other with the third."""
    cuts = ((piece(20), piece(24)), (piece(22),))
    doubt = AmbiguousCut((1, 2), cuts[: len(plausible) - 1], plausible)
    return Located((piece(0), piece(10), piece(30)), (doubt,))


@pytest.mark.parametrize(
    ("one", "choices"),
    [
        # In turn: the three as they stand, the two of the first other cutting, the one of the last.
        ((0.9, 0.9, 0.9, 0.1, 0.1, 0.1), {}),
        ((0.9, 0.1, 0.1, 0.9, 0.9, 0.1), {0: 0}),
        ((0.9, 0.1, 0.1, 0.1, 0.1, 0.9), {0: 1}),
        ((0.1, 0.9, 0.9, 0.1, 0.1, 0.1), {}),  # the first piece has no part in it
        ((0.9, 0.1, 0.9, 0.9, 0.1, 0.2), {0: 1}),  # 0.045, 0.0225 and 0.05
    ],
)
def test_the_most_probable_cutting_is_taken(one, choices):
    located = page()
    got, rows = chromosomes._choose(located, chances(*one), 3, HOW)
    assert got == choices
    pieces = [*located.chromosomes, *located.doubts[0].alternatives[0],
              *located.doubts[0].alternatives[1]]  # fmt: skip
    assert [rows[id(each)] for each in pieces] == [0, 1, 2, 3, 4, 5]


def test_shape_and_looks_are_multiplied():
    # 0.5 · 0.6 · 0.6 = 0.18 as it stands, against the plausibility of the other, times 0.9.
    one = (0.9, 0.6, 0.6, 0.9)
    for other, choices in ((0.19, {}), (0.21, {0: 0})):
        doubt = AmbiguousCut((1, 2), ((piece(22),),), (0.5, other))
        located = Located((piece(0), piece(10), piece(30)), (doubt,))
        assert chromosomes._choose(located, chances(*one), 3, HOW)[0] == choices


def test_no_piece_alone_decides_and_no_shape_is_impossible():
    doubt = AmbiguousCut((0,), ((piece(22),),), (1.0, 0.0))
    located = Located((piece(0),), (doubt,))
    # 0.02 and 0.98 are the most that is believed: 49 to 1 cannot outweigh one in a million.
    assert chromosomes._choose(located, chances(0.0, 1.0), 1, HOW)[0] == {}
    likely = Located((piece(0),), (AmbiguousCut((0,), ((piece(22),),), (0.97, 0.03)),))
    assert chromosomes._choose(likely, chances(0.0, 1.0), 1, HOW)[0] == {0: 0}
    unlikely = Located((piece(0),), (AmbiguousCut((0,), ((piece(22),),), (0.985, 0.015)),))
    assert chromosomes._choose(unlikely, chances(0.0, 1.0), 1, HOW)[0] == {}


def bar(x: int, width: int, height: int = 40) -> FoundChromosome:
    return FoundChromosome.of(np.ones((height, width), bool), x, 0, 10.0)


@pytest.mark.parametrize(
    ("width", "height", "none", "choices"),
    [
        (5, 40, 0.05, {0: 0}),  # half as wide each as the others of the page
        (5, 40, 0.2, {}),  # together they do not look like one
        (8, 40, 0.05, {}),  # as wide as chromosomes
        (5, 18, 0.05, {}),  # one over the other, not side by side
    ],
)
def test_the_chromatids_of_one_are_not_two(width, height, none, choices):
    halves, whole = (bar(80, width, height), bar(80 + width, width, height)), bar(80, 2 * width)
    doubt = AmbiguousCut((3, 4), ((whole,),), (0.9, 0.1))
    located = Located((*(bar(20 * k, 10) for k in range(3)), *halves), (doubt,))
    p = chances(1, 1, 1, 1, 1, 1 - none)
    how = HOW.model_copy(update={"chromatids": OpenChromatids(none=0.1)})
    assert chromosomes._choose(located, p, 5, how)[0] == choices
    assert chromosomes._choose(located, p, 5, HOW)[0] == {}


def test_every_doubt_is_decided_by_its_own_pieces():
    first = AmbiguousCut((0,), ((piece(1), piece(2)),), (0.5, 0.5))
    second = AmbiguousCut((1,), ((piece(11),), (piece(12), piece(13))), (0.4, 0.3, 0.3))
    located = Located((piece(0), piece(10)), (first, second))
    p = chances(0.9, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9)
    assert chromosomes._choose(located, p, 2, HOW)[0] == {1: 1}
    p = chances(0.1, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1)
    assert chromosomes._choose(located, p, 2, HOW)[0] == {0: 0, 1: 0}


def test_a_page_without_doubts():
    located = Located((piece(0), piece(10)))
    choices, rows = chromosomes._choose(located, chances(0.1, 0.9), 2, HOW)
    assert choices == {} and sorted(rows.values()) == [0, 1]


# Widths.


def test_nothing_is_wide_up_to_its_limit_and_falls_off_beyond():
    widths = np.r_[np.full(40, 10.0), 14.5, 14.5 * np.exp(0.12), 14.5 * np.exp(0.24), 3.0]
    got = chromosomes._single_by_width(widths, 40, HOW)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[:41], 1)
    np.testing.assert_allclose(got[41:], [np.exp(-0.5), np.exp(-2), 1], rtol=1e-5)


def test_only_the_pieces_of_the_page_set_what_is_wide():
    widths = np.r_[np.full(35, 10.0), np.full(60, 20.0)]
    got = chromosomes._single_by_width(widths, 35, HOW)
    assert (got[:35] == 1).all() and (got[35:] < 0.1).all()
    nothing = np.r_[np.zeros(30), widths]  # without ink: no width
    assert (chromosomes._single_by_width(nothing, 65, HOW)[65:] < 0.1).all()


def test_too_few_pieces_do_not_tell_what_is_wide():
    for count, told in ((34, False), (35, True)):
        widths = np.r_[np.full(count, 10.0), 30.0]
        got = chromosomes._single_by_width(widths, count, HOW)
        assert got.shape == (count + 1,) and (got[-1] < 1) == told


def test_what_is_too_wide_goes_to_not_one_chromosome():
    p = np.zeros((3, NOT_A_CHROMOSOME_INDEX + 1), np.float32)
    p[:, 3], p[:, NOT_A_CHROMOSOME_INDEX] = 0.75, 0.25
    got = chromosomes._with_width(p, np.array([1, 0.5, 0], np.float32))
    np.testing.assert_allclose(got[:, 3], [0.75, 0.375, 0])
    np.testing.assert_allclose(got[:, NOT_A_CHROMOSOME_INDEX], [0.25, 0.625, 1])
    np.testing.assert_allclose(got.sum(1), 1)
    assert p[1, 3] == 0.75  # the answer that was given stays


def test_no_rounding_of_a_pass_makes_a_probability_negative():
    rng = np.random.default_rng(0)
    each = softmax(rng.normal(0, 9, (100, 46, NOT_A_CHROMOSOME_INDEX + 1)).astype(np.float32), -1)
    each[..., NOT_A_CHROMOSOME_INDEX] *= 1e-12
    for single in (np.ones(46, np.float32), rng.uniform(0, 1, 46).astype(np.float32)):
        assert (chromosomes._with_width(each, single) >= 0).all()


# Lengths.

CELL = [*[str(n) for n in range(1, 23)] * 2, "X", "X"]


def rescaled(
    lengths: np.ndarray, names: list[str], not_one: float = 0.0, how: ChromosomeReading = HOW
) -> np.ndarray:
    """Relative lengths of pieces that read as `names`, "?" being none."""
    p = np.full((len(names), NOT_A_CHROMOSOME_INDEX + 1), 0.0)
    for row, name in zip(p, names, strict=True):
        row[NOT_A_CHROMOSOME_INDEX] = 1.0 if name == "?" else not_one
        if name != "?":
            row[class_index(name)] = 1 - not_one
    return ChromosomeClassifier._rescaled(SimpleNamespace(how=how), lengths, p)  # type: ignore[arg-type]


def pixels(names: list[str], per: float = 20.0) -> np.ndarray:
    return np.array([per * RELATIVE_LENGTH.get(name, 1.0) for name in names], np.float32)


def test_a_whole_cell_gets_its_own_lengths():
    got = rescaled(pixels(CELL), CELL)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, pixels(CELL, 1.0), rtol=1e-5)


def test_what_is_no_chromosome_does_not_set_the_scale():
    names = [*CELL, *["?"] * 30]
    lengths = pixels(names)
    lengths[46:] = 900.0
    got = rescaled(lengths, names)
    np.testing.assert_allclose(got[:46], pixels(CELL, 1.0), rtol=1e-5)
    np.testing.assert_allclose(got[46:], 45.0, rtol=1e-5)
    half = rescaled(lengths[:46], CELL, not_one=0.5)  # from even odds on none of them is one
    assert np.isnan(half).all()


def test_classes_move_the_scale_only_so_far():
    # All read as 1: by the classes the scale would be far larger than by the page.
    longest = ["1"] * 46
    plain = rescaled(pixels(CELL), CELL)
    np.testing.assert_allclose(rescaled(pixels(CELL), longest), 1.18 * plain, rtol=1e-4)
    shortest = ["21"] * 46
    np.testing.assert_allclose(rescaled(pixels(CELL), shortest), 0.85 * plain, rtol=1e-4)


def test_a_part_of_a_cell_is_scaled_by_its_classes_if_there_are_enough():
    some = CELL[:16]
    np.testing.assert_allclose(rescaled(pixels(some), some), pixels(some, 1.0), rtol=1e-5)
    assert np.isnan(rescaled(pixels(some[:15]), some[:15])).all()
    assert rescaled(np.zeros(0, np.float32), []).shape == (0,)


def test_the_column_of_no_chromosome_is_the_last():
    assert len(CHROMOSOMES) == NOT_A_CHROMOSOME_INDEX == 24


def two_of(one: float, other: float, alike: bool = True) -> np.ndarray:
    """p (2, 25) of halves that are one chromosome of a class, each with the probability."""
    p = chances(one, other)
    if not alike:
        p[1, [0, 1]] = p[1, [1, 0]]
    return p


@pytest.mark.parametrize(
    ("whole", "halves", "two"),
    [
        (0.3, two_of(0.99, 0.95), True),
        (0.9, two_of(0.99, 0.95), False),  # hardly more probable
        (0.3, two_of(0.99, 0.2), False),
        (0.3, two_of(0.99, 0.95, alike=False), False),
        (0.0, two_of(0.0, 0.9), False),
    ],
)
def test_a_piece_is_two_when_both_halves_are_one_chromosome_of_a_class(whole, halves, two):
    assert chromosomes._are_two(chances(whole)[0], halves, TOUCHING) is two


TOUCHING = Touching(none=0.2)


class Halved:
    """A classifier for which pieces with a light line down the middle are none, others a 4."""

    width = 1

    def bands(self, images: np.ndarray) -> np.ndarray:
        middle, beside = images[:, 40:56, 15:17].mean((1, 2)), images[:, 40:56, 10:12].mean((1, 2))
        return (middle / beside).reshape(-1, 1)

    bands_in_cell = bands

    def quick(self, bands: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        logits = np.full((len(bands), NOT_A_CHROMOSOME_INDEX + 1), -9.0)
        logits[:, 3] = 0
        logits[bands[:, 0] < 0.8, NOT_A_CHROMOSOME_INDEX] = 3
        return logits

    @property
    def head(self) -> SimpleNamespace:
        return SimpleNamespace(predict=lambda features, keys: self.quick(*features)[:, None])


def row_of_bars(widths: tuple[int, ...]) -> tuple[Located, np.ndarray]:
    """A page of upright bars, 40 px high."""
    paper = np.full((80, 30 * len(widths) + 20), 255, np.uint8)
    pieces = []
    for k, width in enumerate(widths):
        x = 10 + 30 * k
        mask = np.ones((40, width), bool)
        paper[20:60, x : x + width] = np.where(np.arange(40) % 10 < 5, 80, 140)[:, None]
        if width > 15:
            paper[20:60, x + width // 2 - 1 : x + width // 2 + 1] = 240
        pieces.append(FoundChromosome.of(mask, x, 20, 10.0, 0, k))
    return Located(tuple(pieces), (), 1, (), 10.0), paper


def reader_of_halves(**how: object) -> ChromosomeClassifier:
    reader = object.__new__(ChromosomeClassifier)
    reader.temperature, reader.passes = 1.0, 1
    reader.how = HOW.model_copy(update={"wide": 9.0, "touching": TOUCHING, **how})
    reader._network = Halved()
    return reader


def test_two_that_lean_on_each_other_are_read_apart():
    located, paper = row_of_bars((10, 10, 20, 10))
    chosen, said = reader_of_halves().read(located, paper)
    assert [each.x for each in chosen.chromosomes] == [10, 40, 70, 80, 100]
    assert len(said.p) == len(said.crops) == len(said.relative) == 5
    assert said.p[:, NOT_A_CHROMOSOME_INDEX].max() < 0.1
    assert [each.group for each in chosen.chromosomes] == [0, 1, 2, 2, 3]


def test_what_is_little_wider_than_others_of_its_length_stays_one():
    located, paper = row_of_bars((15, 15, 20, 15))
    chosen, _ = reader_of_halves().read(located, paper)
    assert chosen.chromosomes == located.chromosomes


@pytest.mark.parametrize(
    "how",
    [
        {"touching": Touching()},
        {"touching": Touching(none=0.2, wide=2.5)},
        {"touching": Touching(none=0.2, across=2.5)},
        {"touching": Touching(none=0.2, gain=9.0)},
    ],
)
def test_what_may_not_be_two_stays_one(how):
    located, paper = row_of_bars((10, 10, 20, 10))
    chosen, said = reader_of_halves(**how).read(located, paper)
    assert chosen.chromosomes == located.chromosomes and len(said.p) == 4

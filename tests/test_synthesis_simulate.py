"""Simulated abnormalities and shams: right counts, valid ISCN, and no trace but the karyotype."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.stats import binomtest, chi2_contingency

from screening.classes import AUTOSOMES, CHROMOSOMES, RELATIVE_LENGTH
from screening.errors import ScreeningError
from screening.synthesis.abnormalities import (
    ABNORMALITIES,
    random_abnormality,
)
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Chromosome, Metaphase, length_unit
from screening.synthesis.resample import resample
from screening.synthesis.simulate import check_complete, sham, simulate


@pytest.fixture(scope="module")
def cells() -> dict[str, Metaphase]:
    rng = np.random.default_rng(3)
    return {sex: draw_cell(rng, sex, case=sex) for sex in ("XX", "XY")}


def resampled(cell: Metaphase) -> list[str]:
    return sorted(c.name for c in cell.chromosomes if c.resampled and c.name != "mar")


def every_recipe() -> list[tuple[str, str]]:
    return [(name, sex) for name, entry in ABNORMALITIES.items() for sex in entry.recipes]


@pytest.mark.parametrize(("name", "sex"), every_recipe())
def test_each_abnormality_changes_the_counts_as_its_recipe_says(cells, name, sex):
    before = cells[sex]
    after = simulate(before, name, np.random.default_rng(0))
    recipe = ABNORMALITIES[name].recipes[sex]
    expected = {n: c + recipe.get(n, 0) for n, c in before.counts().items()}
    assert after.counts() == expected
    assert after.label == "abnormal"
    assert (after.source, after.case, after.cell) == (before.source, before.case, before.cell)
    gained = Counter({n: change for n, change in recipe.items() if change > 0 and n != "mar"})
    assert resampled(after) == sorted(gained.elements())


@pytest.mark.parametrize(("name", "sex"), every_recipe())
def test_the_iscn_string_is_the_standards(cells, name, sex):
    iscn = simulate(cells[sex], name, np.random.default_rng(0)).iscn
    total, sexes, *changes = iscn.split(",")
    after = simulate(cells[sex], name, np.random.default_rng(1)).counts()
    assert int(total) == sum(after.values())
    assert sexes == "X" * after["X"] + "Y" * after["Y"]
    group = ABNORMALITIES[name].group
    if group == "sex" or group == "ploidy":
        assert iscn == name and not changes
    elif group in ("gain", "loss"):
        assert changes == [name]


@pytest.mark.parametrize("sex", ["XX", "XY"])
def test_any_gain_or_loss_is_possible(sex):
    recipes = [entry.recipes.get(sex, {}) for entry in ABNORMALITIES.values()]
    single = {next(iter(recipe.items())) for recipe in recipes if len(recipe) == 1}
    expected = {(name, change) for name in (*AUTOSOMES, "X") for change in (1, -1)}
    if sex == "XY":
        expected.remove(("X", -1))  # 45,Y does not live
        assert ("X", -1) not in single
    assert expected <= single


@pytest.mark.parametrize("name", ["+21", "69,XXX", "45,X", "48,XXX,+21", "-7", "+mar"])
def test_a_sham_resamples_what_the_gain_would_and_keeps_the_karyotype(cells, name):
    cell = cells["XX"]
    for seed in range(5):
        mock = sham(cell, np.random.default_rng(seed), abnormality=name)
        real = simulate(cell, name, np.random.default_rng(seed))
        assert mock.counts() == cell.counts() and mock.label == "normal"
        assert resampled(mock) == resampled(real)


def test_resampling_tells_nothing_about_the_label(cells):
    """Under both labels: number re-sampled, own or donor's, original beside its copy."""
    seen: dict[str, list[tuple]] = {"normal": [], "abnormal": []}
    donors = [draw_cell(np.random.default_rng(9), "XX", case="donor")]
    for seed in range(600):
        rng = np.random.default_rng(seed)
        cell = cells["XX"]
        name = random_abnormality(rng, "XX")
        changed = sham(cell, rng, donors, name) if seed % 2 else simulate(cell, name, rng, donors)
        origins = {c.origin for c in changed.chromosomes}
        new = [c for c in changed.chromosomes if c.resampled and c.name != "mar"]
        beside = sum(c.origin.split("~")[0] in origins for c in new)
        from_donor = sum("donor" in c.origin for c in new)
        seen[changed.label].append((min(len(new), 2), from_donor, beside if len(new) < 2 else 0))
    values = sorted(set(seen["normal"]) | set(seen["abnormal"]))
    frequent = [v for v in values if sum(seen[k].count(v) for k in seen) >= 10]
    table = [[seen[label].count(v) for v in frequent] for label in seen]
    assert len(frequent) >= 3
    assert chi2_contingency(table).pvalue > 1e-3


def test_a_resampled_chromosome_is_never_a_copy_but_stays_alike(cells):
    rng = np.random.default_rng(0)
    for chromosome in cells["XX"].chromosomes[::5]:
        for _ in range(4):
            new = resample(chromosome, rng)
            old = chromosome.image
            assert new.image.shape != old.shape or not np.array_equal(new.image, old)
            assert new.name == chromosome.name and new.origin != chromosome.origin
            assert new.resampled and not chromosome.resampled
            assert new.image.shape[0] == pytest.approx(old.shape[0], rel=0.2, abs=4)
            assert new.image[[0, -1]].min() < 246 <= new.image.max()


def test_a_marker_is_small_and_unlike_its_donor(cells):
    for seed in range(10):
        after = simulate(cells["XY"], "+mar", np.random.default_rng(seed))
        marker = after.chromosomes[-1]
        longest = max(c.image.shape[0] for c in after.chromosomes)
        assert marker.name == "mar"
        assert 4 < marker.image.shape[0] < 0.45 * longest


def test_incomplete_and_aneuploid_cells_are_refused(cells):
    cell = cells["XX"]
    incomplete = Metaphase(cell.chromosomes[1:], "lab", "p1", "4")
    for wrong in (incomplete, simulate(cell, "+21", np.random.default_rng(0))):
        for change in (lambda c, rng: simulate(c, "+18", rng), sham):
            with pytest.raises(ScreeningError, match="complete normal cell"):
                change(wrong, np.random.default_rng(0))


def test_unknown_and_impossible_abnormalities_are_named(cells):
    with pytest.raises(ScreeningError, match="received \\+23"):
        simulate(cells["XX"], "+23", np.random.default_rng(0))
    with pytest.raises(ScreeningError, match="47,XYY can be simulated in a XY cell"):
        simulate(cells["XX"], "47,XYY", np.random.default_rng(0))
    with pytest.raises(ScreeningError, match="\\+99"):
        random_abnormality(np.random.default_rng(0), names=["+99"])


def test_the_draw_follows_weights_and_the_allowed_names():
    rng = np.random.default_rng(0)
    drawn = Counter(random_abnormality(rng) for _ in range(2000))
    assert drawn.most_common(1)[0][0] == "+21"
    only = {random_abnormality(rng, "XX", ["45,X", "47,XXY"]) for _ in range(20)}
    assert only == {"45,X"}


def test_simulation_is_seeded(cells):
    one, two = (
        simulate(cells["XY"], "69,XXY", np.random.default_rng(5), [cells["XX"]]) for _ in "ab"
    )
    assert [c.origin for c in one.chromosomes] == [c.origin for c in two.chromosomes]
    pairs = zip(one.chromosomes, two.chromosomes, strict=True)
    assert all(np.array_equal(a.image, b.image) for a, b in pairs)
    assert set(one.counts()) >= set(CHROMOSOMES)


def changed_cell(cell: Metaphase, change: Callable[[np.ndarray], np.ndarray]) -> Metaphase:
    """`cell` as another person's, with `change` done to every picture."""
    return Metaphase(
        tuple(
            Chromosome(np.ascontiguousarray(change(c.image)), c.name, f"donor/{c.origin}")
            for c in cell.chromosomes
        ),
        "lab", "donor", "1",
    )  # fmt: skip


def gained_21(cell: Metaphase, donor: Metaphase, seeds: int = 60) -> list[Chromosome]:
    """The gained chromosome 21 of many simulations in which it came from `donor`."""
    found = [
        next(c for c in simulate(cell, "+21", np.random.default_rng(s), [donor]).chromosomes[::-1]
             if c.resampled)
        for s in range(seeds)
    ]  # fmt: skip
    return [c for c in found if c.origin.startswith("donor/")]


def darkness(chromosomes: Sequence[Chromosome]) -> float:
    return float(np.mean([(255.0 - c.image[c.image < 245]).mean() for c in chromosomes]))


def of_class(cell: Metaphase, name: str) -> list[Chromosome]:
    return [c for c in cell.chromosomes if c.name == name]


def test_half_of_the_new_homologs_come_from_a_donor(cells):
    from_donor = len(gained_21(cells["XX"], changed_cell(cells["XX"], lambda i: i), 300))
    assert binomtest(from_donor, 300, 0.5).pvalue > 1e-3


def test_a_donors_chromosome_is_brought_to_the_size_of_the_cell(cells):
    """The donor's are twice as long, or twice as wide: each direction has its own scale."""
    cell = cells["XX"]
    own = np.mean([c.image.shape for c in of_class(cell, "21")], axis=0)
    for axis in (0, 1):
        donor = changed_cell(cell, lambda image, axis=axis: np.repeat(image, 2, axis))
        new = np.mean([c.image.shape for c in gained_21(cell, donor)], axis=0)
        assert new == pytest.approx(own, rel=0.2)


def stained(cell: Metaphase, share: float) -> Metaphase:
    return changed_cell(cell, lambda image: 255 - np.rint((255 - image) * share).astype(np.uint8))


def test_a_donors_chromosome_is_brought_to_the_stain_of_the_cell(cells):
    pale = stained(cells["XY"], 0.75)
    own = darkness(gained_21(pale, stained(pale, 1.0)))
    for share in (0.56, 1.0):
        new = darkness(gained_21(pale, stained(cells["XY"], share)))
        assert new == pytest.approx(own, rel=0.06)


def test_a_donor_with_little_stain_left_is_not_restored(cells):
    """Its noise would be: the factor ends at 1.6."""
    own = darkness(gained_21(cells["XY"], stained(cells["XY"], 1.0)))
    faint = gained_21(cells["XY"], stained(cells["XY"], 0.35))
    assert 0.5 * own < darkness(faint) < 0.75 * own


def test_a_cell_is_no_donor_to_itself_and_one_without_the_chromosome_is_none(cells):
    xx, xy = cells["XX"], cells["XY"]
    for seed in range(30):
        mock = sham(xx, np.random.default_rng(seed), [xx], "+21")
        origins = {c.origin for c in of_class(mock, "21")}
        new = next(c for c in mock.chromosomes if c.resampled)
        assert new.origin.split("~")[0] in origins  # it never takes the place of its original
        gained = simulate(xy, "47,XYY", np.random.default_rng(seed), [xx])
        assert all(c.origin.startswith("drawn/XY/") for c in gained.chromosomes)


@pytest.mark.parametrize(("name", "sex"), every_recipe())
def test_a_sham_resamples_as_many_homologs_as_there_are_to_replace(cells, name, sex):
    cell, recipe = cells[sex], ABNORMALITIES[name].recipes[sex]
    expected = {n: min(change, cell.counts()[n]) for n, change in recipe.items() if change > 0}
    for seed in range(3):
        mock = sham(cell, np.random.default_rng(seed), (), name)
        assert resampled(mock) == sorted(Counter(expected).elements())
        assert mock.counts() == cell.counts()


def test_a_sham_without_a_name_is_that_of_an_abnormality_drawn_like_any(cells):
    for seed in range(10):
        name = random_abnormality(np.random.default_rng(seed), "XX")
        named = Counter(ABNORMALITIES[name].recipes["XX"])
        drawn = sham(cells["XX"], np.random.default_rng(seed))
        assert resampled(drawn) == sorted((named - Counter({"mar": 9})).elements())


def test_what_is_no_complete_normal_cell_is_told_what_it_has(cells):
    xx = cells["XX"].chromosomes
    without_x = tuple(c for c in xx if c.name != "X")
    marker = Chromosome(xx[0].image, "mar", "m")
    for wrong, said in (
        (Metaphase(xx[1:], "lab", "p", "4"), "lab/p/4 with 1 of 1;"),
        (Metaphase(without_x, "lab", "p", "4"), "with sex chromosomes missing;"),
        (Metaphase((*without_x, of_class(cells["XY"], "Y")[0]), "lab", "p", "4"), "chromosomes Y;"),
        (Metaphase((*xx, marker), "lab", "p", "4"), "with a marker;"),
        (Metaphase(xx, "lab", "p", "4", ("t(9;22)(q34;q11.2)",)), "with t(9;22)(q34;q11.2);"),
        (Metaphase((*xx[1:], marker), "lab", "p", "4"), "with 1 of 1, a marker;"),
    ):
        with pytest.raises(ScreeningError) as told:
            check_complete(wrong)
        assert said in str(told.value)
    check_complete(cells["XX"])


def test_a_marker_is_a_piece_of_a_large_chromosome_about_as_long_as_a_21(cells):
    cell = cells["XX"]
    unit = length_unit(cell.chromosomes) * RELATIVE_LENGTH["21"]
    markers = [
        simulate(cell, "+mar", np.random.default_rng(seed)).chromosomes[-1] for seed in range(60)
    ]
    donors = {m.origin.split("~")[0].rpartition("-")[2] for m in markers}
    assert min(RELATIVE_LENGTH[name] for name in donors) > 2.5
    assert min(RELATIVE_LENGTH[name] for name in donors) < 4 < 7 < RELATIVE_LENGTH["1"]
    lengths = np.array([m.image.shape[0] for m in markers]) / unit
    assert 0.35 < lengths.min() < 0.65 and 0.9 < lengths.max() < 1.35

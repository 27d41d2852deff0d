"""Simulated abnormalities and shams: right counts, valid ISCN, and no trace but the karyotype."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from screening.classes import AUTOSOMES, CHROMOSOMES
from screening.errors import ScreeningError
from screening.synthesis.abnormalities import (
    ABNORMALITIES,
    random_abnormality,
)
from screening.synthesis.cell import Cell
from screening.synthesis.drawn import draw_cell
from screening.synthesis.resample import resample
from screening.synthesis.simulate import sham, simulate


@pytest.fixture(scope="module")
def cells() -> dict[str, Cell]:
    rng = np.random.default_rng(3)
    return {sex: draw_cell(rng, sex, case=sex) for sex in ("XX", "XY")}


def resampled(cell: Cell) -> list[str]:
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
    incomplete = Cell(cell.chromosomes[1:], "lab", "p1", "4")
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

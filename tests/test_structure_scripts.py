"""Scripts that measure the reader of structure: odd cells, tables by length and class, pictures,
baselines that learn."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from screening.classes import CHROMOSOMES, class_index
from screening.karyogram.strip import COLUMNS, QUALITY, ROWS
from screening.synthesis.drawn import draw_cell
from screening.train.structure_pages import KINDS, OUTSIDE, SHAM, UNTOUCHED, Strips

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("structure_", "measure_", "report_header")):
            del sys.modules[name]


@pytest.fixture(scope="module")
def cell():
    return draw_cell(np.random.default_rng(5), "XX")


def strips(pages: int, kind: str = UNTOUCHED, name: str = "9", size: float = 0.0) -> Strips:
    """Pages of grey bars of two of each autosome, one of `name` with a change or a cut."""
    rng = np.random.default_rng(3)
    names = [n for n in CHROMOSOMES[:22] for _ in range(2)] * pages
    count = len(names)
    ink = np.zeros((count, ROWS, COLUMNS), np.uint8)
    ink[:, 20:-20, 6:-6] = rng.integers(60, 200, (count, ROWS - 40, 1))
    labels = np.full((count, ROWS), OUTSIDE, np.uint16)
    labels[:, 20:-20] = (np.arange(ROWS - 40) * 12 // (ROWS - 40))[None]
    changed = np.zeros((count, ROWS), bool)
    kinds, sizes = np.zeros(count, np.uint8), np.zeros(count, np.float32)
    for page in range(pages if kind != UNTOUCHED else 0):
        at = page * 44 + names.index(name)
        kinds[at], sizes[at] = KINDS.index(kind), size
        changed[at, 40:60] = True
        ink[at, 62:66] = 255
    return Strips(
        ink, labels, changed, np.array([class_index(n) for n in names], np.uint8),
        np.repeat(np.arange(pages), 44).astype(np.int32), kinds, sizes,
        rng.normal(0, 0.1, (count, QUALITY)).astype(np.float32),
    )  # fmt: skip


def scores(sets: dict[str, Strips], found: float) -> dict[str, np.ndarray]:
    """Log odds of -6 of all pairs but the changed ones."""
    return {how: np.where((s.kinds[s.pairs()] > 1).any(1), found, -6.0) for how, s in sets.items()}


def test_odd_cells_and_pictures_are_what_they_are_called(cell):
    import measure_odd_structure as odd

    rng = np.random.default_rng(1)
    assert len(odd.fewer(cell, rng).chromosomes) == 44
    assert len(odd.more(cell, rng).chromosomes) == 48
    assert sorted(Counter(odd.one_homolog(cell, rng).counts().values())) == [0, 1, 2]
    changed = odd.both_changed(cell, rng)
    derived = [one for one in changed.chromosomes if one.derived]
    assert len(derived) == 2 and len({one.derived for one in derived}) == 1
    assert len({one.origin.rpartition("~")[0] for one in derived}) == 2
    one = max((c.image for c in cell.chromosomes), key=len)
    assert odd.folded(one, rng).shape[1] > 1.4 * one.shape[1]
    assert 0.5 < len(odd.halved(one, rng)) / len(one) < 0.85
    assert abs(len(odd.small(one, rng)) - odd.SMALL) <= 1
    page = odd.odd_page(cell, f"chromosomes of {odd.SMALL} pixels", np.random.default_rng(2))
    whole = odd.odd_page(cell, "as it is", np.random.default_rng(2))
    cut = odd.odd_page(cell, "cut by the edge", np.random.default_rng(2))
    assert page.shape[0] < 0.5 * whole.shape[0] and cut.shape[1] < whole.shape[1]
    assert (cut[:, 0] < 128).any(), "the edge runs through a chromosome"
    negative = odd.odd_page(cell, "negative", np.random.default_rng(2))
    assert np.array_equal(negative, 255 - whole)


def test_cells_are_counted_by_changed_length_and_class():
    from structure_tables import Told, length_tables, tables

    sets = {"normal": strips(20), "simulator": strips(9, "del", "9", 0.4)}
    told = Told.of(sets, scores(sets, 5.0), True)
    assert [c.kind for c in told.made["simulator"]] == ["del"] * 9
    assert told.made["simulator"][0].megabases == pytest.approx(0.4 * 138.4, rel=0.01)
    by_length, _, said, _, by_class = length_tables(told, ("simulator",))
    assert "| del | 40-80 Mb | 100 % | 100 % | 100 % | 9 |" in by_length and "25 %" in said
    assert "| group C (6, 7, 8, 9, 10, 11, 12, X) | 100 % |" in by_class
    assert "| 9 | 100 % | 100 % | 100 % | 9 |" in by_class and "group A" not in by_class
    missed = Told.of(sets, scores(sets, -6.0), True)
    assert missed.raised(missed.made["simulator"]) == ["0 %", "0 %", "0 %", "9"]
    (table,) = tables(sets, scores(sets, 5.0), True)
    assert "| simulator | del | 25-50 % | 9 | 1.000 | 100 % | 100 % | 100 % | 9 |" in table


class Reader:
    """Says that every row of the first of a pair is changed."""

    def __call__(self, inputs, training=False):
        import tensorflow as tf

        shape = (inputs["strips"].shape[0], 1, ROWS // 2)
        return {"row": tf.concat([tf.fill(shape, 3.0), tf.fill(shape, -3.0)], 1)}


def test_hits_misses_and_false_alarms_are_drawn_small(tmp_path):
    from structure_figures import chosen, draw
    from structure_tables import Told

    sets = {"normal": strips(20), "simulator": strips(9, "del", "9", 0.4)}
    told = Told.of(sets, scores(sets, 5.0), True)
    found = chosen(told, ("simulator",), np.random.default_rng(0))
    assert [len(found[what]) for what in ("hits", "misses", "false_alarms")] == [9, 0, 10]
    assert found["hits"][0].caption == "9: del 40 %\n+5.0"
    assert found["false_alarms"][0].caption.endswith("-6.0")
    path = tmp_path / "new" / "it.png"
    draw(path, Reader(), sets, found["hits"])
    with Image.open(path) as picture:
        assert picture.width < 1100
        grey = np.asarray(picture.convert("RGB")).astype(int)
    assert path.stat().st_size < 120_000
    red = (grey[..., 0] > 120) & (grey[..., 1] < 80) & (grey[..., 2] < 80)
    assert red.sum() > 50, "what is truly changed is marked"


@pytest.mark.slow
def test_the_baselines_learn_what_is_plain_to_see():
    from structure_baselines import Budget, rejoined, seams, siamese, siamese_score

    taught, unseen = strips(24, SHAM), strips(16, SHAM)
    (found,) = seams(taught, [unseen], Budget(30))
    assert found.cut == 16 and found.auroc > 0.8 and 0.2 < found.quality < 0.8
    changed = strips(24, "del", "9", 0.4)
    model, _ = siamese(changed, Budget(3))
    away = siamese_score(model, unseen, unseen.pairs())
    assert away.shape == (22 * 16,) and (away >= 0).all() and (away <= 2.01).all()
    cut = rejoined(strips(2), 0)
    assert (np.sort(cut.kinds[cut.pairs()], 1) == [0, KINDS.index(SHAM)]).all()


def test_a_kind_that_is_left_out_stands_nowhere_in_what_teaches():
    import measure_kinds_left_out as script

    taught = Strips.joined([strips(2, "inv", size=0.5), strips(1, "add", "3", 0.5), strips(1)])
    no_turns, no_exchanges = script.without(taught, "inv"), script.without(taught, "t")
    assert len(no_turns) == len(taught) - 4, "both homologs go"
    assert KINDS.index("inv") not in no_turns.kinds and KINDS.index("add") in no_turns.kinds
    assert KINDS.index("add") not in no_exchanges.kinds and KINDS.index("inv") in no_exchanges.kinds


def test_what_a_kind_loses_that_no_training_showed_is_told():
    import measure_kinds_left_out as script

    sets = {
        "normal": strips(4), "simulator": strips(10, "inv", size=0.6),
        "pictures": strips(3, "inv", size=0.6),
    }  # fmt: skip
    rng = np.random.default_rng(1)

    def said(found: float) -> dict[str, np.ndarray]:
        made = {}
        for how, each in sets.items():
            changed = (each.kinds[each.pairs()] > KINDS.index(SHAM)).any(1)
            made[how] = rng.normal(-3, 0.1, len(changed)) + found * changed
        return made

    rows = script.rows_of("inv", sets, {script.ALL: said(9.0), "inv": said(0.0)})
    assert len(rows) == 1, "three cells are too few for a line"
    kind, how, band, count, every, lacking, kept, *raised = rows[0]
    assert (kind, how, band, count) == ("inv", "simulator", "50-100 %", 10)
    assert every == "1.000" and abs(float(lacking) - 0.5) < 0.3
    assert float(kept.rstrip(" %")) < 60 and raised[0] == "100 %" and raised[1] != "100 %"


@pytest.mark.slow
def test_a_ganomaly_learns_to_draw_normal_ones_and_to_name_the_25th_class():
    from ganomaly import ABNORMAL, SIZE, Ganomaly

    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, ABNORMAL], 20)
    images = np.zeros((60, *SIZE), np.uint8)
    for at, label in enumerate(labels):
        first = {0: 10, 1: 30, ABNORMAL: 48}[int(label)]
        images[at, first : first + 12, 8:24] = rng.integers(150, 250)
    model = Ganomaly.new(0)
    assert model.parameters < 1_500_000
    before = model.scores(images)
    model.fit(images, labels, 12, 0)
    after = model.scores(images)
    normal = labels < ABNORMAL
    assert after["reconstruction"][normal].mean() < before["reconstruction"][normal].mean()
    assert after["abnormal"][~normal].mean() > after["abnormal"][normal].mean() + 1
    assert all(len(score) == 60 for score in after.values())


def test_the_tables_of_a_baseline_tell_what_it_finds():
    import measure_ganomaly as script

    kinds = np.array([UNTOUCHED] * 20 + [SHAM] * 10 + ["del"] * 10)
    sizes = np.array([0.0] * 30 + [0.3] * 10)
    known = script.Singles([], np.full(40, 8), kinds, sizes, np.arange(40) % 4, kinds)
    said = {"perfect": (sizes > 0) + np.arange(40) / 1e3}, {"perfect": np.full(40, 8)}
    text = script.areas(known, said)
    assert "| changed against untouched | all | 10 | 1.000 (1.000–1.000) |" in text
    assert "| del | 25-50 % | 10 | 1.000 |" in text
    decided = script.decisions(known, said, known, said).splitlines()[-1]
    assert decided.startswith("| perfect | 100.0 % | 5.0 % | 100.0 % | 100.0 % |")


def test_the_cells_of_a_person_are_composed_normal_joined_and_with_one_change(tmp_path):
    import measure_cells as measure

    rng = np.random.default_rng(4)
    cells = [draw_cell(rng, "XX", case="p") for _ in range(2)]
    alone = draw_cell(rng, "XY", case="q")
    assert measure.several([cells[0], alone, cells[1]]) == [cells]
    usual, joined, changed = (
        measure.made(((7, number, 2), cells), tmp_path) for number in range(3)
    )
    assert usual.change == joined.change == "" and changed.kind in ("t", "del", "inv", "dup",
                                                                    "add", "i", "rob")  # fmt: skip
    for one in (usual, joined, changed):
        assert len(one.pages) == 2 and all(path.is_file() for path in one.pages)

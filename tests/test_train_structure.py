"""The reader of structure: strips whose truth is known, splices, the network and its losses."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from screening.classes import AUTOSOMES, class_index
from screening.errors import ScreeningError
from screening.karyogram.strip import COLUMNS, ROWS
from screening.synthesis.drawn import draw_cell
from screening.synthesis.rearrangements import Piece, rearrangement
from screening.train.structure_pages import (
    KINDS,
    OUTSIDE,
    SHAM,
    Strips,
    changed_cell,
    changed_part,
    page_strips,
    random_change,
    row_labels,
)
from screening.train.structure_set import SHARES, Part, StructureSet, _plan, variable_stretch

PARTS = 12


@pytest.fixture(scope="module")
def strips():
    made = []
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        cell, truths = changed_cell(draw_cell(rng, "XX"), rng, 8)
        made.append(page_strips(cell, truths, rng, None))
    return Strips.joined(made)


def test_rows_know_what_they_show_and_which_of_them_is_odd():
    def told(*pieces: Piece) -> tuple[list[int], np.ndarray]:
        labels, changed = row_labels("9", pieces, 120)
        assert (labels // PARTS == class_index("9")).sum() == sum(
            round(120 * abs(p.end - p.start) / total) for p in pieces if p.name == "9"
        )
        return (labels % PARTS).tolist(), changed

    total = 1.0
    place, changed = told(Piece("9", 0, 1))
    assert place == sorted(place) and not changed.any()
    place, changed = told(Piece("9", 0, 0.25), Piece("9", 0.75, 0.25), Piece("9", 0.75, 1))
    assert np.flatnonzero(changed).tolist() == list(range(30, 90))
    assert place[30:90] == sorted(place[30:90], reverse=True)
    total = 0.5
    place, changed = told(Piece("9", 0, 0.25), Piece("9", 0.75, 1))
    assert max(np.diff(place)) > 5 and 0 < changed.sum() <= 8 and changed[60]
    total = 1.5
    _, changed = told(Piece("9", 0, 0.75), Piece("9", 0.25, 1))
    assert np.flatnonzero(changed).tolist() == list(range(60, 100))
    labels, changed = row_labels("9", (Piece("9", 0, 0.5), Piece("22", 0.5, 1)), 100)
    assert changed.any() and (labels[changed & (np.arange(100) > 80)] // PARTS == 21).all()


@pytest.mark.parametrize(
    ("name", "part"),
    [("inv(9)(p24.3q34.3)", 0.99), ("del(5)(p14)", 0.12), ("i(17)(q10)", 0.7)],
)
def test_how_much_of_a_chromosome_is_changed(name, part):
    made = rearrangement(name).derivatives[0]
    assert changed_part(made.name, made.pieces) == pytest.approx(part, abs=0.06)
    assert changed_part(made.name, (Piece(made.name, 0, 1),)) == 0


def test_drawn_changes_have_every_kind_and_a_size_that_can_be_seen():
    rng = np.random.default_rng(0)
    names = [n for n in (random_change(rng, AUTOSOMES) for _ in range(300)) if n]
    assert len(names) > 150
    assert {n.partition("(")[0] for n in names} == set(KINDS[2:])
    for name in names[:60]:
        sizes = [changed_part(d.name, d.pieces) for d in rearrangement(name).derivatives]
        assert 0.05 <= max(sizes) <= 1.2


def test_a_changed_cell_has_as_many_shams_and_every_strip_its_truth(strips):
    assert len(strips) == 92 and strips.strips.shape[1:] == (ROWS, COLUMNS)
    assert len(strips.pairs()) == 46
    assert (strips.classes[strips.pairs()[:, 0]] == strips.classes[strips.pairs()[:, 1]]).all()
    real, sham = strips.kinds > KINDS.index(SHAM), strips.kinds == KINDS.index(SHAM)
    assert 6 <= real.sum() <= 16 and 6 <= sham.sum() <= 16
    assert strips.changed[real].any(1).all() and not strips.changed[~real].any()
    own = strips.labels // PARTS == strips.classes[:, None]
    assert (own | (strips.labels == OUTSIDE))[~real].all()
    # Lengths are in units of the class, so that normal ones are about 0.
    assert abs(np.median(strips.quality[~real, 0])) < 0.1


def test_a_splice_on_strips_moves_the_labels_with_the_rows(strips):
    made = StructureSet(strips, 8, 1)
    plain = made.plain[0]
    at, other = made.pairs[plain]
    rows = (strips.labels[at] != OUTSIDE).sum()
    lost = made._joined([Part(at, 0, 0.3), Part(at, 0.7, 1)], at, np.random.default_rng(0))
    kept = lost.labels[lost.labels != OUTSIDE] % PARTS
    assert len(kept) == pytest.approx(0.6 * rows, abs=2)
    assert not np.isin(kept, range(5, 8)).any() and 0 < lost.changed.sum() <= 8
    turned = [Part(at, 0, 0.2), Part(at, 0.8, 0.2, True), Part(at, 0.8, 1)]
    inverted = made._joined(turned, at, np.random.default_rng(0))
    assert inverted.changed.sum() == pytest.approx(0.6 * rows, abs=2)
    sham = made._joined([Part(at, 0, 0.4), Part(other, 0.4, 1)], at, np.random.default_rng(0))
    place = sham.labels[sham.labels != OUTSIDE].astype(int)
    assert not sham.changed.any() and (np.diff(place) >= 0).all()


def test_only_kinds_that_have_a_share_are_made_of_strips(strips):
    rng = np.random.default_rng(2)
    turned = [_plan(0, 1, rng, {"inv": 0.3}) for _ in range(20)]
    assert all(sum(part.start > part.end for part in plan) == 1 for plan in turned)
    lost = [_plan(0, 1, rng, SHARES | {"inv": 0, "dup": 0, "i": 0}) for _ in range(60)]
    assert not any(part.at == 0 and part.start > part.end for plan in lost for part in plan)
    assert any(part.at == 1 for plan in lost for part in plan), "translocations are made"
    made = StructureSet(strips, 8, 1, shares={"del": 1.0})
    assert made.shares == {"del": 1.0} and len(list(made.batches(0))) == 1


def test_an_epoch_is_drawn_from_its_number_alone(strips):
    first = list(StructureSet(strips, 8, 2, seed=3).batches(5))
    again = list(StructureSet(strips, 8, 2, seed=3).batches(5))
    for (x, y), (u, v) in zip(first, again, strict=True):
        assert all((x[k] == u[k]).all() for k in x) and all((y[k] == v[k]).all() for k in y)
    assert (next(StructureSet(strips, 8, 2, seed=3).batches(6))[0]["strips"] != x["strips"]).any()
    pair = np.concatenate([y["pair"] for _, y in first])
    assert 0 < pair.mean() < 1 and set(np.unique(pair)) == {0.0, 1.0}


def test_the_worst_of_the_untouched_are_drawn_more_often(strips):
    made = StructureSet(strips, 32, 30)
    assert made.batch == 33
    worst = made.plain[3]
    drawn = []
    made.made = lambda chosen, rng: drawn.append(chosen)
    list(made.batches(0))
    before = (np.concatenate(drawn) == worst).sum()
    said = np.zeros(len(made.plain))
    said[3] = 1.0
    made.mine(said, 0.25)
    drawn.clear()
    list(made.batches(0))
    batch, *_ = drawn
    untouched = np.isin(batch, made.plain).sum()
    assert len(batch) == made.batch == 33 and untouched == 18
    # 8 of each of 30 batches from the twentieth: one pair or two of the two pages.
    assert len(made.plain) < 60 and (np.concatenate(drawn) == worst).sum() > 60 > before


def test_what_varies_among_normal_people_is_known():
    low, high = variable_stretch("9")
    assert 0.3 < low < high < 0.5 and variable_stretch("14")[0] == 0
    assert variable_stretch("2") is None


@pytest.fixture(scope="module")
def reader():
    import keras

    from screening.models.structure import build_structure_reader

    keras.utils.set_random_seed(0)
    return build_structure_reader(width=8, blocks=1, stem=2)


def test_the_reader_treats_homologs_alike_and_single_chromosomes_alone(reader, strips, tmp_path):
    import keras

    from screening.train.structure import predict

    pairs = strips.pairs()[:6]
    made = predict(reader, strips, pairs)
    assert made["pair"].shape == (6,) and made["single"].shape == (6, 2)
    assert made["row"].shape == (6, 2, ROWS // 2)
    swapped = predict(reader, strips, pairs[:, ::-1])
    assert swapped["pair"] == pytest.approx(made["pair"], abs=1e-4)
    assert swapped["single"] == pytest.approx(made["single"][:, ::-1], abs=1e-4)
    blank = replace(strips, strips=strips.strips * (np.arange(92) != pairs[0, 1])[:, None, None])
    other = predict(reader, blank, pairs)
    assert other["single"][0, 0] == pytest.approx(made["single"][0, 0], abs=1e-4)
    assert other["pair"][0] != pytest.approx(made["pair"][0], abs=1e-4)
    reader.save(tmp_path / "reader.keras")
    loaded = predict(keras.models.load_model(tmp_path / "reader.keras"), strips, pairs)
    assert loaded["pair"] == pytest.approx(made["pair"], abs=1e-5)


def test_a_narrower_reader_without_dot_plots_is_taken_over_and_says_the_same(strips, monkeypatch):
    import keras

    from screening.models import structure
    from screening.train.structure import predict

    def nothing(x, rows, *_):
        return keras.ops.reshape(rows, (-1, 2, ROWS // 2))[:, 0, :0]

    with monkeypatch.context() as patch:
        patch.setattr(structure, "_plotted", nothing)
        older = structure.build_structure_reader(width=12, blocks=1, stem=4)
    model = structure.build_structure_reader(width=16, blocks=1, stem=4)
    pairs = strips.pairs()[:6]
    before = predict(model, strips, pairs)["pair"]
    structure.take_over(model, older)
    theirs, ours = (predict(one, strips, pairs) for one in (older, model))
    assert abs(theirs["pair"] - before).max() > 1e-3
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-5)
    with pytest.raises(ScreeningError, match="do not fit"):
        structure.take_over(structure.build_structure_reader(width=8, blocks=1, stem=4), older)


def test_the_shipped_size_is_small():
    from screening.models.structure import build_structure_reader

    assert build_structure_reader().count_params() < 3e6


def test_rows_without_a_label_cost_nothing():
    import tensorflow as tf

    from screening.train.structure import logit_loss, places_loss, rows_loss

    labels = tf.constant([[[0, -1], [1, -1]]])
    logits = np.zeros((1, 2, 2, 3), np.float32)
    assert places_loss(labels, logits).numpy() == pytest.approx([np.log(3)])
    logits[0, :, 1] = [9, -9, 0]
    assert places_loss(labels, logits).numpy() == pytest.approx([np.log(3)])
    logits[0, 0, 0, 0] = 50
    assert places_loss(labels, logits).numpy() == pytest.approx([np.log(3) / 2])
    one = tf.constant([1.0, 0.0])
    assert logit_loss(one, tf.constant([50.0, -50.0])).numpy() == pytest.approx([0, 0])
    assert rows_loss(tf.ones((1, 2, 4)), tf.zeros((1, 2, 4))).numpy() == pytest.approx(
        [4 * np.log(2)]
    )


def test_a_finished_training_is_taken_as_it_is(strips, tmp_path, monkeypatch):
    from screening.models import structure as models
    from screening.train import structure

    monkeypatch.setattr(
        structure, "build_structure_reader",
        partial(models.build_structure_reader, blocks=1, stem=2),
    )  # fmt: skip
    settings = structure.StructureSettings(
        1, steps=1, pairs=8, precision="mixed_bfloat16", width=8, hard_negatives=0.25
    )
    made = structure.fit_structure(tmp_path, lambda epoch: strips, strips, settings)
    assert {"auroc_pair", "auroc_single", "dense_loss"} <= set(
        json.loads((tmp_path / "history.json").read_text())[0]
    )
    again = structure.fit_structure(
        tmp_path, lambda epoch: pytest.fail("it drew"), strips, settings
    )
    for a, b in zip(made.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert {layer.compute_dtype for layer in made.layers} == {"float32"}
    again.load_weights(tmp_path / "reader.weights.h5")

"""Training on drawn cells and tiny networks: truth of slots, resuming, exact feature cache."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.models import backbones
from screening.models.backbones import Stage
from screening.models.screener import HEAD_START, base_of, build_screener
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.style import clinical_style
from screening.train import karyogram_set as sets
from screening.train.chromosome_crops import Augmentation, CropBatches, render, stored_crops
from screening.train.durations import silent
from screening.train.head import HeadSettings, pictures_of, train_head
from screening.train.pretrain import PretrainConfig, crop_shape, pretrain
from screening.train.slots import SlotBatches, SlotConfig, shaded, states_under, train_on_slots
from shipped import locator
from tiny_base import SIZE, TINY, tiny_pictures


@pytest.fixture(scope="module")
def cells() -> list[Metaphase]:
    rng = np.random.default_rng(3)
    return [draw_cell(rng, sex, case=f"p{i}") for i, sex in enumerate(("XX", "XY"))]


@pytest.fixture(scope="module")
def data(cells, tmp_path_factory) -> sets.KaryogramSet:
    counts = {sets.COMPOSED: 2, sets.SIMULATED: 2, sets.SCRAMBLED: 1}
    folder = tmp_path_factory.mktemp("set")
    return sets.build_set(
        folder, sets.plan({sets.COMPOSED: cells}, counts, 1), cells, (64,), locator(), 1
    )


def tiny_screener() -> keras.Model:
    """The screener's shape with a base of two convolutions, stride 32 like VGG16."""
    image = keras.Input((64, 64, 3), name="image")
    x = keras.layers.Rescaling(-1 / 127.5, offset=2.0)(image)
    x = keras.layers.Conv2D(8, 8, 8, activation="relu", name="first")(x)
    x = keras.layers.Conv2D(8, 4, 4, activation="relu", name="second")(x)
    x = keras.layers.Dropout(0.3, name=HEAD_START)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.BatchNormalization()(keras.layers.Dense(4, activation="relu")(x))
    x = keras.layers.Dense(1, activation="sigmoid", name="p_abnormal")(x)
    return keras.Model(image, x)


def test_a_set_holds_the_truth_of_every_karyogram(data):
    kinds = [row["kind"] for row in data.rows]
    assert sorted(kinds) == sorted(2 * ["normal", "normal", "simulated", "simulated", "scrambled"])
    for row, label in zip(data.rows, data.labels, strict=True):
        assert label == (row["kind"] != "normal")
        assert (row["iscn"] in ("46,XX", "46,XY")) == (row["kind"] == "normal")
    images, states = data.images(64), data.states(64)
    assert images.shape == (10, 64, 64) and states.shape == (10, 2, 2)
    assert images.max() == 255 and images.min() < 200
    assert list(data.honest) == [kind != "scrambled" for kind in kinds]


def test_a_killed_build_goes_on_and_ends_the_same(cells, data, tmp_path):
    entries = sets.plan(
        {sets.COMPOSED: cells}, {sets.COMPOSED: 2, sets.SIMULATED: 2, sets.SCRAMBLED: 1}, 1
    )
    sets.build_set(tmp_path, entries, cells, (64,), locator(), 1)
    images = np.lib.format.open_memmap(tmp_path / "images_64.npy", "r+")
    images[6:] = 0  # what a kill after six of them would leave
    images.flush()
    (tmp_path / "progress").write_text("6")
    again = sets.build_set(tmp_path, entries, cells, (64,), locator(), 1)
    np.testing.assert_array_equal(again.images(64), data.images(64))
    assert again.rows == data.rows


def test_slots_know_what_stands_in_them(cells):
    female = cells[0]
    kept = [c for c in female.chromosomes if c.name != "21"]
    extra = [c for c in female.chromosomes if c.name == "7"][:1]
    cell = Metaphase((*kept, *extra), "s", "c", "1")
    rng = np.random.default_rng(0)
    states = sets.slot_states(compose(cell, clinical_style(rng), rng))
    changed = {name: state for name, state in states.items() if state != sets.USUAL}
    assert changed == {"7": sets.GAIN, "21": sets.LOSS}


@pytest.mark.parametrize(
    ("sexes", "expected"),
    [("XX", (0, 0)), ("XY", (0, 0)), ("X", (2, 0)), ("XXX", (1, 0)), ("XYY", (1, 1))],
)
def test_x_and_y_are_judged_together(cells, sexes, expected):
    male = cells[1]
    x, y = ([c for c in male.chromosomes if c.name == name][0] for name in "XY")
    rest = [c for c in male.chromosomes if c.name not in "XY"]
    cell = Metaphase((*rest, *[x] * sexes.count("X"), *[y] * sexes.count("Y")), "s", "c", "1")
    rng = np.random.default_rng(0)
    states = sets.slot_states(compose(cell, clinical_style(rng), rng))
    assert (states["X"], states["Y"]) == expected


def test_the_state_map_lies_where_the_slot_is_in_the_networks_input(cells):
    female = cells[0]
    extra = [c for c in female.chromosomes if c.name == "1"][:1]
    cell = Metaphase((*female.chromosomes, *extra), "s", "c", "1")
    rng = np.random.default_rng(0)
    image, states = sets.tensors(compose(cell, clinical_style(rng), rng), 416)
    rows, columns = np.nonzero(states == sets.GAIN)
    ink = np.nonzero(image < 200)
    assert len(rows) and rows.max() * 32 < np.median(ink[0]) and columns.max() * 32 < 208


def test_widening_changes_no_length(cells):
    wide = sets.widen(cells[0], np.random.default_rng(1))
    ratios = {
        round(b.image.shape[1] / a.image.shape[1], 1)
        for a, b in zip(cells[0].chromosomes, wide.chromosomes, strict=True)
        if a.image.shape[1] > 12
    }
    assert [c.image.shape[0] for c in wide.chromosomes] == [
        c.image.shape[0] for c in cells[0].chromosomes
    ]
    assert max(ratios) - min(ratios) <= 0.2


def test_crops_keep_relative_length_and_depend_on_seed_and_epoch_alone(cells):
    inks, labels = stored_crops(cells)
    longest = np.mean([i.shape[0] for i, c in zip(inks, labels, strict=True) if c == 0])
    shortest = np.mean([i.shape[0] for i, c in zip(inks, labels, strict=True) if c == 20])
    assert 3 < longest / shortest < 6
    plain = render(inks[0], (80, 48), 56.0)
    assert plain.shape == (80, 48) and plain.max() == 255 and plain.min() < 150

    def batch(epoch: int) -> np.ndarray:
        return CropBatches(inks, labels, (80, 48), 8, Augmentation(), seed=5, epoch=epoch)[1][0]

    np.testing.assert_array_equal(batch(2), batch(2))
    assert not np.array_equal(batch(2), batch(3))


def test_a_base_that_takes_no_small_pictures_is_pretrained_on_larger_crops():
    assert crop_shape(32) == PretrainConfig.shape == (80, 48)
    row = backbones.get_backbone("inceptionv3")
    shape = crop_shape(row.min_size)
    assert shape == (80, 75)
    base = row.constructor(include_top=False, weights=None, input_shape=(None, None, 3))
    assert base.compute_output_shape((1, *shape, 3)) == (1, 1, 1, 2048)


def test_pretraining_resumes_after_its_last_epoch(cells, tmp_path):
    def new_base() -> keras.Model:
        image = keras.Input((None, None, 3))
        return keras.Model(image, keras.layers.Conv2D(4, 5, 4, activation="relu")(image))

    config = PretrainConfig(epochs=2, batch=16, precision="float32")
    pretrain(new_base, cells, {"same": cells}, tmp_path / "a", config, stop_after=1)
    assert len(json.loads((tmp_path / "a" / "history.json").read_text())) == 1
    resumed = pretrain(new_base, cells, {"same": cells}, tmp_path / "a", config)
    history = json.loads((tmp_path / "a" / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2] and 0 <= history[1]["accuracy_same"] <= 1
    unbroken = pretrain(new_base, cells, {"same": cells}, tmp_path / "b", config)
    for ours, theirs in zip(resumed.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_slots_and_picture_are_taught_together(data):
    config = SlotConfig(batch=4, epochs=1)
    pictures = shaded(data, 64, seed=0)
    images, targets, weights = SlotBatches(data, data.states(64), config, 0, pictures, 1)[0]
    assert images.shape == (4, 64, 64, 3) and 0 <= images.min() and images.max() <= 255
    assert targets["slots"].shape == weights["slots"].shape == (4, 2, 2)
    rows = np.array([2, 5])
    one, same, other = (pictures.take(rows, np.full(2, variant)) for variant in (1, 1, 2))
    assert (one == same).all() and (one != other).any()


@pytest.mark.parametrize("depth", ["whole", "second"])
def test_the_slot_stage_ends_the_same_after_a_kill_and_leaves_what_is_frozen(data, tmp_path, depth):
    row = replace(TINY, stages=(Stage("second", "first"), Stage("whole", None)))
    config = SlotConfig(batch=4, epochs=2, unfreeze=depth, variants=2)
    before = tiny_screener().get_weights()

    def begun() -> keras.Model:
        made = tiny_screener()
        made.set_weights(before)
        return made

    trained = train_on_slots(begun, row, data, 64, tmp_path, config)
    assert trained.output_shape == [(None, 1), (None, 2, 2, 3)]
    ours, old = ([made.get_layer(name).get_weights()[0] for name in ("first", "second")]
                 for made in (trained, begun()))  # fmt: skip
    moved = [bool((one != other).any()) for one, other in zip(ours, old, strict=True)]
    assert moved == [depth == "whole", True]
    made = sorted(path.stem[-2:] for path in (tmp_path / "frozen").glob("*.npy"))
    assert made == ([] if depth == "whole" else ["-1", "-2"])
    again = train_on_slots(begun, row, data, 64, tmp_path, config)
    for ours, theirs in zip(again.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_map_with_other_cells_has_the_truth_that_lies_under_their_middles():
    states = np.arange(100, dtype=np.int8).reshape(1, 10, 10)
    np.testing.assert_array_equal(states_under(states, 10), states)
    np.testing.assert_array_equal(states_under(states, 5), states[:, 1::2, 1::2])
    np.testing.assert_array_equal(states_under(states, 20), states.repeat(2, 1).repeat(2, 2))
    inception = states_under(states, 8)[0]  # 320 px: 8 cells of 40 px
    assert inception[0].tolist() == [0, 1, 3, 4, 5, 6, 8, 9]
    assert inception[:, 0].tolist() == [0, 10, 30, 40, 50, 60, 80, 90]


def test_slots_are_taught_to_a_finer_map_and_refused_to_one_without_places(data, tmp_path):
    def finer() -> keras.Model:
        image = keras.Input((64, 64, 3), name="image")
        x = keras.layers.Conv2D(4, 8, 8, name="first")(image)
        x = keras.layers.Dropout(0.3, name=HEAD_START)(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(image, keras.layers.Dense(1, "sigmoid", name="p_abnormal")(x))

    row = replace(TINY, stages=(Stage("whole", None),))
    trained = train_on_slots(finer, row, data, 64, tmp_path / "fine", SlotConfig(batch=4))
    assert trained.output_shape == [(None, 1), (None, 8, 8, 3)]

    def placeless() -> keras.Model:
        image = keras.Input((64, 64, 3), name="image")
        x = keras.layers.Conv2D(4, 64, name="first")(image)
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Dropout(0.3, name=HEAD_START)(x))
        return keras.Model(image, keras.layers.Dense(1, "sigmoid", name="p_abnormal")(x))

    with pytest.raises(ScreeningError, match="1 x 1 cells for 64 px, which tells no places"):
        train_on_slots(placeless, row, data, 64, tmp_path / "none", SlotConfig(batch=4))


def test_the_head_alone_is_trained_and_a_killed_training_ends_the_same(tmp_path, monkeypatch):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", TINY)
    train, validation = tiny_pictures(24), tiny_pictures(12, seed=1)
    settings = HeadSettings(batch=8, epochs=4, learning_rate=0.01)

    def trained(folder: Path, tick=silent) -> list[np.ndarray]:
        keras.utils.set_random_seed(7)
        screener = build_screener("tiny", SIZE, hidden=8)
        before = [w.copy() for w in base_of(screener).get_weights()]
        train_head(screener, TINY, train, validation, settings, folder, tick=tick)
        for ours, theirs in zip(base_of(screener).get_weights(), before, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        return screener.get_weights()

    def kill(done: float, total: float, what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed", kill)
    unbroken, resumed = trained(tmp_path / "whole"), trained(tmp_path / "killed")
    for ours, theirs in zip(resumed, unbroken, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_scrambled_cells_are_kept_from_the_head(data):
    every, honest = pictures_of(data, 64), pictures_of(data, 64, honest=True)
    assert len(every) == 10 and len(honest) == 8 and not any("scrambled" in i for i in honest.ids)
    np.testing.assert_array_equal(honest.plain[0], data.images(64)[np.flatnonzero(data.honest)[0]])

"""The reader of structure: pairs in any number, each read once, passes from the head alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from screening.karyogram.strip import COLUMNS, QUALITY, ROWS, CellStrips
from screening.models.structure import build_structure_reader, pair_head
from screening.models.structure_outputs import DENSE, PAIR, ROW, SINGLE
from screening.predict.structure import StructureReader
from screening.predict.tensorflow_engine import TensorFlowEngine

PASSES = 6


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(3)
    return build_structure_reader()


@pytest.fixture(scope="module")
def reader(model) -> StructureReader:
    bundle = SimpleNamespace(load_model=lambda part: model)
    return StructureReader(TensorFlowEngine(bundle), PASSES)


def strips(n: int) -> CellStrips:
    rng = np.random.default_rng(n)
    ink = rng.integers(40, 230, (n, ROWS, COLUMNS), np.uint8)
    ink[:, :30] = 0
    return CellStrips(ink, rng.normal(0, 0.2, (n, QUALITY)).astype(np.float32))


def test_the_two_parts_of_the_model_say_what_it_says(model):
    body, head = pair_head(model)
    cell = strips(4)
    inputs = {
        "strips": cell.strips.reshape(2, 2, ROWS, COLUMNS).astype(np.float32),
        "quality": cell.quality.reshape(2, 2, QUALITY), "classes": np.array([3, 8], np.int32),
    }  # fmt: skip
    whole, split = model(inputs, training=False), body(inputs, training=False)
    for name in (DENSE, ROW, SINGLE):
        np.testing.assert_allclose(split[name], whole[name], atol=1e-5)
    np.testing.assert_allclose(np.asarray(head(split[PAIR]))[:, 0], whole[PAIR], atol=1e-5)


@pytest.mark.parametrize("m", [0, 1, 23, 30])
def test_any_number_of_pairs(reader, m):
    cell = strips(2 * m + 1)
    pairs = np.arange(2 * m).reshape(-1, 2)
    classes = np.repeat(np.arange(m) % 24, 2)
    said = reader.read(cell, pairs, np.append(classes, 0))
    assert said.each.shape == (PASSES, m) and said.single.shape == (m, 2)
    assert said.rows.shape == said.inked.shape == (m, 2, ROWS // 2)
    assert said.places.shape[:3] == (m, 2, ROWS // 2)
    assert not m or not said.inked[:, :, :15].any()
    if m:
        assert np.abs(np.exp(said.places).sum((3, 4)) - 1).max() < 1e-3
        assert said.each.std(0).min() > 0 and np.isfinite(said.each).all()
        np.testing.assert_array_equal(said.quality[:, 1], cell.quality[pairs[:, 1]])
        alone = reader.read(cell, pairs[-1:], np.append(classes, 0))
        np.testing.assert_allclose(alone.each[:, 0], said.each[:, -1], atol=1e-4)


def test_a_cell_is_read_in_one_run(reader, monkeypatch):
    runs: list[int] = []
    body = reader._network.body
    monkeypatch.setattr(
        reader, "_network",
        SimpleNamespace(body=lambda x: runs.append(len(x["classes"])) or body(x),
                        head=reader._network.head),
    )  # fmt: skip
    for m, expected in ((23, [24]), (24, [24]), (30, [24, 24])):
        runs.clear()
        reader.read(strips(2 * m), np.arange(2 * m).reshape(-1, 2), np.arange(2 * m) // 2 % 24)
        assert runs == expected

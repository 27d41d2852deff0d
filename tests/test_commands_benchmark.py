"""`screening benchmark` from end to end on drawn chromosomes and a tiny network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from screening.cli import main
from screening.models import backbones
from tiny_base import TINY

CONFIG = "configs/benchmark24.yaml"


@pytest.fixture
def config(monkeypatch, tmp_path) -> Path:
    monkeypatch.setitem(backbones.BACKBONES, "tiny", TINY)
    path = tmp_path / "it.yaml"
    recipes = [{"name": "plain"}, {"name": "two", "kind": "contrastive"}]
    recipes.append({"name": "read", "kind": "check-and-adjust", "records": True})
    datasets = [{"name": "x", "sources": ["xihu"]}]
    raw = {"networks": ["tiny"], "recipes": recipes, "datasets": datasets}
    raw["protocols"] = ["by-patient"]
    path.write_text(yaml.safe_dump(raw))
    return path


def test_a_trial_runs_every_row_and_goes_on_where_it_was(config, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["benchmark", str(config), "--smoke", "--out", str(out), "--quiet"]
    assert main([*words, "--shard", "2/3"]) == 0
    done = sorted(path.name for path in (out / "rows").iterdir())
    assert done == ["tiny_two_all_by-patient_seed0"]
    assert "2 of 3 rows:\n\n- tiny_plain" in (out / "benchmark.md").read_text("utf-8")
    stamp = (out / "rows" / done[0] / "row.json").stat().st_mtime_ns
    (out / "rows" / "tiny_plain_all_by-patient_seed0").mkdir()  # as a kill would leave it
    assert main(words) == 0
    assert (out / "rows" / done[0] / "row.json").stat().st_mtime_ns == stamp
    assert "3 of the 3 rows" in (out / "benchmark.md").read_text("utf-8")
    kept = json.loads((out / "rows" / "tiny_plain_all_by-patient_seed0" / "row.json").read_text())
    assert kept["facts"]["timed"] == 4 and len(kept["history"]) == 1
    assert kept["facts"]["parameters"] > 0 and kept["facts"]["operations"] > 0
    seen = dict(np.load(out / "rows" / done[0] / "insight.npz"))
    assert seen["before"].shape == seen["after"].shape == (len(seen["point_labels"]), 2)
    assert not np.allclose(seen["before"], seen["after"])
    assert seen["heat"].shape == (8, 4, 4) and seen["heat"].max() == 255
    assert list(seen["layer_names"]) == [
        "conv1: block1_conv", "pool1: block1_pool", "pool2: block2_pool", "last: block3_pool"
    ]  # fmt: skip
    assert seen["layer_pool1"].shape == (3 * 17 - 1, 3 * 17 - 1)
    records = next((out / "records").iterdir())
    assert records.name.startswith("all_by-patient_seed0_")
    assert {path.name for path in records.iterdir()} == {
        "train.tfrecord", "validation.tfrecord", "test.tfrecord"
    }  # fmt: skip
    assert capsys.readouterr().err == ""


def test_mistakes_are_told_before_anything_is_made(config, tmp_path, capsys):
    out = tmp_path / "run"
    for words, said in (
        ([CONFIG], "expected --data DATA"),
        ([str(config), "--smoke", "--shard", "9/8"], "such as 3/8"),
        ([CONFIG, "--data", "nowhere"], "nowhere does not exist"),
        (["nothing.yaml", "--smoke"], "cannot be read"),
    ):
        assert main(["benchmark", *words, "--out", str(out)]) == 2
        assert said in capsys.readouterr().err
        assert not out.exists()

"""`screening compose` and `simulate`: files, truth, seeds, and clear errors."""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from screening.classes import CHROMOSOMES
from screening.commands import compose, simulate
from screening.errors import ScreeningError
from screening.synthesis.drawn import draw_cell


def run(command, *arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([*map(str, arguments), "--quiet"]))


def read(out: Path) -> tuple[list[dict[str, str]], list[dict]]:
    with open(out / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = (out / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    return rows, [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A data folder: two people's complete cells and one that lost chromosomes."""
    root = tmp_path_factory.mktemp("données")
    lines = ["path,source,case,cell,class,stain,upright"]
    for case, sex in (("p1", "XX"), ("p2", "XY"), ("p3", "XX")):
        cell = draw_cell(np.random.default_rng(ord(case[1])), sex)
        for index, chromosome in enumerate(cell.chromosomes[: 40 if case == "p3" else 46]):
            name = f"{case}-{index}.png"
            (root / name).write_bytes(cv2.imencode(".png", chromosome.image)[1].tobytes())
            lines.append(f"{name},lab,{case},1,{chromosome.name},G,yes")
    (root / "chromosomes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def test_compose_takes_complete_cells_and_writes_their_truth(folder, tmp_path):
    assert run(compose, folder, "--out", tmp_path) == 0
    rows, truths = read(tmp_path)
    assert [(row["case"], row["iscn"], row["label"], row["kind"]) for row in rows] == [
        ("p1", "46,XX", "normal", "composed"),
        ("p2", "46,XY", "normal", "composed"),
    ]
    for row, truth in zip(rows, truths, strict=True):
        image = cv2.imdecode(np.fromfile(tmp_path / row["path"], np.uint8), cv2.IMREAD_GRAYSCALE)
        assert image.shape == (truth["height"], truth["width"])
        assert truth["path"] == row["path"] and len(truth["boxes"]) == 46
        assert [slot["name"] for slot in truth["slots"]] == list(CHROMOSOMES)


def test_simulate_gives_the_asked_share_and_only_the_asked_abnormality(folder, tmp_path):
    arguments = ["--count", 8, "--abnormal-fraction", 0.25, "--abnormality", "47,XXY"]
    assert run(simulate, folder, "--out", tmp_path, "--style", "random", *arguments) == 0
    rows, truths = read(tmp_path)
    assert Counter(row["label"] for row in rows) == {"normal": 6, "abnormal": 2}
    # Only a man's cell becomes 47,XXY, so the normal ones are men's too.
    assert Counter(row["iscn"] for row in rows) == {"46,XY": 6, "47,XXY": 2}
    assert {row["kind"] for row in rows} == {"sham", "simulated"}
    assert {truth["recipe"] for truth in truths} == {"47,XXY"}


def test_same_seed_same_files_whatever_stood_there(tmp_path):
    outs = [tmp_path / "a", tmp_path / "b"]
    run(simulate, "drawn", "--out", outs[1], "--count", 3, "--seed", 1)
    for out in outs:
        run(simulate, "drawn", "--out", out, "--count", 2, "--seed", 5, "--overwrite")
    files = [sorted(p.relative_to(out) for p in out.rglob("*.*")) for out in outs]
    assert files[0] == files[1]
    assert all((outs[0] / f).read_bytes() == (outs[1] / f).read_bytes() for f in files[0])


def test_drawn_people_are_others_for_another_seed(tmp_path):
    """Karyogram 1 of two seeds shows two people, or a set would be refused as seen already."""
    people, pictures = set(), set()
    for seed in range(3):
        for command in (compose, simulate):
            out = tmp_path / f"{command.__name__}-{seed}"
            run(command, "drawn", "--out", out, "--count", 1, "--seed", seed)
            rows, _ = read(out)
            people.add((rows[0]["source"], rows[0]["case"]))
            pictures.add((out / rows[0]["path"]).read_bytes())
    assert len(people) == 3 and len(pictures) == 6


def test_what_is_planned_hangs_on_no_numbers_that_the_first_karyogram_is_drawn_from(monkeypatch):
    keys = []
    made = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda key: keys.append(key) or made(key))
    monkeypatch.setattr(simulate, "write_all", lambda args, count, make: make(0))
    run(simulate, "drawn", "--out", "nowhere", "--count", 1, "--seed", 7)
    streams = {made(key).bytes(16) for key in keys}
    assert len(streams) == len(keys) == 2


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (compose, ["--count", "0"], "--count expects 1 or more"),
        (compose, ["--seed", "-1"], "--seed expects"),
        (simulate, ["--abnormal-fraction", "1.5"], "expects 0 to 1, received 1.5"),
        (simulate, ["--abnormality", "+23"], "received \\+23"),
    ],
)
def test_wrong_values_are_named(tmp_path, command, arguments, message):
    with pytest.raises(ScreeningError, match=message):
        run(command, "drawn", "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_earlier_results_are_not_overwritten_unasked(tmp_path):
    run(compose, "drawn", "--out", tmp_path, "--count", 1, "--format", "jpg")
    with pytest.raises(ScreeningError, match="--overwrite"):
        run(compose, "drawn", "--out", tmp_path, "--count", 1)


def test_a_missing_or_useless_source_is_named(tmp_path):
    with pytest.raises(ScreeningError, match="does not exist"):
        run(compose, tmp_path / "nowhere", "--out", tmp_path / "out")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ScreeningError, match="is a file"):
        run(compose, "drawn", "--out", tmp_path / "file")


def test_help_loads_nothing_heavy():
    code = (
        "import argparse, sys\n"
        "from screening.commands import compose, simulate\n"
        "for command in (compose, simulate):\n"
        "    parser = argparse.ArgumentParser(); command.add_arguments(parser)\n"
        "    parser.format_help()\n"
        "sys.exit(any(m in sys.modules for m in ('numpy', 'cv2', 'tensorflow', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_real_cells_compose(shared_data, tmp_path):
    run(compose, shared_data, "--out", tmp_path, "--count", 3, "--sources", "xihu")
    rows, _ = read(tmp_path)
    assert [row["source"] for row in rows] == ["xihu"] * 3
    assert all(row["label"] == "normal" for row in rows)

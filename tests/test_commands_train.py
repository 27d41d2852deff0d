"""`screening train` and `screening search` from end to end on a tiny base and small pages."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
import yaml

from screening.assess.labelled import read_pictures
from screening.assess.recognise import recognise
from screening.bundle import load_bundle
from screening.cli import main
from screening.config import AugmentationConfig, DataConfig, TrainConfig, read_config
from screening.data.manifest import read_manifest
from screening.data.split import Split
from screening.errors import ScreeningError
from screening.models import backbones
from screening.models.backbones import known_depths
from screening.train import search, training_run
from screening.train.pictures import load_pictures, read_parts
from screening.train.progress import SHOWN, TrainProgress
from screening.train.staged import StagedFit
from tiny_base import TINY


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", TINY)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    """Thirty pages of bars; an abnormal one has a bar more."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(30):
        label = "abnormal" if number % 2 else "normal"
        page = np.full((96, 128), 255, np.uint8)
        for place in range(6 + 2 * (label == "abnormal")):
            x = 6 + 15 * place
            page[20 : int(rng.integers(50, 80)), x : x + 7] = int(rng.integers(40, 90))
        cv2.imwrite(str(folder / f"{number}.png"), page)
        rows.append({"path": f"{number}.png", "label": label, "case": f"c{number // 2 % 12}"})
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "manifest.csv"


@pytest.fixture
def config(manifest, tmp_path) -> Path:
    content = {
        "data": {
            "manifest": str(manifest),
            "fractions": {"train": 0.5, "validation": 0.3, "test": 0.2},
        },
        "model": {"backbone": "tiny", "size": 32, "dropout": 0.2, "hidden": 8},
        "stages": [
            {"name": "head", "learning_rate": 0.01, "epochs": 2},
            {"name": "last", "unfreeze": "last-block", "learning_rate": 0.003, "epochs": 2},
        ],
        "batch_size": 8,
        "augmentation": {"mode": "offline", "variants": 2, "slots": True},
        "search": {"trials": 3, "initial": 2, "batch_size": [4, 8], "width": [4, 8]},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _ids_of(split: Path, manifest: Path, part: str) -> list[str]:
    found = Split.from_json(split.read_text())
    return [item.id for item in read_manifest(manifest) if found.of(item) == part]


def test_train_writes_a_bundle_metrics_and_figures(config, manifest, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", str(config), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "head 2/2" in said.err and "is kept" in said.err and "Bundle:" in said.out
    bundle = load_bundle(out / "bundle")
    part = bundle.info.parts["screener"]
    assert (part.backbone, part.size, part.preprocessing) == ("tiny", 32, "ink")
    assert not bundle.info.trial_warning
    pictures = {p.id: p for p in read_pictures(manifest)}  # `evaluate` refuses what was seen
    test = [pictures[name] for name in _ids_of(out / "split.json", manifest, "test")]
    assert test and not recognise(bundle.info, test)
    known = recognise(bundle.info, pictures.values())
    assert len(known) == 30 - len(test) and all(s.content and s.case for s in known)
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["parts"]) == {"train", "validation", "test"}
    assert [stage["name"] for stage in metrics["stages"]] == ["head", "last"]
    kept = metrics["stages"][-1]["best"]["val_loss"]  # what the bundle holds is what was chosen
    assert metrics["parts"]["validation"]["loss"] == pytest.approx(kept, abs=1e-4)
    history = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert [(row["stage"], row["epoch"]) for row in history] == [
        ("head", "1"), ("head", "2"), ("last", "1"), ("last", "2"),
    ]  # fmt: skip
    page = (out / "run.html").read_text()
    assert page.count("data:image/png") == 3 and 'src="http' not in page
    assert list((out / "tensorboard").iterdir())
    assert read_config(out / "config.yaml", known_depths()).hash == metrics["config"]
    assert main(["train", str(config), "--out", str(out)]) == 2
    assert "--resume" in capsys.readouterr().err
    before = bundle.load_model().get_weights()
    assert main(["train", str(config), "--out", str(out), "--resume", "--quiet"]) == 0
    for a, b in zip(before, load_bundle(out / "bundle").load_model().get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert capsys.readouterr().out == ""


def test_weights_that_do_not_fit_are_told_before_anything_is_read(
    config, tmp_path, monkeypatch, capsys
):
    def refuse(*_):
        raise AssertionError("pictures were read")

    monkeypatch.setattr(training_run, "load_pictures", refuse)
    given = yaml.safe_load(config.read_text())
    for file, reason in {"absent.h5": "does not exist", "text.h5": "neither HDF5"}.items():
        (tmp_path / "text.h5").write_text("no weights")
        given["model"]["weights"] = str(tmp_path / file)
        config.write_text(yaml.safe_dump(given))
        for command in ("train", "search"):
            assert main([command, str(config), "--out", str(tmp_path / command), "--smoke"]) == 2
            said = capsys.readouterr().err
            assert file in said and reason in said and "Traceback" not in said


def test_progress_is_shown_while_it_trains(config, tmp_path, capfd, monkeypatch):
    epoch, shown = TrainProgress.epoch, []

    def and_look(self, row):
        epoch(self, row)
        shown.append(capfd.readouterr().err)

    monkeypatch.setattr(TrainProgress, "epoch", and_look)
    assert main(["train", str(config), "--out", str(tmp_path / "run")]) == 0
    expected = ("head 1/2", "head 2/2", "last 1/2", "last 2/2")
    assert all(line in text for line, text in zip(expected, shown, strict=True)), shown


def test_mistakes_are_named_before_training(config, manifest, tmp_path, capsys):
    content = yaml.safe_load(config.read_text())

    def told(change: dict, name: str) -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content | change))
        assert main(["train", str(path), "--out", str(tmp_path / name)]) == 2
        assert not (tmp_path / name / "stages").exists()
        return capsys.readouterr().err

    three = told({"batch": 3, "seed": -1, "model": {"backbone": "tinny"}}, "three")
    assert all(word in three for word in ("3 mistakes", "batch_size", "seed", "tinny"))
    lines = manifest.read_text().splitlines()
    folder = manifest.parent
    normal = [line for line in lines if "abnormal" not in line]
    (folder / "single.csv").write_text("\n".join(normal))
    assert "only normal" in told({"data": {"manifest": str(folder / "single.csv")}}, "single")
    (folder / "broken.png").write_text("no picture")
    (folder / "broken.csv").write_text("\n".join([*lines, "broken.png,normal,c0"]))
    data = content["data"] | {"manifest": str(folder / "broken.csv")}
    assert "broken.png" in told({"data": data}, "unreadable")
    (folder / "missing.csv").write_text("\n".join([*lines, "none.png,normal,c0"]))
    assert "none.png" in told({"data": {"manifest": str(folder / "missing.csv")}}, "missing")
    (folder / "0_again.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "twice.csv").write_text("\n".join([*lines, "0_again.png,normal,other1"]))
    data = data | {"manifest": str(folder / "twice.csv")}
    data["seed"] = next(seed for seed in range(50) if _apart(folder / "twice.csv", data, seed))
    assert "same content" in told({"data": data}, "twice")
    assert "TF_CONFIG" in told({"devices": "hosts"}, "hosts")
    cases = [f"c{number},{'train' if number < 8 else 'validation'}" for number in range(12)]
    (folder / "given.csv").write_text("\n".join(["case,part", *cases]))
    split, parts = read_parts(DataConfig(manifest=manifest, split=folder / "given.csv"))
    assert {item.case for item in parts["validation"]} == {"c8", "c9", "c10", "c11"}
    (folder / "both.csv").write_text("\n".join(["case,part", *cases, "c3,test"]))
    data = {"manifest": str(manifest), "split": str(folder / "both.csv")}
    assert "the case c3 is in train and in test" in told({"data": data}, "both")
    twice = split.to_json().replace('"c3": "train"', '"c3": "test", "c3": "train"')
    (folder / "both.json").write_text(twice)
    data["split"] = str(folder / "both.json")
    assert "the case c3 is in test and in train" in told({"data": data}, "both_json")


def _apart(manifest: Path, data: dict, seed: int) -> bool:
    """Whether this seed puts the two copies into different parts."""
    from screening.data.split import split_by_case

    items = read_manifest(manifest)
    split = split_by_case(items, data["fractions"], seed)
    one, two = (next(i for i in items if i.id == name) for name in ("0.png", "0_again.png"))
    return split.of(one) != split.of(two)


def test_variants_change_inside_slots_and_are_repeatable(manifest):
    items = read_manifest(manifest)[:2]
    how = AugmentationConfig(mode="offline", variants=3, slots=True)
    one, two = (load_pictures(items, 64, how, 1, manifest) for _ in range(2))
    rows, variants = np.array([0, 0, 1]), np.array([0, 1, 2])
    taken = one.take(rows, variants)
    assert taken.shape == (3, 64, 64, 3)
    np.testing.assert_array_equal(taken, two.take(rows, variants))
    np.testing.assert_array_equal(taken[0, ..., 0], one.plain[0])
    assert np.abs(taken[1] - taken[0]).max() > 5
    assert load_pictures(items, 64).vary is None


# keras-tuner 1.4.8 calls what Python has renamed; not ours to mend.
@pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_search_skips_what_fails_resumes_and_writes_the_best(config, tmp_path, capsys, monkeypatch):
    fit, calls = StagedFit.fit, []

    def sometimes(self, screener, resume=False):
        calls.append(self.config)
        if len(calls) == 1:
            raise MemoryError
        return fit(self, screener, resume)

    monkeypatch.setattr(StagedFit, "fit", sometimes)
    out = tmp_path / "search"
    assert main(["search", str(config), "--out", str(out)]) == 0
    assert "out of memory" in capsys.readouterr().err
    trials = json.loads((out / "search.json").read_text())
    assert [trial["score"] is None for trial in trials] == [True, False, False]
    assert trials[0]["reason"] == "out of memory"
    assert {"search_learning_rate.png", "search_batch_size.png", "search_width.png"} <= {
        p.name for p in out.iterdir()
    }
    best = read_config(out / "best.yaml", known_depths())
    assert best.search is None
    good = max((t for t in trials if t["score"] is not None), key=lambda t: t["score"])
    assert best.batch_size == good["values"]["batch_size"]
    assert best.stages[0].learning_rate == pytest.approx(good["values"]["learning_rate"])
    ratio = best.stages[1].learning_rate / best.stages[0].learning_rate
    assert ratio == pytest.approx(0.3)
    assert main(["search", str(config), "--out", str(out)]) == 2
    more = yaml.safe_load(config.read_text())
    more["search"]["trials"] = 4
    config.write_text(yaml.safe_dump(more))
    assert main(["search", str(config), "--out", str(out), "--resume", "--quiet"]) == 0
    assert len(json.loads((out / "search.json").read_text())) == 4
    assert len(calls) == 4


@pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_full_disk_ends_a_search_and_its_trial_is_tried_again(
    config, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "search"

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        assert main(["search", str(config), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "No space left" in said and "--resume" in said and "Traceback" not in said
    other = yaml.safe_load(config.read_text())
    other["model"]["size"] = 48
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    assert main(["search", str(tmp_path / "other.yaml"), "--out", str(out), "--resume"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert main(["search", str(config), "--out", str(out), "--resume", "--quiet"]) == 0
    trials = json.loads((out / "search.json").read_text())
    assert len(trials) == 3 and all(trial["score"] is not None for trial in trials)


@pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")
def test_a_search_of_failures_says_why_without_a_traceback(config, tmp_path, capsys, monkeypatch):
    kinds = iter((ScreeningError("diverged"), ValueError("odd"), MemoryError()))

    def failing(self, screener, resume=False):
        raise next(kinds)

    monkeypatch.setattr(StagedFit, "fit", failing)
    out = tmp_path / "search"
    assert main(["search", str(config), "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    assert "no trial of the search succeeded: ValueError: odd; diverged; out of memory" in said.err
    reasons = [trial["reason"] for trial in json.loads((out / "search.json").read_text())]
    assert reasons == ["diverged", "ValueError: odd", "out of memory"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), "batch_size 8"),
        (MemoryError(), "batch_size 8"),
    ],
)
def test_too_little_memory_is_told(config, tmp_path, capsys, monkeypatch, error, said):
    def failing(self, screener, resume=False):
        raise error

    monkeypatch.setattr(StagedFit, "fit", failing)
    assert main(["train", str(config), "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err


def test_curves_of_a_resumed_run_go_on_and_a_full_disk_is_told(config, tmp_path):
    base = TrainConfig.model_validate(yaml.safe_load(config.read_text()))
    row = dict.fromkeys(SHOWN, 0.5) | {"stage": "last"}
    for epoch in (1, 2):  # a progress each, as after a kill
        TrainProgress(base, tmp_path / "logs", quiet=True).epoch(row | {"epoch": epoch})
    steps = [
        event.step
        for path in sorted((tmp_path / "logs").iterdir())
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "last/val_auc"
    ]
    assert sorted(steps) == [1, 2]

    class Full:
        def as_default(self, step):
            raise tf.errors.ResourceExhaustedError(None, None, "logs; No space left on device")

    progress = TrainProgress(base, None, quiet=True)
    progress._writer = Full()
    with pytest.raises(OSError, match="No space left"):
        progress.epoch(row | {"epoch": 1})


TOGETHER = """
import sys
from screening.errors import ScreeningError
from screening.models import backbones
from tiny_base import TINY
backbones.BACKBONES["tiny"] = TINY
from screening.cli import main
from screening.assess.labelled import read_pictures
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_chief_and_two_workers_share_one_search(config, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out, tests = tmp_path / "search", Path(__file__).parent
    jobs = []
    for name in ("chief", "tuner0", "tuner1"):
        variables = os.environ | {
            "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
            "PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}",
        }
        command = [sys.executable, "-c", TOGETHER, "search", str(config), "--out", str(out)]
        jobs.append(
            subprocess.Popen(
                command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    try:
        said = [job.communicate(timeout=240) for job in jobs]
    finally:
        for job in jobs:
            job.kill()
    assert [job.returncode for job in jobs] == [0, 0, 0], said
    trials = json.loads((out / "search.json").read_text())
    assert len(trials) == 3 and all(trial["score"] is not None for trial in trials)
    assert "best settings" in said[0][0] and (out / "best.yaml").is_file()
    assert sum("-> AUC" in line for _, err in said[1:] for line in err.splitlines()) == 3


def test_searched_values_are_put_in(config):
    base = TrainConfig.model_validate(yaml.safe_load(config.read_text()))
    values = {"learning_rate": 0.02, "batch_size": 4, "dropout": 0.4, "unfreeze": "whole"}
    made = search.applied(base, values)
    assert made.model.dropout == 0.4 and made.model.hidden == 8
    assert [stage.unfreeze for stage in made.stages] == ["head", "whole"]
    assert [stage.learning_rate for stage in made.stages] == pytest.approx([0.02, 0.006])


def test_smoke_runs_small(config, tmp_path):
    out = tmp_path / "smoke"
    assert main(["train", str(config), "--out", str(out), "--smoke", "--quiet"]) == 0
    assert "Smoke run" in (out / "run.html").read_text()
    info = load_bundle(out / "bundle").info
    assert info.parts["screener"].size == 80 and info.trial_warning
    assert info.trial_warning in (out / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    assert len((out / "history.csv").read_text().splitlines()) == 3

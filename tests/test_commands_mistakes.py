"""What a user can have wrong before anything begins: paths, no TensorFlow, a trial's bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from labelled_fakes import write_bundle_without_weights
from screening.assess.measurement import doubts
from screening.build.model_card import model_card
from screening.bundle import Bundle
from screening.bundle_schema import TRIAL
from screening.cli import COMMANDS, main
from screening.commands.scoring_arguments import chosen_bundle
from screening.triage.rule import Rule
from shipped import FINDER, finder_files
from worklist_fakes import FakeScorer, write_karyograms

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("tensorflow", "keras")
CONFIG = "configs/thesis_vgg16.yaml"
BUILD = "configs/default_bundle.yaml"
BENCHMARK = "configs/benchmark24.yaml"
SHIPPED = "screening/bundles/default"


@pytest.mark.parametrize(
    "words",
    [
        ("train", "nope.yaml", "--out", "OUT"),
        ("train", CONFIG, "--data", "nope.csv", "--out", "OUT"),
        ("search", "nope.yaml", "--out", "OUT"),
        ("search", "configs/search.yaml", "--data", "nope.csv", "--out", "OUT"),
        ("build", "nope.yaml", "--data", "tests", "--out", "OUT"),
        ("build", BUILD, "--data", "nope", "--out", "OUT"),
        ("screen", "nope", "--out", "OUT"),
        ("screen", "tests", "--bundle", "nope", "--out", "OUT"),
        ("classify", "nope", "--out", "OUT"),
        ("evaluate", "--data", "nope.csv", "--out", "OUT"),
        ("evaluate", "--data", "nope.csv", "--bundle", "nope", "--out", "OUT"),
        ("tune", SHIPPED, "--data", "nope.csv"),
        ("tune", "nope", "--data", "nope.csv"),
        ("compose", "nope", "--out", "OUT"),
        ("simulate", "nope", "--out", "OUT"),
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_a_wrong_path_is_told_before_tensorflow_loads(words, tmp_path, capsys, monkeypatch):
    class Loaded(Exception):
        pass

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name in HEAVY:
                raise Loaded(name)

    for name in [m for m in sys.modules if m.partition(".")[0] in HEAVY]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("screening.cli.find_spec", lambda name: object())
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.chdir(ROOT)
    said = [str(tmp_path / "out") if word == "OUT" else word for word in words]
    assert main(said) in (1, 2)
    error = capsys.readouterr().err
    assert error.startswith("screening: error: ") and "nope" in error
    assert not list(tmp_path.iterdir())


def test_without_tensorflow_one_sentence_tells_which_extra_to_install(tmp_path):
    """In a process of its own, in which nothing has loaded TensorFlow and nothing can."""
    code = "import sys; sys.modules['tensorflow'] = None; from screening.cli import main; "
    code += "sys.exit(main(sys.argv[1:]))"

    def told(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            capture_output=True, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    out = str(tmp_path / "out")
    asked = ("screen", "screening/demo/karyograms", "--out", out, "--engine", "tensorflow")
    status, _, error = told(*asked)
    assert status == 1 and len(error.splitlines()) == 1 and "Traceback" not in error
    assert "--engine tensorflow needs TensorFlow" in error and "pip install '.[cpu]'" in error
    status, said, _ = told("doctor")
    assert status == 0 and ".[cpu]" in said and "onnxruntime" in said
    assert told("compose", "drawn", "--count", "1", "--out", out, "--quiet")[0] == 0


def test_every_command_that_trains_asks_for_tensorflow(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    out = ("--out", str(tmp_path / "out"))
    words = {
        "train": (CONFIG, *out), "search": (CONFIG, *out), "build": (BUILD, "--smoke", *out),
        "benchmark": (BENCHMARK, "--smoke", *out),
    }  # fmt: skip
    assert set(words) == {name for name, each in COMMANDS.items() if each.needs_tensorflow}
    for name, rest in words.items():
        assert main([name, *rest]) == 1
        assert f"{name} needs TensorFlow" in capsys.readouterr().err


@pytest.fixture
def trial(tmp_path) -> Bundle:
    """What `--smoke` leaves: a bundle that says of itself what it is."""
    return write_bundle_without_weights(tmp_path / "trial", data={TRIAL: True})


def test_a_trials_bundle_is_told_of_wherever_it_judges(trial, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("screening.worklist.scorer.BundleScorer", lambda *_: FakeScorer(9))
    monkeypatch.setattr("screening.worklist.reader.reader_of", lambda *_: None)
    read_part = finder_files().__getitem__
    info = trial.info.model_copy(update={"parts": trial.info.parts | FINDER})
    fake = SimpleNamespace(hash="b" * 64, info=info, read_part=read_part)
    monkeypatch.setattr("screening.bundle.load_bundle", lambda folder: fake)
    write_karyograms(tmp_path / "in", 2)
    out = tmp_path / "out"
    assert main(["screen", str(tmp_path / "in"), "--out", str(out), "--quiet"]) == 0
    assert "WARNING: this bundle comes from a trial (--smoke)" in capsys.readouterr().err
    warned = json.loads((out / "run.json").read_text("utf-8"))["warnings"]
    assert warned[0].startswith("this bundle comes from a trial")
    assert "this bundle comes from a trial" in (out / "report.html").read_text("utf-8")


def test_every_other_page_and_command_tells_of_a_trial_too(trial, capsys):
    assert chosen_bundle(trial.folder).hash == trial.hash
    assert "WARNING: this bundle comes from a trial" in capsys.readouterr().err
    said = doubts(trial, Rule.of(trial.info), 100, SimpleNamespace(drift=()))
    assert said[0].startswith("this bundle comes from a trial")
    assert "This bundle comes from a trial" in model_card(trial.info, "")
    main(["doctor", "--bundle", str(trial.folder)])
    assert "this bundle comes from a trial" in " ".join(capsys.readouterr().out.split())


def test_the_shipped_bundle_is_no_trial(capsys):
    assert not chosen_bundle(None).info.trial_warning and not capsys.readouterr().err


@pytest.mark.parametrize("command", ["screen", "classify", "tune", "evaluate"])
def test_every_command_that_takes_a_bundle_asks_for_it_in_the_one_way_that_warns(command):
    text = (ROOT / "screening" / "commands" / f"{command}.py").read_text("utf-8")
    assert "chosen_bundle(" in text and "load_bundle(" not in text

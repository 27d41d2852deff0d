"""Settings of a build: every mistake at once, the shipped file and its trial valid."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from screening.build.config import read_build
from screening.errors import ConfigError
from screening.models.backbones import known_depths

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "configs" / "default_bundle.yaml"
OTHER = ROOT / "configs" / "inceptionv3_bundle.yaml"
BASES = {"vgg16": (), "inceptionv3": ()}


def changed(tmp_path: Path, **sections) -> Path:
    raw = yaml.safe_load(SHIPPED.read_text("utf-8"))
    for name, values in sections.items():
        both = isinstance(raw.get(name), dict) and isinstance(values, dict)
        raw[name] = raw[name] | values if both else values
    path = tmp_path / "build.yaml"
    path.write_text(yaml.safe_dump(raw), "utf-8")
    return path


def test_every_mistake_is_named_at_once(tmp_path):
    path = changed(
        tmp_path,
        sources={"train_on": ["a"], "leave_out": ["a", "b"], "pooled": []},
        segmenter={"step": 5},
        split={"fractions": {"train": 0.9, "validation": 0.2, "calibration": 0.1}},
        head={"patience": 0},
        screener={"backbone": "vgg17"},
        pages={"parts": {"exam": {"normal": 1}}},
    )
    with pytest.raises(ConfigError) as told:
        read_build(path, BASES)
    text = str(told.value)
    assert "6 mistakes" in text, text
    for part in (
        "a cannot both teach and be left out", "segmenter.step: unknown key; did you mean steps",
        "shares that sum to 1", "head.patience", "vgg17", "not exam",
    ):  # fmt: skip
        assert part in text, part


def test_mistakes_of_the_trial_are_named_as_such(tmp_path):
    path = changed(tmp_path, smoke={"base": {"epochs": 0}, "heads": {}})
    with pytest.raises(ConfigError) as told:
        read_build(path, BASES)
    assert "smoke.base.epochs" in str(told.value) and "smoke.heads: unknown" in str(told.value)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"pages": {"certificate": "validation"}}, "of calibration patients, not validation"),
        ({"pages": {"fusion": "calibration-one"}}, "of validation patients"),
        ({"witnesses": ["network", "gossip"]}, "gossip"),
        ({"fusion": {"features": ["network", "gossip"]}}, "gossip"),
        ({"witnesses": ["network"]}, "fusion.features"),
        ({"sources": {"pooled": ["nobody"]}}, "nobody"),
    ],
)
def test_what_cannot_be_fitted_or_promised_is_refused(sections, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        read_build(changed(tmp_path, **sections), BASES)


def test_the_trial_changes_only_what_it_names():
    config = read_build(SHIPPED, BASES)
    small = config.for_smoke(drawn=True)
    assert small.sources.train_on == ("drawn",) and small.sources.leave_out == ("drawn elsewhere",)
    assert small.base.epochs == 1 and small.base.learning_rate == config.base.learning_rate
    real = config.for_smoke(drawn=False)
    assert real.sources.train_on == config.sources.train_on and real.sources.most_cases
    assert small.trial and real.trial and not config.trial
    assert not config.sources.leave_out, "every laboratory teaches the shipped bundle"


def test_sources_are_left_out_whatever_the_file_says():
    config = read_build(SHIPPED, BASES)
    everyone = {*config.sources.train_on, *config.sources.leave_out}
    other = config.leaving_out(["tseng"]).sources
    assert other.leave_out == ("tseng",) and set(other.train_on) == everyone - {"tseng"}
    assert other.leaving_out(["xihu"]).leave_out == ("xihu",)
    assert config.leaving_out([]).sources.leave_out == ()
    for names in (["nobody"], sorted(everyone)):
        with pytest.raises(ConfigError, match="sources to leave out: expected some of"):
            config.leaving_out(names)


def test_the_files_say_what_they_do():
    for path, words in ((SHIPPED, "--data"), (OTHER, "--parts screening/bundles/default")):
        first, second, third = path.read_text("utf-8").splitlines()[:3]
        assert first.startswith(f"# screening build configs/{path.name} {words} ")
        assert second.startswith("# Result: ") and third.startswith("# Time: ")


def test_the_other_screener_differs_from_the_shipped_one_in_nothing_else():
    shipped, other = (read_build(path, known_depths()) for path in (SHIPPED, OTHER))
    differ = {name for name, value in shipped if name != "smoke" and value != getattr(other, name)}
    taken_from_parts = {
        "segment_pages", "segmenter", "arbiter", "crops", "classifier", "structure_pages",
        "structure", "reading",
    }  # fmt: skip
    assert differ - taken_from_parts == {"name", "screener", "slots"}
    assert other.for_smoke(drawn=True).screener.size == 128


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"slots": {"unfreeze": "mixed9"}}, "slots.unfreeze: expected one of head, .*'mixed9'"),
        ({"slots": {"unfreeze": ["block4"]}}, "slots.unfreeze"),
        ({"screener": {"backbone": ["vgg16"]}}, "screener.backbone"),
    ],
)
def test_a_depth_or_a_base_that_is_none_is_named_before_anything_is_made(section, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        read_build(changed(tmp_path, **section), known_depths())

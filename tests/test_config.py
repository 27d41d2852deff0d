"""Settings: every mistake named at once, every shipped file valid."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from screening.config import TrainConfig, read_config, write_config
from screening.errors import ConfigError
from screening.models.backbones import PREPROCESSING

ROOT = Path(__file__).resolve().parents[1]
OTHERS = ("default_bundle", "inceptionv3_bundle", "benchmark24", "recipes24")
CONFIGS = sorted(p for p in (ROOT / "configs").glob("*.yaml") if p.stem not in OTHERS)
BASES = {
    "vgg16": ("head", "last-block", "last-two-blocks", "block5", "whole"),
    "inceptionv3": ("head", "last-block", "last-two-blocks", "mixed10", "whole"),
}
SMALL = {
    "data": {"manifest": "m.csv"},
    "model": {"backbone": "vgg16"},
    "stages": [{"name": "head"}],
}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    return path


def test_three_mistakes_are_all_named(tmp_path):
    content = SMALL | {
        "batchsize": 16,
        "model": {"backbone": "vgg17", "dropout": 1.5},
        "stages": [{"name": "head", "learning_rate": -1}, {"name": "two", "unfreez": "head"}],
    }
    with pytest.raises(ConfigError) as told:
        read_config(written(tmp_path, content), BASES)
    text = str(told.value)
    assert "5 mistakes" in text, text
    for part in ("batch_size", "vgg17", "model.dropout", "stages.0.learning_rate", "mean unfreeze"):
        assert part in text, part


def test_settings_that_would_fail_later_or_do_nothing_are_named_at_once(tmp_path):
    content = SMALL | {
        "model": {"backbone": "vgg16", "preprocess": "cafe"},
        "augmentation": {"mode": "none", "slots": True},
        "search": {"learning_rate": [0, 0.1], "batch_size": [], "width": [0], "unfreeze": []},
    }
    with pytest.raises(ConfigError) as told:
        read_config(written(tmp_path, content), BASES)
    text = str(told.value)
    assert "6 mistakes" in text and "Value error" not in text, text
    for part in ("model.preprocess", "slots", "learning rate above 0", "search.batch_size",
                 "search.width", "search.unfreeze"):  # fmt: skip
        assert part in text, part
    content = SMALL | {"augmentation": {"mode": "offline", "variants": 0}}
    with pytest.raises(ConfigError, match="at least one variant"):
        read_config(written(tmp_path, content), BASES)


def test_every_preprocessing_can_be_asked_for():
    for name in PREPROCESSING:
        TrainConfig.model_validate(SMALL | {"model": {"backbone": "vgg16", "preprocess": name}})


def test_depths_are_those_of_the_base(tmp_path):
    content = SMALL | {"stages": [{"name": "a", "unfreeze": "mixed10"}, {"name": "a"}]}
    with pytest.raises(ConfigError) as told:
        read_config(written(tmp_path, content), BASES)
    assert "stages.0.unfreeze" in str(told.value) and "different name" in str(told.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [("- 1\n", "keys and values"), ("a: [", "expected YAML"), ("{}", "data: is missing")],
)
def test_what_is_no_config_is_said(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        read_config(written(tmp_path, text), BASES)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none.yaml", BASES)


def test_written_settings_read_back_the_same(tmp_path):
    config = TrainConfig.model_validate(SMALL | {"search": {"dropout": [0.1, 0.5]}, "seed": 3})
    write_config(config, tmp_path / "again.yaml", ["screening train again.yaml --out RUN"])
    again = read_config(tmp_path / "again.yaml", BASES)
    assert again == config and again.hash == config.hash
    assert config.changed(devices="all").hash == config.hash != config.changed(seed=4).hash
    with pytest.raises(ConfigError, match="batch_size"):
        config.changed(batch_size=0)
    small = config.smoke(64)
    assert small.model.size == 64 and small.search.trials == 2
    assert all(stage.epochs == 1 for stage in small.stages)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_valid_and_say_what_they_do(path):
    from screening.models.backbones import known_depths

    read_config(path, known_depths())
    first, second, third = path.read_text("utf-8").splitlines()[:3]
    assert first.startswith(("# screening train ", "# screening search "))
    assert f"configs/{path.name}" in first
    assert second.startswith("# Result: ") and third.startswith("# Time: ")


def test_there_are_configs():
    assert len(CONFIGS) >= 7

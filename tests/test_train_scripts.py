"""The scripts that measure training: their shared report, and what they read from a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield
    for name in ("report_sections", "prove_training"):
        sys.modules.pop(name, None)


def test_a_section_is_replaced_and_the_others_stay(tmp_path):
    from report_sections import put_section

    path = tmp_path / "reports" / "training.md"
    put_section(path, "One", "first\n\n## inside\n\n| a |")
    put_section(path, "Two", "second")
    put_section(path, "One", "again\n")
    assert path.read_text() == "# One\n\nagain\n\n# Two\n\nsecond\n"
    put_section(path, "Two", "second")
    assert path.read_text() == "# One\n\nagain\n\n# Two\n\nsecond\n"


def test_the_line_of_an_epoch_is_known(capsys):
    import io

    from prove_training import EPOCH
    from rich.console import Console

    from screening.config import TrainConfig
    from screening.train.progress import TrainProgress

    config = TrainConfig.model_validate(
        {
            "data": {"manifest": "m"},
            "model": {"backbone": "vgg16"},
            "stages": [{"name": "last_block", "epochs": 4}],
        }
    )
    text = io.StringIO()
    progress = TrainProgress(config, None, console=Console(file=text, soft_wrap=True))
    names = ("loss", "auc", "val_loss", "val_auc", "val_precision", "val_recall")
    progress.epoch({"stage": "last_block", "epoch": 2} | dict.fromkeys(names, 0.5))
    assert EPOCH.match(text.getvalue()).groups() == ("last_block", "2", "4")
    assert "left of this stage" in text.getvalue()

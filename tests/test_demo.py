"""The shipped bundle on the embedded demo, through the command line: what a newcomer sees first."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

from screening.bundle import default_bundle, load_bundle
from screening.demo import demo_folder, demo_truth

MOST_BYTES = 40 * 2**20


def test_the_shipped_bundle_is_whole_small_and_described():
    bundle = load_bundle(default_bundle())
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) <= MOST_BYTES
    assert "Research use only" in (bundle.folder / "MODEL_CARD.md").read_text("utf-8")


@pytest.mark.slow
def test_the_demo_puts_nothing_abnormal_and_nothing_unreadable_last(tmp_path):
    command = [sys.executable, "-m", "screening", "screen", str(demo_folder())]
    done = subprocess.run(
        [*command, "--out", str(tmp_path), "--quiet"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr  # two are no karyograms, one is cut short
    with (tmp_path / "triage.csv").open(encoding="utf-8", newline="") as file:
        routes = {row["image"]: row["route"] for row in csv.DictReader(file)}
    with demo_truth().open(encoding="utf-8", newline="") as file:
        truth = {row["path"]: row["label"] for row in csv.DictReader(file)}
    assert routes.keys() == truth.keys()
    low = {truth[name] for name, route in routes.items() if route == "low-priority"}
    assert low == {"normal"}
    assert any(truth[name] == "abnormal" for name, route in routes.items() if route == "flag")

"""The golden run on drawn pages: the shipped bundle says of them what it said when it was built."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
ACROSS_MACHINES = 5e-3
"""Processors round differently, and a probability near one half moves most."""
ACROSS_ENGINES = 1e-3
"""What is promised of every probability; seen are differences of a hundredth of that."""


@pytest.fixture(scope="module")
def golden() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden", ROOT / "scripts/measure_golden.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_differences_are_found_and_named(golden):
    old = {"a.png": {"row": {"route": "flag", "p": 0.5}, "p": [0.1, 0.2]}}
    same = {"a.png": {"row": {"route": "flag", "p": 0.5 + 1e-7}, "p": [0.1, 0.2]}}
    assert golden.differences(old, same) == []
    other = {"a.png": {"row": {"route": "review", "p": 0.6}, "p": [0.1]}}
    named = golden.differences(old, other)
    assert [line.partition(":")[0] for line in named] == [
        "/a.png/row/route", "/a.png/row/p", "/a.png/p",
    ]  # fmt: skip
    assert golden.differences(old, {}) == ["/a.png: only in one"]


@pytest.mark.slow
def test_the_drawn_pages_read_as_when_the_bundle_was_built(golden, tmp_path):
    golden.draw(tmp_path)
    kept = json.loads(golden.KEPT.read_text("utf-8"))
    assert len(kept) == 6 and all(page["chromosomes"] for page in kept.values())
    assert golden.differences(kept, golden.screen(tmp_path), ACROSS_MACHINES) == []


@pytest.mark.slow
def test_both_engines_say_the_same_of_the_demo_and_the_drawn_pages(golden, tmp_path):
    golden.make(tmp_path, None)
    theirs, ours = (golden.screen(tmp_path, engine=e) for e in ("tensorflow", "onnxruntime"))
    assert len(theirs) == 19
    # Routes, classes and places among it, which must be equal.
    assert golden.differences(theirs, ours, ACROSS_ENGINES) == []

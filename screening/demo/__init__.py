"""Embedded demo: drawn karyograms of ten cases, three files that are none, and the truth.

Made by scripts/make_demo.py from the band table; no person's chromosomes are in it.
"""

from __future__ import annotations

from pathlib import Path


def demo_folder() -> Path:
    """Return the folder of demo karyograms: one sub-folder per case."""
    return Path(__file__).resolve().parent / "karyograms"


def demo_truth() -> Path:
    """Return the CSV with path, label, case, iscn and note of every demo file."""
    return Path(__file__).resolve().parent / "truth.csv"


def self_test_answers() -> Path:
    """Return what the shipped bundle says of some demo pictures, see `commands.self_test`."""
    return Path(__file__).resolve().parent / "self_test.json"

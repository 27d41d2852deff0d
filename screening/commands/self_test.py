"""Two demo pictures through a bundle, compared with what they gave when the bundle was made."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from screening.commands import screen
from screening.demo import demo_folder, self_test_answers

PICTURES = ("case-001/cell-1.jpg", "case-003/cell-1.jpg")
"""A normal cell and one with a trisomy: both halves of the reading have something to say."""

TOLERANCE = 0.01
"""Of a probability: processors and engines round differently, a wrong build of one is far off."""

_EXACT = ("status", "route", "prediction", "chromosomes", "karyotype")
_NUMBERS = ("p_abnormal", "p_std", "confidence")


def measure(bundle: Path) -> dict[str, dict[str, Any]]:
    """Return what screening the pictures with a bundle says of each."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch, "in"), Path(scratch, "out")
        for name in PICTURES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(demo_folder() / name, folder / name)
        parser = argparse.ArgumentParser()
        screen.add_arguments(parser)
        words = (folder, "--out", out, "--bundle", bundle, "--passes", 20, "--quiet")
        screen.run(parser.parse_args([str(word) for word in words]))
        lines = (out / "triage.jsonl").read_text("utf-8").splitlines()
    rows = {row["image"]: row for row in map(json.loads, lines)}
    return {name: {key: rows[name][key] for key in (*_EXACT, *_NUMBERS)} for name in PICTURES}


def known(bundle_hash: str) -> dict[str, dict[str, Any]] | None:
    """Return the answers that are kept for a bundle, None for another bundle than the shipped."""
    kept = json.loads(self_test_answers().read_text("utf-8"))
    return kept["answers"] if kept["bundle"] == bundle_hash else None


def differences(found: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]) -> list[str]:
    """Return what is not as expected, numbers by more than the tolerance, one clause each."""
    return [
        f"{name}: {key} is {got}, expected {wanted}"
        for name, row in expected.items()
        for key, wanted in row.items()
        if not _same(key, got := found[name][key], wanted)
    ]


def keep(bundle: Path, bundle_hash: str) -> None:
    """Write the answers of the shipped bundle anew, which only a new one justifies."""
    kept = {"bundle": bundle_hash, "answers": measure(bundle)}
    self_test_answers().write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def _same(key: str, found: Any, expected: Any) -> bool:
    if key in _EXACT or found is None or expected is None:
        return bool(found == expected)
    return abs(found - expected) <= TOLERANCE

"""Labelled pictures, a bundle without weights, and a scorer that knows the labels."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from screening.bundle import Bundle, sha256_of, write_bundle
from screening.bundle_schema import BundleInfo
from screening.images.page import Page
from screening.images.quality import Quality
from screening.karyogram.gate import Inspection
from screening.worklist.content import key_of
from shipped import FINDER, finder_files
from worklist_fakes import karyogram


def parsed(command: ModuleType, *words: object) -> argparse.Namespace:
    """The arguments of a command module, as its parser gives them."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def write_labelled(
    folder: Path, normal: int, abnormal: int, kind: str = "", first: int = 0
) -> Path:
    """A manifest with one case for each picture, and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(normal + abnormal):
        name = f"k{first + i:03d}.png"
        karyogram(first + i).save(folder / name)
        label = "normal" if i < normal else "abnormal"
        made = {"kind": "simulated" if kind and label == "abnormal" else "sham"} if kind else {}
        rows.append({"path": name, "label": label, "case": f"c{first + i}", "source": "lab"} | made)
        rows[-1]["stain"] = "GQ"[i % 2]
    return write_rows(folder / "manifest.csv", rows)


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_bundle_without_weights(folder: Path, **values: object) -> Bundle:
    """A bundle that finds chromosomes: all that commands need when the scorer is a fake."""
    info = BundleInfo(name="fake", created="2026-01-01", parts=FINDER, **values)
    return write_bundle(folder, info, {}, "# Fake\n", finder_files())


def accepted(page: Page, locator: object) -> Inspection:
    """The quality gate's word on a perfect page, without looking: the gate has tests of its own."""
    return Inspection(Quality(True, "", 46, ()), None)


class KnowingScorer:
    """p(abnormal) around 0.9 for pictures that a manifest calls abnormal, around 0.1 for others."""

    size, device, engine, view, looked = 64, "fake", "fake", "plain", None

    def __init__(self, manifest: Path, passes: int = 20, noise: float = 0.02) -> None:
        self.passes, self.noise = passes, noise
        self.scored = 0
        self.abnormal = {
            key_of(sha256_of(manifest.parent / row["path"])): row["label"] == "abnormal"
            for row in read_rows(manifest)
        }

    def load(self) -> None:
        """Nothing to load."""

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> list[np.ndarray]:
        self.scored += len(images)
        found = []
        for key in keys:
            centre = 0.9 if self.abnormal[key] else 0.1
            p = np.random.default_rng(key).normal(centre, self.noise, self.passes)
            found.append(np.clip(p, 0, 1).astype(np.float32))
        return found

"""Time the head stage with the frozen base cached against running it in every epoch.

    python scripts/bench_training.py               VGG16 at 150 pixels, some minutes on two cores

Both ways train the same network on the same batches for 10 epochs; the losses must agree to 1e-4
and the cached way must be at least 8 times as fast. Seconds are those of the processor, over all
cores, since wall clocks say little on a shared machine; the wall clock stands beside them. Writes
reports/training.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from report_header import add_report_arguments, begin, write

from screening.config import TrainConfig
from screening.models.backbones import get_backbone
from screening.train.cache import Pictures, Recomputed, Source
from screening.train.staged import StagedFit
from screening.train.strategy import devices
from screening.train.training_run import new_screener

BAR, TOLERANCE, EPOCHS = 8.0, 1e-4, 10


@dataclass(frozen=True)
class Timing:
    """Processor and wall seconds of one way, and its losses by epoch."""

    processor: float
    wall: float
    losses: np.ndarray


class Uncached(StagedFit):
    """The same training, with the frozen part run anew in every epoch."""

    def sources(self, frozen: keras.Model | None) -> tuple[Source, Source]:
        """Return sources that keep nothing."""
        return Recomputed(frozen, self.train), Recomputed(frozen, self.validation)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print and write the table; exit status 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbones", nargs="+", default=["vgg16"])
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--pictures", type=int, default=320, help="to train on; a quarter validate")
    add_report_arguments(parser)
    options = parser.parse_args(arguments)
    commit = begin(options)
    lines, missed = [], False
    for backbone in options.backbones:
        cached, anew = (timed(kind, backbone, options) for kind in (StagedFit, Uncached))
        ratio = anew.processor / cached.processor
        difference = float(np.abs(cached.losses - anew.losses).max())
        met = ratio >= BAR and difference <= TOLERANCE
        missed |= not met
        lines.append(
            f"| {backbone} | {options.size} | {anew.processor:.1f} s ({anew.wall:.1f} s) "
            f"| {cached.processor:.1f} s ({cached.wall:.1f} s) | **{ratio:.1f} ×** "
            f"| {difference:.1e} | {'met' if met else 'MISSED'} |"
        )
        print(lines[-1], flush=True)
    title = "The head stage: frozen base cached or run in every epoch"
    none = "random weights and pictures, which cost what others cost"
    write(options, "training.md", title, commit, none, none, report(lines, options))
    return int(missed)


def timed(kind: type[StagedFit], backbone: str, options: argparse.Namespace) -> Timing:
    """Return the cost of the whole head stage, tracing and the making of the cache included."""
    config = TrainConfig.model_validate(
        {
            "data": {"manifest": "none"},
            "model": {"backbone": backbone, "size": options.size},
            "stages": [{"name": "head", "epochs": EPOCHS, "patience": EPOCHS}],
        }
    )
    count = options.pictures
    train, validation = pictures(count, options.size, 0), pictures(count // 4, options.size, 1)
    where = devices("one")
    screener = new_screener(config, where)
    with tempfile.TemporaryDirectory() as folder:
        run = kind(
            config, get_backbone(backbone), train, validation, Path(folder), where,
            save_seconds=float("inf"),
        )  # fmt: skip
        wall, processor = time.perf_counter(), time.process_time()
        run.fit(screener)
        spent = time.process_time() - processor, time.perf_counter() - wall
    losses = np.array([(row["loss"], row["val_loss"]) for row in run.history])
    return Timing(*spent, losses)


def pictures(count: int, size: int, seed: int) -> Pictures:
    """Return random pictures, which cost what others cost."""
    rng = np.random.default_rng(seed)
    plain = rng.integers(0, 256, (count, size, size)).astype(np.uint8)
    return Pictures([f"{seed}-{i}" for i in range(count)], np.arange(count) % 2, plain)


def report(lines: list[str], options: argparse.Namespace) -> str:
    """Return the table as markdown, with what it means."""
    return "\n".join(
        [
            f"Keras {keras.__version__}. {options.pictures} pictures to "
            f"train on, {options.pictures // 4} to validate, {EPOCHS} epochs, batch 16; tracing, "
            "the making of the cache and the files of the run are included. Seconds of the "
            "processor over all cores, wall clock in brackets. "
            f"Bar: at least {BAR:.0f} ×, losses equal to {TOLERANCE:g}.",
            "",
            "| base | pixels | recomputed | cached | ratio | largest difference of a loss | bar |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *lines,
            "",
            "Ten epochs bound the ratio by 10: the base runs once instead of ten times.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())

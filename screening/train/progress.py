"""What a person sees while a network trains: each epoch, the time left, TensorBoard logs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from rich.console import Console

from screening.config import TrainConfig
from screening.events import note
from screening.train.durations import in_words

SHOWN = ("loss", "auc", "val_loss", "val_auc", "val_precision", "val_recall")


class TrainProgress:
    """Prints a line per epoch on stderr (`quiet`: none) and writes TensorBoard logs to a folder."""

    def __init__(
        self,
        config: TrainConfig,
        logs: Path | None,
        quiet: bool = False,
        console: Console | None = None,
    ) -> None:
        self.config, self.quiet = config, quiet
        self.console = console or Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._last = {stage.name: stage.epochs for stage in config.stages}
        with _disk_errors():
            self._writer = tf.summary.create_file_writer(str(logs)) if logs is not None else None
        self._seconds: dict[str, list[float]] = {}
        self._began = time.monotonic()

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Tell of one finished epoch, a row of the history."""
        note("epoch", **row)
        if self._writer is not None:
            # By the epoch of the stage: a resumed run then goes on where its curves ended.
            with _disk_errors(), self._writer.as_default(step=row["epoch"]):
                for name, value in row.items():
                    if isinstance(value, float):
                        tf.summary.scalar(f"{row['stage']}/{name}", value)
                self._writer.flush()
        times = self._seconds.setdefault(row["stage"], [])
        times.append(time.monotonic() - self._began)
        self._began = time.monotonic()
        if self.quiet:
            return
        last = self._last[row["stage"]]
        # The first epoch also makes the cache: it says nothing about the others.
        usual = sorted(times[1:] or times)[len(times[1:] or times) // 2]
        left = usual * (last - row["epoch"])
        values = "  ".join(f"{name} {row[name]:.4f}" for name in SHOWN)
        self.console.print(
            f"{row['stage']} {row['epoch']}/{last}  {values}  "
            f"at most {in_words(left)} left of this stage",
            markup=False,
        )

    def say(self, text: str) -> None:
        """Print a line unless quiet."""
        note("message", text=text)
        if not self.quiet:
            self.console.print(text, markup=False)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn TensorFlow's errors of the log files into Python's: a full disk is no lack of memory."""
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(f"TensorBoard log: {error.message.strip().splitlines()[0]}") from error

"""Time 100 Monte Carlo dropout passes against one deterministic forward pass, in one run.

    python scripts/bench_mc_dropout.py            all four ways; about half an hour on two cores
    python scripts/bench_mc_dropout.py --quick    without the two slow ways; about two minutes

Ways, each on the same batch: `one forward` (inference, no dropout); `ours` (the cut graph);
`loop` (the whole network once per pass) and `replication` (every image repeated in the batch).
Ours and the forward are timed alternately and the ratio is the median over such pairs, so that
other work on the machine hits both. Writes a table to reports/mc_dropout.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from report_header import add_report_arguments, begin, write

from screening.metrics import markdown_table
from screening.models.screener import build_screener
from screening.predict.mc_dropout import McDropout

# What the project promises at 150 pixels and batch 8: the costliest ratio allowed.
BARS = {("vgg16", 150): 1.10, ("inceptionv3", 150): 1.60}


@dataclass(frozen=True)
class Row:
    """Seconds per batch of one network at one size; loop and replication None where not run."""

    backbone: str
    size: int
    forward: float
    ours: float
    ratio: float
    loop: float | None
    replication: float | None

    @property
    def bar(self) -> str:
        bar = BARS.get((self.backbone, self.size))
        if bar is None:
            return "none"
        return f"{bar:.2f} {'met' if self.ratio <= bar else 'MISSED'}"

    def cells(self) -> tuple[object, ...]:
        def against(seconds: float | None) -> str:
            if seconds is None:
                return "not run"
            return f"{seconds:.2f} s ({seconds / self.forward:.1f} ×)"

        return (
            self.backbone, self.size, f"{self.forward * 1e3:.0f} ms", f"{self.ours * 1e3:.0f} ms",
            f"**{self.ratio:.3f} ×**", self.bar, against(self.loop), against(self.replication),
        )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints and writes the table; exit status 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbones", nargs="+", default=["vgg16", "inceptionv3"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[150, 416])
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=15, help="timed pairs of forward and ours")
    parser.add_argument("--quick", action="store_true", help="skip the loop and replication")
    add_report_arguments(parser)
    options = parser.parse_args(arguments)
    commit = begin(options)
    rows = []
    for backbone in options.backbones:
        for size in options.sizes:
            rows.append(measure(backbone, size, options))
            print(*rows[-1].cells(), sep="  ", flush=True)
    title = f"{options.passes} Monte Carlo dropout passes against one forward pass"
    none = "random weights and pictures, which cost what others cost"
    write(options, "mc_dropout.md", title, commit, none, none, report(rows, options))
    return int(any("MISSED" in row.bar for row in rows))


def measure(backbone: str, size: int, options: argparse.Namespace) -> Row:
    """The Row of one network: random weights and random images, which cost what others cost."""
    keras.utils.set_random_seed(0)
    model = build_screener(backbone, size)
    shape = (options.batch, size, size, 3)
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32))
    keys = list(range(options.batch))
    signature = [tf.TensorSpec((None, size, size, 3))]
    forward = tf.function(lambda x: model(x, training=False), input_signature=signature)
    mc = McDropout(model, passes=options.passes)
    ways = [lambda: forward(images).numpy(), lambda: mc.predict(images, keys)]
    for way in ways:  # trace, compile, touch the memory
        way()
        way()
    pairs = np.array([[seconds(way) for way in ways] for _ in range(options.pairs)])
    loop = replication = None
    if not options.quick:
        loop, replication = whole_network(model, images, options.passes)
    best = pairs.min(axis=0)
    ratio = float(np.median(pairs[:, 1] / pairs[:, 0]))
    return Row(backbone, size, float(best[0]), float(best[1]), ratio, loop, replication)


def whole_network(model: keras.Model, images: tf.Tensor, passes: int) -> tuple[float, float]:
    """Seconds of `passes` passes through everything: one after another, and replicated.

    Replication runs image by image with `passes` copies: the whole batch at once would need tens
    of gigabytes. BatchNormalization is frozen, so that training mode switches dropout on alone.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    noisy = tf.function(
        lambda x: model(x, training=True),
        input_signature=[tf.TensorSpec((None, *images.shape[1:]))],
    )
    noisy(images)
    # Copies at a time: the activations of 25 images of 416 pixels take some three gigabytes.
    at_once = max(1, min(passes, 25))

    def loop() -> None:
        for _ in range(passes):
            noisy(images).numpy()

    def replication() -> None:
        for image in images:
            for start in range(0, passes, at_once):
                noisy(tf.repeat(image[None], min(at_once, passes - start), axis=0)).numpy()

    noisy(tf.repeat(images[:1], at_once, axis=0))
    return seconds(loop), seconds(replication)


def seconds(way: Callable[[], object]) -> float:
    """How long one call of `way` takes."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def report(rows: Sequence[Row], options: argparse.Namespace) -> str:
    """The table of reports/mc_dropout.md and what it says."""
    devices = tf.config.list_physical_devices("GPU")
    where = ", ".join(device.name for device in devices) or "no GPU"
    header = ("network", "size", "one forward", "ours", "ratio", "bar", "loop", "replication")
    return f"""TensorFlow {tf.__version__}, Keras {keras.__version__}, {where}. Batch
{options.batch}, float32. Times are per batch, best of {options.pairs}; `ratio` is the median of
ours / one forward over alternating pairs. Loop and replication are measured once, whole; × means
times one forward.

{markdown_table(header, [row.cells() for row in rows])}"""


if __name__ == "__main__":
    raise SystemExit(main())

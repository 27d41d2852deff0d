"""Prove that a killed training ends as an unbroken one, and that devices agree with one another.

    screening simulate FOLDER --out out/simulated --count 146
    python scripts/prove_training.py --data out/simulated/manifest.csv

Resume: `screening train` is killed by SIGKILL at random moments and once while it writes a
checkpoint, gone on with by --resume, and compared bit by bit with a training that nobody killed.
Devices: the same training on one device, on two logical CPUs and on two hosts of one address; the
losses are compared. Writes two sections of reports/training.md; exit status 1 when one fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from report_sections import ROOT, commit, put_section

EPOCH = re.compile(r"^(\S+) (\d+)/(\d+)  loss")
ONE_LOGICAL = "import sys; from screening.cli import main; sys.exit(main(sys.argv[1:]))"
TWO_LOGICAL = (
    "import tensorflow as tf; half = tf.config.LogicalDeviceConfiguration(); "
    "cpu = tf.config.list_physical_devices('CPU')[0]; "
    "tf.config.set_logical_device_configuration(cpu, [half, half]); " + ONE_LOGICAL
)
KILLS = 3
"""One in a write, the others at random; a training that ends before them proves nothing."""
TOLERANCE = 1e-3
"""Of a loss on several devices: sums are taken in another order, Adam divides small by small."""


@dataclass(frozen=True)
class Killed:
    """One kill: the last epoch that was told, or "checkpoint" when it fell into a write."""

    when: str


def settings(data: Path, epochs: tuple[int, int]) -> dict[str, Any]:
    """Return a small training with everything random in it: dropout, ever-new variants, order."""
    rates = (("head", "head", 1e-3), ("last_block", "last-block", 1e-4))
    return {
        "data": {
            "manifest": str(data),
            "fractions": {"train": 0.64, "validation": 0.16, "test": 0.2},
        },
        "model": {"backbone": "vgg16", "size": 96, "dropout": 0.5, "weights": "shipped"},
        "stages": [
            {"name": name, "unfreeze": depth, "learning_rate": rate, "epochs": count,
             "patience": count}
            for (name, depth, rate), count in zip(rates, epochs, strict=True)
        ],
        "batch_size": 16,
        "augmentation": {"mode": "online", "variants": 0},
        "imbalance": "class_weights",
    }  # fmt: skip


def start(
    arguments: list[str], program: str = ONE_LOGICAL, **variables: str
) -> subprocess.Popen[str]:
    """Return a running `screening train` whose progress can be read from stderr."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", **variables}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", program, "train", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip


def finish(job: subprocess.Popen[str]) -> None:
    """Wait; RuntimeError with what it said when it failed."""
    said = job.communicate()[1]
    if job.returncode:
        raise RuntimeError(f"training ended with status {job.returncode}: {said[-2000:]}")


def kill_after(job: subprocess.Popen[str], epochs: int, wait: float) -> Killed | None:
    """Kill after that many more epochs and `wait` seconds; None when it ended before."""
    last = "before the first epoch"
    for line in job.stderr:
        if EPOCH.match(line):
            last, epochs = "after " + line.split("  ")[0], epochs - 1
        if epochs == 0:
            time.sleep(wait)
            job.send_signal(signal.SIGKILL)
            job.wait()
            return Killed(last)
    return None


def kill_in_write(job: subprocess.Popen[str], folder: Path) -> Killed | None:
    """Kill as soon as a half-written stage lies in `folder`; None when it ended before."""
    while job.poll() is None:
        parts = list(folder.glob(".part-*_*.npz"))
        if parts:
            job.send_signal(signal.SIGKILL)
            job.wait()
            left = [p for p in parts if p.exists()]
            return Killed(f"while {left[0].stem} was written") if left else Killed("after a write")
        time.sleep(0.002)
    return None


def prove_resume(options: argparse.Namespace) -> bool:
    """Write the section; return whether every bit is the same."""
    folder = options.out / "resume"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings(options.data, (4, 4))), "utf-8")
    whole, broken = folder / "whole", folder / "killed"
    finish(start([str(config), "--out", str(whole)]))
    rng = random.Random(options.seed)
    job = start([str(config), "--out", str(broken)])
    killed = kill_in_write(job, broken / "stages")
    kills: list[Killed] = []
    while killed is not None:
        kills.append(killed)
        print(killed, flush=True)
        if len(kills) == KILLS:
            break
        job = start([str(config), "--out", str(broken), "--resume"])
        killed = kill_after(job, rng.randint(1, 3), rng.uniform(0, 2))
    finish(start([str(config), "--out", str(broken), "--resume"]))
    checks = {
        f"weights after stage {path.stem}": _same_weights(path, broken / "stages" / path.name)
        for path in sorted((whole / "stages").glob("*.npz"))
    }
    checks["weights of the bundle"] = (whole / "bundle" / "screener.weights.h5").read_bytes() == (
        broken / "bundle" / "screener.weights.h5"
    ).read_bytes()
    checks["every value of every epoch"] = _history(whole) == _history(broken)
    rows = "\n".join(f"| {name} | {'equal' if same else '**differ**'} |" for name, same in
                     checks.items())  # fmt: skip
    said = "; ".join(kill.when for kill in kills)
    body = (
        f"`python scripts/prove_training.py --data {options.data}` at {commit()}. VGG16 at 96 "
        f"pixels from the shipped base, head then last block, dropout 0.5, new variants in every "
        f"epoch, {_pictures(whole)} pictures. Killed by SIGKILL {len(kills)} times, gone on with "
        f"by `--resume`: {said}. Compared bit by bit with the training that nobody killed:\n\n"
        f"| what | killed and unbroken |\n| --- | --- |\n{rows}\n\n"
        "On several devices a resumed run is as near to an unbroken one as sums in any order are."
    )
    put_section(ROOT / "reports" / "training.md", "Killed and resumed", body)
    return all(checks.values()) and len(kills) == KILLS


def _same_weights(one: Path, other: Path) -> bool:
    with np.load(one) as a, np.load(other) as b:
        names = [name for name in a.files if name.startswith("w")]
        return bool(names) and all(np.array_equal(a[name], b[name]) for name in names)


def _history(folder: Path) -> list[dict[str, Any]]:
    rows = json.loads((folder / "history.json").read_text("utf-8"))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def _pictures(folder: Path) -> int:
    parts = json.loads((folder / "metrics.json").read_text("utf-8"))["parts"]
    return parts["train"]["pictures"]


def prove_devices(options: argparse.Namespace) -> bool:
    """Write the section; return whether all agree."""
    folder = options.out / "devices"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings(options.data, (3, 3))), "utf-8")

    def arguments(name: str, devices: str) -> list[str]:
        return [str(config), "--out", str(folder / name), "--devices", devices]

    seconds = {}
    for name, devices, program in (("one", "one", ONE_LOGICAL), ("two", "all", TWO_LOGICAL)):
        began = time.monotonic()
        finish(start(arguments(name, devices), program))
        seconds[name] = time.monotonic() - began
    began = time.monotonic()
    workers = [f"127.0.0.1:{_free_port()}" for _ in range(2)]
    jobs = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        jobs.append(start(arguments("hosts", "hosts"), TF_CONFIG=json.dumps(task)))
    for job in jobs:
        finish(job)
    seconds["hosts"] = time.monotonic() - began
    words = {"one": "one device", "two": "two logical CPUs", "hosts": "two hosts"}
    one, rows, agree = _history(folder / "one"), [], True
    for name, word in words.items():
        found = _history(folder / name)
        worst = [
            max(abs(a[key] - b[key]) for a, b in zip(found, one, strict=True))
            for key in ("loss", "val_loss")
        ]
        agree &= max(worst) <= TOLERANCE
        rows.append(
            f"| {word} | {found[0]['loss']:.5f} | {found[-1]['loss']:.5f} | "
            f"{found[-1]['val_loss']:.5f} | {worst[0]:.1e} | {worst[1]:.1e} | "
            f"{seconds[name]:.0f} s |"
        )
    table = "\n".join(rows)
    body = (
        f"The same training, three epochs of the head and three of the last block, float32, "
        f"dropout 0.5 (drawn for the global batch), global batch 16; `python "
        f"scripts/prove_training.py --data {options.data} --only devices` at {commit()}.\n\n"
        "| devices | first loss | last loss | last validation loss | largest difference of a loss "
        "| of a validation loss | wall |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        f"{table}\n\nThis machine has {os.cpu_count()} cores and no GPU, and others used it: the "
        "table proves agreement, not speed. Two replicas on the same cores cannot be faster."
    )
    put_section(ROOT / "reports" / "training.md", "One device, two devices, two hosts", body)
    return agree


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def main() -> int:
    """Run both proofs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="manifest of karyograms")
    parser.add_argument("--out", type=Path, default=Path("runs/proof"))
    parser.add_argument("--only", choices=("resume", "devices"))
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    options = parser.parse_args()
    proofs = {"resume": prove_resume, "devices": prove_devices}
    chosen = [options.only] if options.only else list(proofs)
    results = [proofs[name](options) for name in chosen]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())

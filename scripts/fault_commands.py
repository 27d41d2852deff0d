"""Faults of the commands beside `screen`: `watch`, `tune` and `build` killed and begun anew, and a
clock that is set back.

The networks are stand-ins and the stages of the build are small, see `fault_bench`; the watch, the
certificate, the bundle and the runner of the stages are the real thing. Used by
scripts/measure_faults.py and tests.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import numpy as np
from fault_bench import (
    DONE,
    KILLED,
    TOLD,
    Act,
    Bench,
    Job,
    StandIn,
    Tally,
    at_write,
    begun,
    die,
    drawn_pictures,
    ended,
    kept,
)

from screening.assess import certification as _loaded_before_forking  # noqa: F401
from screening.atomic import HALF_WRITTEN, replace_files
from screening.build import runner
from screening.build.progress import BuildProgress
from screening.build.runner import Context, Runner, Stage, outputs_hash
from screening.bundle import default_bundle, load_bundle, sha256_of, write_bundle
from screening.bundle_schema import BundleInfo, FilePart
from screening.commands import tune
from screening.config import Strict
from screening.errors import BundleError
from screening.images.quality import Quality
from screening.karyogram.gate import Inspection
from screening.karyogram.locate import ARBITER, SEGMENTER
from screening.worklist import pipeline, scorer
from screening.worklist.pipeline import key_of
from screening.worklist.run import Settings
from screening.worklist.watch import Watch

MOST_ATTEMPTS = 50
"""What is not through after so many attempts makes no progress: that is a result lost."""
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(\+\d\d:\d\d)?")
_CASES = 12  # of each label: as few as carry a promise of a recall of 0.75


def clock_set_back() -> None:
    """Set the clock of this process back by an hour whenever it is asked for the time of day."""
    hours, of_day = itertools.count(1), time.time

    class Back(datetime):
        @classmethod
        def now(cls, tz=None):  # type: ignore[no-untyped-def]
            return super().now(tz) - timedelta(hours=next(hours))

    time.time = lambda: of_day() - 3600 * next(hours)
    for name, module in list(sys.modules.items()):
        if name.startswith("screening.") and getattr(module, "datetime", None) is datetime:
            module.datetime = Back  # type: ignore[attr-defined]


def watching(pictures: int) -> Job:
    """Return the watch of a bench's folder that ends once so many pictures are in its list."""

    def job(settings: Settings, network: StandIn) -> None:
        said: list[str] = []
        Watch(
            settings, network, None, network,  # type: ignore[arg-type]
            every=0.02, say=said.append,
            stop=lambda: any(f", {pictures} in the list" in line for line in said),
        ).run()  # fmt: skip

    return job


def killed_watching(bench: Bench, kills: int, rng: np.random.Generator, trap: Act | None = None):
    """Return what became of watches killed at any moment while pictures arrive, each begun anew
    until all are in the list; a Tally."""
    tally, number = Tally(), 0
    homes = sorted(bench.folder.rglob("*.png"))
    away = {home: bench.scratch / "away" / home.name for home in homes}
    (bench.scratch / "away").mkdir(exist_ok=True)
    job = watching(len(homes))
    while tally.injected < kills:
        out, before = bench.place(f"watched{number}"), {}
        number += 1
        for home in homes:
            os.replace(home, away[home])
        waiting = [homes[i] for i in rng.permutation(len(homes))]
        for _ in range(MOST_ATTEMPTS):
            child = bench.start(out, trap, job=job)
            for pause in rng.uniform(0, 0.3 * bench.seconds, int(rng.integers(1, 6))).tolist():
                time.sleep(pause)
                if waiting:
                    home = waiting.pop()
                    os.replace(away[home], home)
            attempt = bench.join(child, kill_after=float(rng.uniform(0, bench.seconds)))
            before = bench.checked(tally, out, before, attempt, growing=True)
            tally.injected += attempt.outcome == KILLED
            if attempt.outcome != KILLED or tally.injected >= kills:
                break
        for home in waiting:
            os.replace(away[home], home)
        last = bench.attempt(out, trap=trap, job=job)
        bench.checked(tally, out, before, last)
        tally.lost += last.outcome != DONE
        shutil.rmtree(out)
    return tally


class Command(Protocol):
    """What is killed: `place` holds all that it writes."""

    @property
    def place(self) -> Path: ...

    def work(self) -> None:
        """Do it, as the same command would once more."""

    def look(self, tally: Tally, outcome: str) -> None:
        """Add to `tally` what an attempt that ended so did to what there was before it."""

    def whole(self) -> bool:
        """Return whether all that an unbroken one writes is there, and nothing else."""


def killed_command(command: Command, kills: int, rng: np.random.Generator) -> Tally:
    """Return what became of a command killed at any moment, or in front of any of its writes, and
    each time given again until it is through."""
    tally = Tally()
    seconds, writes = _unbroken(command)
    while tally.injected < kills:
        for _ in range(MOST_ATTEMPTS):
            at_a_write = rng.random() < 0.5
            trap = at_write(command.place, int(rng.integers(1, writes + 1)), die)
            wait = None if at_a_write else float(rng.uniform(0, 1.1 * seconds))
            outcome = _attempt(command, tally, trap if at_a_write else None, wait)
            if outcome != KILLED or tally.injected >= kills:
                break
        _attempt(command, tally)
        tally.lost += not command.whole()
        shutil.rmtree(command.place)
    return tally


def _attempt(
    command: Command, tally: Tally, trap: Act | None = None, kill_after: float | None = None
) -> str:
    def work() -> None:
        if trap is not None:
            trap()
        command.work()

    outcome, said = ended(begun(work), kill_after)
    tally.injected += outcome == KILLED
    tally.told += outcome == TOLD
    tally.crashed += outcome not in (DONE, TOLD, KILLED)
    if said:
        tally.said.add(said.replace(str(command.place), "").strip())
    command.look(tally, outcome)
    return outcome


def _unbroken(command: Command) -> tuple[float, int]:
    """The seconds of a command, and how often it opens, makes, renames or removes something."""
    tally, counted = Tally(), command.place.with_name("counted")

    def note() -> None:
        with counted.open("a") as file:
            file.write(".")

    clock = time.perf_counter()
    outcome = _attempt(command, tally, at_write(command.place, 1, note, lasting=True))
    if outcome != DONE or not command.whole():
        raise SystemExit(f"the unbroken command failed: {tally.said}")
    shutil.rmtree(command.place)
    return time.perf_counter() - clock, len(counted.read_text())


class Tuning:
    """`screening tune` with a network that knows the labels, what it scores kept (`--keep`)."""

    def __init__(self, scratch: Path) -> None:
        self.place, self.scratch = scratch / "tuned", scratch
        paths = drawn_pictures(scratch / "data", 2 * _CASES)
        with (scratch / "data" / "manifest.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(("path", "label", "case", "source"))
            for i, path in enumerate(paths):
                label = ("normal", "abnormal")[i % 2]
                table.writerow((path.relative_to(scratch / "data"), label, f"c{i}", "lab"))
        self.abnormal = {key_of(sha256_of(path)): i % 2 for i, path in enumerate(paths)}
        shipped = load_bundle(default_bundle())
        finder = {name: FilePart(file=name) for name in (SEGMENTER, ARBITER)}
        info = BundleInfo(name="stand-in", created="2026-01-01", parts=finder)
        files = {name: shipped.read_part(name) for name in finder}
        self.bundle = write_bundle(scratch / "bundle", info, {}, "# Stand-in\n", files)
        self.truth: dict[str, str] | None = None
        self.before: dict[str, tuple[str, str]] = {}

    def work(self) -> None:
        """Tune into a new bundle."""
        network = _Knowing(self.scratch / "scored", self.abnormal)
        scorer.BundleScorer = lambda *_: network  # type: ignore[assignment, misc]
        pipeline.inspect = lambda page, locator: Inspection(Quality(True, "", 46, ()), None)
        parser = tune.argparse.ArgumentParser()
        tune.add_arguments(parser)
        words: Sequence[object] = (
            self.bundle.folder, "--data", self.scratch / "data" / "manifest.csv", "--quiet",
            "--recall", 0.75, "--passes", 20, "--batch-size", 2, "--workers", 1,
            "--keep", self.place / "keep", "--out", self.place / "bundle",
        )  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            tune.run(parser.parse_args([str(word) for word in words]))

    def look(self, tally: Tally, outcome: str) -> None:
        """Compare the bundle, if it is there, with the unbroken one, and what was scored with what
        was scored before."""
        scored = self.scratch / "scored"
        keys = scored.read_text().split() if scored.exists() else []
        scored.unlink(missing_ok=True)
        known = {str(key_of(sha)) for sha, _ in self.before.values()}
        now = kept(self.place / "keep")
        tally.doubled += len(known & set(keys)) + len(keys) - len(set(keys))
        tally.lost += len(self.before.keys() - now.keys())
        self.before = now
        if (self.place / "bundle").exists():
            tally.half += not self._as_unbroken()
        tally.wrong += load_bundle(self.bundle.folder).hash != self.bundle.hash

    def whole(self) -> bool:
        """Return whether the bundle is there and nothing half-made beside it."""
        self.before = {}  # the next one begins anew
        names = {path.name for path in self.place.iterdir()}
        return names == {"keep", "bundle"} and self._as_unbroken()

    def _as_unbroken(self) -> bool:
        try:
            load_bundle(self.place / "bundle")
        except BundleError:
            return False
        files = {
            path.name: _TIMES.sub("", path.read_text("utf-8", "replace"))
            for path in (self.place / "bundle").iterdir()
            if path.name != runner.DONE  # the hash of what tells the time
        }
        self.truth = self.truth or files
        return files == self.truth


class _Knowing(StandIn):
    """Scores by the label of a picture."""

    def __init__(self, scored: Path, abnormal: dict[int, int]) -> None:
        super().__init__(scored)
        self.abnormal = abnormal

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> list[np.ndarray]:
        """Return p of the passes, around 0.9 for abnormal and 0.1 for normal."""
        drawn = super().score(images, keys)
        each = zip(drawn, keys, strict=True)
        return [(0.1 + 0.8 * self.abnormal[key] + 0.05 * p).astype(np.float32) for p, key in each]


class _Part(Strict):
    parts: int = 4


class _Plan(Strict):
    first: _Part = _Part()


class Building:
    """A build of three stages that go on with the parts that they find."""

    def __init__(self, scratch: Path) -> None:
        self.place, self._ran = scratch / "built", scratch / "ran"
        self.truth: dict[str, str] | None = None
        self.before: set[str] = set()

    def work(self) -> None:
        """Build what is not built."""
        stages = (
            Stage("one", self._stage("one"), sections=("first",), data=True),
            Stage("two", self._stage("two"), reads=("one",), sections=("first",)),
            Stage("three", self._stage("three"), reads=("one", "two"), sections=("first",)),
        )
        self.place.mkdir(exist_ok=True)
        progress = BuildProgress(self.place / "build.log", quiet=True)
        Runner(stages, self.place, _Plan(), Path("data"), "d", progress).run()

    def _stage(self, name: str):  # type: ignore[no-untyped-def]
        def run(context: Context) -> None:
            with self._ran.open("a") as file:
                file.write(f"{name}\n")
            read = sorted(f for at in context.folders.values() for f in at.glob("part*"))
            said = "".join(path.read_text() for path in read)
            for number in range(context.settings.first.parts):
                part = context.folder / f"part{number}"
                if not part.exists():
                    time.sleep(0.004)
                    replace_files(context.folder, {part.name: f"{name} {number} of\n{said}" * 50})

        return run

    def look(self, tally: Tally, outcome: str) -> None:
        """Compare what is done with what it says of itself, and with what was done before."""
        ran = self._ran.read_text().split() if self._ran.exists() else []
        self._ran.unlink(missing_ok=True)
        tally.doubled += len(self.before & set(ran))
        done = {}
        for path in self.place.glob(f"*/{runner.DONE}"):
            stage = json.loads(path.read_text())
            tally.half += stage["outputs"] != outputs_hash(path.parent)
            done[path.parent.name[3:]] = stage["outputs"]
        tally.lost += len(self.before - done.keys())
        self.before = set(done)
        if self.truth is not None:
            tally.wrong += not done.items() <= self.truth.items()
        elif outcome == DONE:
            self.truth = done

    def whole(self) -> bool:
        """Return whether the three stages are done and nothing half-made is left."""
        left = [*self.place.rglob(f"{HALF_WRITTEN}*"), *self.place.rglob(runner.BEGUN)]
        done, self.before = self.before, set()
        return not left and self.truth is not None and done == set(self.truth)

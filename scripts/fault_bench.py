"""A bench for faults: runs of `screen` in child processes that can be killed, starved and compared.

The networks and the gate are stand-ins, deterministic from the content of a picture, so that a run
takes part of a second and a hundred can be broken; everything that writes is the real thing:
decoding, pipeline, ledger, chromosome files, outputs. Used by scripts/measure_faults.py and tests.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from screening.errors import ScreeningError
from screening.evidence.witness import Testimony
from screening.images.page import Page
from screening.images.quality import Quality
from screening.karyogram.gate import Inspection
from screening.karyogram.locate import FoundChromosome, Located
from screening.record import Chromosome, Reading
from screening.worklist import pipeline
from screening.worklist import work_list_page as _loaded_before_forking  # noqa: F401
from screening.worklist.ledger import FILE_NAME
from screening.worklist.pipeline import key_of
from screening.worklist.reader import ReadCell
from screening.worklist.run import Settings, screen_folder

DONE, TOLD, CRASHED, KILLED = "done", "told", "crashed", "killed"
"""How an attempt ends: outputs written; a sentence for the user; a traceback; by a signal."""
COMPARED = ("triage.csv", "triage.jsonl", "cases.csv", "report.html")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\+\d\d:\d\d|of which \d+ were judged")
Act = Callable[[], None]
Child = tuple[int, int]
"""A forked process, and the pipe with what it says."""


class StandIn:
    """Scores by the content of a picture; notes in the file `scored` whose turn it was."""

    size, device, engine, passes = 32, "stand-in", "stand-in", 20
    view, looked = "plain", None

    def __init__(self, scored: Path, during: Callable[[int], None] = lambda batch: None) -> None:
        self.scored, self.during, self.batches = scored, during, 0

    def load(self) -> None:
        """Do nothing: there is nothing to load."""

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> list[np.ndarray]:
        """Return p of the passes, float32 (20,), for each of `keys`."""
        self.batches += 1
        with self.scored.open("a") as file:
            file.writelines(f"{key}\n" for key in keys)
        self.during(self.batches)
        return [np.random.default_rng(key).random(self.passes, np.float32) for key in keys]

    def read(self, page: Page, located: Located, p: np.ndarray, changed: float | None) -> ReadCell:
        """Return a cell of three chromosomes, wherever they are."""
        h, w = page.paper.shape
        box = (w // 4, h // 4, w // 4, h // 4)
        piece = FoundChromosome(
            *box, np.ones((h // 4, w // 4), bool), np.zeros((2, 2), np.float32), 9.0, 3.0
        )
        one = Chromosome("1", round(float(p[0]), 6), x=0.1, y=0.1, w=0.1, h=0.1)
        return ReadCell(Reading((one,) * 3), Testimony(), (piece,) * 3)


Job = Callable[[Settings, StandIn], None]
"""What is done with the pictures of a bench."""


def drawn_pictures(folder: Path, count: int) -> list[Path]:
    """Write so many pages of noise below `folder`, three of a case; return their paths."""
    rng, paths = np.random.default_rng(0), []
    for i in range(count):
        path = folder / f"case{i // 3}" / f"k{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page = np.full((120, 160), 255, np.uint8)
        page[20:100, 20:140] = rng.integers(0, 200, (80, 120))
        Image.fromarray(page).save(path)
        paths.append(path)
    return paths


@dataclass(frozen=True)
class Attempt:
    """How one attempt ended, what it said, its seconds, and the pictures that it scored."""

    outcome: str
    said: str
    seconds: float
    scored: tuple[str, ...]


@dataclass
class Tally:
    """What became of the results over all attempts with one fault."""

    injected: int = 0
    told: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    half: int = 0
    crashed: int = 0
    said: set[str] = field(default_factory=set)

    @property
    def clean(self) -> bool:
        """Return whether no result was lost, doubled, wrong or half-written."""
        return not (self.lost or self.doubled or self.wrong or self.half or self.crashed)


class Bench:
    """Pictures, an unbroken run of them, and attempts compared with it, all below `scratch`."""

    def __init__(self, scratch: Path, pictures: int = 16) -> None:
        self.scratch, self.folder = scratch, scratch / "in"
        drawn_pictures(self.folder, pictures)
        self.truth = self.place("unbroken")
        first = self.attempt(self.truth)
        if first.outcome != DONE:
            raise SystemExit(f"the unbroken run failed: {first.said}")
        self.seconds = first.seconds
        self.results = kept(self.truth)
        self.files = self.files_of(self.truth)
        self.names = {key_of(sha): image for image, (sha, _) in self.results.items()}

    def place(self, name: str) -> Path:
        """Return where an attempt called `name` writes: of all attempts equally far from the
        pictures, because a page links to them by the way there."""
        folder = self.scratch / name
        folder.mkdir(exist_ok=True)
        return folder / "out"

    def attempt(
        self,
        out: Path,
        kill_after: float | None = None,
        trap: Act | None = None,
        during: Callable[[int], None] = lambda batch: None,
        job: Job | None = None,
    ) -> Attempt:
        """Return how `screen --resume` into `out` (or another `job`) ended in a process of its own.

        It is killed after `kill_after` seconds; `trap` is called in it before it begins, `during`
        with the number of each batch.
        """
        return self.join(self.start(out, trap, during, job), kill_after)

    def start(
        self,
        out: Path,
        trap: Act | None = None,
        during: Callable[[int], None] = lambda batch: None,
        job: Job | None = None,
    ) -> tuple[Child, float, Path]:
        """Begin an attempt; return what `join` takes."""
        scored = self.scratch / f"scored-{time.monotonic_ns()}"
        scored.touch()
        network = StandIn(scored, during)
        child = begun(lambda: _run(self.folder, out, network, trap, job or _screen))
        return child, time.perf_counter(), scored

    def join(self, started: tuple[Child, float, Path], kill_after: float | None = None) -> Attempt:
        """Return how a started attempt ended."""
        child, start, scored = started
        outcome, said = ended(child, kill_after)
        keys = [int(line) for line in scored.read_text().splitlines()]
        scored.unlink()
        names = getattr(self, "names", {})
        of_keys = tuple(names.get(key, "") for key in keys)
        return Attempt(outcome, said, time.perf_counter() - start, of_keys)

    def checked(
        self, tally: Tally, out: Path, before: dict, attempt: Attempt, growing: bool = False
    ) -> dict:
        """Add to `tally` what an attempt did to the results `before` it; return those now kept.
        `growing`: the tables may hold some of their rows and not yet all."""
        after = kept(out)
        tally.told += attempt.outcome == TOLD
        tally.crashed += attempt.outcome == CRASHED
        if attempt.said:
            tally.said.add(attempt.said.replace(str(self.scratch), "").strip())
        tally.lost += len(before.keys() - after.keys())
        tally.doubled += len(set(attempt.scored) & before.keys())
        tally.doubled += len(attempt.scored) - len(set(attempt.scored))
        tally.wrong += sum(self.results.get(image) != result for image, result in after.items())
        if attempt.outcome == DONE:
            tally.lost += len(self.results.keys() - after.keys())
            tally.wrong += self.files_of(out) != self.files
        elif out.is_dir():
            found = self.files_of(out)
            for name in ("triage.csv", "triage.jsonl", *(() if growing else ("cases.csv",))):
                rows, expected = ([*f.get(name, "").splitlines(True)] for f in (found, self.files))
                part = set(rows) <= set(expected) and len(rows) == len(set(rows))
                tally.half += name in found and not (part if growing else rows == expected)
        return after

    def files_of(self, out: Path) -> dict[str, str]:
        """Return the outputs of `out`, times aside, and every other file but the ledger."""
        found = {}
        for path in sorted(out.rglob("*")):
            name = path.relative_to(out).as_posix()
            if name in COMPARED:
                found[name] = _TIMES.sub("", path.read_text("utf-8"))
            elif path.is_file() and name != "run.json" and not name.startswith("ledger"):
                found[name] = path.read_bytes().hex()
        return found


def kept(out: Path) -> dict[str, tuple[str, str]]:
    """Return the results in the ledger of `out`: sha256 and record by picture; none for none."""
    path = out / FILE_NAME
    if not path.is_file():
        return {}
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT image, sha256, record FROM results").fetchall()
        return {image: (sha, record) for image, sha, record in found}
    except sqlite3.OperationalError:  # killed before the tables were made
        return {}
    finally:
        connection.close()


def at_write(out: Path, number: int, act: Act, lasting: bool = False) -> Act:
    """Return a trap that calls `act` in front of write `number` below `out` (open, rename, folder
    made or removed), and with `lasting` of every one after it."""

    def trap() -> None:
        below, seen = str(out), 0

        def hook(event: str, args: tuple) -> None:
            nonlocal seen
            opened = event == "open" and bool((args[2] or 0) & _WRITES)
            moved = event in ("os.rename", "os.mkdir") or (not lasting and event == "os.remove")
            if (opened or moved) and str(args[0]).startswith(below):
                seen += 1
                if seen == number or (lasting and seen > number):
                    act()

        sys.addaudithook(hook)

    return trap


def die() -> None:
    """Kill this process as a loss of power would."""
    os.kill(os.getpid(), signal.SIGKILL)


def disk_full() -> None:
    """Raise what a full disk raises."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def begun(work: Act) -> Child:
    """Begin `work` in a forked child."""
    said, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(write)
        return child, said
    os.close(said)
    status = 2
    with contextlib.suppress(BaseException), os.fdopen(write, "w") as told:
        try:
            work()
            status = 0
        except ScreeningError as error:
            told.write(str(error))
            status = 1
        except BaseException:
            told.write(traceback.format_exc())
    os._exit(status)
    raise AssertionError("a child never comes back")


def ended(child: Child, kill_after: float | None = None) -> tuple[str, str]:
    """Return how a child ended and what it said; it is killed after `kill_after` seconds."""
    process, pipe = child
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(process, signal.SIGKILL)
    with os.fdopen(pipe) as file:
        said = file.read()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return KILLED, said
    return (DONE, TOLD, CRASHED)[os.WEXITSTATUS(status)], said


def _run(folder: Path, out: Path, network: StandIn, trap: Act | None, job: Job) -> None:
    found = Located(())
    pipeline.inspect = lambda page, locator: Inspection(Quality(True, "", 46, ()), found)
    settings = Settings(
        folder, out, "b" * 64, "stand-in", quiet=True, batch_size=2, resume=True,
        save_chromosomes=True,
    )  # fmt: skip
    if trap is not None:
        trap()
    job(settings, network)


def _screen(settings: Settings, network: StandIn) -> None:
    screen_folder(settings, network, None, network)  # type: ignore[arg-type]


def finished(out: Path) -> bool:
    """Return whether `out` has a whole set of outputs."""
    try:
        return bool(json.loads((out / "run.json").read_text("utf-8"))["finished"])
    except OSError:
        return False

"""Break `screen` in every way that a machine can, go on with --resume, and count what is lost.

    python scripts/measure_faults.py [--kills 100] [--networks 3]

Killed at random moments and in front of each of its writes; on a full disk (a small tmpfs of every
size where mounting is allowed, and an error at each write); with a folder that is read-only or
vanishes; with a ledger that was damaged; two runs at once; with a clock that is set back. `watch`,
`tune` and `build` are killed as well. After every fault the results in the ledger are compared with
those of an unbroken run, one by one, and after the last attempt all files byte for byte, times
aside. With --networks that many runs of the shipped bundle over the demo are killed as well,
through the command line. Writes reports/faults.md; ends with 1 when anything was lost.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fault_bench import (
    DONE,
    KILLED,
    TOLD,
    Act,
    Attempt,
    Bench,
    Tally,
    at_write,
    die,
    disk_full,
    kept,
)
from fault_commands import (
    MOST_ATTEMPTS,
    Building,
    Tuning,
    clock_set_back,
    killed_command,
    killed_watching,
)
from report_header import ROOT, add_report_arguments, begin, write

from screening.bundle import default_bundle, load_bundle
from screening.demo import demo_folder
from screening.metrics import markdown_table
from screening.worklist.ledger import FILE_NAME


def until_done(
    bench: Bench, tally: Tally, out: Path, before: dict, trap: Act | None = None
) -> None:
    """Go on without being broken off until the outputs are written, and compare them."""
    last = bench.attempt(out, trap=trap)
    bench.checked(tally, out, before, last)
    tally.lost += last.outcome != DONE


def killed_at_random(
    bench: Bench, kills: int, rng: np.random.Generator, trap: Act | None = None
) -> Tally:
    """Return what became of runs killed at any moment, each continued until it is through; `trap`
    is called in each before it begins."""
    tally, number = Tally(), 0
    while tally.injected < kills:
        out, before = bench.place(f"killed{number}"), {}
        number += 1
        for _ in range(MOST_ATTEMPTS):
            wait = float(rng.uniform(0, 1.1 * bench.seconds))
            attempt = bench.attempt(out, wait, trap)
            before = bench.checked(tally, out, before, attempt)
            tally.injected += attempt.outcome == KILLED
            if attempt.outcome != KILLED or tally.injected >= kills:
                break
        until_done(bench, tally, out, before, trap)
        shutil.rmtree(out)
    return tally


def killed_at_writes(bench: Bench, most: int) -> Tally:
    """Return what became of runs killed in front of each of their writes, at most of `most`."""
    return _at_writes(bench, most, lambda out, n: at_write(out, n, die), KILLED)


def full_at_writes(bench: Bench, most: int) -> Tally:
    """Return what became of runs whose disk takes nothing more from each of their writes on."""
    return _at_writes(bench, most, lambda out, n: at_write(out, n, disk_full, lasting=True), TOLD)


def _at_writes(
    bench: Bench, most: int, trap: Callable[[Path, int], Callable[[], None]], expected: str
) -> Tally:
    tally, step = Tally(), 1
    out = bench.place("writes")
    count = _writes(bench, out)
    step = max(1, count // most)
    for number in range(1, count + 1, step):
        attempt = bench.attempt(out, trap=trap(out, number))
        tally.injected += attempt.outcome == expected
        until_done(bench, tally, out, bench.checked(tally, out, {}, attempt))
        shutil.rmtree(out, ignore_errors=True)
    return tally


def _writes(bench: Bench, out: Path) -> int:
    """How often a run opens, makes, renames or removes something below `out`."""
    seen = bench.place("seen")
    seen.write_text("")

    def note() -> None:
        with seen.open("a") as file:
            file.write(".")

    bench.attempt(out, trap=at_write(out, 1, note, lasting=True))
    shutil.rmtree(out)
    return len(seen.read_text())


def full_disk(bench: Bench, sizes: int) -> Tally | None:
    """Return what became of runs on a disk of every size up to what a run takes; None where
    mounting is not allowed. Afterwards there is room again."""
    disk = bench.scratch / "disk"
    disk.mkdir()
    if not _mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)):
        return None
    tally, out = Tally(), disk / "out"
    try:
        bench.attempt(out)
        need = sum(path.stat().st_size + 4096 for path in disk.rglob("*"))
        for size in np.linspace(8192, 1.1 * need, sizes).astype(int).tolist():
            shutil.rmtree(out)
            _mount("-o", f"remount,size={size}", str(disk))
            attempt = bench.attempt(out)
            tally.injected += attempt.outcome != DONE
            _mount("-o", "remount,size=64m", str(disk))
            until_done(bench, tally, out, bench.checked(tally, out, {}, attempt))
    finally:
        subprocess.run(["umount", str(disk)], check=False)
    return tally


def read_only(bench: Bench) -> Tally | None:
    """Return what became of runs into a folder that takes no file, new or half done."""
    disk = bench.scratch / "read-only"
    disk.mkdir()
    if not _mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)):
        return None
    tally = Tally()
    try:
        for number in range(0, 16, 4):
            out = disk / f"out{number}"
            before: dict = {}
            if number:
                bench.attempt(out, trap=at_write(out, 4 * number, die))
                before = kept(out)
            _mount("-o", "remount,ro", str(disk))
            attempt = bench.attempt(out)
            _mount("-o", "remount,rw", str(disk))
            tally.injected += attempt.outcome == TOLD
            until_done(bench, tally, out, bench.checked(tally, out, before, attempt))
    finally:
        subprocess.run(["umount", str(disk)], check=False)
    return tally


def vanished(bench: Bench) -> Tally:
    """Return what became of runs whose folder was deleted with the first, second … batch."""
    tally, out = Tally(), bench.place("vanished")
    for number in range(1, 7):

        def remove(batch: int, number: int = number) -> None:
            if batch == number:
                shutil.rmtree(out)

        attempt = bench.attempt(out, during=remove)
        tally.injected += attempt.outcome == TOLD
        tally.wrong += attempt.outcome == DONE  # nobody may believe in outputs without a ledger
        until_done(bench, tally, out, bench.checked(tally, out, {}, attempt))
        shutil.rmtree(out)
    return tally


def damaged(bench: Bench, count: int, rng: np.random.Generator) -> Tally:
    """Return what became of finished runs whose ledger a disk changed: bytes, blocks, its end.

    What was damaged may have to be scored again, which is neither lost nor doubled; an attempt
    either says what is wrong or ends with the outputs of the unbroken run.
    """
    tally, out = Tally(), bench.place("damaged")
    content = (bench.truth / FILE_NAME).read_bytes()
    for number in range(count):
        shutil.copytree(bench.truth, out)
        spoiled = bytearray(content)
        place = int(rng.integers(len(spoiled)))
        if number % 3 == 0:
            for where in rng.integers(0, len(spoiled), 4).tolist():
                spoiled[where] ^= 1 << int(rng.integers(8))
        elif number % 3 == 1:
            block = rng.integers(0, 256, min(4096, len(spoiled) - place), np.uint8)
            spoiled[place : place + len(block)] = block.tobytes()
        else:
            del spoiled[place:]
        (out / FILE_NAME).write_bytes(spoiled)
        attempt = bench.attempt(out)
        tally.injected += 1
        tally.told += attempt.outcome == TOLD
        tally.crashed += attempt.outcome not in (DONE, TOLD)
        if attempt.said:
            tally.said.add(attempt.said)
        if attempt.outcome == DONE:
            tally.lost += len(bench.results.keys() - kept(out).keys())
            expected, files = dict(bench.files), bench.files_of(out)
            if list(out.glob("ledger.damaged*")):  # which the page says
                del expected["report.html"], files["report.html"]
            tally.wrong += files != expected
        shutil.rmtree(out)
    return tally


def two_at_once(bench: Bench, pairs: int, rng: np.random.Generator) -> Tally:
    """Return what became of two runs that were started into one folder at about the same time."""
    tally = Tally()
    for number in range(pairs):
        out = bench.place(f"two{number}")
        first = bench.start(out)
        time.sleep(float(rng.uniform(0, 0.5 * bench.seconds)))
        second = bench.start(out)
        ended = [bench.join(first), bench.join(second)]
        tally.injected += 1
        scored = tuple(name for each in ended for name in each.scored)
        tally.told += sum(each.outcome == TOLD for each in ended)
        tally.crashed += sum(each.outcome not in (DONE, TOLD) for each in ended)
        tally.lost += all(each.outcome != DONE for each in ended)
        tally.said |= {each.said for each in ended if each.said}
        bench.checked(tally, out, {}, Attempt(DONE, "", 0.0, scored))
        shutil.rmtree(out)
    return tally


def with_networks(kills: int, rng: np.random.Generator, scratch: Path) -> Tally:
    """Return what became of the demo screened with the shipped bundle and killed on the way."""

    def command(out: Path) -> list[str]:
        words = ["-m", "screening", "screen", str(demo_folder()), "--out", str(out)]
        return [sys.executable, *words, "--resume", "--quiet", "--batch-size", "2"]

    tally, truth, out = Tally(), scratch / "with networks", scratch / "broken"
    clock = time.perf_counter()
    subprocess.run(command(truth), check=False, cwd=ROOT)
    seconds = time.perf_counter() - clock
    results = kept(truth)
    while tally.injected < kills:
        before = kept(out)
        process = subprocess.Popen(command(out), cwd=ROOT)
        try:
            process.wait(float(rng.uniform(0.2, 1.0) * seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            tally.injected += 1
        process.wait()
        after = kept(out)
        tally.lost += len(before.keys() - after.keys())
        tally.wrong += sum(results.get(image) != result for image, result in after.items())
        if process.returncode >= 0:
            shutil.rmtree(out)
    subprocess.run(command(out), check=False, cwd=ROOT)
    tally.lost += len(results.keys() - kept(out).keys())
    for name in ("triage.csv", "triage.jsonl", "cases.csv"):
        tally.wrong += (out / name).read_bytes() != (truth / name).read_bytes()
    return tally


def _mount(*words: str) -> bool:
    done = subprocess.run(["mount", *words], check=False, capture_output=True)
    return done.returncode == 0


def measure(bench: Bench, kills: int, seed: int = 0) -> dict[str, Tally | None]:
    """Return what became of the results, by fault; None where this machine does not allow it."""
    rng = np.random.default_rng(seed)
    some = max(4, kills // 4)
    return {
        "kill -9 at a random moment": killed_at_random(bench, kills, rng),
        "kill -9 in front of a write": killed_at_writes(bench, kills),
        "no space left from a write on": full_at_writes(bench, kills),
        "disk full (tmpfs, every size)": full_disk(bench, some),
        "folder read-only": read_only(bench),
        "folder deleted under the run": vanished(bench),
        "ledger damaged": damaged(bench, some, rng),
        "two runs into one folder": two_at_once(bench, some, rng),
        "`watch`: kill -9 while pictures arrive": killed_watching(bench, kills, rng),
        "`tune`: kill -9, any moment or write": killed_command(Tuning(bench.scratch), kills, rng),
        "`build`: kill -9, any moment or write": killed_command(
            Building(bench.scratch), kills, rng
        ),
        "clock set back, kill -9": killed_at_random(bench, some, rng, clock_set_back),
        "`watch`: clock set back, kill -9": killed_watching(bench, some, rng, clock_set_back),
    }


def table(tallies: dict[str, Tally | None]) -> str:
    """Return the faults as a Markdown table."""
    columns = ("fault", "injected", "told", "lost", "doubled", "wrong", "half-written", "traceback")
    rows = [
        (name, "not allowed here", *[""] * 6)
        if one is None
        else (name, one.injected, one.told, one.lost, one.doubled, one.wrong, one.half, one.crashed)
        for name, one in tallies.items()
    ]
    return markdown_table(columns, [tuple(map(str, row)) for row in rows])


def main() -> int:
    """Break runs, write the report; return 1 when a result was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--networks", type=int, default=0, help="kills of the shipped bundle")
    parser.add_argument("--seed", type=int, default=0)
    add_report_arguments(parser)
    args = parser.parse_args()
    commit = begin(args)
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        tallies = measure(bench, args.kills, args.seed)
        if args.networks:
            rng = np.random.default_rng(args.seed)
            name = "kill -9, shipped bundle, demo"
            tallies[name] = with_networks(args.networks, rng, Path(scratch))
    body = f"""16 pictures a run, batches of 2, chromosomes saved, `--resume` every time; the
networks are stand-ins but in the last row, if it is there. *told*: the run ended with a sentence
for the user. *lost*: results that were in the ledger before and are not after, or pictures without
a row at the end. *doubled*: scored although the ledger had the result, or twice. *wrong*: another
result or another file than the unbroken run's (times aside). *half-written*: a table that is there
but not whole. A damaged ledger is kept under another name and its results are made anew, which is
not counted as doubled. `watch` screens the same pictures, which arrive one by one in any order
while it is killed. `tune` makes a bundle of 24 labelled pages and keeps their results:
*half-written* is a bundle that does not load or is not that of an unbroken one, *told* that it is
already there. `build` runs three small stages that go on with the parts that they find:
*half-written* is one that says it is done and is not whole. A clock that is set back goes an hour
back whenever it is asked for the time of day.

{table(tallies)}
"""
    bundle = load_bundle(default_bundle()) if args.networks else "stand-ins for its networks"
    write(args, "faults.md", "Faults", commit, bundle, "drawn noise", body)
    for name, one in tallies.items():
        for said in sorted(one.said) if one else ():
            print(f"{name}: {said}")
    return int(any(one is not None and not one.clean for one in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())

"""Spoil files by the hundred thousand and give them to every reader; count what crashes.

    python scripts/fuzz_readers.py --executions 500000 [--workers 2] [--seed 0] [--reader NAME]

Writes reports/fuzz.md, unless for one reader alone. A reader either takes a file or refuses it with
a sentence. A crash is any other exception, a death of the process, or more than SECONDS of
processor time for one file. Each input follows from the seed, the reader and its number, so that
what is found can be made again; it is kept in --keep.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import queue
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from fuzz_targets import Reader, readers, spoiled
from report_header import add_report_arguments, begin, write

from screening.errors import ScreeningError
from screening.metrics import markdown_table

SECONDS, WAITED = 10.0, 300.0
"""A spoiled file of at most 1 MiB that takes more processor time, or time at all, is a hang."""
_NO_BUNDLE = "readers alone, no network is asked"


@dataclass
class Tally:
    """What became of the files of one reader; `found`: crashes by kind."""

    executions: int = 0
    read: int = 0
    slowest: float = 0.0
    memory: float = 0.0  # MiB, most of a worker
    found: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """Print and write the table; return 1 when there was a crash."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executions", type=int, default=50_000, help="in all (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the spoiling (%(default)s)")
    parser.add_argument("--reader", help="only readers whose name holds this")
    parser.add_argument("--keep", type=Path, help="folder for inputs that crash")
    add_report_arguments(parser)
    args = parser.parse_args()
    commit = begin(args)
    chosen = [one for one in readers() if not args.reader or args.reader in one.name]
    each = -(-args.executions // len(chosen))
    tallies = {one.name: _all(one, each, args) for one in chosen}
    every = sum(one.executions for one in tallies.values())
    crashes = sum(one.found.total() for one in tallies.values())
    body = f"""{_table(tallies)}

{every:,} executions, {crashes} crashes, seed {args.seed}. Whole files of every kind that comes
from outside are spoiled in one to four places: bits, bytes, pieces taken out, doubled, put in from
another file, the end cut off, extreme numbers, words that mean something to a parser. A reader
takes such a file or refuses it with a sentence; any other exception, a death of the process or more
than {SECONDS:.0f} s of processor time is a crash. *memory*: the most that a process ever had, with
its libraries.
"""
    print(body)
    if not args.reader:
        write(args, "fuzz.md", "Hostile files", commit, _NO_BUNDLE, "files made for it", body)
    return int(crashes > 0)


def _all(reader: Reader, each: int, args: argparse.Namespace) -> Tally:
    """Share `each` executions of a reader out over processes that may die or hang."""
    tally, fork = Tally(), multiprocessing.get_context("fork")
    for worker in range(args.workers):
        first, last = worker * each // args.workers, (worker + 1) * each // args.workers
        while first < last:
            first = _some(reader, first, last, args, tally, fork)
    print(f"{reader.name}: {tally.executions}, {dict(tally.found)}", file=sys.stderr, flush=True)
    return tally


def _some(
    reader: Reader, first: int, last: int, args: argparse.Namespace, tally: Tally,
    fork: multiprocessing.context.ForkContext,
) -> int:  # fmt: skip
    """Run one process over inputs `first` to `last`; return where the next one begins."""
    told: multiprocessing.Queue = fork.Queue()
    at = fork.Value("q", first)
    child = fork.Process(target=_work, args=(reader, first, last, args, told, at))
    child.start()
    before, since = -1, time.monotonic()
    while True:
        try:
            kind, value = told.get(timeout=0.5)
        except queue.Empty:
            if at.value != before:
                before, since = at.value, time.monotonic()
            hangs = time.monotonic() - since > WAITED or child.exitcode == -signal.SIGPROF
            if child.is_alive() and not hangs:
                continue
            tally.found["hang" if hangs else f"died, status {child.exitcode}"] += 1
            tally.executions += at.value + 1 - first
            _keep(reader, at.value, args)
            child.kill()
            child.join()
            return at.value + 1
        if kind == "crash":
            tally.found[value] += 1
        else:
            executions, read, slowest, memory = value
            tally.executions += executions
            tally.read += read
            tally.slowest, tally.memory = max(tally.slowest, slowest), max(tally.memory, memory)
            child.join()
            return last


def _work(reader: Reader, first: int, last: int, args, told, at) -> None:  # type: ignore
    shared = Path("/dev/shm")
    read, slowest = 0, 0.0
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as made:
        for number in range(first, last):
            at.value = number
            data = _input(reader, number, args.seed)
            start = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # whose signal ends the process
            try:
                reader.read(data, Path(made))
                read += 1
            except (ScreeningError, *reader.told):
                pass
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                name = Path(place.filename).name
                told.put(("crash", f"{type(error).__name__} in {name}:{place.name}"))
                _keep(reader, number, args)
            signal.setitimer(signal.ITIMER_PROF, 0)
            slowest = max(slowest, time.process_time() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told.put(("done", (last - first, read, slowest, memory)))


def _input(reader: Reader, number: int, seed: int) -> bytes:
    rng = np.random.default_rng([seed, number])
    chosen, other = rng.integers(len(reader.seeds), size=2)
    return spoiled(reader.seeds[chosen], reader.seeds[other], rng)


def _keep(reader: Reader, number: int, args: argparse.Namespace) -> None:
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
        name = "".join(char if char.isalnum() else "-" for char in reader.name)
        (args.keep / f"{name}-{number}").write_bytes(_input(reader, number, args.seed))


def _table(tallies: dict[str, Tally]) -> str:
    rows = [
        [
            name, f"{one.executions:,}", f"{one.read:,}", str(one.found.total()),
            ", ".join(f"{kind}: {count}" for kind, count in one.found.most_common()),
            f"{1000 * one.slowest:.0f}", f"{one.memory:.0f}",
        ]
        for name, one in tallies.items()
    ]  # fmt: skip
    heads = ("reader", "executions", "taken", "crashes", "kinds", "slowest, ms", "memory, MiB")
    return markdown_table(heads, rows)


if __name__ == "__main__":
    raise SystemExit(main())

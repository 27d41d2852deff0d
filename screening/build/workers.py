"""Many small jobs in several processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

import cv2

from screening.build.runner import Context

Job = TypeVar("Job")
Made = TypeVar("Made")


def each(
    context: Context, do: Callable[[Job], Made], jobs: Sequence[Job], what: str, chunk: int = 4
) -> Iterator[Made]:
    """Yield `do(job)` of every job in order, made by `context.workers` processes.

    `what` is counted, for the progress. `do` must be picklable.
    """
    context.tick(0, len(jobs), what)
    if not jobs:
        return
    with ProcessPoolExecutor(context.workers, get_context("spawn"), initializer=_begin) as pool:
        for number, made in enumerate(pool.map(do, jobs, chunksize=chunk), 1):
            context.tick(number, len(jobs), what)
            yield made


def _begin() -> None:
    """One thread for each process; Ctrl-C is for the one that gives out the jobs."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

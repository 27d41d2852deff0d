"""Pictures looked at in processes of their own, which end when one takes too long or breaks down.

A thread cannot be ended, and what a file does to a decoder it does to the whole process: a page on
which the search for chromosomes runs away would hold up a night's run, one that crashes a decoder
would end it. Here it is one failed row. The processes are started anew, not forked, so that it is
the same on every system; the arrays come back through a pipe.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection

import cv2

from screening.errors import ScreeningError
from screening.record import Picture
from screening.worklist.discover import PictureFile
from screening.worklist.guard import broke_down, reason_of, took_too_long
from screening.worklist.pipeline import Look, Prepared

MOST_MEMORY = 4 << 30
"""Bytes for one picture, where the system can hold to it (Linux); the largest that are read, 100
million pixels, were seen to take 1.6 GiB, and 15 seconds on a busy core."""
_STARTED = 300.0  # seconds for the libraries to load, on a machine that does much else
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ORPHAN = 10.0  # seconds beyond the limit: nobody is there to end the process


class CannotIsolate(ScreeningError):
    """Says that no process can be started, and how to do without."""

    exit_status = 1

    def __init__(self, why: object) -> None:
        super().__init__(
            f"cannot start a process that reads pictures ({why}): free memory, or use "
            "--time-limit 0 to read them in this one"
        )


@contextmanager
def isolated(look: Look, seconds: float, workers: int) -> Iterator[Look]:
    """Let `look`, which must be picklable, look at each picture in one of `workers` processes, for
    `seconds` at most; 0: in this one, without a limit."""
    if not seconds:
        yield look
        return
    pool = _Pool(look, seconds, workers)
    try:
        yield pool
    finally:
        pool.close()


class _Pool:
    """Processes that look at pictures; called from as many threads as there are."""

    def __init__(self, look: Look, seconds: float, workers: int) -> None:
        threads = max(1, (os.cpu_count() or 1) // workers)
        self._how = pickle.dumps(look, pickle.HIGHEST_PROTOCOL), seconds, threads
        self._lock = threading.Lock()
        self._given_up: set[str] = set()
        # At once, so that the libraries load there while the networks load here.
        self._idle = [_Worker(*self._how) for _ in range(workers)]

    def __call__(self, found: PictureFile, blank: Picture) -> Prepared:
        """Return the picture as `look` does, or failed with the reason: it took too long, or what
        looked at it broke down."""
        seconds = self._how[1]
        if blank.sha256 in self._given_up:  # a watch comes by again and again
            return Prepared(replace(blank, reason=took_too_long(seconds)))
        with self._lock:
            worker = self._idle.pop() if self._idle else _Worker(*self._how)
        try:
            prepared = worker.look(found, blank)
        except TimeoutError:
            worker.end()
            self._given_up.add(blank.sha256)
            return Prepared(replace(blank, reason=took_too_long(seconds)))
        except EOFError:
            return Prepared(replace(blank, reason=broke_down(worker.end())))
        with self._lock:
            self._idle.append(worker)
        return prepared

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, look: bytes, seconds: float, threads: int) -> None:
        self._look, self.seconds, self.ready = look, seconds, False
        context = get_context("spawn")
        try:
            self.pipe, other = context.Pipe()
            self.process = context.Process(
                target=_serve, args=(other, seconds, threads), daemon=True
            )
            with _signals_held():
                self.process.start()
        except OSError as error:
            raise CannotIsolate(error.strerror or error) from error
        other.close()  # so that the end of the process is the end of the pipe

    def look(self, found: PictureFile, blank: Picture) -> Prepared:
        """Return the picture that the process made; TimeoutError, EOFError when there is none."""
        if not self.ready:
            self._wait_for_libraries()
        with suppress(BrokenPipeError, ConnectionResetError):  # EOFError, below
            self.pipe.send((found, blank))
        if not self.pipe.poll(self.seconds):
            raise TimeoutError
        try:
            prepared: Prepared = pickle.loads(self.pipe.recv_bytes())
        except OSError as error:
            raise EOFError from error
        return prepared

    def _wait_for_libraries(self) -> None:
        try:
            self.ready = self.pipe.poll(_STARTED) and self.pipe.recv()
            if self.ready:
                # Not with the start: it is more than a pipe holds, and would wait there until the
                # libraries are loaded.
                self.pipe.send_bytes(self._look)
        except (EOFError, OSError):
            raise CannotIsolate(f"it ended with status {self.end()}") from None
        if not self.ready:
            self.end()
            raise CannotIsolate("it does not begin")

    def end(self) -> int | None:
        """End the process and return its exit status, as `multiprocessing` has it; None for one
        that not even the system can end, because a drive does not answer."""
        ended = self.process.exitcode
        self.process.kill()
        self.pipe.close()
        self.process.join(timeout=5)
        return self.process.exitcode if ended is None else ended


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait, here until the end of the block and in what starts inside for ever: Ctrl-C
    is for all processes of a terminal, and one whose libraries load would answer with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()  # as it starts it lets signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, seconds: float, threads: int) -> None:
    """Look at one picture after the other, in a process of its own, until the pipe ends."""
    for number in _SIGNALS:  # the run decides when this ends
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(threads)
    _limit_memory()
    with suppress(EOFError, OSError), open(os.devnull, "w") as nowhere:
        pipe.send(True)
        look: Look = pickle.loads(pipe.recv_bytes())
        while True:
            found, blank = pipe.recv()
            faulthandler.dump_traceback_later(seconds + _ORPHAN, exit=True, file=nowhere)
            try:
                made = pickle.dumps(look(found, blank), pickle.HIGHEST_PROTOCOL)
            except Exception as error:
                made = pickle.dumps(Prepared(replace(blank, reason=reason_of(error))))
            faulthandler.cancel_dump_traceback_later()
            pipe.send_bytes(made)


def _limit_memory() -> None:
    """Let what takes more than MOST_MEMORY fail, where the system counts it."""
    if sys.platform != "linux":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))

"""Runs tests on mutants fast: everything heavy is imported once, then each mutant is a fork.

Three generations of processes. The first imports pytest and the libraries. For each module it forks
a second, which imports what the module's tests import and lets go of the module itself and of all
that imports it. That one forks a third for each mutant, where the mutant takes the module's place
and pytest runs. A first third-generation run of the unchanged module tells which test executes
which lines, so a mutant meets only the tests that could notice it, the quickest first.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.util
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest
from mutant_imports import ROOT, dependents, dotted
from mutant_operators import Mutant

KILLED, TIMED_OUT, SURVIVED, UNREACHED = "killed", "timed out", "survived", "not reached"
LIBRARIES = (
    "numpy", "scipy.stats", "scipy.optimize", "scipy.ndimage", "sklearn.isotonic", "pydantic",
    "jinja2", "yaml", "PIL.Image", "cv2", "rich.progress",
)  # fmt: skip
_MEMORY = 8 * 2**30


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: one of the four words, and the test that noticed it first."""

    word: str
    by: str = ""

    @property
    def killed(self) -> bool:
        return self.word in (KILLED, TIMED_OUT)


class TestsFail(RuntimeError):
    """Says that the tests of a module fail without any change to it."""


@dataclass(frozen=True)
class _Baseline:
    """What the tests do to the unchanged module: seconds and lines of each, and of the import."""

    seconds: Mapping[str, float]
    lines: Mapping[str, frozenset[int]]
    on_import: frozenset[int]
    cpu: float
    wall: float

    def tests_for(self, mutant: Mutant, first: str) -> list[str]:
        """Return the tests that can notice `mutant`: `first`, then the quickest."""
        touched = set(range(mutant.first, mutant.last + 1))
        everywhere = bool(touched & self.on_import)
        chosen = [t for t in self.seconds if everywhere or touched & self.lines[t]]
        return sorted(chosen, key=lambda test: (test != first, self.seconds[test]))


def preload() -> None:
    """Import the libraries that the tests share, once for all processes.

    To be called before anything has imported NumPy: a process with threads must not be forked.
    """
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    for name in LIBRARIES:
        importlib.import_module(name)


def run_module(
    module: str,
    tests: Sequence[str],
    mutants: Sequence[Mutant],
    first: Mapping[tuple[str, str], str],
    workers: int,
    tell: Callable[[int], None] = lambda done: None,
) -> list[Verdict]:
    """Return the verdict on each mutant of `module` ("screening/a/b.py") under the `tests`.

    `first`: by name of a mutant the test to run first, which killed it last time. `tell` is called
    with the number done. TestsFail when the tests fail on the module as it is.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def second() -> None:
        try:
            _module_process(module, tests, mutants, first, workers, sender)
        except TestsFail as error:
            sender.send(error)
        sender.close()

    process = context.Process(target=second)
    process.start()
    sender.close()
    verdicts: dict[int, Verdict] = {}
    while len(verdicts) < len(mutants):
        try:
            message = receiver.recv()
        except EOFError as error:
            raise RuntimeError(f"the process that tests {module} has died") from error
        if isinstance(message, TestsFail):
            raise message
        index, verdicts[index] = message
        tell(len(verdicts))
    process.join()
    return [verdicts[i] for i in range(len(mutants))]


def _module_process(
    module: str,
    tests: Sequence[str],
    mutants: Sequence[Mutant],
    first: Mapping[tuple[str, str], str],
    workers: int,
    sender: Any,
) -> None:
    os.chdir(ROOT)
    for test in tests:
        try:
            importlib.import_module(Path(test).stem)
        except Exception as error:
            raise TestsFail(f"{test} cannot be imported: {error!r}") from error
    _let_go(dependents(module) | {dotted(module)})
    gc.collect()
    gc.freeze()
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        baseline = _measure(module, tests, folder)
        waiting = list(enumerate(mutants))[::-1]
        running: dict[int, tuple[int, float, Path]] = {}
        while waiting or running:
            while waiting and len(running) < workers:
                index, mutant = waiting.pop()
                chosen = baseline.tests_for(mutant, first.get(mutant.name, ""))
                if not chosen:
                    sender.send((index, Verdict(UNREACHED)))
                    continue
                place = folder / str(index)
                place.mkdir()
                limit = int(3 * baseline.cpu + 10)
                child = _forked(
                    module, mutant.source, tests, chosen, place, limit, baseline.seconds
                )
                running[child] = (index, time.monotonic() + 5 * baseline.wall + 30, place)
            for child, verdict in _ended(running):
                index, _, place = running.pop(child)
                shutil.rmtree(place, ignore_errors=True)
                sender.send((index, verdict))
            time.sleep(0.003)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ended(running: Mapping[int, tuple[int, float, Path]]) -> Iterable[tuple[int, Verdict]]:
    for child, (_, deadline, place) in list(running.items()):
        late = time.monotonic() > deadline
        if late:
            _end_group(child)
        done, status = os.waitpid(child, 0 if late else os.WNOHANG)
        if done:
            _end_group(child)  # what it has started itself
            yield child, _verdict(status, late, place)


def _verdict(status: int, late: bool, place: Path) -> Verdict:
    sign = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if late or sign in (signal.SIGXCPU, signal.SIGPROF):
        return Verdict(TIMED_OUT)
    if sign:
        return Verdict(KILLED, f"signal {sign}")
    told = json.loads((place / "result.json").read_text("utf-8"))
    return Verdict(SURVIVED) if told["status"] == 0 else Verdict(KILLED, told["by"])


def _end_group(child: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _measure(module: str, tests: Sequence[str], folder: Path) -> _Baseline:
    """The tests on the unchanged module, with the lines that each executes."""
    started = time.monotonic()
    place = folder / "unchanged"
    place.mkdir()
    child = _forked(module, (ROOT / module).read_text("utf-8"), tests, None, place, 1800)
    _, status, usage = os.wait4(child, 0)
    _end_group(child)
    result = place / "result.json"
    told = json.loads(result.read_text("utf-8")) if result.exists() else {"status": status}
    if told["status"] != 0:
        raise TestsFail(f"the tests of {module} fail without a change: {told.get('by', status)}")
    return _Baseline(
        told["seconds"],
        {test: frozenset(lines) for test, lines in told["lines"].items()},
        frozenset(told["on_import"]),
        usage.ru_utime + usage.ru_stime,
        time.monotonic() - started,
    )


def _forked(
    module: str,
    source: str,
    tests: Sequence[str],
    chosen: Sequence[str] | None,
    place: Path,
    cpu_limit: int,
    usual: Mapping[str, float] | None = None,
) -> int:
    """Fork a process that tests `source` as `module`; `chosen` None: all tests, lines noted.

    `usual`: seconds of each test, a multiple of which ends it.
    """
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        os.setpgid(0, 0)
        with open(os.devnull, "r+b") as nothing:
            for stream in (0, 1, 2):
                os.dup2(nothing.fileno(), stream)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_limit, cpu_limit + 5))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        sys.meta_path.insert(0, _Instead(dotted(module), str(ROOT / module), source))
        watcher = _Lines(str(ROOT / module)) if chosen is None else None
        order = _Order(chosen, watcher, usual or {})
        arguments = [*tests, "-x", "-q", "-m", "not slow", "--tb=no", "-p", "no:cacheprovider"]
        code = pytest.main([*arguments, "--basetemp", str(place / "tmp")], plugins=[order])
        told = {"status": int(code), "by": order.failed or f"exit status {int(code)}"}
        if watcher is not None:
            sys.settrace(None)
            told |= watcher.told() | {"seconds": order.seconds}
        (place / "result.json").write_text(json.dumps(told), "utf-8")
        status = 0
    finally:
        os._exit(status)


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives `source` to whoever imports the module `name`."""

    def __init__(self, name: str, path: str, source: str) -> None:
        self.name, self.path, self.source = name, path, source

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Any:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, self.path, "exec"), module.__dict__)


class _Order:
    """Pytest plugin: only the chosen tests, in their order; keeps what failed and the seconds."""

    def __init__(
        self, chosen: Sequence[str] | None, watcher: _Lines | None, usual: Mapping[str, float]
    ) -> None:
        self.chosen, self.watcher = chosen, watcher
        self.failed = ""
        self.seconds: dict[str, float] = defaultdict(float)
        self.usual = usual

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.chosen is not None:
            place = {test: i for i, test in enumerate(self.chosen)}
            kept = [item for item in items if item.nodeid in place]
            if kept:  # a mutant may have renamed what is parametrised over
                items[:] = sorted(kept, key=lambda item: place[item.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if nodeid in self.usual:  # seconds of processor: a busy machine kills no mutant
            signal.setitimer(signal.ITIMER_PROF, 3 * self.usual[nodeid] + 1)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Any:
        if self.watcher is not None:  # what a fixture executes may be meant for the whole file
            self.watcher.shared_by(item.nodeid.partition("::")[0])
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        if self.watcher is not None:
            self.watcher.of(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed = self.failed or f"import by {report.nodeid}"


class _Lines:
    """Notes which lines of one file are executed: on import, in a file's fixtures, in a test."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.on_import: set[int] = set()
        self.shared: dict[str, set[int]] = defaultdict(set)
        self.own: dict[str, set[int]] = {}
        self.now = self.on_import
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    def shared_by(self, file: str) -> None:
        self.now = self.shared[file]

    def of(self, test: str) -> None:
        self.now = self.own.setdefault(test, set())

    def told(self) -> dict[str, Any]:
        lines = {t: sorted(own | self.shared[t.partition("::")[0]]) for t, own in self.own.items()}
        return {"lines": lines, "on_import": sorted(self.on_import)}

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line if frame.f_code.co_filename == self.path else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self.now.add(frame.f_lineno)
        return self._line


def _let_go(names: Iterable[str]) -> None:
    """Forget these modules and all that lie in tests/, so that they are imported afresh."""
    tests = str(ROOT / "tests")
    of_tests = {
        n for n, m in sys.modules.items() if str(getattr(m, "__file__", "")).startswith(tests)
    }
    for name in {*names, *of_tests} & sys.modules.keys():
        del sys.modules[name]
        parent, _, last = name.rpartition(".")
        if parent in sys.modules:
            vars(sys.modules[parent]).pop(last, None)

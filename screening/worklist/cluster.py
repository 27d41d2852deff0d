"""A Ray cluster that scores the parts of a run, all with the same bundle, whose files travel there.

The workers need this program in the same version, and see the pictures: under the same path, or at
an address. They reserve processors, never GPUs. What is theirs alone (a lost connection, a lost
machine) is told apart from what is wrong with a run.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from screening import __version__
from screening.bundle import Bundle, load_bundle
from screening.errors import ScreeningError, not_installed
from screening.karyogram.locate import Locator
from screening.worklist.isolated import isolated
from screening.worklist.parted import Collected, Lost, Part, Scored, WorkersLost
from screening.worklist.pipeline import CellReader, Look, Looking, Scorer, run_pipeline
from screening.worklist.reader import reader_of
from screening.worklist.remote import RemoteFolder
from screening.worklist.scorer import BundleScorer

AUTO = "auto"
"""The address of the cluster that this machine belongs to."""
_CPUS = 4  # for one worker, unless --workers says otherwise or no machine has as many
_WAIT = 10.0  # seconds for the head to answer, and between two looks whether anybody is left
_ALONE = 12  # such looks, until a cluster without workers is given up


class ClusterError(ScreeningError):
    """Says why a cluster cannot be used, and what to do."""

    exit_status = 1


@dataclass(frozen=True)
class Refused:
    """What a worker says of the run as a whole instead of scoring."""

    why: str
    exit_status: int


@dataclass(frozen=True)
class Kit:
    """What a worker scores with."""

    scorer: Scorer
    reader: CellReader | None
    look: Look
    batch_size: int
    workers: int


@dataclass(frozen=True)
class Recipe:
    """How a worker makes its kit: from the `files` of a bundle, by their names, and the options of
    the run; `folder`: where the pictures are."""

    files: Mapping[str, bytes]
    hash: str
    folder: Path | RemoteFolder
    passes: int
    seed: int
    engine: str
    batch_size: int
    time_limit: float
    printed: bool = False
    workers: int = 1
    version: str = __version__

    @staticmethod
    def of(bundle: Bundle, folder: Path | RemoteFolder, **options: Any) -> Recipe:
        """Return the recipe of a run with `bundle` over the pictures of `folder`."""
        names = ("bundle.json", "DONE", *bundle.info.files)
        files = {name: (bundle.folder / name).read_bytes() for name in names}
        where = folder.absolute() if isinstance(folder, Path) else folder
        return Recipe(files=files, hash=bundle.hash, folder=where, **options)

    def made(self, scope: ExitStack) -> Kit:
        """Return the kit, in use until `scope` ends; ScreeningError when it cannot be made here."""
        here = f"the worker on {platform.node()}"
        if self.version != __version__:
            raise ClusterError(
                f"{here} has screening {__version__}, expected {self.version}: install the same "
                "version on every machine of the cluster"
            )
        if isinstance(self.folder, Path) and not self.folder.is_dir():
            raise ClusterError(
                f"{here} does not see {self.folder}: put the pictures where every machine of the "
                "cluster has them under the same path, or at an address such as s3://bucket/folder"
            )
        folder = Path(scope.enter_context(tempfile.TemporaryDirectory(prefix="screening-")))
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        bundle = load_bundle(folder)
        if bundle.hash != self.hash:
            raise ClusterError(f"{here} received another bundle than the one of this run")
        options = (self.passes, self.seed, "cpu")
        scorer = BundleScorer(bundle, *options, self.batch_size, self.engine)
        looking = Looking(scorer.size, Locator.of(bundle), scorer.view, self.printed)
        look = scope.enter_context(isolated(looking, self.time_limit, self.workers))
        reader = reader_of(bundle, *options, self.engine)
        return Kit(scorer, reader, look, self.batch_size, self.workers)


_kits: dict[str, tuple[ExitStack, Kit]] = {}
"""In a worker: its kit, by the run that it is of."""


def score_part(run: str, recipe: list[Any], part: Part, known: Mapping[str, str]) -> object:
    """Return the part Scored, or Refused, in a worker; `recipe`: a list of the reference to it
    alone, which is followed only once for a `run`."""
    import ray

    try:
        if run not in _kits:
            for scope, _ in _kits.values():
                scope.close()
            _kits.clear()
            scope = ExitStack()
            _kits[run] = scope, ray.get(recipe[0]).made(scope)
        kit = _kits[run][1]
        collected = Collected(known)
        new = run_pipeline(
            part.images, kit.scorer, collected, kit.look, reader=kit.reader,
            batch_size=kit.batch_size, workers=kit.workers,
        )  # fmt: skip
    except ScreeningError as error:
        return Refused(str(error), error.exit_status)
    if not any(found.name not in known and not found.problem for found in part.images):
        return Scored(collected, new)
    return Scored(collected, new, kit.scorer.device, kit.scorer.engine)


@contextmanager
def cluster(address: str, recipe: Recipe, workers: int | None) -> Iterator[RayCrew]:
    """Yield the crew of the cluster at an `address`, AUTO or HOST:PORT of its head; `workers`:
    processors for each.

    ClusterError when ray is not installed, or the cluster does not answer or has no processors.
    """
    if find_spec("ray") is None:
        raise ClusterError(not_installed("--cluster", "ray", "cluster"))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    import ray

    _check_answers(address)
    try:
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False, configure_logging=False)
    except (Exception, SystemExit) as error:  # Ray ends the process when it gives up
        raise _unreachable(address, error) from None
    try:
        with last_words(address):
            yield RayCrew(recipe, workers)
    finally:
        ray.shutdown()


@contextmanager
def last_words(address: str) -> Iterator[None]:
    """Let a sentence be said if this process ends in the midst of the block: Ray ends it at once
    and without a word when the head of the cluster is gone, so that only another one can tell."""
    words = (
        f"screening: error: the cluster at {address} is gone, which ends this program: what is "
        "done is kept, the same command with --resume goes on"
    )
    code = "import sys; sys.stdin.read() or print(sys.argv[1], file=sys.stderr)"
    teller = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code, words],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is not for it
    )
    try:
        yield
    finally:
        teller.communicate(b"no")


def _check_answers(address: str) -> None:
    """Raise ClusterError at once where Ray would try for minutes."""
    if address == AUTO:
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _WAIT).close()
    except (OSError, OverflowError, ValueError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: BaseException) -> ClusterError:
    said = " ".join(str(error).split())[:160]
    where = "on this machine" if address == AUTO else f"at {address}"
    return ClusterError(
        f"no Ray cluster answers {where} ({said}): `ray start --head` begins one, and --cluster "
        "expects auto or the HOST:PORT that it names"
    )


class RayCrew:
    """The workers of the cluster that this process is connected to, see `parted.Crew`."""

    def __init__(self, recipe: Recipe, workers: int | None = None) -> None:
        import ray

        most = [int(cpus) for cpus in self._processors()]
        if not most:
            raise ClusterError(
                "no machine of the cluster offers a processor: start one with `ray start`"
            )
        self._cpus = min(workers or _CPUS, max(most))
        recipe = replace(recipe, workers=self._cpus)
        self._run = os.urandom(8).hex()
        self._recipe = [ray.put(recipe)]
        # Ray's own retries know nothing of a picture that takes its worker with it each time.
        self._score = ray.remote(num_cpus=self._cpus, max_retries=0)(score_part)
        self._begun: dict[Any, Part] = {}

    def room(self) -> int:
        """Return twice the number of workers: nobody waits for the next part to be sent."""
        return 2 * sum(int(cpus) // self._cpus for cpus in self._processors())

    def begin(self, part: Part, known: Mapping[str, str]) -> None:
        """Give a part to whoever is free next."""
        images = tuple(
            found if found.remote else replace(found, path=found.path.absolute())
            for found in part.images
        )
        sent = replace(part, images=images)
        self._begun[self._score.remote(self._run, self._recipe, sent, dict(known))] = part

    def next(self) -> tuple[Part, Scored | Lost]:
        """Return the next part that comes back; WorkersLost when there is no worker any more, and
        ScreeningError for what a worker says of the run."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        alone = 0
        while not (done := ray.wait(list(self._begun), num_returns=1, timeout=_WAIT)[0]):
            alone = 0 if self.room() else alone + 1
            if alone > _ALONE:
                raise WorkersLost(
                    "the cluster has no worker any more: what is done is kept; start one, then "
                    "use --resume"
                )
        part = self._begun.pop(done[0])
        try:
            came = ray.get(done[0])
        except RayTaskError as error:
            said = " ".join(str(error.cause or error).split())[:200]
            raise ClusterError(
                f"a worker of the cluster cannot score ({said}): is the same version of screening "
                "installed on every machine of it?"
            ) from error
        except RayError as error:
            return part, Lost(" ".join(str(error).split())[:200] or type(error).__name__)
        if isinstance(came, Refused):
            raise _Said(came)
        return part, came

    def _processors(self) -> list[float]:
        """The processors of each machine that has any."""
        import ray

        offered = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
        return [cpus for cpus in offered if cpus >= 1]


class _Said(ScreeningError):
    """What a worker refused."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.why)
        self.exit_status = refused.exit_status

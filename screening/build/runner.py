"""Stages one after another, each kept in a folder of its own and never done twice.

A stage's folder is `RUN/NN-NAME`. `BEGUN` in it, written first, tells what the stage is made of:
its settings, the results of the stages that it reads, the data, the version. `DONE`, written last,
tells the same and the hash of what came out. What is done and still made of the same is skipped; a
stage whose reads came out otherwise is begun anew; other settings or data are refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import attrgetter, getitem
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from screening import __version__
from screening.atomic import replace_files
from screening.build.progress import BuildProgress
from screening.errors import ScreeningError
from screening.images.normalise import VERSION as LOOK
from screening.train.durations import Tick, in_words, silent
from screening.words import first_of

BEGUN, DONE = "BEGUN", "DONE"
_MOST_NAMED = 4


class BuildError(ScreeningError):
    """Says why a build cannot go on in this folder, and what to do."""


@dataclass(frozen=True, eq=False)
class Context:
    """What a stage works with.

    `folder`: its own, in which an interrupted attempt may have left something to go on with;
    `settings`: section name -> settings, those that the stage names; `data`: folder of single
    chromosomes; `of(NAME)`: the folder of a stage that it reads; `workers`: processes to use;
    `quiet`: no bar; `tick(done, total, what)` tells how far it is, `say(text)` anything else
    worth knowing.
    """

    folder: Path
    settings: Any
    data: Path
    folders: Mapping[str, Path] = field(default_factory=dict)
    workers: int = 2
    quiet: bool = True
    tick: Tick = silent
    say: Callable[[str], None] = lambda text: None

    def of(self, name: str) -> Path:
        """Return the folder of a stage that this one reads."""
        return self.folders[name]


@dataclass(frozen=True)
class Stage:
    """One step: its name, the stages and the sections of the settings that it reads, its work.

    `run(context)` fills `context.folder`. `sections`: of the settings, "reading.gate" is one part
    of a section; `data`: whether it opens the data folder itself;
    `given`: hash of a bundle that it takes something from. Nothing else may decide what comes out.
    """

    name: str
    run: Callable[[Context], None]
    reads: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    data: bool = False
    given: str = ""


@dataclass(eq=False)
class Runner:
    """Runs `stages` in `out`, in their order; `settings` has each section as an attribute.

    `data_hash` names the data's content. `settings` must offer `model_dump(mode="json")` as
    pydantic models do.
    """

    stages: Sequence[Stage]
    out: Path
    settings: Any
    data: Path
    data_hash: str
    progress: BuildProgress
    workers: int = 2

    def __post_init__(self) -> None:
        known: set[str] = set()
        for stage in self.stages:
            if stage.name in known or not set(stage.reads) <= known:
                raise ValueError(f"expected {stage.name} once, and behind all that it reads")
            known.add(stage.name)
        self._dump: dict[str, Any] = self.settings.model_dump(mode="json")

    def folder(self, name: str) -> Path:
        """Return where a stage keeps its result."""
        number = next(i for i, stage in enumerate(self.stages, 1) if stage.name == name)
        return self.out / f"{number:02d}-{name}"

    def run(
        self, only: Sequence[str] = (), until: str | None = None, redo: Sequence[str] = ()
    ) -> None:
        """Do what is not done.

        `only`: these stages alone; `until`: none behind this one; `redo`: these once more, and
        with them whatever reads them. BuildError names every stage that was made with other
        settings, data or another version, before anything runs; or what `only` lacks.
        """
        wanted = self._wanted(only, until)
        for name in redo:
            self._check_name(name)
        self._refuse_changed(redo)
        for name in redo:
            shutil.rmtree(self.folder(name), ignore_errors=True)
        for stage in wanted:
            missing = [name for name in stage.reads if not self.is_done(name)]
            before = [one.name for one in wanted[: wanted.index(stage)]]
            if set(missing) - set(before):
                raise BuildError(
                    f"the stage {stage.name} reads {', '.join(missing)}, not done yet: name them "
                    "too, or leave --only out"
                )
        for stage in wanted:
            self._one(stage)

    def is_done(self, name: str) -> bool:
        """Return whether a stage is done and was made of what its reads hold now."""
        stage = next(one for one in self.stages if one.name == name)
        done = _read(self.folder(name) / DONE)
        if done is None or not all(self.is_done(one) for one in stage.reads):
            return False
        return done["inputs"] == self._inputs(stage)

    def _one(self, stage: Stage) -> None:
        folder, number = self.folder(stage.name), self.stages.index(stage) + 1
        title = f"[{number}/{len(self.stages)}] {stage.name}"
        if self.is_done(stage.name):
            self.progress.say(f"{title}: done before")
            return
        inputs = self._inputs(stage)
        begun = _read(folder / BEGUN)
        if (folder / DONE).exists() or (begun is not None and begun["inputs"] != inputs):
            # What it reads came out otherwise: nothing of the old attempt may remain.
            shutil.rmtree(folder)
            begun = None
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / BEGUN, {"inputs": inputs})
        self.progress.begin(title, resumed=begun is not None)
        began = time.monotonic()
        context = Context(
            folder, _only(self.settings, stage.sections), self.data,
            {name: self.folder(name) for name in stage.reads}, self.workers,
            self.progress.quiet,
            self.progress.tick, self.progress.say,
        )  # fmt: skip
        try:
            stage.run(context)
        except KeyboardInterrupt:
            self.progress.say(
                f"{title}: stopped; what is finished is kept, the same command goes on from here"
            )
            raise
        except OSError as error:
            raise BuildError(
                f"{folder}: {error.strerror or error} ({error.filename or 'no file'}); what is "
                "finished is kept: mend that, then give the same command again"
            ) from error
        seconds = time.monotonic() - began
        outputs = outputs_hash(folder)
        _write(folder / DONE, {"inputs": inputs, "outputs": outputs, "seconds": round(seconds, 1)})
        (folder / BEGUN).unlink()
        self.progress.say(f"{title}: {in_words(seconds)}")

    def _inputs(self, stage: Stage) -> dict[str, Any]:
        reads = {}
        for name in stage.reads:
            done = _read(self.folder(name) / DONE)
            reads[name] = done["outputs"] if done else None
        given = {"given": stage.given} if stage.given else {}
        return given | {
            "settings": {
                section: reduce(getitem, section.split("."), self._dump)
                for section in stage.sections
            },
            "reads": reads,
            "data": self.data_hash if stage.data else None,
            "version": f"{__version__} {LOOK}",
        }

    def _refuse_changed(self, redo: Sequence[str]) -> None:
        """Raise BuildError when anything but `redo` was begun or made of something else."""
        reasons, changed = [], []
        for stage in self.stages:
            folder = self.folder(stage.name)
            kept = _read(folder / DONE) or _read(folder / BEGUN)
            if kept is None or stage.name in redo:
                continue
            was, now = kept["inputs"], self._inputs(stage)
            said = list(_differences(was, now))
            if said:
                changed.append(stage.name)
                reasons.append(f"  {stage.name}: {'; '.join(said)}")
        if reasons:
            again = " ".join(f"--redo {name}" for name in changed)
            raise BuildError(
                f"{self.out} holds a build made of something else:\n"
                + "\n".join(reasons)
                + f"\nGo on with what it was begun with, do these stages anew ({again}; what reads "
                "them follows), or give another --out"
            )

    def _wanted(self, only: Sequence[str], until: str | None) -> list[Stage]:
        for name in [*only, *([until] if until else [])]:
            self._check_name(name)
        last = self._names().index(until) if until else len(self.stages) - 1
        return [
            stage
            for number, stage in enumerate(self.stages)
            if number <= last and (not only or stage.name in only)
        ]

    def _names(self) -> list[str]:
        return [stage.name for stage in self.stages]

    def _check_name(self, name: str) -> None:
        if name not in self._names():
            raise BuildError(f"expected a stage ({', '.join(self._names())}), received {name!r}")


def _only(settings: Any, sections: Sequence[str]) -> SimpleNamespace:
    """Return the settings that a stage names: what it does not name cannot decide anything."""
    named = SimpleNamespace()
    for section in sections:
        *groups, last = section.split(".")
        into = named
        for group in groups:
            if not hasattr(into, group):
                setattr(into, group, SimpleNamespace())
            into = getattr(into, group)
        setattr(into, last, attrgetter(section)(settings))
    return named


def outputs_hash(folder: Path) -> str:
    """Return the sha256 (hex) of the names and contents of all files of a stage's folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in (BEGUN, DONE):
            continue
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    said = []
    changes = []
    for section, values in now["settings"].items():
        old = was["settings"].get(section)
        changes += _changes(section, old, values)
    if changes:
        said.append(f"other settings ({first_of(changes, _MOST_NAMED)})")
    if was["data"] != now["data"]:
        said.append("other data")
    if was.get("given") != now.get("given"):
        said.append("other --parts")
    if was["version"] != now["version"]:
        said.append(f"made by version {was['version']}, this is {now['version']}")
    return said


def _changes(where: str, old: Any, new: Any) -> list[str]:
    """Return "section.key: old -> new" for every value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*new, *(key for key in old if key not in new)]
        return [c for key in keys for c in _changes(f"{where}.{key}", old.get(key), new.get(key))]
    return [] if old == new else [f"{where}: {json.dumps(old)} -> {json.dumps(new)}"]


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"{path}: cannot be read ({error}); remove it to do the stage anew") from (
            error
        )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    replace_files(path.parent, {path.name: json.dumps(content, indent=1, sort_keys=True) + "\n"})

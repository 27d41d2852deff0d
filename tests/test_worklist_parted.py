"""Parts of a run scored elsewhere: as here to the byte, whoever is lost, and nothing twice."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from screening.errors import ScreeningError
from screening.karyogram.locate import Located
from screening.triage.rule import Rule
from screening.worklist import pipeline
from screening.worklist.outputs import OUTPUT_NAMES
from screening.worklist.parted import Collected, Lost, Part, Scored, WorkersLost
from screening.worklist.pipeline import Looking, run_pipeline
from screening.worklist.run import Settings, Summary, screen_folder
from test_worklist_outputs import calibrated
from test_worklist_shards import TIMES
from worklist_fakes import FakeScorer, accepted_with, karyogram, write_karyograms

INFO = calibrated(0.1)


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located(())))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write_karyograms(folder, 17)
    (folder / "bad.png").write_bytes(b"")
    pages = [karyogram(i) for i in range(20, 25)]
    pages[0].save(folder / "many.tif", save_all=True, append_images=pages[1:])
    return folder


class FakeCrew:
    """Scores parts here, the last begun first; loses those for which `loses` is true of their
    pictures' names and how often the part was given to it."""

    def __init__(
        self, loses: Callable[[set[str], int], bool] = lambda names, given: False, room: int = 4
    ) -> None:
        self.loses, self.places, self.engine = loses, room, "fake"
        self.given: Counter[frozenset[str]] = Counter()
        self.begun: deque[tuple[Part, Mapping[str, str]]] = deque()
        self.most = 0

    def room(self) -> int:
        return self.places

    def begin(self, part: Part, known: Mapping[str, str]) -> None:
        self.begun.append((part, known))
        self.most = max(self.most, len(self.begun))

    def next(self) -> tuple[Part, Scored | Lost]:
        part, known = self.begun.pop()
        names = frozenset(found.name for found in part.images)
        assert known.keys() <= names
        self.given[names] += 1
        if self.loses(set(names), self.given[names]):
            return part, Lost("a test")
        collected, scorer = Collected(known), FakeScorer()
        new = run_pipeline(part.images, scorer, collected, Looking(64, None))  # type: ignore
        return part, Scored(collected, new, "fake", self.engine)


def screen(folder: Path, out: Path, crew: FakeCrew | None = None, **changes: object) -> Summary:
    settings = Settings(
        folder, out, "b" * 64, "c", Rule.of(INFO), quiet=True, batch_size=3, resume=True, info=INFO
    )
    settings = replace(settings, **changes)  # type: ignore[arg-type]
    return screen_folder(settings, FakeScorer(), None, crew=crew)  # type: ignore[arg-type]


def same(here: Path, there: Path, names: Sequence[str] = OUTPUT_NAMES[:4]) -> None:
    for name in names:
        found, expected = ((out / name).read_text("utf-8") for out in (there, here))
        assert TIMES.sub("", found) == TIMES.sub("", expected), name


@pytest.mark.parametrize("room", [1, 4, 100])
def test_a_crew_gives_what_this_machine_gives(folder: Path, tmp_path: Path, room: int) -> None:
    whole = screen(folder, tmp_path / "here")
    crew = FakeCrew(room=room)
    parted = screen(folder, tmp_path / "there", crew)
    assert replace(parted, seconds=0) == replace(whole, seconds=0)
    same(tmp_path / "here", tmp_path / "there")
    assert crew.most == min(room, len(crew.given)) and len(crew.given) >= min(room, 23)
    again = FakeCrew()
    assert screen(folder, tmp_path / "there", again).new == 1, "but the one that failed"


def test_what_was_lost_is_given_to_another(folder: Path, tmp_path: Path) -> None:
    screen(folder, tmp_path / "here")
    lost = FakeCrew(lambda names, given: given == 1)
    screen(folder, tmp_path / "there", lost, quiet=True)
    same(tmp_path / "here", tmp_path / "there")
    assert set(lost.given.values()) == {2}


def test_a_picture_that_takes_its_worker_with_it_fails_alone(folder: Path, tmp_path: Path) -> None:
    poison = "case003/k007.png"
    crew = FakeCrew(lambda names, given: poison in names)
    assert screen(folder, tmp_path / "out", crew).exit_status == 3
    text = (tmp_path / "out" / "triage.csv").read_text("utf-8")
    rows = [line for line in text.splitlines() if ",failed," in line]
    assert len(rows) == 2 and any(
        poison in row and "its worker was lost 4 times: not enough memory" in row for row in rows
    )
    assert crew.given[frozenset({poison})] == 2
    assert screen(folder, tmp_path / "out").new == 2, "and is tried again"


def test_a_cluster_that_goes_down_ends_the_run_and_keeps_what_is_done(
    folder: Path, tmp_path: Path
) -> None:
    done: list[int] = []

    def loses(names: set[str], given: int) -> bool:
        done.append(len(names))
        return len(done) > 2

    with pytest.raises(WorkersLost, match=r"lost 13 workers .*\(a test\).*--resume"):
        screen(folder, tmp_path / "out", FakeCrew(loses))
    screen(folder, tmp_path / "here")
    assert screen(folder, tmp_path / "out").new == 23 - sum(done[:2]) + 0
    same(tmp_path / "here", tmp_path / "out", OUTPUT_NAMES[:3])


def test_engines_that_differ_are_told(folder: Path, tmp_path: Path) -> None:
    crew = FakeCrew()

    def other(names: set[str], given: int) -> bool:
        crew.engine = f"engine {len(crew.given) % 2}"
        return False

    crew.loses = other
    said = screen(folder, tmp_path / "out", crew).warnings
    assert any(
        re.search(r"different engines \(engine 0, engine 1\): .*--engine", one) for one in said
    )


def test_what_the_crew_says_of_the_run_ends_it(folder: Path, tmp_path: Path) -> None:
    class Refusing(FakeCrew):
        def next(self) -> tuple[Part, Scored | Lost]:
            raise ScreeningError("not here")

    with pytest.raises(ScreeningError, match="not here"):
        screen(folder, tmp_path / "out", Refusing())

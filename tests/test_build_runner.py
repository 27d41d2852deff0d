"""The runner of a build: nothing twice, nothing made of two things, a kill at any moment."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from screening.build.progress import BuildProgress
from screening.build.runner import BEGUN, DONE, BuildError, Context, Runner, Stage
from screening.config import Strict


class Grow(Strict):
    by: int = 1
    slowly: bool = False


class Settings(Strict):
    first: Grow = Grow()
    last: Grow = Grow(by=10)


class Journal:
    """Three stages, of which the third reads the others; `ran` tells what was done."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.stop_at = ""

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (
            Stage("one", self.one, sections=("first",), data=True),
            Stage("two", self.two, reads=("one",)),
            Stage("three", self.three, reads=("one", "two"), sections=("last",)),
        )

    def one(self, context: Context) -> None:
        self._write("one", context, context.settings.first.by)

    def two(self, context: Context) -> None:
        part = context.folder / "half"
        if not part.exists():
            part.write_text("half")
            if self.stop_at == "two":
                raise KeyboardInterrupt
        self._write("two", context, 2 * int((context.of("one") / "value").read_text()))

    def three(self, context: Context) -> None:
        values = [int((context.of(name) / "value").read_text()) for name in ("one", "two")]
        self._write("three", context, sum(values) + context.settings.last.by)

    def _write(self, name: str, context: Context, value: int) -> None:
        self.ran.append(name)
        (context.folder / "value").write_text(str(value))


@pytest.fixture
def journal() -> Journal:
    return Journal()


def runner(journal: Journal, out: Path, data: str = "d", console: Console | None = None, **first):
    settings = Settings(first=Grow(**first))
    progress = BuildProgress(out / "build.log", quiet=console is None, console=console)
    out.mkdir(exist_ok=True)
    return Runner(journal.stages, out, settings, Path("data"), data, progress)


def value(out: Path, folder: str) -> int:
    return int((out / folder / "value").read_text())


def test_what_is_done_is_not_done_again(journal, tmp_path):
    runner(journal, tmp_path).run()
    assert journal.ran == ["one", "two", "three"] and value(tmp_path, "03-three") == 13
    runner(journal, tmp_path).run()
    assert journal.ran == ["one", "two", "three"]
    assert not list(tmp_path.glob("*/" + BEGUN))


def test_a_stage_killed_midway_goes_on_with_what_it_left(journal, tmp_path):
    journal.stop_at = "two"
    text = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        runner(journal, tmp_path, console=Console(file=text, soft_wrap=True)).run()
    assert "the same command goes on from here" in text.getvalue()
    folder = tmp_path / "02-two"
    assert (folder / BEGUN).exists() and not (folder / DONE).exists()
    (folder / "half").write_text("mine")
    runner(journal, tmp_path).run()
    assert (folder / "half").read_text() == "mine" and value(tmp_path, "03-three") == 13
    assert journal.ran == ["one", "two", "three"]
    log = (tmp_path / "build.log").read_text()
    assert "[1/3] one: done before" in log and "[2/3] two: goes on" in log


def test_done_is_written_last(journal, tmp_path):
    def breaks(context: Context) -> None:
        (context.folder / "value").write_text("1")
        assert (context.folder / BEGUN).exists() and not (context.folder / DONE).exists()
        raise OSError(28, "No space left on device", "somewhere")

    stages = (Stage("one", breaks),)
    one = runner(journal, tmp_path)
    one = Runner(stages, one.out, one.settings, one.data, "d", one.progress)
    with pytest.raises(BuildError, match=r"No space left.*give the same command again"):
        one.run()
    assert not (tmp_path / "01-one" / DONE).exists() and not one.is_done("one")


def test_other_settings_are_refused_and_named(journal, tmp_path):
    runner(journal, tmp_path).run()
    with pytest.raises(BuildError) as told:
        runner(journal, tmp_path, by=5, slowly=True).run()
    text = str(told.value)
    assert "one: other settings" in text and "first.by: 1 -> 5" in text
    assert "first.slowly: false -> true" in text and "--redo one" in text and "--out" in text
    assert "two:" not in text and journal.ran == ["one", "two", "three"]
    with pytest.raises(BuildError, match="first.by"):
        runner(journal, tmp_path, by=5).run(redo=["three"])
    assert value(tmp_path, "03-three") == 13, "what is refused takes nothing away"


def test_other_data_and_another_version_are_refused(journal, tmp_path, monkeypatch):
    runner(journal, tmp_path).run()
    with pytest.raises(BuildError, match="one: other data"):
        runner(journal, tmp_path, data="e").run()
    monkeypatch.setattr("screening.build.runner.__version__", "0.0.0")
    with pytest.raises(BuildError, match=r"three: made by version .*, this is 0\.0\.0"):
        runner(journal, tmp_path).run()


def test_an_unfinished_stage_of_other_settings_is_refused_too(journal, tmp_path):
    journal.stop_at = "two"
    with pytest.raises(KeyboardInterrupt):
        runner(journal, tmp_path).run()
    kept = json.loads((tmp_path / "02-two" / BEGUN).read_text())
    kept["inputs"]["version"] = "other"
    (tmp_path / "02-two" / BEGUN).write_text(json.dumps(kept))
    with pytest.raises(BuildError, match="two: made by version other"):
        runner(journal, tmp_path).run()


def test_a_stage_done_anew_takes_its_readers_with_it(journal, tmp_path):
    runner(journal, tmp_path).run()
    journal.ran.clear()
    runner(journal, tmp_path, by=5).run(redo=["one"])
    assert journal.ran == ["one", "two", "three"] and value(tmp_path, "03-three") == 25
    journal.ran.clear()
    runner(journal, tmp_path, by=5).run(redo=["two"])
    assert journal.ran == ["two"], "what comes out the same is no reason to do its readers anew"


def test_some_stages_only(journal, tmp_path):
    runner(journal, tmp_path).run(until="two")
    assert journal.ran == ["one", "two"]
    runner(journal, tmp_path).run(only=["three"])
    assert journal.ran == ["one", "two", "three"]
    with pytest.raises(BuildError, match="the stage two reads one, not done yet"):
        runner(journal, tmp_path / "new").run(only=["two", "three"])
    with pytest.raises(BuildError, match="expected a stage .one, two, three., received 'four'"):
        runner(journal, tmp_path).run(redo=["four"])


def test_a_stage_sees_no_settings_that_it_does_not_name(journal, tmp_path):
    def peeks(context: Context) -> None:
        context.settings.last  # noqa: B018

    one = runner(journal, tmp_path)
    stages = (Stage("one", peeks, sections=("first",)),)
    with pytest.raises(AttributeError, match="last"):
        Runner(stages, one.out, one.settings, one.data, "d", one.progress).run()


def test_a_stage_may_name_a_part_of_a_section(journal, tmp_path):
    seen = []

    def looks(context: Context) -> None:
        seen.append(vars(context.settings.first))

    one = runner(journal, tmp_path)
    stages = (Stage("one", looks, sections=("first.by",)),)
    Runner(stages, one.out, one.settings, one.data, "d", one.progress).run()
    assert seen == [{"by": one.settings.first.by}]
    done = json.loads((one.out / "01-one" / "DONE").read_text())
    assert done["inputs"]["settings"] == {"first.by": one.settings.first.by}


def test_stages_in_the_wrong_order_are_a_mistake_of_ours(journal, tmp_path):
    stages = journal.stages
    one = runner(journal, tmp_path)
    with pytest.raises(ValueError, match="behind all that it reads"):
        Runner(stages[::-1], one.out, one.settings, one.data, "d", one.progress)


def test_the_time_left_counts_from_where_a_stage_was_taken_up(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("screening.build.progress.time.monotonic", lambda: now[0])
    text = io.StringIO()
    progress = BuildProgress(None, console=Console(file=text, soft_wrap=True))
    progress.begin("[2/3] two", resumed=True)
    progress.tick(80, 100, "pages")
    now[0] = 20.0
    progress.tick(90, 100, "pages")
    assert "[2/3] two: 90 of 100 pages, about 20 s left" in text.getvalue()

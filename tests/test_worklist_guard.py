"""One odd picture is a failed row with its reason, at every stage; the others are screened."""

from __future__ import annotations

import csv
import errno
import gc
import json
import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from pictures import reading
from screening.errors import ImageError, ScreeningError
from screening.evidence import witness
from screening.images import page as page_module
from screening.images.page import Page
from screening.karyogram.locate import Located
from screening.record import VERSION, RecordError
from screening.worklist import content, outputs, pipeline, run
from screening.worklist.chromosome_files import ChromosomesNotWritten
from screening.worklist.guard import reason_of, shared_fault
from screening.worklist.ledger import FILE_NAME
from screening.worklist.pipeline import OutOfMemory
from screening.worklist.reader import ReadCell
from screening.worklist.run import Settings, Summary, screen_folder
from worklist_fakes import FakeReader, FakeScorer, accepted_with, paper_of, write_karyograms

COUNT, ODD = 4, "case001/k002.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("karyograms")
    write_karyograms(folder, COUNT)
    return folder


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is in order: what the gate finds has tests of its own."""
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located((), (), 0, (), 0.0)))


def plain(features: dict[str, object] | None = None, **changes: object) -> ReadCell:
    seen = reading(**({"chromosomes": (), "p_normal": 0.99} | changes))
    return ReadCell(seen, witness.Testimony(features or {"count": 0.0}), ())


def reader(
    odd: Exception | ReadCell | None = None, usual: Exception | ReadCell | None = None
) -> FakeReader:
    return FakeReader(plain() if usual is None else usual, odd)


class OddScorer(FakeScorer):
    """Raises `error` for a batch that holds the odd picture, `alone` only for larger batches."""

    def __init__(self, folder: Path, error: Exception, above: int = 0) -> None:
        super().__init__()
        self.error, self.above = error, above
        self.odd = content.key_of(
            content.content_hash(pipeline.PictureFile(ODD, folder / ODD, "c"))
        )

    def score(self, images, keys):  # type: ignore[no-untyped-def]
        if self.odd in keys and len(keys) > self.above:
            raise self.error
        return super().score(images, keys)


def screen(
    folder: Path, out: Path, scorer: FakeScorer | None = None, reader: FakeReader | None = None,
    **changes: object,
) -> Summary:  # fmt: skip
    settings = Settings(folder, out, "b" * 64, "fake", quiet=True, batch_size=3, **changes)
    if reader is not None:
        reader.odd_one = folder / ODD
    return screen_folder(settings, scorer or FakeScorer(), None, reader)  # type: ignore[arg-type]


def table(out: Path) -> dict[str, dict[str, str]]:
    with (out / "triage.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def check_only_the_odd_one_failed(out: Path, summary: Summary, reason: str) -> None:
    assert summary.exit_status == 3
    found = table(out)
    assert len(found) == COUNT
    assert {name for name, row in found.items() if row["status"] != "ok"} == {ODD}
    row = found[ODD]
    assert (row["status"], row["route"], row["prediction"]) == ("failed", "review", "")
    assert row["p_abnormal"] == row["confidence"] == row["karyotype"] == ""
    assert row["reasons"] == reason
    assert all(row["p_abnormal"] for name, row in found.items() if name != ODD)
    assert reason in (out / "report.html").read_text("utf-8").replace("&#39;", "'")


REASONS = [
    (ImageError("x.png", "the picture is damaged"), "the picture is damaged"),
    (OSError(errno.EIO, "Input/output error"), "cannot be read (Input/output error)"),
    (OSError("odd"), "cannot be read (OSError)"),
    (MemoryError(), "not enough memory for this picture"),
    (ZeroDivisionError("by\nnought"), "could not be processed (ZeroDivisionError: by nought)"),
    (RecursionError("deep"), "could not be processed (RecursionError: deep)"),
]


@pytest.mark.parametrize(("error", "reason"), REASONS)
def test_reasons(error, reason):
    assert reason_of(error) == reason


@pytest.mark.parametrize(("error", "reason"), [REASONS[0], REASONS[3], REASONS[4]])
def test_decoding(folder, tmp_path, monkeypatch, error, reason):
    read = pipeline.read_image

    def read_image(path: Path, **options: int) -> np.ndarray:
        if path.match(ODD):
            raise error
        return read(path, **options)

    monkeypatch.setattr(pipeline, "read_image", read_image)
    check_only_the_odd_one_failed(tmp_path, screen(folder, tmp_path), reason)


@pytest.mark.parametrize("stage", ["normalise", "inspect", "thumbnail", "letterbox"])
def test_judging(folder, tmp_path, monkeypatch, stage):
    owner = page_module if stage == "normalise" else pipeline
    usual, raw = getattr(owner, stage), pipeline.read_image(folder / ODD)
    page = Page.of(raw)
    received = {"normalise": raw, "inspect": page.paper}.get(stage, page.cropped)

    def odd(picture, *others):  # type: ignore[no-untyped-def]
        if np.array_equal(picture.paper if isinstance(picture, Page) else picture, received):
            raise ZeroDivisionError("odd")
        return usual(picture, *others)

    monkeypatch.setattr(owner, stage, odd)
    reason = "could not be processed (ZeroDivisionError: odd)"
    check_only_the_odd_one_failed(tmp_path, screen(folder, tmp_path), reason)


@pytest.mark.parametrize(("error", "reason"), [REASONS[1], REASONS[3], REASONS[4]])
def test_reading(folder, tmp_path, error, reason):
    summary = screen(folder, tmp_path, reader=reader(error))
    check_only_the_odd_one_failed(tmp_path, summary, reason)


def test_drawing_the_crops(folder, tmp_path, monkeypatch):
    def noteworthy(seen, page, found):  # type: ignore[no-untyped-def]
        if np.array_equal(page.paper, paper_of(folder / ODD)):
            raise ZeroDivisionError("odd")
        return ()

    monkeypatch.setattr(pipeline, "noteworthy", noteworthy)
    reason = "could not be processed (ZeroDivisionError: odd)"
    check_only_the_odd_one_failed(tmp_path, screen(folder, tmp_path, reader=reader()), reason)


@pytest.mark.parametrize(("error", "reason"), [REASONS[1], REASONS[4]])
def test_saving_the_chromosomes(folder, tmp_path, monkeypatch, error, reason):
    def keep(out, picture, page, found):  # type: ignore[no-untyped-def]
        if picture.image == ODD:
            raise error

    monkeypatch.setattr(run, "keep_chromosomes", keep)
    summary = screen(folder, tmp_path, reader=reader(), save_chromosomes=True)
    check_only_the_odd_one_failed(tmp_path, summary, reason)


def test_scoring_asks_again_one_by_one(folder, tmp_path):
    scorer = OddScorer(folder, ValueError("odd"))
    reason = "could not be processed (ValueError: odd)"
    check_only_the_odd_one_failed(tmp_path, screen(folder, tmp_path, scorer), reason)
    assert scorer.batches == [1, 1, 1]


def test_what_only_a_batch_could_not_take_is_scored_alone(folder, tmp_path):
    assert screen(folder, tmp_path / "a").exit_status == 0
    scorer = OddScorer(folder, ValueError("odd"), above=1)
    assert screen(folder, tmp_path / "b", scorer).exit_status == 0
    names = [tmp_path / out / "triage.csv" for out in "ab"]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_too_few_answers_never_shift_to_another_picture(folder, tmp_path):
    class Short(FakeScorer):
        def score(self, images, keys):  # type: ignore[no-untyped-def]
            return super().score(images, keys)[: 1 if len(keys) > 1 else None]

    screen(folder, tmp_path / "a")
    assert screen(folder, tmp_path / "b", Short()).exit_status == 0
    assert table(tmp_path / "a") == table(tmp_path / "b")


@pytest.mark.parametrize("p", [np.full(20, np.nan), np.full(20, 1.5), np.full(20, -0.5), None])
def test_an_answer_that_is_no_probability(folder, tmp_path, p):
    class Odd(OddScorer):
        def _passes(self, key):  # type: ignore[no-untyped-def]
            return p if key == self.odd else super()._passes(key)

    summary = screen(folder, tmp_path, Odd(folder, ValueError(), above=99))
    assert summary.exit_status == 3
    assert {n for n, row in table(tmp_path).items() if row["status"] == "failed"} == {ODD}


def test_out_of_memory_still_ends_the_run_with_its_advice(folder, tmp_path):
    class ResourceExhaustedError(Exception):
        pass

    class RuntimeException(Exception):  # of ONNX Runtime
        pass

    ours = RuntimeException("Failed to allocate memory for requested buffer of size 1")
    for number, error in enumerate((MemoryError(), ResourceExhaustedError(), ours)):
        with pytest.raises(OutOfMemory, match="--batch-size 1"):
            screen(folder, tmp_path / str(number), OddScorer(folder, error))


def test_keeping(folder, tmp_path):
    summary = screen(folder, tmp_path, reader=reader(plain({"count": object()})))
    reason = "could not be processed (TypeError: Object of type object is not JSON serializable)"
    check_only_the_odd_one_failed(tmp_path, summary, reason)


def test_routing_fails_one_and_resume_makes_it_anew(folder, tmp_path, monkeypatch):
    judge = outputs.judge

    def odd(rule, picture):  # type: ignore[no-untyped-def]
        if picture.reading is not None and picture.reading.layout_score == 7:
            raise ZeroDivisionError("odd")
        return judge(rule, picture)

    with monkeypatch.context() as patch:
        patch.setattr(outputs, "judge", odd)
        summary = screen(folder, tmp_path, reader=reader(plain(layout_score=7.0)))
    reason = "could not be processed (ZeroDivisionError: odd)"
    check_only_the_odd_one_failed(tmp_path, summary, reason)
    again = screen(folder, tmp_path, reader=reader(plain()), resume=True)
    assert (again.new, again.exit_status) == (1, 0)


def keep_as(out: Path, record: str) -> None:
    """Change what the ledger keeps of ODD to an SQL expression."""
    with sqlite3.connect(out / FILE_NAME) as connection:
        connection.execute(f"UPDATE results SET record = {record} WHERE image = ?", (ODD,))
    connection.close()


OLDER = "substr(record, 1, instr(record, char(10)) - 1)"
"""A record as earlier versions kept it, without a checksum."""


@pytest.mark.parametrize(
    "damage",
    ["""'{"version": 2}'""", f"json_set({OLDER}, '$.p', 'x')",
     f"json_set({OLDER}, '$.warnings', 7)", f"json_set({OLDER}, '$.reading.chromosomes', 7)"],
)  # fmt: skip
def test_a_damaged_result_of_the_ledger(folder, tmp_path, damage):
    assert screen(folder, tmp_path, reader=reader()).exit_status == 0
    keep_as(tmp_path, damage)
    summary = screen(folder, tmp_path, reader=reader(), resume=True)
    assert (summary.new, summary.exit_status) == (0, 3)
    assert "--resume makes it anew" in table(tmp_path)[ODD]["reasons"]
    summary = screen(folder, tmp_path, reader=reader(), resume=True)
    assert (summary.new, summary.exit_status) == (1, 0)


@pytest.mark.parametrize("damage", ["x'0000'", "replace(record, '1', '2')", "'{'", "'[1]'"])
def test_a_result_whose_bytes_have_changed_is_made_anew_at_once(folder, tmp_path, damage):
    assert screen(folder, tmp_path, reader=reader()).exit_status == 0
    keep_as(tmp_path, damage)
    summary = screen(folder, tmp_path, reader=reader(), resume=True)
    assert (summary.new, summary.exit_status) == (1, 0)


def test_a_result_of_another_version_ends_the_run_with_the_way_on(folder, tmp_path):
    assert screen(folder, tmp_path, reader=reader()).exit_status == 0
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(f"UPDATE results SET record = json_set({OLDER}, '$.version', 99)")
    connection.close()
    before = (tmp_path / "triage.csv").read_bytes()
    with pytest.raises(RecordError, match=f"version 99.*reads {VERSION}.*--overwrite"):
        screen(folder, tmp_path, reader=reader(), resume=True)
    assert (tmp_path / "triage.csv").read_bytes() == before
    gc.collect()  # the error's traceback holds the ledger's rows, and these its lock
    assert screen(folder, tmp_path, reader=reader(), overwrite=True).exit_status == 0


def test_what_cannot_be_shown_keeps_its_decision(folder, tmp_path, monkeypatch):
    usual, odd = pipeline.thumbnail, Page(paper_of(folder / ODD)).cropped

    def thumbnail(grey):  # type: ignore[no-untyped-def]
        return b"no JPEG" if np.array_equal(grey, odd) else usual(grey)

    monkeypatch.setattr(pipeline, "thumbnail", thumbnail)
    summary = screen(folder, tmp_path, reader=reader())
    assert summary.exit_status == 0
    assert "not shown here" in (tmp_path / "report.html").read_text("utf-8")
    assert table(tmp_path)[ODD]["p_abnormal"]


def test_what_concerns_the_run_ends_it(folder, tmp_path):
    for number, error in enumerate((ChromosomesNotWritten("disk full"), ScreeningError("no gpu"))):
        with pytest.raises(type(error), match=str(error)):
            screen(folder, tmp_path / f"r{number}", reader=reader(error))
        with pytest.raises(type(error), match=str(error)):
            screen(folder, tmp_path / f"s{number}", OddScorer(folder, error))


def test_a_full_disk_while_chromosomes_are_saved_ends_the_run(folder, tmp_path, monkeypatch):
    def keep(*_: object) -> None:
        raise ChromosomesNotWritten("disk full")

    monkeypatch.setattr(run, "keep_chromosomes", keep)
    with pytest.raises(ChromosomesNotWritten, match="disk full"):
        screen(folder, tmp_path, reader=reader(), save_chromosomes=True)


def test_a_fault_that_hits_every_picture_is_told(folder, tmp_path):
    summary = screen(folder, tmp_path, reader=reader(TypeError("a"), TypeError("b")))
    assert summary.exit_status == 1
    (warning,) = summary.warnings
    assert "every picture failed by the same error (TypeError)" in warning
    assert json.loads((tmp_path / "run.json").read_text())["warnings"] == [warning]
    assert "TypeError" in (tmp_path / "report.html").read_text("utf-8")


def test_different_or_expected_failures_are_no_fault_of_the_program(folder, tmp_path):
    mixed = reader(TypeError("a"), KeyError("b"))
    expected = reader(MemoryError(), MemoryError())
    for number, each in enumerate((mixed, expected)):
        summary = screen(folder, tmp_path / str(number), reader=each)
        assert summary.exit_status == 1 and summary.warnings == ()
    one = screen(folder, tmp_path / "one", reader=reader(TypeError("a")))
    assert one.exit_status == 3 and one.warnings == ()


def test_reasons_are_short_lines_that_every_output_can_hold():
    reason = reason_of(ValueError("a\n b " + os.fsdecode(b"caf\xe9") + "x" * 10_000))
    assert reason.startswith("could not be processed (ValueError: a b caf\\xe9xxx")
    assert len(reason) < 250 and reason.endswith("x)")
    assert "\n" not in reason and reason.encode("utf-8")


def test_the_shared_fault_of_reasons():
    a, b = (reason_of(error("x")) for error in (TypeError, KeyError))
    assert shared_fault([a, a]) == "TypeError"
    assert shared_fault([a, b]) == shared_fault([a, "damaged"]) == shared_fault([]) == ""

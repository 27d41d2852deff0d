"""The way of the pictures: what each stage adds to the record, which batches are cut, how far
decoding runs ahead, and what is told to the ledger, the progress bar and the keeper."""

from __future__ import annotations

import io
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import reading
from screening.evidence import witness
from screening.images.frames import frame_hash
from screening.images.normalise import letterbox
from screening.images.page import Page
from screening.images.quality import Quality
from screening.karyogram.gate import Inspection
from screening.karyogram.locate import Located
from screening.predict.predictor import Looked
from screening.record import Chromosome, Picture
from screening.worklist import content, pipeline
from screening.worklist.content import key_of
from screening.worklist.discover import PictureFile
from screening.worklist.pipeline import OutOfMemory, Prepared, run_pipeline, thumbnail
from screening.worklist.reader import ReadCell
from worklist_fakes import FakeReader, FakeScorer, accepted_with, karyogram, paper_of

FOUND = Located(())
SIZE = FakeScorer.size


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("karyogram") / "k.png"
    karyogram(1).save(path)
    return path


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(FOUND))


def prepare(path: Path, known: dict[str, str] | None = None, **changes: object) -> Prepared:
    found = replace(PictureFile("a.png", path, "case 7"), **changes)
    return pipeline.prepare(found, pipeline.Looking(SIZE, None), known or {})  # type: ignore


def test_a_good_picture_becomes_a_tensor_with_all_that_later_stages_need(path):
    page = Page(paper_of(path))
    prepared = prepare(path)
    assert np.array_equal(prepared.tensor, letterbox(page.cropped, SIZE))
    assert np.array_equal(prepared.page.paper, page.paper)
    assert prepared.located is FOUND and not prepared.known
    assert not {"components", "ink", "shrunk"} & vars(prepared.page).keys()
    picture = prepared.picture
    expected = Picture(
        "a.png", "case 7", content._digest(path), "ok", objects=46,
        thumbnail=thumbnail(page.cropped),
    )  # fmt: skip
    assert picture.to_dict() == expected.to_dict()


def test_what_is_printed_is_read_when_asked_for_and_changes_nothing_else(path, monkeypatch):
    plain = prepare(path)
    monkeypatch.setattr(pipeline, "lettering", lambda grey: ("Dr. Meyer", "Result: 47, XX,+21"))
    assert prepare(path).picture.to_dict() == plain.picture.to_dict()
    found = PictureFile("a.png", path, "case 7")
    look = pipeline.Looking(SIZE, None, printed=True)  # type: ignore
    prepared = pipeline.prepare(found, look, {})
    assert prepared.picture.printed == ("47,XX,+21",)
    assert replace(prepared.picture, printed=()).to_dict() == plain.picture.to_dict()
    assert np.array_equal(prepared.tensor, plain.tensor)


def test_a_refused_picture_keeps_what_the_gate_says_and_goes_no_further(path, monkeypatch):
    quality = Quality(False, "upside down", 31, ("blurred",))
    monkeypatch.setattr(pipeline, "inspect", lambda page, locator: Inspection(quality, FOUND))
    prepared = prepare(path)
    assert prepared.tensor is prepared.page is prepared.located is None
    picture = prepared.picture
    assert (picture.status, picture.reason, picture.objects) == ("rejected", "upside down", 31)
    assert picture.warnings == ("blurred",) and picture.thumbnail[:2] == b"\xff\xd8"
    assert picture.sha256 == content._digest(path) and not prepared.known


def test_doubts_of_the_gate_travel_with_a_good_picture(path, monkeypatch):
    quality = Quality(True, "", 44, ("few",))
    monkeypatch.setattr(pipeline, "inspect", lambda page, locator: Inspection(quality, FOUND))
    picture = prepare(path).picture
    assert (picture.status, picture.objects, picture.warnings) == ("ok", 44, ("few",))


def test_only_the_same_name_with_the_same_content_is_known(path):
    digest = content._digest(path)
    prepared = prepare(path, {"a.png": digest})
    assert prepared.known and prepared.tensor is None and prepared.picture.sha256 == digest
    assert prepare(path, {"a.png": "0" * 64, "b.png": digest}).tensor is not None
    assert not prepare(path, {"a.png": "0" * 64}).known


def test_what_discovery_or_decoding_says_is_the_reason(tmp_path):
    lost = prepare(tmp_path / "none.png", problem="a broken link")
    assert (lost.picture.status, lost.picture.reason) == ("failed", "a broken link")
    assert lost.picture.sha256 == "" and lost.tensor is None
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"torn")
    failed = prepare(torn)
    assert failed.picture.status == "failed" and failed.picture.reason
    assert (failed.picture.image, failed.picture.case) == ("a.png", "case 7")
    assert failed.picture.sha256 == content._digest(torn) and failed.tensor is None


def test_each_frame_is_read_and_has_its_own_identity(tmp_path, monkeypatch):
    path = tmp_path / "two.tif"
    karyogram(1).save(path, save_all=True, append_images=[karyogram(2)])
    digest, hashed = content._digest, []
    monkeypatch.setattr(content, "_digest", lambda path: (hashed.append(path), digest(path))[1])
    one, two = (prepare(path, frame=i, frames=2) for i in (1, 2))
    assert len(hashed) == 1
    assert one.picture.sha256 == digest(path)
    assert two.picture.sha256 == frame_hash(digest(path), 2) != digest(path)
    assert not np.array_equal(one.tensor, two.tensor)
    karyogram(3).save(path, save_all=True, append_images=[karyogram(4)])
    assert prepare(path, frame=2, frames=2).picture.sha256 == frame_hash(digest(path), 2)
    assert prepare(path, frame=2).picture.sha256 == frame_hash(digest(path), 2)
    hashed.clear()
    prepare(path), prepare(path)
    assert len(hashed) == 2  # of a file of one picture nothing is remembered


SIDES = (320, 240, 180, 135, 101)


def jpeg(grey: np.ndarray, quality: int, shrunk: int = 0) -> bytes:
    """The picture at a side of SIDES[shrunk] px, by way of the larger ones."""
    picture = Image.fromarray(grey)
    for side in SIDES[: shrunk + 1]:
        picture.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def noise(amount: int) -> np.ndarray:
    drawn = np.random.default_rng(0).integers(-amount, amount + 1, (600, 800))
    return np.clip(200 + drawn, 0, 255).astype(np.uint8)


def test_a_thumbnail_is_as_good_as_fits_into_its_bytes():
    """The first that fits, by falling quality and then by falling side."""
    chosen = set()
    for amount in (1, 10, 15, 20, 30, 40, 60, 90, 127):
        grey = noise(amount)
        levels = itertools.product(range(len(SIDES)), (75, 60, 45, 30))
        shrunk, quality = next(
            (side, q) for side, q in levels if len(jpeg(grey, q, side)) <= 6 * 1024
        )
        chosen.add((shrunk, quality))
        assert thumbnail(grey) == jpeg(grey, quality, shrunk)
    assert {quality for _, quality in chosen} == {75, 60, 45, 30} and len(chosen) > 4


def test_the_bytes_of_a_thumbnail_are_a_limit_that_may_be_reached(monkeypatch):
    assert pipeline.THUMBNAIL_BYTES == 6 * 1024
    best = jpeg(noise(127), 75)
    for limit, same in ((len(best), True), (len(best) - 1, False)):
        monkeypatch.setattr(pipeline, "THUMBNAIL_BYTES", limit)
        assert (thumbnail(noise(127)) == best) is same


@pytest.mark.parametrize(("side", "last"), [(320, 31), (40, 40), (41, 30)])
def test_a_thumbnail_that_never_fits_ends_small(side, last, monkeypatch):
    monkeypatch.setattr(pipeline, "THUMBNAIL_SIDE", side)
    monkeypatch.setattr(pipeline, "THUMBNAIL_BYTES", 0)
    assert Image.open(io.BytesIO(thumbnail(noise(127)))).width == last


def test_the_key_is_of_the_first_sixteen_digits():
    assert key_of("0123456789abcdef" + "f" * 48) == 0x0123456789ABCDEF // 2
    assert key_of("f" * 64) == 2**63 - 1


class Kept:
    """A ledger that only notes what it is told."""

    def __init__(self, **known: str) -> None:
        self.before = known
        self.added: list[list[Picture]] = []
        self.kept: list[list[Picture]] = []

    def known(self) -> dict[str, str]:
        return self.before

    def add(self, results: Sequence[Picture], kept: Sequence[Picture] = ()) -> None:
        self.added.append(list(results))
        self.kept.append(list(kept))

    def pictures(self) -> dict[str, Picture]:
        return {picture.image: picture for batch in self.added for picture in batch}


class Drawn(list):
    """A list that counts how many of it were taken."""

    taken = 0

    def __iter__(self) -> Iterator[PictureFile]:
        for each in super().__iter__():
            self.taken += 1
            yield each


def files(count: int, problem: str = "", first: int = 0) -> Drawn:
    numbers = range(first, first + count)
    return Drawn(PictureFile(f"{i:03d}", Path("none"), "c", problem) for i in numbers)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Callable[[PictureFile], Prepared]:
    """Pictures are prepared without a file: each has the tensor of its number."""

    def prepare(found, look, known, digests=None):  # type: ignore
        blank = Picture(found.name, found.case, f"{int(found.name):064x}"[::-1], "ok")
        if known.get(found.name) == blank.sha256:
            return Prepared(blank, known=True)
        if found.problem:
            return Prepared(replace(blank, status="failed", reason=found.problem))
        tensor = np.full((SIZE, SIZE), int(found.name), np.uint8)
        return Prepared(blank, tensor, page=Page(tensor), located=FOUND)

    monkeypatch.setattr(pipeline, "prepare", prepare)
    return lambda found: prepare(found, None, {})


class Scorer(FakeScorer):
    """Answers with the mean of the tensor / 1000 in each pass; notes what `watch` returns."""

    def __init__(self, watch: Callable[[], object] = lambda: None, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.watch, self.watched = watch, []

    def score(self, images, keys):  # type: ignore[no-untyped-def]
        self.watched.append(self.watch())
        super().score(images, keys)
        return [np.full(2, image.mean() / 1000) for image in images]


def go(images: Sequence[PictureFile], scorer: FakeScorer, ledger: Kept, **options: object) -> int:
    return run_pipeline(images, scorer, ledger, None, **options)  # type: ignore[arg-type]


def test_every_picture_gets_its_own_answer_in_the_order_of_the_names(prepared):
    ledger, scorer, told = Kept(), Scorer(), []
    assert go(files(7), scorer, ledger, batch_size=3, advance=told.append) == 7
    assert [[picture.image for picture in batch] for batch in ledger.added] == [
        ["000", "001", "002"], ["003", "004", "005"], ["006"],
    ]  # fmt: skip
    for name, picture in ledger.pictures().items():
        assert picture.p.dtype == np.float32
        assert picture.p == pytest.approx([int(name) / 1000] * 2) and picture.status == "ok"
        assert picture.reading is None
    assert scorer.keys == [key_of(picture.sha256) for picture in ledger.pictures().values()]
    assert scorer.batches == told == [3, 3, 1]


def test_what_needs_no_model_is_committed_with_the_batch_or_by_64(prepared):
    ledger, told = Kept(), []
    images = [*files(2, "torn"), *files(3, first=2), *files(130, "torn", first=5)]
    assert go(images, Scorer(), ledger, batch_size=3, advance=told.append) == 135
    assert [len(batch) for batch in ledger.added] == told == [5, 64, 64, 2]
    assert [p.image for p in ledger.added[0]] == ["002", "003", "004", "000", "001"]
    assert ledger.pictures()["134"].reason == "torn"


def test_a_known_picture_is_kept_unless_it_is_to_be_made_anew(prepared):
    hashes = {each.name: prepared(each).picture.sha256 for each in files(2)}
    ledger = Kept(**hashes)
    assert go(files(3), Scorer(), ledger, batch_size=2) == 1
    assert [[p.image for p in batch] for batch in ledger.added] == [["002"]]
    assert [[p.image for p in batch] for batch in ledger.kept] == [["000", "001"]]
    again = Kept(**hashes)
    assert go(files(3), Scorer(), again, keep=lambda name: name != "001") == 2
    assert list(again.pictures()) == ["001", "002"]


def test_nothing_known_and_nothing_new_is_an_empty_run(prepared):
    ledger, told = Kept(), []
    assert go([], Scorer(), ledger, advance=told.append) == 0
    assert ledger.pictures() == {} and sum(told) == 0


def test_decoding_runs_a_window_ahead_of_the_model(prepared):
    images = files(60)
    scorer = Scorer(lambda: images.taken)
    go(images, scorer, Kept(), batch_size=4, workers=3)
    window = 2 * 4 + 3
    asked = 1  # whether anything needs the networks
    assert scorer.watched == [asked + min(60, window + 4 * i) for i in range(1, 16)]
    images = files(40)
    scorer = Scorer(lambda: images.taken)
    go(images, scorer, Kept())
    assert scorer.watched[0] == asked + 2 * 8 + 2 + 8 and scorer.batches == [8] * 5


def test_the_quickest_thread_does_not_overtake():
    def slow_at_first(found):  # type: ignore[no-untyped-def]
        time.sleep(0.02 * (found.name == "000"))
        return found.name

    names = list(pipeline._in_order(files(9), slow_at_first, 3, 5, lambda: None))  # type: ignore[arg-type]
    assert names == [each.name for each in files(9)]


def test_a_run_that_ends_early_leaves_no_thread_and_begins_nothing_more():
    begun, released = [], threading.Event()

    def work(found):  # type: ignore[no-untyped-def]
        begun.append(found.name)
        if found.name != "000":
            released.wait(10)
        return found.name

    results = pipeline._in_order(files(50), work, 1, 40, lambda: None)  # type: ignore[arg-type]
    assert next(results) == "000"
    threading.Timer(0.1, released.set).start()
    results.close()  # type: ignore[attr-defined]
    assert not [each for each in threading.enumerate() if each.name.startswith("decode")]
    assert len(begun) <= 2


def test_networks_load_while_the_first_pictures_are_looked_at(monkeypatch):
    loaded = threading.Event()

    def looked_at_until_loaded(found, look, known, digests=None):  # type: ignore[no-untyped-def]
        assert loaded.wait(10), "nothing was loaded meanwhile"
        return Prepared(Picture(found.name, found.case, "0" * 64, "ok"))

    class Loading(FakeScorer):
        def load(self) -> None:
            loaded.set()

    monkeypatch.setattr(pipeline, "prepare", looked_at_until_loaded)
    assert go(files(2), Loading(), Kept()) == 2


def test_networks_stay_on_the_disk_where_every_result_is_known(prepared):
    class Unwanted(FakeScorer):
        def load(self) -> None:
            raise AssertionError("loaded for nothing")

    ledger = Kept(**{each.name: prepared(each).picture.sha256 for each in files(3)})
    assert go(files(3), Unwanted(), ledger) == 0
    odd = [replace(one, problem="no picture") for one in files(4)[3:]]
    assert go([*files(3), *odd], Unwanted(), ledger) == 1
    with pytest.raises(AssertionError, match="for nothing"):
        go(files(4), Unwanted(), ledger)


@pytest.mark.parametrize(
    ("p", "good"),
    [([0, 1], True), ([0.5, 1.01], False), ([-0.01, 0.5], False), ([0.5, np.nan], False)],
)
def test_only_probabilities_are_answers(prepared, p, good):
    class Odd(FakeScorer):
        def score(self, images, keys):  # type: ignore[no-untyped-def]
            return [np.array(p, np.float64) for _ in images]

    ledger = Kept()
    go(files(1), Odd(), ledger)
    picture = ledger.pictures()["000"]
    if good:
        assert picture.status == "ok" and picture.p.tolist() == p
    else:
        assert picture.status == "failed" and picture.p is None
        assert picture.reason == "the model's answer is not a probability"


class Choosy(Scorer):
    """Refuses the picture of tensor 1, and batches, by the way given."""

    def __init__(self, refusal: Exception | int) -> None:
        super().__init__()
        self.refusal = refusal

    def score(self, images, keys):  # type: ignore[no-untyped-def]
        answers = super().score(images, keys)
        if isinstance(self.refusal, int):
            return answers[: self.refusal] if len(images) > 1 else answers
        if any(image.mean() == 1 for image in images):
            raise self.refusal
        return answers


def test_the_odd_one_of_a_batch_is_told_from_the_others(prepared):
    ledger, scorer = Kept(), Choosy(ValueError("odd"))
    go(files(3), scorer, ledger)
    assert scorer.batches == [3, 1, 1, 1]
    status = {name: picture.status for name, picture in ledger.pictures().items()}
    assert status == {"000": "ok", "001": "failed", "002": "ok"}
    assert ledger.pictures()["001"].reason == "could not be processed (ValueError: odd)"
    assert ledger.pictures()["002"].p == pytest.approx([0.002] * 2)


def test_an_answer_too_few_is_never_the_neighbours(prepared):
    ledger = Kept()
    go(files(3), Choosy(2), ledger)
    assert [p.p[0] for p in ledger.pictures().values()] == pytest.approx([0, 0.001, 0.002])


@pytest.mark.parametrize(
    ("count", "advice"),
    [(1, "free memory, or try --device cpu"), (2, "--batch-size 1,"), (5, "--batch-size 2,")],
)
def test_memory_that_runs_out_ends_the_run_with_what_to_try(prepared, count, advice):
    ledger = Kept()
    with pytest.raises(OutOfMemory, match=f"score {count} pictures at once: .*{advice}") as caught:
        go(files(count), FakeScorer(fail_above=0), ledger)
    assert caught.value.exit_status == 1 and ledger.added == []


def read() -> ReadCell:
    seen = reading(chromosomes=(Chromosome("1", 0.9),) * 3)
    said = witness.Testimony({"count": 1.5}, ("a doubt",), ("a note",))
    return ReadCell(seen, said, ("cut",) * 3)  # type: ignore[arg-type]


def test_what_the_reader_says_stands_in_the_record_and_goes_to_the_keeper(prepared, monkeypatch):
    monkeypatch.setattr(pipeline, "noteworthy", lambda *seen: seen)
    ledger, kept = Kept(), []
    reader = FakeReader(read())
    go(files(2), Scorer(), ledger, reader=reader, keeper=lambda *all: kept.append(all))
    first, second = ledger.pictures().values()
    assert second.p == pytest.approx([0.001] * 2)
    assert second.reading == read().reading and second.objects == 3
    assert second.features == {"count": 1.5}
    assert (second.doubts, second.notes) == (("a doubt",), ("a note",))
    seen, page, found = second.crops
    assert seen == read().reading and found == ("cut",) * 3
    assert [paper.mean() for paper in reader.papers] == [0, 1] and page.paper.mean() == 1
    assert [each[0] for each in kept] == [first, second]
    assert kept[1][1].paper.mean() == 1 and kept[1][2] == ("cut",) * 3


def test_the_reader_gets_the_located_page_and_the_passes():
    class Seen(FakeReader):
        def read(self, page, located, p, changed):  # type: ignore[no-untyped-def]
            self.seen = (page, located, p, changed)
            return read()

    reader, page = Seen(read()), Page(np.full((9, 9), 255, np.uint8))
    answer = np.array([0.25]), Looked(None, np.array([[-1.0, 2.5]]))
    whole = Prepared(Picture("a", "c", "0" * 64, "ok"), page=page, located=FOUND)
    assert pipeline._finished(whole, answer, reader, None).reading is not None
    assert reader.seen == (page, FOUND, np.float32([0.25]), 2.5)
    for part in (replace(whole, page=None), replace(whole, located=None)):
        picture = pipeline._finished(part, answer, reader, None)
        assert picture.reading is None and picture.p == [0.25] and picture.status == "ok"


def test_a_picture_that_cannot_be_read_fails_alone_without_a_score(prepared):
    ledger = Kept()
    go(files(2), Scorer(), ledger, reader=FakeReader(KeyError("odd")), keeper=pytest.fail)
    for picture in ledger.pictures().values():
        assert picture.status == "failed" and picture.p is None and picture.reading is None
        assert picture.reason == "could not be processed (KeyError: 'odd')"

"""The way of the pictures through decoding and the model, at the same time and in bounded memory.

Threads read, hash, normalise and judge pictures a short way ahead; the calling thread runs the
model batch by batch and commits each batch to the ledger. Pictures are taken strictly in name
order and batches are cut from those that need the model, so a run that is killed leaves whole
batches behind and its continuation cuts the same ones: floating point then agrees to the last bit.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

import numpy as np
from PIL import Image

from screening.errors import ScreeningError
from screening.evidence.record import PictureEvidence
from screening.images.normalise import crop_margins, letterbox, normalise
from screening.images.read import read_image
from screening.karyogram.gate import inspect
from screening.karyogram.locate import Located, Locator
from screening.worklist.discover import Found
from screening.worklist.guard import is_out_of_memory, reason_of
from screening.worklist.ledger import Ledger, Result

THUMBNAIL_SIDE = 320  # px, longest side: a karyogram's chromosomes are still told apart
THUMBNAIL_BYTES = 6 * 1024  # a page of 1,000 pictures stays near 8 MB
_FLUSH = 64  # results without the model that are committed at once


class ScoredImage(Protocol):
    """The model's answer for one picture: `p` is p(abnormal) of each pass, float32 (passes,)."""

    @property
    def p(self) -> np.ndarray: ...


class Scorer(Protocol):
    """Anything that scores pictures: `size` is the side of its input in px, `device` the one in
    use, in words."""

    @property
    def passes(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def device(self) -> str: ...

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> Sequence[ScoredImage]: ...


class CellReader(Protocol):
    """Anything that reads a karyogram chromosome by chromosome: the normalised page with what was
    found on it, and the picture's name."""

    def read(self, paper: np.ndarray, located: Located, image: str) -> PictureEvidence: ...


class OutOfMemory(ScreeningError):
    """Says that a batch did not fit into memory and what to try."""

    exit_status = 1


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture on its way: `tensor` uint8 (size, size) if the model is to see it, else None;
    `known` when the ledger already holds its result. `paper` (normalised page) and `located` are
    there when its chromosomes are to be read."""

    result: Result
    tensor: np.ndarray | None = None
    known: bool = False
    paper: np.ndarray | None = None
    located: Located | None = None


def run_pipeline(
    images: Sequence[Found],
    scorer: Scorer,
    ledger: Ledger,
    locator: Locator,
    *,
    reader: CellReader | None = None,
    batch_size: int = 8,
    workers: int = 2,
    advance: Callable[[int], None] = lambda count: None,
    keep: Callable[[str], bool] = lambda name: True,
) -> int:
    """The number of pictures that needed a new result; results go to `ledger` as they are made.

    `advance` is told how many pictures have been finished since it was last called. Earlier results
    of pictures for whose name `keep` is false are made anew. One bad
    picture becomes a failed result, whichever stage it is odd to (see `guard`). Raises OutOfMemory
    when the model cannot take a batch.
    """
    known = {name: sha256 for name, sha256 in ledger.known().items() if keep(name)}
    waiting: list[Prepared] = []
    settled: list[Prepared] = []  # need no model: failed, rejected or known

    def commit(scored: Sequence[Result]) -> None:
        fresh = [p.result for p in settled if not p.known]
        ledger.add([*scored, *fresh], kept=[p.result for p in settled if p.known])
        advance(len(scored) + len(settled))
        settled.clear()

    def work(found: Found) -> Prepared:
        return prepare(found, scorer.size, known, locator, reader)

    new = 0
    for prepared in _in_order(images, work, workers, window=2 * batch_size + workers):
        new += not prepared.known
        (settled if prepared.tensor is None else waiting).append(prepared)
        if len(waiting) == batch_size:
            scored = _score(waiting, scorer, reader)
            waiting.clear()
            commit(scored)
        elif len(settled) >= _FLUSH:
            commit(())
    commit(_score(waiting, scorer, reader) if waiting else ())
    return new


def prepare(
    found: Found,
    size: int,
    known: Mapping[str, str],
    locator: Locator,
    reader: CellReader | None = None,
) -> Prepared:
    """`found` read, judged and made ready for a model of `size` px; never raises for one picture.

    `known` maps names to the content hashes that the ledger holds.
    """
    blank = Result(found.name, found.case, "", "failed", reason=found.problem)
    if found.problem:
        return Prepared(blank)
    try:
        sha256 = _sha256(found)
        blank = replace(blank, sha256=sha256)
        if known.get(found.name) == sha256:
            return Prepared(blank, known=True)
        return _judge(found, blank, size, locator, reader)
    except Exception as error:  # whatever one picture does, the others must be screened
        return Prepared(replace(blank, reason=reason_of(error)))


def _judge(
    found: Found, blank: Result, size: int, locator: Locator, reader: CellReader | None
) -> Prepared:
    paper = normalise(read_image(found.path))
    inspection = inspect(paper, locator)
    quality = inspection.quality
    cropped = crop_margins(paper)
    result = replace(
        blank,
        status="ok" if quality.ok else "rejected",
        reason="" if quality.ok else quality.reason,
        objects=quality.objects,
        warnings=tuple(quality.warnings),
        thumbnail=thumbnail(cropped),
    )
    if not quality.ok:
        return Prepared(result)
    tensor = letterbox(cropped, size)
    if reader is None:
        return Prepared(result, tensor)
    return Prepared(result, tensor, paper=paper, located=inspection.located)


def thumbnail(grey: np.ndarray) -> bytes:
    """JPEG of `grey` (uint8 (h, w)), longest side at most 320 px and at most 6 KiB."""
    picture = Image.fromarray(grey)
    side = THUMBNAIL_SIDE
    while True:
        picture.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
        for quality in (75, 60, 45, 30):
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= THUMBNAIL_BYTES or side <= 40:
                return buffer.getvalue()
        side = side * 3 // 4


def key_of(sha256: str) -> int:
    """The number that seeds a picture's dropout masks: from its content, so neither its name, its
    place in the folder nor its batch changes its votes. 0 to 2**63 - 1."""
    return int(sha256[:16], 16) >> 1


def _sha256(found: Found) -> str:
    with found.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_order(
    images: Sequence[Found], work: Callable[[Found], Prepared], workers: int, window: int
) -> Iterator[Prepared]:
    """`work` of every image, in the order of `images`, at most `window` of them begun at once."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        rest = iter(images)
        begun: deque[Future[Prepared]] = deque(
            pool.submit(work, found) for found in islice(rest, window)
        )
        while begun:
            prepared = begun.popleft().result()
            begun.extend(pool.submit(work, found) for found in islice(rest, 1))
            yield prepared
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _score(batch: Sequence[Prepared], scorer: Scorer, reader: CellReader | None) -> list[Result]:
    return [
        _finished(prepared, answer, reader)
        for prepared, answer in zip(batch, _answers(batch, scorer), strict=True)
    ]


def _answers(batch: Sequence[Prepared], scorer: Scorer) -> list[ScoredImage | str]:
    """The model's answer for each picture, or in words why it has none."""
    tensors = [prepared.tensor for prepared in batch if prepared.tensor is not None]
    keys = [key_of(prepared.result.sha256) for prepared in batch]
    try:
        scored = list(scorer.score(tensors, keys))
        if len(scored) != len(batch):
            raise ValueError(f"{len(scored)} answers of the model for {len(batch)} pictures")
        return scored
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(_memory_advice(len(batch))) from error
        reason = reason_of(error)
    if len(batch) == 1:
        return [reason]
    # The odd one is told from the others by asking again, one by one.
    return [answer for prepared in batch for answer in _answers([prepared], scorer)]


def _finished(prepared: Prepared, answer: ScoredImage | str, reader: CellReader | None) -> Result:
    result = prepared.result
    if isinstance(answer, str):
        return replace(result, status="failed", reason=answer)
    try:
        return _with_passes(_with_reading(prepared, reader), answer)
    except Exception as error:
        return replace(result, status="failed", reason=reason_of(error))


def _with_reading(prepared: Prepared, reader: CellReader | None) -> Result:
    result = prepared.result
    if reader is None or prepared.paper is None or prepared.located is None:
        return result
    evidence = reader.read(prepared.paper, prepared.located, result.image)
    return replace(result, evidence=evidence, objects=len(evidence.chromosomes))


def _with_passes(result: Result, answer: ScoredImage) -> Result:
    p = answer.p
    if not np.all((p >= 0) & (p <= 1)):  # also refuses NaN
        return replace(result, status="failed", reason="the model's answer is not a probability")
    return replace(result, p=np.asarray(p, np.float32))


def _memory_advice(count: int) -> str:
    smaller = f"try --batch-size {count // 2}" if count > 1 else "free memory, or try --device cpu"
    return (
        f"not enough memory to score {count} pictures at once: {smaller}, with --resume to keep "
        "what is done"
    )

"""The way of the pictures through decoding and the model, at the same time and in bounded memory.

Threads read, hash, normalise and judge pictures a short way ahead; the calling thread runs the
model batch by batch and commits each batch to the ledger. Pictures are taken strictly in name
order and batches are cut from those that need the model, so a run that is killed leaves whole
batches behind and its continuation cuts the same ones: floating point then agrees to the last bit.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image
from scipy.special import expit

from screening.classes import FAILED, OK, REJECTED
from screening.errors import ScreeningError
from screening.images.lettering import lettering
from screening.images.normalise import letterbox
from screening.images.page import Page
from screening.images.read import read_image
from screening.iscn import karyotypes_in
from screening.karyogram.compact import compact
from screening.karyogram.gate import inspect
from screening.karyogram.locate import FoundChromosome, Located, Locator
from screening.predict.predictor import Looked
from screening.record import Picture
from screening.setting_types import COMPACT, PLAIN
from screening.worklist.content import Digests, content_hash, key_of
from screening.worklist.crops import noteworthy
from screening.worklist.discover import PictureFile
from screening.worklist.guard import is_out_of_memory, reason_of
from screening.worklist.looked import Place, heat, plain_place

if TYPE_CHECKING:
    from screening.worklist.reader import ReadCell

THUMBNAIL_SIDE = 320  # px, longest side: a karyogram's chromosomes are still told apart
THUMBNAIL_BYTES = 6 * 1024  # a page of 1,000 pictures stays near 8 MB
_FLUSH = 64  # results without the model that are committed at once


class Scorer(Protocol):
    """Anything that scores pictures: `size` is the side of its input in px, `view` how pages are
    laid out for it, `device` the one in use and `engine` what runs it, in words, once `load` has
    loaded it; `score` gives p(abnormal) of each pass, float32 (passes,), for each picture, and
    `looked` then where it looked in each (empty: it cannot tell)."""

    @property
    def passes(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def view(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def engine(self) -> str: ...

    @property
    def looked(self) -> Sequence[Looked]: ...

    def load(self) -> None: ...

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> Iterable[np.ndarray]: ...


class CellReader(Protocol):
    """Anything that reads a karyogram chromosome by chromosome, once `load` has loaded it: the
    page, what was found on it, the network's p(abnormal) of each pass, and its log-odds that any
    position is changed (None: it does not say)."""

    def load(self) -> None: ...

    def read(
        self, page: Page, located: Located, p: np.ndarray, changed: float | None
    ) -> ReadCell: ...


class Results(Protocol):
    """Where results go to, as a ledger: `known` has the content hash, by name, of every picture
    that needs no new one, `add` takes those made and those `kept`."""

    def known(self) -> Mapping[str, str]: ...

    def add(self, results: Sequence[Picture], kept: Collection[Picture] = ()) -> None: ...


Keeper = Callable[[Picture, Page, Sequence[FoundChromosome]], None]
"""An output of single pictures: called once the chromosomes of one were read."""


class OutOfMemory(ScreeningError):
    """Says that a batch did not fit into memory and what to try."""

    exit_status = 1


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture on its way: `tensor` uint8 (size, size) if the model is to see it, else None;
    `known` when the ledger already holds it; `places`: what of the tensor lies where on the page.
    `page` and `located` travel with it until the last stage that needs them."""

    picture: Picture
    tensor: np.ndarray | None = None
    known: bool = False
    page: Page | None = None
    located: Located | None = None
    places: tuple[Place, ...] = ()


Look = Callable[[PictureFile, Picture], Prepared]
"""What makes of a file, and the picture that names it, one that is read and judged."""


@dataclass(frozen=True)
class Looking:
    """The usual `Look`, in this process: for a model of `size` px that sees the `view`. `printed`:
    karyotypes that stand on a picture that is accepted are looked for too."""

    size: int
    locator: Locator
    view: str = PLAIN
    printed: bool = False

    def __call__(self, found: PictureFile, blank: Picture) -> Prepared:
        """Return the picture of the file; raises what reading it raises."""
        grey = read_image(found.path, frame=found.frame)
        prepared = inspected(grey, blank, self.size, self.locator, self.view)
        if self.printed and prepared.tensor is not None:
            printed = karyotypes_in("\n".join(lettering(grey)))
            prepared = replace(prepared, picture=replace(prepared.picture, printed=printed))
        return prepared


def run_pipeline(
    images: Sequence[PictureFile],
    scorer: Scorer,
    ledger: Results,
    look: Look,
    *,
    reader: CellReader | None = None,
    keeper: Keeper | None = None,
    batch_size: int = 8,
    workers: int = 2,
    advance: Callable[[int], None] = lambda count: None,
    keep: Callable[[str], bool] = lambda name: True,
    stop: Callable[[], bool] = lambda: False,
    digests: Digests | None = None,
) -> int:
    """Return the number of pictures that needed a new result; `ledger` gets each when it is made.

    `advance` is told how many pictures have been finished since it was last called. Earlier results
    of pictures for whose name `keep` is false are made anew. Once `stop` is true nothing further is
    begun; what is done is in the ledger. A file that is as it was when it went into `digests` is
    not read again to know its content. One bad picture becomes a failed result, whichever stage it
    is odd to (see `guard`). Raises OutOfMemory when the model cannot take a batch, and what
    `keeper` raises about the run, or loading the networks.
    """
    known = {name: sha256 for name, sha256 in ledger.known().items() if keep(name)}
    waiting: list[Prepared] = []
    settled: list[Prepared] = []  # need no model: failed, rejected or known

    def commit(scored: Sequence[Picture]) -> None:
        fresh = [p.picture for p in settled if not p.known]
        ledger.add([*scored, *fresh], kept=[p.picture for p in settled if p.known])
        advance(len(scored) + len(settled))
        settled.clear()

    def work(found: PictureFile) -> Prepared:
        return prepare(found, look, known, digests)

    def load() -> None:
        if any(not found.problem and found.name not in known for found in images):
            scorer.load()
            if reader is not None:
                reader.load()

    new = 0
    for prepared in _in_order(images, work, workers, 2 * batch_size + workers, load):
        new += not prepared.known
        (settled if prepared.tensor is None else waiting).append(prepared)
        if len(waiting) == batch_size:
            scored = score(waiting, scorer, reader, keeper)
            waiting.clear()
            commit(scored)
        elif len(settled) >= _FLUSH:
            commit(())
        if stop():
            new -= len(waiting)
            waiting.clear()
            break
    commit(score(waiting, scorer, reader, keeper) if waiting else ())
    return new


def prepare(
    found: PictureFile, look: Look, known: Mapping[str, str], digests: Digests | None = None
) -> Prepared:
    """Return `found` read, judged and made ready by `look`.

    Never raises for one picture. `known` maps names to the content hashes that the ledger holds.
    """
    blank = Picture(found.name, found.case, reason=found.problem)
    if found.problem:
        return Prepared(blank)
    try:
        with found.at_hand() as here:
            blank = replace(blank, sha256=content_hash(here, digests))
            if known.get(found.name) == blank.sha256:
                return Prepared(blank, known=True)
            return look(here, blank)
    except Exception as error:  # whatever one picture does, the others must be screened
        return Prepared(replace(blank, reason=reason_of(error)))


def inspected(
    grey: np.ndarray, blank: Picture, size: int, locator: Locator, view: str = PLAIN
) -> Prepared:
    """Return `grey`, uint8 (h, w) as it was read, judged and made ready for a model of `size` px
    that sees the `view`; `blank` names it."""
    page = Page.of(grey)
    inspection = inspect(page, locator)
    page, quality = inspection.page or page, inspection.quality
    picture = replace(
        blank,
        status=OK if quality.ok else REJECTED,
        reason="" if quality.ok else quality.reason,
        objects=quality.objects,
        warnings=tuple(quality.warnings),
        thumbnail=thumbnail(page.cropped),
    )
    if not quality.ok:
        return Prepared(picture)
    places: tuple[Place, ...]
    if view == COMPACT and inspection.located is not None:
        seen = compact(page.paper, inspection.located, size)
        tensor = seen.picture
        picture = replace(picture, warnings=(*picture.warnings, *seen.doubts))
        stand = page.fractions(np.array([each.box for each in inspection.located.chromosomes]))
        pairs = zip(seen.boxes, stand.tolist(), strict=True)
        places = tuple((box, (x, y, w, h)) for box, (x, y, w, h) in pairs if box is not None)
    else:
        tensor = letterbox(page.cropped, size)
        places = (plain_place(page.cropped.shape, size),)
    page.drop_objects()
    return Prepared(picture, tensor, page=page, located=inspection.located, places=places)


def thumbnail(grey: np.ndarray) -> bytes:
    """Return a JPEG of `grey` (uint8 (h, w)), longest side at most 320 px and at most 6 KiB."""
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


def _in_order(
    images: Sequence[PictureFile],
    work: Callable[[PictureFile], Prepared],
    workers: int,
    window: int,
    meanwhile: Callable[[], None],
) -> Iterator[Prepared]:
    """`work` of every image, in the order of `images`, at most `window` of them begun at once;
    `meanwhile` is done while the first are."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        rest = iter(images)
        begun: deque[Future[Prepared]] = deque(
            pool.submit(work, found) for found in islice(rest, window)
        )
        meanwhile()
        while begun:
            prepared = begun.popleft().result()
            begun.extend(pool.submit(work, found) for found in islice(rest, 1))
            yield prepared
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def score(
    batch: Sequence[Prepared], scorer: Scorer, reader: CellReader | None, keeper: Keeper | None
) -> list[Picture]:
    """Return the scored and read pictures of a batch that has tensors, see `run_pipeline`."""
    return [
        _finished(prepared, answer, reader, keeper)
        for prepared, answer in zip(batch, _answers(batch, scorer), strict=True)
    ]


Answer = tuple[np.ndarray, Looked]
"""p of each pass, and where the network looked."""


def _answers(batch: Sequence[Prepared], scorer: Scorer) -> list[Answer | str]:
    """The model's answer for each picture, or in words why it has none."""
    tensors = [prepared.tensor for prepared in batch if prepared.tensor is not None]
    keys = [key_of(prepared.picture.sha256) for prepared in batch]
    try:
        scored = [*scorer.score(tensors, keys)]
        if len(scored) != len(batch):
            raise ValueError(f"{len(scored)} answers of the model for {len(batch)} pictures")
        looked = scorer.looked or [Looked(None, None)] * len(batch)
        return [*zip(scored, looked, strict=True)]
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(_memory_advice(len(batch))) from error
        reason = reason_of(error)
    if len(batch) == 1:
        return [reason]
    # The odd one is told from the others by asking again, one by one.
    return [answer for prepared in batch for answer in _answers([prepared], scorer)]


def _finished(
    prepared: Prepared,
    answer: Answer | str,
    reader: CellReader | None,
    keeper: Keeper | None,
) -> Picture:
    picture = prepared.picture
    if isinstance(answer, str):
        return replace(picture, status=FAILED, reason=answer)
    try:
        p = np.asarray(answer[0], np.float32)
        if not np.all((p >= 0) & (p <= 1)):  # also refuses NaN
            return replace(picture, status=FAILED, reason="the model's answer is not a probability")
        page, located, looked = prepared.page, prepared.located, answer[1]
        picture = _with_maps(replace(picture, p=p), looked, prepared)
        if reader is None or page is None or located is None:
            return picture
        most = None if looked.changed is None else float(looked.changed.max())
        cell = reader.read(page, located, p, most)
        heard = cell.testimony
        picture = replace(
            picture,
            reading=cell.reading,
            objects=len(cell.reading.chromosomes),
            features=heard.features,
            doubts=heard.doubts,
            notes=heard.notes,
            crops=noteworthy(cell.reading, page, cell.found),
            pairs=cell.pairs,
        )
        if keeper is not None:
            keeper(picture, page, cell.found)
        return picture
    except Exception as error:
        return replace(prepared.picture, status=FAILED, reason=reason_of(error))


def _with_maps(picture: Picture, looked: Looked, prepared: Prepared) -> Picture:
    """The picture with what its network looked at, to lay over it."""
    if prepared.page is None or prepared.tensor is None:
        return picture
    size, shape = len(prepared.tensor), prepared.page.cropped.shape
    heats, changed = looked.attention, looked.changed
    if heats is not None:
        picture = replace(picture, heat=heat(heats, size, prepared.places, shape))
    if changed is not None:
        share = np.rint(255 * expit(changed)).astype(np.uint8)
        picture = replace(picture, changed=heat(share, size, prepared.places, shape))
    return picture


def _memory_advice(count: int) -> str:
    smaller = f"try --batch-size {count // 2}" if count > 1 else "free memory, or try --device cpu"
    return (
        f"not enough memory to score {count} pictures at once: {smaller}, with --resume to keep "
        "what is done"
    )

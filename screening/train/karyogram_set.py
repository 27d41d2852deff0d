"""Composed and simulated karyograms as arrays on disk, with the truth of every slot.

Everything is made inside one part of the split, from that part's cells alone, and in the same way
for both labels. A set is a folder: `index.jsonl` (one line per karyogram), `images_SIZE.npy`
uint8 (n, size, size), `states_SIZE.npy` int8 (n, m, m) with m = size // 32, and `progress`, which
lets a killed build go on where it stopped.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from screening.atomic import replace_files
from screening.classes import ABNORMAL, AUTOSOMES, NORMAL, RELATIVE_LENGTH
from screening.images.normalise import crop_margins, letterbox, margins, normalise
from screening.images.page import Page
from screening.karyogram.compact import compact
from screening.karyogram.gate import inspect
from screening.karyogram.locate import Located, Locator
from screening.setting_types import COMPACT, PLAIN
from screening.synthesis.compose import Karyogram, compose
from screening.synthesis.metaphase import Chromosome, Metaphase, length_unit
from screening.synthesis.random_structural import random_structural
from screening.synthesis.resample import resample
from screening.synthesis.simulate import random_abnormality, sham, simulate
from screening.synthesis.structural import structural, structural_sham
from screening.synthesis.style import Style, random_style
from screening.train.durations import Tick, silent

STOUTEST = 0.45
"""Median width over the length of chromosome 1 in the stoutest laboratory of the shared sources."""
PAPER, USUAL, GAIN, LOSS = -1, 0, 1, 2
STRIDE = 32
"""Pixels of the input under one cell of the base's last map (VGG16 and InceptionV3 alike)."""

_MOSTLY = 0.5
"""Share of a found chromosome's box that lies in the true one's, at least."""

REAL, COMPOSED, SIMULATED, SCRAMBLED = "real aneuploid", "normal", "simulated", "scrambled"
STRUCTURAL, REJOINED = "structural", "cut and rejoined"
"""Rearranged chromosomes, and normal ones that went through the same cuts."""


@dataclass(frozen=True)
class Entry:
    """One karyogram to make: from which cell, how (`kind`), and with which seed."""

    source: str
    case: str
    cell: str
    kind: str
    seed: int

    @property
    def id(self) -> str:
        """Return the karyogram's unique name."""
        return f"{self.source}/{self.case}/{self.cell}/{self.kind}/{self.seed}"


def plan(
    cells: Mapping[str, Sequence[Metaphase]], counts: Mapping[str, int], seed: int
) -> list[Entry]:
    """Return `counts[kind]` entries of each kind for every cell of `cells[COMPOSED]`, shuffled.

    `cells[REAL]` are truly aneuploid cells: each is composed as it is, `counts[REAL]` times.
    """
    entries: list[tuple[str, str, str, str]] = []
    for kind, times in counts.items():
        for cell in cells.get(REAL if kind == REAL else COMPOSED, ()):
            entries += [(cell.source, cell.case, cell.cell, kind) for _ in range(times)]
    order = np.random.default_rng(seed).permutation(len(entries))
    return [Entry(*entries[int(i)], seed * 1_000_000 + n) for n, i in enumerate(order)]


def make(
    entry: Entry, cell: Metaphase, look: Callable[[Style], Style] = lambda style: style
) -> tuple[Karyogram, str]:
    """Return the karyogram of an entry and the name of its abnormality ("" when there is none).

    `look` may change the random style that the entry's seed gives.
    """
    rng = np.random.default_rng(entry.seed)
    style = look(random_style(rng))  # before anything that depends on the label
    name = ""
    if entry.kind == SIMULATED:
        name = random_abnormality(rng, cell.sex)
        cell = simulate(cell, name, rng)
    elif entry.kind in (STRUCTURAL, REJOINED):
        rearrangement = random_structural(rng, cell.sex)
        rearrange = structural if entry.kind == STRUCTURAL else structural_sham
        cell = rearrange(cell, rearrangement, rng)
        name = rearrangement if entry.kind == STRUCTURAL else ""
    elif entry.kind == SCRAMBLED:
        cell = scramble(cell, rng)
    elif entry.kind == COMPOSED:
        cell = sham(cell, rng)
    return compose(widen(cell, rng), style, rng), name


def widen(cell: Metaphase, rng: np.random.Generator) -> Metaphase:
    """Return the cell with all its chromosomes widened by one common factor, 0.85–1.5.

    Laboratories differ in how far chromosomes are spread and condensed: the same length is half as
    wide in one as in another, and no single source shows that range. None shows chromosomes wider
    than STOUTEST: cells that are stout already stay as they are.
    """
    factor = float(np.exp(rng.uniform(np.log(0.85), np.log(1.5))))
    widths = [one.image.shape[1] for one in cell.chromosomes]
    ratio = float(np.median(widths)) / (length_unit(cell.chromosomes) * RELATIVE_LENGTH["1"])
    factor = min(factor, max(1.0, STOUTEST / ratio))

    def wide(one: Chromosome) -> Chromosome:
        h, w = one.image.shape
        image = cv2.resize(one.image, (max(2, round(w * factor)), h), interpolation=cv2.INTER_AREA)
        return replace(one, image=image)

    return replace(cell, chromosomes=tuple(map(wide, cell.chromosomes)))


def scramble(cell: Metaphase, rng: np.random.Generator, share: float = 0.3) -> Metaphase:
    """Return a cell in which about `share` of the classes have one homolog too many or too few.

    No karyotype of a person: teaching material for slots, never for the picture's label.
    """
    kept = list(cell.chromosomes)
    for name in (*AUTOSOMES, "X"):
        if rng.random() >= share:
            continue
        same = [c for c in kept if c.name == name]
        if not same:
            continue
        chosen = same[rng.integers(len(same))]
        if rng.random() < 0.5:
            kept.append(resample(chosen, rng))
        else:
            kept = [c for c in kept if c is not chosen]
    return Metaphase(tuple(kept), cell.source, cell.case, cell.cell)


def slot_states(karyogram: Karyogram) -> dict[str, int]:
    """Return USUAL, GAIN or LOSS for each of the 24 slots; X and Y are judged together."""
    counts = dict.fromkeys((slot.name for slot in karyogram.slots), 0)
    for box in karyogram.boxes:
        if box.slot in counts:
            counts[box.slot] += 1
    states = {n: USUAL if c == 2 else GAIN if c > 2 else LOSS for n, c in counts.items()}
    x, y = counts["X"], counts["Y"]
    usual_sex = (x, y) in ((2, 0), (1, 1))
    states["X"] = USUAL if usual_sex else LOSS if x + y < 2 else GAIN
    states["Y"] = USUAL if usual_sex or y == 0 else GAIN
    return states


def tensors(karyogram: Karyogram, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (image uint8 (size, size), states int8 (m, m)): what the network sees, and the truth.

    The image takes the very path of screening (`images.normalise.preprocess`); a cell of the map
    carries the state of the slot under its centre, PAPER where there is none.
    """
    paper = normalise(karyogram.image)
    x0, y0, width, height = margins(paper)
    image = letterbox(crop_margins(paper), size)
    scale = size / max(width, height)
    left, top = (size - width * scale) / 2, (size - height * scale) / 2
    state_of = slot_states(karyogram)
    places = [
        ((slot.x - x0) * scale + left, (slot.y - y0) * scale + top, slot.w * scale, slot.h * scale)
        for slot in karyogram.slots
    ]
    return image, _state_map(size, places, [state_of[slot.name] for slot in karyogram.slots])


def compact_tensors(
    karyogram: Karyogram, page: Page, located: Located, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return `tensors` in the compact view of what was `located` on the karyogram's `page`.

    A cell of the map carries the state of the slot whose chromosome lies under its centre: a slot
    that is empty has no place, and what is no chromosome carries PAPER.
    """
    view = compact(page.paper, located, size)
    truth = np.array([(b.x, b.y, b.w, b.h) for b in karyogram.boxes], np.int64).reshape(-1, 4)
    state_of = slot_states(karyogram)
    places, states = [], []
    for each, box in zip(located.chromosomes, view.boxes, strict=True):
        shared = _shared(np.array(each.box), truth)
        if box is not None and len(truth) and shared.max() > _MOSTLY * each.w * each.h:
            slot = karyogram.boxes[int(shared.argmax())].slot
            if slot in state_of:  # markers have none of the 24
                places.append(box)
                states.append(state_of[slot])
    return view.picture, _state_map(size, places, states)


def _shared(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return how many pixels of a box x, y, w, h each of `boxes` (n, 4) shares."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    return np.maximum(high - low, 0).prod(1)


def _state_map(
    size: int, places: Sequence[tuple[float, float, float, float]], states: Sequence[int]
) -> np.ndarray:
    """Return int8 (m, m): the state of the place x, y, w, h under each cell, PAPER under none."""
    cells = size // STRIDE
    centre = (np.arange(cells) + 0.5) * STRIDE
    made = np.full((cells, cells), PAPER, np.int8)
    reach = STRIDE * 0.35  # what is narrower than a cell still owns the nearest one
    for (x, y, w, h), state in zip(places, states, strict=True):
        inside_x = (centre >= x - reach) & (centre <= x + w + reach)
        inside_y = (centre >= y - reach) & (centre <= y + h + reach)
        window = np.ix_(inside_y, inside_x)
        made[window] = np.maximum(made[window], state)
    return made


class KaryogramSet:
    """A finished set, read through memory maps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = (folder / "index.jsonl").read_text("utf-8").splitlines()
        self.rows = [json.loads(line) for line in lines]
        self.labels = np.array([row["label"] == ABNORMAL for row in self.rows], np.int32)
        self.honest = np.array([row["kind"] != SCRAMBLED for row in self.rows])

    def __len__(self) -> int:
        """Return the number of karyograms."""
        return len(self.rows)

    def images(self, size: int) -> np.ndarray:
        """Return uint8 (n, size, size), memory-mapped."""
        return np.load(self.folder / f"images_{size}.npy", mmap_mode="r")

    def states(self, size: int) -> np.ndarray:
        """Return int8 (n, m, m), memory-mapped."""
        return np.load(self.folder / f"states_{size}.npy", mmap_mode="r")


def build_set(
    folder: Path,
    entries: Sequence[Entry],
    cells: Iterable[Metaphase],
    sizes: Sequence[int],
    locator: Locator,
    workers: int = 2,
    tick: Tick = silent,
    view: str = PLAIN,
) -> KaryogramSet:
    """Make every entry's karyogram at every size; goes on after the last finished chunk.

    `locator`: of the gate, which says of each whether screening would accept it, and of the compact
    `view`. ScreeningError for a karyogram on which it finds nothing to lay out.
    """
    by_key = {(c.source, c.case, c.cell): c for c in cells}
    folder.mkdir(parents=True, exist_ok=True)
    progress = folder / "progress"
    done = int(progress.read_text("utf-8")) if progress.exists() else 0
    arrays = {}
    for size in sizes:
        shapes = {"images": (np.uint8, size), "states": (np.int8, size // STRIDE)}
        for name, (dtype, side) in shapes.items():
            path = folder / f"{name}_{size}.npy"
            mode = "r+" if done and path.exists() else "w+"
            shape = (len(entries), side, side)
            arrays[name, size] = np.lib.format.open_memmap(path, mode, dtype, shape)
    index = folder / "index.jsonl"
    lines = index.read_text("utf-8").splitlines()[:done] if done else []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        todo = iter(entries[done:])
        tick(done, len(entries), f"karyograms of {folder.name}")
        for chunk in iter(lambda: list(islice(todo, 64)), []):
            jobs = [
                (e, by_key[e.source, e.case, e.cell], tuple(sizes), locator, view) for e in chunk
            ]
            for row, made in pool.map(_job, jobs, chunksize=4):
                for size, (image, states) in made.items():
                    arrays["images", size][done] = image
                    arrays["states", size][done] = states
                lines.append(json.dumps(row))
                done += 1
                tick(done, len(entries), f"karyograms of {folder.name}")
            for array in arrays.values():
                array.flush()
            # A kill between the two leaves an index that knows more than the progress, never less.
            replace_files(folder, {index.name: "\n".join(lines) + "\n", progress.name: str(done)})
    return KaryogramSet(folder)


def _job(job: tuple[Entry, Metaphase, tuple[int, ...], Locator, str]) -> tuple[dict, dict]:
    """Make one karyogram; runs in a worker process."""
    entry, cell, sizes, locator, view = job
    karyogram, abnormality = make(entry, cell)
    page = Page.of(karyogram.image)
    inspection = inspect(page, locator)
    quality = inspection.quality
    row = asdict(entry) | {
        "id": entry.id,
        "label": NORMAL if entry.kind == COMPOSED else ABNORMAL,
        "iscn": karyogram.iscn,
        "abnormality": abnormality,
        "chromosomes": len(karyogram.boxes),
        "accepted": quality.ok,
        "objects": quality.objects,
        "warnings": list(quality.warnings),
    }
    if view == COMPACT:
        located = inspection.located or locator.locate(page)
        page = inspection.page or page
        return row, {size: compact_tensors(karyogram, page, located, size) for size in sizes}
    return row, {size: tensors(karyogram, size) for size in sizes}

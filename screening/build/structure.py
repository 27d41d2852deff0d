"""Stages that teach the reader of structure: strips of composed pages, training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from screening.atomic import replaced_file
from screening.build.data import complete_cells, records_of, split_in, taught
from screening.build.runner import Context
from screening.build.segmenter import locator_of
from screening.build.workers import each
from screening.bundle import Bundle
from screening.bundle_schema import PartInfo
from screening.data.chromosomes import CellRecord
from screening.data.split import TRAIN, VALIDATION
from screening.errors import ScreeningError
from screening.karyogram.locate import Locator
from screening.karyogram.strip import COLUMNS, ROWS
from screening.synthesis.metaphase import Metaphase

if TYPE_CHECKING:
    import keras

    from screening.train.structure_pages import Strips

STRUCTURE = "structure"
"""The part of a bundle."""
READER = "structure.keras"
RUN = "run"
"""Folder of an unfinished training, in that of its stage."""
_SEEDS = {TRAIN: 77, VALIDATION: 78}
_CELLS = 5  # seed of the cells that are pooled
_CHANGES = (6, 12)  # rearrangements and shams of a page: from, and fewer than
_MOST_LOST = 20  # pages in vain for each page of a shard, then the finder is to blame

Job = tuple[str, int]


@dataclass(frozen=True)
class Drawn:
    """How a shard is drawn: its `pages`, the shares of `clean` single pictures and of cells
    `pooled` from the sources `apart`."""

    pages: int
    clean: float
    pooled: float
    apart: tuple[str, ...]


def structure_pages(context: Context, finder: Bundle | None = None) -> None:
    """Make the shards of strips, as `finder`, a bundle, finds them or else this build's parts."""
    config = context.settings
    asked, split = config.structure_pages, split_in(context.of("split"))
    records = taught(records_of(context.data, config.sources), config.sources)
    drawn = Drawn(asked.pages, asked.clean, asked.pooled, config.sources.pooled)
    jobs: list[Job] = [(VALIDATION, number) for number in range(asked.held)]
    jobs += [(TRAIN, number) for number in range(asked.shards)]
    make = partial(
        make_shard, context.folder,
        {part: tuple(split.select(records, part)) for part in _SEEDS},
        locator_of(context) if finder is None else Locator.of(finder), drawn,
    )  # fmt: skip
    for _ in each(context, make, jobs, "shards of strips", chunk=1):
        pass


def structure(context: Context, given: Bundle | None = None) -> None:
    """Train the reader of structure; every epoch draws from some of the shards. `given`: the bundle
    whose own reader is where it begins, if the settings say so."""
    path = context.folder / READER
    if not path.exists():
        reader = _trained(context, given)
        with replaced_file(path) as hidden:
            reader.save(hidden)
    # Only an unfinished training needs it.
    (context.folder / RUN / "state.npz").unlink(missing_ok=True)


def structure_part(folder: Path) -> tuple[PartInfo, keras.Model]:
    """Return the reader that the stage `structure` keeps in its folder, as a bundle's part."""
    import keras

    import screening.models.structure  # noqa: F401  registers its layers

    reader = keras.models.load_model(folder / READER)
    info = PartInfo(
        backbone="structure", preprocessing="class-strip", size=ROWS, width=COLUMNS,
        dropout=reader.get_layer("drop_pair").rate,
        config="structure.json", weights="structure.weights.h5",
    )  # fmt: skip
    return info, reader


def make_shard(
    folder: Path,
    records: dict[str, tuple[CellRecord, ...]],
    locator: Locator | None,
    drawn: Drawn,
    job: Job,
) -> None:
    """Make the shard of a part and a number, unless it is there."""
    part, number = job
    path = folder / shard_name(part, number)
    if path.exists():
        return
    cells = structure_cells(records[part], drawn.apart)
    if not cells:
        raise ScreeningError(f"expected a complete normal cell of the {part} people, found none")
    shard(cells, drawn, locator, np.random.default_rng((_SEEDS[part], number))).save(path)


@lru_cache(maxsize=1)
def structure_cells(
    records: tuple[CellRecord, ...], pooled: tuple[str, ...]
) -> tuple[Metaphase, ...]:
    """Return the complete normal cells of records of one part, as many pooled ones of each source
    of single crops. Kept for the next shard: reading them takes longer than making one."""
    return tuple(complete_cells(records, pooled, 0, np.random.default_rng(_CELLS)))


def shard(
    cells: Sequence[Metaphase], drawn: Drawn, locator: Locator | None, rng: np.random.Generator
) -> Strips:
    """Return the strips of `drawn.pages` pages of changed cells.

    ScreeningError when hardly a chromosome is found.
    """
    from screening.train.structure_pages import Strips, changed_cell, page_strips

    whole = [cell for cell in cells if cell.source not in drawn.apart]
    apart = [cell for cell in cells if cell.source in drawn.apart]
    made: list[Strips] = []
    lost = 0
    while len(made) < drawn.pages:
        among = apart if apart and (rng.random() < drawn.pooled or not whole) else whole
        cell = among[int(rng.integers(len(among)))]
        try:
            changed, truths = changed_cell(cell, rng, int(rng.integers(*_CHANGES)))
            clean = rng.random() < drawn.clean
            made.append(page_strips(changed, truths, rng, None if clean else locator))
        except ScreeningError:  # a blank picture, a page on which nothing was found
            lost += 1
            if lost > _MOST_LOST * drawn.pages:
                raise
    return Strips.joined(made)


def shard_name(part: str, number: int) -> str:
    """Return the name of a shard's file."""
    return f"{part}-{number:04d}.npz"


def draw_from(folder: Path, shards: int, at_once: int, seed: int) -> Callable[[int], Strips]:
    """Return what draws an epoch's strips: those of `at_once` of so many shards."""
    from screening.train.structure_pages import Strips

    def draw(epoch: int) -> Strips:
        rng = np.random.default_rng((seed + 1, epoch))
        chosen = rng.choice(shards, min(at_once, shards), replace=False)
        return Strips.load([folder / shard_name(TRAIN, int(number)) for number in chosen])

    return draw


def _trained(context: Context, given: Bundle | None) -> keras.Model:
    """The reader, without what only training needs."""
    import keras

    from screening.train.structure import StructureSettings, fit_structure
    from screening.train.structure_pages import Strips

    asked, shards = context.settings.structure, context.of("structure-pages")
    held_out = Strips.load(sorted(shards.glob(f"{VALIDATION}-*.npz")))
    count = len(list(shards.glob(f"{TRAIN}-*.npz")))
    settings = StructureSettings(
        asked.epochs, asked.steps, asked.pairs, asked.learning_rate, asked.weight_decay, asked.seed,
        precision=asked.precision, width=asked.width, hard_negatives=asked.hard_negatives,
    )  # fmt: skip
    reader = fit_structure(
        context.folder / RUN, draw_from(shards, count, asked.at_once, asked.seed), held_out,
        settings, tick=context.tick,
        begin=partial(given.load_model, STRUCTURE) if asked.goes_on and given else None,
    )  # fmt: skip
    return keras.Model(reader.input, reader.output, name=reader.name)

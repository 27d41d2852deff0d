"""How the networks of a bundle are run in eight bits, by what each is given of composed pages."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from screening.build.pages import rows_of
from screening.bundle import Bundle, rewrite_bundle
from screening.bundle_schema import PartInfo
from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME_INDEX
from screening.evidence.structure import pairs_of
from screening.images.page import Page
from screening.images.read import read_image
from screening.karyogram.crops import toned
from screening.karyogram.locate import Located, Locator
from screening.karyogram.strip import cell_strips
from screening.predict.networks import Engine
from screening.record import Picture
from screening.worklist.pipeline import inspected

_SHOWN = 64
"""Pages that tell how large what the layers give becomes."""

Given = dict[str, list[tuple[np.ndarray, ...]]]
"""By part, the inputs of its network of each page."""


def with_rounding(bundle: Bundle, pages: Path, folder: Path) -> Bundle:
    """Write a bundle with how its networks are run in eight bits to `folder`, which may be its own,
    by pages of the folder `pages`; return it loaded."""
    from screening.predict.onnxruntime_engine import OnnxRuntimeEngine, rounding_of

    given = _given(bundle, OnnxRuntimeEngine(bundle), pages)
    parts = {
        name: part.model_copy(update={"rounding": rounding_of(bundle, name, given[name])})
        for name, part in bundle.info.parts.items()
        if isinstance(part, PartInfo)
    }
    info = bundle.info.model_copy(update={"parts": bundle.info.parts | parts})
    return rewrite_bundle(bundle, info, folder)


def _given(bundle: Bundle, engine: Engine, pages: Path) -> Given:
    """What the networks are given of pages from all over the folder, not rounded yet."""
    from screening.predict.chromosomes import ChromosomeClassifier

    classifier = ChromosomeClassifier(bundle, engine, passes=1)
    locator, screener = Locator.of(bundle), bundle.network("screener")
    rows = rows_of(pages)
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), _SHOWN)).astype(int)
    given: Given = defaultdict(list)
    for row in chosen:
        name = rows[row]["name"]
        grey = read_image(pages / name)
        seen = inspected(grey, Picture(name, ""), screener.size, locator, screener.view)
        if seen.tensor is None or seen.page is None or seen.located is None:
            continue
        shown = np.repeat(seen.tensor[None, ..., None].astype(np.float32), 3, -1)
        given["screener"].append((shown,))
        located, said = classifier.read(seen.located, seen.page.paper)
        given["classifier"].append((toned(said.crops, classifier.how.tone),))
        strips = _strips(located, said.p, seen.page)
        if strips is not None:
            given["structure"].append(strips)
    return given


def _strips(located: Located, p: np.ndarray, page: Page) -> tuple[np.ndarray, ...] | None:
    """What the reader of structure is given of a page whose chromosomes have the probabilities
    (n, 25): in the order of its inputs' names, None without any pair."""
    found = located.chromosomes
    names = [CHROMOSOMES[best] for best in p[:, :NOT_A_CHROMOSOME_INDEX].argmax(1)]
    pairs = pairs_of(names)
    if not len(pairs):
        return None
    windows = [page.paper[one.y : one.y + one.h, one.x : one.x + one.w] for one in found]
    strips = cell_strips(names, windows, [one.mask for one in found])
    classes = p[pairs[:, 0], :NOT_A_CHROMOSOME_INDEX].argmax(1).astype(np.int32)
    return classes, strips.quality[pairs], strips.strips[pairs].astype(np.float32)

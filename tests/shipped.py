"""The parts of the shipped bundle that find chromosomes, for tests that need them real."""

from __future__ import annotations

from functools import cache

import numpy as np

from screening.bundle import default_bundle, load_bundle
from screening.bundle_schema import FilePart
from screening.images.page import Page
from screening.karyogram.locate import ARBITER, SEGMENTER, Located, Locator

FINDER = {name: FilePart(file=name) for name in (SEGMENTER, ARBITER)}
"""Parts of a bundle's info whose contents `finder_files` returns."""


@cache
def locator() -> Locator:
    return Locator.of(load_bundle(default_bundle()))


def locate(paper: np.ndarray) -> Located:
    return locator().locate(Page(paper))


def finder_files() -> dict[str, bytes]:
    bundle = load_bundle(default_bundle())
    return {name: bundle.read_part(name) for name in FINDER}

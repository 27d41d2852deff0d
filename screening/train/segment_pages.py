"""Composed karyograms with the truth of every pixel, to teach `karyogram.locate` from.

A set is a folder of `NNNNN.npz`, each a page at the locator's own scale:
`page` uint8 (h, w) normalised; `kind` uint8 (h, w), an index into `segments.KINDS`; `ids` uint8
(h, w), which chromosome a pixel belongs to, 0 none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np

from screening.atomic import replaced_file
from screening.images.page import Page
from screening.karyogram.locate.segments import (
    BODY,
    BORDER,
    PRINT,
    page_copy,
    typical_width,
)
from screening.synthesis.compose import compose
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.printed import printed, random_kinds
from screening.synthesis.simulate import random_abnormality, sham, simulate
from screening.synthesis.style import Style, random_style

_INK = 245  # as in the composer: darker is part of a chromosome's picture
_PRINTED = 0.5
"""Share of the pages that are printed as laboratories do: what stands around, stout rows pressed
together, small and large pages."""


def harder(style: Style, rng: np.random.Generator) -> Style:
    """Return the style with more that is difficult: large letters, touching homologs, arrows."""
    if rng.random() < 0.3:
        style = replace(style, label_size=style.label_size * rng.uniform(1, 2.2))
    if rng.random() < 0.4:
        style = replace(
            style,
            homolog_gap=rng.uniform(-0.15, 0.15),
            gap_jitter=rng.uniform(0.05, 0.2),
            lean=rng.uniform(0, 0.6),
        )
    if rng.random() < 0.2:
        style = replace(style, arrows=int(rng.integers(1, 4)), underlines=int(rng.integers(0, 4)))
    if rng.random() < 0.15:
        style = replace(style, label_gap=rng.uniform(-0.004, 0.002))
    if rng.random() < 0.35:
        style = replace(
            style,
            cleft=rng.uniform(0.3, 1.0),
            splay=rng.uniform(0.1, 0.9),
            satellites=rng.uniform(0, 0.6),
        )
    if rng.random() < 0.4:  # as stout as the stoutest laboratories, and soft as they often are
        style = replace(
            style,
            stout=rng.uniform(1.4, 2.2),
            chromosome_blur=rng.uniform(0, 2.5) * style.width / 900,
        )
    if rng.random() < 0.3:  # as condensed as cells get: short and thick, chromatids in an X
        style = replace(
            style,
            stout=rng.uniform(1.8, 3.2),
            splay=rng.uniform(0.3, 1.3),
            cleft=rng.uniform(0.2, 1.0),
            bands=rng.uniform(0.4, 0.9),
            chromosome_blur=rng.uniform(0.3, 2.5) * style.width / 900,
        )
    return style


class Labelled(TypedDict):
    """A page's small copy, the kind of every pixel and the chromosome that it belongs to, uint8."""

    page: np.ndarray
    kind: np.ndarray
    ids: np.ndarray


def labelled(cell: Metaphase, seed: int) -> Labelled:
    """Return the arrays of one page composed of `cell`, see the module."""
    rng = np.random.default_rng(seed)
    style = harder(random_style(rng), rng)
    if rng.random() < 0.5:
        cell = simulate(cell, random_abnormality(rng, cell.sex), rng)
    else:
        cell = sham(cell, rng)
    if rng.random() < _PRINTED:
        karyogram = printed(cell, random_kinds(rng), rng, style).karyogram
    else:
        karyogram = compose(cell, style, rng)
    page, shrink = Page.of(karyogram.image).shrunk
    unit = typical_width(page) * float(np.exp(rng.normal(0, 0.1)))
    copy, scale = page_copy(page, unit)
    return _truth(copy, karyogram.laid, shrink * scale)


def _truth(copy: np.ndarray, laid: Sequence[tuple[np.ndarray, int, int]], scale: float) -> Labelled:
    height, width = copy.shape
    best = np.full((height, width), 0.5, np.float32)
    ids = np.zeros((height, width), np.uint8)
    near = np.zeros((height, width), np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    for number, (image, left, top) in enumerate(laid[:255], start=1):
        x0, y0 = max(0, int(left * scale) - 3), max(0, int(top * scale) - 3)
        x1 = min(width, int((left + image.shape[1]) * scale) + 4)
        y1 = min(height, int((top + image.shape[0]) * scale) + 4)
        if x1 <= x0 or y1 <= y0:
            continue
        mask = (image < _INK).astype(np.float32)
        pad = 3 + int(1 / scale)
        mask = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
        if scale < 1:
            mask = cv2.GaussianBlur(mask, (0, 0), 0.4 / scale)
        half = 0.5 * scale - 0.5  # pixel centres: the copy's (0, 0) lies inside the page's
        matrix = np.array(
            [
                [scale, 0, (left - pad) * scale + half - x0],
                [0, scale, (top - pad) * scale + half - y0],
            ]
        )
        soft = cv2.warpAffine(mask, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
        window = (slice(y0, y1), slice(x0, x1))
        mine = soft > best[window]
        ids[window][mine] = number
        best[window][mine] = soft[mine]
        near[window] += cv2.dilate((soft > 0.5).astype(np.uint8), kernel)
    ink = copy < 240
    kind = np.where(ink, PRINT, 0).astype(np.uint8)
    around = cv2.dilate((ids > 0).astype(np.uint8), kernel) > 0
    kind[around & (kind == PRINT)] = 0
    kind[ids > 0] = BODY
    kind[near >= 2] = BORDER
    return Labelled(page=copy, kind=kind, ids=ids)


def write_page(job: tuple[Path, Metaphase, int]) -> Path:
    """Return the path of a page composed of a cell with a seed, written there unless it exists."""
    path, cell, seed = job
    if not path.exists():
        with replaced_file(path) as hidden:
            made = labelled(cell, seed)
            np.savez_compressed(hidden, page=made["page"], kind=made["kind"], ids=made["ids"])
    return path


def page_jobs(
    folder: Path, cells: Sequence[Metaphase], count: int, seed: int
) -> list[tuple[Path, Metaphase, int]]:
    """Return what `write_page` takes for `count` pages in `folder`, cells by turns."""
    return [
        (folder / f"{i:05d}.npz", cells[i % len(cells)], seed * 1_000_000 + i) for i in range(count)
    ]

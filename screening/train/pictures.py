"""A manifest as the pictures a training reads: split by case, decoded once, varied on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from screening.classes import ABNORMAL
from screening.config import AugmentationConfig, DataConfig
from screening.data.augment import augment
from screening.data.manifest import ManifestPicture, read_manifest
from screening.data.slot_augment import augment_slots, boxes_beside, located
from screening.data.split import PARTS, Split, check_leaks, split_by_case
from screening.data.tables import Problems
from screening.errors import ImageError, ManifestError, ScreeningError
from screening.images.normalise import crop_margins, letterbox, normalise
from screening.images.page import Page
from screening.images.read import read_image
from screening.karyogram.compact import compact_of
from screening.karyogram.locate import Locator
from screening.setting_types import COMPACT, PLAIN
from screening.train.cache import Pictures

THREADS = 4


def read_parts(data: DataConfig) -> tuple[Split, dict[str, list[ManifestPicture]]]:
    """Return the split and part -> its items, every problem found before any training.

    ManifestError: missing or unlisted files, one label only, a case on two sides of a given split,
    two parts with the same file content.
    """
    items = read_manifest(data.manifest)
    labels = {item.label for item in items}
    if len(labels) < 2:
        raise ManifestError(
            f"{data.manifest}: expected normal and abnormal karyograms, received only "
            f"{labels.pop()} ones ({len(items)})"
        )
    if data.split is not None and data.split.suffix.lower() == ".csv":
        split = Split.from_table(data.split)
    elif data.split is not None:
        try:
            split = Split.from_json(data.split.read_text("utf-8"))
        except OSError as error:
            raise ManifestError(f"{data.split}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise ManifestError(f"{data.split}: expected a split in JSON or CSV") from None
    else:
        split = split_by_case(items, data.fractions, data.seed)
    check_leaks(split, items)
    return split, {part: split.select(items, part) for part in PARTS}


def load_pictures(
    items: Sequence[ManifestPicture],
    size: int,
    augmentation: AugmentationConfig | None = None,
    seed: int = 0,
    manifest: Path | None = None,
    locator: Locator | None = None,
    view: str = PLAIN,
) -> Pictures:
    """Return the items' pictures at `size`, by the very path of screening; variants when given.

    Variants are order-preserving (brightness, noise, blur), with `augmentation.slots` also changed
    inside the slots: boxes come from the truth beside the `manifest`, else from the `locator`. A
    variant depends on (seed, id, its number) only. The compact `view` needs a `locator`, and
    finds the chromosomes anew in every variant that is changed inside the slots. ManifestError
    lists every picture that cannot be read, or on which nothing was found to lay out.
    """
    problems = Problems("the images")

    def laid_out(page: Page) -> np.ndarray:
        if view == COMPACT:
            assert locator is not None, "the compact view shows what a locator finds"
            return compact_of(page, locator, size).picture
        return letterbox(crop_margins(page.paper), size)

    def plain(item: ManifestPicture) -> np.ndarray | None:
        try:
            grey = read_image(item.path, frame=item.frame)
            # The plain view is of the whole picture, as the networks so far were taught.
            return laid_out(Page.of(grey) if view == COMPACT else Page(normalise(grey)))
        except ImageError as error:
            problems.add(str(error))
        except ScreeningError as error:
            problems.add(f"{item.path}: {error}")
        return None

    with ThreadPoolExecutor(THREADS) as pool:
        decoded = [picture for picture in pool.map(plain, items) if picture is not None]
    problems.raise_if_any()
    labels = np.array([item.label == ABNORMAL for item in items], np.int64)
    stack = np.stack(decoded) if decoded else np.zeros((0, size, size), np.uint8)
    vary = None
    if augmentation is not None and augmentation.mode != "none":
        vary = _varied(items, stack, laid_out, augmentation.slots, seed, manifest, locator)
    return Pictures([item.id for item in items], labels, stack, vary)


def _varied(
    items: Sequence[ManifestPicture],
    plain: np.ndarray,
    laid_out: Callable[[Page], np.ndarray],
    slots: bool,
    seed: int,
    manifest: Path | None,
    locator: Locator | None,
) -> Callable[[int, int], np.ndarray]:
    change = augment(seed)
    boxes = boxes_beside(manifest) if slots and manifest is not None else {}

    def vary(row: int, variant: int) -> np.ndarray:
        item, image = items[row], plain[row]
        if slots:
            paper = normalise(read_image(item.path, frame=item.frame))
            placed = boxes.get(item.id) or (located(paper, locator) if locator else [])
            key = hashlib.sha256(f"{seed}/{variant}/{item.id}".encode()).digest()
            rng = np.random.default_rng(list(key[:8]))
            image = laid_out(Page(augment_slots(paper, placed, rng)))
        return change(np.ascontiguousarray(image), item.id, variant)

    return vary


def resized(pictures: np.ndarray, size: int) -> np.ndarray:
    """Return uint8 (n, size, size): square pictures made smaller by averaging."""
    if pictures.shape[1] == size:
        return pictures
    return np.stack([cv2.resize(p, (size, size), interpolation=cv2.INTER_AREA) for p in pictures])

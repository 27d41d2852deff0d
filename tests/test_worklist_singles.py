"""Single pictures of a folder whose lengths agree on one scale help each other to a class."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from screening.classes import CHROMOSOMES, RELATIVE_LENGTH
from screening.predict.chromosomes import Classified
from screening.reading_settings import ReadingSettings
from screening.worklist.discover import PictureFile
from screening.worklist.singles import name_singles

PAIRS = [("1", "19"), ("2", "20"), ("3", "21")]
"""Classes that the bands here cannot tell apart."""
PASSES = 7


class OfBandsAlone:
    """A classifier that takes each crop for the shorter class of its pair, by its paler half."""

    def of_crops(self, images, relative, cell=False):
        p = np.full((len(images), len(CHROMOSOMES) + 1), 0.001, np.float32)
        for row, image in zip(p, images.astype(float), strict=True):
            lower = image[48:].mean() - image[:48].mean()
            long, short = PAIRS[0 if abs(lower) < 10 else 1 if lower > 0 else 2]
            row[CHROMOSOMES.index(long)], row[CHROMOSOMES.index(short)] = 0.4, 0.45
        p /= p.sum(1, keepdims=True)
        each = np.repeat(p[None], PASSES, 0)
        none = np.zeros(len(p), np.float32)
        return Classified(p, each, none, none + 1, np.asarray(relative, np.float32), none)


def _folder(folder: Path, unit: float) -> list[PictureFile]:
    """Twelve bars as long as their classes at `unit` pixels to a percent; two cases."""
    found = []
    for number in range(12):
        pair = PAIRS[number % 3]
        name = pair[number // 3 % 2]
        long = round(unit * RELATIVE_LENGTH[name]) if unit else 60
        picture = np.full((long + 8, 24), 255, np.uint8)
        picture[4:-4, 7:17] = 60
        if number % 3:
            picture[4:-4, 7:17][long // 2 * (number % 3 - 1) :][: long // 2] = 150
        path = folder / f"{number:02d}-{name}.png"
        cv2.imwrite(str(path), picture)
        found.append(PictureFile(path.name, path, "ab"[number % 2]))
    return found


@pytest.mark.parametrize(("unit", "cells", "right"), [(12, True, 12), (12, False, 6), (0, True, 6)])
def test_lengths_help_where_they_agree_on_a_scale(tmp_path, unit, cells, right):
    named = list(name_singles(_folder(tmp_path, unit), OfBandsAlone(), ReadingSettings(), cells))
    assert len(named) == 12 and {one.case for one in named} == {"a", "b"}
    hit = [one.name == Path(one.image).stem.split("-")[1] for one in named]
    assert sum(hit) == right
    for one in named:
        assert one.confidence == 1 and (one.p > 0.8) == (right == 12)


def test_what_cannot_be_read_stays_with_its_reason(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    images = [*_folder(tmp_path, 12), PictureFile(broken.name, broken, "a")]
    named = {one.image: one for one in name_singles(images, OfBandsAlone(), ReadingSettings())}
    assert len(named) == 13 and named["broken.png"].problem and not named["broken.png"].name

"""A finished run of drawn karyograms for tests of the reading room: quick, and without networks."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from evidence_pages import Drawn, chromosomes, draw, say
from screening.bundle_schema import BundleInfo
from screening.evidence.reading import read_cell
from screening.images.page import Page
from screening.images.read import read_image
from screening.reading_settings import ReadingSettings
from screening.record import Picture, Reading, Seen
from screening.triage.rule import Rule
from screening.worklist.ledger import FILE_NAME, Ledger
from screening.worklist.left_out import LeftOut
from screening.worklist.looked import heat, plain_place
from screening.worklist.outputs import RunFacts, write_outputs

INFO = BundleInfo(name="fake", created="2026-11-24", parts={})
SIZE, SCALE = (600, 850), 0.5
BUNDLE, OPTIONS = "b" * 64, "o" * 64


def write_run(
    out: Path, folder: Path, changes: Mapping[str, str], failed: Sequence[str] = ()
) -> None:
    """A run over pictures by their names, each with the change ("+21", "") that its cell has."""
    pictures = [_written(folder, name, change) for name, change in changes.items()]
    pictures += [Picture(name, _case(name), reason="cut short") for name in failed]
    keep_run(out, folder, pictures)


def keep_run(out: Path, folder: Path, pictures: Sequence[Picture], together: bool = False) -> None:
    """Write a run's ledger and outputs for pictures that are known already."""
    out.mkdir(parents=True, exist_ok=True)
    settings = {
        "pictures": str(folder),
        "options_hash": OPTIONS,
        "min_confidence": 0.8,
        "rule": "votes",
        "cells_together": together,
    }
    with Ledger(out / FILE_NAME, BUNDLE, OPTIONS) as ledger:
        ledger.begin(settings, "2026-11-24T10:00:00+00:00", info=INFO.model_dump_json())
        ledger.add(pictures)
        facts = RunFacts(
            bundle_hash=BUNDLE, bundle_name="fake", options={},
            rule=Rule.of(INFO, together=together), passes=20, device="fake", engine="fake",
            started="", finished="", seconds=1.0, new=len(pictures), left_out=LeftOut({}, ()),
            notes=(),
        )  # fmt: skip
        write_outputs(out, ledger, facts)
        ledger.finish("2026-11-24T10:01:00+00:00")


def _case(name: str) -> str:
    return name.rpartition("/")[0] or name.rpartition(".")[0]


def _written(folder: Path, name: str, change: str) -> Picture:
    drawn = draw(chromosomes(change))
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = _sheet(drawn, name)
    sheet.save(path)
    thumbnail = io.BytesIO()
    sheet.resize((200, 128)).save(thumbnail, "JPEG")
    around = 0.95 if change else 0.05
    return Picture(
        name, _case(name), hashlib.sha256(path.read_bytes()).hexdigest(), "ok",
        objects=len(drawn.names), p=np.full(20, around, np.float32),
        reading=_read(drawn, Page.of(read_image(path))), thumbnail=thumbnail.getvalue(),
        heat=heat(np.eye(2, dtype=np.uint8) * 255, 416, [plain_place((64, 64), 416)], (64, 64)),
    )  # fmt: skip


def _sheet(drawn: Drawn, name: str) -> Image.Image:
    """Banded bars where the chromosomes stand, other ones for another name."""
    sheet = Image.new("L", SIZE, 255)
    pen = ImageDraw.Draw(sheet)
    rng = np.random.default_rng(list(name.encode()))
    for x, y, w, h in drawn.page.boxes * SCALE:
        pen.rounded_rectangle((x, y, x + w - 1, y + h - 1), 5, fill=110)
        for band in np.arange(y + 4, y + h - 4, 8):
            pen.rectangle((x, band, x + w - 1, band + 2), fill=int(rng.integers(40, 90)))
    return sheet


def _read(drawn: Drawn, page: Page) -> Reading:
    p = say(drawn.names)
    areas = (drawn.page.boxes[:, 2] * drawn.page.boxes[:, 3]).astype(int)
    reading = read_cell(p, drawn.page, drawn.lengths, ReadingSettings())
    placed = []
    for i, one in enumerate(reading.chromosomes):
        box = drawn.page.boxes[i] * SCALE
        x, y, w, h = page.fractions(box)[0].tolist()
        seen = Seen(
            tuple(p[i].tolist()), float(drawn.lengths[i]), tuple(int(v) for v in box),
            int(drawn.page.rows[i]), int(drawn.page.groups[i]), int(areas[i]),
        )  # fmt: skip
        corners = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
        placed.append(replace(one, x=x, y=y, w=w, h=h, outline=corners, seen=seen))
    return replace(reading, chromosomes=tuple(placed))

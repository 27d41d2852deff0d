"""Stages that teach a bundle to find chromosomes: pages with their truth, segmenter, arbiter."""

from __future__ import annotations

import json
import zlib
from functools import partial
from pathlib import Path

import numpy as np

from screening.build.data import complete_cells, records_of, split_in, taught
from screening.build.runner import Context
from screening.build.workers import each
from screening.data.split import TRAIN
from screening.karyogram.locate import ARBITER, SEGMENTER, Locator
from screening.karyogram.locate.arbiter import Arbiter
from screening.karyogram.locate.segments import Segmenter
from screening.train.arbiter import ArbiterSettings, examples, fit_arbiter, together
from screening.train.segment_pages import page_jobs, write_page

NET, FIT = "network", "arbiter"
_SEEDS = {NET: 11, FIT: 12}


def segment_pages(context: Context) -> None:
    """Compose pages with the truth of every pixel from training patients, for both stages.

    Some patients serve the arbiter alone: it must learn from what the network says of strangers.
    """
    config, wanted = context.settings, context.settings.segment_pages
    records = taught(records_of(context.data, config.sources), config.sources)
    chosen = split_in(context.of("split")).select(records, TRAIN)
    rng = np.random.default_rng(0)
    cells = complete_cells(chosen, config.sources.pooled, wanted.pooled, rng)
    held = [zlib.crc32(cell.case.encode()) % wanted.held == 0 for cell in cells]
    people = {
        NET: [cell for cell, out in zip(cells, held, strict=True) if not out],
        FIT: [cell for cell, out in zip(cells, held, strict=True) if out],
    }
    for kind, count in ((NET, wanted.network), (FIT, wanted.arbiter)):
        folder = context.folder / kind
        folder.mkdir(exist_ok=True)
        jobs = page_jobs(folder, people[kind] or cells, count, _SEEDS[kind])
        list(each(context, write_page, jobs, f"pages for the {kind}", chunk=8))


def segmenter(context: Context) -> None:
    """Teach the network that tells paper, chromosomes, borders and print apart; as ONNX."""
    from screening.train.onnx_file import onnx_model
    from screening.train.segmenter import SegmenterSettings, teach

    settings = SegmenterSettings(**dict(context.settings.segmenter))
    pages = _pages(context, NET)
    network = teach(pages, context.folder / "training", settings, context.tick)
    (context.folder / SEGMENTER).write_bytes(onnx_model(network))


def arbiter(context: Context) -> None:
    """Fit what decides whether two touching regions are one chromosome.

    First from the truth alone, then also from where the arbiter's own decisions lead.
    """
    settings = ArbiterSettings(**dict(context.settings.arbiter))
    network = Segmenter((context.of("segmenter") / SEGMENTER).read_bytes())
    pages = _pages(context, FIT)
    first = _collected(context, pages, network, None)
    stored, _ = fit_arbiter(*first, settings)
    second = _collected(context, pages, network, Arbiter.from_json(json.dumps(stored)))
    x, y, page = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    stored, reached = fit_arbiter(x, y, page, settings)
    (context.folder / "reached.json").write_text(json.dumps(reached) + "\n", "utf-8")
    (context.folder / ARBITER).write_text(json.dumps(stored), "utf-8")
    context.say(f"{reached['contacts']} contacts, {reached['wrong']:.1%} wrong on pages kept aside")


def finder_files(context: Context) -> dict[str, bytes]:
    """Return the contents of the two parts that find chromosomes, by their names."""
    return {name: (context.of(name) / name).read_bytes() for name in (SEGMENTER, ARBITER)}


def locator_of(context: Context) -> Locator:
    """Return what finds chromosomes with the parts that this build has made."""
    files = finder_files(context)
    gate = context.settings.reading.gate
    return Locator(Segmenter(files[SEGMENTER]), Arbiter.from_json(files[ARBITER]), gate)


def _pages(context: Context, kind: str) -> list[Path]:
    return sorted((context.of("segment-pages") / kind).glob("[0-9]*.npz"))


def _collected(
    context: Context, pages: list[Path], network: Segmenter, decided: Arbiter | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    do = partial(examples, segmenter=network, arbiter=decided)
    return together(list(each(context, do, pages, "pages read for the arbiter")))

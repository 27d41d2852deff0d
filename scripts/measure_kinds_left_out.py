"""Measure whether the reader of structure finds kinds of changes that no training showed it.

    python scripts/measure_kinds_left_out.py --data DATA --shards FOLDER --strips FOLDER

Writes reports/kinds_left_out.md. The reader is taught from nothing a few times over, always with
the same small budget: once by all kinds, and once without each of --kinds, which then stand neither
on the pages that teach nor in what the training cuts and joins. All are measured on people whom the
bundle never saw, on the strips of reports/structure.md, which are made where --strips lacks them;
one of its two ways of splicing no training has seen. --shards: the folder of the stage
structure-pages of a build. A reader in --run is not taught again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
from measure_structure import FOUND, PEOPLE, SINGLE_PICTURES, SPLICED, kept_strips, test_cells
from report_header import ROOT, add_report_arguments, begin, write
from structure_baselines import shards_of
from structure_tables import BANDS, FEWEST, RATES, Told, whole

from screening.bundle import default_bundle, load_bundle
from screening.karyogram.locate import Locator
from screening.metrics import auroc, markdown_table
from screening.models.structure import PAIR
from screening.train.structure import StructureSettings, fit_structure, new_reader, predict
from screening.train.structure_pages import KINDS, SHAM, Strips
from screening.train.structure_set import SHARES

ALL = "all kinds"
_ALIKE = {"t": ("t", "ins", "add")}
"""What is left out with a kind: the same seen otherwise."""
_AT = RATES.index(0.05)
_TELLS = 0.6
"""AUROC from which on it can be said how much of it is kept."""


def without(strips: Strips, kind: str) -> Strips:
    """Return the strips of all pairs of which neither homolog shows a change of this kind."""
    gone = [KINDS.index(one) for one in _ALIKE.get(kind, (kind,)) if one in KINDS]
    where = strips.pages.astype(np.int64) * 32 + strips.classes
    kept = ~np.isin(where, where[np.isin(strips.kinds, gone)])
    return Strips(
        strips.strips[kept], strips.labels[kept], strips.changed[kept], strips.classes[kept],
        strips.pages[kept], strips.kinds[kept], strips.sizes[kept], strips.quality[kept],
    )  # fmt: skip


def taught(folder: Path, strips: Strips, held_out: Strips, kind: str, steps: int) -> keras.Model:
    """Return the reader that `folder` keeps, or teach one without a kind (ALL: with all)."""
    shares = {name: s for name, s in SHARES.items() if name not in _ALIKE.get(kind, (kind,))}
    settings = StructureSettings(epochs=4, steps=steps // 4, shares=shares)
    weights = folder / "reader.weights.h5"
    if (folder / "DONE").exists():
        model = new_reader(settings)
        model.load_weights(weights)
        return model
    shown = strips if kind == ALL else without(strips, kind)
    model = fit_structure(folder, lambda _: shown, held_out, settings)
    (folder / "DONE").touch()
    return model


def rows_of(
    kind: str, sets: dict[str, Strips], said: dict[str, dict[str, np.ndarray]]
) -> list[list[object]]:
    """Return the lines of one kind: `said` by ALL and by the reader that never saw it."""
    told = {who: Told.of(sets, scores, together=True) for who, scores in said.items()}
    rows: list[list[object]] = []
    for how in SPLICED:
        pairs = sets[how].pairs()
        kinds, sizes = sets[how].kinds[pairs].max(1), sets[how].sizes[pairs].max(1)
        calm = kinds <= KINDS.index(SHAM)
        for low, high in BANDS:
            own = (kinds == KINDS.index(kind)) & (sizes >= low) & (sizes < high)
            areas, raised, count = [], [], 0
            for who, scores in said.items():
                cells = [c for c in told[who].made[how] if c.kind == kind and low <= c.size < high]
                count = len(cells)
                if count >= FEWEST:
                    areas.append(auroc(own[own | calm], scores[how][own | calm]))
                    found = np.array([whole(cell, together=True) for cell in cells])
                    raised.append(f"{100 * np.mean(found > told[who].limits[_AT]):.0f} %")
            if count >= FEWEST:
                kept = f"{100 * (areas[1] - 0.5) / (areas[0] - 0.5):.0f} %"
                band = f"{100 * low:.0f}-{100 * min(high, 1):.0f} %"
                rows.append([
                    kind, how, band, count, f"{areas[0]:.3f}", f"{areas[1]:.3f}",
                    kept if areas[0] >= _TELLS else "", *raised,
                ])  # fmt: skip
    return rows


def text_of(
    kinds: Sequence[str], seen: dict[str, dict[str, Strips]], readers: dict[str, keras.Model]
) -> str:
    """Return the tables of both ways of showing the cells."""
    text = [
        "Each reader saw the same number of pairs, far fewer than the shipped one: what counts is "
        "the difference between the columns. With a translocation (t) insertions and added pieces "
        "(add) are left out as well; doubled pieces that lie turned stay where inversions are left "
        "out. AUROC of changed pairs against the unchanged ones of the same pages; kept: how much "
        "of what it lies above 0.5, where all kinds reach 0.6; raised: share of the cells with "
        "this one change that lie above the limit that 5 % of the normal cells exceed.",
    ]
    for shown, sets in seen.items():
        said = {
            who: {how: predict(model, s, s.pairs(), (PAIR,))[PAIR] for how, s in sets.items()}
            for who, model in readers.items()
        }
        rows = [
            row for kind in kinds for row in rows_of(kind, sets, {w: said[w] for w in (ALL, kind)})
        ]
        head = ["kind", "made by", "changed", "cells", "AUROC, all kinds taught",
                "without this kind", "kept", "raised, all kinds", "raised without"]  # fmt: skip
        text += ["", f"## {PEOPLE}, {shown}", "", markdown_table(head, rows)]
    return "\n".join(text)


def main() -> None:
    """Teach, measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shards", type=Path, required=True, help="made by `screening build`")
    parser.add_argument("--most-shards", type=int, default=20)
    parser.add_argument("--strips", type=Path, default=ROOT / "runs" / "structure" / "measured")
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "kinds_left_out")
    parser.add_argument("--kinds", nargs="+", default=["inv", "t", "dup"], choices=KINDS[2:])
    parser.add_argument("--steps", type=int, default=1200, help="of 32 pairs, for each reader")
    add_report_arguments(parser)
    args = parser.parse_args()
    commit = begin(args)
    cv2.setNumThreads(1)
    bundle = load_bundle(default_bundle())
    strips = shards_of(args.shards, args.most_shards)
    held_out = Strips.load(sorted(args.shards.glob("validation-*.npz"))[:1])
    readers = {}
    for kind in (ALL, *args.kinds):
        folder = args.run / kind.replace(" ", "-")
        readers[kind] = taught(folder, strips, held_out, kind, args.steps)
        print(f"{kind}: taught", flush=True)
    cells, locator = test_cells(args.data, bundle)[PEOPLE], Locator.of(bundle)
    seen = {
        shown: kept_strips(args.strips, PEOPLE, shown, cells, locator, 2)
        for shown in (SINGLE_PICTURES, FOUND)
    }
    text = text_of(args.kinds, seen, readers)
    title = "Kinds of structural changes that no training showed"
    write(args, "kinds_left_out.md", title, commit, bundle, args.data, text)


if __name__ == "__main__":
    main()

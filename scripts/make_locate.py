"""Teach `karyogram.locate` again from a data folder, in one resumable command.

    python scripts/make_locate.py --data ../shared/data --split runs/bundle/split.json \\
        --out runs/locate

Stages, each skipped when its result lies in --out: pages with the truth of every pixel, composed
from training patients → the network that tells paper, chromosomes, borders and print apart → the
arbiter, fitted to pages of training patients that the network did not see. Writes `segments.onnx`
and `arbiter.json` into the package. About an hour on two cores; needs the package `onnx` besides
the project's own.
"""

from __future__ import annotations

import argparse
import json
import os
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from locate_fit import collected, fit
from locate_pages import UNSEEN, complete_cells, write_pages

import screening.karyogram.locate
from screening.data.chromosomes import read_cells
from screening.data.split import TRAIN, Split

_HELD = 7  # one training patient of so many fits the arbiter instead of the network


def main() -> None:
    """Run the stages that --out lacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pages", type=int, default=1000, help="to teach the network")
    parser.add_argument("--fit-pages", type=int, default=300, help="to fit the arbiter")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    package = Path(screening.karyogram.locate.__file__).parent
    records = [
        r for r in read_cells(args.data)
        if r.chromosomes[0].stain == "G" and r.source != UNSEEN
    ]  # fmt: skip
    cells = complete_cells(records, Split.from_json(args.split.read_text()), TRAIN)
    held = [zlib.crc32(cell.case.encode()) % _HELD == 0 for cell in cells]
    taught = [cell for cell, out in zip(cells, held, strict=True) if not out]
    fitted = [cell for cell, out in zip(cells, held, strict=True) if out]
    pages = write_pages(args.out / "net", taught, args.pages, 11, args.workers)
    others = write_pages(args.out / "fit", fitted, args.fit_pages, 12, args.workers)

    weights = args.out / "net.weights.h5"
    from locate_net import build, onnx_model, teach

    if weights.exists():
        network = build()
        network.load_weights(weights)
    else:
        network = teach(pages, weights, args.steps)
    (package / "segments.onnx").write_bytes(onnx_model(network))
    # First from the truth alone, then also from where the arbiter's own decisions lead.
    first = collected(others, learned=False, workers=args.workers)
    (package / "arbiter.json").write_text(json.dumps(fit(*first)))
    second = collected(others, learned=True, workers=args.workers)
    both = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    (package / "arbiter.json").write_text(json.dumps(fit(*both)))


if __name__ == "__main__":
    main()

"""What `compose` and `simulate` share: where cells come from, and how pictures and truth are kept.

OUT/karyograms/00001.png …, OUT/manifest.csv (path, label, case, iscn, kind, source, cell) and
OUT/truth.jsonl (one object per picture: boxes of all chromosomes and of the 24 slots). The manifest
is written last: an interrupted run leaves none.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from screening.atomic import replace_files
from screening.errors import ScreeningError

if TYPE_CHECKING:
    import numpy as np

    from screening.data.chromosomes import CellRecord
    from screening.synthesis.cell import Cell
    from screening.synthesis.compose import Karyogram

DRAWN = "drawn"
MANIFEST_COLUMNS = ("path", "label", "case", "iscn", "kind", "source", "cell")
PICTURES = "karyograms"


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that both commands have."""
    parser.add_argument(
        "source",
        help="folder of single-chromosome pictures (with chromosomes.csv, or 24 folders named 0…23 "
        "or 1…22, X, Y), a CSV of them, or the word drawn: then chromosomes are drawn from the "
        "band table and no data is needed",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures and truth")
    parser.add_argument(
        "--seed", type=int, default=0, help="same seed, same pictures (%(default)s)"
    )
    parser.add_argument(
        "--style",
        choices=("clinical", "random"),
        default="clinical",
        help="clinical: a common laboratory printout; random: the looks of many laboratories "
        "(%(default)s)",
    )
    parser.add_argument(
        "--sources",
        nargs="+",
        metavar="NAME",
        help="use only these sources of a data folder (default: all G-banded ones)",
    )
    parser.add_argument("--format", choices=("png", "jpg"), default="png", help="(%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results in --out")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def check_shared(args: argparse.Namespace) -> None:
    """Raises one ScreeningError that names every value out of range."""
    problems = []
    if args.count is not None and args.count < 1:
        problems.append(f"--count expects 1 or more, received {args.count}")
    if not 0 <= args.seed < 2**31:
        problems.append(f"--seed expects 0 to {2**31 - 1}, received {args.seed}")
    if args.out.exists() and not args.out.is_dir():
        problems.append(f"--out expects a folder, {args.out} is a file")
    elif (args.out / "manifest.csv").exists() and not args.overwrite:
        problems.append(
            f"{args.out} already holds a manifest.csv: choose another folder or pass --overwrite"
        )
    if problems:
        raise ScreeningError("; ".join(problems))


def read_source(args: argparse.Namespace) -> list[CellRecord] | None:
    """The complete cells of the source folder, or None when chromosomes are to be drawn.

    Cells that are incomplete are left out: they belong to neither label. Other stains than G are
    left out unless `--sources` names them.
    """
    if args.source == DRAWN and not Path(DRAWN).exists():
        return None
    from screening.data.chromosomes import INCOMPLETE, read_cells

    records = read_cells(args.source, args.sources)
    if not args.sources:
        records = [r for r in records if all(c.stain == "G" for c in r.chromosomes)]
    complete = [record for record in records if record.label != INCOMPLETE]
    if not complete:
        raise ScreeningError(
            f"expected complete cells (46 chromosomes known to be of one cell) in {args.source}, "
            f"received {len(records)} incomplete ones; give a folder with cells, or use: drawn"
        )
    return complete


def draw(rng: np.random.Generator, number: int, sex: str | None = None) -> Cell:
    """One drawn cell, a case of its own; its sex is drawn too unless given."""
    from screening.synthesis.drawn import draw_cell

    chosen = ("XX", "XY")[int(rng.integers(2))]
    return draw_cell(rng, sex or chosen, case=f"drawn-{number:05d}", cell="1")


@dataclass(frozen=True, eq=False)
class Made:
    """One finished karyogram, whose cell it shows, how it was made and from which recipe."""

    karyogram: Karyogram
    cell: Cell
    kind: str
    recipe: str = ""


def write_all(args: argparse.Namespace, count: int, make: Callable[[int], Made]) -> None:
    """Writes `count` pictures made by `make(index)` and then their truth.

    `kind` is composed, sham or simulated. Raises ScreeningError when OUT cannot be written.
    """
    folder = args.out / PICTURES
    rows, truths, counted = [], [], []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in [args.out / "manifest.csv", *folder.glob("[0-9]*.???")]:
            stale.unlink(missing_ok=True)
        for index in _progress(range(count), args.quiet):
            made = make(index)
            name = f"{PICTURES}/{index + 1:05d}.{args.format}"
            (args.out / name).write_bytes(_encode(made.karyogram.image, args.format))
            rows.append(_row(name, made))
            truths.append(json.dumps(_truth(name, made, args.seed), ensure_ascii=False))
            counted.append(made.karyogram.label)
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, MANIFEST_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        lines = "".join(line + "\n" for line in truths)
        replace_files(args.out, {"truth.jsonl": lines, "manifest.csv": table.getvalue()})
    except OSError as error:
        raise ScreeningError(
            f"cannot write to {args.out}: {error.strerror}; choose a folder with room and write "
            "permission"
        ) from error
    if not args.quiet:
        _summarise(args.out, counted)


def _row(name: str, made: Made) -> dict[str, str]:
    return {
        "path": name,
        "label": made.karyogram.label,
        "case": made.cell.case,
        "iscn": made.karyogram.iscn,
        "kind": made.kind,
        "source": made.cell.source,
        "cell": made.cell.cell,
    }


def _truth(name: str, made: Made, seed: int) -> dict[str, object]:
    height, width = made.karyogram.image.shape
    return {
        **_row(name, made),
        "recipe": made.recipe,
        "seed": seed,
        "width": width,
        "height": height,
        "boxes": [asdict(box) for box in made.karyogram.boxes],
        "slots": [asdict(slot) for slot in made.karyogram.slots],
    }


def _encode(image: np.ndarray, suffix: str) -> bytes:
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix == "jpg" else []
    return cv2.imencode(f".{suffix}", image, options)[1].tobytes()


def _progress(items: range, quiet: bool) -> Iterable[int]:
    from rich.console import Console
    from rich.progress import track

    return track(items, "Composing", console=Console(stderr=True), disable=quiet)


def _summarise(out: Path, labels: list[str]) -> None:
    from rich.console import Console

    parts = ", ".join(f"{labels.count(label)} {label}" for label in sorted(set(labels)))
    Console(highlight=False, soft_wrap=True).print(
        f"{len(labels)} karyograms ({parts}) with manifest.csv and truth.jsonl in {out}",
        markup=False,
    )

"""The golden run: the same pictures screened before and after a change, compared number by number.

    python scripts/measure_golden.py make FOLDER [--data DATA]     pictures, the same every time
    python scripts/measure_golden.py screen FOLDER --to FILE.json  every number that was measured
    python scripts/measure_golden.py compare OLD.json NEW.json     ends with 1 when one differs
    python scripts/measure_golden.py keep                          the drawn part, for the tests

Pictures: the demo, drawn karyograms, and with a data folder composed and simulated ones of real
chromosomes and its whole karyograms. Kept of each: its row of the work list, every dropout pass,
and the reading chromosome by chromosome. A change of the structure must leave all equal to 1e-6.
The drawn part stays as a test (`tests/golden_drawn.json`); `keep` writes it anew, and the answers
of `screening doctor --self-test`, which only a new bundle justifies.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from screening.bundle import default_bundle, load_bundle
from screening.classes import ENGINES
from screening.cli import main as screening
from screening.commands import self_test
from screening.demo import demo_folder, self_test_answers
from screening.record import Picture
from screening.worklist.ledger import FILE_NAME, Ledger
from screening.worklist.run import options_hash

TOLERANCE = 1e-6
KEPT = Path(__file__).resolve().parents[1] / "tests" / "golden_drawn.json"
PASSES = 100


def make(folder: Path, data: Path | None) -> None:
    """Write the pictures of the golden run below `folder`."""
    shutil.copytree(demo_folder(), folder / "demo", dirs_exist_ok=True)
    quiet = ["--quiet", "--overwrite"]
    draw(folder / "drawn")
    if data is None:
        return
    for name, extra in {
        "numerical": ("--count", "40", "--seed", "5"),
        "structural": ("--count", "20", "--seed", "6", "--structural", "1"),
    }.items():
        style = ("--style", "random", *extra)
        _call("simulate", data, "--out", folder / name, *style, *quiet)
    shutil.copytree(data / "karyograms", folder / "karyograms", dirs_exist_ok=True)


def screen(folder: Path, bundle: Path | None = None, engine: str = "auto") -> dict[str, Any]:
    """Return what screening `folder` measures, by picture."""
    bundle = bundle or default_bundle()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        where = [
            "--out",
            out,
            "--bundle",
            bundle,
            "--passes",
            PASSES,
            "--engine",
            engine,
            "--quiet",
        ]
        _call("screen", folder, *where)
        rows = [json.loads(line) for line in (out / "triage.jsonl").read_text("utf-8").splitlines()]
        measured = {row["image"]: {"row": row} for row in rows}
        with Ledger(out / FILE_NAME, load_bundle(bundle).hash, options_hash(PASSES, 0)) as ledger:
            for result in ledger.results():
                measured[result.image] |= _measured(result)
    return measured


def draw(folder: Path) -> None:
    """Write the drawn pictures of the golden run into `folder`."""
    drawn = ["simulate", "drawn", "--count", "6", "--seed", "11", "--style", "random"]
    _call(*drawn, "--out", folder, "--quiet", "--overwrite")


def differences(old: Any, new: Any, tolerance: float = TOLERANCE, where: str = "") -> list[str]:
    """Return what differs between two golden runs, one line each."""
    if isinstance(old, dict) and isinstance(new, dict):
        lost = [f"{where}/{key}: only in one" for key in old.keys() ^ new.keys()]
        shared = [key for key in old if key in new]
        return lost + [
            line for k in shared for line in differences(old[k], new[k], tolerance, f"{where}/{k}")
        ]
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return [f"{where}: {len(old)} values, then {len(new)}"]
        pairs = enumerate(zip(old, new, strict=True))
        return [
            line for i, (a, b) in pairs for line in differences(a, b, tolerance, f"{where}[{i}]")
        ]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (old, new))
    if numbers and math.isclose(old, new, rel_tol=0.0, abs_tol=tolerance):
        return []
    return [] if old == new else [f"{where}: {old!r}, then {new!r}"]


def rounded(value: Any) -> Any:
    """Return the values with numbers of six decimals, as a file of the repository keeps them."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


def _measured(picture: Picture) -> dict[str, Any]:
    """Return the passes and the reading of one picture as plain values."""
    read = picture.reading
    measured: dict[str, Any] = {"p": [] if picture.p is None else [float(p) for p in picture.p]}
    if read is None:
        return measured
    features = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in picture.features.items()
        if name != "network"
    }
    return measured | {
        "features": features,
        "karyotypes": [list(pair) for pair in read.karyotypes],
        "p_normal": read.p_normal,
        "layout_score": read.layout_score,
        "counts": dict(read.counts),
        "doubts": list(picture.doubts),
        "notes": list(picture.notes),
        "chromosomes": [
            [one.x, one.y, one.w, one.h, one.name, one.probability, one.position, one.doubtful,
             one.misplaced]
            for one in read.chromosomes
        ],
    }  # fmt: skip


def _call(*arguments: object) -> None:
    status = screening([str(each) for each in arguments])
    if status not in (0, 3):
        raise SystemExit(status)


def main() -> int:
    """Run the step asked for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    making = steps.add_parser("make", help="write the pictures")
    making.add_argument("folder", type=Path)
    making.add_argument("--data", type=Path, help="folder with chromosomes.csv and karyograms/")
    screening_ = steps.add_parser("screen", help="screen them, keep every number")
    screening_.add_argument("folder", type=Path)
    screening_.add_argument("--to", type=Path, required=True)
    screening_.add_argument("--bundle", type=Path, help="default: the shipped one")
    screening_.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    steps.add_parser("keep", help="write the drawn part of the tests anew")
    comparing = steps.add_parser("compare", help="compare two runs")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    comparing.add_argument("--tolerance", type=float, default=TOLERANCE)
    args = parser.parse_args()
    if args.step == "make":
        make(args.folder, args.data)
    elif args.step == "screen":
        measured = screen(args.folder, args.bundle, args.engine)
        args.to.write_text(json.dumps(measured, indent=0, sort_keys=True) + "\n", "utf-8")
        print(f"{len(measured)} pictures")
    elif args.step == "keep":
        with tempfile.TemporaryDirectory() as scratch:
            draw(Path(scratch))
            kept = rounded(screen(Path(scratch)))
        KEPT.write_text(json.dumps(kept, sort_keys=True, separators=(",", ":")) + "\n", "utf-8")
        bundle = load_bundle(default_bundle())
        self_test.keep(bundle.folder, bundle.hash)
        print(KEPT, self_test_answers())
    else:
        old, new = (json.loads(path.read_text("utf-8")) for path in (args.old, args.new))
        found = differences(old, new, args.tolerance)
        print("\n".join(found[:50]) or f"{len(old)} pictures, all equal to {args.tolerance:g}")
        return int(bool(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure every report anew, those first that others share pages with; nothing twice.

    python scripts/make_reports.py --data DATA [--most 200] [--all] [--only fused stress]

Pages are composed once and scored once: the scripts share what scripts/measured_pages.py keeps in
runs/. A report is kept when its commit differs from the present one in no code and its bundle is
the shipped one. With --all also those that hang on no bundle and take long.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from report_header import MEASURED, ROOT, add_report_arguments, begin, read_header

from screening.bundle import default_bundle, load_bundle


@dataclass(frozen=True)
class Step:
    """A report: its name, script, arguments; `pages`: it reads the shared pages, `data`: the data
    alone; `long`: it hangs on no setting of the bundle and takes long."""

    name: str
    script: str
    words: tuple[str, ...] = ()
    pages: bool = False
    long: bool = False
    data: bool = False


STEPS = (
    Step("guarantee", "measure_guarantee.py"),
    Step("fused", "measure_fused.py", pages=True),
    Step("structural_pages", "measure_structural_pages.py", pages=True),
    Step("straightening", "measure_straightening.py", data=True, long=True),
    Step("structure", "measure_structure.py", data=True),
    Step("odd_structure", "measure_odd_structure.py", data=True),
    Step("cells", "measure_cells.py", data=True),
    Step("singles", "measure_singles.py", data=True),
    Step("denoising", "measure_denoising.py", data=True),
    Step("ganomaly", "measure_ganomaly.py", data=True),
    Step("selective", "measure_selective.py", pages=True),
    Step("confidence", "measure_confidence.py", pages=True),
    Step("locate", "measure_locate.py", ("--count", "70"), pages=True),
    Step("clusters", "measure_clusters.py", pages=True),
    Step("printed", "measure_printed.py", ("--count", "10"), pages=True),
    Step("compact", "measure_compact.py", pages=True),
    Step("classifier", "measure_classifier.py", pages=True),
    Step("bands", "measure_bands.py", ("--limit", "5"), pages=True),
    Step("stress", "measure_stress.py", ("--limit", "8"), pages=True),
    Step("screen", "bench_screen.py", ("--images", "16")),
    Step("review", "bench_review.py"),
    Step("faults", "measure_faults.py", ("--kills", "100", "--networks", "3"), long=True),
    Step("fuzz", "fuzz_readers.py", ("--executions", "560000", "--seed", "1"), long=True),
    Step("training", "bench_training.py", long=True),
    Step("mc_dropout", "bench_mc_dropout.py", ("--pairs", "7"), long=True),
    Step("benchmark24", "measure_benchmark.py", long=True, data=True),
    Step(
        "thesis",
        "reproduce_thesis.py",
        ("--size", "96", "--base-epochs", "2"),
        long=True,
        data=True,
    ),
)
"""In this order. reports/search.md, mutants.md and kinds_left_out.md have commands of their own;
with `--shards` of a build that of reports/structure.md compares with trained baselines as well."""


def is_current(path: Path, bundle: str) -> bool:
    """Return whether a report is of the present code, and of no bundle or this one."""
    if not path.is_file():
        return False
    said = read_header(path.read_text("utf-8"))
    if said.get("bundle", "").partition(":")[0] not in ("none", f"sha256 {bundle}"):
        return False
    commit = said.get("commit", "no commit")
    words = ["git", "diff", "--quiet", commit, "HEAD", "--", *MEASURED]
    return not subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode


def main() -> int:
    """Measure what is not current; return 1 when a script failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_report_arguments(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder of single chromosomes")
    parser.add_argument("--most", type=int, help="pages of each part (default: all)")
    parser.add_argument("--all", action="store_true", help="also what hangs on no bundle")
    parser.add_argument("--only", nargs="+", choices=[step.name for step in STEPS], default=[])
    parser.add_argument("--redo", action="store_true", help="also what is current")
    args = parser.parse_args()
    begin(args)
    bundle, failed = load_bundle(default_bundle()).hash, []
    for step in STEPS:
        asked = step.name in args.only if args.only else args.all or not step.long
        path = args.reports / f"{step.name}.md"
        if not asked or (not args.redo and is_current(path, bundle)):
            print(f"{step.name}: {'current' if asked else 'not asked for'}", flush=True)
            continue
        words = [*step.words, "--reports", str(args.reports), *(["--draft"] if args.draft else [])]
        if step.pages or step.data:
            words += ["--data", str(args.data)]
        if step.pages and args.most:
            words += ["--most", str(args.most)]
        clock = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / step.script), *words], cwd=ROOT
        )
        failed += [step.name] if done.returncode else []
        word = f"status {done.returncode}" if done.returncode else "done"
        print(f"{step.name}: {word} after {time.perf_counter() - clock:.0f} s", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

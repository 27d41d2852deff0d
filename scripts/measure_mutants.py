"""Do the tests notice when the code is wrong? Small wrong changes, and how many are noticed.

    python scripts/measure_mutants.py [MODULE ...] [--workers 1] [--share 1.0] [--seed 0]

Changes the modules that the promise rests on in every way of scripts/mutant_operators.py, one
change at a time, and runs the tests of the module that `make test` runs too. A change that no test
notices survives: either a test is missing, or the change makes no difference, which is judged by
hand, with the reason, in scripts/equivalent_mutants.yaml. MODULE is a part of a module's path. What
was found is kept in build/ until the module, what it imports or its tests change; from all that is
kept and current reports/mutants.md is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mutant_runs
import yaml
from mutant_imports import ROOT, dependencies
from mutant_operators import Mutant, mutants
from mutant_runs import SURVIVED, TIMED_OUT, TestsFail, Verdict
from report_header import commit, header

REPORT = ROOT / "reports" / "mutants.md"
EQUIVALENT = ROOT / "scripts" / "equivalent_mutants.yaml"
KEPT = ROOT / "build" / "mutants.json"
BAR = 0.9

_TRIAGE = (
    "triage", "triage_rule", "triage_policy", "triage_cases", "triage_findings",
    "uncertainty_venn_abers",
)  # fmt: skip
TESTS: dict[str, tuple[str, ...]] = {
    "screening/triage/cases.py": _TRIAGE,
    "screening/triage/findings.py": _TRIAGE,
    "screening/triage/policy.py": _TRIAGE,
    "screening/triage/rule.py": _TRIAGE,
    "screening/evidence/fusion.py": ("evidence_fusion", "evidence_reading"),
    "screening/evidence/reading.py": ("evidence_reading", "evidence_slots"),
    "screening/uncertainty/risk_control.py": ("uncertainty_risk_control",),
    "screening/uncertainty/venn_abers.py": ("uncertainty_venn_abers",),
    "screening/uncertainty/certificate.py": ("uncertainty_certificate",),
    "screening/data/split.py": ("data_split",),
    "screening/synthesis/simulate.py": ("synthesis_simulate",),
    "screening/worklist/ledger.py": ("worklist_ledger",),
    "screening/worklist/pipeline.py": ("worklist_pipeline",),
    "screening/worklist/outputs.py": ("worklist_outputs",),
}
"""The tests that are to notice a change of each module: tests/test_<name>.py."""


@dataclass(frozen=True)
class Measured:
    """A module's mutants with their verdicts; `total`: how many it has, of which a share ran."""

    module: str
    total: int
    ran: list[tuple[Mutant, Verdict]]
    equivalent: Mapping[tuple[str, str], str]

    def survivors(self) -> list[tuple[Mutant, Verdict]]:
        """Return what no test noticed and nobody judged to make no difference."""
        return [(m, v) for m, v in self.ran if not v.killed and m.name not in self.equivalent]

    def judged(self) -> list[tuple[Mutant, Verdict]]:
        """Return the survivors that were judged to make no difference."""
        return [(m, v) for m, v in self.ran if not v.killed and m.name in self.equivalent]

    def row(self) -> list[object]:
        """Return the module's line of the table."""
        killed = sum(v.killed for _, v in self.ran)
        late = sum(v.word == TIMED_OUT for _, v in self.ran)
        equivalent = len(self.judged())
        counted = len(self.ran) - equivalent
        ran = str(self.total) if len(self.ran) == self.total else f"{len(self.ran)} of {self.total}"
        share = f"{killed / counted:.3f}" if counted else "–"
        return [f"`{self.module}`", ran, killed, late, equivalent, len(self.survivors()), share]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write reports/mutants.md; parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="default: all of the table")
    parser.add_argument("--workers", type=int, default=1, help="mutants at a time (default 1)")
    parser.add_argument("--share", type=float, default=1.0, help="share of the mutants to run")
    parser.add_argument("--seed", type=int, default=0, help="which ones, with --share")
    options = parser.parse_args(arguments)
    chosen = [m for m in TESTS if not options.modules or any(p in m for p in options.modules)]
    if not chosen:
        parser.error(f"expected a part of {', '.join(TESTS)}, received {options.modules}")
    mutant_runs.preload()
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    failed = []
    for module in chosen:
        try:
            _run(module, options, kept)
        except TestsFail as error:
            failed.append(str(error))
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True), "utf-8")
    found = [m for m in (_measured(module, kept) for module in TESTS) if m is not None]
    REPORT.write_text(report(found), "utf-8")
    for measured in found:
        if measured.module in chosen:
            print(*measured.row(), sep="  ")
            _stale(measured)
    if failed:
        sys.exit("\n".join(failed))


def _test_files(module: str) -> list[str]:
    names = [f"tests/test_{name}.py" for name in TESTS[module]]
    return [name for name in names if (ROOT / name).exists()]


def _key(module: str) -> str:
    """A hash of all that a module's verdicts rest on: itself and what it imports of the package,
    its tests and what they share, and the changes that are made."""
    tests = [ROOT / name for name in _test_files(module)]
    text = "".join(test.read_text("utf-8") for test in tests)
    helpers = [p for p in sorted((ROOT / "tests").glob("*.py")) if f"from {p.stem} import" in text]
    operators = ROOT / "scripts" / "mutant_operators.py"
    below = [ROOT / f"{name.replace('.', '/')}.py" for name in sorted(dependencies(module))]
    files = [ROOT / module, *(p for p in below if p.exists()), *tests, *helpers, operators]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _run(module: str, options: argparse.Namespace, kept: dict) -> None:
    """Run what is not known of the module's mutants, and put it into `kept`."""
    every = mutants((ROOT / module).read_text("utf-8"))
    rng = random.Random(f"{options.seed} {module}")
    sample = [m for m in every if rng.random() < options.share]
    old = kept.get(module, {"key": "", "verdicts": []})
    verdicts = {(line, change): Verdict(word, by) for line, change, word, by in old["verdicts"]}
    first = {name: verdict.by for name, verdict in verdicts.items()}
    key = _key(module)
    if old["key"] != key:
        verdicts = {}
    missing = [m for m in sample if m.name not in verdicts]
    started = time.monotonic()

    def tell(done: int) -> None:
        if sys.stderr.isatty() or done == len(missing):
            spent = time.monotonic() - started
            print(f"\r{module}: {done} of {len(missing)}, {spent:.0f} s", end="", file=sys.stderr)

    if missing:
        tests = _test_files(module)
        found = mutant_runs.run_module(module, tests, missing, first, options.workers, tell)
        print(file=sys.stderr)
        verdicts |= {m.name: v for m, v in zip(missing, found, strict=True)}
    kept[module] = {
        "key": key,
        "verdicts": [[*name, verdict.word, verdict.by] for name, verdict in verdicts.items()],
    }


def _measured(module: str, kept: Mapping) -> Measured | None:
    """What is kept of a module, None where there is nothing or it is not of today's files."""
    if module not in kept or kept[module]["key"] != _key(module):
        return None
    verdicts = {(line, change): Verdict(w, by) for line, change, w, by in kept[module]["verdicts"]}
    every = mutants((ROOT / module).read_text("utf-8"))
    judged = yaml.safe_load(EQUIVALENT.read_text("utf-8")) or {}
    equivalent = {
        (entry["line"], change): entry["reason"]
        for entry in judged.get(module, ())
        for change in entry["changes"]
    }
    ran = [(m, verdicts[m.name]) for m in every if m.name in verdicts]
    return Measured(module, len(every), ran, equivalent)


def _stale(measured: Measured) -> None:
    """Say which entries of the table of equivalent mutants are of no use."""
    verdicts = {m.name: v for m, v in measured.ran}
    for name in measured.equivalent:
        if name in verdicts and verdicts[name].killed:
            print(f"  judged equivalent, yet killed by {verdicts[name].by}: {name}")
        elif name not in verdicts and len(measured.ran) == measured.total:
            print(f"  judged equivalent, but there is no such mutant: {name}")


def report(found: Sequence[Measured]) -> str:
    """Return the report as Markdown."""
    from screening.metrics import markdown_table  # brings NumPy, which `preload` comes before

    columns = ["module", "mutants", "killed", "of these timed out", "equivalent", "survived",
               "killed of the non-equivalent"]  # fmt: skip
    survivors = [(f, m, v) for f in found for m, v in f.survivors()]
    lines = [
        "# Do the tests notice when the code is wrong?",
        header(commit(), "the code is measured, no bundle", "the tests bring their own").strip(),
        "What was found earlier on the very same module, imports and tests is kept, not run again.",
        "Each mutant is one small wrong change (`scripts/mutant_operators.py`); killed is one that "
        "a test of `make test` notices, by failing or by not ending. Equivalent ones make no "
        "difference that anybody could see, judged by hand with the reason in "
        f"`scripts/equivalent_mutants.yaml`. The bar is {BAR:g} of the others.",
        markdown_table(columns, [measured.row() for measured in found]),
        f"## Survivors ({len(survivors)})",
    ]
    lines += [
        "\n".join(
            f"- {f.module}:{m.number} `{m.change}`"
            + ("" if v.word == SURVIVED else " (no test executes it)")
            for f, m, v in survivors
        )
        or "None."
    ]
    return "\n\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

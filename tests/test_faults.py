"""A few of the faults that scripts/measure_faults.py injects by the hundred: nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
QUICK = """
import sys, tempfile
from dataclasses import asdict
from pathlib import Path
import json, numpy as np
import measure_faults as faults
from fault_bench import Bench

rng = np.random.default_rng(1)
bench = Bench(Path(sys.argv[1]), pictures=8)
found = {
    "random": faults.killed_at_random(bench, 3, rng),
    "write": faults.killed_at_writes(bench, 4),
    "full": faults.full_at_writes(bench, 4),
    "damaged": faults.damaged(bench, 6, rng),
    "two": faults.two_at_once(bench, 2, rng),
    "watch": faults.killed_watching(bench, 2, rng),
    "tune": faults.killed_command(faults.Tuning(bench.scratch), 4, rng),
    "build": faults.killed_command(faults.Building(bench.scratch), 6, rng),
    "clock": faults.killed_at_random(bench, 2, rng, faults.clock_set_back),
}
print(json.dumps({name: asdict(one) | {"said": sorted(one.said)} for name, one in found.items()}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What became of each fault, in a process that has no threads when it forks."""
    done = subprocess.run(
        [sys.executable, "-c", QUICK, str(tmp_path_factory.mktemp("faults"))],
        capture_output=True, text=True, check=True, cwd=ROOT / "scripts",
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "name", ["random", "write", "full", "damaged", "two", "watch", "tune", "build", "clock"]
)
def test_nothing_is_lost_doubled_wrong_or_half_written(found: dict[str, dict], name: str) -> None:
    tally = found[name]
    assert tally["injected"] >= 2
    harm = ("lost", "doubled", "wrong", "half", "crashed")
    assert {key: tally[key] for key in harm} == dict.fromkeys(harm, 0), tally["said"]


def test_a_full_disk_is_told_with_the_way_on(found: dict[str, dict]) -> None:
    assert found["full"]["told"] == found["full"]["injected"]
    assert all("--resume" in said or "--out" in said for said in found["full"]["said"])

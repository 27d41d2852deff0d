"""`screening doctor`: its bound of memory; --self-test: known answers, and what may differ."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from screening.bundle import default_bundle, load_bundle
from screening.cli import main
from screening.commands import doctor, self_test
from screening.demo import demo_folder
from screening.errors import ScreeningError


@pytest.fixture
def answers() -> dict:
    known = self_test.known(load_bundle(default_bundle()).hash)
    assert known is not None, "a new bundle: python scripts/measure_golden.py keep"
    return known


def test_the_shipped_bundle_has_known_answers(answers: dict) -> None:
    assert set(answers) == set(self_test.PICTURES)
    assert all((demo_folder() / name).is_file() for name in answers)
    assert {row["route"] for row in answers.values()} == {"low-priority", "flag"}
    assert self_test.known("0" * 64) is None


def test_what_differs_is_named(answers: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    def given(changed: dict | Exception) -> doctor.Finding:
        def measured(folder: Path) -> dict:
            if isinstance(changed, Exception):
                raise changed
            return changed

        monkeypatch.setattr(self_test, "measure", measured)
        return doctor.self_test_finding(None)

    assert given(answers).state == "ok"
    name = self_test.PICTURES[0]
    other = copy.deepcopy(answers)
    other[name]["p_abnormal"] += 0.9 * self_test.TOLERANCE
    assert given(other).state == "ok"
    other[name]["p_abnormal"] += self_test.TOLERANCE
    other[name]["chromosomes"] = 45
    finding = given(other)
    assert finding.state == "bad" and "chromosomes is 45, expected 46" in finding.found
    assert "p_abnormal" in finding.found and self_test.PICTURES[1] not in finding.found
    other[name]["p_abnormal"] = None
    assert "p_abnormal is None" in given(other).found
    assert given(ScreeningError("no device")).found == "no device"


def test_of_another_bundle_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "known", lambda bundle_hash: None)
    assert doctor.self_test_finding(None).state == "note"


@pytest.mark.slow
def test_this_machine_passes(capsys: pytest.CaptureFixture) -> None:
    assert main(["doctor", "--self-test"]) == 0
    assert "2 pictures say what is known" in " ".join(capsys.readouterr().out.split())


def test_the_bound_of_memory_hangs_on_size_threads_and_batch_alone() -> None:
    assert doctor.memory_bound(0, 4, 8) == doctor.NEEDED_MEMORY
    small, large = (doctor.memory_bound(n, 4, 8) for n in (2_000_000, 100_000_000))
    assert doctor.NEEDED_MEMORY < small < doctor.NEEDED_MEMORY + 0.5 < large
    assert doctor.memory_bound(10**8, 1, 1) < doctor.memory_bound(10**8, 4, 8) / 2
    assert doctor.bound_finding(64.0, 4).state == doctor.bound_finding(None, 4).state == "ok"
    tight = doctor.bound_finding(4.0, 4)
    assert tight.state == "note" and "--workers 1 --batch-size 1" in tight.advice


def test_a_large_page_stays_under_the_bound(tmp_path: Path) -> None:
    """In a process of its own: the most that it ever had is asked."""
    Image.open(demo_folder() / "case-001" / "cell-1.jpg").resize((3000, 2000)).save(
        tmp_path / "p.png"
    )
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from screening.bundle import default_bundle, load_bundle\n"
        "from screening.karyogram.locate import Locator\n"
        "from screening.worklist.discover import PictureFile\n"
        "from screening.worklist.pipeline import Looking, prepare\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "locator, before = Locator.of(load_bundle(default_bundle())), most()\n"
        "made = prepare(PictureFile('p', Path(sys.argv[1]), 'c'), Looking(224, locator), {})\n"
        "assert made.picture.status == 'ok', made.picture.reason\n"
        "print((most() - before) * 1024 / 6e6)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "p.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fixed = 60e6 / 6e6  # of the segmenter and the libraries, whatever the size
    assert float(done.stdout) < doctor.PEAK + fixed

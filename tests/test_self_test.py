"""`screening doctor --self-test`: known answers, and what another machine may differ in."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

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

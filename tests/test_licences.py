"""`make sbom`: what each package states, and what must not be among them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def package(name: str, *licences: dict) -> dict:
    return {"name": name, "version": "1", "licenses": list(licences)}


GOOD = [
    package("B", {"license": {"id": "MIT"}}),
    package("a", {"expression": "Apache-2.0 OR BSD-2-Clause"}),
    package("c", {"license": {"name": "License :: OSI Approved :: BSD License"}}),
    package("Keras"),
]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], ""),
        ([package("d")], "d 1 states no licence"),
        ([package("e", {"license": {"id": "AGPL-3.0-only"}})], "e 1 is under AGPL-3.0-only"),
        ([package("f", {"expression": "MIT AND GPL-2.0-only"})], "f 1 is under MIT AND GPL"),
        ([package("g", {"license": {"name": "Free for NC use"}})], "g 1 is under Free for NC"),
    ],
)
def test_a_table_is_written_and_doubts_are_told(
    more: list, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import list_licences

    sbom, table = tmp_path / "sbom.json", tmp_path / "licences.md"
    sbom.write_text(json.dumps({"components": GOOD + more}))
    monkeypatch.setattr(sys, "argv", ["list_licences.py", str(sbom), "--out", str(table)])
    assert list_licences.main() == bool(said)
    assert said in capsys.readouterr().err
    rows = table.read_text("utf-8").splitlines()[2:]
    assert rows[0] == "| a | 1 | Apache-2.0 OR BSD-2-Clause |"
    assert "| Keras | 1 | Apache-2.0 |" in rows and len(rows) == len(GOOD + more)

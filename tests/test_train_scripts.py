"""The scripts that measure training: their shared report, and what they read from a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield
    sys.modules.pop("report_sections", None)


def test_a_section_is_replaced_and_the_others_stay(tmp_path):
    from report_sections import put_section

    path = tmp_path / "reports" / "training.md"
    put_section(path, "One", "first\n\n## inside\n\n| a |")
    put_section(path, "Two", "second")
    put_section(path, "One", "again\n")
    assert path.read_text() == "# One\n\nagain\n\n# Two\n\nsecond\n"
    put_section(path, "Two", "second")
    assert path.read_text() == "# One\n\nagain\n\n# Two\n\nsecond\n"

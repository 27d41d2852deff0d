"""The tutorial runs as it is, and says what it is kept to say; the commands are test_documents'."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"
FIGURES = ROOT / "docs" / "figures"


@pytest.fixture
def notebooks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("docs_notebook")


@pytest.mark.slow
def test_the_tutorial_runs_and_says_what_it_says(notebooks):
    cells = notebooks.run(json.loads(TUTORIAL.read_text("utf-8")))
    assert len(cells) > 6
    for cell, outputs in cells:
        assert texts(outputs) == texts(cell["outputs"]), "".join(cell["source"])


def texts(outputs):
    """What was printed, without decimals: another processor or bundle may tell them otherwise."""
    return [re.sub(r"\d\.\d+", "#", one.get("text", "")) for one in outputs]


def test_a_notebook_is_shown_with_what_its_cells_gave(notebooks, tmp_path):
    source = {"cell_type": "code", "source": ["x = 2\n", "print(x)\n", "[x, 3]"]}
    said = {"cell_type": "markdown", "source": ["# Said"]}
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": [said, source | {"outputs": []}]}), "utf-8")
    notebooks.execute(path)
    assert notebooks.page(path).split("\n\n") == [
        "# Said", "```python\nx = 2\nprint(x)\n[x, 3]\n```",
        "```text\n2\n```", "```text\n[2, 3]\n```\n",
    ]  # fmt: skip
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": ["1 / 0"]}]}), "utf-8")
    with pytest.raises(ZeroDivisionError):
        notebooks.execute(path)


def test_figures_are_small_and_all_are_shown():
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    text = "".join(page.read_text("utf-8") for page in pages)
    for figure in FIGURES.iterdir():
        assert figure.stat().st_size < 80_000 and figure.name in text


def test_every_page_is_in_the_contents():
    contents = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert all(page.name in contents for page in (ROOT / "docs").glob("*.md"))


def test_the_containerfile_copies_what_is_there_and_not_kept_out():
    copied = copied_into_the_container()
    let_in = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    assert copied and all((ROOT / name).exists() and f"!{name}" in let_in for name in copied)


def copied_into_the_container() -> list[str]:
    lines = (ROOT / "Containerfile").read_text("utf-8").splitlines()
    return [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]


def test_both_container_files_make_the_same():
    container, apptainer = (
        (ROOT / name).read_text("utf-8") for name in ("Containerfile", "Apptainer.def")
    )
    sections = re.split(r"^%(\w+)\n", apptainer, flags=re.MULTILINE)
    named = dict(zip(sections[1::2], sections[2::2], strict=True))
    files = [line.split() for line in named["files"].strip().splitlines()]
    assert [source for source, _ in files] == copied_into_the_container()
    assert all(
        target in (f"/opt/screening/{source}", "/opt/screening/") for source, target in files
    )
    assert re.search(r"^FROM (.*)$", container, re.M)[1] == re.search(r"From: (.*)", apptainer)[1]
    steps = r"python -m pip install [^\n\\]*[^\s\\]"
    assert re.findall(steps, container) == re.findall(steps, apptainer)
    for name, value in re.findall(r"(NO_ALBUMENTATIONS_UPDATE|PYTHONDONT\w+)=(\w+)", container):
        assert f"export {name}={value}" in named["environment"]

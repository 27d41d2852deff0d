"""The shape of the project: imports go one way, modules stay small, help loads no TensorFlow."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "screening"

RANKS = {
    "errors": 0, "classes": 0, "iscn": 0, "config": 0, "bundle": 0, "metrics": 0, "native_log": 0,
    "demo": 0, "images": 1, "karyogram": 2, "data": 3, "models": 4, "train": 5, "predict": 6,
    "evidence": 7, "uncertainty": 7, "triage": 8, "report": 9, "worklist": 10, "commands": 11,
    "cli": 12, "__main__": 13,
}  # fmt: skip
"""A module imports its own folder or a lower rank; `screening` itself (the version) is for all."""

LONGEST = 400
HEAVY = {"tensorflow", "keras", "keras_tuner"}
HEAVY_ALLOWED = ("models/", "train/", "predict/", "data/pipeline.py")
NO_TRAINING = ("predict", "evidence", "uncertainty", "triage", "report", "worklist", "cli")

MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
PROBLEM = str  # a sentence that names the file


def top(path: Path) -> str:
    """Folder or module name right under the package."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Full dotted names of what is imported anywhere in `tree`; `package` resolves relative ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, (base, node.module)))
            yield from (f"{source}.{alias.name}" for alias in node.names)


def at_import_time(tree: ast.Module) -> ast.Module:
    """The statements that run on import: no function bodies, no `if TYPE_CHECKING`."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None: ...
        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None: ...
        def visit_If(self, node: ast.If) -> ast.AST | None:
            typing_only = "TYPE_CHECKING" in ast.unparse(node.test)
            return None if typing_only else self.generic_visit(node)

    return Strip().visit(tree)


def direction_problems(path: Path, text: str) -> list[PROBLEM]:
    """What `text`, as the module at `path`, imports against the ranks."""
    here = top(path)
    problems = []
    for name in imports(ast.parse(text), ("screening", *path.relative_to(PACKAGE).parts[:-1])):
        parts = name.split(".")
        if parts[0] != "screening" or len(parts) == 1 or parts[1] == "__version__":
            continue
        there = parts[1]
        if there not in RANKS:
            problems.append(f"{path.name} imports screening.{there}, which has no rank")
        elif there != here and RANKS[there] >= RANKS[here]:
            problems.append(f"{path.name} ({here}, rank {RANKS[here]}) imports {name}")
        elif there == "train" and here in NO_TRAINING:
            problems.append(f"{path.name} reads a bundle and must not import {name}")
    return problems


def test_every_folder_and_module_has_a_rank() -> None:
    assert {top(path) for path in MODULES} - set(RANKS) == {"__init__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_to_lower_ranks(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        names = imports(ast.parse(path.read_text("utf-8")), ("screening",))
        assert [name for name in names if name.startswith("screening")] == []
    else:
        assert direction_problems(path, path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("images/read.py", "from screening.karyogram.cell import Cell"),
        ("images/read.py", "from ..models import screener"),
        ("errors.py", "import screening.cli"),
        ("errors.py", "from screening import bundle"),
        ("predict/prefix.py", "def f():\n    from screening.train import head"),
        ("triage/cases.py", "import screening.unknown"),
        ("evidence/counts.py", "from screening.uncertainty import calibration"),
    ],
)
def test_a_wrong_direction_is_found(module: str, text: str) -> None:
    assert direction_problems(PACKAGE / module, text)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_are_small_and_say_what_they_hold(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "the module has no docstring"


def test_tensorflow_is_imported_at_the_top_only_where_it_is_the_subject() -> None:
    found = []
    for path in MODULES:
        relative = path.relative_to(PACKAGE).as_posix()
        names = imports(at_import_time(ast.parse(path.read_text("utf-8"))), ())
        heavy = {name.split(".")[0] for name in names} & HEAVY
        if heavy and not relative.startswith(HEAVY_ALLOWED):
            found.append(f"{relative} imports {heavy} when it is imported")
    assert found == []


def test_readme_names_every_module_and_folder() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    missing = [
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if path.stem not in ("__init__", "__main__") and not re.search(rf"\b{path.stem}\b", readme)
    ]
    folders = {path.parent.name for path in MODULES if path.parent != PACKAGE}
    assert missing == []
    assert {folder for folder in folders if f"{folder}/" not in readme} == set()


def test_every_config_opens_with_command_result_and_time() -> None:
    for path in sorted((ROOT / "configs").glob("**/*.yaml")):
        lines = path.read_text("utf-8").splitlines()
        head = "\n".join(line for line in lines[:12] if line.startswith("#")).lower()
        missing = [word for word in ("command:", "result:", "time:") if word not in head]
        assert not missing, f"{path.name}: the header comment lacks {missing}"


@pytest.mark.parametrize(
    "words", [None, ["--help"], ["--version"], ["screen", "--help"], ["doctor", "--help"]], ids=str
)
def test_import_and_help_load_no_tensorflow(words: list[str] | None) -> None:
    run = "from screening.cli import main; main(words)" if words else "import screening"
    code = (
        "import contextlib, json, sys\n"
        f"words = {words!r}\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    {run}\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "screening" in loaded
    assert loaded & {*HEAVY, "albumentations", "cv2", "sklearn"} == set()
    assert bool(done.stdout) == bool(words), "help and version are printed"


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Name and text of every tracked text file."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("needs a git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            yield name, content.decode("utf-8", errors="replace")


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    absolute = re.compile(r"(?<![\w.:/*<])/(?:home|Users|root|work|mnt|tmp|opt)/[\w.-]+")
    found = [f"{name}: {m[0]}" for name, text in tracked_texts() for m in absolute.finditer(text)]
    assert found == []


def test_the_locks_pin_hashes_and_name_no_index_and_no_path() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text("utf-8")
        assert not re.search(r"https?:|file:|--(?!hash=)|@|(?<!#)\s/", text), path.name
        pins = re.findall(r"^[a-z0-9].*?==.*?\\\n(?:    --hash=sha256:[0-9a-f]{64})", text, re.M)
        assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.M)) > 50


def test_the_locks_hold_every_dependency_and_one_tensorflow() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert not any("tensorflow" in line for line in project["dependencies"])
    for extra, distribution in (("cpu", "tensorflow-cpu"), ("gpu", "tensorflow")):
        text = (ROOT / "requirements" / f"{extra}.txt").read_text("utf-8")
        locked = set(re.findall(r"^([a-z0-9._-]+)==", text, re.M))
        extras = project["optional-dependencies"]
        wanted = [*project["dependencies"], *extras[extra], *extras["test"]]
        assert {re.split(r"[\[<>=~! ]", line)[0] for line in wanted} <= locked
        assert {"tensorflow", "tensorflow-cpu"} & locked == {distribution}

"""The structure is the documentation: ranks, sizes, lazy TensorFlow, a page that names it all."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "screening"
RANKS = {
    "__init__": 0, "classes": 0, "bands": 0, "promises": 0, "iscn": 0, "errors": 0,
    "json_text": 0, "events": 0, "languages": 0,
    "config": 0, "setting_types": 0,
    "page_settings": 0, "reading_settings": 0, "atomic": 0, "record": 0, "bundle": 0,
    "bundle_schema": 0, "known_answers": 0, "metrics": 0,
    "native_log": 0, "demo": 0, "words": 0, "images": 1, "karyogram": 2, "synthesis": 3, "data": 4,
    "models": 5, "train": 6, "predict": 7, "evidence": 8, "uncertainty": 8, "triage": 9,
    "report": 10, "worklist": 11, "assess": 12, "review": 12, "api": 12, "build": 13,
    "benchmark": 14, "commands": 15, "cli": 16,
    "__main__": 17,
}  # fmt: skip
HEAVY = {"tensorflow", "keras", "keras_tuner"}
MAY_BE_HEAVY = ("models", "train", "predict")
MODULES = sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    """The top folder of the package, or the module that lies directly in it."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(tree: ast.AST) -> list[str]:
    """Every imported module's full name, also those imported inside functions."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package in full"
            module = node.module or ""
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_go_to_the_own_folder_or_a_lower_rank(path):
    own = place(path)
    assert own in RANKS, f"{own} has no rank"
    tree = ast.parse(path.read_text("utf-8"))
    if own == "__init__":  # what it offers is imported when it is asked for, and named for types
        tree.body = [node for node in tree.body if not _for_types(node)]
    for name in imports(tree):
        parts = name.split(".")
        if parts[0] != "screening":
            continue
        other = parts[1] if len(parts) > 1 and parts[1] in RANKS else "__init__"
        if other != own:
            assert RANKS[other] < max(1, RANKS[own]), f"{own} imports {name}"
        if RANKS[own] > RANKS["train"] and own not in ("build", "benchmark", "commands"):
            assert other != "train", f"{own} reads a bundle, it does not train"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_modules_are_small_and_load_tensorflow_only_where_it_is_needed(path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= 400
    relative = path.relative_to(PACKAGE).as_posix()
    if not relative.startswith(MAY_BE_HEAVY):
        top = ast.Module([n for n in ast.parse(text).body if not _for_types(n)], [])
        top.body = [n for n in top.body if isinstance(n, ast.Import | ast.ImportFrom)]
        heavy = {name.split(".")[0] for name in imports(top)} & HEAVY
        assert not heavy, f"{relative} imports {heavy} when it is imported"


def test_no_module_imports_itself_in_a_circle():
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in MODULES}
    needs: dict[str, set[str]] = {}
    for name, path in modules.items():
        top = ast.Module(ast.parse(path.read_text("utf-8")).body, [])
        top.body = [n for n in top.body if isinstance(n, ast.Import | ast.ImportFrom)]
        named = {one.removesuffix(".__init__") for one in imports(top)}
        needs[name] = {m for m in modules if m != name and (m in named or _holds(m, named))}
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in free:
            del needs[name]
    assert not needs


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=lambda p: p.name)
def test_scripts_import_what_is_there(path):
    """By the sources alone: importing them all would load TensorFlow."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("screening"):
            continue
        file = ROOT / f"{node.module.replace('.', '/')}.py"
        file = file if file.exists() else file.with_suffix("") / "__init__.py"
        words = set(re.findall(r"\w+", file.read_text("utf-8")))
        for alias in node.names:
            module = file.parent / f"{alias.name}.py"
            assert alias.name in words or module.exists(), f"{node.module} has no {alias.name}"


def _holds(module: str, named: set[str]) -> bool:
    """Whether one of the names is something in the module."""
    return any(one.rpartition(".")[0] == module for one in named)


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


@pytest.mark.parametrize(
    "arguments",
    [["-c", "import screening"], ["-m", "screening", "--help"],
     ["-c", "import screening.review.serving, screening.review.server"],
     ["-m", "screening", "screen", "--help"], ["-m", "screening", "simulate", "--help"]],
)  # fmt: skip
def test_no_tensorflow_until_something_is_computed(arguments):
    report = f"import atexit,sys;atexit.register(lambda:print(sorted(set(sys.modules)&{HEAVY})))"
    if arguments[0] == "-c":
        code = f"{report};{arguments[1]}"
    else:
        call = "from screening.cli import main;sys.exit(main())"
        code = f"{report};sys.argv={['screening', *arguments[2:]]!r};{call}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"


VERBS = set(
    "Add Build Choose Close Compose Copy Cut Darken Delete Do Draw Earn Fill Fit Forget Give "
    "Hold Let Make Note Pretrain Print Put Raise Remember Replace Return Run Save Screen "
    "Search Set Share Silence Store Take Teach Tell Train Turn Write Yield".split()
)


def public_functions(body: list[ast.stmt]):
    """Yield the functions and methods of public names, also those of public classes."""
    for node in body:
        name = getattr(node, "name", "_")
        if isinstance(node, ast.ClassDef) and not name.startswith("_"):
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not name.startswith("_"):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_public_functions_say_first_what_they_do(path):
    for node in public_functions(ast.parse(path.read_text("utf-8")).body):
        text = ast.get_docstring(node)
        if text is None:
            only_declared = ast.unparse(node.body[-1]) == "..."  # a protocol's, its class tells
            assert only_declared, f"line {node.lineno}: {node.name} has no docstring"
        else:
            verb = re.match(r"\w*", text).group()
            assert verb in VERBS, f"line {node.lineno}: {node.name} opens with {verb!r}"


def test_the_design_names_every_part():
    page = (ROOT / "docs" / "design.md").read_text("utf-8")
    folders = [p.name for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").exists()]
    missing = [name for name in folders if f"{name}/" not in page]
    assert not missing


def test_no_tracked_file_names_a_place_of_one_machine():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    place_of_one = re.compile(r"(?<![\w.])/(home|root|work|tmp|Users)/")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if name.startswith(("tests/", ".ci/")) or not path.is_file():
            continue
        try:
            if place_of_one.search(path.read_text("utf-8")):
                found.append(name)
        except UnicodeDecodeError:
            continue
    assert not found

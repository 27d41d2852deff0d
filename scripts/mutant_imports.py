"""Who imports whom in the package, from its source."""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def dependents(module: str) -> set[str]:
    """Return the dotted names of all modules of the package that lead to `module` by imports."""
    imported_by: dict[str, set[str]] = defaultdict(set)
    for own, names in _imports().items():
        for name in names:
            imported_by[name].add(own)
    return _reached(dotted(module), imported_by)


def dependencies(module: str) -> set[str]:
    """Return the dotted names of all modules of the package that `module` leads to by imports."""
    return _reached(dotted(module), _imports())


def _reached(start: str, ways: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = ways.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


@functools.cache
def _imports() -> dict[str, set[str]]:
    """Each module of the package and what it imports, at its top or inside its functions."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "screening").rglob("*.py"):
        names = found.setdefault(dotted(path.relative_to(ROOT).as_posix()), set())
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def dotted(module: str) -> str:
    """Return the dotted name of a module given as "screening/a/b.py"."""
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

"""The mutation tester: which changes it makes, which it leaves alone, and how it names them."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(scope="module")
def operators() -> ModuleType:
    spec = importlib.util.spec_from_file_location("operators", SCRIPTS / "mutant_operators.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["operators"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("a < b", {"a < b → a <= b", "a < b → a >= b"}),
        ("a == b", {"a == b → a != b"}),
        ("a and b", {"a and b → a or b", "a and b → a", "a and b → b"}),
        ("a + b", {"a + b → a - b"}),
        ("'text ' + b", set()),
        ("-a", {"-a → a"}),
        ("not a", {"not a → a"}),
        ("True", {"True → False"}),
        ("3", {"3 → 4", "3 → 2"}),
        ("0", {"0 → 1"}),
        ("0.5", {"0.5 → 1.0"}),
        ("1e-9", {"1e-09 → 0.01"}),
        ("max(a)", {"max(a) → min(a)"}),
        ("x.argmin()", {"x.argmin() → x.argmax()"}),
        ("sorted(a)", {"sorted(a) → sorted(a, reverse=True)"}),
        ("sorted(a, reverse=True)", {"True → False"}),
        ("(a, b)", {"(a, b) → (b, a)"}),
        ("(a, a)", set()),
        ("a in (b, c)", {"a in (b, c) → a not in (b, c)"}),
        ("b if a else c", {"a → not a"}),
        ("[b for b in a if b]", {"b → not b"}),
        ("f'{a:.3f}'", set()),
    ],
)
def test_each_expression_is_changed_in_these_ways(operators, line, changes):
    source = f"def f(a, b, c, x):\n    return {line}\n"
    found = {m.change for m in operators.mutants(source)}
    assert found - {c for c in found if c.endswith("→ return None")} == changes


def test_statements_are_deleted_and_gates_opened(operators):
    source = (
        "def f(a):\n"
        "    if a:\n"
        "        return 'early'\n"
        "    if not a:\n"
        "        raise ValueError(f'expected {a + 1}')\n"
        "    a.append('x')\n"
        "    a += 'y'\n"
        "    for _ in a:\n"
        "        continue\n"
    )
    assert {(m.number, m.change) for m in operators.mutants(source)} == {
        (2, "if a: … → never"), (2, "a → not a"), (3, "return 'early' → return None"),
        (4, "not a → a"), (5, "raise ValueError(f'expected {a + 1}') → deleted"),
        (6, "a.append('x') → deleted"), (7, "a += 'y' → deleted"), (9, "continue → break"),
    }  # fmt: skip


def test_words_types_and_logs_are_left_alone(operators):
    source = (
        '"""Docstring with 3 numbers."""\n'
        "from os import path\n"
        "Key = tuple[str, int]\n"
        "__all__ = ['a', 'b']\n"
        "@decorated(frozen=True)\n"
        "class A:\n"
        '    """Another one."""\n'
        "    field: tuple[int, str]\n"
        "    def f(self, a: dict[int, str] | None) -> tuple[int, str]:\n"
        "        print(1 + 1)\n"
        "        logging.warning('%d', 3)\n"
    )
    assert operators.mutants(source) == []


def test_every_mutant_is_another_module_with_a_name_of_its_own(operators):
    source = (SCRIPTS.parent / "screening" / "triage" / "policy.py").read_text("utf-8")
    found = operators.mutants(source)
    assert len({m.name for m in found}) == len(found) > 50
    unchanged = ast.unparse(ast.parse(source))
    lines = source.splitlines()
    for mutant in found:
        assert mutant.source != unchanged
        compile(mutant.source, "mutant", "exec")
        assert lines[mutant.number - 1].strip() == mutant.line
        assert mutant.first <= mutant.number <= mutant.last


def test_the_report_counts_what_was_noticed_and_names_what_was_not(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    measure = importlib.import_module("measure_mutants")
    found = measure.mutants("def f(a):\n    return a < 3\n")
    verdicts = [measure.Verdict("killed", "t"), *[measure.Verdict("survived")] * (len(found) - 1)]
    ran = list(zip(found, verdicts, strict=True))
    judged = {found[1].name: "no difference"}
    text = measure.report([measure.Measured("m.py", len(found), ran, judged)])
    left = len(found) - 2
    assert f"| `m.py` | {len(found)} | 1 | 0 | 1 | {left} | {1 / (left + 1):.3f} |" in text
    assert f"## Survivors ({left})" in text and f"- m.py:2 `{found[2].change}`" in text

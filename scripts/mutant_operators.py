"""Small wrong changes of a module's source, one at a time: what a test suite should notice.

Each operator looks at one node of the syntax tree and names the changes it would make there. Left
alone are docstrings, annotations, decorators, texts (so the words of errors and SQL), what is
printed or logged, `__all__`, and the inside of `raise`, which is only ever deleted as a whole.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

OPPOSITE = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
BOUNDARY = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Mod: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.MatMult: ast.Mult,
}  # fmt: skip
_PAIRS = (
    ("min", "max"), ("argmin", "argmax"), ("minimum", "maximum"), ("any", "all"),
    ("floor", "ceil"), ("nanmin", "nanmax"), ("fmin", "fmax"), ("log", "log1p"), ("exp", "expm1"),
)  # fmt: skip
CALLS = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
TINY, COARSE = 1e-6, 0.01
"""A smaller float is a tolerance; its change is one that is no tolerance any more."""
_LOGS = {"print", "warn", "debug", "info", "warning", "error", "exception"}
_GENERIC = {"tuple", "dict", "list", "set", "Callable", "Literal", "Union", "Optional"}


@dataclass(frozen=True)
class Mutant:
    """One change: `source` is the whole module with it.

    `line` is the text of the changed line (stripped), `change` reads "before → after"; both with
    the module's name tell a mutant from all others, wherever its line moves to. `first` and `last`:
    lines of the statement that holds it.
    """

    number: int
    line: str
    change: str
    first: int
    last: int
    source: str

    @property
    def name(self) -> tuple[str, str]:
        """Return what identifies the mutant within its module."""
        return self.line, self.change


Edit = tuple[str, str, Callable[[], None], Callable[[], None]]
"""Text before, text after, what changes the tree and what changes it back."""


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a module's `source`, in the order of its lines."""
    lines = source.splitlines()
    found: list[Mutant] = []
    named: Counter[tuple[str, str]] = Counter()
    tree = ast.parse(source)
    for node, statement, (before, after, apply, undo) in _edits(tree):
        apply()
        text = ast.unparse(ast.fix_missing_locations(tree))
        undo()
        number = getattr(node, "lineno", statement.lineno)
        line, change = lines[number - 1].strip(), f"{before} → {after}"
        named[line, change] += 1
        if named[line, change] > 1:
            change += f" ({named[line, change]})"
        last = _head_end(statement)
        found.append(Mutant(number, line, change, statement.lineno, last, text))
    return sorted(found, key=lambda mutant: mutant.number)


def _head_end(statement: ast.stmt) -> int:
    """Last line of a statement, of a compound one that of its head."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def _edits(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.stmt, Edit]]:
    for node, statement, parent in _visited(tree):
        for edit in _edits_at(node, parent):
            yield node, statement, edit


def _visited(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.stmt, ast.AST]]:
    """Every node that may be changed, with its statement and its parent."""

    def below(node: ast.AST, statement: ast.stmt | None) -> Iterator:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params", "format_spec"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, ast.AST) or _left_alone(child):
                    continue
                holder = child if isinstance(child, ast.stmt) else statement
                yield child, holder, node
                if not isinstance(child, ast.Raise):
                    yield from below(child, holder)

    return below(tree, None)


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal):
        return True
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.dump(node.test)
    if isinstance(node, ast.Expr):
        call = node.value
        logged = isinstance(call, ast.Call) and _called(call) in _LOGS
        return logged or isinstance(call, ast.Constant)
    if isinstance(node, ast.Assign):
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return True
        base = getattr(node.value, "value", None) if isinstance(node.value, ast.Subscript) else None
        return isinstance(base, ast.Name) and base.id in _GENERIC  # an alias of a type
    return False


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def _edits_at(node: ast.AST, parent: ast.AST) -> Iterator[Edit]:
    for operator in _OPERATORS.get(type(node), ()):
        yield from operator(node, parent)


def _edit(parent: ast.AST, node: ast.AST, new: ast.AST, before: str = "", after: str = "") -> Edit:
    """What puts `new` in the place of `node` in its parent; both in words when none are given."""
    new = ast.copy_location(new, node)

    def swap(old: ast.AST, young: ast.AST) -> None:
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, young)
            elif isinstance(value, list):
                value[:] = [young if entry is old else entry for entry in value]

    return (
        before or ast.unparse(node),
        after or ast.unparse(ast.fix_missing_locations(new)),
        lambda: swap(node, new),
        lambda: swap(new, node),
    )


def _compare(node: ast.Compare, parent: ast.AST) -> Iterator[Edit]:
    for i, operator in enumerate(node.ops):
        for table in (BOUNDARY, OPPOSITE):
            if type(operator) in table:
                new = copy.deepcopy(node)
                new.ops[i] = table[type(operator)]()
                yield _edit(parent, node, new)


def _boolean(node: ast.BoolOp, parent: ast.AST) -> Iterator[Edit]:
    other = copy.deepcopy(node)
    other.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield _edit(parent, node, other)
    for i in range(len(node.values)):
        rest = [copy.deepcopy(value) for j, value in enumerate(node.values) if j != i]
        new = ast.BoolOp(copy.deepcopy(node.op), rest) if len(rest) > 1 else rest[0]
        yield _edit(parent, node, new)


def _arithmetic(node: ast.BinOp | ast.AugAssign, parent: ast.AST) -> Iterator[Edit]:
    sides = [getattr(node, name, None) for name in ("left", "right", "value")]
    texts = any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in sides
    )
    if not texts:
        new = copy.deepcopy(node)
        new.op = ARITHMETIC[type(node.op)]()
        yield _edit(parent, node, new)


def _unary(node: ast.UnaryOp, parent: ast.AST) -> Iterator[Edit]:
    if not isinstance(node.op, ast.UAdd):
        yield _edit(parent, node, copy.deepcopy(node.operand))


def _constant(node: ast.Constant, parent: ast.AST) -> Iterator[Edit]:
    value = node.value
    if isinstance(value, bool):
        others: tuple = (not value,)
    elif isinstance(value, int):
        others = (value + 1, value - 1) if value > 0 else (value + 1,)
    elif isinstance(value, float):
        others = (COARSE,) if 0 < value < TINY else (2 * value or 1.0,)
    else:
        return
    for other in others:
        yield _edit(parent, node, ast.Constant(other))


def _call(node: ast.Call, parent: ast.AST) -> Iterator[Edit]:
    name = _called(node)
    if name in CALLS:
        new = copy.deepcopy(node)
        if isinstance(new.func, ast.Name):
            new.func.id = CALLS[name]
        else:
            new.func.attr = CALLS[name]
        yield _edit(parent, node, new)
    if name in ("sorted", "sort"):
        new = copy.deepcopy(node)
        given = [k for k in new.keywords if k.arg == "reverse"]
        if not given:  # a constant that is given is changed as one
            new.keywords.append(ast.keyword("reverse", ast.Constant(True)))
            yield _edit(parent, node, new)


def _tuple(node: ast.Tuple, parent: ast.AST) -> Iterator[Edit]:
    unordered = isinstance(parent, ast.Compare | ast.ExceptHandler) or (
        isinstance(parent, ast.Call) and _called(parent) in ("isinstance", "issubclass", "set")
    )
    if unordered or isinstance(node.ctx, ast.Del):
        return
    pairs = range(len(node.elts) - 1) if len(node.elts) <= 4 else range(min(1, len(node.elts)))
    for i in pairs:
        if ast.dump(node.elts[i]) != ast.dump(node.elts[i + 1]):
            new = copy.deepcopy(node)
            new.elts[i], new.elts[i + 1] = new.elts[i + 1], new.elts[i]
            yield _edit(parent, node, new)


def _condition(node: ast.If | ast.While | ast.IfExp, parent: ast.AST) -> Iterator[Edit]:
    if not isinstance(node.test, ast.Compare | ast.UnaryOp):  # those are turned round themselves
        yield _edit(node, node.test, ast.UnaryOp(ast.Not(), copy.deepcopy(node.test)))
    if isinstance(node, ast.If) and not node.orelse and not isinstance(node.body[0], ast.Raise):
        yield _edit(parent, node, ast.Pass(), f"if {ast.unparse(node.test)}: …", "never")


def _comprehension(node: ast.comprehension, parent: ast.AST) -> Iterator[Edit]:
    for test in node.ifs:
        if not isinstance(test, ast.Compare | ast.UnaryOp):
            yield _edit(node, test, ast.UnaryOp(ast.Not(), copy.deepcopy(test)))


def _returned(node: ast.Return, parent: ast.AST) -> Iterator[Edit]:
    if node.value is not None and not (
        isinstance(node.value, ast.Constant) and node.value.value is None
    ):
        new = ast.Return(ast.Constant(None))
        yield _edit(parent, node, new, _shortened(node))


def _deleted(node: ast.stmt, parent: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.AnnAssign) and (node.value is None or isinstance(parent, ast.ClassDef)):
        return  # a declaration
    yield _edit(parent, node, ast.Pass(), _shortened(node), "deleted")


def _jump(node: ast.Break | ast.Continue, parent: ast.AST) -> Iterator[Edit]:
    new = ast.Continue() if isinstance(node, ast.Break) else ast.Break()
    yield _edit(parent, node, new)


def _shortened(node: ast.AST, most: int = 70) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= most else text[: most - 1] + "…"


_OPERATORS: dict[type, tuple[Callable[..., Iterator[Edit]], ...]] = {
    ast.Compare: (_compare,), ast.BoolOp: (_boolean,), ast.BinOp: (_arithmetic,),
    ast.AugAssign: (_arithmetic, _deleted), ast.UnaryOp: (_unary,), ast.Constant: (_constant,),
    ast.Call: (_call,), ast.Tuple: (_tuple,), ast.If: (_condition,), ast.While: (_condition,),
    ast.IfExp: (_condition,), ast.comprehension: (_comprehension,), ast.Return: (_returned,),
    ast.Assign: (_deleted,), ast.AnnAssign: (_deleted,), ast.Expr: (_deleted,),
    ast.Raise: (_deleted,), ast.Delete: (_deleted,), ast.Break: (_jump,), ast.Continue: (_jump,),
}  # fmt: skip

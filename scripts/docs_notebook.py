"""A notebook of docs/ run without Jupyter: `execute` keeps its outputs, `page` shows it as text.

Its code is plain Python, so that the project's tests run it with what they need anyway.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

INDENT = 1  # as Jupyter writes it


def execute(path: Path) -> None:
    """Run every cell in order and put what each says and shows into the file."""
    notebook = json.loads(path.read_text("utf-8"))
    for number, (cell, outputs) in enumerate(run(notebook), start=1):
        cell["execution_count"] = number
        cell["outputs"] = outputs
    path.write_text(json.dumps(notebook, indent=INDENT, ensure_ascii=False) + "\n", "utf-8")


def run(notebook: dict[str, Any]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return the code cells with their outputs; what a cell raises is raised."""
    space: dict[str, Any] = {"__name__": "__main__"}
    return [(cell, _run(cell, space)) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _run(cell: dict[str, Any], space: dict[str, Any]) -> list[dict[str, Any]]:
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    said, value = io.StringIO(), None
    with redirect_stdout(said):
        exec(compile(tree, "notebook", "exec"), space)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "notebook", "eval"), space)
    outputs: list[dict[str, Any]] = []
    if said.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": said.getvalue()})
    if value is not None:
        data = {"text/plain": re.sub(r" at 0x\w+", "", repr(value))}  # the same in every run
        if hasattr(value, "_repr_html_"):
            data["text/html"] = value._repr_html_()
        if hasattr(value, "_repr_png_"):
            data["image/png"] = base64.b64encode(value._repr_png_()).decode("ascii")
        outputs.append({"output_type": "execute_result", "data": data, "metadata": {},
                        "execution_count": None})  # fmt: skip
    return outputs


def page(path: Path) -> str:
    """Return a notebook as Markdown, its kept outputs below each cell."""
    parts = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else _fence("python", source))
        parts += [_shown(output) for output in cell.get("outputs", ())]
    return "\n\n".join(parts) + "\n"


def _shown(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _fence("text", output["text"])
    data = output["data"]
    if "text/html" in data:
        return data["text/html"].replace("\n", "&#10;")
    if "image/png" in data:
        return f"![what the cell shows](data:image/png;base64,{data['image/png']})"
    return _fence("text", data["text/plain"])


def _fence(kind: str, text: str) -> str:
    return f"```{kind}\n{text.rstrip()}\n```"

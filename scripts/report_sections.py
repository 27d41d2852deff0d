"""One report written by several scripts: each replaces its own section and leaves the others."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def put_section(path: Path, heading: str, body: str) -> None:
    """Replace in `path` the section under `# heading` by `body`, or append it."""
    old = path.read_text("utf-8") if path.exists() else ""
    parts = [part for part in ("\n" + old).split("\n# ") if part.strip()]
    sections = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}
    sections[heading] = body.strip()
    text = "\n\n".join(f"# {name}\n\n{content}" for name, content in sections.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", "utf-8")


def commit() -> str:
    """Return the commit of the working tree, marked when it has changes."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return found.stdout.strip() or "no commit"

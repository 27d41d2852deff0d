"""What MkDocs does for docs/ besides its pages (see mkdocs.yml): reports and model card, which lie
elsewhere, are pages of the site, and so are notebooks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = (
    "reports/*.*", "reports/left_out/*", "screening/bundles/*/MODEL_CARD.md", "CONTRIBUTING.md",
    "CHANGELOG.md", "LICENSE",
)  # fmt: skip
sys.path.insert(0, str(ROOT / "scripts"))  # MkDocs loads a hook by its path alone

import docs_notebook  # noqa: E402


def on_files(files: Files, *, config: Any) -> Files:
    """Give the site what lies outside docs/, under the names that links to it have."""
    for path in sorted(path for each in ELSEWHERE for path in ROOT.glob(each)):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    for path in sorted((ROOT / "docs").glob("*.ipynb")):
        content = docs_notebook.page(path)
        files.append(File.generated(config, f"{path.stem}.md", content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return a page of docs/ with links out of it made links within the site."""
    return markdown if "/" in page.file.src_uri else markdown.replace("](../", "](")

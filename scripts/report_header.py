"""What every report begins with: its command, commit, bundle, data and machine.

A script that measures adds `add_report_arguments` to its parser, calls `begin` before it measures
and `write` after; nothing is written from a working tree that no commit tells of, except a draft.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screening.bundle import Bundle

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ("screening", "scripts", "configs", "requirements", "pyproject.toml")
"""What a figure hangs on; a report that the one before wrote changes none."""
DRAFT = ", with changes not committed: a draft"


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the report goes, and whether it may be a draft."""
    parser.add_argument("--reports", type=Path, default=ROOT / "reports", help="folder to write to")
    parser.add_argument(
        "--draft",
        action="store_true",
        help="measure with changes not committed; the report says so",
    )


def begin(args: argparse.Namespace) -> str:
    """Return the commit to be named. SystemExit for changes not committed, unless for a draft."""
    found = commit()
    if found.endswith(DRAFT) and not args.draft:
        sys.exit(
            "expected a working tree without changes, or no commit could say what was measured: "
            "commit them (git status shows them), or give --draft"
        )
    return found


def commit() -> str:
    """Return the commit of the working tree, and whether it has changes that could matter."""
    changed = _git("status", "--porcelain", "--", *MEASURED)
    return _git("rev-parse", "--short=12", "HEAD") + (DRAFT if changed else "")


def write(
    args: argparse.Namespace,
    name: str,
    title: str,
    commit: str,
    bundle: Bundle | str,
    data: Path | str,
    body: str,
) -> Path:
    """Write reports/NAME with its header and return its path.

    `bundle`: whose figures these are, or why of none; `data`: a folder of single chromosomes, a
    file, or why there is none.
    """
    path = args.reports / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {title}\n\n{header(commit, bundle, data)}\n{body.strip()}\n", "utf-8")
    print(f"written to {path}")
    return path


def header(commit: str, bundle: Bundle | str, data: Path | str) -> str:
    """Return the table on top of a report."""
    from screening.bundle import Bundle, default_bundle, load_bundle, sha256_of

    if isinstance(bundle, Bundle):
        shipped = load_bundle(default_bundle()).hash == bundle.hash
        whose = f"sha256 {bundle.hash}{'' if shipped else ', not the shipped one'}"
    else:
        whose = f"none: {bundle}"
    if isinstance(data, Path):
        from screening.build.data import listing_hash

        what = f"sha256 {listing_hash(data) if data.is_dir() else sha256_of(data)}"
    else:
        what = f"none: {data}"
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    rows = {"command": f"`{command()}`", "commit": commit, "bundle": whose, "data": what,
            "machine": machine}  # fmt: skip
    lines = "".join(f"| {name} | {value} |\n" for name, value in rows.items())
    return f"| measured by | |\n| --- | --- |\n{lines}"


def command() -> str:
    """Return the command line without the places of one machine."""
    words, before = [f"scripts/{Path(sys.argv[0]).name}"], ""
    for word in sys.argv[1:]:
        if before != "--reports" and word not in ("--reports", "--draft"):
            far = Path(word).is_absolute() or word.startswith("..")
            far |= before == "--data"
            words.append("DATA" if far and before == "--data" else Path(word).name if far else word)
        before = word
    return f"python {shlex.join(words)}"


def read_header(text: str) -> dict[str, str]:
    """Return what a report's header says, by row; empty for a text without one."""
    top, _, rest = text.partition("| measured by | |\n| --- | --- |\n")
    lines = rest.partition("\n\n")[0].splitlines()
    found = {}
    for line in lines if top.count("\n") <= 3 else ():
        name, _, value = line.strip("| ").partition(" | ")
        found[name] = value
    return found


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()

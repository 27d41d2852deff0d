"""Write the licence of every package of an SBOM as a table; see `make sbom`.

    python scripts/list_licences.py SBOM.json --out licences.md

Ends with 1 when a package states no licence, or one under which this project could not be given on.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from screening.atomic import replace_files
from screening.metrics import markdown_table

UNSTATED = {
    "axe-playwright-python": "MIT", "keras": "Apache-2.0", "keras-tuner": "Apache-2.0",
    "kt-legacy": "Apache-2.0", "namex": "Apache-2.0", "protobuf": "BSD-3-Clause",
}  # fmt: skip
"""Packages whose metadata tell no licence, by the LICENSE of their repositories."""

_FREE = re.compile(
    r"MIT|BSD|0BSD|Apache|Python-2\.0|PSF|MPL-2\.0|Mozilla Public License 2\.0|ISC|Zlib|CC0"
    r"|Unlicense|HPND|DFSG approved"
)
_BOUND = re.compile(r"\b[AL]?GPL|Affero|\bGNU|Proprietary|NonCommercial|\bNC\b", re.IGNORECASE)


def licences(component: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a component of an SBOM states as its licences."""
    stated = [
        entry.get("expression") or entry["license"].get("id") or entry["license"].get("name", "")
        for entry in component.get("licenses", ())
    ]
    known = UNSTATED.get(component["name"].lower(), "")
    return tuple(dict.fromkeys(filter(None, stated))) or ((known,) if known else ())


def doubts(components: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return which packages must not be among them as they are, and why."""
    found = []
    for one in components:
        stated = " ".join(licences(one))
        if not stated:
            found.append(f"{one['name']} {one['version']} states no licence")
        elif _BOUND.search(stated) or not _FREE.search(stated):
            found.append(f"{one['name']} {one['version']} is under {stated}")
    return found


def main() -> int:
    """Write the table and print its length, and what is doubtful."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sbom", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    components = json.loads(args.sbom.read_text("utf-8"))["components"]
    components.sort(key=lambda one: one["name"].lower())
    rows = [[one["name"], one["version"], "; ".join(licences(one))] for one in components]
    text = markdown_table(("package", "version", "licence"), rows)
    replace_files(args.out.parent, {args.out.name: text})
    print(f"{len(rows)} packages: {args.out}")
    found = doubts(components)
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

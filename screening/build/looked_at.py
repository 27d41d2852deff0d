"""How often a build has looked at the same people for a promise, however often it is done anew.

Whoever sees what a bundle says of calibration people and then builds another has chosen with them:
a certificate tells how many such looks there were. `RUN/looked_at.json` outlives the stage that
`--redo` empties.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from screening.atomic import replace_files
from screening.build.runner import BuildError

NAME = "looked_at.json"


def earlier_looks(run: Path, what: Mapping[str, Any], people: Iterable[str]) -> int:
    """Return how many other looks of the build in `run` saw any of these people; note this one.

    `what`: whatever decides what is seen (bundle, settings, pages), as JSON knows it: the very same
    once more, as after an interruption, is no other look. `people`: their hashes. BuildError: the
    file that remembers cannot be read.
    """
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    known = _read(run / NAME)
    now = sorted(set(people))
    seen = known | {key: now}
    if seen != known:
        replace_files(run, {NAME: json.dumps(seen, indent=1) + "\n"})
    return sum(bool(set(now) & set(others)) for one, others in known.items() if one != key)


def _read(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text("utf-8"))
        if not isinstance(known, dict):
            raise ValueError("expected an object")
        return {str(key): [str(one) for one in people] for key, people in known.items()}
    except (OSError, ValueError, TypeError) as error:
        raise BuildError(
            f"{path}: cannot be read ({error}); it counts the looks at calibration people, which a "
            "certificate has to tell: restore it, or build into another folder"
        ) from error

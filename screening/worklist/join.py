"""The parts of one run, each with an output folder of its own, become one list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from screening import words
from screening.errors import ScreeningError
from screening.worklist.kept import reading
from screening.worklist.ledger import FILE_NAME, Ledger, discard
from screening.worklist.outputs import OUTPUT_NAMES
from screening.worklist.run import make_folder
from screening.worklist.shard import Shard

_ALIKE = (
    "bundle", "options_hash", "passes", "seed", "rule", "min_confidence", "threshold", "case_from",
    "cells_together",
)  # fmt: skip
"""What the parts of one run have in common."""


def join(outs: Sequence[Path], out: Path, overwrite: bool = False, published: str = "") -> None:
    """Write into `out` the ledger that one run over all pictures would have left, from those of its
    parts, every one of which is needed; `rebuild` makes the outputs of it. `published`: the address
    to which `out` is brought afterwards.

    Raises ScreeningError that names the part that is missing, doubled, not finished or made
    otherwise, or when `out` holds results already.
    """
    parts, info = [], ""
    for one in outs:
        with Ledger.of_last_run(one / FILE_NAME) as ledger:
            parts.append(ledger.last_run())
            info = ledger.info().model_dump_json()
    _check(outs, parts)
    make_folder(out)
    held = [name for name in (FILE_NAME, *OUTPUT_NAMES) if (out / name).exists()]
    if held and not overwrite:
        raise ScreeningError(
            f"{out} holds {held[0]} already: use --overwrite to replace it, or another --out"
        )
    discard(out / FILE_NAME)
    told = _of_all(parts) | {"published": published}
    which = (told["bundle"], told["options_hash"])
    with Ledger(out / FILE_NAME, *which) as ledger:
        started, finished = told.pop("started"), told.pop("finished")
        ledger.begin(told, started, info=info)
        for one in outs:
            with reading(one / FILE_NAME) as connection:
                results = connection.execute(
                    "SELECT results.* FROM listed JOIN results USING (image, sha256)"
                    " WHERE bundle = ? AND options = ?",
                    which,
                )
                listed = connection.execute("SELECT image, sha256, patient_case FROM listed")
                ledger.copy(results, listed)
        ledger.finish(finished)


def _check(outs: Sequence[Path], parts: Sequence[Mapping[str, Any]]) -> None:
    """Raise ScreeningError unless these are all parts of one run, and finished."""
    problems = []
    shards = []
    for one, told in zip(outs, parts, strict=True):
        if not told.get("shard"):
            raise ScreeningError(
                f"{one} holds no part of a run: expected the --out of `screening screen` with "
                "--shard"
            )
        shards.append(Shard.of(told["shard"]))
        if told["finished"] is None:
            problems.append(f"part {shards[-1]} in {one} did not come to its end: use --resume")
        problems += [
            f"{one} was made with another {name} than {outs[0]}"
            for name in _ALIKE
            if told.get(name) != parts[0].get(name)
        ]
    count = shards[0].count
    numbers = Counter(shard.number for shard in shards)
    if any(shard.count != count for shard in shards):
        problems.append(f"not all are one of {count} parts")
    missing = [number for number in range(1, count + 1) if number not in numbers]
    if missing:
        said = words.first_of(missing, 20)
        problems.append(f"of {count} parts these are missing: {said}")
    problems += [f"part {number} is there {n} times" for number, n in numbers.items() if n > 1]
    if problems:
        raise ScreeningError("; ".join(problems))


def _of_all(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What one run over all parts would have noted."""
    notes = {note for told in parts for note in told["notes"]}
    return parts[0] | {
        "shard": "",
        "images": sum(told["images"] for told in parts),
        "new": sum(told["new"] for told in parts),
        "notes": sorted(notes),
        "started": min(told["started"] for told in parts),
        "finished": max(told["finished"] for told in parts),
        "seconds": sum(told["seconds"] for told in parts),
    }

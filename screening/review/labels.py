"""From verdicts to labels that `evaluate`, `tune` and `train` take, and what is left out of them.

A reader's verdict on a cell stands before the same reader's verdict on its case. A cell is labelled
when every reader who said something of it says the same, normal or abnormal, of the very picture
that was screened; and by a verdict on the case only when its pictures are those that were there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from screening.classes import LABELS, OK
from screening.review.verdicts import PersonVerdict, content_of
from screening.words import first_of
from screening.worklist.kept import KeptRun

LABEL_COLUMNS = ("path", "label", "case", "karyotype", "readers")
_NAMED = 5


@dataclass(frozen=True)
class Labels:
    """`rows` by LABEL_COLUMNS; `left_out`: images by the reason in words."""

    rows: tuple[dict[str, str], ...]
    left_out: dict[str, tuple[str, ...]]

    def told(self) -> list[str]:
        """Return a sentence for every reason why pictures are left out."""
        return [
            f"Left out, {reason}: {len(images)} ({first_of(images, _NAMED)})"
            for reason, images in self.left_out.items()
        ]


def labels_of(
    run: KeptRun,
    standing: Iterable[PersonVerdict],
    path_of: Callable[[str], Path | None],
    table: Path,
) -> Labels:
    """Return the labels of a run's pictures by the verdicts that stand.

    `path_of`: where a picture lies, None where it is not found or another by now; `table`: the CSV
    that the labels are for, to whose folder their paths are relative where they can be.
    """
    of_cell: dict[str, list[PersonVerdict]] = {}
    of_case: dict[str, list[PersonVerdict]] = {}
    for verdict in standing:
        if verdict.image:
            of_cell.setdefault(verdict.image, []).append(verdict)
        else:
            of_case.setdefault(verdict.case, []).append(verdict)
    contents = _contents(run)
    rows: list[dict[str, str]] = []
    left_out: dict[str, list[str]] = {}
    labelled: set[str] = set()
    for line in run.lines:
        image = line["image"]
        own = of_cell.get(image, [])
        judged = {each.initials.casefold() for each in own}
        case = [each for each in of_case.get(line["case"], []) if line["status"] == OK]
        heard = own + [each for each in case if each.initials.casefold() not in judged]
        reason = _why_not(heard, line["sha256"], contents[line["case"]])
        if heard and not reason and line["sha256"] in labelled:
            reason = "the same picture under another name is labelled"
        path = path_of(image) if heard and not reason else None
        if heard and not reason and path is None:
            reason = (
                "the picture is not found (say with --pictures where it is) or not the one that "
                "was screened"
            )
        if reason:
            left_out.setdefault(reason, []).append(image)
        elif path is not None:
            labelled.add(line["sha256"])
            rows.append({
                "path": _relative(path, table),
                "label": heard[0].decision,
                "case": line["case"],
                "karyotype": next((each.iscn for each in heard if each.iscn), ""),
                "readers": " ".join(sorted(each.initials for each in heard)),
            })  # fmt: skip
    return Labels(tuple(rows), {reason: tuple(names) for reason, names in left_out.items()})


def _contents(run: KeptRun) -> dict[str, str]:
    """What stands for the pictures of each case."""
    hashes: dict[str, list[str]] = {}
    for line in run.lines:
        hashes.setdefault(line["case"], []).append(line["sha256"])
    return {case: content_of(each) for case, each in hashes.items()}


def _why_not(heard: list[PersonVerdict], sha256: str, content: str) -> str:
    """Say why a cell with these verdicts gets no label, "" when it does or has none."""
    if not heard:
        return ""
    if len({each.decision for each in heard}) > 1:
        return "readers disagree"
    if any(each.image and each.sha256 not in ("", sha256) for each in heard):
        return "the verdict was given on another picture of this name"
    if any(not each.image and each.sha256 not in ("", content) for each in heard):
        return "pictures of the case came or changed since its verdict"
    if heard[0].decision not in LABELS:
        return f"the verdict is {heard[0].decision!r}"
    return ""


def _relative(path: Path, table: Path) -> str:
    try:
        relative = Path(os.path.relpath(path, table.resolve().parent)).as_posix()
        return relative if relative.startswith("../") else f"./{relative}"
    except ValueError:  # on another drive
        return path.as_posix()

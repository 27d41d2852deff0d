"""From what the browser sends to a stored verdict, with what was shown when it was given."""

from __future__ import annotations

import hashlib
from typing import Any

from screening.review.room import CaseLine, Room
from screening.review.verdicts import PersonVerdict, VerdictError


def given_from(room: Room, asked: dict[str, Any]) -> tuple[PersonVerdict, CaseLine]:
    """Return the verdict that was asked to be stored, as stored, and its case.

    VerdictError when it is about nothing in this run, was given on a page of an earlier run, or is
    none.
    """
    line = room.by_key.get(str(asked.get("case", "")))
    if line is None:
        raise VerdictError("there is no such case in this run: load the list anew")
    if asked.get("stamp") != room.run.stamp or not room.is_current():
        raise VerdictError(
            "the pictures were screened again since this page was opened: load it anew, look, and "
            "give the verdict on what it shows then"
        )
    cell = str(asked.get("cell") or "")
    image = room.images.get(cell, "") if cell else ""
    if cell and room.case_of.get(image) != line.case.case:
        raise VerdictError("there is no such cell in this case: load the page anew")
    images = [image] if image else [one["image"] for one in line.cells]
    kept = room.run.pictures(images)
    shown = [each.shown for each in kept]
    classes = asked.get("classes") or {}
    if not isinstance(classes, dict) or (classes and not image):
        raise VerdictError("classes of chromosomes belong to one cell")
    reading = kept[0].picture.reading
    places = {str(place) for place in range(len(reading.chromosomes) if reading else 0)}
    if not {str(place) for place in classes} <= places:
        raise VerdictError("there is no such chromosome in this cell: load the page anew")
    verdict = PersonVerdict(
        case=line.case.case,
        image=image,
        decision=str(asked.get("decision", "")),
        iscn=str(asked.get("iscn", "")),
        initials=str(asked.get("initials", "")),
        note=str(asked.get("note", "")),
        classes={str(place): str(name) for place, name in classes.items()},
        sha256=_hash_of(line, image),
        shown=shown[0] if image else hashlib.sha256("".join(shown).encode()).hexdigest(),
        bundle=room.run.bundle,
    )
    return room.verdicts.add(verdict), line


def _hash_of(line: CaseLine, image: str) -> str:
    """The hash of the picture that was judged, or of all pictures of a case."""
    if not image:
        return line.content
    return next(str(one["sha256"]) for one in line.cells if one["image"] == image)

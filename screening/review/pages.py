"""The pages of the reading room as HTML, on the components and the look of the report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from jinja2 import Environment

from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME, ROUTES
from screening.evidence.witnesses import KNOWN, labels_of
from screening.languages.spoken import said, told
from screening.record import Chromosome, Picture, Reading
from screening.report.glossary import limits
from screening.report.overlay import change_of, described
from screening.report.work_list import WorkList, components, environment
from screening.review import sentences
from screening.review.agreement import agreements
from screening.review.reread import Reread
from screening.review.room import (
    CASES_A_PAGE,
    SORTS,
    STATES,
    CaseLine,
    Query,
    Room,
    Standing,
    key_of,
)
from screening.review.verdicts import DECISIONS, PersonVerdict
from screening.worklist.kept import KeptPicture

DIFFERING_ON_A_PAGE = 200
"""Cells and cases on which readers differ that one page lists."""
MARKS = {"normal": "▽", "abnormal": "▲", "cannot say": "●", "redo": "↻"}


@dataclass(frozen=True)
class Visit:
    """One look at the room: who looks (None: nobody yet), and the address of the room."""

    room: Room
    base: str
    reader: str | None
    standing: Standing


@dataclass(frozen=True)
class Box:
    """One chromosome to point at: its place in the reading, its class, kind of mark and words."""

    place: int
    name: str
    kind: str
    told: str
    x: float
    y: float
    w: float
    h: float


def list_page(visit: Visit, query: Query, notice: str = "", rows_only: bool = False) -> str:
    """Return the list of cases that a query asks for, or its rows alone."""
    room, standing = visit.room, visit.standing
    found = room.found(query, standing)
    pages = max(1, -(-len(found) // CASES_A_PAGE))
    page = min(query.page, pages)
    shown = found[(page - 1) * CASES_A_PAGE : page * CASES_A_PAGE]
    read = sum(standing.is_read(line) for line in room.lines)
    return _render(
        "rows.html.jinja" if rows_only else "list.html.jinja",
        visit,
        query=query,
        lines=shown,
        found=len(found),
        page=page,
        pages=pages,
        ages={line.key: _age(room, line) for line in shown},
        read=sentences.read_so_far(read, len(room.lines)),
        counts={route: sum(each.case.route == route for each in room.lines) for route in ROUTES},
        sorts=SORTS,
        states=STATES,
        notice=notice,
    )


def case_page(visit: Visit, line: CaseLine, cell: int, query: Query) -> str:
    """Return the page of a case with its cell number `cell` (from 0) open."""
    room = visit.room
    found = room.found(query, visit.standing)
    at = next((i for i, each in enumerate(found) if each.key == line.key), None)
    before = found[at - 1] if at else None
    after = found[at + 1] if at is not None and at + 1 < len(found) else None
    kept = room.run.pictures([line.cells[cell]["image"]])[0]
    picture, reading = kept.picture, kept.picture.reading
    ahead = [line.cells[cell + 1]] if cell + 1 < len(line.cells) else []
    ahead += [after.cells[0]] if after is not None else []
    return _render(
        "case.html.jinja",
        visit,
        query=query,
        line=line,
        cell=cell,
        previous=before,
        next=after,
        place=None if at is None else f"{at + 1} of {len(found)}",
        picture=picture,
        picture_key=key_of(picture.image),
        verdict=picture.judged,
        reading=reading,
        boxes=boxes_of(picture, reading) if reading is not None else (),
        names=dict.fromkeys(one.name for one in reading.chromosomes) if reading is not None else {},
        view=_view(room, picture, line),
        certificate=room.run.told.get("certificate", ""),
        limits=limits(room.run.rule.covers),
        history=_history(visit, line),
        ahead=[key_of(one["image"]) for one in ahead],
        mine=_mine(visit, line, kept),
    )


def history_part(visit: Visit, line: CaseLine) -> str:
    """Return the verdicts on a case that the reader may see, for its page."""
    return _render("history.html.jinja", visit, line=line, history=_history(visit, line))


def readers_part(visit: Visit, line: CaseLine) -> str:
    """Return who judged a case how, as far as the reader may see, for its line in the list."""
    return _render("readers.html.jinja", visit, line=line)


def homologs_part(
    visit: Visit, name: str, strips: Sequence[tuple[int, Chromosome, bytes, int]], bands: bytes,
    scale: float, pair: tuple[str, bytes] | None, odds: float | None,
) -> str:  # fmt: skip
    """Return the homologs of class `name` side by side: (place, chromosome, PNG, rows) of each,
    the ideogram as PNG, pixels of a strip to one of the original, the figure of a pair that
    differs, (caption, JPEG), and the log-odds that one of the pair is changed (None: unknown)."""
    return _render(
        "homologs.html.jinja", visit, name=name, strips=strips, bands=bands, scale=scale, pair=pair,
        compared=None if odds is None else sentences.compared(odds), alternatives=alternatives,
    )  # fmt: skip


def agreement_page(visit: Visit, number: int = 1) -> str:
    """Return where readers differ and how far they agree; of a blind room only that it is one.

    Where they differ in much, `number` is the page of that list, from 1 on; the last one for more.
    """
    differing = visit.standing.differing
    count = max(1, -(-len(differing) // DIFFERING_ON_A_PAGE))
    number = min(max(number, 1), count)
    first = (number - 1) * DIFFERING_ON_A_PAGE
    return _render(
        "agreement.html.jinja",
        visit,
        agreements=[sentences.agreed(one) for one in agreements(visit.standing.verdicts)],
        differing=differing[first : first + DIFFERING_ON_A_PAGE],
        number=number,
        count=count,
        keys={line.case.case: line.key for line in visit.room.lines},
    )


def told_page(sentence: str, base: str) -> str:
    """Return a page that says one sentence."""
    return _environment().get_template("told.html.jinja").render(sentence=sentence, base=base)


def reread_part(visit: Visit, anew: Reread, boxes: Sequence[Box]) -> str:
    """Return what a cell amounts to by a person's classes, and how its `boxes` are marked then."""
    marks = [(box.place, box.kind, said(box.told)) for box in boxes]
    return _render("reread.html.jinja", visit, anew=anew, marks=marks)


def alternatives(one: Chromosome) -> tuple[tuple[str, float], ...]:
    """Return the classes that the classifier thought of, the most probable first, with their
    probabilities; () where the record keeps none."""
    if one.seen is None:
        return ()
    names = (*CHROMOSOMES, NOT_A_CHROMOSOME)
    order = np.argsort(one.seen.classes)[::-1][:4]
    likely = [(names[i], one.seen.classes[i]) for i in order if one.seen.classes[i] >= 0.005]
    return tuple(likely)


def boxes_of(picture: Picture, reading: Reading) -> tuple[Box, ...]:
    """Return what can be pointed at on the original, noteworthy ones last, marked by a `reading` of
    its chromosomes."""
    made = []
    structure = picture.reading.structure if picture.reading is not None else None
    pairs = structure.pairs if structure is not None and picture.pairs else ()
    unlike = {place: pair.name for pair in pairs for place in (pair.first, pair.second)}
    for place, one in enumerate(reading.chromosomes):
        differs = unlike.get(place) == one.name
        state = change_of(one, reading.gains_and_losses) or ("misplaced" if one.misplaced else "")
        states = (state, "unlike" if differs else "", "doubtful" if one.doubtful else "")
        kind = " ".join(filter(None, states)) or "fine"
        words = described(one, reading.gains_and_losses)
        words += f"; {sentences.UNLIKE}" if differs else ""
        made.append(Box(place, one.name, kind, words, one.x, one.y, one.w, one.h))
    return tuple(sorted(made, key=lambda box: box.kind != "fine"))


def scripted() -> dict[str, str]:
    """Return what the scripts of the pages say, by the names they know it under."""
    return {
        "gone": told(
            "The reading room does not answer: was it closed? Nothing was stored just now; start "
            "`screening review` again."
        ),
        "closed": told("The reading room does not answer: was it closed?"),
        "choose": told("Choose a case first: j and k, or click it."),
        "last": told("There is no further case."),
        "kept": told("Corrected classes that your verdict on this cell keeps: {n:n}.", n="{n}"),
        "cell": told("A verdict on the case keeps no corrected classes: choose this cell."),
        "named": told("named {name:word} by you", name="{name}"),
        "iscn": told("follows ISCN"),
        "given": told("Verdicts are given as {initials}.", initials="{initials}"),
    }


def _view(room: Room, picture: Picture, line: CaseLine) -> WorkList:
    run = room.run
    return WorkList(
        "", (picture,), (line.case,), (), (), run.rule, structure=run.info.structure,
        labels=labels_of(KNOWN),
    )  # fmt: skip


def _history(visit: Visit, line: CaseLine) -> list[tuple[PersonVerdict, bool, bool]]:
    """Every verdict on a case, the newest first: whether it stands, and whether its pictures were
    screened again since."""
    standing = {one.id for one in visit.standing.of_case(line.case.case)}
    reader = (visit.reader or "").casefold()
    bundle = visit.room.run.bundle
    return [
        (one, one.id in standing, one.bundle != bundle or not line.is_of(one))
        for one in reversed(visit.room.verdicts.all())
        if one.case == line.case.case
        and (not visit.room.blind or one.initials.casefold() == reader)
    ]  # fmt: skip


def _mine(visit: Visit, line: CaseLine, kept: KeptPicture) -> PersonVerdict | None:
    """What the reader said of this cell or case, to go on from: of what is shown, and without the
    classes where chromosomes may have other places by now."""
    mine = visit.standing.of_reader(visit.reader, line.case.case, kept.picture.image)
    if mine is None or not line.is_of(mine):
        return None
    return mine if mine.shown == kept.shown else replace(mine, classes={})


def _age(room: Room, line: CaseLine) -> str:
    written = [room.originals.written(one["image"]) for one in line.cells[:3]]
    known = [at for at in written if at is not None]
    return sentences.age(time.time() - max(known)) if known else ""


def _render(template: str, visit: Visit, **values: object) -> str:
    common = {
        "base": visit.base, "room": visit.room, "reader": visit.reader,
        "standing": visit.standing, "stamp": visit.room.run.stamp,
        "rule": visit.room.run.rule,
    }  # fmt: skip
    return _environment().get_template(template).render(**common, **values)


@cache
def _environment() -> Environment:
    made = environment("review/templates")
    made.globals.update(components())
    # A page that travels has room for some; here they are few enough to be shown all.
    made.globals.update(pairs_shown=lambda one: one.pairs, crops_shown=lambda one: one.crops)
    made.globals.update(key_of=key_of, decisions=DECISIONS, marks=MARKS, sentences=sentences)
    made.globals["scripted"] = scripted
    return made

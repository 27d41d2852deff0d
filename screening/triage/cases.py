"""From pictures to cases: one row per person, routed by the most urgent of their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from screening.classes import ABNORMAL, FAILED, OK, REJECTED, REVIEW, ROUTES
from screening.triage.findings import CellKaryotype, find


@dataclass(frozen=True)
class Cell:
    """What a case needs to know of one picture: one cell, as a karyogram shows it.

    `read`: what its chromosomes amount to, None where they were not read or not surely enough.
    """

    case: str
    status: str
    route: str
    prediction: str
    p_abnormal: float | None
    read: CellKaryotype | None = None


@dataclass(frozen=True)
class Case:
    """One case: how many pictures of each kind, the most urgent route, and a sentence.

    `p_abnormal` is the highest of the judged pictures (None when there is none). `findings`: what
    the cells show together, chromosome by chromosome (see `triage.findings`), "" when no picture's
    chromosomes were read. Cells that differ are at least reviewed.
    """

    case: str
    route: str
    images: int
    ok: int
    rejected: int
    failed: int
    abnormal: int
    p_abnormal: float | None
    summary: str
    findings: str = ""


def summarise_cases(cells: Sequence[Cell]) -> list[Case]:
    """Return the cases in the order in which their first cell comes."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.case, []).append(cell)
    return [_case(name, group) for name, group in groups.items()]


def _case(name: str, cells: Sequence[Cell]) -> Case:
    judged = [cell for cell in cells if cell.status == OK]
    abnormal = sum(cell.prediction == ABNORMAL for cell in judged)
    known = [cell.p_abnormal for cell in judged if cell.p_abnormal is not None]
    read = [cell.read for cell in judged if cell.read is not None]
    findings = find(read, len(cells) - len(read))
    routes = [cell.route for cell in cells] + [REVIEW] * findings.mosaic
    return Case(
        case=name,
        route=min(routes, key=ROUTES.index),
        images=len(cells),
        ok=len(judged),
        rejected=sum(cell.status == REJECTED for cell in cells),
        failed=sum(cell.status == FAILED for cell in cells),
        abnormal=abnormal,
        p_abnormal=max(known, default=None),
        summary=_sentence(len(judged), abnormal, len(cells) - len(judged)),
        findings=findings.text,
    )


def _sentence(judged: int, abnormal: int, unread: int) -> str:
    if not judged:
        return "no picture could be judged"
    cells = "1 cell" if judged == 1 else f"{judged} cells"
    verb = "looks" if abnormal == 1 else "look"
    said = f"{abnormal} of {cells} {verb} abnormal"
    if unread:
        said += f", {unread} more could not be judged"
    return said

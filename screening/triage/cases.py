"""From pictures to cases: one row per person, routed by the most urgent of their pictures."""

from __future__ import annotations

from collections.abc import Sequence

from screening import words
from screening.classes import ABNORMAL, FAILED, OK, REJECTED, REVIEW, ROUTES
from screening.evidence.witnesses.structure import MOST_CHANGES
from screening.record import Case, Picture, Reading
from screening.triage.findings import CellKaryotype, find, structural
from screening.triage.rule import Rule

_MOST_PROBABLE = 0.5
"""Posterior from which a cell's first karyotype is counted for the case."""
_UNREADABLE = {words.UNREADABLE_STRUCTURE, words.POOR_BANDS}


def summarise_cases(pictures: Sequence[Picture], rule: Rule) -> list[Case]:
    """Return the cases of judged pictures, in the order in which their first picture comes.

    Cells that differ are at least reviewed.
    """
    groups: dict[str, list[Picture]] = {}
    for picture in pictures:
        groups.setdefault(picture.case, []).append(picture)
    return [_case(name, group, rule) for name, group in groups.items()]


def _case(name: str, pictures: Sequence[Picture], rule: Rule) -> Case:
    judged = [picture for picture in pictures if picture.status == OK]
    verdicts = [picture.judged for picture in pictures]
    abnormal = sum(picture.judged.prediction == ABNORMAL for picture in judged)
    known = [p for picture in judged if (p := picture.judged.p_abnormal) is not None]
    read = [cell for picture in judged if (cell := _cell(picture.reading, rule)) is not None]
    findings = find(read, len(pictures) - len(read))
    # A cell that cannot carry a name is looked at anyway, and must not name what a case has.
    structures = [
        p.reading.structure for p in judged
        if p.reading and p.reading.structure and not _UNREADABLE & {*p.doubts}
        and len(p.reading.gains_and_losses) <= MOST_CHANGES
    ]  # fmt: skip
    rearranged = structural(structures, rule.structural)
    raised = findings.mosaic or rearranged.mosaic
    routes = [verdict.route for verdict in verdicts] + [REVIEW] * raised
    return Case(
        case=name,
        route=min(routes, key=ROUTES.index),
        images=len(pictures),
        ok=len(judged),
        rejected=sum(picture.status == REJECTED for picture in pictures),
        failed=sum(picture.status == FAILED for picture in pictures),
        abnormal=abnormal,
        p_abnormal=max(known, default=None),
        summary=words.case_summary(len(judged), abnormal, len(pictures) - len(judged)),
        findings="; ".join(filter(None, (findings.text, rearranged.text))),
    )


def _cell(reading: Reading | None, rule: Rule) -> CellKaryotype | None:
    """What the cell shows, None unless its page is in order and one karyotype stands out."""
    if reading is None or not reading.karyotypes or reading.layout_score < rule.min_layout:
        return None
    karyotype, probability = reading.karyotypes[0]
    if probability < _MOST_PROBABLE:
        return None
    return CellKaryotype(karyotype, reading.gains_and_losses)

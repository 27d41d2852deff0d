"""From pictures to cases: one row per person, routed by the most urgent of their pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from screening import words
from screening.classes import ABNORMAL, FAILED, OK, REJECTED, REVIEW, ROUTES
from screening.evidence.witnesses.structure import MOST_CHANGES
from screening.record import Case, Picture, Reading, Structure
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
    rearranged = structural(_compared(judged), rule.structural, rule.together)
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


def without_outvoted(
    pictures: Sequence[Picture], others: Mapping[str, Picture], rule: Rule
) -> list[Picture]:
    """Return judged pictures, and instead of each of a case whose cells together speak against a
    structural change that of `others`, if there is one: by its name, as of `without_doubt`.

    Bent or stretched, a chromosome differs from its homolog in one cell; a person's has the change
    in every cell. A case of one cell that could be compared stands by it, and so does every case
    whose cells may be of several people (`rule.together` false): there they are no witnesses.
    """
    if not rule.together:
        return list(pictures)
    groups: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        groups[picture.case].append(picture)
    against = {}
    for case, group in groups.items():
        seen = _compared(group)
        # Of two sexes or karyotypes they may be of two people after all.
        differ = find([one for p in group if (one := _cell(p.reading, rule)) is not None]).mosaic
        raised = structural(seen, rule.structural, rule.together).mosaic
        if len(seen) > 1 and not differ and not raised:
            against[case] = len(seen)
    return [
        outvoted(others[picture.image], against[picture.case])
        if picture.image in others and picture.case in against and _compared([picture])
        else picture
        for picture in pictures
    ]


def outvoted(picture: Picture, cells: int) -> Picture:
    """Return a picture judged `without_doubt`, and told of the `cells` that took the doubt back."""
    verdict, reading = picture.judged, picture.reading
    assert reading is not None and reading.structure is not None
    seen = words.pair_differs(reading.structure.pairs[0])
    note = f"in this cell {seen}, but the {cells} cells of the case together speak against a change"
    return replace(picture, verdict=replace(verdict, reasons=(*verdict.reasons, note)))


def without_doubt(picture: Picture) -> Picture | None:
    """Return a picture without the doubt that its homologs differ, None where there is none."""
    seen = picture.reading.structure if picture.reading else None
    if seen is None or not seen.pairs:
        return None
    said = {words.structural_doubt(one) for one in (seen, replace(seen, suggestion=""))}
    doubts = tuple(doubt for doubt in picture.doubts if doubt not in said)
    return replace(picture, doubts=doubts) if len(doubts) < len(picture.doubts) else None


def _compared(pictures: Sequence[Picture]) -> list[Structure]:
    """What the structure of those says whose homologs can be compared. A cell that cannot carry a
    name is looked at anyway, and must not name what a case has."""
    return [
        p.reading.structure for p in pictures
        if p.status == OK and p.reading and p.reading.structure and not _UNREADABLE & {*p.doubts}
        and len(p.reading.gains_and_losses) <= MOST_CHANGES
    ]  # fmt: skip


def _cell(reading: Reading | None, rule: Rule) -> CellKaryotype | None:
    """What the cell shows, None unless its page is in order and one karyotype stands out."""
    if reading is None or not reading.karyotypes or reading.layout_score < rule.min_layout:
        return None
    karyotype, probability = reading.karyotypes[0]
    if probability < _MOST_PROBABLE:
        return None
    return CellKaryotype(karyotype, reading.gains_and_losses)

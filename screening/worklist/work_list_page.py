"""The page of a run: judged pictures, their cases and facts brought into one work list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from screening import __version__, words
from screening.classes import LOW_PRIORITY, ROUTES
from screening.evidence.witnesses import KNOWN, labels_of
from screening.record import Case, Picture, Verdict
from screening.report.work_list import MOST_THUMBNAILS, WorkList, render
from screening.worklist.guard import reason_of
from screening.worklist.ledger import Ledger
from screening.worklist.links import addresses
from screening.worklist.remote import place_of

if TYPE_CHECKING:
    from screening.worklist.outputs import RunFacts, Trust


def page_text(
    pictures: Sequence[Picture],
    cases: Sequence[Case],
    ledger: Ledger,
    facts: RunFacts,
    trust: Trust,
    draw: Callable[[WorkList], str] = render,
) -> str:
    """Return report.html for judged pictures, which are in the order of the work list; `draw` makes
    another page of the same work list."""
    # Those at the end of a very long list are never shown: only the others are kept in memory.
    shown = {
        picture.image: picture
        for i, picture in enumerate(pictures)
        if picture.judged.route != LOW_PRIORITY or i < MOST_THUMBNAILS
    }
    left_out = facts.left_out
    whole = {
        each.image: replace(each, verdict=shown[each.image].verdict)
        for each in ledger.results()
        if each.image in shown
    }
    page = WorkList(
        title="Karyogram screening: work list",
        pictures=tuple(whole.get(picture.image, picture) for picture in pictures),
        cases=tuple(sorted(cases, key=lambda case: ROUTES.index(case.route))),
        facts=_facts(facts, len(pictures)),
        notes=facts.notes + ((words.left_out(str(left_out)),) if left_out.count else ()),
        rule=facts.rule,
        certificate=trust.certificate,
        structure=trust.structure,
        warnings=trust.warnings,
        labels=labels_of(KNOWN),
        originals=addresses(pictures, _folder_of(ledger), ledger.path.parent),
    )
    try:
        return draw(page)
    except Exception:  # of one picture, as a rule: the decisions on all stand
        return draw(replace(page, pictures=tuple(_drawn(one, page) for one in page.pictures)))


def _folder_of(ledger: Ledger) -> Path | None:
    """Where the pictures of the last run were, if page and pictures are on this machine."""
    told = ledger.last_run()
    if told.get("published") or not told.get("pictures"):
        return None
    folder = place_of(str(told["pictures"]))
    return folder if isinstance(folder, Path) else None


def _drawn(picture: Picture, page: WorkList) -> Picture:
    """Return as much of a picture as can be drawn: all, all but what was found, or its route."""
    own = tuple(case for case in page.cases if case.case == picture.case)
    try:
        render(replace(page, pictures=(picture,), cases=own))
        return picture
    except Exception as error:
        verdict = picture.judged
        reasons = tuple(dict.fromkeys([*verdict.reasons, f"not shown here: {reason_of(error)}"]))
        if picture.reading is None and not picture.thumbnail:
            return replace(picture, verdict=Verdict(verdict.route, reasons=reasons))
        bare = replace(picture, reading=None, thumbnail=b"", crops=(), pairs=())
        return _drawn(replace(bare, verdict=replace(verdict, reasons=reasons)), page)


def _facts(facts: RunFacts, images: int) -> tuple[tuple[str, str], ...]:
    together = ("cells of a case", "of one person, homologs judged by all of them")
    return (
        ("screening", __version__),
        ("bundle", f"{facts.bundle_name}, sha256 {facts.bundle_hash}"),
        ("pictures", f"{images}, of which {facts.new} were judged in this run"),
        ("rule", facts.rule.name),
        ("votes abnormal", f"a pass with p(abnormal) of {facts.rule.threshold:.2g} or more"),
        ("minimum confidence", f"{facts.rule.min_confidence:.2f}"),
        *((together,) if facts.rule.together else ()),
        ("passes", str(facts.passes)),
        ("seed", str(facts.options.get("seed", ""))),
        ("device", facts.device),
        ("engine", facts.engine),
        ("started, finished (UTC)", f"{facts.started}, {facts.finished}"),
        ("other files ignored", str(facts.left_out)),
    )

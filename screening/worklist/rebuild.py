"""The outputs of a run written again from its ledger: no picture is opened, no network loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from screening.bundle_schema import BundleInfo
from screening.triage.cases import summarise_cases
from screening.triage.rule import Rule
from screening.words import counted
from screening.worklist.ledger import FILE_NAME, Ledger, LedgerError
from screening.worklist.left_out import LeftOut
from screening.worklist.links import write_copies
from screening.worklist.outputs import RunFacts, in_order, trust_in
from screening.worklist.remote import place_of
from screening.worklist.run import Summary, broken_off, options_hash, put_in_place

_OF_THE_RUN = (
    "bundle", "bundle_name", "options_hash", "pictures", "published", "images", "notes",
    "ignored_kinds", "ignored_names", "started", "finished", "new", "seconds", "device_used",
    "engine_used",
)  # fmt: skip
"""What a ledger notes of a run beside the options that were asked for."""


def rebuild(
    out: Path, *, copies: bool = False, paper: Callable[[str], None] | None = None
) -> tuple[Summary, Rule]:
    """Write the outputs of the last run in `out` again; return how they are routed, and by what.

    `copies`: of all pictures as well, to which the page then leads; `paper` is given the page that
    is to be printed. A run that was broken off gives the part of the work list that is known, and a
    warning. Raises LedgerError when there is nothing to write or another version made it;
    OutputsNotWritten when the disk takes none.
    """
    clock = time.perf_counter()
    with Ledger.of_last_run(out / FILE_NAME) as ledger:
        told: dict[str, Any] = ledger.last_run()
        info = ledger.info()
        if ledger.options != options_hash(told["passes"], told["seed"]):
            raise LedgerError(
                f"{out} holds results of another version of screening: use that version, or make "
                "them anew with `screening screen` and --resume"
            )
        count = ledger.count()
        if not count and told["images"]:
            raise LedgerError(f"{out} holds no result yet: use `screening screen` with --resume")
        rule = Rule.of(
            info, told["min_confidence"], told["rule"], told.get("cells_together", False)
        )
        seconds = time.perf_counter() - clock
        facts = _facts(told, rule, info, count, seconds)
        if copies:
            facts = replace(facts, warnings=facts.warnings + _copied(ledger, told, out))
        statuses, routes, warnings = put_in_place(out, ledger, facts)
        if paper is not None:
            paper(_paper(ledger, facts))
    left_out = str(facts.left_out) if facts.left_out.count else ""
    return Summary(statuses, routes, facts.new, seconds, warnings, left_out), rule


def _copied(ledger: Ledger, told: Mapping[str, Any], out: Path) -> tuple[str, ...]:
    """Write copies of all pictures; return what is to be said of those that are not there."""
    missing = write_copies(ledger.results(), place_of(told["pictures"]), out)
    return (_said_of(missing, told["pictures"]),) if missing else ()


def _said_of(missing: tuple[str, ...], folder: str) -> str:
    """That no copies were made of pictures, by their names."""
    return (
        f"no copy of {counted(len(missing), 'picture')}, not in {folder} any more as screened: "
        + ", ".join(missing[:3])
        + (" …" if missing[3:] else "")
    )


def _paper(ledger: Ledger, facts: RunFacts) -> str:
    """The page to be printed."""
    from screening.report.work_list import render_paper
    from screening.worklist.work_list_page import page_text

    pictures = in_order(ledger, facts.rule)
    cases = summarise_cases(pictures, facts.rule)
    return page_text(pictures, cases, ledger, facts, trust_in(pictures, facts), render_paper)


def _facts(
    told: Mapping[str, Any], rule: Rule, info: BundleInfo, count: int, seconds: float
) -> RunFacts:
    """What the outputs tell of the run; of one that was broken off the times are those of now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return RunFacts(
        bundle_hash=told["bundle"],
        bundle_name=told["bundle_name"],
        options={name: value for name, value in told.items() if name not in _OF_THE_RUN},
        rule=rule,
        passes=told["passes"],
        device=told.get("device_used", told["device"]),
        engine=told.get("engine_used", told["engine"]),
        started=told["started"],
        finished=told["finished"] or now,
        seconds=told.get("seconds", seconds),
        new=told.get("new", 0),
        left_out=LeftOut(told["ignored_kinds"], tuple(told["ignored_names"])),
        notes=tuple(told["notes"]),
        info=info,
        warnings=(broken_off(count, told["images"]),) if count < told["images"] else (),
    )

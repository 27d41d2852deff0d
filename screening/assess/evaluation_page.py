"""An evaluation as pages: the same sections as one HTML file and as markdown."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from screening.assess.cost import cheapest_for
from screening.assess.evaluation import Evaluation, promise_kept
from screening.bundle_schema import BundleInfo
from screening.metrics import Proportion, markdown_table
from screening.promises import certificate_sentence
from screening.uncertainty.selective import WORKLOADS, SelectiveRow
from screening.words import rounded_down

TITLE = "Karyogram screening: evaluation"
RESEARCH = "Research use only: figures of this data, not of your laboratory."
SHOWN = 20
"""How many recognised pictures the pages list; pictures.csv has all."""
COST_RECALLS = (0.9, 0.95, 0.98, 0.99, 1.0)


@dataclass(frozen=True)
class Section:
    """A heading, sentences, a table (may be empty), and the name of a figure ('' for none)."""

    title: str
    text: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[object, ...], ...] = ()
    figure: str = ""


def sections(evaluation: Evaluation, info: BundleInfo) -> list[Section]:
    """Return what the pages show, in order."""
    found = [_in_short(evaluation), _promise(evaluation, info), _routing(evaluation)]
    found.append(_seen(evaluation))
    found += [_cost(evaluation), _ranking(evaluation), _calibration(evaluation)]
    found.append(_selective(evaluation))
    if evaluation.drift:
        found.append(
            Section(
                "Like the calibration cases?",
                tuple(f"{str(drift)[0].upper()}{str(drift)[1:]}." for drift in evaluation.drift),
            )
        )
    return found


def html_page(
    parts: Sequence[Section],
    facts: Sequence[tuple[str, str]],
    warnings: Sequence[str],
    figures: Mapping[str, bytes],
) -> str:
    """Return one self-contained HTML page; `warnings` stand at its top."""
    from screening.report.work_list import environment  # Jinja2 is for this alone

    made = environment("assess")
    made.filters["cell"] = _text
    data = {
        name: "data:image/png;base64," + base64.b64encode(png).decode("ascii")
        for name, png in figures.items()
    }
    return made.get_template("evaluation.html.jinja").render(
        title=TITLE, research=RESEARCH, parts=parts, facts=facts, warnings=warnings, figures=data
    )


def markdown_page(
    parts: Sequence[Section], facts: Sequence[tuple[str, str]], warnings: Sequence[str]
) -> str:
    """Return the same as markdown; figures lie in figures/."""
    lines = [f"# {TITLE}", "", *(f"**{warning}**\n" for warning in warnings), RESEARCH, ""]
    lines += [f"- {name}: {value}" for name, value in facts]
    for part in parts:
        lines += ["", f"## {part.title}", "", *(f"{text}\n" for text in part.text)]
        if part.header:
            lines.append(markdown_table(part.header, part.rows))
        if part.figure:
            lines.append(f"![{part.title}](figures/{part.figure})")
    return "\n".join(lines) + "\n"


def _in_short(evaluation: Evaluation) -> Section:
    here, prevalence = evaluation.here, evaluation.prevalence
    last = here.low_priority
    text = [
        f"{here.recall.successes} of {here.recall.total} abnormal cases were not low-priority "
        f"({_interval(here.recall)}), {last.successes} of {last.total} normal cases were "
        f"({_interval(last)}).",
        f"In 100 cases of which {100 * prevalence:.2g} are abnormal, a person would open "
        f"{100 * here.opened:.0f} first and save {here.minutes:.0f} minutes.",
    ]
    rows = ((row.errors, row.oversure) for row in evaluation.selective)
    told = next(((wrong, sure) for wrong, sure in rows if sure is not None), None)
    if told is not None and told[0].successes:
        text.append(
            f"Of {told[0].successes} pictures that were named wrongly, "
            f"{told[1].successes} had a confidence of 0.99 or more."
        )
    return Section("In short", tuple(text))


def _promise(evaluation: Evaluation, info: BundleInfo) -> Section:
    text = [certificate_sentence(info.certificate), promise_kept(evaluation, info)]
    if evaluation.simulated:
        text.append(f"{evaluation.simulated} of the abnormal cases here are simulated.")
    return Section("Promise", tuple(text))


def _seen(evaluation: Evaluation) -> Section:
    return Section(
        "Seen before",
        (f"{seen_words(evaluation)}.",),
        ("picture", "", "by") if evaluation.sightings else (),
        tuple((s.picture, f"{s.role} the bundle", s.by) for s in evaluation.sightings[:SHOWN]),
    )


def seen_words(evaluation: Evaluation) -> str:
    """Return how many of the pictures the bundle had seen, and with what they were compared."""
    many = len(evaluation.sightings) or "none"
    return f"Pictures known to the bundle: {many}; {evaluation.compared}"


def _routing(evaluation: Evaluation) -> Section:
    return Section(
        "Where cases go",
        ("Counts of cases; exact 95 % intervals (Clopper–Pearson).",),
        (
            "group", "abnormal flagged", "abnormal to low-priority (missed)",
            "normal to low-priority (work saved)", "to review",
        ),
        tuple(
            (s.group, s.flagged, s.missed, s.low_priority, s.reviewed) for s in evaluation.routing
        ),
    )  # fmt: skip


def _ranking(evaluation: Evaluation) -> Section:
    rows = tuple((group, n, area) for group, area, n in evaluation.ranking)
    return Section(
        "Ranking", ("Cases by p(abnormal).",), ("group", "cases", "AUROC"), rows, "roc.png"
    )


def _cost(evaluation: Evaluation) -> Section:
    shown = [("this bundle", evaluation.here)]
    for recall in COST_RECALLS:
        point = cheapest_for(evaluation.cost, recall)
        if point is not None and all(point != other for _, other in shown):
            shown.append((f"{point.threshold:.4f}", point))
    recalls = ", ".join(f"{recall:g}" for recall in COST_RECALLS)
    minutes = evaluation.minutes
    return Section(
        "What a person opens first",
        (
            f"Where {_percent(evaluation.prevalence)} of cases are abnormal (--prevalence), a case "
            f"opened first takes {minutes.first:g} minutes and a low-priority one {minutes.last:g} "
            "(--minutes). Opened first are flagged and reviewed cases.",
            f"The other thresholds are the cheapest here for a recall of {recalls}: chosen on this "
            "data, so they show what a choice costs and promise nothing.",
        ),
        (
            "a pass votes abnormal at", "abnormal cases not low-priority",
            "opened first, of 100 cases", "minutes saved in 100 cases",
            "normal among low-priority", "at least (95 %)",
        ),
        tuple(
            (name, point.recall, f"{100 * point.opened:.0f}", f"{point.minutes:.0f}",
             _share(point.npv), _share(point.npv_low))
            for name, point in shown
        ),
        "cost.png",
    )  # fmt: skip


def _calibration(evaluation: Evaluation) -> Section:
    return Section(
        "Is the score a probability?",
        (
            "The ECE is biased upwards: a perfect score of as many pictures shows the figure "
            "beside it. The debiased error is of second order and not to be compared with it.",
        ),
        ("score", "pictures", "ECE", "ECE of a perfect score", "debiased error", "Brier",
         "log loss"),
        tuple(
            (c.score, c.pictures, c.ece, c.ece_if_perfect, c.debiased, c.brier, c.log_loss)
            for c in evaluation.calibration
        ),
        "reliability.png",
    )  # fmt: skip


def _selective(evaluation: Evaluation) -> Section:
    told = next(iter(evaluation.confidence), "")
    return Section(
        "Which confidence finds the errors",
        (
            "Pictures. Lower AURC is better; the fail rate is the share of errors among what the "
            "tool keeps when a person takes over the least confident share of the pictures (the "
            f"workload). Groups are shown for {told!r} alone; confidences.csv has all.",
        ),
        selective_header(),
        tuple(
            selective_values(row)
            for row in evaluation.selective
            if row.group == "all" or row.confidence == told
        ),
        "risk_coverage.png",
    )


def selective_header() -> tuple[str, ...]:
    """Return the columns of the table of confidences."""
    return (
        "group", "confidence", "errors", "error detection, AUROC", "AURC", "excess AURC",
        "errors with confidence ≥ 0.99", *(f"fail rate at workload {w:g}" for w in WORKLOADS),
    )  # fmt: skip


def selective_values(row: SelectiveRow) -> tuple[object, ...]:
    """Return one line of the table of confidences."""
    return (
        row.group, row.confidence, row.errors, row.detection, row.aurc, row.excess, row.oversure,
        *row.fail_rates,
    )  # fmt: skip


def _text(value: object) -> str:
    if value is None or (isinstance(value, Proportion) and not value.total):
        return "–"
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3f}"
    return str(value)


def _interval(share: Proportion) -> str:
    return f"{_percent(share.value)}, 95 % interval {_percent(share.low)} to {_percent(share.high)}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _share(value: float) -> str:
    return "–" if value != value else rounded_down(value)

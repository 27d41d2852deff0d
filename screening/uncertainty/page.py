"""An evaluation as pages: the same sections as one HTML file and as markdown."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from screening.bundle import BundleInfo
from screening.metrics import Proportion, markdown_table
from screening.uncertainty.certificate import certificate_sentence
from screening.uncertainty.cost import Workload, cheapest_for
from screening.uncertainty.evaluation import Evaluation, promise_kept
from screening.uncertainty.selective import WORKLOADS, SelectiveRow

TITLE = "Karyogram screening: evaluation"
RESEARCH = "Research use only: figures of this data, not of your laboratory."
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
    found = [_promise(evaluation, info), _routing(evaluation), _ranking(evaluation)]
    found += [_cost(evaluation), _calibration(evaluation), _selective(evaluation)]
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
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("screening", "uncertainty"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _text
    data = {
        name: "data:image/png;base64," + base64.b64encode(png).decode("ascii")
        for name, png in figures.items()
    }
    return environment.get_template("evaluation.html.jinja").render(
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


def _promise(evaluation: Evaluation, info: BundleInfo) -> Section:
    text = [certificate_sentence(info.certificate), promise_kept(evaluation, info)]
    if evaluation.simulated:
        text.append(f"{evaluation.simulated} of the abnormal cases here are simulated.")
    return Section("Promise", tuple(text))


def _routing(evaluation: Evaluation) -> Section:
    return Section(
        "Where cases go",
        ("Counts of cases; exact 95 % intervals (Clopper–Pearson).",),
        (
            "group", "abnormal flagged", "abnormal put last (missed)",
            "normal put last (work saved)", "to review",
        ),
        tuple((s.group, s.flagged, s.missed, s.cleared, s.reviewed) for s in evaluation.routing),
    )  # fmt: skip


def _ranking(evaluation: Evaluation) -> Section:
    rows = tuple((group, n, area) for group, area, n in evaluation.ranking)
    return Section(
        "Ranking", ("Cases by p(abnormal).",), ("group", "cases", "AUROC"), rows, "roc.png"
    )


def _cost(evaluation: Evaluation) -> Section:
    here = evaluation.here
    rows = [("the bundle's", here.recall, here.opened, here.minutes, here.npv, here.npv_low)]
    shown: list[Workload] = []
    for recall in COST_RECALLS:
        point = cheapest_for(evaluation.cost, recall)
        if point is not None and point not in shown:
            shown.append(point)
            rows.append(
                (f"{point.threshold:.4f}", point.recall, point.opened, point.minutes, point.npv,
                 point.npv_low)
            )  # fmt: skip
    recalls = ", ".join(f"{recall:g}" for recall in COST_RECALLS)
    return Section(
        "What a person opens first",
        (
            f"At a prevalence of {evaluation.prevalence:g}. The other thresholds are the cheapest "
            f"here for a recall of {recalls}: chosen on this data, so not promises.",
        ),
        (
            "threshold", "abnormal not put last", "opened first", "minutes saved in 100 cases",
            "NPV", "NPV, lower bound",
        ),
        tuple(rows),
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
    return Section(
        "Which confidence finds the errors",
        ("Pictures. Lower AURC is better; the fail rate is the share of errors among those kept.",),
        selective_header(),
        tuple(selective_values(row) for row in evaluation.selective),
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

"""Figures of an evaluation as PNG bytes: ROC, reliability, risk–coverage, cost."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from screening.assess.evaluation import Evaluation
from screening.metrics import risk_coverage


def draw_figures(evaluation: Evaluation, note: str = "") -> dict[str, bytes]:
    """Return file name to PNG; `note` (a warning) stands on each."""
    return {
        f"{name}.png": _drawn(draw, evaluation, note)
        for name, draw in (
            ("roc", _roc),
            ("reliability", _reliability),
            ("risk_coverage", _risk_coverage),
            ("cost", _cost),
        )
    }


def _drawn(draw: Callable[[Axes, Evaluation], None], evaluation: Evaluation, note: str) -> bytes:
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    draw(axes, evaluation)
    axes.grid(alpha=0.25)
    if note:
        figure.suptitle(note, color="#b00020", fontsize=8)
    buffer = io.BytesIO()
    # No date or version inside: the same numbers give the same file.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _roc(axes: Axes, evaluation: Evaluation) -> None:
    false, true, _ = roc_curve(evaluation.labels, evaluation.scores)
    axes.plot(false, true, color="#1f4e79")
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
    axes.set(
        xlabel="share of normal pictures called abnormal",
        ylabel="share of abnormal pictures found",
        title="ROC, pictures",
    )


def _reliability(axes: Axes, evaluation: Evaluation) -> None:
    table = evaluation.reliability
    x = [row.score for row in table]
    y = np.array([row.abnormal.value for row in table])
    bars = [
        y - [row.abnormal.low for row in table],
        np.array([row.abnormal.high for row in table]) - y,
    ]
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
    axes.errorbar(x, y, yerr=np.maximum(bars, 0), fmt="o", color="#1f4e79", capsize=3)
    axes.set(
        xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="mean probability of abnormal in the bin",
        ylabel="share abnormal, exact 95 % interval", title="Reliability",
    )  # fmt: skip


def _risk_coverage(axes: Axes, evaluation: Evaluation) -> None:
    for name, values in evaluation.confidence.items():
        axes.plot(*risk_coverage(evaluation.wrong, values), label=name, linewidth=1.2)
    axes.legend(fontsize=8)
    axes.set(
        xlabel="share of pictures kept, most confident first",
        ylabel="share of errors among them",
        title="Risk and coverage",
    )


def _cost(axes: Axes, evaluation: Evaluation) -> None:
    curve = sorted({(point.recall.value, point.opened) for point in evaluation.cost})
    recall, opened = (100 * np.array(values) for values in zip(*curve, strict=True))
    here, gain = evaluation.here, evaluation.minutes.first - evaluation.minutes.last
    axes.step(recall, opened, where="post", color="#1f4e79", label="other thresholds")
    axes.plot(
        [100 * here.recall.value], [100 * here.opened], "o", color="#b00020",
        label=f"this bundle: {100 * here.opened:.0f} of 100 opened first",
    )  # fmt: skip
    # What is worth reading lies at high recall: the rest of the curve would squeeze it.
    left = min(85.0, 100 * here.recall.value - 2)
    axes.legend(fontsize=8, loc="upper left")
    axes.set(
        xlim=(max(0.0, left), 100.5), ylim=(0, 105),
        xlabel="abnormal cases not low-priority, %", ylabel="cases opened first, of 100",
        title=f"What recall costs where {100 * evaluation.prevalence:.3g} % are abnormal",
    )  # fmt: skip
    if gain > 0:
        minutes = axes.secondary_yaxis(
            "right",
            functions=(
                lambda y: (100 - np.asarray(y)) * gain,
                lambda m: 100 - np.asarray(m) / gain,
            ),
        )
        minutes.set_ylabel("minutes saved in 100 cases")

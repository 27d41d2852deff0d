"""Small figures as inline SVG: no script, no file, sharp in print."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from screening.languages.spoken import told

_WIDTH, _HEIGHT, _BASE = 180, 49, 34


def histogram(counts: Sequence[int], cuts: Sequence[float], label: str) -> Markup:
    """Return an SVG of the passes by p(abnormal), 0 on the left, the thresholds marked.

    `counts` are equal bins from 0 to 1; `cuts`: thresholds for voting abnormal and for flag;
    `label` describes the figure to those who do not see it.
    """
    tallest = max([*counts, 1])
    step = _WIDTH / max(1, len(counts))
    bars = Markup("").join(
        Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            i * step + 0.5,
            _BASE - _BASE * n / tallest,
            step - 1,
            _BASE * n / tallest,
        )
        for i, n in enumerate(counts)
        if n
    )
    lines = Markup("").join(
        Markup('<line class="cut" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{b}"/>').format(
            x=cut * _WIDTH, b=_BASE
        )
        for cut in cuts
    )
    return Markup(
        '<svg class="histogram" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{bars}{lines}'
        '<line class="axis" x1="0" y1="{b}" x2="{w}" y2="{b}"/>'
        '<text x="0" y="{t}">{normal}</text>'
        '<text x="{w}" y="{t}" text-anchor="end">{abnormal}</text>'
        "</svg>"
    ).format(
        w=_WIDTH, h=_HEIGHT, t=_HEIGHT - 4, b=_BASE, label=label, bars=bars, lines=lines,
        normal=told("0 normal"), abnormal=told("abnormal 1"),
    )  # fmt: skip


def scale_bar(low: float, high: float, marks: Sequence[float] = ()) -> Markup:
    """Return an SVG bar of the whole scale from 0 to 1, filled between `low` and `high`."""
    low, high = sorted((max(0.0, min(1.0, low)), max(0.0, min(1.0, high))))
    width = max(1.0, 100 * (high - low))
    ticks = Markup("").join(
        Markup('<rect class="minimum" x="{:.1f}" width="1" height="8"/>').format(100 * mark - 0.5)
        for mark in marks
    )
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8" rx="2"/>'
        '<rect class="filled" x="{x:.1f}" width="{w:.1f}" height="8"/>{ticks}</svg>'
    ).format(x=min(100 * low, 100 - width), w=width, ticks=ticks)


def signed_bar(value: float, extent: float) -> Markup:
    """Return an SVG bar from the middle: to the right for values above 0, to the left below.

    The bar reaches the end at ±`extent`, which must be above 0.
    """
    length = 50 * min(1.0, abs(value) / extent)
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8" rx="2"/>'
        '<rect class="{kind}" x="{x:.1f}" width="{length:.1f}" height="8"/>'
        '<rect class="minimum" x="49.5" width="1" height="8"/></svg>'
    ).format(
        kind="above" if value > 0 else "below", x=50 if value > 0 else 50 - length, length=length
    )

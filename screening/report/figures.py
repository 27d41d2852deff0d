"""Small figures as inline SVG: no script, no file, sharp in print."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

_WIDTH, _HEIGHT, _BASE = 180, 46, 34


def histogram(counts: Sequence[int], threshold: float, label: str) -> Markup:
    """Return an SVG of the passes by p(abnormal), 0 on the left, with the voting threshold marked.

    `counts` are equal bins from 0 to 1; `label` describes the figure to those who do not see it.
    """
    tallest = max([*counts, 1])
    step = _WIDTH / max(1, len(counts))
    bars = Markup("").join(
        Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            "above" if (i + 0.5) / len(counts) >= threshold else "below",
            i * step + 0.5,
            _BASE - _BASE * n / tallest,
            step - 1,
            _BASE * n / tallest,
        )  # fmt: skip
        for i, n in enumerate(counts)
        if n
    )
    at = threshold * _WIDTH
    return Markup(
        '<svg class="histogram" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{bars}'
        '<line class="axis" x1="0" y1="{b}" x2="{w}" y2="{b}"/>'
        '<line class="cut" x1="{at:.1f}" y1="0" x2="{at:.1f}" y2="{b}"/>'
        '<text x="0" y="{h}">normal</text><text x="{w}" y="{h}" text-anchor="end">abnormal</text>'
        "</svg>"
    ).format(w=_WIDTH, h=_HEIGHT - 1, b=_BASE, at=at, label=label, bars=bars)


def confidence_bar(confidence: float, minimum: float) -> Markup:
    """Return an SVG bar of the confidence, 50–100 %, with the minimum marked."""
    filled = max(0.0, min(1.0, (confidence - 0.5) * 2))
    at = (minimum - 0.5) * 2
    kind = "sure" if confidence >= minimum - 1e-9 else "unsure"
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8" rx="2"/>'
        '<rect class="{kind}" width="{filled:.1f}" height="8" rx="2"/>'
        '<rect class="minimum" x="{at:.1f}" width="1" height="8"/></svg>'
    ).format(kind=kind, filled=100 * filled, at=min(99.0, 100 * at))


def share_bar(share: float) -> Markup:
    """Return an SVG bar filled to `share`, 0–1."""
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8" rx="2"/>'
        '<rect class="unsure" width="{:.1f}" height="8" rx="2"/></svg>'
    ).format(100 * max(0.0, min(1.0, share)))


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

"""The look of a karyogram as one value: page, spacing, letters, paper, optics, file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np


@dataclass(frozen=True)
class Style:
    """Everything about the look of a karyogram; the defaults are a common clinical printout.

    Lengths in "widths" are multiples of the cell's median chromosome width. Grey values 0–255.
    """

    width: int = 900
    """Page width in pixels; the page grows when a cell has far too many chromosomes."""
    chr1: float = 0.14
    """Length of a straight chromosome 1 as a fraction of the page width."""
    layout: str = "clinical"
    """Name of an entry of `layout.LAYOUTS`."""
    justify: bool = True
    """Rows reach both margins; else they are packed to the left."""
    align: str = "bottom"
    """"bottom", "centromere" or "middle": what the chromosomes of a row have in common."""
    single: str = "centre"
    """Where a lone chromosome stands in its slot: "centre" or "left"."""
    homolog_gap: float = 0.25
    """Gap between homologs in widths; negative: they overlap."""
    gap_jitter: float = 0.1
    """Standard deviation of each single gap, in widths."""
    shift_jitter: float = 0.03
    """Standard deviation of a chromosome's vertical offset, in widths."""
    margin: float = 0.025
    """Margin on the left and right, fraction of the page width."""
    top: float = 0.012
    bottom: float = 0.01
    """Blank strips above and below, fraction of the page width."""
    row_gap: float = 0.03
    """Blank strip between a row's labels and the next row, fraction of the page width."""
    label: str = "number"
    """"number" (1), "group" (A 1) or "none"."""
    sex_label: str = "separate"
    """"separate" (X and Y), "joint" (X Y) or "sex"."""
    letters: bool = False
    """Group letters A…G under their groups."""
    font: str = "sans-bold"
    """Name of an entry of `text.FONTS`."""
    label_size: float = 0.0125
    """Height of the letters, fraction of the page width."""
    label_gap: float = 0.008
    """Gap between chromosomes (or the rule) and their label, fraction of the page width."""
    label_jitter: float = 0.0
    """Standard deviation of a label's offset to the side, in widths."""
    rule: str = "page"
    """Long thin lines: "none", "page" (one at the bottom), under each "pair", each block of a
    "row", or a "line" under each row across the page."""
    rule_gap: float = 0.008
    """Gap between feet and the rule under them, fraction of the page width; negative: crossed."""
    rule_width: int = 1
    rule_grey: int = 90
    caption: str = ""
    """Free text, such as a case number."""
    caption_at: str = "bottom"
    rotation: float = 1.5
    """Standard deviation of a chromosome's rotation in its slot, degrees."""
    bend: float = 0.03
    """Standard deviation of a mild bend, fraction of the chromosome's length."""
    curl: float = 0.0
    """Share of long chromosomes that are bent strongly, to hooks, C or S; short ones less often."""
    lean: float = 0.0
    """Share of neighbouring homologs that lean on each other: touching or overlapping a little."""
    stout: float = 1.0
    """Factor on the width of all chromosomes; condensed chromosomes are stout."""
    cleft: float = 0.0
    """How light the line between the two chromatids is, 0–1."""
    splay: float = 0.0
    """How far chromatids stand apart at the ends of the arms, in half widths."""
    satellites: float = 0.0
    """Share of acrocentric chromosomes with separate satellites above the short arm."""
    crossing: float = 0.0
    """Share of chromosomes with a dark patch where another one lay across."""
    bands: float = 1.0
    """Factor on the contrast of the bands against the chromosome's mean."""
    grain: float = 0.0
    """Standard deviation of the chromosomes' coarse grain, fraction of their darkness."""
    grain_size: float = 1.0
    """Size of the grains, pixels sigma."""
    ragged: float = 0.0
    """How far the outlines fray, pixels."""
    sharpen: float = 0.0
    """Amount of an unsharp mask on the chromosomes."""
    arrows: int = 0
    """Arrows drawn in, each at a chromosome chosen at random."""
    underlines: int = 0
    """Slots underlined by hand."""
    mirror: float = 0.0
    """Probability that a single chromosome is mirrored left to right."""
    rim: int = 0
    """Width of the grey rim that an imperfect mask leaves, pixels."""
    rim_grey: int = 225
    chromosome_blur: float = 0.4
    """Blur of the chromosomes (not of the labels), pixels sigma."""
    contrast: float = 1.0
    """Factor on the darkness of the ink."""
    gamma: float = 1.0
    """Exponent on the ink's lightness; above 1 darker bands."""
    paper: int = 255
    """Grey of the paper."""
    vignette: float = 0.0
    """Strength of uneven illumination, fraction of the paper's grey."""
    tilt: float = 0.0
    """Direction of the uneven illumination, radians."""
    noise: float = 0.0
    """Standard deviation of the sensor noise, grey values."""
    blur: float = 0.0
    """Blur of the whole page, pixels sigma."""
    jpeg: int = 90
    """JPEG quality of the page; 0: none."""
    inverted: bool = False
    """Light chromosomes on dark paper."""


class _Wear(TypedDict):
    curl: float
    lean: float
    stout: float
    cleft: float
    splay: float
    satellites: float
    crossing: float
    bands: float
    grain: float
    grain_size: float
    ragged: float
    sharpen: float
    arrows: int
    underlines: int


def _wear(rng: np.random.Generator, pixel: float) -> _Wear:
    """How worn, condensed and bent the preparation is; `pixel`: page width over 900 pixels.

    Shares are those of published clinical karyograms: a fifth of the pages have straight
    chromosomes only, the others 5–15 % bent ones and a few with a third; a third are stout with
    poor bands.
    """
    poor, grainy, opened = rng.random() < 0.35, rng.random() < 0.4, rng.random() < 0.3
    frayed, leaning = rng.random() < 0.4, rng.random() < 0.7
    return _Wear(
        curl=min(0.5, rng.gamma(1.4, 0.11)) if rng.random() < 0.8 else 0.0,
        lean=min(0.6, rng.gamma(1.2, 0.12)) if leaning else 0.0,
        stout=float(np.exp(rng.uniform(-0.1, 0.45))) if poor or rng.random() < 0.3 else 1.0,
        cleft=rng.uniform(0.1, 0.85) if opened else 0.0,
        splay=rng.uniform(0.0, 0.45) if opened else 0.0,
        satellites=rng.uniform(0.1, 0.6) if rng.random() < 0.4 else 0.0,
        crossing=rng.uniform(0.01, 0.06) if rng.random() < 0.5 else 0.0,
        bands=rng.uniform(0.45, 0.85) if poor else rng.uniform(0.85, 1.1),
        grain=rng.uniform(0.05, 0.22) if grainy else 0.0,
        grain_size=rng.uniform(0.9, 1.7) * pixel,
        ragged=rng.uniform(0.4, 1.3) * pixel if frayed else 0.0,
        sharpen=rng.uniform(0.3, 1.4) if rng.random() < 0.35 else 0.0,
        arrows=int(rng.choice([0, 1, 2], p=[0.9, 0.08, 0.02])),
        underlines=int(rng.choice([0, 1, 2], p=[0.94, 0.04, 0.02])),
    )


def _rule_gap(rng: np.random.Generator) -> float:
    """Rules mostly lie a little under the feet; sometimes the feet stand on them."""
    return rng.uniform(-0.003, 0.002) if rng.random() < 0.35 else rng.uniform(0.002, 0.015)


def _label_gap(rng: np.random.Generator, most: float) -> float:
    """Labels mostly stand clear; on one page in six they nearly touch the feet or do."""
    return rng.uniform(-0.003, 0.003) if rng.random() < 0.17 else rng.uniform(0.004, most)


def unworn(style: Style) -> Style:
    """Return the style for a good preparation: straight chromosomes, at most touching, no marks."""
    return replace(
        style, curl=0.0, lean=0.0, stout=1.0, cleft=0.0, splay=0.0, satellites=0.0, crossing=0.0,
        bands=1.0, grain=0.0, ragged=0.0, sharpen=0.0, arrows=0, underlines=0,
        label_gap=max(style.label_gap, 0.004), rule_gap=max(style.rule_gap, 0.002),
    )  # fmt: skip


_LAYOUTS = ["clinical", "even", "five", "sex-with-c", "six"]


def clinical_style(rng: np.random.Generator) -> Style:
    """Return the clinical printout with the variation between two laboratories that print alike."""
    width = int(rng.integers(620, 1001))
    return Style(
        width=width,
        chr1=rng.uniform(0.105, 0.185),
        homolog_gap=rng.uniform(0.02, 0.5),
        gap_jitter=rng.uniform(0.03, 0.15),
        shift_jitter=rng.uniform(0, 0.06),
        margin=rng.uniform(0.02, 0.035),
        row_gap=rng.uniform(0.012, 0.045),
        label_size=rng.uniform(0.0105, 0.016),
        rotation=rng.uniform(0.5, 4),
        bend=rng.uniform(0, 0.06),
        rim=int(rng.random() < 0.2),
        bottom=rng.uniform(0.004, 0.02),
        font=str(rng.choice(["sans-bold", "sans", "serif"], p=[0.75, 0.15, 0.1])),
        label_gap=_label_gap(rng, 0.014),
        label_jitter=rng.uniform(0, 0.25),
        rule=str(rng.choice(["page", "none", "line", "pair"], p=[0.6, 0.15, 0.15, 0.1])),
        rule_gap=_rule_gap(rng),
        **_wear(rng, width / 900),
        chromosome_blur=rng.uniform(0, 0.8) + (rng.random() < 0.2) * rng.uniform(0, 0.8),
        contrast=rng.uniform(0.65, 1.1),
        gamma=rng.uniform(0.8, 1.25),
        noise=rng.uniform(0, 1.5),
        jpeg=int(rng.integers(70, 97)),
    )


def random_style(rng: np.random.Generator) -> Style:
    """Return a style drawn from all laboratories: four in ten clinical, the others anything.

    The same state of `rng` gives the same style. Draw it without looking at the cell's label, or
    the look will tell the labels apart.
    """
    if rng.random() < 0.4:
        return clinical_style(rng)
    caption = ""
    if rng.random() < 0.3:
        number = f"{rng.integers(5, 26):02d}-{rng.integers(100, 99999)}"
        caption = str(rng.choice(["Case {}", "Metaphase {}", "{} / GTG", "Patient: {}", "{}"]))
        caption = caption.format(number)
    grey_paper = rng.random() < 0.4
    width = int(np.exp(rng.uniform(np.log(400), np.log(2000))))
    uneven, noisy = rng.random() < 0.35, rng.random() < 0.5
    return Style(
        width=width,
        chr1=rng.uniform(0.095, 0.19),
        layout=str(rng.choice(_LAYOUTS, p=[0.4, 0.2, 0.15, 0.15, 0.1])),
        justify=bool(rng.random() < 0.8),
        align=str(rng.choice(["bottom", "centromere", "middle"], p=[0.65, 0.3, 0.05])),
        single=str(rng.choice(["centre", "left"], p=[0.6, 0.4])),
        homolog_gap=rng.uniform(-0.15, 0.8),
        gap_jitter=rng.uniform(0, 0.2),
        shift_jitter=rng.uniform(0, 0.12),
        margin=rng.uniform(0.012, 0.07),
        top=rng.uniform(0.005, 0.08),
        bottom=rng.uniform(0.005, 0.1),
        row_gap=rng.uniform(0.01, 0.07),
        label=str(rng.choice(["number", "group", "none"], p=[0.75, 0.1, 0.15])),
        sex_label=str(rng.choice(["separate", "joint", "sex"], p=[0.65, 0.2, 0.15])),
        letters=bool(rng.random() < 0.15),
        font=str(rng.choice(["sans", "sans-bold", "plain", "serif", "mono"])),
        label_size=max(rng.uniform(0.010, 0.022), 7 / width),
        label_gap=_label_gap(rng, 0.02),
        label_jitter=rng.uniform(0, 0.25),
        rule=str(
            rng.choice(["none", "page", "row", "pair", "line"], p=[0.3, 0.2, 0.15, 0.2, 0.15])
        ),
        rule_gap=_rule_gap(rng),
        rule_width=int(rng.integers(1, 2 + width // 600)),
        rule_grey=int(rng.integers(0, 170)),
        caption=caption,
        caption_at=str(rng.choice(["top", "bottom"])),
        rotation=rng.uniform(0, 6),
        bend=rng.uniform(0, 0.08),
        **_wear(rng, width / 900),
        mirror=float(rng.choice([0.0, 0.5])),
        rim=int(rng.choice([0, 1, 2], p=[0.7, 0.2, 0.1])),
        rim_grey=int(rng.integers(190, 250)),
        chromosome_blur=rng.uniform(0, 1.3) * width / 900,
        contrast=rng.uniform(0.5, 1.2),
        gamma=rng.uniform(0.65, 1.5),
        paper=int(rng.integers(200, 255)) if grey_paper else 255,
        vignette=rng.uniform(0.02, 0.15) if uneven else 0.0,
        tilt=rng.uniform(0, 2 * np.pi),
        noise=rng.uniform(0.5, 8) if noisy else 0.0,
        blur=rng.uniform(0, 1.0) * width / 900 if rng.random() < 0.4 else 0.0,
        jpeg=int(rng.integers(40, 96)) if rng.random() < 0.85 else 0,
        inverted=bool(rng.random() < 0.03),
    )


STYLES: dict[str, Callable[[np.random.Generator], Style]] = {
    "clinical": clinical_style,
    "random": random_style,
}
"""Name of a family of looks -> how to draw one of it."""

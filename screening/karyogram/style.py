"""The look of a karyogram as one value: page, spacing, letters, paper, optics, file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    """Gap between chromosomes and their label, fraction of the page width."""
    rule: str = "page"
    """Long thin lines: "none", "page" (one at the bottom), "row" or "pair"."""
    rule_width: int = 1
    rule_grey: int = 90
    caption: str = ""
    """Free text, such as a case number."""
    caption_at: str = "bottom"
    rotation: float = 1.5
    """Standard deviation of a chromosome's rotation in its slot, degrees."""
    bend: float = 0.03
    """Standard deviation of a mild bend, fraction of the chromosome's length."""
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


_LAYOUTS = ["clinical", "even", "five", "sex-with-c", "six"]


def clinical_style(rng: np.random.Generator) -> Style:
    """Return the clinical printout with the variation between two laboratories that print alike."""
    return Style(
        width=int(rng.integers(780, 1001)),
        chr1=rng.uniform(0.115, 0.175),
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
        chromosome_blur=rng.uniform(0, 0.8),
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
        label_gap=rng.uniform(0.004, 0.02),
        rule=str(rng.choice(["none", "page", "row", "pair"], p=[0.35, 0.25, 0.15, 0.25])),
        rule_width=int(rng.integers(1, 2 + width // 600)),
        rule_grey=int(rng.integers(0, 170)),
        caption=caption,
        caption_at=str(rng.choice(["top", "bottom"])),
        rotation=rng.uniform(0, 6),
        bend=rng.uniform(0, 0.08),
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

"""Settings of a page: how many chromosomes can be one cell, what may be a marker, how the
chromosomes that were found are classified together, and whether their bands can be read.

A part of `reading_settings`, and so of a bundle.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from screening.setting_types import (
    Between,
    Count,
    Group,
    Inner,
    NotNegative,
    Positive,
    Probability,
    rising,
)

Counts = Annotated[tuple[Count, Count], AfterValidator(rising)]


class Gate(Group):
    """How many chromosomes a page may show.

    `one_cell`: fewer or more are refused (part of a cell; a tetraploid one with dirt); `usual`:
    outside these a person is told (a cell has 46, now and then 45 or 47, rarely 69 or 92).
    """

    one_cell: Counts = (14, 115)
    usual: Counts = (40, 80)


class Marks(Group):
    """When a mark that was taken for print may be a small chromosome; lengths in the page's median
    chromosome widths.

    `ink`: share of the darkest ink from which a pixel belongs to the mark; `sides`: least and most
    of its height and width; `edge`: left out all round where tones are compared (blurred by the
    camera, in print too). `thick`, `spread`, `between`: more than this of thickness, standard
    deviation of the tones inside and share of the pixels between a quarter and three quarters of
    the darkest (of 264 normal validation pages 1 % have such a mark in line with chromosomes).
    `level`: by which feet in one row differ; `below`: how far under a foot its middle may be;
    `beside`: how far from a chromosome.
    """

    ink: Inner = 0.16
    sides: Between = (0.4, 3.0)
    edge: Positive = 0.08
    thick: Positive = 0.4
    spread: Inner = 0.1
    between: Inner = 0.3
    level: Positive = 0.8
    below: Positive = 0.3
    beside: Positive = 12.0


class Touching(Group):
    """When a piece is two chromosomes of one class that touch side by side, which by shape alone
    pass for one with open chromatids.

    `none`: probability of "not one chromosome" from which a piece is tried, 1: never; `wide`: how
    wide its box is at least, in median chromosome widths of the page; `across`: widths of its
    halves together, at least, in widths of the page's chromosomes that are about as long (the
    chromatids of one chromosome are half as wide); `alike`: probability that both halves are of one
    class; `gain`: by how much two are more probably chromosomes than one, in logarithms. Of 548
    composed validation pages with some 25,000 chromosomes these part 19 of 38 pieces that are two
    and that the classifier doubts, and none that is one (whose halves are 1.3 widths at most).
    """

    none: Probability = 1.0
    wide: Positive = 1.3
    across: Positive = 1.4
    alike: Probability = 0.25
    gain: Positive = 0.1


class OpenChromatids(Group):
    """When two pieces side by side are the chromatids of one chromosome, which by shape alone pass
    for two that touch.

    `none`: probability of "not one chromosome" that the two together have at most, 0: never;
    `across`: widths of both together, in widths of the page's chromosomes that are about as long,
    under which they are; `long`: how long each is at least, as a share of both together.
    """

    none: Probability = 0.0
    across: Positive = 1.25
    long: Probability = 0.6


class ChromosomeReading(Group):
    """How the chromosomes of a cell are classified together.

    `tone`: exponent on the ink (0-1) that the network sees, under 1 darker: of a laboratory that
    taught nothing 0.75 reads more chromosomes rightly, of the others as many;
    `adapted`: share of the network's normalisation that comes from the cell itself;
    `fewest_to_adapt`: fewer pictures than this are no cell (what they have in common may be their
    class). `wide`: median widths of the page up to which nothing is wide for one chromosome, and
    `width_spread` how fast it gets improbable beyond, in logarithms. `one`: how sure the classifier
    may be, at least and at most, that a piece is one chromosome when it judges a cutting.
    `not_one`: probability of none from which a piece does not set the scale of the lengths;
    `fewest_for_scale`: pieces whose classes may set it, by a factor within `rescale` (classes may
    be wrong all in one direction). `touching`, `chromatids`: see there.
    """

    tone: Positive = 1.0
    adapted: Probability = 0.5
    fewest_to_adapt: Count = 35
    wide: Positive = 1.45
    width_spread: Positive = 0.12
    one: Between = (0.02, 0.98)
    not_one: Probability = 0.5
    fewest_for_scale: Count = 16
    rescale: Between = (0.85, 1.18)
    touching: Touching = Touching()
    chromatids: OpenChromatids = OpenChromatids()


class BandReading(Group):
    """Whether the bands of a page can be read.

    Profiles: ink in the `middle` of the crop's width, at least `palest` (dark bands stand at 230,
    light ones at 70); bands are what is left between `smooth` and `trend` rows, without one part in
    `ends` of the height at either end, compared with those of G-banded chromosomes at each of
    `stretches` and at shifts of up to `shift` rows. `fine`: rows between which detail is measured.
    Limits (see `record.Banding` and reports/bands.md): least `agreement` and `detail`; `inverted`
    from which bands are reversed; `soft`: softness from which they are blurred (of composed pages
    of three laboratories the softest has 0.89, blurred by a quarter of a width nearly all 0.92).
    """

    middle: Inner = 0.25
    palest: Annotated[int, Field(ge=0, le=229)] = 90
    smooth: Positive = 1.5
    trend: Positive = 14.0
    ends: Annotated[int, Field(ge=4)] = 16
    stretches: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.96, 1.0, 1.04)
    shift: Annotated[int, Field(ge=0, le=16)] = 3
    fine: Annotated[tuple[Positive, Positive], AfterValidator(rising)] = (1.0, 4.0)
    agreement: NotNegative = 0.17
    inverted: Positive = 0.07
    detail: NotNegative = 3.45
    soft: Positive = 0.9


class StructureReading(Group):
    """When homologs that differ keep a page from the end of the work list.

    `doubt`: log-odds of the cell (see `record.Structure`) from which they do, chosen on validation
    people; `readable`: least mean probability that the rows give to their own class, below it
    structure cannot be judged, nor with chromosomes whose median length is under `shortest` pixels
    (less than one for a band). `usual`: median log-odds of the pairs of a readable normal cell:
    where all pairs of a cell look odder than that it is the slide, and it is taken off each.
    `unexplained`: by how much less of a chromosome than of the cell's others lies along its axis
    where its pair says nothing for a change. `bounded`: no pair says more, in log-odds. `told`:
    pairs told of one page; `named`: share of the odds from which a recurrent translocation is
    suggested by name;
    `row`: probability from which a row of the odd one differs; `unequal`: log of the ratio of two
    lengths from which one is told to be shorter or longer (of 98 % of normal pairs within 0.26).
    Of single chromosomes `least`: part of the length under which a jump or a foreign stretch of
    the rows is not told; `jump`: cost of a jump, see `structure_path`.
    """

    doubt: float = 1e6
    readable: Probability = 0.0
    shortest: NotNegative = 20.0
    usual: float = -1.8
    unexplained: Inner = 0.1
    bounded: Positive = 12.0
    told: Annotated[int, Field(ge=1)] = 3
    named: Probability = 0.8
    row: Inner = 0.5
    unequal: Positive = 0.26
    least: Inner = 0.2
    jump: Positive = 6.0

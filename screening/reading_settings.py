"""Settings of the reading: every rate, prior and limit that decides how a cell is read.

They are part of a bundle (`bundle.BundleInfo`), so that its hash covers them and no reading is made
with others than those that its threshold was chosen for. Each group belongs to one module of
`evidence/` (or to `predict/chromosomes.py`); all are immutable and hashable, so that tables made of
them can be kept. What only guards against a division by zero stays in the code.
"""

from __future__ import annotations

from math import fsum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from screening.classes import AUTOSOMES
from screening.page_settings import BandReading, ChromosomeReading, Gate, Marks, StructureReading
from screening.setting_types import (
    Autosome,
    Between,
    ByAutosome,
    ByChromosome,
    BySexSet,
    Count,
    CountOrNone,
    Factor,
    Four,
    FourShares,
    Group,
    Inner,
    NotNegative,
    Positive,
    Probability,
    one_of,
    rising,
    whole,
)


class Confusion(Group):
    """For which class a chromosome is taken when it is taken for another.

    `alike`: share of these errors among chromosomes of like length, the rest go anywhere; `length`:
    difference of the relative lengths (percent of the haploid autosomes) by which that gets e times
    rarer; `same_group`: how much more often within the Denver group.
    """

    alike: Probability = 0.6
    length: Positive = 0.4
    same_group: Positive = 2.0


class Rates(Group):
    """How often things go wrong, as far as the reading is concerned.

    `misread`: a chromosome that the classifier takes for another, whatever it says of its
    certainty; on a page estimated instead (see `Looks`). `misplaced`: a chromosome that stands in
    another class's slot. `unreadable`: a single chromosome that reads as "not one chromosome";
    `lookalike`: something else that reads as one. `reject_share`: share of "not one chromosome"
    among what the classifier was trained on. `litter`: things per page that are no chromosome but
    were found as one; `missed`: chance that a chromosome is not found at all; `merged`: that two
    homologs were found as one. `marker_unlike`: weight of "looks like no chromosome" in how a
    marker looks, the rest is "looks like any".
    """

    misread: Inner = 0.03
    misplaced: Inner = 0.01
    unreadable: Inner = 0.02
    lookalike: Inner = 0.15
    reject_share: Inner = 0.15
    litter: Positive = 0.03
    missed: Inner = 2e-4
    merged: Inner = 0.01
    marker_unlike: Probability = 0.5
    confusion: Confusion = Confusion()

    def of_page(self, misread: float, unreadable: float) -> Rates:
        """Return the rates of a page of that many misread, and at least so many unreadable ones."""
        worse = {"misread": misread, "unreadable": max(self.unreadable, unreadable)}
        return self.model_copy(update=worse)


class Looks(Group):
    """How far a page lets the classifier be believed.

    `misread`: rates of misread chromosomes among which a page chooses, rising; `prior`: how common
    each is. `unreadable`: chromosomes that read as none are at least this share of the misread
    ones. `poor`: rate from which on the looks alone prove nothing.
    """

    misread: Annotated[Four, AfterValidator(rising)] = (0.01, 0.05, 0.2, 0.45)
    prior: FourShares = (0.35, 0.4, 0.18, 0.07)
    unreadable: Probability = 0.2
    poor: Inner = 0.2


class Prior(Group):
    """How common complements are among cells sent for karyotyping, in shares of the cells.

    `gains`: one autosome more, `gain` that of an autosome not named there; `loss`: one autosome
    less; `second_gain`, `second_loss`: how much rarer each further one of the same is. `marker`,
    `next_marker`: one marker, and each further one. `ploidy`: diploid, triploid and tetraploid
    cells; `diploid_sex`, `triploid_sex`, `tetraploid_sex`: the sex chromosomes of these, and
    `other_sex` any set that is not named. `complex`: cells of many changes at once (tumours), with
    `complex_rate` for each gain and each loss in them.
    """

    gains: ByAutosome = (
        ("21", 0.03), ("18", 0.01), ("13", 0.006), ("16", 0.003), ("22", 0.003), ("8", 0.003),
        ("15", 0.002), ("9", 0.002),
    )  # fmt: skip
    gain: Inner = 0.0015
    loss: Inner = 0.0015
    second_gain: Inner = 0.02
    second_loss: Inner = 0.005
    marker: Inner = 0.006
    next_marker: Inner = 0.15
    ploidy: Annotated[tuple[Inner, Inner, Inner], AfterValidator(whole)] = (0.994, 0.004, 0.002)
    diploid_sex: BySexSet = (
        ("XX", 0.485), ("XY", 0.485), ("X", 0.01), ("XXX", 0.004), ("XXY", 0.006), ("XYY", 0.004),
        ("XXYY", 5e-4), ("XXXX", 2e-4), ("XXXY", 2e-4), ("XYYY", 2e-5), ("Y", 1e-6), ("YY", 1e-6),
    )  # fmt: skip
    triploid_sex: BySexSet = (("XXX", 0.4), ("XXY", 0.55), ("XYY", 0.05))
    tetraploid_sex: BySexSet = (("XXXX", 0.5), ("XXYY", 0.5))
    other_sex: Inner = 1e-6
    complex: Inner = 0.002
    complex_rate: Inner = 0.08

    @model_validator(mode="after")
    def _leave_room(self) -> Prior:
        gain = max([self.gain, *dict(self.gains).values()])
        for up, down in ((gain, self.loss), (self.complex_rate, self.complex_rate)):
            if up / (1 - self.second_gain) + down / (1 - self.second_loss) >= 1:
                raise ValueError(f"gains of {up:g} and losses of {down:g} leave no normal cell")
        for name in ("diploid_sex", "triploid_sex", "tetraploid_sex"):
            if fsum(dict(getattr(self, name)).values()) > 1 + 1e-6:
                raise ValueError(f"{name}: expected shares that sum to at most 1")
        return self


class Order(Group):
    """An order of the slots: the autosomes by number, with X behind `x_after` and then Y behind
    `y_after`; `prior`: share of the layouts that have it."""

    x_after: Autosome
    y_after: Annotated[str, one_of((*AUTOSOMES, "X"), "an autosome 1…22 or X")]
    prior: Inner

    @property
    def names(self) -> tuple[str, ...]:
        """Return the 24 classes in the order of their slots."""
        names = list(AUTOSOMES)
        names.insert(names.index(self.x_after) + 1, "X")
        names.insert(names.index(self.y_after) + 1, "Y")
        return tuple(names)


class Gaps(Group):
    """How gaps between neighbours tell whether they share a slot; gaps in median widths of a page.

    `fewest`: neighbours in rows from which on gaps are compared; `widths`: what gaps are
    clipped to; `within`, `between`: quantiles at which the gaps within slots and between slots are
    first sought; `unit` and `units`: one log-odd is this gap, or the distance of
    both kinds of gaps divided by that, whichever is more; `most_odds`: log-odds that a gap can
    speak for at most; `group`: log-odds of standing in one group, or in two.
    """

    fewest: Count = 4
    widths: Annotated[tuple[float, float], AfterValidator(rising)] = (-0.5, 4.0)
    within: Inner = 0.2
    between: Inner = 0.85
    unit: Positive = 0.15
    units: Positive = 5.0
    most_odds: Positive = 2.0
    group: NotNegative = 1.0


class Layout(Group):
    """What layouts karyograms have, as a hidden Markov model over slots.

    `orders` of the slots. `row_starts`: probability that a row begins with the class rather than
    that it follows in the row, `row_start` that of a class not named there. `empty`, `empty_x`,
    `empty_y`: a slot without any chromosome; `no_markers`: nothing stands after the last slot.
    `last`, `last_x`, `last_y`, `last_marker`: probability that the first, second, third and each
    further chromosome of a slot is its last. `stay_across_rows`: weight of a slot that goes on in
    the next row. `marker_outside`: weight of a marker after the last slot. `orientation`: prior of
    upright, mirrored, upside-down and unordered pages. `most_objects`: no page has more.
    The score of a layout is full where its order explains the page better than none by `full_gain`
    (log evidence per object; a page read without error has about 3, one with half its chromosomes
    misread still 1), and where at least `taken` + `taken_span` of the autosomes have a chromosome
    in their slot; it is 0 from `taken` down.
    """

    orders: Annotated[tuple[Order, ...], Field(min_length=1)] = (
        Order(x_after="22", y_after="X", prior=0.75),
        Order(x_after="12", y_after="X", prior=0.15),
        Order(x_after="12", y_after="22", prior=0.06),
        Order(x_after="7", y_after="22", prior=0.04),
    )
    row_starts: ByChromosome = (
        ("6", 0.5), ("13", 0.5), ("19", 0.5), ("4", 0.1), ("9", 0.05), ("16", 0.1), ("X", 0.1),
        ("21", 0.1),
    )  # fmt: skip
    row_start: Inner = 0.01
    empty: Inner = 0.01
    empty_x: Inner = 0.02
    empty_y: Inner = 0.5
    no_markers: Inner = 0.99
    last: Four = (0.04, 0.93, 0.85, 0.5)
    last_x: Four = (0.5, 0.92, 0.85, 0.5)
    last_y: Four = (0.95, 0.9, 0.9, 0.5)
    last_marker: Four = (0.85, 0.85, 0.85, 0.85)
    stay_across_rows: Inner = 1e-3
    marker_outside: Positive = 0.5
    orientation: FourShares = (0.96, 0.01, 0.01, 0.02)
    most_objects: Count = 130
    full_gain: Positive = 0.8
    taken: Probability = 0.75
    taken_span: Positive = 0.2
    gaps: Gaps = Gaps()

    @model_validator(mode="after")
    def _orders_are_whole(self) -> Layout:
        whole(tuple(order.prior for order in self.orders))
        return self


class Placement(Group):
    """What the place and size of an object say of what it is.

    `marker_at_end`: share of the markers that stand after the last slot; `stray_at_end`: the same
    of misplaced chromosomes. `small`: share of the page's median box area below which an object is
    too small for a chromosome 21 or Y. `fewest_print`: small objects that read as none from which
    on they are taken for print; `print_as_chromosome`: what a chromosome then still weighs.
    `wide`: width, in medians of the page, from which a box rather holds two homologs than one;
    `per_width`: how much likelier that gets with each median width, within `merged` times the rate.
    """

    marker_at_end: Inner = 0.7
    stray_at_end: Probability = 0.05
    small: Inner = 0.35
    fewest_print: Count = 2
    print_as_chromosome: Inner = 0.1
    wide: Positive = 1.4
    per_width: Factor = 100.0
    merged: Between = (0.1, 30.0)


class Assignment(Group):
    """How far the sum over assignments of objects to classes is followed.

    `states`: counts kept alive; `per_object`: options followed for each object; `negligible`:
    weight of an option, against the object's best, under which it is not followed; `normal_bonus`:
    how much more two homologs in one, or no chromosome, may weigh there, since they may be what
    makes a cell a normal one; `forgotten`: share of the heaviest state under which one is dropped.
    `completed`: complements to which one chromosome that was not found may be added.
    """

    states: Count = 400
    per_object: Count = 9
    negligible: Inner = 1e-5
    normal_bonus: Factor = 100.0
    forgotten: NotNegative = 1e-10
    completed: Count = 20


class HomologComparison(Group):
    """How the homologs of a page are compared.

    `sure`: probability from which a chromosome's class is taken for granted; `fewest_pairs`: pairs
    of a page that are enough to judge one by the others. Profiles: `edge` of the crop's width is
    left out at either side (in tenths), one part in `ends` of its height at either end; `smooth`
    rows (finer bands come and go with the preparation), compared at each of `stretches` and at
    shifts of up to `shift` rows in steps of `step`. `most_correlation`, `least_ratio`: band
    correlation and length ratio count as at most, at least this. `length_spread`, `band_spread`:
    least robust spread of a page (on one of identical homologs nothing small is a finding).
    `expected`: largest z of the pairs of an ordinary page, half of the time; `told`: z beyond that
    from which a sentence tells of the pair.
    """

    sure: Inner = 0.8
    fewest_pairs: Annotated[int, Field(ge=2)] = 8
    edge: Annotated[int, Field(ge=0, le=4)] = 3
    ends: Annotated[int, Field(ge=4)] = 16
    smooth: Positive = 1.5
    stretches: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.94, 1.0, 1.06)
    shift: Annotated[int, Field(ge=0, le=16)] = 4
    step: Count = 2
    most_correlation: Inner = 0.95
    least_ratio: Inner = 0.05
    length_spread: Positive = 0.03
    band_spread: Positive = 0.2
    expected: NotNegative = 4.0
    told: NotNegative = 4.0


class Conclusions(Group):
    """What is concluded from the posterior of the complements.

    `fewest`, `most`: objects of a page that can be a whole cell. `sure_iscn`: probability from
    which a karyotype is suggested; `named`: how many are told; `most_changes`: more gains and
    losses than this are a page that could not be read. `doubtful`: probability of its class under
    which a chromosome is doubtful; `known_slot`: probability from which its slot is told; `sure`:
    of both, from which it is told to be misplaced; `exchanged`: how often two chromosomes of two
    slots are exchanged, against both being in place. `not_one`: probability of no chromosome from
    which an object's length is not looked at. `most_log_odds`: no feature says more.
    """

    fewest: Count = 35
    most: Count = 130
    sure_iscn: Probability = 0.9
    named: Count = 5
    most_changes: Count = 8
    doubtful: Probability = 0.7
    known_slot: Probability = 0.5
    sure: Probability = 0.8
    exchanged: Inner = 0.003
    not_one: Probability = 0.5
    most_log_odds: Positive = 12.0


class Doubts(Group):
    """What keeps a page from the end of the work list.

    `good_layout`: least layout score; `most_disorder`: 1 − correlation of the lengths with those of
    the slots; most `most_doubtful` and `most_misplaced` chromosomes, and `most_rejected` objects
    that are none (print that was found, each surely no chromosome). `surely_nothing`: probability
    from which an object left out is surely none, unless the cell is normal with a probability of
    `normal_anyway`, every object left out allowed for. `many_changes`: gains and losses of one cell
    from which it is rather open chromatids or pieces that were counted, and a person looks before
    anything is flagged.
    """

    good_layout: Probability = 0.5
    most_disorder: NotNegative = 0.4
    most_doubtful: CountOrNone = 4
    most_misplaced: CountOrNone = 4
    most_rejected: CountOrNone = 12
    surely_nothing: Probability = 0.9
    normal_anyway: Probability = 0.97
    many_changes: Count = 5


class Sizes(Group):
    """When the ink of an object does not fit its class; logarithms of shares of the expected area.

    `fewest`: named chromosomes from which on a page has a line of area by length, if the logarithms
    of their lengths span `least_range`. `pairs`: classes whose homologs pass for one chromosome
    when they touch (larger ones differ for many other reasons); `twice`, `excess`: how much larger
    than its homolog, and than the line, two in one piece are at least (2 of 254 normal validation
    pages). `too_small`: print, or half a chromosome, read as one (none of 243). `like_one`: an
    object left out that may be a chromosome.
    """

    fewest: Annotated[int, Field(ge=3)] = 20
    least_range: NotNegative = 0.1
    pairs: tuple[Autosome, ...] = AUTOSOMES[12:]
    twice: Positive = 0.5
    excess: float = 0.2
    too_small: Annotated[float, Field(lt=0)] = -0.75
    like_one: Annotated[float, Field(lt=0)] = -0.6


class ReadingSettings(Group):
    """All settings of the reading, by what they govern."""

    gate: Gate = Gate()
    marks: Marks = Marks()
    rates: Rates = Rates()
    looks: Looks = Looks()
    prior: Prior = Prior()
    layout: Layout = Layout()
    placement: Placement = Placement()
    assignment: Assignment = Assignment()
    homologs: HomologComparison = HomologComparison()
    bands: BandReading = BandReading()
    conclusions: Conclusions = Conclusions()
    doubts: Doubts = Doubts()
    sizes: Sizes = Sizes()
    chromosomes: ChromosomeReading = ChromosomeReading()
    structure: StructureReading = StructureReading()

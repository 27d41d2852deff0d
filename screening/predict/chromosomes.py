"""The chromosomes of a karyogram, named: the bundle's 24-class classifier with MC dropout.

The convolutions see every piece once; the head, where the dropout is, sees it with its relative
length and repeats (Gal & Ghahramani 2016). The chromosomes of a whole cell are seen together, so
that the network can adapt to the laboratory's look (`predict.adapt`), and a pass draws one network
for all of them: the same masks. On a whole karyogram the classifier also chooses between the
cuttings that `karyogram.locate` holds possible and parts what looks like two chromosomes that touch
side by side; the scale of the lengths is taken again from the pieces that turn out to be
chromosomes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import softmax

from screening.bundle import Bundle
from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME_INDEX
from screening.karyogram.crops import (
    relative_lengths,
    scale_between,
    scaled_by_class,
    standardised,
    toned,
)
from screening.karyogram.locate import FoundChromosome, Located
from screening.karyogram.locate.touching import side_by_side, usual_width
from screening.models.length_features import length_features
from screening.page_settings import ChromosomeReading, OpenChromatids, Touching
from screening.predict.networks import Engine

PART = "classifier"


@dataclass(frozen=True, eq=False)
class Classified:
    """What the classifier says of n pieces.

    `p` float32 (n, 25): calibrated mean over the passes, 24 classes in the order of CHROMOSOMES and
    "not one chromosome"; `each` float32 (passes, n, 25): the same of each pass; `p_std` (n,):
    standard deviation of the winning class over the passes;
    `votes` (n,): share of the passes that vote for it; `relative` (n,): relative length in percent
    of the haploid autosomes, nan unknown; `crops` uint8 (n, 96, 32) as the network saw them.
    """

    p: np.ndarray
    each: np.ndarray
    p_std: np.ndarray
    votes: np.ndarray
    relative: np.ndarray
    crops: np.ndarray


@dataclass(frozen=True, eq=False)
class _Seen:
    """Pieces as the network sees them, one a row: see `standardised`, `_single_by_width`,
    `ChromosomeClassifier.bands` and `quick`."""

    images: np.ndarray
    lengths: np.ndarray
    single: np.ndarray
    bands: np.ndarray
    p: np.ndarray

    def at(self, index: np.ndarray) -> _Seen:
        return _Seen(*(getattr(self, each.name)[index] for each in fields(self)))

    def with_more(self, every: _Seen) -> _Seen:
        """These pieces as they are, and the further ones of `every`."""
        first = len(self.images)
        return _Seen(
            *(
                np.concatenate([getattr(self, each.name), getattr(every, each.name)[first:]])
                for each in fields(self)
            )
        )


class ChromosomeClassifier:
    """The classifier of `bundle`, which `engine` runs, with `passes` Monte Carlo dropout passes,
    read by its settings.

    Same seed, bundle and pictures: same answers. BundleError when the bundle has no classifier.
    """

    def __init__(self, bundle: Bundle, engine: Engine, passes: int = 100, seed: int = 0) -> None:
        self.temperature = bundle.network(PART).temperature
        self.passes = passes
        self.how: ChromosomeReading = bundle.info.reading.chromosomes
        self._network = engine.classifier(passes, seed)

    def classify(
        self, crops: Sequence[np.ndarray], relative: np.ndarray, cell: bool = False
    ) -> Classified:
        """Return the classes of single pictures, uint8 (h, w) dark on white, upright.

        `relative` float32 (n,): relative lengths in percent (see `karyogram.crops`), nan unknown.
        `cell`: all are of one whole cell, so that the network may adapt to how it looks.
        """
        images, _, _ = standardised(crops)
        return self.of_crops(images, np.asarray(relative, np.float32), cell)

    def of_crops(self, images: np.ndarray, relative: np.ndarray, cell: bool = False) -> Classified:
        """Return the classes of standardised crops uint8 (n, 96, 32), see `classify`."""
        return self._passes(images, self.bands(images, cell), relative, cell)

    def bands(self, images: np.ndarray, cell: bool = False) -> np.ndarray:
        """Return what the convolutions say of standardised crops uint8 (n, h, w): (n, width)."""
        if not len(images):
            return np.zeros((0, self._network.width), np.float32)
        adapting = cell and len(images) >= self.how.fewest_to_adapt
        said = self._network.bands_in_cell if adapting else self._network.bands
        return said(toned(images, self.how.tone))

    def quick(self, bands: np.ndarray, relative: np.ndarray) -> np.ndarray:
        """Return p (n, 25) of one pass without dropout."""
        if not len(bands):
            return np.zeros((0, NOT_A_CHROMOSOME_INDEX + 1), np.float32)
        logits = self._network.quick(bands, length_features(relative))
        return softmax(logits / self.temperature, axis=-1)

    def read(self, located: Located, paper: np.ndarray) -> tuple[Located, Classified]:
        """Return the page with its doubtful cuttings chosen, and the classes of its chromosomes.

        `paper`: the normalised page that was located. The relative lengths come from the page.
        """
        count = len(located.chromosomes)
        others = [piece for doubt in located.doubts for cut in doubt.alternatives for piece in cut]
        pieces = [*located.chromosomes, *others]
        crops = _standardised(pieces, paper)
        lengths = crops[1][:count]
        scale = scale_between(lengths, relative_lengths(lengths))
        seen = self._seen(crops, count, scale)
        choices, rows = _choose(located, seen.p, count, self.how)
        chosen = located.replaced(choices)
        tried = _perhaps_two(chosen, paper, seen.p, rows, self.how.touching)
        if tried:
            halves = [half for two in tried.values() for half in two]
            more = _standardised(halves, paper)
            rows |= {id(half): len(pieces) + k for k, half in enumerate(halves)}
            every = [np.concatenate(both) for both in zip(crops, more, strict=True)]
            # Among all of the cell, so that the network adapts to how it looks.
            seen = seen.with_more(self._seen(every, count, scale))
            chosen = chosen.parted(
                {
                    i: two
                    for i, two in tried.items()
                    if _are_two(seen.p[rows[id(chosen.chromosomes[i])]],
                                seen.p[[rows[id(half)] for half in two]], self.how.touching)
                }
            )  # fmt: skip
        seen = seen.at(np.array([rows[id(piece)] for piece in chosen.chromosomes], np.int64))
        p = seen.p
        for _ in range(2):
            relative = self._rescaled(seen.lengths, p)
            p = self.quick(seen.bands, relative)
        said = self._passes(seen.images, seen.bands, relative, cell=True)
        p, each = (_with_width(of, seen.single) for of in (said.p, said.each))
        return chosen, replace(said, p=p, each=each)

    def _seen(self, crops: Sequence[np.ndarray], count: int, scale: float) -> _Seen:
        """What is seen of a page's pieces, `crops` as `standardised` makes them, of which the first
        `count` are those that were found."""
        images, lengths, widths = crops
        single, bands = _single_by_width(widths, count, self.how), self.bands(images, cell=True)
        p = _with_width(self.quick(bands, lengths * scale), single)
        return _Seen(images, lengths, single, bands, p)

    def _rescaled(self, lengths: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Relative lengths by what reads as chromosomes, their classes taken as they read."""
        one = p[:, NOT_A_CHROMOSOME_INDEX] < self.how.not_one
        relative = relative_lengths(np.where(one, lengths, np.nan))
        scale = scale_between(lengths[one], relative[one])
        if one.sum() >= self.how.fewest_for_scale:
            names = [CHROMOSOMES[i] for i in p[one, :NOT_A_CHROMOSOME_INDEX].argmax(1)]
            by_class = scale_between(lengths[one], scaled_by_class(lengths[one], names))
            # Classes may be wrong all in one direction: they fine-tune what the page says.
            if np.isfinite(scale):
                by_class = scale * float(np.clip(by_class / scale, *self.how.rescale))
            scale = by_class
        return (lengths * scale).astype(np.float32)

    def _passes(
        self, images: np.ndarray, bands: np.ndarray, relative: np.ndarray, cell: bool
    ) -> Classified:
        count = len(images)
        if not count:
            none = np.zeros(0, np.float32)
            each = np.zeros((self.passes, 0, NOT_A_CHROMOSOME_INDEX + 1), np.float32)
            return Classified(each[0], each, none, none, none, images)
        keys = [hashlib.sha256(np.ascontiguousarray(image).data).digest() for image in images]
        if cell:
            keys = [hashlib.sha256(b"".join(keys)).digest()] * count
        logits = self._network.head.predict([bands, length_features(relative)], keys)
        each = softmax(logits / self.temperature, axis=-1)
        p = each.mean(1)
        best = p.argmax(1)
        won = each[np.arange(count), :, best]
        votes = (each.argmax(2) == best[:, None]).mean(1).astype(np.float32)
        return Classified(p, each.swapaxes(0, 1), won.std(1), votes, relative, images)


def _standardised(
    pieces: Sequence[FoundChromosome], paper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pieces of a page as `standardised` makes them."""
    crops = [piece.crop(paper) for piece in pieces]
    return standardised(crops, outlines=[piece.outline(paper) for piece in pieces])


def _single_by_width(widths: np.ndarray, count: int, how: ChromosomeReading) -> np.ndarray:
    """How well each piece's width fits one chromosome, 0–1 (n,); the first `count` set the scale.

    The crops of two small chromosomes side by side look like one, since their width is taken away.
    """
    found = widths[:count][widths[:count] > 0]
    if len(found) < how.fewest_to_adapt:
        return np.ones(len(widths), np.float32)
    excess = np.log(np.maximum(widths / np.median(found), how.wide) / how.wide)
    return np.exp(-0.5 * (excess / how.width_spread) ** 2).astype(np.float32)


def _with_width(p: np.ndarray, single: np.ndarray) -> np.ndarray:
    """Return p (…, n, 25) with what is too wide for one chromosome moved to "not one"."""
    p = p * single[:, None]
    p[..., NOT_A_CHROMOSOME_INDEX] += 1 - single  # never below 0, whatever the rounding
    return p


def _choose(
    located: Located, p: np.ndarray, count: int, how: ChromosomeReading
) -> tuple[dict[int, int], dict[int, int]]:
    """The alternative taken of each doubt, and the row of `p` of every piece by its id.

    A cutting is as probable as its shape says times the chances that each piece is one chromosome;
    but two that are together no wider than one, and look like one, are its chromatids.
    """
    none = p[:, NOT_A_CHROMOSOME_INDEX]
    one = np.log(np.clip(1 - none, *how.one))
    rows = {id(piece): i for i, piece in enumerate(located.chromosomes)}
    choices = {}
    at = count
    for number, doubt in enumerate(located.doubts):
        members = list(doubt.members)
        cuts = [[located.chromosomes[i] for i in members], *doubt.alternatives]
        scores = [np.log(max(doubt.plausible[0], 1e-6)) + one[members].sum()]
        for alternative, plausible in zip(doubt.alternatives, doubt.plausible[1:], strict=True):
            own = range(at, at + len(alternative))
            rows.update({id(piece): i for piece, i in zip(alternative, own, strict=True)})
            scores.append(np.log(max(plausible, 1e-6)) + one[list(own)].sum())
            at += len(alternative)
        best = int(np.argmax(scores))
        others = [c for i, c in enumerate(located.chromosomes) if i not in members]
        whole = _whole_of(cuts[best], cuts, others, how.chromatids)
        if whole is not None and none[rows[id(cuts[whole][0])]] <= how.chromatids.none:
            best = whole
        if best:
            choices[number] = best - 1
    return choices, rows


def _whole_of(
    pieces: Sequence[FoundChromosome],
    cuts: Sequence[Sequence[FoundChromosome]],
    others: Sequence[FoundChromosome],
    how: OpenChromatids,
) -> int | None:
    """Which of `cuts` takes two `pieces`, together no wider than one chromosome, for one."""
    ones = [k for k, cut in enumerate(cuts) if len(cut) == 1]
    if len(pieces) != 2 or not ones or not others:
        return None
    (whole,) = cuts[ones[0]]
    usual = usual_width(others, whole.length)
    slim = sum(piece.width for piece in pieces) < how.across * usual
    beside = min(piece.length for piece in pieces) >= how.long * whole.length
    return ones[0] if slim and beside else None


def _perhaps_two(
    chosen: Located, paper: np.ndarray, p: np.ndarray, rows: Mapping[int, int], how: Touching
) -> dict[int, tuple[FoundChromosome, FoundChromosome]]:
    """The halves of each chromosome that may be two; `rows`: the row of `p` of each by its id."""
    unit = chosen.chromosome_width
    found: dict[int, tuple[FoundChromosome, FoundChromosome]] = {}
    for i, piece in enumerate(chosen.chromosomes):
        none = p[rows[id(piece)], NOT_A_CHROMOSOME_INDEX]
        if none < how.none or piece.w < how.wide * unit:
            continue
        halves = side_by_side(piece, paper, unit)
        if halves is None:
            continue
        others = [each for each in chosen.chromosomes if each is not piece]
        usual = usual_width(others, piece.length) if others else unit
        if sum(half.width for half in halves) >= how.across * usual:
            found[i] = halves
    return found


def _are_two(whole: np.ndarray, halves: np.ndarray, how: Touching) -> bool:
    """Whether a piece (25,) is rather its halves (2, 25): both one chromosome, of one class."""
    none = np.clip(np.vstack([whole, halves])[:, NOT_A_CHROMOSOME_INDEX], 0, 1 - 1e-3)
    gain = np.log1p(-none[1:]).sum() - np.log1p(-none[0])
    classes = halves[:, :NOT_A_CHROMOSOME_INDEX]
    alike = classes.prod(0).sum() / max(classes.sum(1).prod(), 1e-9)
    return bool(gain >= how.gain and alike >= how.alike)

"""Find every chromosome of a karyogram: what is ink but no chromosome left out, touching ones cut.

`Locator` is the way in; the steps are one module each: `segments` (what each pixel is, by a small
network), `regions` (ink that is surely one chromosome's, and where regions touch), `arbiter`
(whether two regions are one chromosome), `partition` (regions joined to chromosomes, and the
alternatives), `masks` (outlines at the page's resolution), `rows` (reading order), `label_lines`
(rows by the lines of print, where the gate asks), `axis` (medial line), `touching` (two side by
side parted, where the classifier asks), `found` (the types).
"""

from screening.karyogram.locate.found import AmbiguousCut, FoundChromosome, Located
from screening.karyogram.locate.locator import ARBITER, SEGMENTER, Locator

__all__ = ["ARBITER", "SEGMENTER", "AmbiguousCut", "FoundChromosome", "Located", "Locator"]

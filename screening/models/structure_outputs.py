"""What the reader of structure gives, for those who read it: names and sizes, without Keras."""

from __future__ import annotations

from screening.classes import CHROMOSOMES
from screening.karyogram.strip import ROWS

STEPS = ROWS // 2
"""Rows of the encoder's output, two rows of the strip each."""

PARTS = 12
"""Parts of each chromosome's length among which a row chooses its place."""

PLACES = len(CHROMOSOMES) * PARTS
DENSE, ROW, SINGLE, PAIR = "dense", "row", "single", "pair"
"""Names of the outputs."""

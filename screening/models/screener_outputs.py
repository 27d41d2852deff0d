"""What a screener gives, for those who read it: names and sizes, without Keras."""

from __future__ import annotations

PICTURE, SLOTS = "p_abnormal", "slots"
"""Names of the outputs; SLOTS only of one that was taught them (`models.screener.with_slots`)."""

SLOT_STATES = 3
"""A slot is usual (0), has a gain (1) or a loss (2)."""

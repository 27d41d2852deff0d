"""Names of the ways of training that `train.recipes` knows; reading them loads no TensorFlow."""

from __future__ import annotations

ONE_CYCLE, CONTRASTIVE, CHECK_AND_ADJUST = "one-cycle", "contrastive", "check-and-adjust"
SIAMESE, TRIPLET, CENTRE = METRIC_KINDS = ("siamese", "triplet", "centre")
KINDS = (ONE_CYCLE, CONTRASTIVE, CHECK_AND_ADJUST, *METRIC_KINDS)
PAIRED = frozenset({CONTRASTIVE, SIAMESE, TRIPLET})
"""Kinds whose batches are twice one picture of every class."""

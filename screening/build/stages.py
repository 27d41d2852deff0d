"""The stages from single chromosomes to a certified bundle, in their order."""

from __future__ import annotations

from functools import partial

from screening.build import bundles, classifier, given, screener, segmenter
from screening.build.data import SPLIT, records_of
from screening.build.runner import Context, Stage
from screening.bundle import Bundle
from screening.data.split import check_leaks, split_by_case


def split(context: Context, parts: Bundle | None = None) -> None:
    """Share the people out among the parts, and check that nobody and no picture is in two.

    Whoever has taught `parts`, a bundle that gives its networks, is in train.
    """
    config = context.settings
    records = records_of(context.data, config.sources)
    made = split_by_case(records, config.split.fractions, config.split.seed)
    if parts is not None:
        made = given.apart_from(made, given.seen_by(parts), config.sources)
    check_leaks(made, records)
    (context.folder / SPLIT).write_text(made.to_json(), "utf-8")


_FINDER = ("segmenter", "arbiter")


def _fitted(parts: Bundle | None = None) -> tuple[Stage, ...]:
    """What is fitted for the parts, whoever made them."""
    before, whose = (None, "") if parts is None else (parts.info, parts.hash)
    return (
        Stage("pages", bundles.pages, ("split",), ("sources", "sets", "pages"), True),
        Stage("looks", bundles.looks, ("pages", "parts"), ("pages", "scoring")),
        Stage(
            "fusion", bundles.fusion, ("pages", "parts", "looks"),
            ("pages", "witnesses", "fusion"),
        ),
        Stage(
            "certificate", partial(bundles.certificate, before=before), ("pages", "fusion"),
            ("pages", "scoring", "certificate"), given=whose,
        ),
        Stage("bundle", bundles.finished, ("certificate",)),
    )  # fmt: skip


STAGES = (
    Stage("split", split, sections=("sources", "split"), data=True),
    Stage(
        "segment-pages", segmenter.segment_pages, ("split",), ("sources", "segment_pages"), True
    ),
    Stage("segmenter", segmenter.segmenter, ("segment-pages",), ("segmenter",)),
    Stage("arbiter", segmenter.arbiter, ("segment-pages", "segmenter"), ("arbiter",)),
    Stage("base", screener.base, ("split",), ("sources", "screener", "base"), True),
    Stage(
        "sets", screener.sets, ("split", *_FINDER), ("sources", "screener", "sets", "reading"), True
    ),
    Stage("slots", screener.slots, ("base", "sets"), ("screener", "slots")),
    Stage("head", screener.head, ("slots", "sets"), ("screener", "head")),
    Stage("crops", classifier.crops, ("split", *_FINDER), ("sources", "crops", "reading"), True),
    Stage(
        "classifier", classifier.classifier, ("split", "crops"),
        ("sources", "crops", "classifier"), True,
    ),
    Stage("temperature", classifier.temperature, ("crops", "classifier"), ("reading",)),
    Stage(
        "parts", bundles.parts, ("split", *_FINDER, "head", "classifier", "temperature"),
        ("name", "trial", "sources", "screener", "reading", "witnesses"),
    ),
    *_fitted(),
)  # fmt: skip
"""Every stage; where the settings of one change, it and what reads it are done anew."""
LAST = STAGES[-1].name


def stages_of(parts: Bundle) -> tuple[Stage, ...]:
    """Return the stages that fit score, threshold and certificate for the parts of a bundle."""
    given.check_given(parts)
    return (
        Stage(
            "split", partial(split, parts=parts), (), ("sources", "split"), True, parts.hash
        ),
        Stage(
            "parts", partial(given.parts, parts), ("split",),
            ("trial", "sources", "witnesses"),
            given=parts.hash,
        ),
        *_fitted(parts),
    )  # fmt: skip

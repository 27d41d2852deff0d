"""The stages from single chromosomes to a certified bundle, in their order."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from screening.build import bundles, classifier, given, screener, segmenter, structure
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


def _reader(parts: Bundle | None = None) -> tuple[Stage, ...]:
    """What teaches the reader of structure, on pages as this build's parts or given ones find
    them."""
    if parts is None:
        pages = Stage(
            "structure-pages", structure.structure_pages, ("split", *_FINDER),
            ("sources", "structure_pages", "reading"), True,
        )  # fmt: skip
    else:
        pages = Stage(
            "structure-pages", partial(structure.structure_pages, finder=parts), ("split",),
            ("sources", "structure_pages"), True, parts.hash,
        )  # fmt: skip
    return pages, Stage("structure", structure.structure, (pages.name,), ("structure",))


def _screener(parts: Bundle, new_finder: bool) -> tuple[Stage, ...]:
    """What teaches the screener of a bundle anew, from where it is, on karyograms composed now."""
    whose = "" if new_finder else parts.hash
    compose = screener.sets if new_finder else partial(screener.sets, finder=parts)
    reads = ("split", *_FINDER) if new_finder else ("split",)
    return (
        Stage("sets", compose, reads, ("sources", "screener", "sets", "reading"), True, whose),
        Stage(
            "slots", partial(screener.slots, given=parts), ("sets",), ("screener", "slots"),
            given=parts.hash,
        ),
        Stage("head", screener.head, ("slots", "sets"), ("screener", "head")),
    )  # fmt: skip


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
    *_reader(),
    Stage(
        "parts", bundles.parts,
        ("split", *_FINDER, "head", "classifier", "temperature", "structure"),
        ("name", "trial", "sources", "screener", "reading", "witnesses"),
    ),
    *_fitted(),
)  # fmt: skip
"""Every stage; where the settings of one change, it and what reads it are done anew."""
LAST = STAGES[-1].name


def _kept(parts: Bundle) -> tuple[Stage, ...]:
    """The same where a bundle's score and promise are kept, and only the structure is new."""
    pages, looks, fusion, certificate, bundle = _fitted(parts)
    return (
        pages,
        looks,
        replace(
            fusion, run=partial(bundles.kept, given=parts.info), sections=("pages", "fusion"),
            given=parts.hash,
        ),
        replace(certificate, run=bundles.counted, sections=("pages", "scoring")),
        bundle,
    )  # fmt: skip


def stages_of(
    parts: Bundle, keep_score: bool = False, new_finder: bool = False, new_screener: bool = False
) -> tuple[Stage, ...]:
    """Return the stages that fit score, threshold and certificate for the parts of a bundle, or
    keep the bundle's own; first those of a `new_finder`, of a `new_screener`, and of the reader of
    structure, where the bundle has none."""
    given.check_given(parts)
    finder = STAGES[1:4] if new_finder else ()
    seeing = _screener(parts, new_finder) if new_screener else ()
    has_reader = structure.STRUCTURE in parts.info.parts
    reader = () if has_reader else _reader(None if new_finder else parts)
    return (
        Stage(
            "split", partial(split, parts=parts), (), ("sources", "split"), True, parts.hash
        ),
        *finder,
        *seeing,
        *reader,
        Stage(
            "parts",
            partial(given.parts, parts, new_finder=new_finder, new_screener=new_screener),
            ("split", *(s.name for s in (*finder[1:], *seeing[2:], *reader[1:]))),
            ("trial", "sources", "reading", "witnesses")
            + (("name", "screener") if new_screener else ()),
            given=parts.hash,
        ),
        *(_kept(parts) if keep_score else _fitted(parts)),
    )  # fmt: skip

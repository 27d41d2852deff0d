"""The stages from single chromosomes to a certified bundle, in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from screening.assess.recognise import sources_of
from screening.build import bundles, classifier, given, screener, segmenter, structure
from screening.build.data import SPLIT, check_cells, records_of
from screening.build.runner import Context, Stage
from screening.build.screener_config import ScreenerConfig
from screening.bundle import Bundle
from screening.data.split import check_leaks, split_by_case


def split(context: Context, parts: Bundle | None = None) -> None:
    """Share the people out among the parts, and check that nobody and no picture is in two, and
    that each has whole cells.

    Whoever has taught `parts`, a bundle that gives its networks, is in train.
    """
    config = context.settings
    records = records_of(context.data, config.sources)
    made = split_by_case(records, config.split.fractions, config.split.seed)
    if parts is not None:
        named = sources_of(parts.info)
        made = given.apart_from(made, given.seen_by(parts), config.sources, named)
    check_leaks(made, records)
    check_cells(records, made, config.sources, context.data)
    (context.folder / SPLIT).write_text(made.to_json(), "utf-8")


_FINDER = ("segmenter", "arbiter")
_GATE = ("reading.gate",)
"""All of the reading that finding needs."""


def _with_finder(
    run: Callable[..., None], finder: Bundle | None
) -> tuple[Callable[..., None], tuple[str, ...], str]:
    """What makes a stage's pages, what it reads, and whose parts it has been given: this build's
    parts find the chromosomes, or a given `finder` does."""
    if finder is None:
        return run, ("split", *_FINDER), ""
    return partial(run, finder=finder), ("split",), finder.hash


def _reader(finder: Bundle | None = None, parts: Bundle | None = None) -> tuple[Stage, ...]:
    """What teaches the reader of structure, on pages as this build's parts or a given `finder` find
    them; it may go on from that of `parts`."""
    make, reads, whose = _with_finder(structure.structure_pages, finder)
    sections = ("sources", "structure_pages", *(() if finder else _GATE))
    pages = Stage("structure-pages", make, reads, sections, True, whose)
    taught = Stage(
        "structure", partial(structure.structure, given=parts), (pages.name,), ("structure",),
        given="" if parts is None else parts.hash,
    )  # fmt: skip
    return pages, taught


def _classifier(finder: Bundle | None = None, parts: Bundle | None = None) -> tuple[Stage, ...]:
    """What teaches the classifier, on pieces as this build's parts or a given `finder` find them;
    it may go on from that of `parts`."""
    cut, reads, whose = _with_finder(classifier.crops, finder)
    return (
        Stage("crops", cut, reads, ("sources", "crops", *_GATE), True, whose),
        Stage(
            "classifier", partial(classifier.classifier, given=parts), ("split", "crops"),
            ("sources", "crops", "classifier"), True, "" if parts is None else parts.hash,
        ),
        Stage(
            "temperature", classifier.temperature, ("crops", "classifier"),
            ("reading.chromosomes",),
        ),
    )  # fmt: skip


def _screener(finder: Bundle | None = None, parts: Bundle | None = None) -> tuple[Stage, ...]:
    """What teaches the screener, on karyograms composed now, as this build's parts or a given
    `finder` find them: with a base of its own, or from where the screener of `parts` is."""
    compose, reads, whose = _with_finder(screener.sets, finder)
    base = Stage("base", screener.base, ("split",), ("sources", "screener", "base"), True)
    slots = Stage("slots", screener.slots, ("base", "sets"), ("screener", "slots"))
    if parts is not None:
        run = partial(screener.slots, given=parts)
        slots = replace(slots, run=run, reads=("sets",), given=parts.hash)
    return (
        *((base,) if parts is None else ()),
        Stage("sets", compose, reads, ("sources", "screener", "sets", *_GATE), True, whose),
        slots,
        Stage("head", screener.head, ("slots", "sets"), ("screener", "head")),
    )


_PAGES = Stage("pages", bundles.pages, ("split",), ("sources", "sets", "pages"), True)


def _fitted(parts: Bundle | None = None) -> tuple[Stage, ...]:
    """What is fitted for the parts, whoever made them."""
    before, whose = (None, "") if parts is None else (parts.info, parts.hash)
    return (
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
    *_screener(),
    *_classifier(),
    *_reader(),
    _PAGES,
    Stage(
        "parts", bundles.parts,
        ("split", *_FINDER, "head", "classifier", "temperature", "structure", "pages"),
        ("name", "trial", "sources", "screener", "reading", "witnesses", "pages.fusion"),
    ),
    *_fitted(),
)  # fmt: skip
"""Every stage; where the settings of one change, it and what reads it are done anew."""
LAST = STAGES[-1].name


def _kept(parts: Bundle) -> tuple[Stage, ...]:
    """The same where a bundle's score and promise are kept, and only the structure is new."""
    looks, fusion, certificate, bundle = _fitted(parts)
    return (
        looks,
        replace(
            fusion, run=partial(bundles.kept, given=parts.info), sections=("pages", "fusion"),
            given=parts.hash,
        ),
        replace(certificate, run=bundles.counted, sections=("pages", "scoring")),
        bundle,
    )  # fmt: skip


def stages_of(
    parts: Bundle,
    keep_score: bool = False,
    new: Collection[str] = (),
    network: ScreenerConfig | None = None,
) -> tuple[Stage, ...]:
    """Return the stages that fit score, threshold and certificate for the parts of a bundle, or
    keep the bundle's own; first those of what is `new`, of `given.NEW`, and of the reader of
    structure, where the bundle has none. A new screener goes on from the bundle's unless
    `network` is another: that one begins with a base of its own."""
    given.check_given(parts)
    finder = None if given.FINDER in new else parts
    lacks_reader = structure.STRUCTURE not in parts.info.parts
    finding = STAGES[1:4] if finder is None else ()
    naming = _classifier(finder, parts) if given.CLASSIFIER in new else ()
    comparing = (
        _reader(finder, None if lacks_reader else parts)
        if lacks_reader or structure.STRUCTURE in new
        else ()
    )
    begins_as = parts if network is None or screener.goes_on(parts, network) else None
    seeing = _screener(finder, begins_as) if given.SCREENER in new else ()
    shown = () if keep_score else (_PAGES,)
    gives = (*finding[1:], *naming[1:], *comparing[1:], *seeing[-1:], *shown)
    named = ("name", *(("screener",) if seeing else ())) if new else ()
    fused = ("pages.fusion",) if shown else ()
    return (
        Stage(
            "split", partial(split, parts=parts), (), ("sources", "split"), True, parts.hash
        ),
        *finding,
        *naming,
        *comparing,
        *seeing,
        _PAGES,
        Stage(
            "parts", partial(given.parts, parts, new=tuple(new), keep_score=keep_score),
            ("split", *(stage.name for stage in gives)),
            ("trial", "sources", "reading", "witnesses", *named, *fused), given=parts.hash,
        ),
        *(_kept(parts) if keep_score else _fitted(parts)),
    )  # fmt: skip

"""Parts that a finished bundle gives instead of being trained: whom they have seen, what is kept.

What is fitted anew for them (score, threshold, certificate) must be fitted and measured on people
that they never saw; a split of today's data may have put some of those elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date

from screening import __version__
from screening.assess.recognise import RENAME, TRAINED_ON, case_hash
from screening.build.classifier import classifier_part
from screening.build.config import SourcesConfig
from screening.build.data import split_in
from screening.build.rounding import with_rounding
from screening.build.runner import Context
from screening.build.screener import screener_part
from screening.build.segmenter import finder_files
from screening.build.structure import STRUCTURE, structure_part
from screening.bundle import Bundle, rewrite_bundle
from screening.bundle_schema import TRIAL
from screening.data.split import CALIBRATION, TEST, TRAIN, VALIDATION, CaseKey, Split
from screening.data.tables import Problems
from screening.errors import BundleError
from screening.reading_settings import ReadingSettings

BUNDLE = "bundle"
NEEDED = ("screener", "classifier", "segmenter", "arbiter")
ADDED = "parts_added"
"""Key of a bundle's `data`: the networks that a build added to those given to it."""
FINDER, CLASSIFIER, SCREENER = "finder", "classifier", "screener"
NEW = (FINDER, CLASSIFIER, STRUCTURE, SCREENER)
"""What a build can teach anew for a given bundle."""
_APART = "by case, whoever has taught the given parts in train"


def check_given(bundle: Bundle) -> None:
    """Raise BundleError unless the bundle has what a build makes and tells whom it has seen."""
    missing = [name for name in NEEDED if name not in bundle.info.parts]
    if missing or not seen_by(bundle):
        lacks = ", ".join(missing) or "the list of those who taught it"
        raise BundleError(
            f"{bundle.folder}: expected a bundle with {', '.join(NEEDED)} and the list of those "
            f"who taught it to take parts from, received one without {lacks}"
        )


def seen_by(bundle: Bundle) -> tuple[str, ...]:
    """Return the people who taught a bundle or chose anything in it, as `case_hash` names them."""
    return tuple(bundle.info.data.get(TRAINED_ON, {}).get("cases", ()))


def apart_from(
    made: Split, seen: Sequence[str], sources: SourcesConfig, named: Collection[str] = ()
) -> Split:
    """Return the split with the people of `seen` in train.

    Where a source's train and validation people are the very ones of `seen`, its split is that of
    the given parts: its validation people chose there and may choose again. ManifestError names
    whoever of a source of whole cells, or of one left out, would be measured and has been seen;
    of pooled sources there are enough others. People of a source that the given parts do not name
    are known by their case under any that they do, `named`, as the certificate will know them.
    """
    hashes = {key: case_hash(*key) for key in made.assignments}
    known = set(seen)
    taught: dict[str, set[CaseKey]] = defaultdict(set)
    saw: dict[str, set[CaseKey]] = defaultdict(set)
    for key, part in made.assignments.items():
        if part in (TRAIN, VALIDATION):
            taught[key[0]].add(key)
        if hashes[key] in known:
            saw[key[0]].add(key)
    problems = Problems("the data, for the given parts")
    for (source, case), part in sorted(made.assignments.items()):
        like = [name for name in named if case_hash(name, case) in known]
        if like and source not in named and part in (CALIBRATION, TEST):
            problems.add(
                f"{source}/{case} ({part}) has the name of a case of {', '.join(like)} that has "
                f"taught the given parts: leave it out. {RENAME}"
            )
    found = dict(made.assignments)
    for source, people in saw.items():
        for key in sorted(people):
            part, measured = found[key], found[key] in (CALIBRATION, TEST)
            if source in sources.leave_out or (measured and source not in sources.pooled):
                problems.add(f"{'/'.join(key)} ({part}) has taught the given parts: leave it out")
            elif measured or taught[source] != people:
                found[key] = TRAIN
    problems.raise_if_any()
    return Split(found, made.seed, _APART)


def parts(
    bundle: Bundle, context: Context, new: Collection[str] = (), keep_score: bool = False
) -> None:
    """Write the given bundle without what is fitted anew; `data` tells whose parts they are. Of
    its reading only what the settings name is another.

    A reader of structure that it lacks is added, and what this build has taught anew, `new` of NEW,
    takes the place of its own; who taught them is told as well. How they are run in eight bits is
    found anew, unless a score is kept that was earned otherwise.
    """
    config, split_now = context.settings, split_in(context.of("split"))
    info, taught = bundle.info, config.sources.train_on
    added = {}
    if STRUCTURE not in info.parts or STRUCTURE in new:
        added[STRUCTURE] = structure_part(context.of("structure"))
    if CLASSIFIER in new:
        added[CLASSIFIER] = classifier_part(context.of("classifier"), context.of("temperature"))
    if SCREENER in new:
        added[SCREENER] = screener_part(context.of("head"), config.screener)
    finder = finder_files(context) if FINDER in new else {}
    using = (TRAIN, VALIDATION) if added or finder else (VALIDATION,)
    now = {case_hash(*k) for part in using for k in split_now.part(part) if k[0] in taught}
    seen = info.data[TRAINED_ON] | {"cases": sorted({*seen_by(bundle), *now})}
    changes = ({"name": config.name} if new else {}) | {
        "created": date.today().isoformat(), "tool_version": __version__,
        "reading": _with(info.reading, config.reading),
        "witnesses": config.witnesses, "fusion": None, "certificate": None, "calibration": None,
        "metrics": {}, "parts": info.parts | {name: part for name, (part, _) in added.items()},
        "data": info.data | {
            "sources": sorted({*info.data.get("sources", ()), *taught}),
            "left_out": ", ".join(sorted(config.sources.leave_out)),
            "split": split_now.hash, "seed": split_now.seed,
            "parts_of": bundle.hash, ADDED: sorted([*added, *finder]), TRAINED_ON: seen,
        } | ({TRIAL: True} if config.trial else {}),
    }  # fmt: skip
    made = rewrite_bundle(
        bundle, info.model_copy(update=changes), context.folder / BUNDLE,
        more={name: model for name, (_, model) in added.items()}, files=finder,
    )  # fmt: skip
    if not keep_score:
        with_rounding(made, context.of("pages") / config.pages.fusion, context.folder / BUNDLE)


def _with(reading: ReadingSettings, named: ReadingSettings) -> ReadingSettings:
    """The reading with what is named in other settings and nothing else of theirs."""
    groups = {}
    for name in named.model_fields_set:
        group = getattr(named, name)
        values = {each: getattr(group, each) for each in group.model_fields_set}
        groups[name] = getattr(reading, name).model_copy(update=values)
    return reading.model_copy(update=groups)

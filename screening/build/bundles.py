"""Stages that put the parts together: parts, looks, fusion, certificate, the bundle itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from screening.assess.certification import Terms, calibrated, earned, scored, write_tuned
from screening.assess.labelled import read_pictures
from screening.assess.recognise import TRAINED_ON, files_of, trained_on
from screening.assess.structural import (
    Shown,
    structural_limits,
    structure_info,
    without_structure,
)
from screening.build import fusion as fusing
from screening.build.classifier import classifier_part
from screening.build.config import FusionConfig
from screening.build.data import records_of, split_in
from screening.build.looked_at import earlier_looks
from screening.build.model_card import model_card
from screening.build.pages import MANIFEST, compose_part, rows_of
from screening.build.rounding import with_rounding
from screening.build.runner import Context
from screening.build.screener import screener_part
from screening.build.segmenter import finder_files
from screening.build.structure import STRUCTURE, structure_part
from screening.bundle import Bundle, load_bundle, rewrite_bundle, write_bundle
from screening.bundle_schema import (
    TRIAL,
    BundleInfo,
    FilePart,
    FusionInfo,
    Scope,
    StructureInfo,
)
from screening.classes import ABNORMAL, LABELLED, LOW_PRIORITY, NORMAL, NUMERICAL, VOTES
from screening.data.pool import is_pooled
from screening.data.split import TRAIN, VALIDATION
from screening.evidence.witnesses import only_raising, witnesses_of
from screening.metrics import auroc
from screening.promises import certificate_sentence, structure_sentence
from screening.reading_settings import ReadingSettings
from screening.record import Picture
from screening.triage.rule import Rule, judge
from screening.uncertainty.certificate import data_hash

BUNDLE = "bundle"
LOOKS = "pictures.jsonl"
TEACHING = (TRAIN, VALIDATION)
"""Parts whose people taught or chose anything."""


def parts(context: Context) -> None:
    """Write a bundle of all parts, not joined into one score yet."""
    config, split = context.settings, split_in(context.of("split"))
    screener_info, screener = screener_part(context.of("head"), config.screener)
    classifier_info, classifier = classifier_part(
        context.of("classifier"), context.of("temperature")
    )
    structure_info, structure = structure_part(context.of("structure"))
    networks = {
        "screener": screener_info,
        "classifier": classifier_info,
        STRUCTURE: structure_info,
    }  # fmt: skip
    files = finder_files(context)
    names = {"segmenter": "segmenter.onnx", "arbiter": "arbiter.json"}
    info = BundleInfo(
        name=config.name,
        created=date.today().isoformat(),
        parts=networks | {name: FilePart(file=names[name]) for name in files},
        reading=config.reading,
        witnesses=config.witnesses,
        data={
            "sources": sorted(config.sources.train_on),
            "left_out": ", ".join(sorted(config.sources.leave_out)),
            "split": split.hash,
            "seed": split.seed,
            **({TRIAL: True} if config.trial else {}),
            TRAINED_ON: trained_on(
                key
                for key, part in split.assignments.items()
                if part in TEACHING and key[0] in config.sources.train_on
            ),
        },
    )
    models = {"screener": screener, "classifier": classifier, STRUCTURE: structure}
    made = write_bundle(context.folder / BUNDLE, info, models, f"# {config.name}\n", files)
    with_rounding(made, context.of("pages") / config.pages.fusion, context.folder / BUNDLE)


def pages(context: Context) -> None:
    """Compose the karyograms that the bundle is shown, inside each part."""
    config = context.settings
    split = split_in(context.of("split"))
    records = records_of(context.data, config.sources)
    for part, counts in config.pages.parts.items():
        compose_part(context, context.folder / part, part, counts, records, split, config)


def looks(context: Context) -> None:
    """Let the parts look at the validation patients' karyograms, as `screen` does."""
    bundle = load_bundle(context.of("parts") / BUNDLE)
    asked = context.settings
    data = context.of("pages") / asked.pages.fusion / MANIFEST
    terms = Terms(data, passes=asked.scoring.passes, workers=context.workers, quiet=context.quiet)
    _, seen_now = scored(bundle, terms, context.folder)
    kept = [json.dumps(picture.to_dict() | {"thumbnail": ""}) for picture in seen_now]
    (context.folder / LOOKS).write_text("\n".join(kept) + "\n", "utf-8")


def fusion(context: Context) -> None:
    """Fit the score and choose the threshold on validation patients."""
    config = context.settings.fusion
    rows = rows_of(context.of("pages") / context.settings.pages.fusion)
    lines = (context.of("looks") / LOOKS).read_text("utf-8").splitlines()
    pictures = [Picture.from_dict(json.loads(line)) for line in lines]
    abnormal = [row["label"] == ABNORMAL for row in rows]
    x, y = fusing.features_of(pictures, abnormal, config)
    raising = only_raising(witnesses_of(context.settings.witnesses))
    fitted = fusing.fit(x, y, config, raising)
    rule, reached = fusing.choose(pictures, abnormal, fitted, config)
    judged = [(ill, judge(rule, one)) for ill, one in zip(abnormal, pictures, strict=True)]
    scores = [(ill, said.p_abnormal) for ill, said in judged if said.p_abnormal is not None]
    area = auroc(*(np.array(column, float) for column in zip(*scores, strict=True)))
    bundle = load_bundle(context.of("parts") / BUNDLE)
    shown = read_pictures(context.of("pages") / context.settings.pages.fusion / MANIFEST)
    taught = bundle.info.data[TRAINED_ON] | files_of(shown)
    info = bundle.info.model_copy(
        update={
            "data": bundle.info.data | {TRAINED_ON: taught},
            "threshold": rule.threshold,
            "min_confidence": rule.min_confidence,
            "rule": VOTES,
            "reading": _with_limits(bundle.info, rule, pictures, rows, config),
            "fusion": FusionInfo(
                intercept=fitted.intercept, weights=dict(fitted.weights),
                limit=fitted.limit,
                min_p_normal=rule.min_p_normal, min_layout=rule.min_layout,
                flag_threshold=rule.flag_threshold,
            ),
            "metrics": {"validation": reached | {"auroc": round(area, 4)}},
        }
    )  # fmt: skip
    rewrite_bundle(bundle, info, context.folder / BUNDLE)
    context.say(f"threshold {rule.threshold:g}, validation {json.dumps(reached)}")


def kept(context: Context, given: BundleInfo) -> None:
    """Write the bundle with the score, threshold, confidences and certificate of the one whose
    parts these are: only the limits of the structure are taken from validation patients.

    What was promised holds: what the structure says never makes a picture less urgent.
    """
    pages = context.of("pages") / context.settings.pages.fusion
    lines = (context.of("looks") / LOOKS).read_text("utf-8").splitlines()
    pictures = [Picture.from_dict(json.loads(line)) for line in lines]
    bundle = load_bundle(context.of("parts") / BUNDLE)
    taught = bundle.info.data[TRAINED_ON] | files_of(read_pictures(pages / MANIFEST))
    config, rule = context.settings.fusion, Rule.of(given)
    names = ("fusion", "threshold", "min_confidence", "rule", "certificate", "calibration",
             "metrics")  # fmt: skip
    changes = {name: getattr(given, name) for name in names} | {
        "data": bundle.info.data | {TRAINED_ON: taught},
        "reading": _with_limits(bundle.info, rule, pictures, rows_of(pages), config),
    }
    rewrite_bundle(bundle, bundle.info.model_copy(update=changes), context.folder / BUNDLE)


def counted(context: Context) -> None:
    """Write the bundle with what is found of structural changes on calibration patients."""
    asked, bundle = context.settings, load_bundle(context.of("fusion") / BUNDLE)
    info = bundle.info
    if asked.pages.structure is not None and STRUCTURE in info.parts:
        terms = Terms(
            data=context.of("pages") / asked.pages.structure, passes=asked.scoring.passes,
            workers=context.workers, quiet=context.quiet,
        )  # fmt: skip
        found = _structural(bundle, terms, context.folder)
        context.say(structure_sentence(found))
        info = info.model_copy(update={"structure": found})
    rewrite_bundle(bundle, info, context.folder / BUNDLE)


def _with_limits(
    info: BundleInfo,
    rule: Rule,
    pictures: Sequence[Picture],
    rows: Sequence[dict],
    config: FusionConfig,
) -> ReadingSettings:
    """Return the settings of the reading with the limits of the structure, from those normal
    pictures of validation patients that `rule` makes low-priority: no other has that to lose. From
    all normal ones where it makes none so."""
    # The homologs of a pooled cell are of two people: they differ, and nothing is wrong with them.
    one_person = [
        picture for picture, row in zip(pictures, rows, strict=True)
        if row["label"] == NORMAL and not is_pooled(row["case"])
    ]  # fmt: skip
    low = [
        picture for picture in one_person
        if judge(rule, without_structure(picture, info.reading)).route == LOW_PRIORITY
    ]  # fmt: skip
    limits = structural_limits(
        low or one_person, config.most_doubted, info.reading.structure, config.readable
    )
    return info.reading.model_copy(update={"structure": limits})


def certificate(context: Context, before: BundleInfo | None = None) -> None:
    """Earn the promise on calibration patients; without one the bundle promises nothing.

    `before`: of the bundle whose parts were given, which may have been certified on them.
    """
    asked = context.settings
    bundle = load_bundle(context.of("fusion") / BUNDLE)
    made = bundle.hash
    pages = context.of("pages")
    terms = Terms(
        data=pages / asked.pages.certificate / MANIFEST,
        passes=asked.scoring.passes, workers=context.workers, quiet=context.quiet,
        **dict(asked.certificate),
    )  # fmt: skip
    if asked.pages.calibration is not None:
        more = replace(terms, data=pages / asked.pages.calibration / MANIFEST)
        bundle = calibrated(bundle, more, context.folder / "calibrated")
    shown = asked.pages.parts[asked.pages.certificate]
    scope: Scope = LABELLED if shown.get("structural") else NUMERICAL
    certified = read_pictures(terms.data, terms.unit)
    what = {
        "bundle": made, "terms": asked.certificate.model_dump(mode="json"),
        "passes": asked.scoring.passes, "pages": sorted(one.sha256 for one in certified),
    }  # fmt: skip
    looks = earlier_looks(context.folder.parent, what, (one.hash for one in certified))
    info, words, *_ = earned(bundle, terms, context.folder / "scored", before, scope, looks)
    context.say(words)
    if asked.pages.structure is not None and STRUCTURE in bundle.info.parts:
        now = bundle if info is None else replace(bundle, info=info)
        found = _structural(now, replace(terms, data=pages / asked.pages.structure), context.folder)
        context.say(structure_sentence(found))
        bundle = replace(bundle, info=bundle.info.model_copy(update={"structure": found}))
        info = info and info.model_copy(update={"structure": found})
    if info is None:
        rewrite_bundle(bundle, bundle.info, context.folder / BUNDLE)
    else:
        write_tuned(bundle, info, context.folder / BUNDLE)


def _structural(bundle: Bundle, terms: Terms, folder: Path) -> StructureInfo:
    """Count what is found of the structural changes on the pages of `terms.data`, a folder."""
    rows = rows_of(terms.data)
    pictures, seen = scored(bundle, replace(terms, data=terms.data / MANIFEST), folder / STRUCTURE)
    every = list(zip(pictures, rows, seen, strict=True))
    files = ((one.sha256, row["abnormality"], one.hash) for one, row, _ in every)
    pages = [Shown(one.hash, row["abnormality"], picture) for one, row, picture in every]
    return structure_info(pages, bundle.info, data_hash(files))


def finished(context: Context) -> None:
    """Write the bundle with its card, as it is to be used."""
    bundle = load_bundle(context.of("certificate") / BUNDLE)
    promised = certificate_sentence(bundle.info.certificate)
    card = model_card(bundle.info, f"{promised}\n\n{structure_sentence(bundle.info.structure)}")
    rewrite_bundle(bundle, bundle.info, context.folder / BUNDLE, card=card)


def publish(folder: Path, target: Path) -> Path:
    """Put the bundle of the last stage at `target`, whole or not at all; return `target`."""
    bundle = load_bundle(folder / BUNDLE)
    if not (target / "DONE").is_file() or load_bundle(target).hash != bundle.hash:
        rewrite_bundle(bundle, bundle.info, target)
    return target

"""Stages that teach the 24-class classifier: crops, training, temperature."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from screening.atomic import replaced_file
from screening.build.data import (
    complete_cells,
    records_of,
    split_in,
    taught,
    with_few_repeated,
)
from screening.build.runner import Context
from screening.build.segmenter import locator_of
from screening.build.workers import each
from screening.bundle import Bundle
from screening.bundle_schema import PartInfo
from screening.data.chromosomes import CellRecord, load_cell
from screening.data.split import TRAIN, VALIDATION
from screening.karyogram.crops import CANVAS, toned
from screening.karyogram.locate import Locator
from screening.page_settings import ChromosomeReading
from screening.train.classifier_crops import Crops, plain_crops, varied_crops
from screening.train.classifier_pages import page_crops

if TYPE_CHECKING:
    import keras

CLASSIFIER = "classifier.keras"
PLAIN, SINGLES, PAGES = "plain", "singles", "pages"
HELD_OUT = 20
"""Number of the set of pages of validation patients, on which the temperature is chosen.
Calibration patients have no part in a model: they certify it."""

Job = tuple[str, str, int]


def crops(context: Context, finder: Bundle | None = None) -> None:
    """Cut the crops: plain ones, ones as other laboratories show them, and pieces of composed pages
    as `finder`, a bundle, finds them or else this build's parts."""
    config = context.settings
    split = split_in(context.of("split"))
    records = taught(records_of(context.data, config.sources), config.sources)
    numbers = range(config.crops.sets)
    jobs: list[Job] = [(PLAIN, TRAIN, 0)]
    jobs += [(kind, TRAIN, n) for kind in (SINGLES, PAGES) for n in numbers]
    jobs += [(PAGES, VALIDATION, HELD_OUT)]
    cut = partial(
        make_crops, context.folder, {part: split.select(records, part) for part in _PARTS},
        locator_of(context) if finder is None else Locator.of(finder), config.sources.pooled,
        config.crops.pooled,
    )  # fmt: skip
    for _ in each(context, cut, jobs, "sets of crops", chunk=1):
        pass


def classifier(context: Context, given: Bundle | None = None) -> None:
    """Train the classifier; the epochs take turns with the sets of crops. `given`: the bundle whose
    own classifier is where it begins, if the settings say so."""
    from screening.train.classifier import ClassifierSettings, fit_classifier

    config, cut = context.settings, context.of("crops")
    split = split_in(context.of("split"))
    records = taught(records_of(context.data, config.sources), config.sources)
    validation = [load_cell(r) for r in split.select(records, VALIDATION)]
    held_out = {
        source: plain_crops([c for c in validation if c.source == source])
        for source in sorted({c.source for c in validation})
    }
    held_out["pages"] = read_crops(cut / _name((PAGES, VALIDATION, HELD_OUT)))

    def draw(epoch: int) -> Crops:
        n = epoch % config.crops.sets
        jobs: list[Job] = [(PLAIN, TRAIN, 0), (SINGLES, TRAIN, n), (PAGES, TRAIN, n)]
        return Crops.joined([read_crops(cut / _name(job)) for job in jobs])

    settings = config.classifier.model_dump(exclude={"goes_on"})
    begins = given if config.classifier.goes_on else None
    fit_classifier(
        context.folder, draw, held_out, ClassifierSettings(**settings), context.tick,
        None if begins is None else partial(begins.load_model, "classifier"),
    )  # fmt: skip


def temperature(context: Context) -> None:
    """Choose the temperature on pages of validation patients, each adapted to as `screen` does."""
    import keras

    from screening.uncertainty.calibration import temperature_of  # brings scikit-learn

    model = keras.models.load_model(context.of("classifier") / CLASSIFIER)
    held_out = read_crops(context.of("crops") / _name((PAGES, VALIDATION, HELD_OUT)))
    logits, labels = adapted_logits(model, held_out, context.settings.reading.chromosomes)
    found = (round(value, 4) for value in temperature_of(logits, labels))
    fitted = dict(zip(("temperature", "before", "after"), found, strict=True))
    (context.folder / "temperature.json").write_text(json.dumps(fitted) + "\n", "utf-8")
    context.say(f"temperature {fitted['temperature']:g}")


def classifier_part(folder: Path, temperature: Path) -> tuple[PartInfo, keras.Model]:
    """Return the classifier and its temperature that the stages keep in their folders, as a
    bundle's part."""
    import keras

    model = keras.models.load_model(folder / CLASSIFIER)
    chosen = json.loads((temperature / "temperature.json").read_text("utf-8"))["temperature"]
    part = PartInfo(
        backbone="residual", preprocessing="standard-crop", size=CANVAS[0], width=CANVAS[1],
        temperature=float(chosen), dropout=model.get_layer("drop_hidden").rate,
        config="classifier.json", weights="classifier.weights.h5",
    )  # fmt: skip
    return part, model


def adapted_logits(
    model: keras.Model, crops: Crops, how: ChromosomeReading
) -> tuple[np.ndarray, np.ndarray]:
    """Return (logits (n, 25), labels (n,)), every cell's crops seen together and adapted to."""
    from screening.models.length_features import length_features
    from screening.predict.adapt import adapted

    adapting = adapted(model, how.adapted)
    logits, labels = [], []
    for cell in np.unique(crops.cells):
        own = crops.cells == cell
        images = toned(crops.images[own], how.tone)
        logits.append(np.asarray(adapting([images, length_features(crops.relative[own])])))
        labels.append(crops.labels[own])
    return np.concatenate(logits), np.concatenate(labels)


def make_crops(
    folder: Path,
    records: dict[str, list[CellRecord]],
    locator: Locator,
    pooled: tuple[str, ...],
    least: int,
    job: Job,
) -> None:
    """Make one set of crops, of a kind, a part and a number, unless it is there."""
    kind, part, number = job
    path = folder / _name(job)
    if path.exists():
        return
    rng = np.random.default_rng((_PARTS.index(part), number))
    chosen = records[part]
    if kind == PLAIN:
        made = plain_crops(with_few_repeated([load_cell(r) for r in chosen]))
    elif kind == SINGLES:
        made = varied_crops(with_few_repeated([load_cell(r) for r in chosen]), rng)
    else:
        made = page_crops(complete_cells(chosen, pooled, least, rng), rng, locator)
    arrays = {name: getattr(made, name) for name in ("images", "labels", "relative", "cells")}
    with replaced_file(path) as hidden:
        np.savez(hidden, **arrays)


def read_crops(path: Path) -> Crops:
    """Return a set of crops from disk."""
    with np.load(path) as stored:
        return Crops(stored["images"], stored["labels"], stored["relative"], stored["cells"])


_PARTS = (TRAIN, VALIDATION)


def _name(job: Job) -> str:
    kind, part, number = job
    return f"{kind}_{part}_{number}.npz"

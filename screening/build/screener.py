"""Stages that teach the network that sees the whole karyogram: base, sets, slots, head."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from screening.build.config import KINDS, UNSEEN
from screening.build.data import part_cells, records_of, split_in, taught
from screening.build.runner import Context
from screening.build.screener_config import ScreenerConfig
from screening.build.segmenter import locator_of
from screening.bundle import Bundle
from screening.bundle_schema import PartInfo
from screening.data.chromosomes import load_cell
from screening.data.split import PARTS, TRAIN, VALIDATION
from screening.karyogram.locate import Locator
from screening.train.checkpoint import load_state, packed, save_state, unpacked
from screening.train.karyogram_set import KaryogramSet, build_set, plan

if TYPE_CHECKING:
    import keras

BASE = "base.weights.h5"
SLOTTED = "slots.npz"
SCREENER = "screener.keras"
_SEEDS = {part: 10 + number for number, part in enumerate(PARTS)} | {UNSEEN: 20}
_IN_BFLOAT16 = "mixed_bfloat16"


def base(context: Context) -> None:
    """Pretrain the convolutional base on the 24 classes, with single chromosomes."""
    from screening.models.backbones import get_backbone
    from screening.train.pretrain import PretrainConfig, crop_shape, pretrain

    config = context.settings
    split = split_in(context.of("split"))
    records = records_of(context.data, config.sources)
    teaching = split.select(taught(records, config.sources), TRAIN)
    held_out = split.select(records, VALIDATION)
    groups = {
        source: [load_cell(r) for r in held_out if r.source == source]
        for source in sorted({r.source for r in held_out})
    }
    row = get_backbone(config.screener.backbone)

    def new() -> keras.Model:
        return row.constructor(include_top=False, weights=None, input_shape=(None, None, 3))

    trained = pretrain(
        new, [load_cell(r) for r in teaching], groups, context.folder / "training",
        PretrainConfig(shape=crop_shape(row.min_size), **dict(config.base)), tick=context.tick,
    )  # fmt: skip
    trained.save_weights(context.folder / BASE)


def sets(context: Context, finder: Bundle | None = None) -> None:
    """Compose the karyograms that teach and measure the screener, inside each part, as `finder`, a
    bundle, finds what is on them or else this build's parts."""
    config = context.settings
    split = split_in(context.of("split"))
    records = records_of(context.data, config.sources)
    locator = locator_of(context) if finder is None else Locator.of(finder)
    for part, counts in config.sets.parts.items():
        cells = part_cells(records, split, part, config)
        kinds = {KINDS[kind]: times for kind, times in counts.items()}
        entries = plan(cells, kinds, _SEEDS[part])
        everyone = [cell for group in cells.values() for cell in group]
        size = config.screener.size
        build_set(
            context.folder / part, entries, everyone, (size,), locator, context.workers,
            context.tick, config.screener.view,
        )  # fmt: skip


def slots(context: Context, given: Bundle | None = None) -> None:
    """Teach the screener which slot has a gain or a loss; it begins as that of `given`, or with the
    base that this build has pretrained."""
    import keras

    from screening.models.backbones import get_backbone
    from screening.train.slots import FROZEN, SlotConfig, train_on_slots

    config = context.settings
    data, training = KaryogramSet(context.of("sets") / TRAIN), context.folder / "training"
    keras.config.set_dtype_policy(_IN_BFLOAT16)
    try:
        screener = train_on_slots(
            partial(_begun, context, given), get_backbone(config.screener.backbone), data,
            config.screener.size, training, SlotConfig(**dict(config.slots)), context.tick,
        )  # fmt: skip
    finally:
        keras.config.set_dtype_policy("float32")
    save_state(context.folder / SLOTTED, packed("w", screener.get_weights()), {})
    shutil.rmtree(training / FROZEN, ignore_errors=True)


def head(context: Context) -> None:
    """Train the head alone on what the base, as the slots left it, makes of every karyogram."""
    import keras

    from screening.models.backbones import get_backbone
    from screening.models.screener import base_of, picture_part, with_slots
    from screening.train.head import HeadSettings, pictures_of, train_head

    config = context.settings
    size = config.screener.size
    screener = with_slots(_screener(context))
    arrays, _ = load_state(context.of("slots") / SLOTTED) or ({}, {})
    screener.set_weights(unpacked("w", arrays))
    # In bfloat16: half the time at 1 % error. What is reported is measured in float32.
    keras.config.set_dtype_policy(_IN_BFLOAT16)
    try:
        cheaper = with_slots(_screener(context))
    finally:
        keras.config.set_dtype_policy("float32")
    cheaper.set_weights(screener.get_weights())
    train, validation = (
        pictures_of(KaryogramSet(context.of("sets") / part), size, honest=True)
        for part in (TRAIN, VALIDATION)
    )
    training = context.folder / "training"
    result = train_head(
        picture_part(screener), get_backbone(config.screener.backbone), train, validation,
        HeadSettings(**dict(config.head)), training, base_of(cheaper), context.tick,
    )  # fmt: skip
    context.say(f"head: {result.reason}; validation AUC {result.best['val_auc']:.3f}")
    screener.save(context.folder / SCREENER)
    # Only an unfinished training needs it, and it may be a gigabyte.
    shutil.rmtree(training / "frozen", ignore_errors=True)


def goes_on(given: Bundle, config: ScreenerConfig) -> bool:
    """Return whether a new screener of these settings can begin as the bundle's own: on its base,
    with its preprocessing. Another begins with a base that is pretrained for it."""
    has = given.network("screener")
    return (config.backbone, config.preprocess) == (has.backbone, has.preprocessing)


def screener_part(folder: Path, config: ScreenerConfig) -> tuple[PartInfo, keras.Model]:
    """Return the screener that the stage `head` keeps in its folder, as a bundle's part."""
    import keras

    part = PartInfo(
        backbone=config.backbone, preprocessing=config.preprocess, size=config.size,
        dropout=config.dropout, view=config.view, config="screener.json",
        weights="screener.weights.h5",
    )  # fmt: skip
    return part, keras.models.load_model(folder / SCREENER)


def _begun(context: Context, given: Bundle | None) -> keras.Model:
    from screening.models.screener import picture_part

    if given is None:
        return _screener(context, context.of("base") / BASE)
    screener = _screener(context)
    screener.set_weights(picture_part(given.load_model("screener")).get_weights())
    return screener


def _screener(context: Context, weights: Path | None = None) -> keras.Model:
    from screening.models.screener import build_screener

    config = context.settings.screener
    return build_screener(
        config.backbone, config.size, config.dropout, weights, preprocess=config.preprocess
    )

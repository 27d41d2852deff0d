"""A recipe in words, with what its paper leaves open and is therefore assumed here."""

from __future__ import annotations

from screening.benchmark.config import RecipeConfig
from screening.train.recipe_kinds import (
    CENTRE,
    CHECK_AND_ADJUST,
    ONE_CYCLE,
    PAIRED,
    SIAMESE,
    TRIPLET,
)
from screening.words import counted

_ASSUMED = {
    SIAMESE: "two classes at least 1 apart and an embedding of 128, both assumed",
    TRIPLET: "a margin of 0.2 in squared distance and an embedding of 128, both assumed",
    CENTRE: "weight 0.003 beside the cross-entropy and an embedding of 128, both assumed; "
    "without its redistribution of labels",
}
_CDA = (
    "turned by any angle and shifted by up to a tenth (CDA; how far is not printed, and each "
    "picture is turned once an epoch, not 24 times)"
)


def told(recipe: RecipeConfig) -> str:
    """Return what decides the training, one clause for each switch."""
    if recipe.kind in PAIRED:
        each = f"{recipe.steps} steps of twice one picture of each class an epoch"
    else:
        each = f"batch {recipe.batch}"
    said = [
        f"recipe {recipe.name} ({recipe.kind}): at most {counted(recipe.epochs, 'epoch')}",
        f"learning rate {recipe.learning_rate:g}",
        each,
    ]
    if recipe.kind == ONE_CYCLE:
        said.append(f"label smoothing {recipe.smoothing:g}")
    if recipe.kind == CHECK_AND_ADJUST:
        levels = ", ".join(
            f"above {one.above:g} the rate × {one.rate:g} and a gain of {one.gain:g}"
            for one in recipe.levels
        )
        said.append(f"checked every {recipe.check_every} steps ({levels}: not printed, assumed)")
    else:
        said.append(f"patience {recipe.patience}")
    if recipe.early_break is not None:
        said.append(
            f"ended once validation passes {recipe.early_break.validation:g} and five batches "
            f"{recipe.early_break.training:g}"
        )
    if recipe.kind in _ASSUMED:
        said.append(_ASSUMED[recipe.kind])
    said += {"cda": [_CDA], "none": ["nothing augmented"]}.get(recipe.augment, [])
    if recipe.balance == "smote":
        said.append("rarer classes filled up by SMOTE, in the training part alone")
    if recipe.records:
        said.append("read from TFRecords")
    return ", ".join([*said, recipe.dtype])

"""How far a screener is trained: the head, the last blocks of the base, or everything.

The steps are data (`Backbone.stages`). A step cuts the network in two: the frozen part, which gives
the same values in every epoch and therefore needs to run only once per picture, and the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

from screening.errors import ScreeningError
from screening.models.backbones import HEAD, RELATIVE, Backbone, depths
from screening.models.screener import HEAD_START


@dataclass(frozen=True, eq=False)
class Unfrozen:
    """A screener cut where training begins.

    `frozen`: pictures (b, s, s, 3) -> what `rest` takes; None when everything trains. `rest`:
    -> p(abnormal) (b, 1); shares its layers with the screener. `trained`: names of the base's
    layers that train, in running order.
    """

    frozen: keras.Model | None
    rest: keras.Model
    trained: tuple[str, ...]


def unfreeze(
    screener: keras.Model, row: Backbone, depth: str, batch_norm: bool = False
) -> Unfrozen:
    """Set which layers of `screener` train, in place, and return it cut in two.

    The head always trains. BatchNormalization layers of the base stay frozen, and hence use their
    stored statistics, unless `batch_norm`: a few dozen pictures would ruin what thousands taught.
    ScreeningError names the known depths.
    """
    head_input = screener.get_layer(HEAD_START).input
    after = _last_frozen(row, depth)
    if depth == HEAD:
        border = head_input
    else:
        border = screener.get_layer(after).output if after else None
    frozen = keras.Model(screener.input, border, name="frozen") if border is not None else None
    frozen_layers = {id(layer) for layer in frozen.layers} if frozen is not None else set()
    base_layers = keras.Model(screener.input, head_input).layers
    trained = []
    for layer in screener.layers:
        layer.trainable = id(layer) not in frozen_layers
    for layer in base_layers:
        if isinstance(layer, keras.layers.BatchNormalization) and not batch_norm:
            layer.trainable = False
        if layer.trainable and layer.trainable_weights:
            trained.append(layer.name)
    rest = screener if border is None else keras.Model(border, screener.output, name="rest")
    return Unfrozen(frozen, rest, tuple(trained))


def _last_frozen(row: Backbone, depth: str) -> str | None:
    """Return the name of the last frozen layer of the base; None for the whole base or the head."""
    if depth == HEAD:
        return None
    if depth not in depths(row):
        raise ScreeningError(
            f"{row.name} can be unfrozen to {', '.join(depths(row))}; received {depth!r}"
        )
    stage = row.stages[RELATIVE[depth]] if depth in RELATIVE else row.stage(depth)
    return stage.after

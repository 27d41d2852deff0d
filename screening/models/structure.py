"""The reader of structure: one encoder over the rows of a strip, three ways to ask it for a change.

Dense reading: every row says which chromosome it shows and where on it. Homolog comparison: the
rows of both homologs aligned by attention with a prior for like places, then the difference, the
shift and the lengths. Exemplar comparison: the same with rows learned for the class in place of a
homolog, which serves single chromosomes. Residual blocks after He et al. 2016, attention after
Vaswani et al. 2017; the dot plot, in which a deletion steps aside, a repeat doubles and an
inversion crosses the diagonal, after Gibbs & McIntyre 1970.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from screening.classes import CHROMOSOMES
from screening.errors import ScreeningError
from screening.karyogram.strip import COLUMNS, QUALITY, ROWS
from screening.models.structure_outputs import DENSE, PAIR, PARTS, PLACES, ROW, SINGLE, STEPS

_OWN = 4
"""What a row says of its own class: see `_own_reading`."""

WIDTH = 80
"""Channels of the encoder, where nothing else is asked for."""


@keras.saving.register_keras_serializable(package="screening")
class ClassRows(keras.layers.Layer):
    """Learned rows (b, steps, width) for class indices (b,): what a normal one of the class has."""

    def __init__(self, steps: int, width: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.steps, self.width = steps, width

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the table."""
        count = (len(CHROMOSOMES), self.steps, self.width)
        self.table = self.add_weight(shape=count, initializer="random_normal", name="table")

    def call(self, classes: keras.KerasTensor) -> keras.KerasTensor:
        """Return the rows."""
        return ops.take(self.table, ops.cast(classes, "int32"), axis=0)

    def get_config(self) -> dict:
        """Return what makes the same layer again."""
        return {**super().get_config(), "steps": self.steps, "width": self.width}


@keras.saving.register_keras_serializable(package="screening")
class Aligned(keras.layers.Layer):
    """What each row of one strip finds in another.

    [own (b, n, d), other (b, n, d), own rows (b, n), other rows (b, n)] → (b, n, heads (3 width +
    3)): difference without and with its sign, own value; shift, sharpness and likeness. Rows attend
    to like places; how near is learned for each head.
    """

    def __init__(self, width: int = 32, heads: int = 2, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.width, self.heads = width, heads

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """Make the projections."""
        self.steps, depth = int(shapes[0][1] or STEPS), shapes[0][-1]
        size = self.width * self.heads
        self.query = self.add_weight(shape=(depth, size), name="query")
        self.value = self.add_weight(shape=(depth, size), name="value")
        near = np.log(0.002 * 8.0 ** np.arange(self.heads)).tolist()
        self.near = self.add_weight(
            shape=(self.heads,),
            name="near",
            # Of the dtype that is asked for: a bundle's weights are written in half precision.
            initializer=lambda shape, dtype=None: ops.cast(ops.array(near), dtype or "float32"),
        )
        self.sharp = self.add_weight(shape=(self.heads,), name="sharp", initializer="ones")

    def call(self, parts: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Return the features of each row."""
        own, other, own_rows, other_rows = parts
        n, place = self.steps, np.arange(self.steps, dtype=np.float32)
        away = (place[:, None] - place[None]) ** 2

        def split(x: keras.KerasTensor, matrix: keras.KerasTensor) -> keras.KerasTensor:
            y = ops.reshape(ops.matmul(x, matrix), (-1, n, self.heads, self.width))
            return ops.transpose(y, (0, 2, 1, 3))

        def unit(x: keras.KerasTensor) -> keras.KerasTensor:
            return x / ops.sqrt(ops.sum(x * x, -1, keepdims=True) + 1e-4)

        q, k = unit(split(own, self.query)), unit(split(other, self.query))
        v_own, v = split(own, self.value), split(other, self.value)
        sharp = 8.0 * self.sharp[None, :, None, None]
        logits = sharp * ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))
        logits = logits - ops.exp(self.near)[None, :, None, None] * away
        logits = logits - 30.0 * (1.0 - other_rows[:, None, None, :])
        weight = ops.softmax(logits, -1)
        found = ops.matmul(weight, v)
        alike = ops.sum(ops.matmul(weight, k) * q, -1)
        shift = (ops.matmul(weight, place[:, None])[..., 0] - place) / 8.0
        sharpness = ops.max(weight, -1)

        def flat(x: keras.KerasTensor) -> keras.KerasTensor:
            return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, n, self.heads * self.width))

        numbers = ops.concatenate(
            [ops.transpose(x, (0, 2, 1)) for x in (shift, sharpness, alike)], -1
        )
        made = [flat(ops.abs(v_own - found)), flat(v_own - found), flat(v_own), numbers]
        return ops.concatenate(made, -1) * own_rows[..., None]

    def get_config(self) -> dict:
        """Return what makes the same layer again."""
        return {**super().get_config(), "width": self.width, "heads": self.heads}


@keras.saving.register_keras_serializable(package="screening")
class DotPlot(keras.layers.Layer):
    """How alike each row of one strip is to each of another.

    [one (b, n, d), other (b, n, d), rows of the one (b, n), of the other (b, n)] → (b, n, n,
    heads + 3): likeness, -1 to 1, in as many learned ways; then where both show a chromosome, how
    far apart the two rows lie, and how near. 0 where either shows none.
    """

    def __init__(self, width: int = 16, heads: int = 6, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.width, self.heads = width, heads

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """Make the projections, one of its own for each strip: rows of an inversion are alike only
        when one of them is read backwards."""
        self.steps, depth = int(shapes[0][1] or STEPS), shapes[0][-1]
        size = self.width * self.heads
        self.one = self.add_weight(shape=(depth, size), name="one")
        self.other = self.add_weight(shape=(depth, size), name="other")

    def call(self, parts: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Return the plot."""
        one, other, one_rows, other_rows = parts

        def split(x: keras.KerasTensor, matrix: keras.KerasTensor) -> keras.KerasTensor:
            y = ops.reshape(ops.matmul(x, matrix), (-1, self.steps, self.heads, self.width))
            y = ops.transpose(y, (0, 2, 1, 3))
            return y / ops.sqrt(ops.sum(y * y, -1, keepdims=True) + 1e-3)

        a, b = split(one, self.one), split(other, self.other)
        alike = ops.transpose(ops.matmul(a, ops.transpose(b, (0, 1, 3, 2))), (0, 2, 3, 1))
        both = (one_rows[:, :, None] * other_rows[:, None])[..., None]
        row = np.arange(self.steps, dtype=np.float32)
        apart = (row[:, None] - row[None])[..., None] / np.float32(16)
        return ops.concatenate([alike * both, both, apart * both, np.exp(-4 * apart**2) * both], -1)

    def get_config(self) -> dict:
        """Return what makes the same layer again."""
        return {**super().get_config(), "width": self.width, "heads": self.heads}


def build_structure_reader(
    width: int = WIDTH,
    blocks: int = 3,
    stem: int = 12,
    dropout: float = 0.2,
    plotted: int = 32,
    precision: str = "float32",
) -> keras.Model:
    """Return the model: {strips (b, 2, ROWS, COLUMNS) ink 0–255, quality (b, 2, QUALITY), classes
    (b,)} → {dense (b, 2, STEPS, PLACES), row (b, 2, STEPS), single (b, 2), pair (b,)}, logits.

    Both strips of a row are of one class and, for `pair`, of one cell; `single` looks at each of
    them alone, so that two single chromosomes of a class do as well. `precision`: Keras' policy for
    the convolutions and what lies between them; with another the weights are the same.
    """
    layers, kind = keras.layers, {"dtype": precision}
    strips = keras.Input((2, ROWS, COLUMNS), name="strips")
    quality = keras.Input((2, QUALITY), name="quality")
    classes = keras.Input((), name="classes", dtype="int32")
    x = ops.reshape(strips, (-1, ROWS, COLUMNS, 1)) / 128.0
    inked = ops.cast(ops.max(x, axis=(2, 3)) > 0.15, "float32")
    rows = ops.max(ops.reshape(inked, (-1, STEPS, 2)), -1)
    made = {"padding": "same", "use_bias": False, **kind}
    x = layers.Conv2D(stem, 5, strides=(1, 2), name="stem", **made)(x)
    x = _norm_relu(x, "stem", kind)
    x = layers.AveragePooling2D((2, 1), name="halved", **kind)(x)
    x = _residual(x, layers.Conv2D, stem, (5, 3), "flat", kind)
    x = ops.reshape(x, (-1, STEPS, COLUMNS // 2 * stem))
    x = _norm_relu(layers.Conv1D(width, 3, name="rows", **made)(x), "rows", kind)
    shallow = x
    for block in range(blocks):
        x = _residual(x, layers.Conv1D, width, 5, f"b{block}", kind, dilation=2 ** (block % 3))
    x = layers.SpatialDropout1D(dropout / 2, name="drop_rows")(x)
    dense = layers.Dense(PLACES, dtype="float32", name="places")(x)

    twice = ops.reshape(ops.repeat(classes[:, None], 2, axis=1), (-1,))
    reading = _own_reading(dense, twice) * rows[..., None]
    marks = ops.concatenate([x, reading], -1)
    pose = layers.Embedding(len(CHROMOSOMES), 24, name="class")(twice)
    beside = ops.concatenate([ops.reshape(quality, (-1, QUALITY)), pose], -1)
    around = ops.repeat(ops.expand_dims(beside, 1), STEPS, axis=1)

    usual = ClassRows(STEPS, width, name="usual")(twice)
    there = ops.ones_like(rows)
    alone = Aligned(name="exemplar")([x, usual, rows, there])
    alone = _head_rows(ops.concatenate([alone, reading, around], -1), rows, "alone", kind)
    pooled = ops.concatenate([_pooled(alone, rows), beside], -1)
    hidden = layers.Dropout(dropout, name="drop_alone")(pooled)
    hidden = layers.Dense(64, activation="relu", name="alone_hidden")(hidden)
    single = layers.Dense(1, dtype="float32", name="alone_out")(hidden)

    other_rows = _swapped(rows)
    both = Aligned(name="homolog")([marks, _swapped(marks), rows, other_rows])
    both = _head_rows(ops.concatenate([both, alone, reading, around], -1), rows, "both", kind)
    row = layers.Dense(1, dtype="float32", name="row_out")(both)
    each = ops.reshape(ops.concatenate([_pooled(both, rows), hidden], -1), (-1, 2, 3 * 64))
    numbers = ops.concatenate([ops.abs(quality[:, 0] - quality[:, 1]), ops.max(quality, 1)], -1)
    joined = [ops.max(each, 1), ops.mean(each, 1), numbers, ops.reshape(pose, (-1, 2, 24))[:, 0]]
    joined.append(_plotted(ops.concatenate([shallow, marks], -1), rows, other_rows, plotted, kind))
    z = layers.Dropout(dropout, name="drop_pair")(ops.concatenate(joined, -1))
    z = layers.Dense(96, activation="relu", name="pair_hidden")(z)
    pair = layers.Dense(1, dtype="float32", name="pair_out")(z)
    outputs = {
        DENSE: ops.reshape(dense, (-1, 2, STEPS, PLACES)), ROW: ops.reshape(row, (-1, 2, STEPS)),
        SINGLE: ops.reshape(single, (-1, 2)), PAIR: ops.reshape(pair, (-1,)),
    }  # fmt: skip
    inputs = {"strips": strips, "quality": quality, "classes": classes}
    return keras.Model(inputs, outputs, name="structure")


def take_over(model: keras.Model, other: keras.Model) -> None:
    """Give `model` the weights of `other`, a reader that may be narrower or lack layers of it: what
    is new stays as it is, and what was there hears nothing of it at first, so that both say the
    same (Chen et al. 2016, Net2Net). ScreeningError when `other` is the wider one."""
    known = {layer.name: layer for layer in other.layers if layer.weights}
    for layer in model.layers:
        if layer.name in known:
            # Behind the features of its rows it reads what they say of their own class.
            tail = _OWN if layer.name == "homolog" else 0
            pairs = zip(layer.get_weights(), known[layer.name].get_weights(), strict=True)
            layer.set_weights([_grown(wide, narrow, tail) for wide, narrow in pairs])


def _grown(wide: np.ndarray, narrow: np.ndarray, tail: int) -> np.ndarray:
    """`wide` with `narrow` in its first places, but for the last `tail` of its inputs, and zeros
    between the inputs that are new and the outputs that are not."""
    if any(new < old for new, old in zip(wide.shape, narrow.shape, strict=True)):
        raise ScreeningError(
            f"the given reader of structure is larger than this one: weights of shape "
            f"{narrow.shape} do not fit into {wide.shape}; teach it from nothing (goes_on: false)"
        )
    made = wide.copy()
    made[..., : narrow.shape[-1]] = 0.0
    at = [np.arange(size) for size in narrow.shape]
    if tail and wide.ndim > 1:
        at[-2][-tail:] += wide.shape[-2] - narrow.shape[-2]
    made[np.ix_(*at)] = narrow
    return made


def pair_head(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Return the model in two: all but what judges the pair, whose output PAIR is then what that
    reads, (b, n); and the part that judges it, (b, n) → logits (b, 1), where the dropout is."""
    drop = model.get_layer("drop_pair")
    # Keras keeps a dictionary's outputs in the order of its sorted keys.
    outputs = dict(zip(sorted((DENSE, ROW, SINGLE, PAIR)), model.outputs, strict=True))
    body = keras.Model(model.inputs, outputs | {PAIR: drop.input}, name="structure_body")
    features = keras.Input(drop.input.shape[1:], name="pair_features")
    x = features
    for name in ("drop_pair", "pair_hidden", "pair_out"):
        x = model.get_layer(name)(x)
    return body, keras.Model(features, x, name="structure_head")


def _own_reading(dense: keras.KerasTensor, classes: keras.KerasTensor) -> keras.KerasTensor:
    """What the dense reading says about the own class, (b, n, 4): its probability, the expected
    place 0–1, how far that moves on from the row before, and the certainty of any class."""
    p = ops.reshape(ops.softmax(dense, -1), (-1, STEPS, len(CHROMOSOMES), PARTS))
    one_hot = ops.one_hot(classes, len(CHROMOSOMES), dtype="float32")
    own = ops.sum(p * one_hot[:, None, :, None], 2)
    total = ops.sum(own, -1)
    place = np.float32((np.arange(PARTS) + 0.5) / PARTS)
    where = ops.sum(own * place, -1) / (total + 1e-3)
    step = where - ops.concatenate([where[:, :1], where[:, :-1]], 1)
    sure = ops.max(ops.sum(p, -1), -1)
    return ops.stack([total, where, 8.0 * step, sure], -1)


def _head_rows(
    x: keras.KerasTensor, rows: keras.KerasTensor, name: str, kind: dict[str, str]
) -> keras.KerasTensor:
    # Unnormalised: batch statistics of rows cost as much here as the convolution.
    made = {"activation": "relu", **kind}
    x = keras.layers.Dense(64, name=f"{name}_in", **made)(x)
    more = keras.layers.Conv1D(64, 7, padding="same", name=f"{name}_rows", **made)(x)
    return keras.layers.Add(name=f"{name}_add", **kind)([x, more]) * rows[..., None]


def _swapped(x: keras.KerasTensor) -> keras.KerasTensor:
    """What the other strip of its pair has, for each strip of `x` (2b, …)."""
    pairs = ops.reshape(x, (-1, 2, *x.shape[1:]))
    return ops.reshape(ops.flip(pairs, 1), (-1, *x.shape[1:]))


def _plotted(
    x: keras.KerasTensor,
    rows: keras.KerasTensor,
    other_rows: keras.KerasTensor,
    depth: int,
    kind: dict[str, str],
) -> keras.KerasTensor:
    """What the dot plots of each pair show, (b, 4 depth); `x` (2b, n, d) its strips' rows. Both are
    looked at, of each strip against the other: which is which makes no difference."""
    layers = keras.layers
    y = DotPlot(name="plot")([x, _swapped(x), rows, other_rows])
    made = {"padding": "same", "use_bias": False, **kind}
    y = _norm_relu(layers.Conv2D(16, 5, strides=2, name="plot_in", **made)(y), "plot_in", kind)
    y = _norm_relu(layers.Conv2D(depth, 3, name="plot_a", **made)(y), "plot_a", kind)
    y = layers.MaxPooling2D(name="plot_halved", **kind)(y)
    for name in ("plot_b", "plot_c"):
        y = _residual(y, layers.Conv2D, depth, 3, name, kind)
    seen = ops.concatenate([ops.max(y, (1, 2)), ops.mean(y, (1, 2))], -1)
    seen = ops.reshape(seen, (-1, 2, 2 * depth))
    return ops.concatenate([ops.max(seen, 1), ops.mean(seen, 1)], -1)


def _pooled(x: keras.KerasTensor, rows: keras.KerasTensor) -> keras.KerasTensor:
    mean = ops.sum(x, 1) / (ops.sum(rows, 1, keepdims=True) + 1.0)
    return ops.concatenate([ops.max(x, 1), mean], -1)


def _norm_relu(x: keras.KerasTensor, name: str, kind: dict[str, str]) -> keras.KerasTensor:
    x = keras.layers.BatchNormalization(momentum=0.97, name=f"{name}_norm", **kind)(x)
    return keras.layers.ReLU(name=f"{name}_relu", **kind)(x)


def _residual(
    x: keras.KerasTensor,
    layer: type[keras.layers.Layer],
    width: int,
    size: int | tuple[int, int],
    name: str,
    kind: dict[str, str],
    dilation: int = 1,
) -> keras.KerasTensor:
    """Two convolutions and a shortcut."""
    made = {"padding": "same", "use_bias": False, "dilation_rate": dilation, **kind}
    y = _norm_relu(layer(width, size, name=f"{name}_a", **made)(x), f"{name}_a", kind)
    y = layer(width, size, name=f"{name}_b", **made)(y)
    y = keras.layers.BatchNormalization(momentum=0.97, name=f"{name}_b_norm", **kind)(y)
    y = keras.layers.Add(name=f"{name}_add", **kind)([x, y])
    return keras.layers.ReLU(name=f"{name}_relu", **kind)(y)

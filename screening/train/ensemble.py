"""Several heads on one base, trained in one call on cached features.

Deep ensemble (Lakshminarayanan et al. 2017): each member starts anew and sees the pictures of other
patients. Snapshot ensemble (Huang et al. 2017): one training whose learning rate falls to zero and
starts again; the weights at the end of each cycle are a member. The members become one network, the
bundle's part "members", and predict together in `predict.heads`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from screening.models.screener import head_of
from screening.train.head import HeadConfig

DEEP, SNAPSHOT = KINDS = ("deep", "snapshot")


@dataclass(frozen=True)
class EnsembleConfig:
    """`members` heads of a `kind` in KINDS; a deep member sees a `share` of the patients; a
    snapshot's cycle has `cycle` epochs. `head`: batch, learning rate, patience and seed."""

    kind: str = DEEP
    members: int = 5
    share: float = 0.8
    cycle: int = 6
    head: HeadConfig = field(default_factory=lambda: HeadConfig(epochs=30, patience=5))

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.members < 2 or not 0 < self.share <= 1 or self.cycle < 1:
            raise ValueError(
                f"expected a kind of {KINDS}, 2 members or more, a share in 0–1 and a cycle of 1 "
                f"epoch or more, received {self}"
            )


@dataclass(frozen=True, eq=False)
class Features:
    """What enters the head: `maps` (n, h, w, c), may lie on disk; `labels` (n,) 1 abnormal;
    `cases`: whose picture each is."""

    maps: np.ndarray
    labels: np.ndarray
    cases: Sequence[str]


def train_members(
    screener: keras.Model, train: Features, validation: Features, config: EnsembleConfig
) -> keras.Model:
    """Return a network from the base's last map to p(abnormal) of each member, (b, members).

    The screener's own head stays as it is. Deep members keep the epoch with the best validation
    AUC; snapshots need no validation.
    """
    blank = head_of(screener)
    heads = []
    if config.kind == SNAPSHOT:
        heads = _snapshots(blank, train, config)
    else:
        for member in range(config.members):
            rng = np.random.default_rng((config.head.seed, member))
            names = sorted(set(train.cases))
            drawn = set(rng.choice(names, max(1, round(config.share * len(names))), replace=False))
            rows = np.array([i for i, case in enumerate(train.cases) if case in drawn])
            heads.append(_deep(blank, train, rows, validation, config.head, member))
    return joined(heads)


def joined(heads: Sequence[keras.Model]) -> keras.Model:
    """Return heads of one input as a single network with a column for each."""
    features = keras.Input(heads[0].input_shape[1:], name="features")
    columns = []
    for number, head in enumerate(heads):
        x = features
        for layer in head.layers[1:]:
            own = type(layer).from_config(
                layer.get_config() | {"name": f"member{number}_{layer.name}"}
            )
            x = own(x)
            own.set_weights(layer.get_weights())
        columns.append(x)
    return keras.Model(features, keras.layers.Concatenate(name="members")(columns), name="members")


def _deep(
    blank: keras.Model,
    train: Features,
    rows: np.ndarray,
    validation: Features,
    config: HeadConfig,
    member: int,
) -> keras.Model:
    keras.utils.set_random_seed(config.seed + 1000 * (member + 1))
    head = keras.models.clone_model(blank)
    _compile(head, config, config.learning_rate)
    best = keras.callbacks.EarlyStopping(
        monitor="val_auc", mode="max", patience=config.patience, restore_best_weights=True
    )
    head.fit(
        _Batches(train, rows, config.batch, config.seed + member),
        validation_data=_Batches(validation, np.arange(len(validation.labels)), config.batch, None),
        epochs=config.epochs,
        callbacks=[best],
        verbose=0,
    )
    return head


def _snapshots(blank: keras.Model, train: Features, config: EnsembleConfig) -> list[keras.Model]:
    keras.utils.set_random_seed(config.head.seed)
    head = keras.models.clone_model(blank)
    batches = _Batches(train, np.arange(len(train.labels)), config.head.batch, config.head.seed)
    rate = keras.optimizers.schedules.CosineDecayRestarts(
        config.head.learning_rate, config.cycle * len(batches), t_mul=1.0, m_mul=1.0
    )
    _compile(head, config.head, rate)
    kept = []
    for _ in range(config.members):
        head.fit(batches, epochs=config.cycle, verbose=0)
        snapshot = keras.models.clone_model(blank)
        snapshot.set_weights(head.get_weights())
        kept.append(snapshot)
    return kept


def _compile(head: keras.Model, config: HeadConfig, rate: object) -> None:
    head.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=config.weight_decay),
        loss="binary_crossentropy",
        metrics=[keras.metrics.AUC(name="auc")],
    )


class _Batches(keras.utils.PyDataset):
    """Batches of `rows` of features that may lie on disk; shuffled anew each epoch if seeded."""

    def __init__(self, data: Features, rows: np.ndarray, batch: int, seed: int | None) -> None:
        super().__init__()
        self.data, self.rows, self.batch = data, np.array(rows), batch
        self._rng = None if seed is None else np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        # Sorted: rows of a file are read in order.
        rows = np.sort(self.rows[index * self.batch : (index + 1) * self.batch])
        maps = np.asarray(self.data.maps[rows], np.float32)
        return maps, np.asarray(self.data.labels[rows], np.float32)[:, None]

    def on_epoch_end(self) -> None:
        if self._rng is not None:
            self._rng.shuffle(self.rows)

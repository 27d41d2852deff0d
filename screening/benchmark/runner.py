"""Trains and measures the rows of a benchmark, one after another; a finished row is kept.

A row's folder holds predictions.npz and row.json, written last: its key says whether it is still
the row that the settings ask for. What was not finished is begun again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from screening.atomic import replaced_file, replaced_folder
from screening.benchmark.config import BenchmarkConfig, Row
from screening.benchmark.dataset import Dataset, Parts, parts_of
from screening.benchmark.insight import look
from screening.benchmark.measures import Measures, measure
from screening.build.progress import BuildProgress
from screening.train.durations import Tick, in_words

if TYPE_CHECKING:
    import keras

ROWS, RESULT, PREDICTIONS, INSIGHT = "rows", "row.json", "predictions.npz", "insight.npz"
RECORDS, PARTS = "records", ("train", "validation", "test")
"""Folder of the TFRecords in RUN, by split."""


@dataclass(frozen=True, eq=False)
class Result:
    """A finished row: `measures` over all that was measured and by laboratory, `facts` (counts,
    parameters, operations, seconds), `labels` and `said` (n,) of the measured pictures, `insight`:
    the arrays of `benchmark.insight`, `classes`: their names."""

    row: Row
    measures: Measures
    by_source: Mapping[str, Measures]
    facts: Mapping[str, Any]
    labels: np.ndarray
    said: np.ndarray
    insight: Mapping[str, np.ndarray]
    classes: tuple[str, ...]


def run_rows(
    rows: Sequence[Row],
    config: BenchmarkConfig,
    datasets: Mapping[str, Dataset],
    out: Path,
    progress: BuildProgress,
) -> Iterator[int]:
    """Yield how many rows are done, first those of before, then after each that is trained and
    measured; each lies in `out`/rows/NAME afterwards."""
    left = [row for row in rows if result_of(row, config, datasets[row.dataset.name], out) is None]
    progress.say(f"{len(rows)} rows, {len(rows) - len(left)} of them done before")
    began = time.monotonic()
    yield len(rows) - len(left)
    for number, row in enumerate(left):
        progress.begin(f"row {number + 1} of {len(left)}, {row.name}")
        _run(row, config, datasets[row.dataset.name], out / ROWS / row.name, progress.tick)
        done = number + 1
        spent = time.monotonic() - began
        rest = in_words(spent / done * (len(left) - done))
        found = result_of(row, config, datasets[row.dataset.name], out)
        assert found is not None, "just written"
        progress.say(f"{row.name}: accuracy {found.measures.accuracy:.4f}; about {rest} left")
        yield len(rows) - len(left) + done


def results_in(
    rows: Sequence[Row], config: BenchmarkConfig, datasets: Mapping[str, Dataset], out: Path
) -> list[Result]:
    """Return the finished ones of the rows, in their order."""
    found = (result_of(row, config, datasets[row.dataset.name], out) for row in rows)
    return [result for result in found if result is not None]


def result_of(row: Row, config: BenchmarkConfig, dataset: Dataset, out: Path) -> Result | None:
    """Return a finished row; None when there is none, or one of other settings or data."""
    folder = out / ROWS / row.name
    try:
        stored = json.loads((folder / RESULT).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if stored["key"] != row.key(config, dataset.hash):
        return None
    with np.load(folder / PREDICTIONS) as arrays:
        labels, said = arrays["labels"], arrays["p"].argmax(1)
    with np.load(folder / INSIGHT) as arrays:
        insight = dict(arrays)
    by_source = {name: Measures.from_dict(one) for name, one in stored["by_source"].items()}
    return Result(
        row, Measures.from_dict(stored["measures"]), by_source, stored["facts"], labels, said,
        insight, dataset.classes,
    )  # fmt: skip


def _run(row: Row, config: BenchmarkConfig, dataset: Dataset, folder: Path, tick: Tick) -> None:
    from screening.train.check_and_adjust import Level
    from screening.train.labelled import Labelled
    from screening.train.recipes import Recipe, fit_recipe, predict, untrained

    parts = parts_of(dataset, row, config.shares)
    asked, classes = row.recipe, len(dataset.classes)
    file = _records(row, config, dataset, parts, folder.parents[1]) if asked.records else None
    train, validation, test = (
        Labelled(dataset.pictures[part], dataset.labels[part], classes)
        for part in (parts.train, parts.validation, parts.test)
    )
    train = replace(train, file=file)
    early, levels = asked.early_break, (Level(**level.model_dump()) for level in asked.levels)
    recipe = Recipe(
        asked.kind, asked.epochs, asked.learning_rate, asked.batch, asked.smoothing, asked.steps,
        asked.patience, asked.augment, asked.balance,
        None if early is None else (early.validation, early.training),
        tuple(levels), asked.check_every, asked.dtype,
    )  # fmt: skip
    clock = time.perf_counter()
    model, history = fit_recipe(
        row.network, train, validation, recipe, row.seed, config.weights, tick
    )
    trained = time.perf_counter() - clock
    p = predict(model, test.pictures)
    people, said = dataset.people[parts.test], p.argmax(1)
    sources = np.array([dataset.records[i].source for i in parts.test])
    own = {name: sources == name for name in np.unique(sources)}
    content = {
        "key": row.key(config, dataset.hash),
        "measures": measure(test.labels, said, people, classes).to_dict(),
        "by_source": {
            str(name): measure(test.labels[of], said[of], people[of], classes).to_dict()
            for name, of in own.items()
        },
        "facts": {
            "train": len(train), "validation": len(validation), "epochs": len(history),
            "training seconds": round(trained, 1), **_cost(model, test.pictures, config.timed),
        },
        "history": history,
    }  # fmt: skip
    begun = untrained(row.network, train, recipe, row.seed, config.weights)
    insight = look(model, begun, test.pictures, test.labels, row.seed)
    with replaced_folder(folder) as part:
        np.savez_compressed(part / INSIGHT, allow_pickle=False, **insight)
        np.savez_compressed(
            part / PREDICTIONS, labels=test.labels, p=p.astype(np.float16), index=parts.test
        )
        with replaced_file(part / RESULT) as hidden:
            hidden.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _records(row: Row, config: BenchmarkConfig, dataset: Dataset, parts: Parts, out: Path) -> Path:
    """The TFRecords of the training part; all three parts are written unless they are there."""
    from screening.train.records import write_records

    same = f"{dataset.hash}{config.size}{config.shares}{row.dataset}".encode()
    folder = out / RECORDS / f"{row.split}_{hashlib.sha256(same).hexdigest()[:8]}"
    if not folder.is_dir():
        with replaced_folder(folder) as made:
            for name in PARTS:
                of = getattr(parts, name)
                write_records(
                    made / f"{name}.tfrecord", dataset.pictures[of], dataset.labels[of],
                    [dataset.stored[i][:3] for i in of], [dataset.records[i].origin for i in of],
                )  # fmt: skip
    return folder / f"{PARTS[0]}.tfrecord"


def _cost(model: keras.Model, pictures: np.ndarray, timed: int) -> dict[str, Any]:
    """Parameters, operations a picture, and seconds for `timed` pictures in two ways: of the clock
    and of the processor, which other work on the machine hardly lengthens."""
    import tensorflow as tf

    from screening.models.network import operations, parameters

    some = np.resize(pictures, (timed, *pictures.shape[1:]))[..., None].astype(np.float32)
    call = tf.function(lambda x: model(x, training=False), reduce_retracing=True)
    seconds = {}
    for name, batch in (("one by one", 1), ("batched", 64)):
        call(some[:batch])
        clock, processor = time.perf_counter(), time.process_time()
        for at in range(0, timed, batch):
            call(some[at : at + batch])
        seconds[f"seconds {name}"] = round(time.perf_counter() - clock, 3)
        seconds[f"processor seconds {name}"] = round(time.process_time() - processor, 3)
    return {
        "parameters": parameters(model), "operations": operations(model), "timed": timed, **seconds,
    }  # fmt: skip

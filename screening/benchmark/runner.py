"""Trains and measures the rows of a benchmark, one after another; a finished row is kept.

A row's folder holds predictions.npz and row.json, written last: its key says whether it is still
the row that the settings ask for. What was not finished is begun again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from screening.atomic import replaced_file, replaced_folder
from screening.benchmark.config import BenchmarkConfig, Row
from screening.benchmark.dataset import Dataset, parts_of
from screening.benchmark.measures import Measures, measure
from screening.build.progress import BuildProgress
from screening.train.durations import Tick, in_words

if TYPE_CHECKING:
    import keras

ROWS, RESULT, PREDICTIONS = "rows", "row.json", "predictions.npz"


@dataclass(frozen=True, eq=False)
class Result:
    """A finished row: `measures` over all that was measured and by laboratory, `facts` (counts,
    parameters, operations, seconds), `labels` and `said` (n,) of the measured pictures."""

    row: Row
    measures: Measures
    by_source: Mapping[str, Measures]
    facts: Mapping[str, Any]
    labels: np.ndarray
    said: np.ndarray


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
    by_source = {name: Measures.from_dict(one) for name, one in stored["by_source"].items()}
    return Result(
        row, Measures.from_dict(stored["measures"]), by_source, stored["facts"], labels, said
    )


def _run(row: Row, config: BenchmarkConfig, dataset: Dataset, folder: Path, tick: Tick) -> None:
    from screening.train.recipes import Labelled, Recipe, fit_recipe, predict

    parts = parts_of(dataset, row, config.shares)
    train, validation, test = (
        Labelled(dataset.pictures[part], dataset.labels[part])
        for part in (parts.train, parts.validation, parts.test)
    )
    asked = row.recipe
    recipe = Recipe(
        asked.kind, asked.epochs, asked.rate, asked.batch, asked.smoothing, asked.steps,
        asked.patience, asked.augment, asked.dtype,
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
        "measures": measure(test.labels, said, people).to_dict(),
        "by_source": {
            str(name): measure(test.labels[of], said[of], people[of]).to_dict()
            for name, of in own.items()
        },
        "facts": {
            "train": len(train), "validation": len(validation), "epochs": len(history),
            "training seconds": round(trained, 1), **_cost(model, test.pictures, config.timed),
        },
        "history": history,
    }  # fmt: skip
    with replaced_folder(folder) as part:
        np.savez_compressed(
            part / PREDICTIONS, labels=test.labels, p=p.astype(np.float16), index=parts.test
        )
        with replaced_file(part / RESULT) as hidden:
            hidden.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


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

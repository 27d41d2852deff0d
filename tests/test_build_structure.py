"""Teaching a bundle the structure of chromosomes: shards made once, a training that goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from screening.build import structure as stages
from screening.build.config import DrawnConfig, read_build
from screening.build.data import draw_data, records_of, split_in, taught
from screening.build.model_card import model_card
from screening.build.runner import Context
from screening.build.stages import split
from screening.bundle import default_bundle, load_bundle
from screening.bundle_schema import BundleInfo
from screening.data.split import TRAIN, VALIDATION
from screening.errors import ScreeningError
from screening.karyogram.strip import COLUMNS, ROWS
from screening.train.structure_pages import Strips
from shipped import locator

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "default_bundle.yaml"


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Context:
    """A trial of drawn people, split; shards of two pages."""
    folder = tmp_path_factory.mktemp("build")
    data = draw_data(folder / "drawn", DrawnConfig(cases=12, abnormal=0, left_out=1))
    whole = read_build(CONFIG, {"vgg16": ()}).for_smoke(drawn=True)
    pages = whole.structure_pages.model_copy(update={"shards": 2, "pages": 2, "clean": 0.5})
    asked = whole.structure.model_copy(update={"epochs": 2, "steps": 2})
    config = whole.model_copy(update={"structure_pages": pages, "structure": asked})
    folders = {name: folder / name for name in ("split", "structure-pages", "structure")}
    for path in folders.values():
        path.mkdir()
    split(Context(folders["split"], config, data))
    return Context(folders["structure-pages"], config, data, folders)


@pytest.fixture(scope="module")
def shards(context) -> Path:
    """The folder of the shards: one was there, two are made by two processes."""
    (context.folder / "train-0001.npz").write_bytes(b"kept")
    stages.structure_pages(context, load_bundle(default_bundle()))
    return context.folder


def test_a_shard_that_is_there_is_not_made_anew_and_two_processes_make_what_one_makes(
    context, shards, tmp_path
):
    names = ["train-0000.npz", "train-0001.npz", "validation-0000.npz"]
    assert sorted(path.name for path in shards.iterdir()) == names
    assert (shards / names[1]).read_bytes() == b"kept"
    sources, whole = context.settings.sources, split_in(context.of("split"))
    records = taught(records_of(context.data, sources), sources)
    people = {part: tuple(whole.select(records, part)) for part in (TRAIN, VALIDATION)}
    drawn = stages.Drawn(2, 0.5, 0.25, ())
    for name, job in ((names[0], (TRAIN, 0)), (names[2], (VALIDATION, 0))):
        stages.make_shard(tmp_path, people, locator(), drawn, job)
        ours, theirs = Strips.load([tmp_path / name]), Strips.load([shards / name])
        assert len(ours) > 60 and ours.pages.max() == 1
        for field in ("strips", "labels", "changed", "classes", "pages", "kinds", "quality"):
            np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))


def test_a_finder_that_finds_nothing_ends_in_a_sentence(context, monkeypatch, tmp_path):
    blind = SimpleNamespace(locate=lambda page: SimpleNamespace(chromosomes=()))
    monkeypatch.setattr(stages, "_MOST_LOST", 1)
    sources = context.settings.sources
    cells = stages.structure_cells(tuple(records_of(context.data, sources)[:1]), ())
    with pytest.raises(ScreeningError, match="expected at least one chromosome, found none"):
        stages.shard(cells, stages.Drawn(1, 0.0, 0.0, ()), blind, np.random.default_rng(0))
    with pytest.raises(ScreeningError, match="normal cell of the train people"):
        stages.make_shard(tmp_path, {TRAIN: ()}, None, stages.Drawn(1, 0, 0, ()), (TRAIN, 9))


def test_a_stopped_training_goes_on_and_its_reader_becomes_a_part(context, shards, monkeypatch):
    """The epochs have tests of their own (test_train_epochs); here none is trained."""
    from screening.models.structure import build_structure_reader
    from screening.train import structure as training

    folder, begun = context.of("structure"), []

    def fit(out: Path, draw, held_out: Strips, settings, tick, begin) -> object:
        assert begin is None
        assert out == folder / "run" and len(draw(0)) > 60 and len(held_out) > 60
        assert (settings.epochs, settings.steps, settings.pairs) == (2, 2, 8)
        out.mkdir(exist_ok=True)
        (out / "state.npz").touch()
        begun.append(len(begun))
        if len(begun) == 1:
            raise KeyboardInterrupt
        reader = build_structure_reader(width=8, blocks=1, stem=2)
        reader.compile("adamw", {"pair": training.logit_loss})
        return reader

    (shards / "train-0001.npz").write_bytes((shards / "train-0000.npz").read_bytes())
    monkeypatch.setattr(training, "fit_structure", fit)
    own = replace(context, folder=folder)
    with pytest.raises(KeyboardInterrupt):
        stages.structure(own)
    assert (folder / "run" / "state.npz").exists() and not (folder / "structure.keras").exists()
    for _ in range(2):
        stages.structure(own)
    assert begun == [0, 1], "what is finished is not trained again"
    assert not (folder / "run" / "state.npz").exists()
    part, reader = stages.structure_part(folder)
    assert (part.size, part.width, part.dropout) == (ROWS, COLUMNS, 0.2)
    assert not reader.compiled, "its losses are for training alone"
    info = BundleInfo(name="tiny", created="2026-01-01", parts={"structure": part})
    assert "**Structure**: reads the strip of each chromosome, 128 × 24" in model_card(info, "")


def test_the_reader_is_as_wide_as_is_asked_for(context, shards, monkeypatch, tmp_path):
    from screening.build.config import StructureConfig
    from screening.models.structure import WIDTH
    from screening.train import structure as training

    assert StructureConfig().width == WIDTH
    asked: list[training.StructureSettings] = []
    monkeypatch.setattr(training, "fit_epochs", lambda *rest: [])
    new = training.new_reader
    monkeypatch.setattr(training, "new_reader", lambda said: asked.append(said) or new(said))
    settings = context.settings.structure.model_copy(update={"width": 24, "hard_negatives": 0.1})
    own = replace(context, folder=tmp_path, settings=context.settings.model_copy(
        update={"structure": settings}
    ))  # fmt: skip
    stages.structure(own)
    _, reader = stages.structure_part(tmp_path)
    assert reader.get_layer("rows").filters == 24 and asked[0].hard_negatives == 0.1


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_reader_of_a_given_bundle_is_where_the_training_begins(context, shards, monkeypatch,
                                                                 goes_on, tmp_path):  # fmt: skip
    from screening.models.structure import build_structure_reader
    from screening.train import structure as training

    weights, begun = [], build_structure_reader(width=24)
    monkeypatch.setattr(training, "fit_epochs", lambda model, *rest: weights.append(model) or [])
    bundle = SimpleNamespace(load_model=lambda part: begun if part == "structure" else None)
    settings = context.settings
    asked = settings.structure.model_copy(update={"goes_on": goes_on, "width": 24})
    own = replace(context, folder=tmp_path, settings=settings.model_copy(
        update={"structure": asked}
    ))  # fmt: skip
    stages.structure(own, bundle)
    same = [np.array_equal(a, b) for a, b in
            zip(weights[0].get_weights(), begun.get_weights(), strict=True)]  # fmt: skip
    assert all(same) == goes_on


def test_an_epoch_draws_its_shards_from_its_number_alone(shards, monkeypatch):
    drawn: list[list[str]] = []
    monkeypatch.setattr(Strips, "load", lambda paths: drawn.append([p.name for p in paths]))
    for at_once in (3, 3, 9):
        stages.draw_from(shards, 5, at_once, 0)(4)
    assert drawn[0] == drawn[1] and len(set(drawn[0])) == 3 and len(set(drawn[2])) == 5

"""Whose chromosomes a build uses: nobody on two sides, nobody left out who teaches."""

from __future__ import annotations

import inspect
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from screening.assess.labelled import read_pictures
from screening.build.config import DrawnConfig, SetsConfig, SourcesConfig, read_build
from screening.build.data import (
    check_cells,
    complete_cells,
    draw_data,
    listing_hash,
    one_of_each,
    part_cells,
    records_of,
    split_in,
    taught,
    with_few_repeated,
)
from screening.build.pages import MANIFEST, compose_part, rows_of
from screening.build.runner import Context
from screening.build.stages import STAGES, split
from screening.data.chromosomes import INCOMPLETE
from screening.data.manifest import read_manifest
from screening.data.pool import is_pooled
from screening.data.split import PARTS, TRAIN
from screening.data.tables import read_table
from screening.errors import ManifestError
from screening.synthesis.metaphase import Metaphase
from screening.train.karyogram_set import COMPOSED, REAL

ROOT = Path(__file__).resolve().parents[1]
SOURCES = SourcesConfig(train_on=("drawn",), leave_out=("drawn elsewhere",))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    return draw_data(folder, DrawnConfig(cases=12, abnormal=3, left_out=2))


@pytest.fixture(scope="module")
def config():
    whole = read_build(ROOT / "configs" / "default_bundle.yaml", {"vgg16": ()})
    return whole.for_smoke(drawn=True)


@pytest.fixture(scope="module")
def shared(data, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    split(Context(folder, config, data))
    return split_in(folder)


def test_drawn_data_is_a_data_folder_and_made_once(data):
    records = records_of(data, SOURCES)
    assert len(records) == 12 + 3 + 2 and sum(r.reserved for r in records) == 3
    first = listing_hash(data)
    assert draw_data(data, DrawnConfig(cases=8)) == data and listing_hash(data) == first
    assert {r.gains_and_losses for r in records if r.reserved} == {"+21", "+18", "+13"}


def test_the_hash_of_a_listing_knows_another_label_and_a_changed_file(data, tmp_path):
    import shutil

    copy = shutil.copytree(data, tmp_path / "copy")
    assert listing_hash(copy) == listing_hash(data)
    picture = next(copy.rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"x")
    assert listing_hash(copy) != listing_hash(data)


def test_every_source_is_named_once_or_refused(data):
    with pytest.raises(ManifestError, match="drawn elsewhere is in the data and in neither list"):
        records_of(data, SourcesConfig(train_on=("drawn",)))
    more = SourcesConfig(train_on=("drawn", "nobody"), leave_out=("drawn elsewhere",))
    with pytest.raises(ManifestError, match="nobody is not in the data"):
        records_of(data, more)
    few = records_of(data, SOURCES.model_copy(update={"most_cases": 8}))
    cases = {(r.source, r.case) for r in few}
    assert len(cases) == 8 + 2 and any(r.reserved for r in few)
    assert few == records_of(data, SOURCES.model_copy(update={"most_cases": 8}))


def test_no_patient_is_on_two_sides_and_the_one_left_out_is_on_none(data, shared, config):
    records = records_of(data, config.sources)
    seen: dict[tuple[str, str], str] = {}
    for part in (*PARTS, "unseen"):
        cells = part_cells(records, shared, part, config)
        for cell in (*cells[COMPOSED], *cells[REAL]):
            assert seen.setdefault((cell.source, cell.case), part) == part
    assert {case for case, part in seen.items() if part == "unseen"} == {
        ("drawn elsewhere", "case-000"), ("drawn elsewhere", "case-001"),
    }  # fmt: skip
    assert all(r.source == "drawn" for r in taught(records, config.sources))
    learned = [r for p in ("train", "validation") for r in shared.select(records, p)]
    assert not any(r.reserved for r in learned), "truly aneuploid cells teach nothing"


def test_a_spoiled_cell_is_in_no_part_and_its_person_stays(data, shared, config):
    records = records_of(data, config.sources)
    spoiled = next(r for r in records if r.reserved and shared.of(r) == "calibration")
    sources = config.sources.model_copy(update={"spoiled": (spoiled.id,)})
    without = config.model_copy(update={"sources": sources})
    found = [part_cells(records, shared, "calibration", c) for c in (config, without)]
    ids = [{(c.case, c.cell) for c in (*cells[COMPOSED], *cells[REAL])} for cells in found]
    assert ids[0] - ids[1] == {(spoiled.case, spoiled.cell)} and ids[1] < ids[0]


def test_a_part_without_a_whole_cell_is_told_before_anything_is_composed(data, shared, config):
    records = records_of(data, config.sources)
    train = {key for key in shared.part(TRAIN) if key[0] in config.sources.train_on}
    partial = [replace(r, label=INCOMPLETE) if (r.source, r.case) in train else r for r in records]
    with pytest.raises(ManifestError, match=f"cell of the {len(train)} case"):
        check_cells(partial, shared, config.sources, data)
    single = config.sources.model_copy(update={"pooled": config.sources.train_on})
    check_cells(partial, shared, single, data)


def test_one_cell_of_each_patient_and_none_counted_twice():
    def cell(case: str, number: str) -> Metaphase:
        return Metaphase((), "s", case, number)

    kept = one_of_each(
        {COMPOSED: [cell("a", "1"), cell("a", "2"), cell("b", "1")], REAL: [cell("b", "2")]}
    )
    assert [(c.case, c.cell) for c in kept[COMPOSED]] == [("a", "1")]
    assert [(c.case, c.cell) for c in kept[REAL]] == [("b", "2")]


def test_pages_are_composed_from_their_part_alone(data, shared, config, tmp_path):
    records = records_of(data, config.sources)
    context = Context(tmp_path, config, data, workers=1)
    part, counts = "calibration-one", {"normal": 1, "simulated": 1, "real": 1}
    compose_part(context, tmp_path / part, part, counts, records, shared, config)
    rows, items = rows_of(tmp_path / part), read_manifest(tmp_path / part / MANIFEST)
    assert [row["name"] for row in rows] == [item.id for item in items]
    people = shared.part("calibration")
    assert {(row["source"], row["case"]) for row in rows} <= people
    ill = [row["case"] for row in rows if row["label"] == "abnormal"]
    assert len(ill) == len(set(ill)), "a promise counts patients: one abnormal page of each"
    before = (tmp_path / part / MANIFEST).stat().st_mtime_ns
    compose_part(context, tmp_path / part, part, counts, records, shared, config)
    assert (tmp_path / part / MANIFEST).stat().st_mtime_ns == before


def test_cells_are_pooled_where_a_source_has_single_crops_only(data, shared, config):
    records = shared.select(taught(records_of(data, config.sources), config.sources), "train")
    rng = np.random.default_rng(0)
    whole = complete_cells(records, (), 5, rng)
    assert len(whole) == sum(r.label == "normal" for r in records)
    pooled = complete_cells(records, ("drawn",), 5, rng)
    assert len(pooled) == 5 and all(c.case.startswith("pooled-") for c in pooled)
    origins = {one.origin for record in records for one in record.chromosomes}
    assert all(one.origin in origins for cell in pooled for one in cell.chromosomes)


def test_calibration_has_no_pooled_cell_and_manifests_tell_them(data, shared, config, tmp_path):
    sources = config.sources.model_copy(update={"pooled": ("drawn",)})
    sets = config.sets.model_copy(update={"pooled": {"validation": 3}})
    config = config.model_copy(update={"sources": sources, "sets": sets})
    records = records_of(data, sources)
    for part, expected in (("validation", 3), ("calibration", 0)):
        cells = part_cells(records, shared, part, config)[COMPOSED]
        assert sum(is_pooled(cell.case) for cell in cells) == expected
    with pytest.raises(ValidationError, match="calibration"):
        SetsConfig(parts=sets.parts, pooled={"calibration": 3})
    context = Context(tmp_path, config, data, workers=1)
    compose_part(context, tmp_path, "validation", {"normal": 1}, records, shared, config)
    for _, row in read_table(tmp_path / MANIFEST, ("path", "pooled")):
        assert row["pooled"] == ("yes" if row["case"].startswith("pooled-") else "no")
    pictures = read_pictures(tmp_path / MANIFEST)
    assert sum(picture.pooled for picture in pictures) == 3 < len(pictures)
    assert all(picture.composed for picture in pictures)


def test_every_stage_names_what_it_needs(config):
    sections = set(type(config).model_fields)
    for stage in STAGES:
        for named in stage.sections:
            assert attrgetter(named)(config) is not None or named == "trial", stage.name
    named = {name.partition(".")[0] for stage in STAGES for name in stage.sections}
    assert named == sections - {"smoke", "drawn"}, "a setting that no stage reads decides nothing"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_that_finds_chromosomes_names_the_reading(stage):
    if "locator_of(" in inspect.getsource(getattr(stage.run, "func", stage.run)):
        assert {"reading", "reading.gate"} & {*stage.sections}


def test_a_laboratory_of_few_cells_shows_them_several_times(data):
    both = SourcesConfig(train_on=("drawn", "drawn elsewhere"))
    records = records_of(data, both)
    cells = complete_cells(records, (), 5, np.random.default_rng(0))
    few = [cell for cell in cells if cell.source == "drawn elsewhere"]
    assert len(cells) - len(few) == 12  # the aneuploid ones are no complete normal cells
    assert len(few) == 4 and len({cell.case for cell in few}) == 2
    assert with_few_repeated([]) == [] and len(with_few_repeated(few[:1])) == 1

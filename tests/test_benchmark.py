"""The 24-class benchmark without training: settings, rows, protocols, refusals, measures, page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from screening.atomic import replaced_folder
from screening.benchmark.anchors import ANCHORS, QUARTILES_PUBLISHED
from screening.benchmark.config import (
    PROTOCOLS,
    BenchmarkConfig,
    read_benchmark,
    rows_of,
    shard_of,
)
from screening.benchmark.dataset import check_rows, on_paper, parts_of, read_datasets
from screening.benchmark.measures import Measures, confusion, confusions, interval, measure
from screening.benchmark.page import write
from screening.benchmark.recipes_told import told
from screening.benchmark.runner import (
    INSIGHT,
    PREDICTIONS,
    RESULT,
    ROWS,
    results_in,
    run_rows,
)
from screening.build.progress import BuildProgress
from screening.classes import CHROMOSOMES
from screening.errors import ConfigError, ManifestError, ScreeningError
from screening.models.backbones import BACKBONES
from screening.train.recipe_kinds import KINDS, METRIC_KINDS

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "configs" / "benchmark24.yaml"
SHARES = (0.6, 0.2, 0.2)


def settings(**changes) -> BenchmarkConfig:
    raw = {"networks": ["compact"], "recipes": [{"name": "r"}], "datasets": [{"name": "d"}],
           "size": 32, "shares": SHARES}  # fmt: skip
    return BenchmarkConfig.model_validate(raw | changes)


def bar(height: int, tone: int = 60) -> np.ndarray:
    picture = np.full((height + 8, 20), 255, np.uint8)
    picture[4:-4, 5:15] = tone
    return picture


def write_chromosomes(folder: Path, people: dict[str, int], case: bool = True) -> Path:
    """A table of bars: each person of a source has one of every class, longer ones first."""
    lines = []
    for source, count in people.items():
        for person in range(count):
            for number, name in enumerate(CHROMOSOMES):
                path = folder / source / f"{person}_{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), bar(60 - 2 * number, 40 + person))
                lines.append((f"{source}/{path.name}", name, source, f"p{person}"))
    with (folder / "chromosomes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "class", "source", "case")[: 4 if case else 3])
        writer.writerows(line[: 4 if case else 3] for line in lines)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_chromosomes(tmp_path_factory.mktemp("data"), {"here": 6, "there": 5})


@pytest.fixture(scope="module")
def dataset(data):
    return read_datasets(data, settings().datasets, PROTOCOLS, 32)["d"]


@pytest.mark.parametrize("shipped", [SHIPPED, SHIPPED.with_stem("recipes24")])
def test_the_shipped_settings_are_valid_and_say_what_they_do(shipped):
    config = read_benchmark(shipped, BACKBONES)
    first = shipped.read_text("utf-8").splitlines()[:3]
    assert first[0].startswith(f"# screening benchmark configs/{shipped.name} --data ")
    assert first[1].startswith("# Result: ") and first[2].startswith("# Time: ")
    assert len(config.networks) >= 2 <= len(config.protocols)
    if shipped != SHIPPED:
        assert {one.kind for one in config.recipes} == set(KINDS)
    small = config.smoke(32)
    assert small.size == 32 and {r.epochs for r in small.recipes} == {1}


def test_every_mistake_of_the_settings_is_named_at_once(tmp_path):
    raw = yaml.safe_load(SHIPPED.read_text("utf-8"))
    raw |= {
        "networks": ["compact", "resnet", "alexnet"],
        "size": 48,
        "weights": "imagenet",
        "shares": [0.5, 0.5, 0.5],
    }
    raw["recipes"][0] |= {"epoch": 3}
    raw["datasets"] += [{"name": "g-bands", "stain": "R"}]
    raw["protocol"] = ["random"]
    path = tmp_path / "it.yaml"
    path.write_text(yaml.safe_dump(raw), "utf-8")
    with pytest.raises(ConfigError) as told:
        read_benchmark(path, BACKBONES)
    for part in (
        "recipes.0.epoch: unknown key; did you mean epochs", "protocol: unknown key; did you mean",
        "datasets.1.stain", "three shares above 0", "expected one of vgg16", "received 'resnet'",
        "alexnet needs size 67", "no ImageNet weights of compact", "7 mistakes",
    ):  # fmt: skip
        assert part in str(told.value), str(told.value)


def test_a_recipe_takes_what_its_paper_prints_and_says_what_is_assumed():
    recipes = settings(recipes=[{"name": kind, "kind": kind} for kind in KINDS]).recipes
    said = {one.kind: told(one) for one in recipes}
    one, two, three = recipes[:3]
    assert (one.epochs, one.learning_rate, one.batch, one.patience) == (500, 1e-4, 32, 5)
    assert (two.epochs, two.learning_rate, two.steps) == (200, 1e-5, 2000)
    assert (three.epochs, three.batch, three.check_every, len(three.levels)) == (200, 64, 200, 4)
    for kind in METRIC_KINDS:
        assert "assumed" in said[kind]
    assert (
        "above 0.95 the rate × 0.05 and a gain of 0.005: not printed, assumed" in said[three.kind]
    )
    every = {"name": "x", "epochs": 3, "augment": "cda", "balance": "smote",
             "early_break": {"validation": 0.9, "training": 0.95}}  # fmt: skip
    text = told(settings(recipes=[every]).recipes[0])
    for part in ("at most 3 epochs", "CDA", "SMOTE", "validation passes 0.9 and five batches 0.95"):
        assert part in text
    read = {"name": "x", "kind": "centre", "records": True, "augment": "none"}
    text = told(settings(recipes=[read]).recipes[0])
    assert "TFRecords" in text and "nothing augmented" in text


@pytest.mark.parametrize("more", [{"kind": "triplet"}, {"balance": "smote"}])
def test_records_are_refused_where_batches_are_drawn_from_all_pictures(tmp_path, more):
    raw = yaml.safe_load(SHIPPED.read_text("utf-8"))
    raw["recipes"] = [{"name": "x", "records": True} | more]
    path = tmp_path / "it.yaml"
    path.write_text(yaml.safe_dump(raw), "utf-8")
    with pytest.raises(ConfigError, match="recipes.0.records: expected false for batches of one"):
        read_benchmark(path, BACKBONES)


def test_rows_are_the_table_and_shards_part_it():
    config = settings(networks=["compact", "vit_ti16"], seeds=[0, 1])
    rows = rows_of(config, {"d": ["here", "there"]})
    assert len(rows) == 2 * 2 * (1 + 1 + 2) == len({row.name for row in rows})
    assert [row.left_out for row in rows[4:8:2]] == ["here", "there"]
    two = settings(recipes=[{"name": "r"}, {"name": "s"}])
    pairs = [(row.recipe.name, row.protocol) for row in rows_of(two, {"d": ["here"]})]
    assert pairs[:2] == [("r", PROTOCOLS[0]), ("s", PROTOCOLS[0])], "one split's side by side"
    parted = [shard_of(rows, f"{n}/3") for n in (1, 2, 3)]
    assert sorted(row.name for part in parted for row in part) == sorted(r.name for r in rows)
    assert shard_of(rows, None) == rows
    for wrong in ("0/3", "4/3", "3", "a/b"):
        with pytest.raises(ScreeningError, match="such as 3/8"):
            shard_of(rows, wrong)
    key = rows[0].key(config, "data")
    assert key == rows[0].key(settings(networks=["compact"]), "data")
    assert key != rows[0].key(config, "other") != rows[0].key(settings(size=64), "other")


def test_only_at_random_is_a_person_on_two_sides(dataset):
    config = settings()
    people = dataset.people
    for row in rows_of(config, {"d": dataset.sources}):
        parts = parts_of(dataset, row, SHARES)
        three = [parts.train, parts.validation, parts.test]
        every = np.concatenate(three)
        assert len(np.unique(every)) == len(every) == len(dataset.labels) and min(map(len, three))
        shared = set(people[parts.train]) & {*people[parts.test], *people[parts.validation]}
        assert bool(shared) == (row.protocol == "random")
        if row.protocol == "random":
            counts = [np.bincount(dataset.labels[part], minlength=24) for part in three]
            assert all(np.ptp(count) <= 1 for count in counts)
        if row.left_out:
            assert {dataset.records[i].source for i in parts.test} == {row.left_out}
            assert sum(r.source == row.left_out for r in dataset.records) == len(parts.test)
        again = parts_of(dataset, row, SHARES)
        assert all(np.array_equal(a, b) for a, b in zip(three, vars(again).values(), strict=True))


def test_a_laboratory_has_one_scale_and_the_longest_fit(dataset):
    heights = [(picture < 200).any(1).sum() for picture in dataset.pictures[:24]]
    assert heights[0] > 1.5 * heights[-1] and heights == sorted(heights, reverse=True)
    assert dataset.pictures.shape == (264, 32, 32) and dataset.sources == ["here", "there"]
    for shape in ((20, 10), (2000, 2000), (3, 400)):
        paper = on_paper(np.full(shape, 9, np.uint8), 48, 1.0)
        ink = paper < 200
        assert ink.any() and not ink[0].any() and not ink[:, 0].any()


def test_only_some_people_are_taken_whole_and_always_the_same(data):
    config = settings(datasets=[{"name": "d", "sources": ["here"], "most": 80}])
    chosen = read_datasets(data, config.datasets, ["random"], 32)["d"]
    assert len(chosen.labels) == 72 and len(np.unique(chosen.people)) == 3
    again = read_datasets(data, config.datasets, ["random"], 32)["d"]
    assert again.hash == chosen.hash


def test_people_unknown_are_refused_by_name_before_training(tmp_path):
    folder = write_chromosomes(tmp_path, {"here": 4}, case=False)
    assert read_datasets(folder, settings().datasets, ["random"], 32)
    with pytest.raises(ManifestError) as told:
        read_datasets(folder, settings().datasets, PROTOCOLS, 32)
    assert "d: whose chromosomes those of here are is not known" in str(told.value)
    assert "needs two sources, there is ['here']" in str(told.value)


def test_class_folders_are_read_and_their_people_by_sub_folder(tmp_path):
    for number in range(24):
        for person in "abc":
            folder = tmp_path / str(number) / person
            folder.mkdir(parents=True)
            cv2.imwrite(str(folder / "1.png"), bar(50 - number))
    made = read_datasets(tmp_path, settings().datasets, ["by-patient"], 32)["d"]
    assert len(np.unique(made.people)) == 3 and sorted(set(made.labels)) == list(range(24))


def test_every_problem_of_the_pictures_is_told_at_once(tmp_path):
    folder = write_chromosomes(tmp_path, {"here": 3})
    cv2.imwrite(str(folder / "here" / "0_1.png"), np.full((50, 20), 255, np.uint8))
    cv2.imwrite(str(folder / "here" / "0_2.png"), 255 - bar(50))
    (folder / "here" / "0_3.png").write_text("no picture")
    grey = bar(50).astype(np.uint16) * 257
    cv2.imwrite(str(folder / "here" / "0_4.png"), grey)
    cv2.imwrite(str(folder / "here" / "0_5.png"), cv2.cvtColor(bar(48), cv2.COLOR_GRAY2BGR))
    with pytest.raises(ManifestError) as told:
        read_datasets(folder, settings().datasets, ["random"], 32)
    text = str(told.value)
    assert "3 problems" in text and "blank" in text and "0_2.png: the ground is dark" in text
    config = settings(datasets=[{"name": "d", "sources": ["nowhere"]}])
    with pytest.raises(ManifestError, match="no G-banded source nowhere; there are here"):
        read_datasets(folder, config.datasets, ["random"], 32)


def test_a_class_without_pictures_is_told(tmp_path):
    folder = write_chromosomes(tmp_path, {"here": 3})
    lines = (folder / "chromosomes.csv").read_text().splitlines()
    kept = [line for line in lines if ",Y," not in line or "p0" in line]
    (folder / "chromosomes.csv").write_text("\n".join(kept))
    with pytest.raises(ManifestError, match=r"3 pictures of each class; too few of \['Y \(1\)'\]"):
        read_datasets(folder, settings().datasets, ["random"], 32)


def test_rows_that_cannot_be_split_are_told_before_training(dataset):
    config = settings(shares=(0.98, 0.01, 0.01), protocols=["by-patient"])
    rows = rows_of(config, {"d": dataset.sources})
    with pytest.raises(ManifestError, match="by-patient.*nobody for"):
        check_rows(rows, {"d": dataset}, config.shares)


def test_measures_equal_a_table_worked_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    said = np.array([0, 0, 0, 1, 1, 1, 2, 0])
    found = measure(labels, said, np.array([0, 0, 1, 1, 2, 2, 3, 3]))
    assert found.accuracy == 6 / 8 and found.pictures == 8 and found.people == 4
    assert found.sensitivity == pytest.approx((3 / 4 + 1 + 1 / 2) / 3)
    assert found.precision == pytest.approx((3 / 4 + 2 / 3 + 1) / 3)
    assert found.specificity == pytest.approx((3 / 4 + 5 / 6 + 1) / 3)
    assert found.specificity_printed == pytest.approx((3 / 6 + 5 / 7 + 6 / 7) / 3)
    assert found.f1 == pytest.approx((6 / 8 + 4 / 5 + 2 / 3) / 3)
    assert found.quartiles == pytest.approx((0.5, 0.625, 0.75, 0.875, 0.25, 1.0))
    assert np.isnan(found.classes[5]) and found.classes[1] == 1
    again = Measures.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.quartiles == found.quartiles and np.isnan(again.classes[5])
    assert confusions(confusion(labels, said)) == "1 as 2: 1, 3 as 1: 1"
    assert confusions(confusion(labels, labels)) == "none"


def test_an_interval_over_people_covers_what_it_claims():
    """People differ: only an interval that draws whole people holds the true share."""
    rng = np.random.default_rng(0)
    people, covered, naive = np.repeat(np.arange(40), 20), 0, 0
    for trial in range(100):
        rate = rng.beta(8, 2, 40)
        right = rng.random(800) < rate[people]
        low, high = interval(right, people, seed=trial)
        covered += low <= 0.8 <= high
        wide = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 800)
        naive += abs(right.mean() - 0.8) <= wide
    assert covered >= 88 > naive
    assert np.isnan(interval(np.array([1, 0]), np.array([3, 3]))).all()


def test_networks_of_which_something_is_assumed_say_so(dataset, tmp_path):
    config, datasets = settings(networks=["compact", "hu2019"]), {"d": dataset}
    rows = rows_of(config, {"d": dataset.sources})
    asked = [rows[0], next(row for row in rows if row.network == "hu2019")]
    for row in asked:
        keep(row, config, dataset, tmp_path, 5)
    results = results_in(asked, config, datasets, tmp_path)
    page = write(tmp_path, asked, results, config, datasets).read_text("utf-8")
    assert f"chosen here:\n\n- hu2019: {BACKBONES['hu2019'].assumed}\n" in page
    assert "- compact:" not in page and "| ResNeSt-50 | 97.35 | 99.06 |" in page


def test_anchors_are_the_published_ones():
    found = {a.network: a for a in ANCHORS}
    assert found["ResNeSt-50"].accuracy == 99.33 and found["ResNeSt-50"].precision == 99.32
    assert found["AlexNet"].accuracy in (91.0, 98.2, 80.4)
    assert {a.accuracy for a in ANCHORS if a.network.startswith("Varifocal")} == {
        93.18,
        80.83,
        98.9,
    }
    for _, low, first, middle, third, wide, high in QUARTILES_PUBLISHED:
        assert low < first < middle < third < high and abs(third - first - wide) < 0.011
    assert found["ViT-S/8, with contrastive training"].accuracy in (96.17, 84.28)
    assert all(50 < a.accuracy < 100 and a.source for a in ANCHORS)


def insight(dataset, labels: np.ndarray) -> dict[str, np.ndarray]:
    """What `benchmark.insight.look` gives, invented; no layer stands for pool2."""
    points = np.random.default_rng(0).normal(size=(len(labels), 2))
    return {
        "point_labels": labels, "before": points, "after": points + labels[:, None],
        "shown": dataset.pictures[:8], "shown_labels": np.arange(8),
        "shown_said": np.arange(8) // 2, "heat": np.full((8, 4, 4), 90, np.uint8),
        "layer_names": np.array(["conv1: patches", "last: norm"]),
        "layer_conv1": np.zeros((50, 50), np.uint8), "layer_last": np.zeros((14, 14), np.uint8),
    }  # fmt: skip


def keep(row, config, dataset, out: Path, wrong: int) -> None:
    """A finished row as the runner leaves it, with every `wrong`-th picture misread."""
    parts = parts_of(dataset, row, config.shares)
    labels = dataset.labels[parts.test]
    p = np.eye(24, dtype=np.float16)[(labels + (np.arange(len(labels)) % wrong == 0)) % 24]
    people, said = dataset.people[parts.test], p.argmax(1)
    sources = np.array([dataset.records[i].source for i in parts.test])
    facts = {"train": len(parts.train), "validation": len(parts.validation), "epochs": 3,
             "training seconds": 1.0, "parameters": 892216, "operations": 10**8, "timed": 1000,
             "seconds one by one": 4.0, "seconds batched": 2.0,
             "processor seconds one by one": 3.0, "processor seconds batched": 1.5}  # fmt: skip
    by_source = {
        s: measure(labels[sources == s], said[sources == s], people[sources == s]).to_dict()
        for s in np.unique(sources)
    }
    content = {"key": row.key(config, dataset.hash), "by_source": by_source, "facts": facts,
               "measures": measure(labels, said, people).to_dict()}  # fmt: skip
    with replaced_folder(out / ROWS / row.name) as part:
        np.savez(part / PREDICTIONS, labels=labels, p=p)
        np.savez(part / INSIGHT, **insight(dataset, labels))
        (part / RESULT).write_text(json.dumps(content))


def test_finished_rows_are_kept_and_the_page_names_the_others(dataset, tmp_path):
    config, datasets = settings(), {"d": dataset}
    rows = rows_of(config, {"d": dataset.sources})
    for row, wrong in zip(rows[:3], (9, 5, 3), strict=True):
        keep(row, config, dataset, tmp_path, wrong)
    results = results_in(rows, config, datasets, tmp_path)
    assert [one.row for one in results] == rows[:3]
    assert list(run_rows(rows[:3], config, datasets, tmp_path, BuildProgress(None, True))) == [3]
    assert results_in(rows, settings(size=48), datasets, tmp_path) == []
    page = write(tmp_path, rows, results, config, datasets).read_text("utf-8")
    assert "1 of 4 rows:\n\n- compact_r_d_laboratory-out-there_seed0" in page
    line = next(one for one in page.splitlines() if one.startswith("| compact | r | d | here"))
    # One person alone has no interval over people.
    assert line.count("(") == 2 and "; 24 of 1 |" in line
    assert "97.58" in page and "Nothing in this table was measured here" in page
    with (tmp_path / "benchmark.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 3 + 2 + 2 + 1 and {one["seed"] for one in lines} == {"0"}
    assert float(lines[0]["accuracy"]) == pytest.approx(results[0].measures.accuracy, abs=1e-5)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "rows.png", "classes.png", "confusion.png", "counts.png", "tsne.png", "activation.png",
        "layers.png",
    }  # fmt: skip
    everything = write(tmp_path, rows[:3], results, config, datasets).read_text("utf-8")
    assert "3 of the 3 rows of the settings were run" in everything and "Not run" not in everything

"""What a user may hand to `screening benchmark`: published layouts, odd pictures, refusals."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from screening.benchmark.config import PROTOCOLS, BenchmarkConfig, DatasetConfig, rows_of
from screening.benchmark.dataset import check_rows, read_datasets
from screening.classes import CHROMOSOMES
from screening.cli import main
from screening.data.chromosomes import load_chromosome, read_chromosomes
from screening.errors import ManifestError


def bar(height: int, width: int = 12, margin: int = 6) -> np.ndarray:
    """A dark bar with lighter bands on white paper."""
    picture = np.full((height + 2 * margin, width + 2 * margin), 255, np.uint8)
    ink = picture[margin : margin + height, margin : margin + width]
    ink[:] = 60
    ink[2::6] = 160
    return picture


def put(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def class_folders(folder: Path, people: str = "abc") -> Path:
    for number in range(24):
        for person in people:
            put(folder / str(number) / person / "1.png", bar(80 - 2 * number))
    return folder


def settings(folder: Path, protocol: str = "random") -> list[str]:
    raw = {"networks": ["compact"], "recipes": [{"name": "r"}], "datasets": [{"name": "d"}],
           "protocols": [protocol], "size": 32, "shares": [0.4, 0.3, 0.3]}  # fmt: skip
    path = folder.parent / "it.yaml"
    path.write_text(yaml.safe_dump(raw), "utf-8")
    return ["benchmark", str(path), "--data", str(folder), "--out", str(folder.parent / "run")]


def missing_class(folder: Path) -> None:
    for path in (folder / "23").rglob("*.png"):
        path.unlink()
    put(folder / "23" / "thumbs.txt.png", bar(30))


def no_class_folder(folder: Path) -> None:
    for path in sorted((folder / "23").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (folder / "23").rmdir()


def wrong_name(folder: Path) -> None:
    (folder / "23").rename(folder / "Y chromosome")


def dark_ground(folder: Path) -> None:
    put(folder / "4" / "a" / "1.png", 255 - bar(70))


def blank(folder: Path) -> None:
    put(folder / "4" / "a" / "1.png", np.full((300, 300), 255, np.uint8))


def no_people(folder: Path) -> None:
    for path in list(folder.rglob("1.png")):
        path.rename(path.parents[1] / f"{path.parent.name}.png")


def loose(folder: Path) -> None:
    for path in list(folder.rglob("1.png")):
        path.rename(folder / f"{path.parents[1].name}-{path.parent.name}.png")
        path.parent.rmdir()
    for path in folder.iterdir():
        if path.is_dir():
            path.rmdir()


@pytest.mark.parametrize(
    ("spoil", "protocol", "said"),
    [
        (missing_class, "random", "d: expected 3 pictures of each class; too few of ['Y (1)']"),
        (no_class_folder, "random", "too few of ['Y (0)']"),
        (wrong_name, "random", "received Y chromosome"),
        (dark_ground, "random", "4/a/1.png: the ground is dark"),
        (blank, "random", "shows no chromosome: the picture is blank"),
        (no_people, "by-patient", "the only protocol for it is random"),
        (no_people, "laboratory-out", "the only protocol for it is random"),
        (loose, "random", "0-a.png: pictures that lie in no class folder are named as CIR-Net's"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_before_training(tmp_path, capsys, spoil, protocol, said):
    folder = class_folders(tmp_path / "data")
    spoil(folder)
    assert main(settings(folder, protocol)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def odd(folder: Path) -> Path:
    """12 bits in 16, colour, 20×10 and 2000×2000, among pictures as they usually are."""
    class_folders(folder, "abcd")
    put(folder / "0" / "a" / "1.png", bar(80).astype(np.uint16) * 16)
    put(folder / "1" / "a" / "1.png", cv2.cvtColor(bar(78), cv2.COLOR_GRAY2BGR))
    put(folder / "2" / "a" / "1.png", bar(14, 4, 3))
    large = np.full((2000, 2000), 255, np.uint8)
    put(
        folder / "3" / "a" / "1.png",
        cv2.ellipse(large, (1000, 1000), (900, 990), 0, 0, 360, 60, -1),
    )
    return folder


def test_odd_pictures_are_read_and_told(tmp_path):
    folder = odd(tmp_path / "data")
    sizes = {p: cv2.imread(str(folder / p / "a" / "1.png"), -1).shape for p in "23"}
    assert sizes == {"2": (20, 10), "3": (2000, 2000)}
    made = read_datasets(folder, [DatasetConfig(name="d")], ["by-patient"], 32)["d"]
    assert made.notes == (
        "1 picture with more than 8 bits: read by the range of grey that each uses; "
        "first 0/a/1.png",
        "1 picture with colour: read as grey; first 1/a/1.png",
        "1 picture with a chromosome under 24 pixels: hardly a band to be read; first 2/a/1.png",
        "1 picture with a chromosome far longer than its laboratory's others: made smaller than "
        "they; first 3/a/1.png",
    )
    by_origin = dict(zip((r.origin for r in made.records), made.pictures, strict=True))
    for folder_name in "01":  # as the picture of 8 bits and grey beside them
        same = np.abs(by_origin[f"{folder_name}/a/1.png"].astype(int) - by_origin[
            f"{folder_name}/b/1.png"])  # fmt: skip
        assert same.max() <= 2
    for folder_name in "23":
        assert (by_origin[f"{folder_name}/a/1.png"] < 200).any()
    assert made.stored[0].bits == 16 and made.stored[4].channels == 3


def test_odd_pictures_are_told_before_the_first_row(tmp_path, capsys, monkeypatch):
    told: list[str] = []

    def no_row(*_):
        told.append(capsys.readouterr().err)
        yield 0

    monkeypatch.setattr("screening.benchmark.runner.run_rows", no_row)
    assert main(settings(odd(tmp_path / "data"))) == 0
    assert "d: 1 picture with colour: read as grey" in told[0]
    assert "1 picture with colour" in (tmp_path / "run" / "benchmark.md").read_text("utf-8")


def test_cir_nets_folder_is_read_as_published(tmp_path):
    for number in range(24):
        for n in range(3):
            path = tmp_path / "origin" / f"{n}1562828258.{n}66.{number}.tiff"
            put(path, bar(80 - 2 * number))
    inside, outside = read_chromosomes(tmp_path / "origin"), read_chromosomes(tmp_path)
    assert [r.name for r in inside] == [r.name for r in outside] and len(inside) == 72
    assert {r.name for r in inside} == set(CHROMOSOMES)
    assert next(r.name for r in inside if r.path.name.endswith(".22.tiff")) == "X"
    with pytest.raises(ManifestError, match="only protocol for it is random"):
        read_datasets(tmp_path, [DatasetConfig(name="d")], ["by-patient"], 32)
    assert read_datasets(tmp_path, [DatasetConfig(name="d")], ["random"], 32)


def test_bioimlabs_folder_is_read_as_published(tmp_path):
    for cell in (1, 10, 100):
        for number in range(1, 23):
            for homolog in "ab":
                put(tmp_path / str(cell) / f"{cell} {number}{homolog}.bmp", 255 - bar(70 - number))
        for name in ("23", "24"):
            put(tmp_path / str(cell) / f"{cell} {name}.bmp", 255 - bar(40))
    records = read_chromosomes(tmp_path)
    assert len(records) == 138 and {r.case for r in records} == {"1", "10", "100"}
    assert {r.stain for r in records} == {"Q"} and {r.name for r in records} == set(CHROMOSOMES)
    assert load_chromosome(records[0]).image.min() == 60, "dark on white"
    made = read_datasets(tmp_path, [DatasetConfig(name="d", stain="Q")], ["by-patient"], 32)["d"]
    assert len(np.unique(made.people)) == 3
    with pytest.raises(ManifestError, match="no G-banded chromosome; there are those of the stain"):
        read_datasets(tmp_path, [DatasetConfig(name="d")], ["random"], 32)


def test_a_class_folder_with_numbered_pictures_is_not_taken_for_a_cell(tmp_path):
    for folder in ("1", "X"):
        for n in (1, 2):
            put(tmp_path / folder / f"{folder} {n}.bmp", bar(50))
    assert [r.name for r in read_chromosomes(tmp_path)] == ["1", "1", "X", "X"]


def a_keras_set(count: int, colour: bool):
    """What keras.datasets gives, smaller: two halves of (pictures, labels)."""
    rng = np.random.default_rng(0)
    shape = (count, 32, 32, 3) if colour else (count, 28, 28)
    labels = (np.arange(count) % 10).astype(np.uint8)
    labels = labels[:, None] if colour else labels
    half = (rng.integers(0, 256, shape).astype(np.uint8), labels)
    return lambda: (half, half)


def test_mnist_and_cifar_are_read_in_grey_and_split_at_random(monkeypatch):
    import keras

    monkeypatch.setattr(keras.datasets.mnist, "load_data", a_keras_set(100, colour=False))
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", a_keras_set(100, colour=True))
    configs = [DatasetConfig(name=one, keras=one, most=150) for one in ("mnist", "cifar10")]
    made = read_datasets(None, configs, PROTOCOLS, 24)
    first, second = made["mnist"], made["cifar10"]
    assert first.pictures.shape == second.pictures.shape == (150, 24, 24)
    assert np.bincount(first.labels).tolist() == [15] * 10
    pictures, _ = keras.datasets.mnist.load_data()[0]
    assert abs(int(first.pictures[0].mean()) - int(255 - pictures[0].mean())) < 4, "dark on white"
    assert second.stored[0] == (32, 32, 3, 8) and second.classes[3] == "cat"
    config = BenchmarkConfig(networks=("compact",), recipes=({"name": "r"},), datasets=configs)
    rows = rows_of(config, {name: one.sources for name, one in made.items()})
    assert [row.protocol for row in rows] == ["random", "random"]
    check_rows(rows, made, (0.8, 0.1, 0.1))


def test_what_cannot_be_downloaded_is_skipped_by_name(tmp_path, capsys, monkeypatch):
    import keras

    def nothing():
        raise OSError("URL fetch failure")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", nothing)
    path = tmp_path / "it.yaml"
    raw = {"networks": ["compact"], "recipes": [{"name": "r"}], "size": 32,
           "datasets": [{"name": "photographs", "keras": "cifar10"}]}  # fmt: skip
    path.write_text(yaml.safe_dump(raw), "utf-8")
    assert main(["benchmark", str(path), "--out", str(tmp_path / "run")]) == 0
    said = "skipped: cifar10 cannot be had through keras.datasets (URL fetch failure)"
    assert f"photographs: {said}" in capsys.readouterr().err
    page = (tmp_path / "run" / "benchmark.md").read_text("utf-8")
    assert said in page and "0 of the 0 rows" in page

"""Reading single chromosomes: three layouts, all problems at once, cells, pooled cells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from screening.classes import ABNORMAL, CHROMOSOMES, NORMAL, RELATIVE_LENGTH
from screening.data.chromosomes import (
    INCOMPLETE,
    INK,
    CellRecord,
    load_cell,
    load_chromosome,
    read_cells,
    read_chromosomes,
)
from screening.data.pool import is_pooled, pool_cells
from screening.data.split import CALIBRATION, PARTS, TEST, check_leaks, split_by_case
from screening.errors import ImageError, ManifestError
from screening.images.ink import crop_to_ink


def write_chromosome(
    path: Path, name: str, scale: float = 10.0, grey: int = 100, margin: int = 5
) -> None:
    """Write a bar of the class's height (`scale` pixels per percent) on white, bands across it."""
    height, width = round(scale * RELATIVE_LENGTH[name]), 12
    image = np.full((height + 2 * margin, width + 2 * margin), 255, np.uint8)
    bar = image[margin : margin + height, margin : margin + width]
    bar[:] = grey
    bar[::5] = grey - 40
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write_data_folder(folder: Path, cells: dict[str, list[str]], **look: float) -> Path:
    """Write chromosomes.csv with one case per cell; `cells` maps cell to chromosome names."""
    lines = ["path,source,case,cell,class,stain,upright"]
    for cell, names in cells.items():
        for number, name in enumerate(names):
            path = f"{cell}/{number}.png"
            write_chromosome(folder / path, name, **look)
            lines.append(f"{path},lab,{cell},{cell},{name},G,yes")
    (folder / "chromosomes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


FEMALE = [name for name in CHROMOSOMES[:-1] for _ in range(2)]


def test_data_folder_gives_cells_with_labels(tmp_path):
    write_data_folder(tmp_path, {"whole": FEMALE, "trisomy": [*FEMALE, "21"], "torn": ["1", "Y"]})
    (tmp_path / "cells.csv").write_text(
        "source,case,cell,chromosomes,sex_chromosomes,gains_and_losses,label\n"
        "lab,whole,whole,46,XX,,normal\n"
        "lab,trisomy,trisomy,47,XX,+21,abnormal\n",
        encoding="utf-8",
    )
    cells = {cell.cell: cell for cell in read_cells(tmp_path)}
    assert {name: cell.label for name, cell in cells.items()} == {
        "whole": NORMAL,
        "trisomy": ABNORMAL,
        "torn": INCOMPLETE,
    }
    assert cells["trisomy"].counts()["21"] == 3
    assert [cell.cell for cell in cells.values() if cell.reserved] == ["trisomy"]
    loaded = load_cell(cells["trisomy"])
    assert loaded.iscn == "47,XX,+21"
    assert len({c.origin for c in loaded.chromosomes}) == 47


def test_any_csv_with_path_class_case(tmp_path):
    write_chromosome(tmp_path / "ä b.png", "7")
    table = tmp_path / "list.csv"
    table.write_text("\ufeffclass, path ,case\n7,ä b.png,anna\n", encoding="utf-8")
    (record,) = read_chromosomes(table)
    assert (record.name, record.case, record.stain) == ("7", "anna", "G")
    assert load_chromosome(record).image.shape[0] == round(10 * RELATIVE_LENGTH["7"])


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ([str(n) for n in range(24)], CHROMOSOMES),
        (list(CHROMOSOMES), CHROMOSOMES),
        (["22", "23"], ("X", "Y")),
        (["22", "X"], ("22", "X")),
    ],
)
def test_class_folders_by_number_and_by_name(tmp_path, folders, expected):
    for folder in folders:
        write_chromosome(tmp_path / folder / "a.png", "1")
    assert {record.name for record in read_chromosomes(tmp_path)} == set(expected)


@pytest.mark.parametrize("folders", [["1", "2"], ["0", "X"], ["1", "thumbs"], []])
def test_class_folders_that_cannot_be_told_are_refused(tmp_path, folders):
    for folder in folders:
        write_chromosome(tmp_path / folder / "a.png", "1")
    with pytest.raises(ManifestError, match="expected"):
        read_chromosomes(tmp_path)


def test_all_problems_are_reported_at_once_and_a_long_list_is_cut(tmp_path):
    write_chromosome(tmp_path / "a.png", "1")
    rows = ["path,class,case", "a.png,1,c", "a.png,1,c", "a.png,25,c", "gone.png,2,c"]
    table = tmp_path / "list.csv"
    table.write_text("\n".join([*rows, *(f"gone{i}.png,2,c" for i in range(50))]))
    with pytest.raises(ManifestError) as caught:
        read_chromosomes(table)
    message = str(caught.value)
    for part in ("listed twice", "'25'", "gone.png does not exist", "54 problems", "more"):
        assert part in message
    assert len(message.splitlines()) < 30


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("path,case\na.png,c\n", "missing class"),
        ("", "missing"),
        ("path,class,case\n", "no chromosome"),
        ("path,class,case\n,1,c\n", "path is empty"),
        ("path,class,case\na.png,1,c,more\n", "4"),
    ],
)
def test_malformed_tables(tmp_path, text, problem):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ManifestError, match=problem):
        read_chromosomes(tmp_path / "list.csv")


def test_a_table_that_is_not_text_and_a_missing_one(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    for path in (tmp_path / "list.csv", tmp_path / "none.csv"):
        with pytest.raises(ManifestError, match="expected"):
            read_chromosomes(path)


def test_cells_that_contradict_their_chromosomes_are_refused(tmp_path):
    write_data_folder(tmp_path, {"a": ["1", "2"]})
    (tmp_path / "cells.csv").write_text(
        "source,case,cell,chromosomes,label\nlab,a,a,3,odd\nlab,b,b,,normal\n"
    )
    with pytest.raises(ManifestError) as caught:
        read_cells(tmp_path)
    for part in ("states 3 chromosomes, 2", "'odd'", "no chromosome of lab/b/b"):
        assert part in str(caught.value)


def test_unknown_source_is_refused(tmp_path):
    write_data_folder(tmp_path, {"a": ["1"]})
    assert len(read_cells(tmp_path, ["lab"])) == 1
    with pytest.raises(ManifestError, match="elsewhere"):
        read_cells(tmp_path, ["elsewhere"])


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_unreadable_chromosome_names_the_file(tmp_path, content):
    write_data_folder(tmp_path, {"a": ["1"]})
    (tmp_path / "a" / "0.png").write_bytes(content)
    (cell,) = read_cells(tmp_path)
    with pytest.raises(ImageError, match=r"0\.png"):
        load_cell(cell)


def test_blank_chromosome_is_refused(tmp_path):
    write_data_folder(tmp_path, {"a": ["1"]})
    cv2.imwrite(str(tmp_path / "a" / "0.png"), np.full((9, 9), 255, np.uint8))
    with pytest.raises(ImageError, match="blank"):
        load_cell(read_cells(tmp_path)[0])


def test_crop_to_ink_keeps_all_ink_and_touches_every_border():
    rng = np.random.default_rng(0)
    canvas = np.full((60, 40), 255, np.uint8)
    canvas[20:31, 7:19] = rng.integers(0, 249, (11, 12))
    assert np.array_equal(crop_to_ink(canvas, INK), canvas[20:31, 7:19])
    assert crop_to_ink(np.full((5, 5), 255, np.uint8), INK).size == 0


def partial_cells(folder: Path) -> list[CellRecord]:
    """Write cells that each lack something, at different scales and stains."""
    rng = np.random.default_rng(0)
    cells: list[CellRecord] = []
    for number in range(8):
        names = [str(n) for n in rng.choice(CHROMOSOMES, size=20, replace=False)]
        look = {"scale": float(rng.uniform(8, 14)), "grey": int(rng.integers(80, 160))}
        cells += read_cells(write_data_folder(folder / str(number), {f"c{number}": names}, **look))
    return cells


def test_pooled_cells_are_complete_of_one_scale_and_one_stain(tmp_path):
    records = partial_cells(tmp_path)
    cells = pool_cells(records, 12, np.random.default_rng(0))
    assert {cell.iscn for cell in cells} == {"46,XX", "46,XY"}
    for cell in cells:
        ratios = [c.image.shape[0] / RELATIVE_LENGTH[c.name] for c in cell.chromosomes]
        assert max(ratios) / min(ratios) < 1.1
        darkness = [255 - np.median(c.image) for c in cell.chromosomes]
        assert max(darkness) / min(darkness) < 1.35  # unmatched: up to 175 / 95
        assert is_pooled(cell.case) and not is_pooled(cell.case.removeprefix("pooled-"))


def test_pooling_is_seeded_and_stays_within_its_records(tmp_path):
    records = partial_cells(tmp_path)

    def origins(seed: int) -> list[list[str]]:
        cells = pool_cells(records, 3, np.random.default_rng(seed))
        return [[c.origin for c in cell.chromosomes] for cell in cells]

    assert origins(1) == origins(1)
    assert origins(1) != origins(2)
    known = {r.origin for record in records for r in record.chromosomes}
    for cell in origins(1):
        assert set(cell) <= known
        assert len(set(cell)) == 46


def test_both_homologs_come_from_one_cell_that_shows_both(tmp_path):
    classes = [*map(str, range(1, 23)), "X"]
    # Two of every other class, one of the rest.
    cells = {f"c{k}": sorted([*classes, *classes[k % 2 :: 2]]) for k in range(6)}
    for cell in pool_cells(read_cells(write_data_folder(tmp_path, cells)), 6,
                           np.random.default_rng(0)):  # fmt: skip
        taken: dict[str, set[str]] = {}
        for one in cell.chromosomes:
            taken.setdefault(one.name, set()).add(one.origin.partition("/")[0])
        assert set(taken) == set(classes)
        assert {len(cells) for cells in taken.values()} == {1}


def test_pooling_too_few_chromosomes_names_what_lacks(tmp_path):
    records = read_cells(write_data_folder(tmp_path, {"a": FEMALE[:20], "b": FEMALE[:20]}))
    with pytest.raises(ManifestError, match="too few of 11, 12"):
        pool_cells(records, 1, np.random.default_rng(0))


@pytest.fixture(scope="module")
def real_cells(shared_data: Path) -> list[CellRecord]:
    return read_cells(shared_data)


def test_the_data_folder_is_read_whole(real_cells):
    assert Counter(cell.source for cell in real_cells) == {
        "gband612": 454,
        "xihu": 64,
        "tseng": 936,
        "bioimlab": 119,
    }
    labels = Counter((cell.source, cell.label) for cell in real_cells)
    assert labels["xihu", NORMAL] == 61
    assert labels["gband612", ABNORMAL] == 14
    assert labels["tseng", INCOMPLETE] == 936


def test_real_splits_keep_cases_apart_and_aneuploid_cells_out_of_training(real_cells):
    split = split_by_case(real_cells, seed=0)
    check_leaks(split, real_cells)
    sizes = Counter((cell.source, split.of(cell)) for cell in real_cells)
    assert all(sizes[source, part] >= 5 for source in ("gband612", "xihu") for part in PARTS)
    parts = Counter(split.of(cell) for cell in real_cells if cell.label == ABNORMAL)
    assert parts == {CALIBRATION: 7, TEST: 7}


def test_labels_of_real_cells_agree_with_their_counts(real_cells):
    for record in real_cells[:40:8]:
        cell = load_cell(record)
        assert cell.counts()["1"] == record.counts().get("1", 0)
        assert record.label == INCOMPLETE or cell.label == record.label
        assert all(c.image.min() < 200 for c in cell.chromosomes)

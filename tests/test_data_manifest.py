"""Manifests of whole karyograms: both layouts, every problem at once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from screening.data.manifest import ManifestPicture, read_manifest, verify
from screening.errors import ManifestError


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_csv(tmp_path):
    touch(tmp_path / "in" / "ü 1.png")
    touch(tmp_path / "b.tif")
    table = tmp_path / "m.csv"
    table.write_text("path,label,case\nin/ü 1.png,normal,p1\nb.tif,abnormal,p2\n", encoding="utf-8")
    first, second = read_manifest(table)
    assert (first.id, first.label, first.case) == ("in/ü 1.png", "normal", "p1")
    assert second.path == tmp_path / "b.tif"


def test_folders_name_cases_by_sub_folder_or_stem(tmp_path):
    for name in ("normal/p1/a.png", "normal/p1/b.png", "normal/c.jpg", "abnormal/d.tif"):
        touch(tmp_path / name)
    touch(tmp_path / "normal" / "notes.txt")
    items = read_manifest(tmp_path)
    assert {item.id: (item.label, item.case) for item in items} == {
        "normal/p1/a.png": ("normal", "p1"),
        "normal/p1/b.png": ("normal", "p1"),
        "normal/c.jpg": ("normal", "c"),
        "abnormal/d.tif": ("abnormal", "d"),
    }


def test_all_problems_of_a_csv_at_once(tmp_path):
    touch(tmp_path / "a.png")
    table = tmp_path / "m.csv"
    table.write_text(
        "path,label,case\na.png,normal,p1\n./a.png,normal,p2\ngone.png,normal,p3\na.png,sick,p4\n"
    )
    with pytest.raises(ManifestError) as caught:
        read_manifest(table)
    for part in ("line 3", "first in line 2", "gone.png does not exist", "'sick'"):
        assert part in str(caught.value)


def test_missing_folders_images_and_rows(tmp_path):
    (tmp_path / "normal").mkdir()
    with pytest.raises(ManifestError) as caught:
        read_manifest(tmp_path)
    assert "abnormal/" in str(caught.value)
    assert "normal/ holds no image" in str(caught.value)
    (tmp_path / "m.csv").write_text("path,label,case\n")
    with pytest.raises(ManifestError, match="no image"):
        read_manifest(tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="does not exist"):
        read_manifest(tmp_path / "none")


def test_verify_lists_every_unreadable_image_before_training(tmp_path):
    good = tmp_path / "good.png"
    assert cv2.imwrite(str(good), np.full((96, 96), 200, np.uint8))
    items = [ManifestPicture("good.png", good, "normal", "p1")]
    verify(items)
    for name, content in (("empty.png", ""), ("text.png", "no picture")):
        (tmp_path / name).write_text(content)
        items.append(ManifestPicture(name, tmp_path / name, "normal", name))
    with pytest.raises(ManifestError, match="2 problems") as caught:
        verify(items)
    assert "empty.png" in str(caught.value) and "text.png" in str(caught.value)

"""Folders of single chromosomes as their publishers hand them out, listed without opening any.

Three are known: 24 folders 0…23 (ChromosomeNet) or 1…22, X, Y, persons in sub-folders or unknown;
CIR-Net's one folder of `NAME.CLASS.tiff` with classes 0…23, whose persons are unknown; BioImLab's
folder for each cell, `CELL/CELL CLASSa.bmp`, with 23 for X and 24 for Y, Q-banded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from screening.classes import CHROMOSOMES
from screening.data.tables import Problems
from screening.errors import ManifestError

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
_CIR_NET = re.compile(r".+\.(?P<number>[0-9]|1[0-9]|2[0-3])")
_BIOIMLAB = re.compile(r"(?P<cell>[0-9]+) (?P<number>[1-9]|1[0-9]|2[0-4])(?P<homolog>[ab]?)\.bmp")


class Listed(NamedTuple):
    """One picture of a folder: its class, stain "G" or "Q", and whose it is (None: unknown)."""

    path: Path
    name: str
    case: str | None
    stain: str


def list_folder(folder: Path) -> list[Listed]:
    """Return the chromosomes of a folder in one of the three layouts, sorted by their paths.

    ManifestError: folders and files of no known names, class folders without a picture.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    pictures = [path for path in sorted(folder.iterdir()) if _is_picture(path)]
    if not folders and pictures:
        return _of_cir_net(folder, pictures)
    if len(folders) == 1 and not _is_class(folders[0].name):
        inside = _pictures(folders[0])
        if inside and all(_CIR_NET.fullmatch(path.stem) for path in inside):
            return _of_cir_net(folder, inside)
    found = [(one, _pictures(one)) for one in folders]
    return _of_bioimlab(found) or _of_class_folders(folder, found)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if _is_picture(path))


def _is_class(name: str) -> bool:
    return name in CHROMOSOMES or name in map(str, range(len(CHROMOSOMES)))


def _of_cir_net(folder: Path, pictures: Sequence[Path]) -> list[Listed]:
    problems, listed = Problems(str(folder)), []
    for path in pictures:
        match = _CIR_NET.fullmatch(path.stem)
        if match is None:
            problems.add(
                f"{path.name}: pictures that lie in no class folder are named as CIR-Net's, "
                "NAME.CLASS.tiff with a class 0…23; else expected chromosomes.csv"
            )
            continue
        listed.append(Listed(path, CHROMOSOMES[int(match["number"])], None, "G"))
    problems.raise_if_any()
    return listed


def _of_bioimlab(cells: Sequence[tuple[Path, list[Path]]]) -> list[Listed] | None:
    """The chromosomes of folders that are all named so; None for any other folder: a class folder
    1 with pictures "1 1.bmp", "1 2.bmp" is none, where no homolog is called a or b."""
    listed, homologs = [], False
    for cell, pictures in cells:
        for path in pictures:
            match = _BIOIMLAB.fullmatch(path.name)
            if match is None or match["cell"] != cell.name:
                return None
            homologs = homologs or match["homolog"] != ""
            name = CHROMOSOMES[int(match["number"]) - 1]
            listed.append(Listed(path, name, cell.name, "Q"))
    return listed if homologs else None


def _of_class_folders(folder: Path, found: Sequence[tuple[Path, list[Path]]]) -> list[Listed]:
    classes = _class_of_folder({one.name for one, _ in found}, folder)
    problems = Problems(str(folder))
    listed = []
    for class_folder, pictures in found:
        if not pictures:
            problems.add(f"the folder {class_folder.name} holds no picture")
        for path in pictures:
            inside = path.relative_to(class_folder)
            case = inside.parts[0] if len(inside.parts) > 1 else None
            listed.append(Listed(path, classes[class_folder.name], case, "G"))
    problems.raise_if_any()
    return listed


def _class_of_folder(names: set[str], folder: Path) -> dict[str, str]:
    """Return folder name -> chromosome name, telling 0…23 (22 = X, 23 = Y) from 1…22, X, Y."""
    by_index = {str(index): name for index, name in enumerate(CHROMOSOMES)}
    by_name = {name: name for name in CHROMOSOMES}
    unknown = sorted(names - by_index.keys() - by_name.keys())
    if unknown or not names:
        raise ManifestError(
            f"{folder}: expected chromosomes.csv, folders named 0…23 or 1…22, X, Y, or the layout "
            f"of CIR-Net or BioImLab, received {', '.join(unknown[:5]) or 'no folder'}"
        )
    indexed, named = names & {"0", "23"}, names & {"X", "Y"}
    if bool(indexed) == bool(named):
        raise ManifestError(
            f"{folder}: cannot tell whether its folders are numbered 0…23 or named 1…22, X, Y: "
            "expected either a folder 0 or 23, or a folder X or Y"
        )
    return by_index if indexed else by_name

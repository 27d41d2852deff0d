"""Which pictures a folder holds, what each is called, and which case it belongs to.

Nothing found here is ever silently dropped: a file that has the suffix of a picture but cannot be
one (a folder named x.png, a broken link, a pipe) is listed with its problem and comes out as
failed; a sub-folder that cannot be opened is listed too, because it may hide pictures.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from screening.errors import ScreeningError
from screening.worklist.chromosome_files import FOLDER_NAME
from screening.worklist.ledger import FILE_NAME
from screening.worklist.printable import printable

CaseNamer = Callable[[str], str | None]
_Identity = tuple[int, int]  # device and inode

# Direction overrides can make a name read as another one on screen and in the report.


class NothingToScreen(ScreeningError):
    """Says that a folder holds no picture at all."""

    exit_status = 1


@dataclass(frozen=True)
class Found:
    """One entry of the work list: `problem` is empty for a file that can be tried."""

    name: str  # relative to the folder, with /, printable, unique
    path: Path
    case: str
    problem: str = ""


@dataclass(frozen=True)
class Discovery:
    """Everything a folder holds: pictures by name, and what was left out and why."""

    images: tuple[Found, ...]
    ignored: int  # files that are no pictures by their suffix, and hidden ones
    notes: tuple[str, ...]  # folders not entered, names that the case rule did not fit


def case_namer(rule: str | None) -> CaseNamer:
    """Return a function from a relative name to its case, or None where a pattern does not fit.

    `rule`: "parent" or None (the sub-folder as a relative path, else the file stem), "stem", or a
    regular expression searched in the relative name, whose group `case`, else its first group,
    else the whole match is the case. Raises ScreeningError for a pattern that does not compile.
    """
    if rule is None or rule == "parent":
        return _parent_or_stem
    if rule == "stem":
        return _stem
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise ScreeningError(
            f"--case-from expects parent, stem or a regular expression; {rule!r} is not one "
            f"({error})"
        ) from error

    def from_pattern(name: str) -> str | None:
        match = pattern.search(name)
        if match is None:
            return None
        if "case" in pattern.groupindex:
            return match["case"] or None
        return (match[1] if pattern.groups else match[0]) or None

    return from_pattern


def discover(
    folder: Path, suffixes: Iterable[str], case_from: str | None = None, out: Path | None = None
) -> Discovery:
    """Return all pictures of `folder` and its sub-folders, sorted by name.

    `suffixes` are lower case with their dot; `out` is left out when it lies inside the folder.
    Raises ScreeningError when the folder cannot be opened or the case rule fits no picture, and
    NothingToScreen when there is no picture.
    """
    namer = case_namer(case_from)
    _check_folder(folder)
    walk = _Walk(frozenset(suffixes), _identity(out) if out is not None else None)
    entries = sorted(walk.entries(folder), key=lambda entry: entry[0])
    if not entries:
        raise NothingToScreen(
            f"nothing to screen: expected pictures ({' '.join(sorted(suffixes))}) in {folder} or "
            f"its sub-folders, found {walk.ignored} other files"
        )
    images, unmatched = _name(entries, namer)
    if unmatched and unmatched == len(images):
        raise ScreeningError(
            f"--case-from {case_from!r} fits no picture: expected a pattern found in names such "
            f"as {images[0].name!r}"
        )
    notes = sorted(walk.notes)
    if unmatched:
        notes.append(
            f"--case-from {case_from!r} does not fit {unmatched} of {len(images)} names: their "
            "case is the sub-folder, else the file stem"
        )
    return Discovery(tuple(images), walk.ignored, tuple(notes))


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise ScreeningError(f"expected a folder of pictures, but {folder} does not exist")
    if not folder.is_dir():
        raise ScreeningError(f"expected a folder of pictures, but {folder} is a file")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise ScreeningError(f"no permission to read the folder {folder}")


def _parent_or_stem(name: str) -> str:
    parent, _, _ = name.rpartition("/")
    return parent or _stem(name)


def _stem(name: str) -> str:
    return Path(name.rpartition("/")[2]).stem


def _identity(path: Path) -> _Identity | None:
    """Device and inode, the one comparison that holds across links, case folding and `..`."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _name(entries: list[tuple[str, Path, str]], namer: CaseNamer) -> tuple[list[Found], int]:
    images: list[Found] = []
    used: set[str] = set()
    unmatched = 0
    for raw, path, problem in entries:
        name = unique = printable(raw)
        number = 2
        while unique in used:  # two names that only differ in what had to be escaped
            unique = f"{name} ({number})"
            number += 1
        used.add(unique)
        case = namer(name)
        if case is None:
            unmatched += 1
            case = _parent_or_stem(name)
        images.append(Found(unique, path, case, problem))
    return images, unmatched


class _Walk:
    """Goes through a folder; keeps count of what it leaves out."""

    def __init__(self, suffixes: frozenset[str], excluded: _Identity | None) -> None:
        self.suffixes = suffixes
        self.excluded = excluded
        self.ignored = 0
        self.notes: list[str] = []
        # A stack instead of recursion: folders may nest deeper than Python's call limit.
        self.pending: list[tuple[Path, str, frozenset[_Identity]]] = []

    def entries(self, root: Path) -> Iterator[tuple[str, Path, str]]:
        """Name, path and problem ('' if none) of every picture, in no particular order."""
        self.pending.append((root, "", frozenset()))
        while self.pending:
            folder, prefix, above = self.pending.pop()
            here = _identity(folder)
            try:
                with os.scandir(folder) as scan:
                    found = list(scan)
            except OSError as error:
                reason = (
                    f"this folder cannot be opened ({error.strerror}): its pictures are missing"
                )
                yield prefix, folder, reason
                continue
            for entry in found:
                yield from self._entry(entry, prefix, above | {here} if here else above)

    def _entry(
        self, entry: os.DirEntry[str], prefix: str, above: frozenset[_Identity]
    ) -> Iterator[tuple[str, Path, str]]:
        name, path = prefix + entry.name, Path(entry.path)
        pictured = Path(entry.name).suffix.lower() in self.suffixes
        if entry.name.startswith("."):  # also "._x.png", the shadow files of macOS
            self.ignored += 1
            return
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            if pictured:
                yield name, path, _stat_problem(entry, error)
            else:
                self.ignored += 1
            return
        if stat.S_ISDIR(mode):
            if pictured:
                yield name, path, "a folder, not a picture"
            self._enter(path, name, above)
        elif not pictured:
            self.ignored += 1
        elif not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            yield name, path, "not a regular file (a pipe, socket or device)"
        else:
            yield name, path, ""

    def _enter(self, path: Path, name: str, above: frozenset[_Identity]) -> None:
        identity = _identity(path)
        if identity is not None and identity == self.excluded:
            self.notes.append(f"{printable(name)}/ holds the outputs and was not searched")
        elif path.name == FOLDER_NAME and (path.parent / FILE_NAME).is_file():
            # Left by --save-chromosomes: single chromosomes, named by this program.
            self.notes.append(f"{printable(name)}/ holds saved chromosomes and was not searched")
        elif identity in above:
            self.notes.append(
                f"{printable(name)}/ links back to a folder above and was not entered"
            )
        else:
            self.pending.append((path, name + "/", above))


def _stat_problem(entry: os.DirEntry[str], error: OSError) -> str:
    if entry.is_symlink() and error.errno == errno.ENOENT:
        return "a broken link: what it points to does not exist"
    if error.errno == errno.ELOOP:
        return "a link that leads to itself"
    return f"cannot be read ({error.strerror})"

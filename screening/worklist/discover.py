"""Which pictures a folder holds, what each is called, and which case it belongs to.

Nothing found here is ever silently dropped: a file that has the suffix of a picture but cannot be
one (a folder named x.png, a broken link, a pipe) is listed with its problem and comes out as
failed; a sub-folder that cannot be opened is listed too, because it may hide pictures. A file
without the suffix of a picture is one by its content, or is left out by name.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from screening.errors import ScreeningError
from screening.images.frames import MAX_FRAMES, Frames, count_frames
from screening.images.kinds import DICOM, HEAD_BYTES, kind_of, surely_a_picture
from screening.worklist.chromosome_files import FOLDER_NAME
from screening.worklist.ledger import FILE_NAME
from screening.worklist.left_out import DICOM_DIRECTORY, UNREADABLE, LeftOut, kind_by_name
from screening.worklist.printable import printable
from screening.worklist.remote import CannotFetch, RemoteFile, RemoteFolder

if TYPE_CHECKING:
    from screening.worklist.remote_walk import RemoteWalk

COPIES = "pictures"
"""Where in an output folder `screening report --pictures` puts copies of the pictures."""
DICOM_FOLDER = "dicom"
"""Where in an output folder the DICOM files of a run are, of `screen` and `report` with --dicom."""
OWN_FOLDERS = {
    FOLDER_NAME: "saved chromosomes",  # single ones, named by this program
    DICOM_FOLDER: "DICOM files of a run",
    COPIES: "copies of pictures",
}
"""What a run leaves in folders beside its ledger, none of which is to be screened."""
CaseNamer = Callable[[str], str | None]
Entry = tuple[str, Path | RemoteFile, str]
"""Name, place and problem ("" if none) of a picture."""
_Identity = tuple[int, int]  # device and inode

_THREADS = 8  # of which each waits for the disk or the network most of the time


class NothingToScreen(ScreeningError):
    """Says that a folder holds no picture at all."""

    exit_status = 1


class NoFolder(ScreeningError):
    """Says that there is no folder to read from."""


@dataclass(frozen=True)
class PictureFile:
    """One entry of the work list: `problem` is empty for what can be tried; `frame` of `frames` in
    the file, counted from 1; `remote`: where it is instead of at `path`."""

    name: str  # relative to the folder, with /, printable, unique
    path: Path
    case: str
    problem: str = ""
    frame: int = 1
    frames: int = 1
    remote: RemoteFile | None = None

    @contextmanager
    def at_hand(self) -> Iterator[PictureFile]:
        """Yield this as a file of this machine; CannotFetch says why it is none."""
        if self.remote is None:
            yield self
            return
        with self.remote.folder.at_hand(self.remote, self.frames) as path:
            yield replace(self, path=path, remote=None)


@dataclass(frozen=True)
class Discovery:
    """Everything a folder holds: pictures by name, and what was left out and why."""

    images: tuple[PictureFile, ...]
    left_out: LeftOut  # files that are no pictures, and hidden ones
    notes: tuple[str, ...]  # folders not entered, names that the case rule did not fit

    @property
    def ignored(self) -> int:
        """Return how many files were left out."""
        return self.left_out.count


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
    folder: Path | RemoteFolder,
    suffixes: Iterable[str],
    case_from: str | None = None,
    out: Path | RemoteFolder | None = None,
    frames: bool = False,
    choose: Callable[[PictureFile], bool] | None = None,
) -> Discovery:
    """Return all pictures of `folder` and its sub-folders, sorted by name.

    `suffixes` are lower case with their dot; `out` is left out when it lies inside the folder. With
    `frames`, every frame of a file is listed: the first as the file, the others behind it as
    `name#2` and so on, in the file's case. A file that is itself named so keeps its name; the frame
    is then `name#2 (2)`, and a note says so. With `choose`, only files for which it is true are
    listed, none perhaps, under the names that they have in the whole folder.
    Raises ScreeningError when the folder cannot be opened or the case rule fits no picture, and
    NothingToScreen when there is no picture.
    """
    namer = case_namer(case_from)
    walk = _walk(folder, frozenset(suffixes), out)
    entries = sorted(walk.entries(), key=lambda entry: entry[0])
    left_out = LeftOut.of(walk.left_out)
    if not entries:
        raise NothingToScreen(
            f"nothing to screen: expected pictures ({' '.join(sorted(suffixes))}) in {folder} or "
            f"its sub-folders, found {left_out.count} other files"
        )
    images, unmatched = _name(entries, namer)
    if unmatched and unmatched == len(images):
        raise ScreeningError(
            f"--case-from {case_from!r} fits no picture: expected a pattern found in names such "
            f"as {images[0].name!r}"
        )
    notes = walk.notes
    if unmatched:
        notes.append(
            f"--case-from {case_from!r} does not fit {unmatched} of {len(images)} names: their "
            "case is the sub-folder, else the file stem"
        )
    used = {found.name for found in images}
    if choose is not None:
        images = [found for found in images if choose(found)]
    if frames:
        images, renamed = _each_frame(images, used)
        notes += renamed
    return Discovery(tuple(images), left_out, tuple(sorted(notes)))


def _walk(
    folder: Path | RemoteFolder, suffixes: frozenset[str], out: Path | RemoteFolder | None
) -> _Walk | RemoteWalk:
    if isinstance(folder, RemoteFolder):
        from screening.worklist.remote_walk import RemoteWalk  # is rarely needed

        return RemoteWalk(folder, suffixes, out if isinstance(out, RemoteFolder) else None)
    check_folder(folder)
    return _Walk(folder, suffixes, _identity(out) if isinstance(out, Path) else None)


def check_folder(folder: Path) -> None:
    """Raise NoFolder unless `folder` can be read from."""
    if not folder.exists():
        raise NoFolder(f"expected a folder of pictures, but {folder} does not exist")
    if not folder.is_dir():
        raise NoFolder(f"expected a folder of pictures, but {folder} is a file")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise NoFolder(f"no permission to read the folder {folder}")


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


def _name(entries: list[Entry], namer: CaseNamer) -> tuple[list[PictureFile], int]:
    images: list[PictureFile] = []
    used: set[str] = set()
    unmatched = 0
    for raw, place, problem in entries:
        name = unique = printable(raw)
        if name in used:  # two names that only differ in what had to be escaped
            unique = _unused(name, used)
        used.add(unique)
        case = namer(name)
        if case is None:
            unmatched += 1
            case = _parent_or_stem(name)
        remote = place if isinstance(place, RemoteFile) else None
        path = Path(place.name) if isinstance(place, RemoteFile) else place
        images.append(PictureFile(unique, path, case, problem, remote=remote))
    return images, unmatched


def _each_frame(
    files: Sequence[PictureFile], used: set[str]
) -> tuple[list[PictureFile], list[str]]:
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="frames") as pool:
        counted = list(pool.map(_counted, files))
    images: list[PictureFile] = []
    notes: list[str] = []
    for found, (frames, unreached) in zip(files, counted, strict=True):
        if unreached:  # how many there are is not known: none of them is taken for all
            images.append(replace(found, problem=unreached))
            continue
        if frames.too_many:
            problem = f"holds more than {MAX_FRAMES} pictures: split it into files of fewer"
            images.append(replace(found, problem=problem))
            continue
        images.append(replace(found, frames=frames.count))
        for frame in range(2, frames.count + 1 + bool(frames.problem)):
            name = f"{found.name}#{frame}"
            if name in used:
                free = _unused(name, used)
                notes.append(f"{name} is a file: picture {frame} in {found.name} is called {free}")
                name = free
            used.add(name)
            problem = ""
            if frame > frames.count:
                problem = f"pictures may be missing behind {frames.count}: {frames.problem}"
            images.append(
                replace(found, name=name, frame=frame, frames=frames.count, problem=problem)
            )
    return images, notes


def _counted(found: PictureFile) -> tuple[Frames, str]:
    """How many frames a file holds, and why that cannot be asked."""
    if found.problem:
        return Frames(), ""
    if found.remote is None:
        return count_frames(found.path), ""
    try:
        return found.remote.folder.count_frames(found.remote), ""
    except CannotFetch as error:
        return Frames(), error.reason


def _unused(name: str, used: set[str]) -> str:
    number = 2
    while f"{name} ({number})" in used:
        number += 1
    return f"{name} ({number})"


class _Walk:
    """Goes through a folder; keeps kind and name of what it leaves out."""

    def __init__(self, root: Path, suffixes: frozenset[str], excluded: _Identity | None) -> None:
        self.suffixes = suffixes
        self.excluded = excluded
        self.left_out: list[tuple[str, str]] = []
        self.notes: list[str] = []
        # A stack instead of recursion: folders may nest deeper than Python's call limit.
        self.pending: list[tuple[Path, str, frozenset[_Identity]]] = [(root, "", frozenset())]

    def entries(self) -> Iterator[Entry]:
        """Name, path and problem ('' if none) of every picture, in no particular order."""
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
    ) -> Iterator[Entry]:
        name, path = prefix + entry.name, Path(entry.path)
        pictured = Path(entry.name).suffix.lower() in self.suffixes
        if entry.name.startswith("."):  # also "._x.png", the shadow files of macOS
            self._leave_out(name)
            return
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            if pictured:
                yield name, path, _stat_problem(entry, error)
            else:
                self._leave_out(name, UNREADABLE)
            return
        if stat.S_ISDIR(mode):
            if pictured:
                yield name, path, "a folder, not a picture"
            self._enter(path, name, above)
        elif not pictured:
            if not stat.S_ISREG(mode):
                self._leave_out(name)
            elif self._is_picture(name, path):
                yield name, path, ""
        elif not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            yield name, path, "not a regular file (a pipe, socket or device)"
        else:
            yield name, path, ""

    def _is_picture(self, name: str, path: Path) -> bool:
        """Whether a file is a picture that its name does not tell of; left out if not."""
        try:
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError:
            self._leave_out(name, UNREADABLE)
            return False
        if kind_of(head) == DICOM and path.name.upper() == "DICOMDIR":
            self._leave_out(name, DICOM_DIRECTORY)
            return False
        if not surely_a_picture(head):
            self._leave_out(name)
            return False
        return True

    def _leave_out(self, name: str, kind: str = "") -> None:
        self.left_out.append((kind or kind_by_name(name.rpartition("/")[2]), name))

    def _enter(self, path: Path, name: str, above: frozenset[_Identity]) -> None:
        identity = _identity(path)
        if identity is not None and identity == self.excluded:
            self.notes.append(not_searched(name, "the outputs"))
        elif path.name in OWN_FOLDERS and (path.parent / FILE_NAME).is_file():
            self.notes.append(not_searched(name, OWN_FOLDERS[path.name]))
        elif identity in above:
            self.notes.append(
                f"{printable(name)}/ links back to a folder above and was not entered"
            )
        else:
            self.pending.append((path, name + "/", above))


def not_searched(name: str, what: str) -> str:
    """Return the note of a folder that holds what a run left there."""
    return f"{printable(name)}/ holds {what} and was not searched"


def _stat_problem(entry: os.DirEntry[str], error: OSError) -> str:
    if entry.is_symlink() and error.errno == errno.ENOENT:
        return "a broken link: what it points to does not exist"
    if error.errno == errno.ELOOP:
        return "a link that leads to itself"
    return f"cannot be read ({error.strerror})"

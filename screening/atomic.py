"""Writing so that a reader sees the old or the new, never half of either: files and folders."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

HALF_WRITTEN = ".part"
"""How the names of files and folders begin that are not in place yet."""
# Windows makes safe only what was opened for writing, and opens no folder.
_TO_SYNC = os.O_RDONLY if os.name == "posix" else os.O_RDWR


def replace_files(folder: Path, contents: Mapping[str, str]) -> None:
    """Write every text of `contents` (name to text) into `folder`, UTF-8.

    All are complete on disk under hidden names before the first takes its place, in the order
    given: put last the one whose presence means that the set is whole.
    """
    prepared: list[tuple[Path, Path]] = []
    try:
        for name, text in contents.items():
            prepared.append((_hidden(folder / name), folder / name))
            with prepared[-1][0].open("w", encoding="utf-8", newline="") as file:
                file.write(text)
            _sync(prepared[-1][0])
        for hidden, final in prepared:
            os.replace(hidden, final)
    finally:
        for hidden, _ in prepared:
            with contextlib.suppress(OSError):
                hidden.unlink(missing_ok=True)
    _sync_names(folder)


@contextlib.contextmanager
def replaced_file(path: Path, writer: str = "") -> Iterator[Path]:
    """Yield a hidden path beside `path`, of the same endings, to write one file to.

    At the end of the block that file is on disk and takes the place of `path`; after any error
    inside, `path` is as it was. `writer` tells processes apart that may write the same file.
    """
    hidden = _hidden(path, writer)
    try:
        yield hidden
        _sync(hidden)
        os.replace(hidden, path)
    finally:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
    _sync_names(path.parent)


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty hidden folder beside `folder`, to be filled; parents are made.

    At the end of the block its files are on disk and it takes the place of `folder`; after any
    error inside, `folder` is as it was. What a killed process left is cleared away, or put back
    where it was caught between.
    """
    fresh, old = _hidden(folder), folder.with_name(f".old-{folder.name}")
    if old.exists() and not folder.exists():
        os.replace(old, folder)
    for left_over in (fresh, old):
        if left_over.exists():
            shutil.rmtree(left_over)
    new = [parent for parent in folder.parents if not parent.exists()]
    fresh.mkdir(parents=True)
    try:
        yield fresh
        for place, _, names in os.walk(fresh, topdown=False):
            for name in names:
                _sync(Path(place, name))
            _sync_names(Path(place))
        if folder.exists():
            os.replace(folder, old)
        os.replace(fresh, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    for parent in (folder, *new):
        _sync_names(parent.parent)
    shutil.rmtree(old, ignore_errors=True)  # the new one is on disk by now


def _hidden(path: Path, writer: str = "") -> Path:
    """A hidden name beside `path` with its endings, which some libraries judge a file by."""
    return path.with_name(f"{HALF_WRITTEN}{writer}-{path.name}")


def _sync_names(folder: Path) -> None:
    """Make the names in a folder survive a loss of power, where the system knows of that."""
    with contextlib.suppress(OSError):
        _sync(folder)


def _sync(path: Path) -> None:
    """Make what was written to a file survive a loss of power."""
    descriptor = os.open(path, _TO_SYNC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

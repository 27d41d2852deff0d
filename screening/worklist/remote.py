"""Folders on other machines, such as s3://bucket/karyograms, by way of fsspec.

An object is fetched whole into a file of this machine by the thread that prepares the picture, and
is from there on a picture like any other: what a connection does is never taken for what is wrong
with a picture. Credentials are where the provider's own tools look for them, never in an address.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from screening.errors import ImageError, ScreeningError
from screening.worklist.printable import printable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from screening.images.frames import Frames

_BLOCK = 1 << 16  # bytes asked for at once where only headers are read
_MOST_LOST = 8  # fetches in a row that found no connection: then none is tried for a while
_PAUSE = 30.0  # seconds
_LONGEST = 120  # characters of an error's own words
_NO_CONNECTION = re.compile("Connect|Timeout|Timed|Gaierror|Payload|Incomplete")


class RemoteError(ScreeningError):
    """Names an address that cannot be used, and why."""

    exit_status = 1


class CannotFetch(ImageError):
    """Names an object that cannot be fetched, and why."""


class RemoteFolder:
    """A folder at an `address`; any thread may fetch from it, and it travels to other processes."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._numbers = count()
        self._lost, self._try_again = 0, 0.0

    def __reduce__(self) -> tuple[type[RemoteFolder], tuple[str]]:
        return RemoteFolder, (self.address,)

    def __str__(self) -> str:
        return self.address

    __repr__ = __str__

    @cached_property
    def where(self) -> tuple[AbstractFileSystem, str]:
        """Return what reads and writes there, and the folder's path in it; RemoteError when this
        installation knows no such place."""
        try:
            import fsspec

            files, root = fsspec.core.url_to_fs(self.address)
        except ImportError as error:
            brought = urlsplit(self.address).scheme in ("s3", "s3a", "memory")
            how = "pip install '.[remote]' in the folder of this program" if brought else str(error)
            raise RemoteError(
                f"{self.address} expects a package that is not installed: {how}"
            ) from error
        except ValueError as error:
            raise RemoteError(
                f"expected an address such as s3://bucket/folder, received {self.address} ({error})"
            ) from error
        return files, root.rstrip("/")

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every object in the folder and its sub-folders, by its name relative
        to the folder; RemoteError when they cannot be listed."""
        files, root = self.where
        try:
            files.invalidate_cache()
            found: dict[str, dict[str, Any]] = files.find(root, detail=True)
        except Exception as error:  # every kind of file system has its own errors
            raise RemoteError(f"cannot list {self.address}: {advice(error)}") from error
        if set(found) == {root}:
            raise RemoteError(f"expected a folder of pictures, but {self.address} is a file")
        named = {path.removeprefix(root).lstrip("/"): one for path, one in found.items()}
        # What ends in / stands for a folder, as some tools make them.
        return {n: int(one["size"] or 0) for n, one in named.items() if n and not n.endswith("/")}

    def holds(self, name: str) -> bool:
        """Return whether there is an object of that name; CannotFetch when that cannot be asked."""
        with self._told(name):
            files, root = self.where
            return bool(files.isfile(f"{root}/{name}"))

    def head(self, name: str, size: int) -> bytes:
        """Return the first bytes of an object; CannotFetch when there are none to be had."""
        with self._told(name):
            files, root = self.where
            head: bytes = files.cat_file(f"{root}/{name}", start=0, end=size)
        return head

    def count_frames(self, file: RemoteFile) -> Frames:
        """Return how many frames an object holds, as of a file; CannotFetch when it cannot be had.

        Only its headers are read, but of one that is odd or damaged all.
        """
        from screening.images.frames import count_frames, frames_in  # slow to import

        files, root = self.where
        try:
            with files.open(
                f"{root}/{file.name}", block_size=_BLOCK, cache_type="readahead"
            ) as opened:
                frames = frames_in(opened)
            if not frames.problem:
                return frames
        except Exception:  # of the connection or of the picture: the whole object tells
            pass
        with self.at_hand(file) as path:
            return count_frames(path)

    @contextmanager
    def at_hand(self, file: RemoteFile, frames: int = 1) -> Iterator[Path]:
        """Yield a file of this machine with the content of an object, fetched once until so many
        `frames` of it were asked for; CannotFetch says why there is none."""
        with self._lock:
            if file.name not in self._kept:
                self._kept[file.name] = _Kept(self._scratch / str(next(self._numbers)))
            kept = self._kept[file.name]
            kept.begun += 1
            if kept.begun == frames:
                del self._kept[file.name]
        try:
            with kept.lock:
                if kept.error is not None:
                    raise kept.error
                if not kept.path.exists():
                    try:
                        self._fetch(file, kept.path)
                    except CannotFetch as error:
                        kept.error = error
                        raise
            yield kept.path
        finally:
            with self._lock:
                kept.done += 1
                if kept.done == frames:
                    kept.path.unlink(missing_ok=True)

    @cached_property
    def _scratch(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="screening-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _fetch(self, file: RemoteFile, target: Path) -> None:
        from screening.images.read import too_many_bytes  # slow to import

        if problem := too_many_bytes(file.size):
            raise CannotFetch(file.address, problem)
        if self._lost >= _MOST_LOST and time.monotonic() < self._try_again:
            raise CannotFetch(file.address, f"no connection to {file.address} (lost for some time)")
        try:
            with self._told(file.name):
                files, root = self.where
                files.get_file(f"{root}/{file.name}", str(target))
        except CannotFetch:
            target.unlink(missing_ok=True)
            raise

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """What fails inside is told in words, of the object of that name."""
        address = printable(f"{self.address}/{name}")
        try:
            yield
            self._lost = 0
        except ScreeningError:
            raise
        except Exception as error:  # every kind of file system has its own errors
            if isinstance(error, FileNotFoundError):
                reason = f"not there any more: {address}"
            elif isinstance(error, PermissionError):
                reason = f"access denied to {address} ({_words(error)})"
            elif _is_of_connection(error):
                self._lost, self._try_again = self._lost + 1, time.monotonic() + _PAUSE
                reason = f"no connection to {address} ({_words(error)})"
            else:
                reason = f"cannot be fetched from {address} ({_words(error)})"
            raise CannotFetch(address, reason) from error


@dataclass(frozen=True)
class RemoteFile:
    """An object in a remote folder, by its name there, and its size in bytes."""

    folder: RemoteFolder
    name: str
    size: int = 0

    @property
    def address(self) -> str:
        """Return where it is, printable."""
        return printable(f"{self.folder.address}/{self.name}")


@dataclass(eq=False)
class _Kept:
    """An object on its way into a file, or there: how many were `begun` and `done` with it."""

    path: Path
    begun: int = 0
    done: int = 0
    error: CannotFetch | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


def place_of(text: str) -> Path | RemoteFolder:
    """Return the folder that an argument names, of this machine or at an address such as
    s3://bucket/folder; ScreeningError for an address that holds what should be secret."""
    scheme, _, rest = text.partition("://")
    if not rest or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+", scheme):
        return Path(text)
    if scheme == "file":
        from urllib.request import url2pathname  # slow to import

        return Path(url2pathname(urlsplit(text).path))
    if re.match(r"[^/]*:[^/]*@", rest) or "?" in rest:
        raise ScreeningError(
            f"expected a plain address such as {scheme}://…/folder, received one with a password "
            f"or a query: {CREDENTIALS}"
        )
    return RemoteFolder(text.rstrip("/"))


CREDENTIALS = (
    "give credentials by environment variables or the provider's configuration file, never in the "
    "address"
)


def advice(error: Exception) -> str:
    """Return why something is not to be had, and what to do."""
    if isinstance(error, FileNotFoundError):
        return f"it does not exist ({_words(error)})"
    if isinstance(error, PermissionError):
        return f"access denied ({_words(error)}): check the credentials"
    if "Credentials" in type(error).__name__:
        return f"no credentials ({_words(error)}): {CREDENTIALS}"
    if _is_of_connection(error):
        return f"no connection ({_words(error)}): check address and network, then try again"
    return _words(error)


def _is_of_connection(error: Exception) -> bool:
    kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
    return bool(_NO_CONNECTION.search(kinds))


def _words(error: Exception) -> str:
    """The error's own words on one short line, without the query of any address."""
    line = " ".join(str(error).split()) or type(error).__name__
    return printable(re.sub(r"\?[^\s\"']*", "", line))[:_LONGEST]

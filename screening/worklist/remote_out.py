"""An output folder on another machine: the run works in one of this machine and brings it there.

A ledger cannot lie there itself: SQLite locks its file and writes in the midst of it, and an object
store knows neither. So the ledger is fetched before the run, and everything brought back behind it,
the ledger first and run.json last. Until all is there it stays here, and `--resume` goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from screening.atomic import HALF_WRITTEN, replace_files, replaced_file
from screening.errors import ScreeningError
from screening.worklist.ledger import FILE_NAME
from screening.worklist.outputs import OUTPUT_NAMES
from screening.worklist.remote import RemoteError, RemoteFolder, advice
from screening.worklist.run import make_folder

_STATE = ".remote.json"
_PROBE = f"{HALF_WRITTEN}-probe"


@contextmanager
def worked_on(
    out: Path | RemoteFolder, resume: bool = False, overwrite: bool = False
) -> Iterator[Path]:
    """Yield the folder of this machine in which the results for `out` are made; at the end of the
    block they are brought there.

    With `resume` the ledger that is there is here; without, and without `overwrite`, there may be
    no results there. Raises ScreeningError that names the address and the reason; whatever fails,
    the results made so far stay in the folder, which the sentence names.
    """
    if isinstance(out, Path):
        yield out
        return
    here = _folder_for(out)
    make_folder(here)
    try:
        _begin(here, out, resume, overwrite)
        yield here
    except ScreeningError as error:
        if not (here / FILE_NAME).exists():
            shutil.rmtree(here, ignore_errors=True)
        error.args = (str(error).replace(str(here), f"{out} (worked on in {here})"),)
        raise
    _bring(here, out)
    shutil.rmtree(here, ignore_errors=True)


@contextmanager
def fetched(out: Path | RemoteFolder) -> Iterator[Path]:
    """Yield an output folder for reading: `out` itself, or a copy of the ledger that is there."""
    if isinstance(out, Path):
        yield out
        return
    with TemporaryDirectory(prefix="screening-") as name:
        _fetch_ledger(Path(name), out)
        yield Path(name)


def _folder_for(out: RemoteFolder) -> Path:
    """Where results for an address are made: always the same, so that a run can be resumed."""
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    above = Path(home) if home else Path.home() / ".cache"
    return above / "screening" / hashlib.sha256(out.address.encode()).hexdigest()[:16]


def _begin(here: Path, out: RemoteFolder, resume: bool, overwrite: bool) -> None:
    here.chmod(0o700)  # pictures of patients are in the ledger
    _check_writable(out)
    there = _stamp(out)
    if not resume:
        held = [name for name in (FILE_NAME, *OUTPUT_NAMES) if _holds(out, name)]
        if held and not overwrite:
            raise ScreeningError(
                f"{out} holds {held[0]} of an earlier run: use --resume to go on with it, "
                "--overwrite to start anew, or another --out"
            )
    elif (here / FILE_NAME).exists():
        if _known_stamp(here) != there:
            raise _written_meanwhile(here, out)
        return
    elif there:
        _fetch_ledger(here, out)
    _note_stamp(here, there)


def _bring(here: Path, out: RemoteFolder) -> None:
    files, root = out.where
    if _known_stamp(here) != _stamp(out):
        raise _written_meanwhile(here, out)
    made = [path.relative_to(here).as_posix() for path in sorted(here.rglob("*")) if path.is_file()]
    order = {name: place for place, name in enumerate(OUTPUT_NAMES, 1)} | {FILE_NAME: -1}
    for name in sorted(made, key=lambda name: order.get(name, 0)):
        if name == _STATE:
            continue
        try:
            files.put_file(str(here / name), f"{root}/{name}")
        except Exception as error:  # every kind of file system has its own errors
            raise RemoteError(
                f"cannot write to {out}: {advice(error)}. Every result is kept in {here}: the same "
                "command with --resume on this machine brings them there"
            ) from error
        if name == FILE_NAME:
            _note_stamp(here, _stamp(out))


def _check_writable(out: RemoteFolder) -> None:
    """Raise RemoteError now and not after hours of work."""
    files, root = out.where
    try:
        files.pipe_file(f"{root}/{_PROBE}", b"")
    except Exception as error:  # every kind of file system has its own errors
        raise RemoteError(f"cannot write to {out}: {advice(error)}") from error
    with suppress(Exception):  # who may write need not be allowed to delete
        files.rm_file(f"{root}/{_PROBE}")


def _fetch_ledger(here: Path, out: RemoteFolder) -> None:
    files, root = out.where
    try:
        with replaced_file(here / FILE_NAME) as path:
            files.get_file(f"{root}/{FILE_NAME}", str(path))
    except Exception as error:  # every kind of file system has its own errors
        raise RemoteError(f"cannot fetch {out}/{FILE_NAME}: {advice(error)}") from error


def _stamp(out: RemoteFolder) -> str:
    """What differs for every ledger that is written there; "" for none."""
    files, root = out.where
    try:
        files.invalidate_cache()
        about = files.info(f"{root}/{FILE_NAME}")
    except FileNotFoundError:
        return ""
    except Exception as error:  # every kind of file system has its own errors
        raise RemoteError(f"cannot read {out}: {advice(error)}") from error
    known = ("size", "ETag", "LastModified", "mtime", "created")
    return "; ".join(str(about[name]) for name in known if name in about)


def _holds(out: RemoteFolder, name: str) -> bool:
    files, root = out.where
    return bool(files.exists(f"{root}/{name}"))


def _known_stamp(here: Path) -> str:
    try:
        return str(json.loads((here / _STATE).read_text("utf-8"))["ledger"])
    except (OSError, ValueError, KeyError):
        return ""


def _note_stamp(here: Path, stamp: str) -> None:
    replace_files(here, {_STATE: json.dumps({"ledger": stamp})})


def _written_meanwhile(here: Path, out: RemoteFolder) -> RemoteError:
    return RemoteError(
        f"another run has written to {out} meanwhile: what this one made is kept in {here}, a "
        "whole output folder; move it to where you want it, then start again with --resume"
    )

"""A training on disk: replaced as a whole, so that a kill at any moment leaves a good one.

One file, `.npz` without pickles: named arrays and a JSON text.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from screening.atomic import replaced_file
from screening.errors import ScreeningError

_META = "meta"


class DiskError(ScreeningError):
    """The disk refuses to be written: nothing that was finished is lost, nothing can go on."""


def save_state(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Replace `path` by the arrays (no name may be "meta") and the JSON-able `meta`.

    DiskError when there is no room or no permission: the last good state is then still there.
    """
    text = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(path) as part, part.open("wb") as file:
            # The checker takes any name for `allow_pickle`, which is no name of an array here.
            np.savez(file, **{_META: text}, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        kept = "the last one is intact" if path.exists() else "there is none yet"
        raise DiskError(
            f"{path}: the checkpoint cannot be written ({error.strerror or error}); {kept}. Free "
            "some disk, then go on with --resume"
        ) from error


@contextlib.contextmanager
def disk_errors_told(folder: Path) -> Iterator[None]:
    """Turn whatever the disk refuses inside into a DiskError that says how to go on."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{folder}: cannot be written ({error.strerror or error}); what is finished is kept. "
            "Mend that, then go on with --resume"
        ) from error


def load_state(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return (arrays, meta) of `path`, None where there is no such file.

    ScreeningError for a file that is damaged or of something else.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        meta = json.loads(arrays.pop(_META).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ScreeningError(
            f"{path}: not a readable checkpoint ({error}); remove it to start this stage again"
        ) from error
    return arrays, meta


def packed(prefix: str, values: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the values under numbered names, as `unpacked` finds them again."""
    return {f"{prefix}{number:05d}": value for number, value in enumerate(values)}


def unpacked(prefix: str, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the values whose names begin with `prefix`, in order."""
    return [arrays[name] for name in sorted(arrays) if name.startswith(prefix)]

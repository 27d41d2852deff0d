"""Writing files so that a reader sees the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path


def replace_files(folder: Path, contents: Mapping[str, str]) -> None:
    """Writes every text of `contents` (name to text) into `folder`, UTF-8.

    All are complete on disk under hidden names before the first takes its place, in the order
    given: put last the one whose presence means that the set is whole.
    """
    prepared: list[tuple[Path, Path]] = []
    try:
        for name, text in contents.items():
            hidden = folder / f".{name}.tmp"
            prepared.append((hidden, folder / name))
            with hidden.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for hidden, final in prepared:
            os.replace(hidden, final)
    finally:
        for hidden, _ in prepared:
            with contextlib.suppress(OSError):
                hidden.unlink(missing_ok=True)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Makes the new names themselves durable, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""What a long command does, one JSON object a line, for the machines that watch over it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from screening.errors import ScreeningError

_file: TextIO | None = None
_command = ""


@contextlib.contextmanager
def log_to(path: Path | None, command: str) -> Iterator[None]:
    """Let `note` append to the file `path` inside the block (None: nowhere); ScreeningError when
    it cannot be opened."""
    global _file, _command
    if path is None:
        yield
        return
    try:
        _file, _command = path.open("a", encoding="utf-8"), command
    except OSError as error:
        raise ScreeningError(
            f"cannot write to --log-json {path} ({error.strerror}): choose another file"
        ) from error
    try:
        yield
    finally:
        file, _file = _file, None
        with contextlib.suppress(OSError):
            file.close()


def note(event: str, **facts: object) -> None:
    """Write one event with the time and what is told of it, where a log was asked for."""
    if _file is None:
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "command": _command, "event": event, **facts}
    with contextlib.suppress(OSError):  # a full disk under the log is no reason to stop the work
        _file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        _file.flush()

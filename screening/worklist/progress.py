"""How far a run is: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from screening.events import note

LINE_SECONDS = 30.0  # between two lines where there is no terminal, e.g. in a log file


class RunProgress:
    """Shows on stderr how many of `total` pictures are done; `quiet` shows nothing."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        self.total, self.done = total, 0
        self.console = Console(file=sys.stderr)
        self._lines = not quiet and not self.console.is_terminal
        self._last_line = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._bar = Progress(
            TextColumn("Screening"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=self.console,
            disable=quiet or not self.console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("screening", total=total)

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, count: int) -> None:
        """Note that `count` more pictures are done."""
        self.done += count
        note("progress", done=self.done, total=self.total)
        self._bar.advance(self._task, count)
        if self._lines and time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            left = ""
            if self._first is not None:
                # Before the first networks load, and of single pictures all are seen.
                since, before = self._first
                each = (self._last_line - since) / max(self.done - before, 1)
                left = f", about {each * (self.total - self.done) / 60:.0f} min left"
            print(f"{self.done} of {self.total} pictures{left}",
                  file=self.console.file, flush=True)  # fmt: skip
        if self._first is None:
            self._first = time.monotonic(), self.done

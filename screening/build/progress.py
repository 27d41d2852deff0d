"""What a person sees of a build: a line per stage, how far it is and how long it may take."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path

from rich.console import Console

from screening.events import note
from screening.train.durations import in_words

EVERY = 15.0
"""Seconds between two lines of one stage."""


class BuildProgress:
    """Prints lines on stderr (`quiet`: none) and appends each, with the time, to the file `log`."""

    def __init__(self, log: Path | None, quiet: bool = False, console: Console | None = None):
        self.log, self.quiet = log, quiet
        self.console = console or Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._title = ""
        self._last = self._since = 0.0
        self._first: float | None = None

    def begin(self, title: str, resumed: bool = False) -> None:
        """Tell that a stage begins or goes on."""
        self._title, self._last, self._first = title, 0.0, None
        self.say(f"{title}: {'goes on' if resumed else 'begins'}")

    def tick(self, done: float, total: float, what: str = "") -> None:
        """Tell that `done` of `total` is done, now and then, with the time left.

        The first call says where a stage begins: what was done before does not count for its speed.
        """
        now = time.monotonic()
        if self._first is None:
            self._first, self._since, self._last = done, now, now
            return
        if now - self._last < EVERY:
            return
        self._last = now
        note("progress", stage=self._title, done=done, total=total)
        rate = (done - self._first) / (now - self._since)
        left = f", about {in_words((total - done) / rate)} left" if rate > 0 else ""
        if not self.quiet:
            text = f"{self._title}: {done:g} of {total:g} {what}".rstrip() + left
            self.console.print(text, markup=False)

    def say(self, text: str) -> None:
        """Print a line unless quiet, and keep it in the logs."""
        note("message", text=text)
        if self.log is not None:
            stamp = datetime.now().astimezone().isoformat(timespec="seconds")
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{stamp} {text}\n")
        if not self.quiet:
            self.console.print(text, markup=False)

"""A folder that is looked at again and again: pictures are screened as they arrive.

Every round is a run of `screen_folder` that goes on with the results in the output folder, over the
files that do not change any more. Looking is polling: no file system tells of a network drive's
changes. So nothing is kept but the ledger, and a watch that was stopped or killed just starts anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from screening.errors import ScreeningError
from screening.images.kinds import SUPPORTED_SUFFIXES
from screening.karyogram.locate import Locator
from screening.worklist.content import Digests
from screening.worklist.discover import (
    NoFolder,
    NothingToScreen,
    PictureFile,
    check_folder,
    discover,
)
from screening.worklist.ledger import LedgerInUse
from screening.worklist.pipeline import CellReader, Look, Scorer
from screening.worklist.run import Settings, Summary, looking, screen_folder

PATIENCE = 60.0
"""Seconds after which a file that stays empty or locked is taken all the same, and fails."""

_STEP = 0.2  # seconds between two questions whether to stop
_Stamp = tuple[int, ...] | None


@dataclass(frozen=True)
class _Seen:
    """A file as it was at one look: `stamp` is None for what cannot be asked; `since`: when it was
    first seen like this, in seconds of the monotonic clock."""

    stamp: _Stamp
    since: float


class Watch:
    """Screens `settings.folder` in rounds until `stop` is true, a look every `every` seconds.

    A file is taken once it has size and time of change as at the look before and can be opened.
    `say` gets a line for every round and for what keeps the watch waiting.
    """

    def __init__(
        self,
        settings: Settings,
        scorer: Scorer,
        locator: Locator,
        reader: CellReader | None,
        *,
        every: float,
        stop: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        self.settings = replace(settings, resume=True, overwrite=False)
        self.scorer, self.locator, self.reader = scorer, locator, reader
        self.every, self.stop, self.say = every, stop, say
        self.summary: Summary | None = None
        self._seen: dict[Path, _Seen] = {}
        self._done: dict[Path, _Stamp] = {}
        self._digests: Digests = {}
        self._said = ""

    def run(self) -> Summary | None:
        """Return how the last round ended once `stop` is true; None when no picture came.

        Raises ScreeningError for what is wrong from the start, and later for what no waiting
        mends: a full disk, memory, a ledger that is gone.
        """
        check_folder(self.settings.folder)
        with looking(self.settings, self.scorer, self.locator) as look:
            while not self.stop():
                try:
                    settled = self._settled()
                    if settled and settled != self._done and not self.stop():
                        self._round(settled, look)
                except (NoFolder, NothingToScreen, LedgerInUse) as error:
                    if self.summary is None and isinstance(error, LedgerInUse):
                        raise
                    self._waiting(error)
                self._pause()
        return self.summary

    def _settled(self) -> dict[Path, _Stamp]:
        """The files that are as they were at the last look; none while the folder is away."""
        settings = self.settings
        try:
            found = discover(
                settings.folder, SUPPORTED_SUFFIXES, settings.case_from, settings.out
            ).images
        except NothingToScreen:
            found = ()
        except ScreeningError as error:
            if self.summary is None and not isinstance(error, NoFolder):
                raise
            self._waiting(error)
            found = ()
        before, now = self._seen, time.monotonic()
        self._seen = {}
        settled: dict[Path, _Stamp] = {}
        for one in found:
            stamp, earlier = _stamp_of(one.path), before.get(one.path)
            if earlier is None or earlier.stamp != stamp:
                self._seen[one.path] = _Seen(stamp, now)
                continue
            self._seen[one.path] = earlier
            if one.problem or now - earlier.since >= PATIENCE or _can_be_read(one.path, stamp):
                settled[one.path] = stamp
        if not settled:
            self._done = {}  # a drive that was away: what failed meanwhile is tried again
        return settled

    def _round(self, settled: dict[Path, _Stamp], look: Look) -> None:
        failed = self.summary.statuses.get("failed", 0) if self.summary is not None else 0

        def ready(found: PictureFile) -> bool:
            return found.path in settled

        self.summary = screen_folder(
            self.settings, self.scorer, self.locator, self.reader,
            ready=ready, stop=self.stop, digests=self._digests, look=look,
        )  # fmt: skip
        self._said = ""
        self.say(_line(self.summary))
        # A drive may have been away in the midst of it: what has newly failed gets a second try.
        worse = self.summary.statuses.get("failed", 0) > failed
        self._done = {} if worse else settled

    def _waiting(self, error: ScreeningError) -> None:
        if str(error) != self._said:
            self._said = str(error)
            self.say(f"waiting: {error}")

    def _pause(self) -> None:
        until = time.monotonic() + self.every
        while not self.stop() and (left := until - time.monotonic()) > 0:
            time.sleep(min(_STEP, left))


def _line(summary: Summary) -> str:
    routes = ", ".join(f"{count} {route}" for route, count in sorted(summary.routes.items()))
    return f"{summary.new} read anew, {sum(summary.statuses.values())} in the list: {routes}"


def _stamp_of(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _can_be_read(path: Path, stamp: _Stamp) -> bool:
    """Whether a file has content and nobody keeps it locked, as some systems do while it grows."""
    if stamp is None or not stamp[2]:
        return False
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return False
    return True

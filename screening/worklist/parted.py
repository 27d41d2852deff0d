"""The pictures of a run scored elsewhere, part by part; the ledger stays here.

Whoever scores a part does with it what `run_pipeline` does. What comes back is in the ledger at
once; a part whose worker was lost is given to another, at last picture by picture: one that takes
its worker with it each time is one failed row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from screening.errors import ScreeningError
from screening.events import note
from screening.record import Picture
from screening.worklist.discover import PictureFile
from screening.worklist.guard import lost_with_workers

if TYPE_CHECKING:
    from screening.worklist.ledger import Ledger

_TRIES = 2  # of a part as it is, then of each of its pictures alone
_MOST_LOST = 12  # in a row, and thrice as many as are under way: no picture's fault


class WorkersLost(ScreeningError):
    """Says that nobody is left who scores."""

    exit_status = 1


@dataclass
class Collected:
    """What `run_pipeline` makes of a part, in place of a ledger."""

    earlier: Mapping[str, str]
    results: list[Picture] = field(default_factory=list)
    kept: list[Picture] = field(default_factory=list)

    def known(self) -> Mapping[str, str]:
        """Return the content hash, by name, of every picture that needs no new result."""
        return self.earlier

    def add(self, results: Sequence[Picture], kept: Collection[Picture] = ()) -> None:
        """Store results, and those that were known already."""
        self.results += results
        self.kept += kept


@dataclass(frozen=True)
class Scored:
    """A part that came back: `new` of its pictures needed a new result; `device` and `engine` that
    made them, "" where no network was needed."""

    collected: Collected
    new: int
    device: str = ""
    engine: str = ""


@dataclass(frozen=True)
class Lost:
    """A part whose worker was lost, and why, as far as that is known."""

    why: str


@dataclass(frozen=True)
class Part:
    """Some pictures, so many times `lost` already."""

    images: tuple[PictureFile, ...]
    lost: int = 0


class Crew(Protocol):
    """Those who score: `room` for so many parts at once; `begin` gives one to them, with the
    content hashes that are known; `next` waits for one of those begun. It raises ScreeningError
    for what is wrong with the run, or when nobody is left."""

    def room(self) -> int: ...

    def begin(self, part: Part, known: Mapping[str, str]) -> None: ...

    def next(self) -> tuple[Part, Scored | Lost]: ...


@dataclass(frozen=True)
class HowScored:
    """How many pictures needed a new result, on which device and by which engine they got it (""
    for none), and what has to be said of that."""

    new: int
    device: str = ""
    engine: str = ""
    warnings: tuple[str, ...] = ()


def run_parted(
    images: Sequence[PictureFile],
    crew: Crew,
    ledger: Ledger,
    *,
    most: int = 32,
    advance: Callable[[int], None] = lambda count: None,
) -> HowScored:
    """Return how the pictures were scored by the `crew`, `most` of them at once by one worker;
    `ledger` gets each part when it comes back, and `advance` is told its size.

    Raises WorkersLost when one worker after the other is lost, and what the crew raises.
    """
    known = ledger.known()
    waiting = deque(_parts(images, crew.room(), most))
    under_way = new = lost = most_under_way = 0
    used: set[tuple[str, str]] = set()
    while waiting or under_way:
        while waiting and under_way < max(1, crew.room()):
            part = waiting.popleft()
            names = {found.name for found in part.images}
            crew.begin(part, {name: known[name] for name in names & known.keys()})
            under_way += 1
        most_under_way = max(most_under_way, under_way)
        part, came = crew.next()
        under_way -= 1
        if isinstance(came, Lost):
            lost += 1
            note("worker-lost", why=came.why, pictures=[found.name for found in part.images])
            if lost > max(_MOST_LOST, 3 * most_under_way):
                raise WorkersLost(
                    f"the cluster lost {lost} workers one after the other ({came.why}): what is "
                    "done is kept; see `ray status`, then use --resume"
                )
            given_up, again = _again(part)
            waiting.extendleft(reversed(again))
            came = Scored(Collected({}, given_up), len(given_up))
        else:
            lost = 0
        ledger.add(came.collected.results, came.collected.kept)
        advance(len(came.collected.results) + len(came.collected.kept))
        new += came.new
        if came.engine:
            used.add((came.device, came.engine))
    devices, engines = (sorted({one[at] for one in used}) for at in (0, 1))
    said = (unequal(", ".join(engines)),) if len(engines) > 1 else ()
    return HowScored(new, ", ".join(devices), ", ".join(engines), said)


def unequal(engines: str) -> str:
    """Return the warning of a run whose workers did not all compute alike."""
    return (
        f"the workers of the cluster ran the networks by different engines ({engines}): numbers "
        "may differ from those of one machine; --engine chooses one for all"
    )


def _parts(images: Sequence[PictureFile], room: int, most: int) -> list[Part]:
    """The pictures in parts of `most` at most, enough of them for everybody."""
    size = max(1, min(most, -(-len(images) // max(1, room))))
    return [Part(tuple(images[at : at + size])) for at in range(0, len(images), size)]


def _again(part: Part) -> tuple[list[Picture], list[Part]]:
    """What is given up of a part that was lost, and what is tried again."""
    lost = part.lost + 1
    if lost < _TRIES or (lost < 2 * _TRIES and len(part.images) == 1):
        return [], [Part(part.images, lost)]
    if len(part.images) > 1:
        return [], [Part((found,), lost) for found in part.images]
    (found,) = part.images
    return [Picture(found.name, found.case, reason=lost_with_workers(lost))], []

"""What a folder holds besides pictures: counted and named, so that nothing is left out unsaid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from screening.worklist.printable import printable

HIDDEN = "hidden"
NO_SUFFIX = "without suffix"
DICOM_DIRECTORY = "DICOM directory"
UNREADABLE = "that cannot be opened"
_MOST_NAMES = 20  # in run.json
_MOST_SAID = 4  # kinds, and names, in one sentence
_LONGEST_SUFFIX = 12


@dataclass(frozen=True)
class LeftOut:
    """`kinds`: how many files of each suffix (or HIDDEN, NO_SUFFIX, DICOM_DIRECTORY, UNREADABLE),
    most frequent first; `names`: the first ones by name, printable."""

    kinds: dict[str, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @staticmethod
    def of(files: Iterable[tuple[str, str]]) -> LeftOut:
        """Return what (kind, name) of every file left out amounts to."""
        listed = sorted(files, key=lambda file: (file[0] == HIDDEN, file[1]))
        counts = Counter(kind for kind, _ in listed)
        kinds = dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
        return LeftOut(kinds, tuple(printable(name) for _, name in listed[:_MOST_NAMES]))

    @property
    def count(self) -> int:
        """Return how many files there are of all kinds."""
        return sum(self.kinds.values())

    def __str__(self) -> str:
        """Return such as `3 (2 .csv, 1 hidden), such as a.csv, b.csv`; `0` for nothing."""
        if not self.kinds:
            return "0"
        parts = [f"{number} {kind}" for kind, number in list(self.kinds.items())[:_MOST_SAID]]
        rest = self.count - sum(list(self.kinds.values())[:_MOST_SAID])
        parts += [f"{rest} of other kinds"] if rest else []
        names = ", ".join(self.names[:_MOST_SAID])
        return f"{self.count} ({', '.join(parts)}), such as {names}"


def kind_by_name(name: str) -> str:
    """Return the kind of a file that is no picture, from its name: its suffix in lower case."""
    if name.startswith("."):
        return HIDDEN
    suffix = printable(Path(name).suffix.lower())
    return suffix if 1 < len(suffix) <= _LONGEST_SUFFIX else NO_SUFFIX

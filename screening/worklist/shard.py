"""One of several parts of a folder, so that as many machines share the work.

Whole cases go to a part, by their names alone: each part's list is complete for its cases, and
which part a picture belongs to never hangs on what else lies in the folder.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from screening.errors import ScreeningError

MOST = 10_000
"""More parts than any cluster gives one job array."""


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, counted from 1."""

    number: int
    count: int

    @staticmethod
    def of(text: str) -> Shard:
        """Return the part that a text such as `3/8` names; ScreeningError when it names none."""
        match = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text)
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count <= MOST:
            raise ScreeningError(
                f"--shard expects such as 3/8, the third of eight parts, received {text!r}"
            )
        return Shard(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, case: str) -> bool:
        """Return whether the cells of `case` belong to this part."""
        digest = hashlib.sha256(case.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

"""What was seen in one picture, chromosome by chromosome, as plain values that can be kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Placed:
    """One chromosome: its box as fractions (0–1) of the trimmed page, the class it reads as
    ("?" when none) with its probability, the slot it stands in ("" when unknown), and what a
    person should know: `doubtful` to read, `missorted` (stands in another class's slot)."""

    x: float
    y: float
    w: float
    h: float
    name: str
    probability: float
    slot: str = ""
    doubtful: bool = False
    missorted: bool = False


@dataclass(frozen=True)
class PictureEvidence:
    """The reading of one picture.

    `features`: what the fusion weighs, by name. `karyotypes`: (ISCN of one cell, posterior), most
    probable first. `p_normal`: posterior of 46,XX and 46,XY together. `layout_score`: 0–1, how well
    the objects follow the order of a karyogram. `iscn`: the suggested karyotype, "" when none is
    probable enough. `counts`: how many of each class. `gains_and_losses`: such as "+21" of the most
    probable complement. `doubts`: sentences, each of which keeps the picture from the end of the
    work list. `notes`: sentences that do not. `crops`: (caption, JPEG in base64).
    """

    features: Mapping[str, float]
    chromosomes: tuple[Placed, ...] = ()
    karyotypes: tuple[tuple[str, float], ...] = ()
    p_normal: float = 0.0
    layout_score: float = 0.0
    iscn: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    gains_and_losses: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    crops: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> str:
        """Return one line of JSON; the same values give the same text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> PictureEvidence:
        """Return what `to_json` wrote."""
        values = json.loads(text)
        values["chromosomes"] = tuple(Placed(**one) for one in values["chromosomes"])
        for name in ("karyotypes", "crops"):
            values[name] = tuple((first, second) for first, second in values[name])
        for name in ("gains_and_losses", "doubts", "notes"):
            values[name] = tuple(values[name])
        return PictureEvidence(**values)

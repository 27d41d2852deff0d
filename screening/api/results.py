"""What is said of a picture, for a notebook or a script: the record with the rule's verdict."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from screening.classes import LOW_PRIORITY
from screening.evidence.witnesses import KNOWN, labels_of
from screening.karyogram.axis import medial_axis
from screening.karyogram.strip import strip
from screening.record import Picture, Verdict
from screening.report.work_list import WorkList, render_card
from screening.triage.cases import summarise_cases
from screening.triage.rule import Rule
from screening.worklist.rows import TRIAGE_COLUMNS, triage_row
from screening.worklist.tables import jsonl_text

_SPARE = 1.15  # of the width beside a chromosome, as its strip shows it
_UNREAD, _CLOSED, _OPEN = 290, 460, 760
"""Height of a card in px: without what was read, with it closed (low priority), and open."""


@dataclass(frozen=True, eq=False)
class ChromosomeResult:
    """One object found on the page, in reading order.

    `name`: the class it reads as, "1" to "22", "X", "Y", "mar" a marker, "?" no chromosome, with
    its probability `p` (0–1); `box`: x, y, w, h in pixels of the picture as displayed; `picture`:
    uint8 (h, w) as it stands there, white (255) outside its ink, which is `mask`, bool (h, w);
    `position`: the class in whose place it stands ("" unknown); `doubtful` to read; `misplaced`:
    surely another class than its position.
    """

    name: str
    p: float
    box: tuple[int, int, int, int]
    position: str
    doubtful: bool
    misplaced: bool
    picture: np.ndarray = field(repr=False)
    mask: np.ndarray = field(repr=False)

    @cached_property
    def strip(self) -> np.ndarray:
        """Return the chromosome straightened, uint8 (rows, columns), ink dark on 255, its upper end
        on top; a row and a column are each a pixel of the picture."""
        axis = medial_axis(self.mask, self.picture)
        columns = round(_SPARE * float(np.percentile(axis.width, 95))) + 6
        return strip(self.picture, self.mask, axis, max(round(axis.length), 1), columns, 1.0)


@dataclass(frozen=True, eq=False, repr=False)
class PictureResult:
    """What is said of one picture. Shows itself as a card in notebooks.

    `record`: all that is known, see `screening.record.Picture`; `rule`: by which it was judged;
    `chromosomes`: empty where they were not read (rejected, failed, a bundle without classifier).
    """

    record: Picture
    rule: Rule
    chromosomes: tuple[ChromosomeResult, ...] = ()

    @property
    def image(self) -> str:
        """Return the file's name, or "array-3" of the third in a list."""
        return self.record.image

    @property
    def status(self) -> str:
        """Return "ok", "rejected" (no karyogram to judge) or "failed"; `reasons` say why."""
        return self.record.status

    @property
    def verdict(self) -> Verdict:
        """Return all that the rule decided, with every pass and contribution."""
        return self.record.judged

    @property
    def route(self) -> str:
        """Return "flag", "review" or "low-priority", which never means normal."""
        return self.verdict.route

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why it is routed so, sentences, the weightiest first."""
        return self.verdict.reasons

    @property
    def prediction(self) -> str:
        """Return "normal" or "abnormal", "" when it was not judged."""
        return self.verdict.prediction

    @property
    def p_abnormal(self) -> float | None:
        """Return the mean fused score of the passes, 0–1; None when it was not judged."""
        return self.verdict.p_abnormal

    @property
    def confidence(self) -> float | None:
        """Return how sure the prediction is by the rule in use, 0–1; None when not judged."""
        return self.verdict.confidence

    @property
    def karyotype(self) -> str:
        """Return the suggested ISCN of this one cell, "" when none is probable enough."""
        return self.record.reading.iscn if self.record.reading is not None else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row of triage.jsonl: its names, and numbers with six decimals. `chromosomes`
        is how many were found."""
        row: dict[str, Any] = json.loads(jsonl_text(TRIAGE_COLUMNS, [triage_row(self.record)]))
        return row

    def __repr__(self) -> str:
        said = f"{self.image!r}, {self.status}, {self.route}"
        return f"PictureResult({said}{', ' if self.karyotype else ''}{self.karyotype})"

    def _repr_html_(self) -> str:
        """The card of the page, in a frame of its own: its style cannot reach the notebook's."""
        card = render_card(WorkList(
            title=self.image, pictures=(self.record,), facts=(), notes=(), rule=self.rule,
            cases=tuple(summarise_cases([self.record], self.rule)), labels=labels_of(KNOWN),
        ))  # fmt: skip
        read = _CLOSED if self.route == LOW_PRIORITY else _OPEN
        height = _UNREAD if self.record.reading is None else read
        look = f"width:100%;height:{height}px;border:0;resize:vertical"
        return f'<iframe sandbox style="{look}" srcdoc="{html.escape(card)}"></iframe>'

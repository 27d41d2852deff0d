"""What is known of a picture and a case, from the first look to the verdict: one record.

A `Picture` travels from decoding to the outputs and is added to, never copied into a twin: the
gate adds `status` and `warnings`, the network its passes, the reading its `Reading`, the witnesses
their `features`, `doubts` and `notes`, the rule its `Verdict`. Ledger, CSV, JSON lines and the page
read these very types. `to_dict` and `from_dict` are the one way to keep a picture.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from screening.classes import NOT_A_CHROMOSOME
from screening.errors import ScreeningError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 2
"""Of what `to_dict` writes; a record of another version is refused."""

Feature = float | tuple[float, ...]
"""A number, or one for each dropout pass."""


class RecordError(ScreeningError):
    """Says that a kept record cannot be read by this version, and the way on."""

    exit_status = 1


@dataclass(frozen=True)
class Seen:
    """What the reading of one object rests on, kept so that a cell can be read anew when a person
    says what a chromosome is.

    `classes`: the classifier's probabilities of the 24 classes and of no chromosome, to three
    digits; `relative`: its length in percent of the haploid autosomes (None: unknown); `box` x, y,
    w, h in pixels of the page; `row`, `group`, `area` as `evidence.slots.Page` has them.
    """

    classes: tuple[float, ...]
    relative: float | None
    box: tuple[int, int, int, int]
    row: int
    group: int
    area: int


@dataclass(frozen=True)
class Chromosome:
    """One object found on the page.

    `x`, `y`, `w`, `h`: its box as fractions (0–1) of the page without its margins, as thumbnails
    show it; `name`: the class it reads as ("mar" a marker, "?" no chromosome) with its probability;
    `position`: the class in whose place it stands ("" unknown); `doubtful` to read; `misplaced`:
    surely another class than its position. `outline`: x, y of the corners around its ink, likewise
    fractions (empty: not kept); `seen`: what the reading rests on (None: not kept).
    """

    name: str
    probability: float
    position: str = ""
    doubtful: bool = False
    misplaced: bool = False
    x: float = 0.0
    y: float = 0.0
    w: float = 0.0
    h: float = 0.0
    outline: tuple[tuple[float, float], ...] = ()
    seen: Seen | None = None


@dataclass(frozen=True)
class Banding:
    """How far a page's chromosomes show G bands.

    `agreement`: how much better their profiles correlate with the G bands of their own class than
    with those of the others, on average (about 0 in solid stain, 0.2–0.5 in G bands); `inverted`:
    the same of the inverted profiles (positive in R bands); `detail`: median spread of the fine
    bands in a profile, grey levels of 255, after the stain was stretched to 70–230; `softness`:
    see `karyogram.softness`.
    """

    agreement: float = 0.0
    inverted: float = 0.0
    detail: float = 0.0
    softness: float = 0.0


@dataclass(frozen=True)
class PairChange:
    """Two homologs of which one looks rearranged.

    `name`: their class; `first`, `second`: their places in `Reading.chromosomes`, `changed` that of
    the odd one; `log_odds` that one of them is changed, had half of all pairs a change, and the
    standard deviation `spread` over the dropout passes; `kind`: the odd one is "shorter" or
    "longer", or has other "bands", "" when no stretch of it stands out; `start`, `end`: where,
    fractions (0–1) of the class's length, and `bands` in words ("q22 to q34").
    """

    name: str
    first: int
    second: int
    changed: int
    log_odds: float
    spread: float
    kind: str = ""
    start: float = 0.0
    end: float = 1.0
    bands: str = ""


@dataclass(frozen=True)
class Structure:
    """What the two homologs of each class say of structural changes in the cell.

    `log_odds` that the cell has one, up to a constant (see `evidence.structure_cell`); `readable`:
    mean probability (0–1) that the rows of the chromosomes give to their own class; `compared`:
    how many pairs were, `odds` the log-odds of each by its class, less what all pairs have;
    `pairs`: those that explain most of it, the most suspicious first; `suggestion`: an ISCN name,
    "" when none is probable enough.
    """

    log_odds: float
    readable: float
    compared: int
    pairs: tuple[PairChange, ...] = ()
    suggestion: str = ""
    odds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What the chromosomes of one cell amount to.

    `karyotypes`: (ISCN, posterior) of the most probable ones, falling, sum at most 1; `p_normal`:
    posterior of 46,XX and 46,XY together; `margin`: log-odds of the most probable complement
    against the next; `counts`: how many of each class (and "mar") in the most probable complement,
    `gains_and_losses` what it has more or less than a normal one; `layout_score` 0–1: how well the
    objects follow the order of a karyogram, `orientation` one of `slots.READINGS`; `disorder`: 0
    when the lengths fall as the order says, up to 2; `misread_rate`: estimated share of misread
    chromosomes; `iscn`: the suggested karyotype, "" when none is sure enough; `banding` and
    `structure`: None where nobody looked; `marks`: how many marks beside them may be small ones. A
    page whose objects cannot be one cell (`whole` false) has no karyotypes.
    """

    chromosomes: tuple[Chromosome, ...] = ()
    karyotypes: tuple[tuple[str, float], ...] = ()
    p_normal: float = 0.0
    margin: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    gains_and_losses: tuple[str, ...] = ()
    layout_score: float = 0.0
    orientation: str = ""
    disorder: float = 0.0
    misread_rate: float = 0.0
    iscn: str = ""
    whole: bool = True
    banding: Banding | None = None
    structure: Structure | None = None
    marks: int = 0

    def found(self) -> int:
        """Return how many objects read as chromosomes."""
        return sum(one.name != NOT_A_CHROMOSOME for one in self.chromosomes)

    def doubtful(self) -> int:
        """Return how many chromosomes are doubtful to read."""
        return sum(one.doubtful for one in self.chromosomes)

    def misplaced(self) -> int:
        """Return how many chromosomes stand in another class's position."""
        return sum(one.misplaced for one in self.chromosomes)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Reading:
        """Return what `dataclasses.asdict` made of a reading, also after a way through JSON.

        ValueError for values of other types.
        """
        return _checked(Reading, dict(values))


@dataclass(frozen=True, eq=False)
class Verdict:
    """Where a picture goes and why; None and empty when it was not judged.

    `votes`: share of the passes for the `prediction`; `confidence` as the rule in use has it;
    `p_abnormal` and `p_std`: mean and spread of `p`, the fused p(abnormal) of each pass, float32
    (passes,); `contributions`: what each feature adds to the log-odds of abnormal.
    `interval`: the calibrated probability of abnormal, its low and its high end (None: by votes).
    """

    route: str
    prediction: str = ""
    votes: float | None = None
    confidence: float | None = None
    reasons: tuple[str, ...] = ()
    p_abnormal: float | None = None
    p_std: float | None = None
    p: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    contributions: Mapping[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """What is known of one picture.

    `status`: ok, rejected or failed, with `reason` ("" when ok); `objects`: chromosome-like objects
    found (None: not counted); `warnings`: doubts of the gate; `p`: the network's p(abnormal) of
    each pass, float32 (passes,), None unless scored; `thumbnail`: JPEG, may be empty; `reading`:
    None where the chromosomes were not read one by one. Of the witnesses: `features` for the
    fusion, `doubts`, each of which keeps the picture from low priority, and `notes`, which do not.
    `printed`: karyotypes that stand on the picture in print (empty: none, or nobody looked).
    `crops`: (caption, JPEG) of chromosomes to look at, `pairs`: of homologs that differ, in the
    order of `Structure.pairs`; `heat`, `changed`: PNGs to lay over the thumbnail, where the
    network of the whole picture looked, and which positions it takes for changed (empty: unknown).
    `verdict`: None until a rule has judged.
    """

    image: str
    case: str
    sha256: str = ""
    status: str = "failed"
    reason: str = ""
    objects: int | None = None
    warnings: tuple[str, ...] = ()
    p: np.ndarray | None = None
    thumbnail: bytes = b""
    reading: Reading | None = None
    features: Mapping[str, Feature] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    crops: tuple[tuple[str, bytes], ...] = ()
    pairs: tuple[tuple[str, bytes], ...] = ()
    heat: bytes = b""
    changed: bytes = b""
    verdict: Verdict | None = None

    @property
    def judged(self) -> Verdict:
        """Return the verdict; ValueError before a rule has judged."""
        if self.verdict is None:
            raise ValueError(f"expected a judged picture, {self.image} has no verdict yet")
        return self.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return the picture as values that JSON knows. The verdict is left out: it is decided
        anew from the rest whenever it is asked for."""
        kept = {each.name: getattr(self, each.name) for each in fields(self)}
        del kept["verdict"]
        return kept | {
            "version": VERSION,
            "p": None if self.p is None else [float(p) for p in self.p],
            "thumbnail": _text(self.thumbnail),
            "heat": _text(self.heat),
            "changed": _text(self.changed),
            "reading": None if self.reading is None else asdict(self.reading),
            "features": dict(self.features),
            "crops": _captioned(self.crops),
            "pairs": _captioned(self.pairs),
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Picture:
        """Return what `to_dict` wrote; RecordError for a record of another version, ValueError for
        one that is damaged."""
        kept = dict(values)
        version = kept.pop("version", None)
        if version != VERSION:
            raise RecordError(
                f"a record of version {version}, this version of screening reads {VERSION}: make "
                "the results anew (--overwrite, or another --out or --keep), or use the version "
                "that wrote them"
            )
        reading, p = kept["reading"], kept["p"]
        kept.setdefault("printed", ())  # records from before there were any
        checked = {name: _checked(kind, kept[name]) for name, kind in _KINDS.items()}
        return Picture(**kept | checked | {
            "p": None if p is None else np.asarray(_checked(tuple[float, ...], p), np.float32),
            "thumbnail": base64.b64decode(kept["thumbnail"], validate=True),
            # Records from before there were any are whole without them.
            "heat": base64.b64decode(kept.get("heat", ""), validate=True),
            "changed": base64.b64decode(kept.get("changed", ""), validate=True),
            "reading": None if reading is None else Reading.from_dict(reading),
            "crops": _pictures(kept["crops"]),
            "pairs": _pictures(kept["pairs"]),
        })  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One case: how many pictures of each kind, the most urgent route, and what its cells show.

    `p_abnormal` is the highest of the judged pictures (None when there is none). `summary`: a
    sentence about the verdicts; `findings`: what the cells show together, chromosome by chromosome
    (see `triage.findings`), "" when no picture's chromosomes were read.
    """

    case: str
    route: str
    images: int
    ok: int
    rejected: int
    failed: int
    abnormal: int
    p_abnormal: float | None
    summary: str
    findings: str = ""


_KINDS: dict[str, Any] = {
    "image": str, "case": str, "sha256": str, "status": str, "reason": str, "objects": int | None,
    "warnings": tuple[str, ...], "doubts": tuple[str, ...], "notes": tuple[str, ...],
    "printed": tuple[str, ...], "features": dict[str, Feature],
}  # fmt: skip
"""What the plain fields of a kept picture must be."""


def _checked(kind: Any, value: Any) -> Any:
    """Return a value that went through JSON as `kind` again; ValueError when it is none."""
    return _adapter(kind).validate_python(value)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # here: commands show their help without it

    return TypeAdapter(kind)


def _captioned(pictures: tuple[tuple[str, bytes], ...]) -> list[tuple[str, str]]:
    return [(caption, _text(content)) for caption, content in pictures]


def _pictures(kept: Any) -> tuple[tuple[str, bytes], ...]:
    checked = _checked(tuple[tuple[str, str], ...], kept)
    return tuple((caption, base64.b64decode(text, validate=True)) for caption, text in checked)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")

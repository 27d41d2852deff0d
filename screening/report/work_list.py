"""The page as one HTML text that opens from disk and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from importlib.resources import files
from itertools import islice
from typing import NamedTuple

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from screening import promises, words
from screening.bundle_schema import StructureInfo
from screening.classes import LOW_PRIORITY, OK, ROUTES
from screening.evidence.fusion import log_odds
from screening.languages.spoken import said, speak_in
from screening.record import Case, Picture, Reading
from screening.report import packed
from screening.report.counts import count_groups
from screening.report.figures import histogram, scale_bar, signed_bar
from screening.report.glossary import (
    CHANGED,
    CHANGED_MEANS,
    LOOKED,
    LOOKED_MEANS,
    NEEDS_SCRIPTS,
    NO_KARYOTYPE,
    NO_ROOM,
    PRINTED,
    glossary,
    limits,
)
from screening.report.overlay import overlay
from screening.triage.rule import Rule

MOST_THUMBNAILS = 2000
"""Low-priority pictures after this many rows come without a thumbnail: so many are kept in memory
until the page is written."""
MOST_CROPS = 12
CROP_BYTES = 18_000  # JPEG, all crops of one picture: a page of 1,000 pictures still opens
MOST_PAIRS = 2
PAIR_BYTES = 28_000  # JPEG, all pairs of one picture
MOST_KARYOTYPES = 5
HISTOGRAM_BINS = 20


class Heat(NamedTuple):
    """A map to lay over a picture: its `kind` for the page's style, the `png`, and in words what
    shows it and what it `means`."""

    kind: str
    png: bytes
    label: str
    means: str


@dataclass(frozen=True)
class WorkList:
    """What the page shows: judged `pictures` in the order of the work list, and all their `cases`.

    `rule`: by which they were judged. `facts` are (name, value) pairs about the run and the bundle;
    `certificate` and `structure`: what is promised and what is known of structural changes;
    `warnings` stand at the top; `labels`: what people call each feature of the witnesses;
    `originals`: addresses of pictures, by their names, where they are known.
    """

    title: str
    pictures: tuple[Picture, ...]
    cases: tuple[Case, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    rule: Rule
    certificate: str = ""
    structure: StructureInfo | None = None
    warnings: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    originals: Mapping[str, str] = field(default_factory=dict)

    def routed(self, route: str) -> tuple[Case, ...]:
        """Return the cases with this route."""
        return tuple(case for case in self.cases if case.route == route)

    def count(self, route: str) -> int:
        """Return the number of pictures with this route of their own."""
        return sum(picture.judged.route == route for picture in self.pictures)

    def more_urgent(self, picture: Picture) -> Case | None:
        """Return the picture's case where other cells make it more urgent than the picture."""
        case = self._by_name[picture.case]
        return case if ROUTES.index(case.route) < ROUTES.index(picture.judged.route) else None

    def worth_a_page(self, picture: Picture) -> str:
        """Return the picture's case where a print gives it a page of its own, else ""."""
        return picture.case if self._by_name[picture.case].route != LOW_PRIORITY else ""

    @cached_property
    def _by_name(self) -> dict[str, Case]:
        return {case.case: case for case in self.cases}

    @property
    def cuts(self) -> tuple[float, float]:
        """Return from which score on a pass votes abnormal, and from which on for a flag."""
        return self.rule.threshold, max(self.rule.threshold, self.rule.flag_threshold or 0)

    def any_read(self) -> bool:
        """Return whether the chromosomes of any picture were read one by one."""
        return any(picture.reading is not None for picture in self.pictures)

    def any_compared(self) -> bool:
        """Return whether the homologs of any picture were compared."""
        return any(
            picture.reading is not None and picture.reading.structure is not None
            for picture in self.pictures
        )

    def unjudged(self) -> int:
        """Return how many pictures were rejected or failed."""
        return sum(picture.status != OK for picture in self.pictures)

    def contributions(self, picture: Picture) -> tuple[list[tuple[str, float, str]], str]:
        """Return (label, log-odds of abnormal, as printed) of the starting point and of each kind
        of evidence, and their sum as printed; the printed ones add up."""
        parts = picture.judged.contributions
        if not parts or self.rule.fusion is None:
            return [], ""
        named = {words.START: self.rule.fusion.intercept} | {
            self.labels.get(name, name.replace("_", " ")): value for name, value in parts.items()
        }
        shown, total = words.adding_up(list(named.values()))
        lines = zip(named, named.values(), shown, strict=True)
        return [line for line in lines if line[2] not in ("+0.0", "-0.0")], total

    def turning_points(self) -> str:
        """Return in words which sums of contributions speak for low priority and for a flag."""
        low, flag = (float(log_odds(cut)) for cut in self.cuts)
        return words.turning_points(low, flag)

    def glossary(self) -> tuple[tuple[str, str], ...]:
        """Return what the words of the page mean, as (term, meaning)."""
        rule, calibration = self.rule, self.rule.venn_abers
        return glossary(
            *self.cuts,
            rule.min_confidence,
            calibration.prevalence if calibration is not None else None,
            rule.min_p_normal if self.any_read() else None,
            rule.scope,
            rule.covers,
            rule.covers is not None or self.any_compared(),
        )


def render(work_list: WorkList) -> str:
    """Return the page, UTF-8 text; the same work list gives the same text."""
    rows = cards(work_list)
    inline = list(islice(rows, packed.INLINE))
    script = _script()
    sha256 = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    index = [
        (one.judged.route, _searched(one), work_list.worth_a_page(one))
        for one in work_list.pictures[packed.INLINE :]
    ]
    return environment().get_template("page.html.jinja").render(
        view=work_list, title=work_list.title, limits=limits(work_list.rule.covers),
        rows=inline, pieces=packed.pieces(rows), per_piece=packed.PACKED,
        index=packed.packed(index) if index else "", script=Markup(script),
        script_hash=f"sha256-{sha256}", **components(),
    )  # fmt: skip


def render_paper(work_list: WorkList) -> str:
    """Return what is printed: a line for each case, then a page for each one worth it."""
    worth = tuple(one for one in work_list.pictures if work_list.worth_a_page(one))
    sections: dict[str, list[Markup]] = {}
    for one, row in zip(worth, cards(replace(work_list, pictures=worth)), strict=True):
        sections.setdefault(one.case, []).append(row)
    return environment().get_template("paper.html.jinja").render(
        view=work_list, title=work_list.title, limits=limits(work_list.rule.covers),
        sections=sections.items(), **components(),
    )  # fmt: skip


def cards(work_list: WorkList) -> Iterator[Markup]:
    """Yield every picture of a work list as a row of its page."""
    template = environment().get_template("picture.html.jinja")
    common = components()
    whole, close = packed.with_room(work_list.pictures)
    for one in work_list.pictures:
        yield Markup(template.render(
            view=work_list, picture=one, verdict=one.judged, reading=one.reading,
            whole=one.image in whole, close=one.image in close, **common,
        ))  # fmt: skip


def _searched(picture: Picture) -> str:
    """What the search looks at, as the row marks it."""
    reading = picture.reading
    named = [reading.iscn or said(NO_KARYOTYPE)] if reading is not None else []
    return "\n".join([picture.image, picture.case, *map(said, picture.judged.reasons), *named])


def render_card(work_list: WorkList) -> str:
    """Return the pictures of a work list as a page of nothing but their cards, without scripts."""
    return environment().get_template("card.html.jinja").render(view=work_list, **components())


def components() -> dict[str, object]:
    """Return what the templates of this package call, by the names they know it under."""
    return {
        "words": words,
        "promises": promises,
        "histogram": histogram,
        "passes_histogram": passes_histogram,
        "count_groups": count_groups,
        "crops_shown": crops_shown,
        "pairs_shown": pairs_shown,
        "overlay": overlay,
        "heats_shown": heats_shown,
        "scale_bar": scale_bar,
        "signed_bar": signed_bar,
        "size_of": size_of,
        "routes": ROUTES,
        "NEEDS_SCRIPTS": NEEDS_SCRIPTS,
        "NO_KARYOTYPE": NO_KARYOTYPE,
        "NO_ROOM": NO_ROOM,
        "PRINTED": PRINTED,
        "karyotypes_shown": karyotypes_shown,
    }


def passes_histogram(p: np.ndarray) -> list[int]:
    """Return how many passes fall into each of 20 equal bins of p(abnormal) from 0 to 1."""
    return np.histogram(p, bins=HISTOGRAM_BINS, range=(0, 1))[0].tolist() if len(p) else []


def crops_shown(picture: Picture) -> tuple[tuple[str, bytes], ...]:
    """Return the (caption, JPEG) for which the page has room, in the order given."""
    return _first(picture.crops[:MOST_CROPS], CROP_BYTES)


def pairs_shown(picture: Picture) -> tuple[tuple[str, bytes], ...]:
    """Return the (caption, JPEG) of homologs that differ for which the page has room: none of a
    picture of low priority."""
    if picture.judged.route == LOW_PRIORITY:
        return ()
    return _first(picture.pairs[:MOST_PAIRS], PAIR_BYTES)


def heats_shown(picture: Picture) -> tuple[Heat, ...]:
    """Return what the network of the whole picture looked at, to lay over it: nothing of a picture
    of low priority."""
    maps = (
        Heat("changed", picture.changed, CHANGED, CHANGED_MEANS),
        Heat("looked", picture.heat, LOOKED, LOOKED_MEANS),
    )
    return tuple(one for one in maps if one.png and picture.judged.route != LOW_PRIORITY)


def _first(pictures: tuple[tuple[str, bytes], ...], most: int) -> tuple[tuple[str, bytes], ...]:
    """The first of (caption, JPEG) that take at most `most` bytes together."""
    shown, size = [], 0
    for caption, jpeg in pictures:
        size += len(jpeg)
        if size > most:
            break
        shown.append((caption, jpeg))
    return tuple(shown)


def karyotypes_shown(reading: Reading) -> tuple[tuple[str, float], ...]:
    """Return the (ISCN, probability) worth a bar: the first, and others of 0.01 or more."""
    first = reading.karyotypes[:MOST_KARYOTYPES]
    return first[:1] + tuple(one for one in first[1:] if one[1] >= 0.01)


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Return width and height in px from the header alone; (0, 0) when there is no picture."""
    if not jpeg:
        return 0, 0
    with Image.open(io.BytesIO(jpeg)) as picture:
        return picture.size


@cache
def environment(*folders: str) -> Environment:
    """Return where templates are loaded from: `folders` of the package, then this one, with its
    components and base style. `_` and `said` in them speak the language of the moment."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader("screening", each) for each in (*folders, "report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name, kind in (("data_uri", "jpeg"), ("png_uri", "png")):
        made.filters[name] = partial(_data_uri, kind)
    speak_in(made)
    return made


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")


@cache
def _script() -> str:
    return (files("screening") / "report" / "page.js").read_text("utf-8")

"""Settings of the reading: refused by name, kept through JSON; every one decides something."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import fields, is_dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter1d

from evidence_pages import C_ROWS, ROWS, Drawn, chromosomes, draw, say
from screening.classes import CHROMOSOMES, RELATIVE_LENGTH
from screening.evidence.assignment import OPTIONS, assignment_sums
from screening.evidence.banding import banding_of, doubts_of_bands
from screening.evidence.homologs import compare_homologs
from screening.evidence.in_cell import classes_in_cell
from screening.evidence.karyotypes import log_prior
from screening.evidence.likelihood import likelihood
from screening.evidence.reading import posterior_of, read_cell
from screening.evidence.reasons import doubts_of, notes_of
from screening.evidence.sizes import size_doubts
from screening.evidence.slots import UPRIGHT, Page, align_best
from screening.evidence.structure import change_of, pairs_of, structure_of
from screening.evidence.weights import object_weights, with_print
from screening.evidence.witness import Sight
from screening.evidence.witnesses.structure import PairStructure
from screening.karyogram.locate import FoundChromosome, Located
from screening.karyogram.marks import toned_marks
from screening.karyogram.strip import QUALITY
from screening.predict.pairs import PairsSaid
from screening.reading_settings import Order, ReadingSettings
from screening.record import Banding, Chromosome, PairChange, Reading, Structure

DEFAULT = ReadingSettings()


def changed(path: str, value: Any) -> ReadingSettings:
    """The default settings with the value at a path such as "prior.gains.21"."""
    content = DEFAULT.model_dump(mode="json")
    *parents, last = path.split(".")
    at: Any = content
    for key in parents:
        at = at[int(key) if isinstance(at, list) else key]
    at[int(last) if isinstance(at, list) else last] = value
    return ReadingSettings.model_validate_json(json.dumps(content))


def test_json_gives_equal_settings_of_the_same_hash():
    again = ReadingSettings.model_validate_json(DEFAULT.model_dump_json())
    assert again == DEFAULT and hash(again) == hash(DEFAULT)
    assert ReadingSettings.model_validate(DEFAULT.model_dump()) == DEFAULT
    assert json.loads(DEFAULT.model_dump_json())["prior"]["gains"]["21"] == 0.03
    ordered = json.dumps(json.loads(DEFAULT.model_dump_json()), sort_keys=True)
    assert ReadingSettings.model_validate_json(ordered) == DEFAULT
    other = changed("prior.gains.21", 0.02)
    assert other != DEFAULT and hash(other) != hash(DEFAULT)


def test_settings_cannot_change():
    with pytest.raises(ValidationError, match="frozen"):
        DEFAULT.rates.missed = 0.5
    with pytest.raises(TypeError):
        DEFAULT.prior.gains[0] = ("21", 0.5)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("rates.confusd", 0.1, "Extra inputs"),
        ("prior.gains.23", 0.1, "an autosome 1…22, received '23'"),
        ("prior.diploid_sex.YX", 0.1, "such as XX or XXY, received 'YX'"),
        ("layout.row_starts.mar", 0.1, "received 'mar'"),
        ("rates.missed", 0.0, "greater than 0"),
        ("rates.misplaced", 1.5, "less than 1"),
        ("assignment.states", 0, "greater than or equal to 1"),
        ("assignment.states", 2.5, "integer"),
        ("doubts.good_layout", "high", "number"),
        ("looks.misread.1", 0.3, "expected rising values"),
        ("looks.prior.1", 0.3, "sum to 1"),
        ("layout.orders.0.prior", 0.3, "sum to 1"),
        ("layout.orders.0.x_after", "X", "an autosome"),
        ("layout.last", [0.1, 0.1], "Field required"),
        ("prior.loss", 0.98, "leave no normal cell"),
        ("prior.triploid_sex.XXX", 0.9, "sum to at most 1"),
        ("chromosomes.one", [0.9, 0.1], "expected rising values"),
        ("sizes.pairs.0", "Y", "an autosome"),
    ],
)
def test_a_wrong_setting_is_named(path, value, told):
    with pytest.raises(ValidationError, match=told) as raised:
        changed(path, value)
    group = path.split(".")[0]
    assert all(error["loc"][0] == group for error in raised.value.errors())
    with pytest.raises(ValidationError, match="finite"):
        ReadingSettings.model_validate({"rates": {"litter": float("nan")}})


def test_a_table_names_everything_once():
    twice = (("21", 0.1), ("21", 0.2))
    with pytest.raises(ValidationError, match="every name once"):
        ReadingSettings.model_validate({"prior": {"gains": twice}})


def test_orders_hold_every_class_once():
    for order in DEFAULT.layout.orders:
        assert sorted(order.names) == sorted(CHROMOSOMES)
    assert Order(x_after="12", y_after="X", prior=0.5).names[11:15] == ("12", "X", "Y", "13")
    assert Order(x_after="7", y_after="22", prior=0.5).names[6:9] == ("7", "X", "8")


def test_a_changed_value_changes_the_reading():
    page = draw(chromosomes("+21"))
    p = say(page.names, 0.8)
    p[page.names.index("21")] = 0.5 * say(["21"])[0] + 0.5 * say(["22"])[0]

    def p_normal(settings: ReadingSettings) -> float:
        return read_cell(p, page.page, page.lengths, settings).p_normal

    now = p_normal(DEFAULT)
    assert p_normal(changed("prior.gains.21", 1e-6)) > 10 * now
    assert p_normal(changed("rates.litter", 0.3)) > 2 * now
    assert p_normal(changed("rates.misplaced", 0.3)) != now
    assert read_cell(p, page.page, None, changed("conclusions.fewest", 48)).karyotypes == ()
    assert p_normal(ReadingSettings()) == now  # whatever was kept of the other settings


# Every single value, of every table and list too, must decide something: a setting that is read
# nowhere would stand in a bundle as if it were in force.


def leaves(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(child, f"{path}.{key}" if path else str(key))
    else:
        yield path


def others(path: str) -> Iterator[ReadingSettings]:
    """Settings with another value at the path, as far as it may have one."""
    content = DEFAULT.model_dump(mode="json")
    *parents, last = path.split(".")
    at: Any = content
    for key in parents:
        at = at[int(key) if isinstance(at, list) else key]
    value = at[int(last) if isinstance(at, list) else last]
    if isinstance(value, str):
        tried: list[Any] = ["3", "17", "X"]
    elif isinstance(value, int):
        tried = [value + 1, value - 1, 3 * value, value // 4, 1000]
    else:
        tried = [value * factor for factor in (0.5, 2, 0.01, 100)]
        tried += [value + step for step in (0.39, -0.39, 0.2, -0.2, 0.02, -0.02)]
        tried += [0.999, 1.0, 0.001, 0.0]
    for other in tried:
        try:
            yield changed(path, other)
        except ValidationError:
            if isinstance(value, float):
                yield from _balanced(content, parents, last, other - value)


def _balanced(
    content: Any, parents: list[str], last: str, more: float
) -> Iterator[ReadingSettings]:
    """The same where shares must sum to 1: the largest other gives what this one gets."""
    content = deepcopy(content)
    keys = [*parents, last]
    i = max((i for i, key in enumerate(keys) if key.isdigit()), default=None)
    if i is None:
        return
    at: Any = content
    for key in keys[:i]:
        at = at[int(key) if isinstance(at, list) else key]
    if not isinstance(at, list):
        return
    k = int(keys[i])
    share = [one[last] if isinstance(one, dict) else one for one in at]
    other = max((place for place in range(len(at)) if place != k), key=share.__getitem__)
    for place, change in ((k, more), (other, -more)):
        if isinstance(at[place], dict):
            at[place][last] += change
        else:
            at[place] += change
    try:
        yield ReadingSettings.model_validate(content)
    except ValidationError:
        return


def soft(drawn: Drawn, accuracy: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    p = 0.8 * say(drawn.names, accuracy, seed)
    return p + 0.2 * rng.dirichlet(np.full(25, 0.2), len(p))


@cache
def pages() -> list[tuple[np.ndarray, Page, np.ndarray]]:
    """Pages of all kinds of trouble: p, page, lengths."""
    made = []
    for seed, (change, accuracy, rows) in enumerate(
        [("+21", 0.9, ROWS), ("-7 +mar", 0.8, C_ROWS), ("", 0.5, ROWS), ("+3 -4", 1.0, C_ROWS)]
    ):
        names = chromosomes(change, "XY")
        slots = list(names)
        i, j = names.index("5"), names.index("12")
        slots[i], slots[j] = ("12", "5") if seed else ("5", "12")
        drawn = draw(names, rows, slots, groups=seed % 2 == 0)
        rng = np.random.default_rng(seed)
        boxes = drawn.page.boxes + rng.normal(0, 3, (len(names), 4))
        boxes[rng.permutation(len(names))[:4], 2] *= (1.3, 1.5, 1.8, 0.3)
        letters = np.array([[40 + 70 * k, 415, 12 + 4 * k, 14] for k in range(3)])
        page = Page(
            np.vstack([boxes, letters]),
            np.r_[drawn.page.rows, [0] * 3],
            None if drawn.page.groups is None else np.r_[drawn.page.groups, 900 + np.arange(3)],
            np.full(len(names) + 3, 500.0),
        )
        p = np.vstack([soft(drawn, accuracy, seed), 0.7 * say(["?"] * 3) + 0.3 * say(["21"] * 3)])
        made.append((p, page, np.r_[drawn.lengths * rng.uniform(0.8, 1.2, len(names)), 9, 8, 9]))
    return made


def of_rates(s: ReadingSettings) -> Iterator[Any]:
    p, page, _ = pages()[0]
    seen = likelihood(p, s.rates)
    slots = align_best([seen], np.zeros(1), page, s.rates, s.layout)[1]
    weights = object_weights(seen, slots, s.rates, page, s.placement)
    yield weights
    yield posterior_of(weights, s)


def of_looks(s: ReadingSettings) -> Iterator[Any]:
    for page in pages():
        yield read_cell(*page, s)


def of_prior(s: ReadingSettings) -> Iterator[Any]:
    rng = np.random.default_rng(0)
    cells = [np.array([n] * 22 + [0, 0, m]) for n in (2, 3, 4) for m in (0, 1, 3)]
    more = []
    for cell in cells:
        for x in range(5):
            for y in range(4):
                one = cell.copy()
                one[22:24] = x, y
                one[:22] += rng.integers(-2, 3) * (rng.permutation(22) < rng.integers(3))
                more.append(one)
    each = cells[0] + np.eye(25, dtype=int)[:22] + np.eye(25, dtype=int)[22:23] * 2
    yield log_prior(np.vstack([*more, each]), s.prior)


def of_layout(s: ReadingSettings) -> Iterator[Any]:
    sides = [Page(page.boxes * (-1, 1, 1, 1), page.rows) for _, page, _ in pages()[:1]]
    turned = [Page(page.boxes, 9 - page.rows) for page in sides]
    read = [(p, page) for p, page, _ in pages()] + [(pages()[0][0], q) for q in sides + turned]
    n = len(pages()[0][0]) // 2
    read.append((pages()[0][0][:n], Page(pages()[0][1].boxes[:n], pages()[0][1].rows[:n])))
    # Both directions of one long row read alike here.
    drawn = draw(chromosomes(), [[n for row in ROWS for n in row]], groups=False)
    both = say(drawn.names) + say(drawn.names)[::-1]
    read.append((both, drawn.page))
    for p, page in read:
        got = align_best([likelihood(p, s.rates)], np.zeros(1), page, s.rates, s.layout)[1]
        yield (got.slot, got.around, got.score, got.orientation)


def of_placement(s: ReadingSettings) -> Iterator[Any]:
    for p, page, _ in pages()[:2]:
        seen = with_print(likelihood(p, s.rates), p, page, s.rates, s.placement)
        slots = align_best([seen], np.zeros(1), page, s.rates, s.layout)[1]
        yield object_weights(seen, slots, s.rates, page, s.placement)


def of_assignment(s: ReadingSettings) -> Iterator[Any]:
    weights = np.random.default_rng(0).dirichlet(np.full(OPTIONS, 0.1), 14) ** 2 + 1e-12
    sums = assignment_sums(weights, s.assignment)
    yield sums.counts, sums.log_weight, posterior_of(weights, s)


@cache
def crops() -> tuple[np.ndarray, list[str], np.ndarray]:
    rng = np.random.default_rng(1)
    names = chromosomes()
    bands = {n: gaussian_filter1d(rng.uniform(40, 230, 96), 3) for n in dict.fromkeys(names)}
    made = np.array(
        [bands[n][:, None] * np.linspace(0.5, 1, 32) + rng.normal(0, 15, (96, 32)) for n in names]
    )
    made[3] = made[3][::-1]
    made[9] = np.roll(made[9], 5, axis=0)
    made[10:12] = made[10]
    lengths = rng.normal(1, 0.005, 46)
    lengths[4] = 0.02
    lengths[20] = 0.9
    return np.clip(made, 0, 255).astype(np.uint8), names, lengths


def of_homologs(s: ReadingSettings) -> Iterator[Any]:
    pictures, names, lengths = crops()
    p = say(names)
    for n, scale in ((46, 1.0), (18, 1.0), (14, 1.0), (46, 0.8)):
        q = np.c_[p[:n, :24] * scale, 1 - (p[:n, :24] * scale).sum(1)]
        for relative in (lengths[:n], None, 0.1 * lengths[:n] + 1):
            yield compare_homologs(q, relative, pictures[:n], s.homologs)


def of_bands(s: ReadingSettings) -> Iterator[Any]:
    pictures, names, _ = crops()
    yield banding_of(pictures, names, s.bands)
    for measures in np.random.default_rng(0).uniform(0, (0.4, 0.1, 7, 1), (60, 4)):
        yield doubts_of_bands(Reading(banding=Banding(*measures)), s)


def of_conclusions(s: ReadingSettings) -> Iterator[Any]:
    p, page, lengths = pages()[0]
    drawn = draw(chromosomes())
    for one in (
        (p[:30], _part(page, 30), lengths[:30]),
        (say(drawn.names), drawn.page, drawn.lengths),
        *pages(),
    ):
        yield read_cell(*one, s)
    yield classes_in_cell(p, s)


def _part(page: Page, n: int) -> Page:
    return Page(page.boxes[:n], page.rows[:n])


def of_doubts(s: ReadingSettings) -> Iterator[Any]:
    sure = Chromosome("1", 0.99, "1")
    for score, disorder, doubtful, misplaced, rejected, p in (
        (0.3, 0.2, 2, 2, 3, 0.95), (0.6, 0.5, 5, 5, 14, 0.85), (0.9, 1.5, 7, 7, 30, 0.5),
    ):  # fmt: skip
        objects = (
            *[Chromosome("2", 0.5, "2", doubtful=True)] * doubtful,
            *[Chromosome("3", 0.9, "4", misplaced=True)] * misplaced,
            *[Chromosome("?", p)] * rejected,
            *[sure] * 30,
        )
        for p_normal in (0.5, 0.95, 0.99):
            reading = Reading(
                objects, (("46,XX", 0.9),), p_normal, layout_score=score, disorder=disorder,
                orientation=UPRIGHT,
            )  # fmt: skip
            yield doubts_of(reading, s.doubts)
            yield notes_of(reading, s.doubts)


def of_sizes(s: ReadingSettings) -> Iterator[Any]:
    names = chromosomes("", "XY")
    for k, factor in enumerate(np.exp((0.35, 0.45, 0.55, 0.75, -0.7, -0.9))):
        for name in (*CHROMOSOMES[1:22:3], *CHROMOSOMES[12:22], "3"):
            areas = np.array([100.0 * RELATIVE_LENGTH[n] for n in [*names, "21"]])
            areas *= np.exp(np.random.default_rng(k).normal(0, 0.03, 47))
            areas[names.index(name)] *= factor
            areas[-1] *= factor
            objects = [Chromosome(n, 0.99, n) for n in names] + [Chromosome("?", 0.9, "21")]
            yield size_doubts(objects, areas, s.sizes)
            yield size_doubts(objects[::2], areas[::2], s.sizes)


def of_chromosomes(s: ReadingSettings) -> Iterator[Any]:
    from screening.predict import chromosomes as module

    how = s.chromosomes
    reader = object.__new__(module.ChromosomeClassifier)
    reader.how = how
    reader._network = SimpleNamespace(
        bands=lambda images: images.mean((1, 2)),
        bands_in_cell=lambda images: images.mean((1, 2)) + 1,
    )
    images = np.full((36, 8, 4), 100, np.uint8)
    yield from (reader.bands(images[:n], cell=True) for n in (34, 35, 36))
    names = chromosomes()
    rng = np.random.default_rng(0)
    for n, spread in ((46, 0.0), (20, 0.3), (16, 0.4), (46, 0.8)):
        p = say(names, 0.9)[:n]
        p[::5] = 0.45 * say(["?"])[0] + 0.55 * p[::5]
        p[1::5] = 0.55 * say(["?"])[0] + 0.45 * p[1::5]
        at = p[:, :24].argmax(1)
        lengths = np.array([RELATIVE_LENGTH[CHROMOSOMES[i]] for i in at]) ** (1 - spread)
        lengths *= np.exp(rng.normal(0, 0.1, n))
        for order in (at, (at + 6) % 24, np.maximum(at - 8, 0)):
            q = p.copy()
            q[np.arange(n), order], q[np.arange(n), at] = p[np.arange(n), at], p[0].min()
            yield reader._rescaled(lengths, q)
    widths = np.r_[rng.normal(20, 1, 33), 29, 30, 31, 40]
    yield from (module._single_by_width(widths, n, how) for n in (34, 35, 37))
    # Two halves, tried by every limit; by default none is.
    for whole, half in ((0.5, 0.85), (0.9, 0.999), (0.2, 0.45)):
        said = np.full((3, 25), 1e-6)
        said[:, 24] = 1 - np.array([whole, half, 0.9])
        for alike in (0.0, 0.4, 1.0):
            said[1:, 3] = 1 - said[1:, 24]
            said[2, [3, 4]] = (1 - said[2, 24]) * np.array([alike, 1 - alike])
            yield module._are_two(said[0], said[1:], how.touching)
    for width, none in ((12, 0.999), (14, 0.999), (18, 0.999), (30, 1.0), (30, 0.3)):
        mask = np.ones((40, width), bool)
        pair = FoundChromosome.of(mask, 5, 5, 10.0)
        paper = np.full((60, 60), 120, np.uint8)
        p = np.full((1, 25), 1 - none)
        p[0, 24] = none
        two = module._perhaps_two(
            Located((pair,), (), 1, (), 10.0), paper, p, {id(pair): 0}, how.touching
        )
        yield len(two)
    for own, other in ((0.995, 0.5), (0.5, 0.97), (0.001, 0.003), (0.03, 0.01), (0.999, 0.985)):
        pieces = [object() for _ in range(3)]
        for shape in (0.5, 0.497, 0.503, 0.3, 0.7):
            doubt = SimpleNamespace(
                members=(0,), alternatives=((pieces[2],),), plausible=(shape, 1 - shape)
            )
            located = SimpleNamespace(chromosomes=pieces[:2], doubts=(doubt,))
            p = np.zeros((3, 25))
            p[:, 24] = 1 - np.array([own, 0.9, other])
            yield module._choose(located, p, 2, how)[0]
    # Two side by side, or the chromatids of one; by default always two.
    usual = [FoundChromosome.of(np.ones((40, 10), bool), 20 * k, 0, 10.0) for k in range(3)]
    for width, height, none in (
        (5, 40, 0.0),
        (5, 40, 0.05),
        (6, 40, 0.0),
        (7, 40, 0.0),
        (5, 20, 0.0),
        (5, 26, 0.0),
    ):
        halves = [
            FoundChromosome.of(np.ones((height, width), bool), 80 + width * k, 0, 10.0)
            for k in range(2)
        ]
        whole = FoundChromosome.of(np.ones((40, 2 * width), bool), 80, 0, 10.0)
        doubt = SimpleNamespace(members=(3, 4), alternatives=((whole,),), plausible=(0.9, 0.1))
        located = SimpleNamespace(chromosomes=[*usual, *halves], doubts=(doubt,))
        p = np.zeros((6, 25))
        p[5, 24] = none
        yield module._choose(located, p, 5, how)[0]


def of_marks(s: ReadingSettings) -> Iterator[Any]:
    """Blobs beside a chromosome whose size, tone and place change step by step."""
    unit, chromosome = 20.0, FoundChromosome(
        30, 20, 20, 80, np.ones((80, 20), bool), np.array([[40, 20], [40, 100]], np.float32), 80.0,
        20.0,
    )  # fmt: skip
    for side in (3, 6, 8, 12, 20, 30, 60, 80):
        for dark, light in ((200, 60), (200, 150), (230, 20), (200, 190)):
            for right, down in ((60, 0), (130, 0), (290, 0), (60, 8), (60, 14), (60, 20)):
                paper = np.full((220, 420), 255, np.uint8)
                y, x = 100 + down - side, 40 + right - side // 2
                if y >= 0:
                    tones = np.where(np.arange(side) % 6 < 3, dark, light).astype(np.uint8)
                    paper[y : y + side, x : x + side] = 255 - tones[:, None]
                    paper = cv2.GaussianBlur(paper, (0, 0), 1.0)
                    box = (x - 1, y - 1, side + 2, side + 2)
                    yield toned_marks(paper, Located((chromosome,), (), 1, (box,), unit), s.marks)


def of_structure(s: ReadingSettings) -> Iterator[Any]:
    """Cells of which pairs differ by as much, and chromosomes joined of so much."""
    one = PairStructure()
    for odds in (-3.0, 1e5, 1e7):
        reading = Reading(structure=Structure(odds, 0.3, 22, (PairChange("9", 0, 1, 1, 4, 0),)))
        yield one.look(Sight(reading=reading), s).doubts
    reading = Reading(structure=Structure(-3.0, 0.9, 22))
    for length in np.linspace(15, 40, 26):
        page = Page(np.array([[0, 0, 9, length]]), np.zeros(1, np.int64))
        yield one.look(Sight(reading=reading, page=page), s).doubts
    # Of a cell that nobody doubts nothing is named, and by default none is doubted.
    how = s.structure.model_copy(update={"doubt": s.structure.doubt - 1e6})
    names = [name for name in CHROMOSOMES[:22] for _ in range(2)]
    rng = np.random.default_rng(0)
    for second in np.linspace(-4, 4, 9):
        m = len(names) // 2
        each = np.full((3, m), -6.0) + rng.normal(0, 0.1, (3, m))
        each[:, 8], each[:, 21], each[:, 3:6] = 4, second, 20
        if second > 0:
            each[:, 3:6] = -6
        rows = np.log(np.full((m, 2, 24, 24, 12), 1e-3))
        for k in range(24):
            for which in range(m):
                rows[which, :, k, which, k // 2] = np.log(0.7)
        differ = np.linspace(-2, 2, 24) * np.ones((m, 2, 1)) * np.array([[1], [-1]])
        quality = np.full((m, 2, QUALITY), 0.9)
        quality[..., 0] = [0.06 * second, -0.06 * second]
        quality[8, 0, 1] = 0.65
        inked = rows[..., 0, 0] < 0
        said = PairsSaid(each, np.zeros((m, 2)), differ, rows, inked, quality)
        yield structure_of(said, pairs_of(names), names, how, range(len(names)))
    for lost in range(2, 16):
        rows = np.log(np.full((40, 24, 12), 1e-3))
        at = np.r_[np.arange(20), np.arange(20 + lost, 40)]
        rows = rows[: len(at)]
        rows[np.arange(len(at)), 8, at * 12 // 40] = np.log(0.4)
        yield change_of(rows, "9", s.structure)


GROUPS: dict[str, Callable[[ReadingSettings], Iterator[Any]]] = {
    "rates": of_rates, "looks": of_looks, "prior": of_prior, "layout": of_layout,
    "placement": of_placement, "assignment": of_assignment, "homologs": of_homologs,
    "bands": of_bands, "conclusions": of_conclusions, "doubts": of_doubts, "sizes": of_sizes,
    "chromosomes": of_chromosomes, "marks": of_marks, "structure": of_structure,
}  # fmt: skip


@cache
def at_default(group: str) -> list[Any]:
    return [told(one) for one in GROUPS[group](DEFAULT)]


def told(value: Any) -> Any:
    """Something that is equal only where all of the value is, to the last bit."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if is_dataclass(value):
        return tuple(told(getattr(value, one.name)) for one in fields(value))
    if isinstance(value, tuple | list):
        return tuple(map(told, value))
    return repr(value)


SEEN_ELSEWHERE = {
    "doubts.many_changes",  # tests/test_triage_rule.py
    "chromosomes.adapted",  # tests/test_classifier.py builds the network for it
    *(f"gate.{name}.{end}" for name in ("one_cell", "usual") for end in (0, 1)),  # karyogram_gate
}


@pytest.mark.parametrize(
    "path", sorted(set(leaves(DEFAULT.model_dump(mode="json"))) - SEEN_ELSEWHERE)
)
def test_every_value_decides_something(path):
    group = path.split(".")[0]
    assert any(
        told(now) != before
        for one in others(path)
        for now, before in zip(GROUPS[group](one), at_default(group), strict=True)
    )


def test_every_group_is_covered():
    assert {*GROUPS, "gate"} == set(ReadingSettings.model_fields)

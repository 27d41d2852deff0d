"""The medial axis of one chromosome, how far it can be trusted, and the strip along it.

The axis is the line whose own cross-sections it halves: it starts as a chord or, where a chord does
not explain the mask, as the cheapest way through the middle of it, and is then moved to the middle
of its cross-sections, smoothed and led straight on to both tips, a few times over. The shipped
weights were taught along the two older axes (`body` and `locate.axis`): their users change to this
one when those weights are built again. Inside this module a line is complex128 (k,), x + iy.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.linalg.lapack import dpbsv
from skimage.graph import MCP_Geometric

from screening.errors import ScreeningError
from screening.karyogram.axis_quality import AxisQuality, median, quality_of
from screening.karyogram.whole import Body, shrunk, whole

_WORK_THICKNESS = 14.0
"""Thickness of the copy on which the axis is found, pixels: its points are good to a tenth."""

_PATH_THICKNESS = 5.0
"""Thickness of the copy on which the first way through a bent body is found."""

_STEP = 1 / 6
"""Way between two points of the working line, in thicknesses, but at least a pixel."""

_STIFF = 0.22
"""Length over which the axis is smoothed, in thicknesses: notches go, hooks stay."""

_TIP = 0.3
"""Way from a tip, in thicknesses, over which cross-sections say little: it is round or oblique."""

_MOST_ROUNDS = 5
_STILL = 0.08
"""Way, in thicknesses, under which a round moves the line no farther that matters."""

_CHORD_MAY_DO, _CHORD_DOES = 0.8, 0.93
"""Share of the body in the chord's cross-sections from which the chord is one start (the farthest
ends of a stout or forked body are two of its corners) and from which it is the only one."""

_TURN_COSTS = 0.001
"""Share of the mask that a line must explain more for each degree that it turns more."""

_LYING_COSTS = 0.15
"""Share of the mask that a line must explain more if it lies than if it stands: in a karyogram
chromosomes stand, also the 21 whose chromatids are splayed wider than it is long."""

_SHORT = 2.2
"""Height, in thicknesses, under which a lying line may be a chromosome splayed wide."""

_FORKED = 0.04
"""Largest piece left out, as a share of the mask, from which wider slits are closed on trial."""


@dataclass(frozen=True, eq=False)
class MedialAxis:
    """The medial axis of one mask, in its pixels (the centre of the first pixel is 0, 0).

    `points` float32 (k, 2): x, y from the upper (p) end to the lower, one about every pixel of
    arc, k >= 2; `width` float32 (k,): the extent across at each of them; `length` from tip to tip.
    """

    points: np.ndarray
    width: np.ndarray
    length: float
    quality: AxisQuality


def medial_axis(mask: np.ndarray, grey: np.ndarray | None = None) -> MedialAxis:
    """Return the axis of the chromosome `mask`, bool (h, w), in any size and pose.

    With `grey`, uint8 (h, w), two arms with the same bands beside each other are taken for open
    chromatids and others for a bend, where the gap between them alone does not tell. ScreeningError
    when the mask is empty or not two-dimensional.
    """
    if mask.ndim != 2 or not mask.any():
        raise ScreeningError(
            f"expected a mask (h, w) with at least one pixel, received shape {mask.shape}, "
            f"{int(np.count_nonzero(mask))} pixels: leave empty pictures out"
        )
    full = mask.astype(np.uint8)
    # The same wherever it lies in the window.
    x, y, w, h = cv2.boundingRect(full)
    cut_sides = (y == 0, y + h == mask.shape[0], x == 0, x + w == mask.shape[1])
    window = np.s_[y : y + h, x : x + w]
    small, tone, scale = _work_copy(full[window], None if grey is None else grey[window])
    line, width, quality = _found(small, whole(small, tone), cut_sides)
    if quality.branch > _FORKED and not quality.ring:
        other = _found(small, whole(small, tone, wide=True), cut_sides)
        if other[2].explained > quality.explained + 0.5 * _FORKED:
            line, width, quality = other
    line = (line + 0.5 + 0.5j) * scale + complex(x - 0.5, y - 0.5)
    return _sampled(line, width * scale, quality)


def _found(
    mask: np.ndarray, body: Body, cut_sides: tuple[bool, bool, bool, bool]
) -> tuple[np.ndarray, np.ndarray, AxisQuality]:
    """Return the working line, the widths across it and its quality; the sides (top, bottom, left,
    right) of the mask that are the window's."""
    thick, edge = body.thick, int(body.thick) + 3
    padded = cv2.copyMakeBorder(body.mask, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=0)
    field = padded.astype(np.float32)
    chord, explains = _chord(field, padded, thick)
    starts = [chord] if explains >= _CHORD_MAY_DO else []
    if explains < _CHORD_DOES:
        starts.append(_way(field, padded, thick))

    def judged(line: np.ndarray, rounds: int) -> tuple[np.ndarray, np.ndarray, AxisQuality]:
        for _ in range(rounds):
            line, moved = _centred(field, line, thick)
            if moved < _STILL * thick:
                break
        line = _downwards(line)
        left, right = _extents(field, line, thick)
        width = np.maximum(left + right, 0.5)
        line = line - edge * (1 + 1j)
        return line, width, quality_of(mask, line, width, body, cut_sides)

    made = [judged(line, _MOST_ROUNDS) for line in starts]
    if any(_lying(line) for line, *_ in made) and cv2.boundingRect(padded)[3] < _SHORT * thick:
        # Not moved: the middle of what is wider than long wanders to its corners.
        made.append(judged(_chord(field, padded, thick, upright=True)[0], 0))
    # From corner to corner a line explains as much as upright, but turns.
    return max(
        made,
        key=lambda one: (
            one[2].explained - _TURN_COSTS * one[2].turn - _LYING_COSTS * _lying(one[0])
        ),
    )


def _lying(line: np.ndarray) -> float:
    """Return how far the line lies: 0 at 30 degrees from upright or steeper, 1 when level."""
    way = line[-1] - line[0]
    return max(0.0, 2 * abs(way.real) / max(abs(way), 1e-6) - 1)


def _work_copy(
    mask: np.ndarray, grey: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, float]:
    """Return the mask (uint8, 0 and 1) and the grey at the working thickness, and how many pixels
    of the original one of theirs is."""
    rough = max(1.0, max(mask.shape) / 400)
    coarse = mask if rough == 1 else shrunk(mask, rough)
    if not coarse.any():
        coarse, rough = mask, 1.0
    around = cv2.copyMakeBorder(coarse, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    thick = 2 * rough * float(cv2.distanceTransform(around, cv2.DIST_L2, 3).max())
    scale = max(1.0, thick / _WORK_THICKNESS)
    if scale < 1.15:
        return mask, grey, 1.0
    small = shrunk(mask, scale)
    if grey is not None:
        grey = cv2.resize(grey, small.shape[::-1], interpolation=cv2.INTER_AREA)
    return small, grey, scale


def _chord(
    field: np.ndarray, body: np.ndarray, thick: float, upright: bool = False
) -> tuple[np.ndarray, float]:
    """Return the straight line through the body, and which share (0-1) of it its cross-sections
    explain; 0 when one of them holds more than this body's width.

    The direction of a body as wide as long is not in its shape: it stands upright, and so does any
    when `upright`.
    """
    m = cv2.moments(body, binaryImage=True)
    area = m["m00"]
    centre = complex(m["m10"], m["m01"]) / area
    # Second moments as one complex number: twice the direction's angle, and how much of one.
    half = complex(m["mu20"] - m["mu02"], 2 * m["mu11"]) / (2 * area)
    mean = (m["mu20"] + m["mu02"]) / (2 * area) + 1 / 12
    most, least = mean + abs(half), mean - abs(half)
    slender = (most / max(least, 1e-6)) ** 0.5
    along = complex(np.exp(0.5j * np.angle(half)))
    along *= 1 if along.imag >= 0 else -1
    sure = 0.0 if upright else min(max((slender - 1.15) / 0.3, 0.0), 1.0)
    along = sure * along + (1 - sure) * 1j
    reach = 2 * most**0.5 + 1
    line = centre + np.arange(-reach, reach + 0.5) * along / abs(along)
    line = _to_tips(field, line, thick)
    if slender < 1.4 and area < 1.6 * thick * thick:
        return line, 1.0
    left, right = _extents(field, line, thick)
    width = left + right
    if width.max() > 1.6 * median(width):
        return line, 0.0
    return line, float(width.sum() * abs(line[-1] - line[0]) / (len(line) * area))


def _way(field: np.ndarray, body: np.ndarray, thick: float) -> np.ndarray:
    """Return the cheapest way along the middle of the body between its farthest ends."""
    scale = max(1.0, thick / _PATH_THICKNESS)
    small = body if scale == 1 else shrunk(body, scale)
    if not small.any():
        small, scale = body, 1.0
    ys, xs = np.nonzero(small)
    start = ((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2).argmax()
    depth = cv2.distanceTransform(small, cv2.DIST_L2, 3)
    # No way is cheaper for leaving the box of the body: the paper around it is not searched.
    corner = ys.min(), xs.min()
    box = np.s_[corner[0] : ys.max() + 1, corner[1] : xs.max() + 1]
    small, depth = small[box], depth[box]
    ys, xs = ys - corner[0], xs - corner[1]
    # Not closed, so that a stalk lost on the small copy still leads to its satellites.
    finder = MCP_Geometric(np.where(small > 0, 1.0, 1000.0))
    ends = []
    for _ in range(2):
        costs, _ = finder.find_costs([(ys[start], xs[start])])
        start = costs[ys, xs].argmax()
        ends.append((ys[start], xs[start]))
    middle = np.where(small > 0, (depth.max() / np.maximum(depth, 0.5)) ** 2, 1000.0)
    finder = MCP_Geometric(middle)
    finder.find_costs([ends[0]], [ends[1]])
    way = np.array(finder.traceback(ends[1])) + corner
    line = (way[:, 1] + 1j * way[:, 0] + 0.5 + 0.5j) * scale - (0.5 + 0.5j)
    arc = arc_of(line)
    # The farthest pixels of an end are its corners.
    trim = min(0.6 * thick, 0.25 * arc[-1])
    line = np.interp(np.linspace(trim, arc[-1] - trim, max(6, round(arc[-1]))), arc, line)
    line = _stiffened(line, np.ones(len(line)), 0.6 * _STIFF * thick)
    return _to_tips(field, line, thick)


def _centred(field: np.ndarray, line: np.ndarray, thick: float) -> tuple[np.ndarray, float]:
    """Return the line moved to the middle of its cross-sections and led on to both tips, and how
    far it was from there: nine tenths of it at most so many pixels."""
    left, right = _extents(field, line, thick)
    width = left + right
    middle = line + normals(line) * ((right - left) / 2)
    along = _evenly(_ways(line).sum(), len(line))
    weight = np.minimum(np.minimum(along, along[::-1]) / (_TIP * thick) + 0.02, 1)
    # A crossing body, a branch.
    weight[width > 1.7 * median(width)] *= 0.2
    smooth = _stiffened(middle, weight, _STIFF * thick)
    moved = np.sort(abs(smooth - line))[int(0.9 * (len(line) - 1))]
    return _to_tips(field, smooth, thick), float(moved)


def _stiffened(line: np.ndarray, weight: np.ndarray, stiff: float) -> np.ndarray:
    """Return the line smoothed over `stiff` pixels (Whittaker's smoother): straight beyond its
    data, unbiased along an arc."""
    n = len(line)
    bands = np.empty((3, n))
    bands[0], bands[1], bands[2] = 1, -4, 6
    bands[1, [1, -1]] = -2
    bands[2, [0, -1]], bands[2, [1, -2]] = 1, 5
    bands *= (stiff * (n - 1) / max(_ways(line).sum(), 1e-6)) ** 4
    bands[2] += weight
    smooth = dpbsv(bands, (weight * line).view(np.float64).reshape(n, 2))[1]
    return smooth[:, 0] + 1j * smooth[:, 1]


def _to_tips(field: np.ndarray, line: np.ndarray, thick: float) -> np.ndarray:
    """Return the line drawn back or led straight on to where it leaves the body, evenly sampled."""
    back = int(0.4 * thick * (len(line) - 1) / max(_ways(line).sum(), 1e-6))
    back = min(max(1, back), len(line) - 1)
    beyond = np.arange(0.5, 1.5 * thick + 2, 0.5)
    head, tail = line[0] - line[back], line[-1] - line[-1 - back]
    head, tail = head / max(abs(head), 1e-6), tail / max(abs(tail), 1e-6)
    long = np.concatenate([line[0] + beyond[::-1] * head, line, line[-1] + beyond * tail])
    # An end may be cleft between the chromatids: it reaches as far as both of them.
    aside = 0.2 * thick * normals(long)
    value, left, right = _read(field, np.array([long, long - aside, long + aside]))
    value = np.maximum(value, np.minimum(left, right))
    inside = value >= 0.5
    first, last = len(beyond), len(long) - len(beyond) - 1
    among = inside[first : last + 1].nonzero()[0]
    if among.size:
        first, last = first + among[0], first + among[-1]
        if first == len(beyond):
            first -= int(np.argmin(inside[first::-1])) - 1
        if last == len(long) - len(beyond) - 1:
            last += int(np.argmin(inside[last:])) - 1
        line = long[first - 1 : last + 2].copy()
        for end, (at, out) in ((0, (first, first - 1)), (-1, (last, last + 1))):
            part = (value[at] - 0.5) / max(value[at] - value[out], 1e-6)
            line[end] = long[at] + min(float(part), 1.0) * (long[out] - long[at])
    arc = arc_of(line)
    count = max(6, round(arc[-1] / max(1.0, _STEP * thick)) + 1)
    return np.interp(_evenly(arc[-1], count), arc, line)


def _extents(field: np.ndarray, line: np.ndarray, thick: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the body reaches to the left and to the right (n,) of each point.

    Signed: a point that the body does not hold has it all on one side.
    """
    most = int(1.2 * thick + 2)
    offsets = np.arange(-most, most + 1)
    value = _read(field, line[:, None] + offsets * normals(line)[:, None])
    left, right = _crossing(value[:, most::-1]), _crossing(value[:, most:])
    for row in 1 + np.flatnonzero(value[1:-1, most] < 0.5):  # the tips lie on the edge
        inside = np.flatnonzero(value[row] >= 0.5)
        if inside.size:
            at = inside[np.abs(inside - most).argmin()]
            right[row] = at - most + _crossing(value[row : row + 1, at:])[0]
            left[row] = most - at + _crossing(value[row : row + 1, at::-1])[0]
    return left, right


def _crossing(value: np.ndarray) -> np.ndarray:
    """Return where each row (n, m), read at every pixel, first falls under a half; m at most."""
    outside = value < 0.5
    outside[:, -1] = True
    at = outside.argmax(1)
    rows = np.arange(len(value))
    after = value[rows, at]
    before = value[rows, at - 1]
    part = (before - 0.5) / np.maximum(before - after, 1e-6)
    return np.where(at > 0, at - 1 + np.minimum(part, 1), 0.0)


def _read(field: np.ndarray, at: np.ndarray) -> np.ndarray:
    x, y = at.real.astype(np.float32), at.imag.astype(np.float32)
    value = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return value.reshape(at.shape)


def _downwards(line: np.ndarray) -> np.ndarray:
    """Return the line from its upper end; of a U, both ends level, from the left one."""
    way = line[-1] - line[0]
    upwards = way.imag < 0 if abs(way.imag) > 0.15 * abs(way.real) else way.real < 0
    return line[::-1].copy() if upwards else line


def _sampled(line: np.ndarray, width: np.ndarray, quality: AxisQuality) -> MedialAxis:
    """Return the axis at one point per pixel of the picture."""
    arc = arc_of(line)
    count = max(2, round(arc[-1]) + 1)
    at = _evenly(arc[-1], count)
    fine = np.interp(at, arc, line)
    if count > 5:  # rounds what are corners between the points of the working line
        fine = _stiffened(fine, np.ones(count), 0.5 * arc[-1] / (len(line) - 1))
    points = np.stack([fine.real, fine.imag], 1).astype(np.float32)
    across = np.interp(at, arc, width).astype(np.float32)
    return MedialAxis(points, across, float(arc[-1]), quality)


def arc_of(line: np.ndarray) -> np.ndarray:
    """Return the way (k,) from the first point of a complex line to each of them."""
    return np.concatenate([[0.0], _ways(line).cumsum()])


def _ways(line: np.ndarray) -> np.ndarray:
    """Return the ways (k - 1,) between the points of a complex line."""
    ways: np.ndarray = abs(line[1:] - line[:-1])
    return ways


def _evenly(end: float, count: int) -> np.ndarray:
    """Return NumPy's linspace from 0: lines are short, so that its checks take most of the time."""
    at = np.arange(count) * (end / (count - 1))
    at[-1] = end
    return at


def normals(line: np.ndarray, reach: int = 1) -> np.ndarray:
    """Return the unit normals (k,), complex, of a complex line, from directions over `reach` points
    to each side: left to right across a chromosome that runs downwards."""
    count = len(line)
    at = np.arange(count)
    tangent = line[np.minimum(at + reach, count - 1)] - line[np.maximum(at - reach, 0)]
    return -1j * tangent / np.maximum(abs(tangent), 1e-6)

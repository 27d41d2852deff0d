"""Regions joined to chromosomes, and what else could be joined or parted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from screening.karyogram.locate.arbiter import Arbiter
from screening.karyogram.locate.expected import expected_areas
from screening.karyogram.locate.regions import Graph, N, stacked

DOUBTFUL = 4.0
"""Log odds nearer to 0 than this leave a doubt: the other decision has more than 2 %."""
_MOST_ALTERNATIVES = 3


@dataclass(frozen=True, eq=False)
class Joint:
    """Two base regions through which two parts of one chromosome hang together."""

    first: int
    second: int


@dataclass(frozen=True, eq=False)
class AmbiguousPieces:
    """Pieces (by number) that could be cut otherwise: each alternative is a tuple of pieces, each a
    bool (r,) of its regions, with its log weight relative to the cutting chosen."""

    members: tuple[int, ...]
    alternatives: tuple[tuple[tuple[np.ndarray, ...], float], ...]


@dataclass(frozen=True, eq=False)
class Partition:
    """`part` int (r,): the piece of each region; `doubts` share no piece."""

    part: np.ndarray
    doubts: tuple[AmbiguousPieces, ...]


def partition(graph: Graph, apart: np.ndarray, arbiter: Arbiter) -> Partition:
    """Return the pieces of a graph of regions; `apart` int (r,): which object each region is part
    of, objects do not touch.

    Joined first by shape alone, then once more knowing how large the neighbours came out.
    """
    n = len(graph.peak)
    if not n:
        return Partition(np.zeros(0, np.int64), ())
    unknown = np.full(n, np.nan)
    part, _ = joined(graph, unknown, arbiter)
    expected = expected_areas(graph, part, apart)
    part, joints = joined(graph, expected, arbiter)
    part, cuts = _parted(graph, part, joints, expected, arbiter)
    return Partition(part, _doubts(graph, part, cuts, expected, arbiter))


def joined(
    graph: Graph, expected: np.ndarray, arbiter: Arbiter, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, list[Joint]]:
    """Return (part int (r,), the joints of all parts as a forest over regions).

    In turns, every contact that is the best of both its regions and more probably one chromosome
    than two is joined. `allowed` int (r,): regions of different value are never joined.
    """
    part = np.arange(len(graph.peak))
    joints: list[Joint] = []
    while True:
        now = graph.joined(part)
        if not len(now.pair):
            return part, joints
        odds = arbiter.log_odds(now, mean_over(expected, part, graph.sums[:, N]))
        if allowed is not None:
            of_part = np.zeros(len(now.peak), allowed.dtype)
            of_part[part] = allowed
            odds = np.where(of_part[now.pair[:, 0]] == of_part[now.pair[:, 1]], odds, -np.inf)
        best = np.full(len(now.peak), -np.inf)
        np.maximum.at(best, now.pair.ravel(), np.repeat(odds, 2))
        chosen = (odds > 0) & (odds >= best[now.pair[:, 0]]) & (odds >= best[now.pair[:, 1]])
        if not chosen.any():
            return part, joints
        part, more = merged(graph, now, part, chosen)
        joints += more


def merged(
    graph: Graph, now: Graph, part: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, list[Joint]]:
    """Return (part int (r,), joints) after joining the `chosen` contacts, bool (e,), of `now`,
    which is `graph` joined to `part`."""
    together = DisjointSet(range(len(now.peak)))
    joints = [
        _joint(graph, part, a, b)
        for a, b in now.pair[chosen].tolist()
        if together.merge(a, b)  # equal odds could chain, even to a ring
    ]
    return _numbered(together)[part], joints


def _numbered(sets: DisjointSet) -> np.ndarray:
    """Return the number of the set of each of 0 … n - 1, int (n,), sets in order of their first."""
    number: dict[int, int] = {}
    return np.array([number.setdefault(sets[k], len(number)) for k in range(len(sets))])


def _joint(graph: Graph, part: np.ndarray, a: int, b: int) -> Joint:
    """Return the base contact with the deepest neck between parts `a` and `b`."""
    ends = np.sort(part[graph.pair], 1)
    between = np.flatnonzero((ends[:, 0] == min(a, b)) & (ends[:, 1] == max(a, b)))
    first, second = graph.pair[between[graph.neck[between].argmax()]]
    return Joint(int(first), int(second))


def mean_over(values: np.ndarray, part: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return each part's mean value, nan where nothing is known."""
    known = np.isfinite(values)
    n = int(part.max()) + 1
    total = np.bincount(part[known], weight[known], n)
    mean = np.bincount(part[known], (weight * np.where(known, values, 0))[known], n)
    return np.where(total > 0, mean / np.maximum(total, 1e-9), np.nan)


def _trees(own: np.ndarray, joints: Sequence[Joint], without: int) -> np.ndarray:
    """Return int (n,): the trees of regions `own` (sorted) in the forest without one joint."""
    place = {int(region): i for i, region in enumerate(own)}
    trees = DisjointSet(range(len(own)))
    for k, joint in enumerate(joints):
        if k != without and joint.first in place:
            trees.merge(place[joint.first], place[joint.second])
    return _numbered(trees)


@dataclass(frozen=True, eq=False)
class Cut:
    """A piece parted at a joint: regions on one side and on the other, bool (r,), and the log odds
    that the two are one chromosome after all."""

    first: np.ndarray
    second: np.ndarray
    odds: float


def cut_states(
    graph: Graph, part: np.ndarray, joints: Sequence[Joint], expected: np.ndarray
) -> tuple[list[tuple[np.ndarray, np.ndarray]], Graph, np.ndarray]:
    """Return for each joint its two sides (bool (r,) each); the graph in which these are regions
    2 k and 2 k + 1 and touch in contact k; and what is expected there, float (2 k,)."""
    sides, graphs, known = [], [], []
    for k, joint in enumerate(joints):
        own = np.flatnonzero(part == part[joint.first])
        tree = _trees(own, joints, k)
        one = own[tree == tree[np.searchsorted(own, joint.first)]]
        label = np.full(len(part), -1)
        label[own] = 1
        label[one] = 0
        sides.append((label == 0, label == 1))
        inner = graph.among(label)
        graphs.append(inner)
        known.append(mean_over(expected[own], label[own], graph.sums[own, N]))
    return sides, stacked(graphs), np.concatenate([np.zeros(0), *known])


def _cuts(
    graph: Graph,
    part: np.ndarray,
    joints: Sequence[Joint],
    expected: np.ndarray,
    arbiter: Arbiter,
) -> list[Cut]:
    sides, pairs, known = cut_states(graph, part, joints, expected)
    odds = arbiter.log_odds(pairs, known)
    return [Cut(*side, float(odd)) for side, odd in zip(sides, odds, strict=True)]


def _parted(
    graph: Graph,
    part: np.ndarray,
    joints: list[Joint],
    expected: np.ndarray,
    arbiter: Arbiter,
) -> tuple[np.ndarray, list[Cut]]:
    """Return parts, and the cuts at the joints left, after taking back joints that look wrong now
    that all is joined."""
    cuts = _cuts(graph, part, joints, expected, arbiter)
    for _ in range(8):
        worst = min(range(len(cuts)), key=lambda k: cuts[k].odds, default=-1)
        if worst < 0 or cuts[worst].odds >= 0:
            break
        part = np.where(cuts[worst].second, part.max() + 1, part)
        part = np.unique(part, return_inverse=True)[1]
        joints = [joint for k, joint in enumerate(joints) if k != worst]
        cuts = _cuts(graph, part, joints, expected, arbiter)
    return part, cuts


def _doubts(
    graph: Graph,
    part: np.ndarray,
    cuts: Sequence[Cut],
    expected: np.ndarray,
    arbiter: Arbiter,
) -> tuple[AmbiguousPieces, ...]:
    """Return what could be parted or joined otherwise, each piece in at most one doubt."""
    options: list[tuple[float, frozenset[int], tuple[np.ndarray, ...]]] = []
    for cut in cuts:
        if cut.odds < DOUBTFUL:
            piece = int(part[cut.first.argmax()])
            options.append((-cut.odds, frozenset([piece]), (cut.first, cut.second)))
    now = graph.joined(part)
    odds = arbiter.log_odds(now, mean_over(expected, part, graph.sums[:, N]))
    for (a, b), odd in zip(now.pair.tolist(), odds.tolist(), strict=True):
        if odd > -DOUBTFUL:
            options.append((odd, frozenset([a, b]), ((part == a) | (part == b),)))
    options.sort(key=lambda option: -option[0])
    # Options that share a piece become one doubt over all pieces of both.
    together = DisjointSet(range(len(now.peak)))
    for _, own, _ in options:
        together.merge(min(own), max(own))
    # In the order of the least probable option of each.
    last = {together[min(own)]: i for i, (_, own, _) in enumerate(options)}
    found = []
    for root in sorted(last, key=last.__getitem__):
        cluster = together.subset(root)
        members = tuple(sorted(cluster))
        made = [
            ((*pieces, *(part == k for k in members if k not in own)), weight)
            for weight, own, pieces in options
            if own <= cluster
        ]
        found.append(AmbiguousPieces(members, tuple(made[:_MOST_ALTERNATIVES])))
    return tuple(found)

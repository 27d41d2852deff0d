"""The cutting of connected ink into chromosomes, and what else it could be."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from screening.karyogram.locate.arbiter import log_odds
from screening.karyogram.locate.cuts import Cut, cuts_of
from screening.karyogram.locate.objects import Piece

DOUBTFUL = 4.0
"""Log odds nearer to 0 than this leave a doubt: the other decision has more than 2 %."""
_MOST_CUTS = 64  # of one object: a row that a rule ties together, not a photograph
_PLAIN_WIDTH = 1.2  # units: what is not wider is one upright chromosome


@dataclass(eq=False)
class Leaf:
    """A piece that is left whole; `cuts` with their log `odds`, the best first."""

    piece: Piece
    cuts: list[Cut] = field(default_factory=list)
    odds: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(eq=False)
class Node:
    """A piece that is cut: `odds` of the cut that was made, `others` that were not."""

    piece: Piece
    odds: float
    others: list[tuple[Cut, float]]
    parts: tuple[Tree, Tree]


Tree = Leaf | Node


class Cutter:
    """Finds and remembers the possible cuts of the pieces of one page."""

    def __init__(self, page: np.ndarray, unit: float) -> None:
        self.page, self.unit = page, unit
        self._known: dict[tuple[int, int, int, int, int], list[Cut]] = {}

    def tree(self, piece: Piece, expected: float) -> Tree:
        """Return how to cut `piece`; `expected`: a chromosome's area here, nan when unknown."""
        self._left = _MOST_CUTS
        return self._grow(piece, expected)

    def leaf(self, piece: Piece) -> Leaf:
        """Return the piece left whole without looking for cuts."""
        return Leaf(piece)

    def cuts(self, piece: Piece) -> list[Cut]:
        """Return the possible cuts of a piece."""
        if piece.w <= _PLAIN_WIDTH * self.unit:
            return []
        key = (piece.x, piece.y, piece.w, piece.h, piece.area)
        if key not in self._known:
            self._known[key] = cuts_of(piece, self.page, self.unit)
        return self._known[key]

    def _grow(self, piece: Piece, expected: float) -> Tree:
        cuts = self.cuts(piece) if self._left > 0 else []
        odds = log_odds(cuts, self.unit, expected)
        order = np.argsort(-odds)
        cuts, odds = [cuts[i] for i in order], odds[order]
        if not len(odds) or odds[0] <= 0:
            return Leaf(piece, cuts, odds)
        self._left -= 1
        best = cuts[0]
        parts = self._grow(best.first, expected), self._grow(best.second, expected)
        others = list(zip(cuts[1:], odds[1:].tolist(), strict=True))
        return Node(piece, float(odds[0]), others, parts)


@dataclass(frozen=True, eq=False)
class Uncertain:
    """Leaves (by index) that could be cut otherwise: alternatives with their log weight relative
    to the cutting chosen."""

    members: tuple[int, ...]
    alternatives: tuple[tuple[tuple[Piece, ...], float], ...]


def leaves(tree: Tree) -> list[Leaf]:
    """Return the leaves of a tree from left to right."""
    if isinstance(tree, Leaf):
        return [tree]
    return leaves(tree.parts[0]) + leaves(tree.parts[1])


def uncertain(tree: Tree, most: int = 3) -> list[Uncertain]:
    """Return what could be cut otherwise, each leaf in at most one, the least certain first."""
    flat = leaves(tree)
    index = {id(leaf): i for i, leaf in enumerate(flat)}
    options: list[tuple[float, frozenset[int], tuple[Piece, ...]]] = []
    _collect(tree, index, options)
    options.sort(key=lambda option: -option[0])
    # Options that share a leaf become one doubt over all leaves of both.
    clusters: list[set[int]] = []
    for _, members, _ in options:
        touching = [c for c in clusters if c & members]
        clusters = [c for c in clusters if not c & members]
        clusters.append(set(members).union(*touching))
    found = []
    for cluster in clusters:
        members = tuple(sorted(cluster))
        made = [
            ((*pieces, *(flat[i].piece for i in members if i not in own)), weight)
            for weight, own, pieces in options
            if own <= cluster
        ]
        found.append(Uncertain(members, tuple(made[:most])))
    return found


def _collect(
    tree: Tree,
    index: dict[int, int],
    options: list[tuple[float, frozenset[int], tuple[Piece, ...]]],
) -> None:
    if isinstance(tree, Leaf):
        here = frozenset([index[id(tree)]])
        for cut, odds in zip(tree.cuts, tree.odds.tolist(), strict=True):
            if odds > -DOUBTFUL:
                options.append((odds, here, (cut.first, cut.second)))
        return
    below = frozenset(index[id(leaf)] for leaf in leaves(tree))
    if all(isinstance(part, Leaf) for part in tree.parts):
        if tree.odds < DOUBTFUL:
            options.append((-tree.odds, below, (tree.piece,)))
        for cut, odds in tree.others:
            if odds > max(-DOUBTFUL, tree.odds - DOUBTFUL):
                options.append((odds - tree.odds, below, (cut.first, cut.second)))
    for part in tree.parts:
        _collect(part, index, options)

"""Dropout noise that depends on (seed, image key, dropout call, pass) and on nothing else.

Masks are made 32 at a time: bit j of a random word is the coin of position j of a channel. A keep
probability m / 2^k is made of k random words combined by AND and OR (k = 1 for rate 0.5, at most
16: rates are rounded to 1/65536). The words are Philox's (Salmon et al. 2011), the same ones in
TensorFlow (`masks`) and in NumPy (here); pass t starts at a fixed place of the stream, so neither
batch size, order, nor the number of passes matter.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

RATE_BITS = 16
_ROUNDS = 10
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_PART = 8192
"""Steps of Philox at once: what they need stays in a processor's nearest caches."""


def stream_keys(seed: int, keys: Sequence[int | str | bytes], sites: Sequence[str]) -> np.ndarray:
    """Return uint64 (images, sites): the Philox key of every image and dropout call."""
    table = np.empty((len(keys), len(sites)), np.uint64)
    for row, key in enumerate(keys):
        for column, site in enumerate(sites):
            text = repr((int(seed), key if isinstance(key, str | bytes) else int(key), site))
            digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
            table[row, column] = int.from_bytes(digest, "little")
    return table


def philox(key: int, counters: np.ndarray) -> np.ndarray:
    """Return uint32 (n, 4): the four words of Philox 4×32-10 at `counters`, uint64 (n,)."""
    words = np.empty((len(counters), 4), np.uint32)
    for first in range(0, len(counters), _PART):
        own = slice(first, first + _PART)
        _philox(int(key), counters[own], words[own])
    return words


def _philox(key: int, counters: np.ndarray, words: np.ndarray) -> None:
    a, b = counters & _LOW, counters >> _HALF
    c, d, one, two = (np.zeros_like(a) for _ in range(4))
    low, high = key & 0xFFFFFFFF, key >> 32
    for _ in range(_ROUNDS):
        np.multiply(a, _MULTIPLIERS[0], out=one)
        np.multiply(c, _MULTIPLIERS[1], out=two)
        # a, b, c, d = high(two) ^ b ^ low, low(two), high(one) ^ d ^ high, low(one)
        np.right_shift(two, _HALF, out=a)
        a ^= b
        a ^= np.uint64(low)
        np.right_shift(one, _HALF, out=c)
        c ^= d
        c ^= np.uint64(high)
        b, two = two, b
        d, one = one, d
        b &= _LOW
        d &= _LOW
        low, high = low + _KEY_STEPS[0] & 0xFFFFFFFF, high + _KEY_STEPS[1] & 0xFFFFFFFF
    for column, word in enumerate((a, b, c, d)):
        words[:, column] = word


@dataclass(frozen=True)
class Layout:
    """Where the coins of a mask of shape (..., channels) lie in the words of one pass.

    Position s = bit * groups + group of channel c is that bit of word group * channels + c.
    `odds` say how many words are combined into the coin; several share one where bits are free.
    """

    shape: tuple[int, ...]
    keep: float

    @cached_property
    def channels(self) -> int:
        """Return the number of units at one position."""
        return self.shape[-1] if self.shape else 1

    @cached_property
    def positions(self) -> int:
        """Return the number of positions, the product of all axes but the last."""
        return math.prod(self.shape[:-1])

    @cached_property
    def groups(self) -> int:
        """Return how many words of 32 bits hold one channel's positions."""
        return -(-self.positions // 32)

    @cached_property
    def bits(self) -> int:
        """Return how many bits of each word are used, 1 to 32."""
        return -(-self.positions // self.groups)

    @cached_property
    def width(self) -> int:
        """Return the number of words that hold all units."""
        return self.groups * self.channels

    @cached_property
    def odds(self) -> tuple[int, int]:
        """Return (m, k) with m odd and m / 2^k the keep probability, never 0 or 1."""
        m = min(max(round(self.keep * 2**RATE_BITS), 1), 2**RATE_BITS - 1)
        k = RATE_BITS
        while m % 2 == 0:
            m, k = m // 2, k - 1
        return m, k

    @cached_property
    def per_word(self) -> int:
        """Return how many planes share a word."""
        return 32 // self.bits

    @cached_property
    def words(self) -> int:
        """Return how many words of one unit are drawn in a pass."""
        return -(-self.odds[1] // self.per_word)

    @cached_property
    def steps(self) -> int:
        """Return how many steps of Philox, four words each, a pass takes: whole ones, so that any
        pass can be found again."""
        return -(-self.words * self.width // 4)


def coins(layout: Layout, key: int, count: int) -> np.ndarray:
    """Return uint32 (count, width): the coins of passes 0 ... count - 1."""
    first = np.arange(count, dtype=np.uint64)[:, None] * np.uint64(layout.steps)
    if layout.per_word == 1 and layout.width % 4 == 0:
        return _undecided(layout, key, first)
    m, k = layout.odds
    steps = first + np.arange(layout.steps, dtype=np.uint64)
    flat = philox(key, steps.ravel()).reshape(count, -1)[:, : layout.words * layout.width]
    if layout.bits == 1:
        # All tosses of a unit in one word: what the loop below makes of them is a comparison.
        coin: np.ndarray = (~flat & np.uint32(2**k - 1) < np.uint32(m)).astype(np.uint32)
        return coin
    drawn = flat.reshape(count, layout.words, layout.width)
    coins: np.ndarray = drawn[:, 0]
    for plane in range(1, k):
        word = drawn[:, plane // layout.per_word] >> np.uint32(
            plane % layout.per_word * layout.bits
        )
        # Reading m from its last digit: each coin tossed halves the odds (AND) or halves the odds
        # against (OR).
        coins = coins | word if m >> plane & 1 else coins & word
    return coins


def _undecided(layout: Layout, key: int, first: np.ndarray) -> np.ndarray:
    """The coins of large masks. From the last toss back, each decides half of the coins that are
    still open: a step of which all are decided is not drawn."""
    m, k = layout.odds
    quarter = layout.width // 4
    steps = (first + np.arange(quarter, dtype=np.uint64)).ravel()
    coins = np.zeros((len(steps), 4), np.uint32)
    where = np.arange(len(steps))
    undecided = np.full((len(steps), 4), 2**layout.bits - 1, np.uint32)
    for plane in range(k - 1, 0, -1):
        word = philox(key, steps + np.uint64(plane * quarter))
        if m >> plane & 1:
            coins[where] |= word & undecided
            word = ~word
        undecided &= word
        left = undecided.any(1)
        if not left.all():
            where, steps, undecided = where[left], steps[left], undecided[left]
    coins[where] |= philox(key, steps) & undecided
    return coins.reshape(len(first), layout.width)


def mask(layout: Layout, key: int, count: int) -> np.ndarray:
    """Return bool (count, *shape): True where a unit is kept."""
    drawn = coins(layout, key, count)
    bits = np.arange(layout.bits, dtype=np.uint32)[:, None]
    kept = (drawn[:, None] >> bits & np.uint32(1)).astype(bool)
    kept = kept.reshape(count, layout.bits * layout.groups, layout.channels)
    return kept[:, : layout.positions].reshape(count, *layout.shape)


def masked_mean(layout: Layout, features: np.ndarray, key: int, count: int) -> np.ndarray:
    """Return the mean over positions of mask * features, float32 (count, channels).

    Equal to averaging `features` (*shape) under each mask, without ever writing the masks.
    """
    drawn = coins(layout, key, count).view(np.int32)
    flat = np.zeros((layout.bits * layout.groups, layout.channels), np.float32)
    flat[: layout.positions] = features.reshape(layout.positions, layout.channels)
    flat = flat.reshape(layout.bits, layout.width)
    total = np.zeros((count, layout.width), np.float32)
    for rows in np.array_split(np.arange(count), -(-count * layout.width // (4 * _PART))):
        own, sums = drawn[rows], total[rows[0] : rows[-1] + 1]
        for bit in range(layout.bits):
            # A coin as 32 equal bits lets a number through whole, or not at all.
            gate = (own << np.int32(31 - bit)) >> np.int32(31)
            gate &= flat[bit].view(np.int32)
            sums += gate.view(np.float32)
    return total.reshape(count, layout.groups, layout.channels).sum(1) / layout.positions

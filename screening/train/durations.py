"""How far something is and how long it takes, told to people."""

from __future__ import annotations

from collections.abc import Callable

Tick = Callable[[float, float, str], None]
"""Hears (done, total, what is counted) while something takes long."""


def silent(done: float, total: float, what: str = "") -> None:
    """Tell nobody."""


def in_words(seconds: float) -> str:
    """Return a time in seconds, minutes or hours, whichever a person would say."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

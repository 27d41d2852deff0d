"""What callers hand over, checked before anything is loaded."""

from __future__ import annotations

from screening.errors import ScreeningError


def check(*held: tuple[bool, str]) -> None:
    """Raise one ScreeningError that names everything that does not hold."""
    problems = [f"expected {what}" for holds, what in held if not holds]
    if problems:
        raise ScreeningError("; ".join(problems))

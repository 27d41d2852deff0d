"""JSON that comes from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def parsed(text: str | bytes, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return what a JSON text says; ValueError when it is none, nested too deep to be one too.

    `pairs` makes an object of its keys and values, see `json.loads`.
    """
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError("nested too deep") from None

"""Names and words from anywhere, made fit for a text file and a screen."""

from __future__ import annotations

import unicodedata

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(name: str) -> str:
    """Return `name` with every letter of every script, the rest as escapes such as \\xff: what is
    not valid UTF-8, control characters, line ends and direction overrides."""

    def plain(char: str) -> str:
        if char in _BIDI_CONTROLS or unicodedata.category(char) in ("Cc", "Zl", "Zp"):
            return char.encode("unicode_escape").decode("ascii")
        if "\udc80" <= char <= "\udcff":  # a byte that was not valid UTF-8 (PEP 383)
            return f"\\x{ord(char) - 0xDC00:02x}"
        return char if unicodedata.category(char) != "Cs" else f"\\u{ord(char):04x}"

    return "".join(map(plain, name))

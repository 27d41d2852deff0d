"""Sentences as templates with typed fields: found again in a text, and filled.

`{name}` stands for any text, `{name:kind}` for text of a kind: "n" a whole number, "x" a number,
"word" text without a space, or any context of a catalogue, whose messages are then the texts of
that kind. `{name:kind*}` are several of them, ", " between; `{name:kind?}` may be missing. After
`{n?pass|passes}` stands the first form for one of the number `n`, else the second; a language whose
plural has one form writes one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

_FIELD = re.compile(r"\{(\w+)(?::(\w+)([*?]?)|\?([^{}]*))?\}")
PATTERNS: Mapping[str, str] = {
    "": r".+?",
    "word": r"\S+",
    "n": r"\d{1,3}(?:,\d{3})+|\d+",
    "x": r"[<>]?[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?",
}
"""What fields of the kinds that need no catalogue look like."""
BETWEEN = ", "
"""What stands between several texts in English."""


class Field(NamedTuple):
    """A field of a template: `how` is "*" for several texts, "?" for one that may be missing."""

    name: str
    kind: str
    how: str


class Template:
    """A template, see the module's top. `fields`: by their names; `start`: what every text of it
    starts with."""

    def __init__(self, text: str) -> None:
        parts = _FIELD.split(text)
        self.fields: dict[str, Field] = {}
        self._parts: list[str | Field | tuple[str, list[str]]] = []
        for at in range(0, len(parts), 5):
            self._parts.append(parts[at])
            if at + 1 < len(parts):
                name, kind, how, forms = parts[at + 1 : at + 5]
                if forms is not None:
                    self._parts.append((name, forms.split("|")))
                else:
                    self.fields[name] = Field(name, kind or "", how or "")
                    self._parts.append(self.fields[name])
        self.start = parts[0]

    def pattern(self, of_kind: Callable[[str], str], named: bool = True) -> str:
        """Return the regular expression of its texts; `of_kind` gives that of a kind, `named`: each
        field is a group of its name."""
        found = []
        for part in self._parts:
            if isinstance(part, str):
                found.append(re.escape(part))
            elif isinstance(part, Field):
                one = f"(?:{of_kind(part.kind)})"
                one += f"(?:{BETWEEN}{one})*" if part.how == "*" else part.how
                found.append(f"(?P<{part.name}>{one})" if named else one)
            else:
                found.append(f"(?:{'|'.join(map(re.escape, part[1]))})")
        return "".join(found)

    def filled(
        self,
        values: Mapping[str, str],
        numbers: Mapping[str, str],
        form: Callable[[int], int],
    ) -> str:
        """Return the text with `values` for its fields; `numbers`: the English ones that choose a
        form, whose place among the forms `form` gives."""
        said = []
        for part in self._parts:
            if isinstance(part, str):
                said.append(part)
            elif isinstance(part, Field):
                said.append(values[part.name])
            else:
                name, forms = part
                place = form(int(numbers[name].replace(",", "")))
                said.append(forms[min(place, len(forms) - 1)])
        return "".join(said)

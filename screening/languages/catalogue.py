"""A language: its messages, from a catalogue that any translator's editor opens (`de.po`)."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from screening.languages.templates import BETWEEN, PATTERNS, Field, Template

_ONE_FORM = ("zh",)
_SINGULAR_ZERO = ("fr",)
_DECIMAL_POINT = ("zh",)
_THIN_SPACE = "\u202f"
_FEW = 1 << 14  # texts kept as they were said


class _Message(NamedTuple):
    """What is said in English, how it is recognised, and how it is said here."""

    source: Template
    known: re.Pattern[str]
    target: Template


class Catalogue:
    """What the program says in one language; `messages` by context, then by the English template.

    A context other than "" is the kind of a field (see `languages.templates`).
    """

    def __init__(self, language: str, messages: dict[str, dict[str, str]]) -> None:
        self.language, self.messages = language, messages
        self._kinds = dict(PATTERNS)
        self._read: dict[str, list[_Message]] = {}
        self.translated = lru_cache(_FEW)(self._translated)

    @staticmethod
    def of(language: str) -> Catalogue:
        """Return the catalogue of a language, read once; its file must be there."""
        return _catalogue(language)

    def said(self, text: str) -> str:
        """Return an English text in this language: a sentence, or several with "; " between, each
        as it is where no message fits."""
        whole = self.translated(text, "")
        if whole is not None or "; " not in text:
            return text if whole is None else whole
        parts = text.split("; ")
        here = [self.translated(part, "") for part in parts]
        if not any(here):
            return text
        between = self.messages["between"]["; "]
        return between.join(one or part for one, part in zip(here, parts, strict=True))

    def told(self, template: str, values: dict[str, str]) -> str:
        """Return the message of an English `template`, filled with English `values`; KeyError when
        there is none."""
        target = Template(self.messages[""][template])
        return self._filled(Template(template), target, values)

    def _translated(self, text: str, kind: str) -> str | None:
        """The text in this language as one of a kind, None when it is none."""
        for one in self._of(kind):
            if text.startswith(one.source.start) and (found := one.known.fullmatch(text)):
                return self._filled(one.source, one.target, found.groupdict())
        return None

    def _filled(self, source: Template, target: Template, values: dict[str, str]) -> str:
        here = {field.name: self._value(field, values[field.name]) for field in
                source.fields.values()}  # fmt: skip
        return target.filled(here, values, self._form)

    def _value(self, field: Field, text: str | None) -> str:
        if not text:
            return ""
        if field.kind in ("n", "x"):
            return self._number(text)
        if field.kind in PATTERNS and field.how != "*":
            return text
        if field.how != "*":
            return self.translated(text, field.kind) or text
        items = re.findall(f"(?:{self._pattern(field.kind)})(?={BETWEEN}|$)", text)
        between = self.messages["between"][BETWEEN]
        return between.join(self._value(field._replace(how=""), item) for item in items)

    def _number(self, text: str) -> str:
        if self.language in _DECIMAL_POINT:
            return text
        return text.replace(",", _THIN_SPACE).replace(".", ",")

    def _form(self, number: int) -> int:
        if self.language in _ONE_FORM:
            return 0
        singular = number < 2 if self.language in _SINGULAR_ZERO else number == 1
        return 0 if singular else 1

    def _of(self, kind: str) -> list[_Message]:
        if kind not in self._read:
            found = []
            for english, here in self.messages[kind].items():
                source = Template(english)
                known = re.compile(source.pattern(self._pattern))
                found.append(_Message(source, known, Template(here)))
            self._read[kind] = found  # whole at once: the reading room asks from many threads
        return self._read[kind]

    def _pattern(self, kind: str) -> str:
        if kind not in self._kinds:
            every = [Template(one).pattern(self._pattern, False) for one in self.messages[kind]]
            self._kinds[kind] = "|".join(every)
        return self._kinds[kind]


@cache
def _catalogue(language: str) -> Catalogue:
    from babel.messages.pofile import read_po  # nobody needs it for English

    with (files("screening") / "languages" / f"{language}.po").open("rb") as file:
        kept = read_po(file, locale=language, abort_invalid=True)
    messages: dict[str, dict[str, str]] = {}
    for one in kept:
        if one.id:
            messages.setdefault(one.context or "", {})[str(one.id)] = str(one.string)
    return Catalogue(language, messages)

"""The language in which pages are drawn. Everything else stays English: records, tables and the
terminal hold the sentences that programs compare and people search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from screening.languages.catalogue import Catalogue
from screening.languages.templates import Template

if TYPE_CHECKING:
    from jinja2 import Environment

ENGLISH = "en"
LANGUAGES = (ENGLISH, "de", "es", "fr", "zh")
"""What a page can be drawn in; each but English has a catalogue beside this module."""

_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """Return the language that is spoken, one of LANGUAGES."""
    return _spoken.get()


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Let everything within be drawn in a language; ValueError for one that is not known."""
    if name not in LANGUAGES:
        raise ValueError(f"expected a language of {LANGUAGES}, received {name!r}")
    before = _spoken.set(name)
    try:
        yield
    finally:
        _spoken.reset(before)


def said(text: str) -> str:
    """Return an English sentence of this program in the language that is spoken; what is none stays
    as it is."""
    return text if language() == ENGLISH else Catalogue.of(language()).said(text)


def told(template: str, **values: object) -> str:
    """Return a message of a page by its English template, filled; KeyError when the language that
    is spoken lacks it."""
    texts = {name: str(value) for name, value in values.items()}
    if language() != ENGLISH:
        return Catalogue.of(language()).told(template, texts)
    return Template(template).filled(texts, texts, lambda number: int(number != 1))


def speak_in(environment: Environment) -> None:
    """Let the templates of a Jinja environment speak: `_` and `said`, and `language` to ask for."""
    environment.filters["said"] = said
    environment.globals |= {"_": told, "language": language}

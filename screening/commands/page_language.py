"""What the commands that draw pages ask about their language."""

from __future__ import annotations

import argparse

from screening.languages.spoken import ENGLISH, LANGUAGES


def add_language(parser: argparse.ArgumentParser, of: str) -> None:
    """Add the language `of` pages, English unless asked for."""
    parser.add_argument(
        "--language", choices=LANGUAGES, default=ENGLISH,
        help=f"of {of}; tables and the terminal stay English (%(default)s)",
    )  # fmt: skip

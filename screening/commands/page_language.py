"""What the commands that draw the page of a work list ask about its language."""

from __future__ import annotations

import argparse

from screening.languages.spoken import ENGLISH, LANGUAGES


def add_language(parser: argparse.ArgumentParser) -> None:
    """Add the language of the page, English unless asked for."""
    parser.add_argument(
        "--language", choices=LANGUAGES, default=ENGLISH,
        help="of report.html and report.pdf; tables, the terminal and the reading room "
        "stay English (%(default)s)",
    )  # fmt: skip

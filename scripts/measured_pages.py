"""The pages that the reports share: composed on people whom a bundle never saw, scored once.

Pages lie in PAGES/PEOPLE/PART, by whose chromosomes they show; what a bundle said of them lies in a
ledger beside them. Both are kept, so that an interrupted measurement goes on and the next script
reads what the last one scored.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from report_header import ROOT, add_report_arguments

from screening.assess.certification import Terms, scored
from screening.assess.labelled import LabelledPicture
from screening.build.config import UNSEEN, BuildConfig, read_build
from screening.build.data import records_of
from screening.build.given import apart_from, seen_by
from screening.build.pages import MANIFEST, compose_part, rows_of
from screening.build.progress import BuildProgress
from screening.build.runner import Context
from screening.bundle import Bundle, default_bundle, load_bundle
from screening.data.chromosomes import CellRecord
from screening.data.split import Split, split_by_case
from screening.models.backbones import known_depths
from screening.record import Picture


@dataclass(frozen=True, eq=False)
class Part:
    """A part of pages, page by page: truth, manifest line and what the bundle saw."""

    folder: Path
    rows: Sequence[Mapping]
    labelled: Sequence[LabelledPicture]
    pictures: Sequence[Picture]


def split_apart(records: list[CellRecord], config: BuildConfig, bundle: Bundle) -> Split:
    """Return the split of these cells with everybody whom the bundle has seen in train."""
    made = split_by_case(records, config.split.fractions, config.split.seed)
    return apart_from(made, seen_by(bundle), config.sources)


@dataclass(frozen=True, eq=False)
class MeasuredPages:
    """Pages of `bundle`'s unseen people, as `add_page_arguments` asks for them."""

    args: argparse.Namespace
    bundle: Bundle

    @cached_property
    def config(self) -> BuildConfig:
        """Return the settings of the build, the sources that taught the bundle nothing left out."""
        return leaving_out_as(read_build(self.args.config, known_depths()), self.bundle)

    @cached_property
    def records(self) -> list:
        """Return the cells of the data."""
        return records_of(self.args.data, self.config.sources)

    @cached_property
    def split(self) -> Split:
        """Return the split of today's data with everybody whom the bundle has seen in train."""
        return split_apart(self.records, self.config, self.bundle)

    @cached_property
    def home(self) -> Path:
        """Return the folder of these pages, named by what chose them: split and sources."""
        chosen = self.split.hash + self.config.sources.model_dump_json()
        return self.args.pages / hashlib.sha256(chosen.encode()).hexdigest()[:12]

    def with_people(self, parts: Sequence[str]) -> list[str]:
        """Return the parts that have people: nobody is in `unseen` of a bundle that every source
        of the data has taught."""
        everyone = not self.config.sources.leave_out
        return [part for part in parts if not (everyone and part.startswith(UNSEEN))]

    def folder(self, part: str) -> Path:
        """Return the folder of a part, composed where that was not done."""
        most = f"-{self.args.most}" if self.args.most else ""
        folder = self.home / f"{part}{most}"
        progress = BuildProgress(None)
        progress.begin(part)
        context = Context(
            folder, self.config, self.args.data, workers=self.args.workers, tick=progress.tick,
            say=progress.say,
        )  # fmt: skip
        counts = (self.config.pages.parts | self.config.pages.measured)[part]
        compose_part(
            context, folder, part, counts, self.records, self.split, self.config, self.args.most
        )
        return folder

    def part(self, name: str) -> Part:
        """Return a part of pages, composed and scored where that was not done."""
        folder = self.folder(name)
        terms = Terms(
            folder / MANIFEST, passes=self.args.passes, quiet=False, workers=self.args.workers
        )
        labelled, pictures = scored(self.bundle, terms, folder / f"seen-{self.bundle.hash[:12]}")
        return Part(folder, rows_of(folder), labelled, pictures)

    def said(self) -> str:
        """Return in words whose pages these are and how many of them were measured."""
        most = ""
        if self.args.most:
            most = f" Of each part the first {self.args.most} pages in random order"
            most += " and all of truly aneuploid cells."
        return (
            "Pages are composed and simulated from chromosomes of people who taught nothing in the "
            "bundle (unseen: of a laboratory none of whose people did); "
            f"{self.args.passes} passes.{most}"
        )


def leaving_out_as(config: BuildConfig, bundle: Bundle) -> BuildConfig:
    """Return the settings with those sources left out that taught the bundle nothing."""
    left_out = [name for name in bundle.info.data.get("left_out", "").split(", ") if name]
    return config.leaving_out(left_out)


def add_page_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the data, the bundle, where pages are kept and how many are measured."""
    add_report_arguments(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder of single chromosomes")
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--pages", type=Path, default=ROOT / "runs" / "pages")
    parser.add_argument("--most", type=int, help="pages of each part (default: all)")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "default_bundle.yaml")
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)


def pages_of(args: argparse.Namespace) -> MeasuredPages:
    """Return the pages that a command line asks for."""
    return MeasuredPages(args, load_bundle(args.bundle))

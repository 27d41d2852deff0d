"""`screening watch`: triage pictures as they arrive in a folder."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

from screening.commands.screen import Interrupted, add_run_arguments, prepared, show
from screening.errors import ScreeningError
from screening.events import note
from screening.languages.spoken import speaking
from screening.worklist.remote import RemoteFolder, place_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument(
        "folder", type=place_of, help="folder into which pictures arrive, sub-folders too"
    )
    parser.add_argument(
        "--every",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="pause between two looks; a file that is the same at both is taken (%(default)g)",
    )
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Return the exit status of the last round once Ctrl-C or SIGTERM comes, as of `screen`; 0 when
    no picture came.

    Raises ScreeningError for wrong values and for what no waiting mends.
    """
    if not 0.1 <= args.every <= 86_400:
        raise ScreeningError(f"--every expects 0.1 to 86400 seconds, received {args.every:g}")
    for place in (args.folder, args.out):
        if isinstance(place, RemoteFolder):
            raise ScreeningError(
                f"watch expects folders of this machine, received {place}: `screening screen` with "
                "--resume takes what is new there"
            )
    args.resume, args.overwrite, args.shard, args.cluster = True, False, None, None
    settings, scorer, locator, reader = prepared(args)
    from screening.worklist.watch import Watch

    def say(line: str) -> None:
        note("message", text=line)
        if not args.quiet:
            print(time.strftime("%H:%M:%S"), line, flush=True)

    with _stopped_by_signals() as asked:
        say(f"watching {args.folder}, the work list is {args.out / 'report.html'}; Ctrl-C ends it")
        watch = Watch(
            settings, scorer, locator, reader, every=args.every, stop=lambda: bool(asked), say=say
        )
        try:
            with speaking(args.language):
                summary = watch.run()
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped; what is done is kept in {args.out}: the same command goes on"
            ) from None
    if summary is None:
        if not args.quiet:
            print(f"no picture came into {args.folder}", file=sys.stderr)
        return 0
    if not args.quiet:
        show(summary, settings.rule, args.out)
    return summary.exit_status


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[list[int]]:
    """A list that holds the signal once one came; the second Ctrl-C is a KeyboardInterrupt."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

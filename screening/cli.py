"""The command line: parse, then import the one command that was asked for, then call it.

A command is a module of `screening.commands` with `add_arguments(parser)` and `run(args)`, which
returns the exit status. Nothing else is known about it here, and only the one that is asked for is
imported, so that help appears at once.
"""

from __future__ import annotations

import argparse
import difflib
import io
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from screening import __version__
from screening.errors import NotInstalled, ScreeningError
from screening.events import log_to, note

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells expect it."""

WIDTH = 80
"""Columns of the help text at most: longer lines are hard to read on a wide screen."""


@dataclass(frozen=True)
class Command:
    """One sub-command: its module in `screening.commands`, one line of help, examples; `long`: it
    may take hours, so it can keep a log for machines."""

    module: str
    help: str
    examples: tuple[str, ...]
    needs_tensorflow: bool = True
    long: bool = False


COMMANDS: dict[str, Command] = {
    "screen": Command(
        "screen",
        "sort a folder of karyograms into a work list, most urgent first",
        (
            "screening screen karyograms --out result",
            "screening screen karyograms --out result --resume",
            "screening screen karyograms --out result --case-from stem --passes 50",
            "screening screen s3://bucket/karyograms --out result --cluster auto",
        ),
        needs_tensorflow=False,  # it may, by its engine, which then says so
        long=True,
    ),
    "watch": Command(
        "watch",
        "sort karyograms into a work list as they arrive in a folder",
        (
            "screening watch arriving --out result",
            "screening watch arriving --out result --every 60",
        ),
        long=True,
        needs_tensorflow=False,  # it may, by its engine, which then says so
    ),
    "report": Command(
        "report",
        "write the outputs of a run again, or one list of all parts of a run",
        (
            "screening report result",
            "screening report part1 part2 part3 --out result",
            "screening report result --fhir result.json",
            "screening report result --dicom",
        ),
        needs_tensorflow=False,
    ),
    "classify": Command(
        "classify",
        "name the chromosomes in a folder of single-chromosome pictures",
        (
            "screening classify chromosomes --out result",
            "screening classify chromosomes --out result --no-cells",
        ),
        long=True,
        needs_tensorflow=False,
    ),
    "compose": Command(
        "compose",
        "lay out single chromosomes as karyograms",
        (
            "screening compose drawn --out karyograms --count 20",
            "screening compose chromosomes --out karyograms --style random --seed 3",
        ),
        needs_tensorflow=False,
    ),
    "simulate": Command(
        "simulate",
        "make karyograms with known abnormalities, with the truth beside them",
        (
            "screening simulate drawn --out simulated --count 50",
            "screening simulate chromosomes --out simulated --abnormality +21 45,X",
        ),
        needs_tensorflow=False,
    ),
    "review": Command(
        "review",
        "read the cases of a run in the browser and give verdicts on them",
        (
            "screening review result",
            "screening review result --blind --no-browser --port 8765",
        ),
        needs_tensorflow=False,
    ),
    "verdicts": Command(
        "verdicts",
        "turn the verdicts on a run into labels, and say where readers differ",
        (
            "screening verdicts result --out labels.csv",
            "screening verdicts result --all verdicts.csv --add others.csv",
        ),
        needs_tensorflow=False,
    ),
    "tune": Command(
        "tune",
        "certify a threshold for a promised recall, into a new bundle",
        (
            "screening tune --data calibration.csv --recall 0.95 --out tuned",
            "screening tune runs/bundle --data calibration.csv --recall 0.95 --out tuned",
        ),
        long=True,
        needs_tensorflow=False,
    ),
    "evaluate": Command(
        "evaluate",
        "measure a bundle on labelled karyograms that it never saw",
        (
            "screening evaluate --data test.csv --out result",
            "screening evaluate --data test.csv --out result --prevalence 0.03",
        ),
        long=True,
        needs_tensorflow=False,
    ),
    "train": Command(
        "train",
        "train a screener on labelled karyograms, stage by stage",
        (
            "screening train configs/thesis_vgg16.yaml --out runs/vgg16",
            "screening train configs/thesis_vgg16.yaml --out runs/vgg16 --resume",
        ),
        long=True,
    ),
    "search": Command(
        "search",
        "search learning rate, batch size and more; writes the best settings",
        ("screening search configs/search.yaml --out runs/search",),
        long=True,
    ),
    "build": Command(
        "build",
        "build a certified bundle from single chromosomes, stage by stage",
        (
            "screening build configs/default_bundle.yaml --data FOLDER --out runs/default",
            "screening build configs/default_bundle.yaml --smoke --out runs/trial",
        ),
        long=True,
    ),
    "benchmark": Command(
        "benchmark",
        "train and measure 24-class networks under three protocols",
        (
            "screening benchmark configs/benchmark24.yaml --data FOLDER --out runs/bench",
            "screening benchmark configs/benchmark24.yaml --smoke --out runs/trial",
            "screening benchmark CONFIG --data FOLDER --out RUN --shard 3/8",
        ),
        long=True,
    ),
    "doctor": Command(
        "doctor",
        "say what this machine has and whether screening can run on it",
        ("screening doctor", "screening doctor --bundle runs/bundle"),
        needs_tensorflow=False,  # it says what is missing
    ),
}

DESCRIPTION = """\
Sorts a folder of karyograms: which look abnormal, which need a second look,
which are confidently normal. It suggests and never diagnoses: research use
only."""

EXIT_STATUS = """\
exit status:
  0    done; for screen: every image was scored
  1    nothing could be done
  2    wrong usage
  3    screen finished, but some images were rejected or failed;
       tune: nothing could be certified, no bundle was written
  130  stopped with Ctrl-C (watch ends by it as screen does)"""


class _Parser(argparse.ArgumentParser):
    """Reports usage errors in the form of every other error, with the way to the help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"screening: error: {message}\nFor help: {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit status of the command in `argv` (default: the process' arguments).

    `--help`, `--version` and wrong usage leave by SystemExit, as argparse does.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # A console or a file of another code page, as on Windows: a name must not end a run.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if arguments and arguments[0] in COMMANDS:
            name, *rest = arguments
            module = import_module(f"screening.commands.{COMMANDS[name].module}")
            asked = command_parser(name, module).parse_args(rest)
            with log_to(getattr(asked, "log_json", None), name):
                return _run(name, module, asked)
        main_parser().parse_args(arguments)
        main_parser().print_help()
        return 2
    except ScreeningError as error:
        print(f"screening: error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("screening: stopped by Ctrl-C", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) has left: nothing to report, and Python's own flush
        # at exit must not fail on the closed pipe either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(name: str, module: ModuleType, asked: argparse.Namespace) -> int:
    """Run a command and note how it begins and ends."""
    note("started", version=__version__, arguments=vars(asked))
    try:
        if COMMANDS[name].needs_tensorflow and find_spec("tensorflow") is None:
            raise NotInstalled(name)
        status = int(module.run(asked))
    except ScreeningError as error:
        note("error", message=str(error), status=error.exit_status)
        raise
    except BaseException as error:
        note("error", message=f"{type(error).__name__}: {error}")
        raise
    note("finished", status=status)
    return status


def main_parser() -> argparse.ArgumentParser:
    """Return the parser of everything before the command: help, version, a mistyped command."""
    listed = "\n".join(f"  {name:<10}{command.help}" for name, command in COMMANDS.items())
    examples = "\n".join(f"  {command.examples[0]}" for command in COMMANDS.values())
    parser = _Parser(
        prog="screening",
        usage="screening COMMAND [options]",
        description=f"{DESCRIPTION}\n\ncommands:\n{listed}",
        epilog=f"examples:\n{examples}\n\n{EXIT_STATUS}\n\n"
        "More about one command: screening COMMAND --help",
        formatter_class=_raw_text,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"screening {__version__}",
        help="show the version and leave",
    )
    parser.add_argument("command", nargs="?", type=_refuse, help=argparse.SUPPRESS)
    return parser


def command_parser(name: str, module: ModuleType) -> argparse.ArgumentParser:
    """Return the parser of one command, its arguments added by its module."""
    command = COMMANDS[name]
    examples = "\n".join(f"  {example}" for example in command.examples)
    parser = _Parser(
        prog=f"screening {name}",
        description=command.help[0].upper() + command.help[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=_raw_text,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    if command.long:
        parser.add_argument(
            "--log-json",
            type=Path,
            metavar="FILE",
            help="also append what happens to FILE, one JSON object a line",
        )
    return parser


def _raw_text(prog: str) -> argparse.RawDescriptionHelpFormatter:
    width = min(WIDTH, shutil.get_terminal_size().columns) - 2
    return argparse.RawDescriptionHelpFormatter(prog, width=width, max_help_position=26)


def _refuse(word: str) -> NoReturn:
    """Explain a word that stands where a command was expected."""
    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.5)
    known = f"expected a command ({', '.join(COMMANDS)}), received {word!r}"
    raise argparse.ArgumentTypeError(known + (f"; did you mean {near[0]!r}?" if near else ""))

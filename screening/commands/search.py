"""`screening search`: Bayesian search of learning rate, batch size and more."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from screening.commands.train import add_shared_arguments, ready, settings
from screening.errors import ConfigError, ScreeningError
from screening.native_log import native_log_filtered

if TYPE_CHECKING:
    from screening.config import TrainConfig
    from screening.train.pictures import Pictures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    add_shared_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Search; return 0. Writes best.yaml, search.json, a figure per value and search.html to RUN.

    With KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT set, processes share
    one search: the chief hands out trials and writes the results, the others run trials.
    """
    config = settings(args)
    if config.search is None:
        raise ConfigError(f"{args.config}: expected a section `search`, there is none")
    with native_log_filtered():
        try:
            from screening.train import search
        except ImportError as error:
            raise ScreeningError(
                f"the search needs keras-tuner and tensorboard ({error}): install the package with "
                "its dependencies, pip install 'screening[cpu]'"
            ) from error
        where = ready(config.changed(devices="one"))
    from functools import cache

    from screening.config import write_config
    from screening.data.split import TRAIN, VALIDATION
    from screening.train import figures
    from screening.train.checkpoint import disk_errors_told
    from screening.train.training_run import TrainingRun

    begun = (args.out / search.PROJECT / "oracle.json").exists()
    if begun and not args.resume and not search.is_worker():
        raise ScreeningError(
            f"{args.out} already holds a search: go on with --resume, or choose another folder"
        )
    _check_settings(config, args.out / "config.yaml", begun)
    job = TrainingRun(config, args.out, where, args.quiet, args.smoke)
    if config.model.weights is not None:
        job.new_screener()  # weights that do not fit are told once, not by every trial

    @cache
    def data() -> tuple[Pictures, Pictures]:
        return job.pictures(TRAIN, varied=True), job.pictures(VALIDATION)

    def say(text: str) -> None:
        if not args.quiet:
            print(text, file=sys.stderr, flush=True)

    with disk_errors_told(args.out):
        args.out.mkdir(parents=True, exist_ok=True)
        write_config(config, args.out / "config.yaml", ["The settings of this search."])
        tuner = search.Search(config, data, args.out, where, say)
        tuner.search(verbose=0)
        if search.is_worker():
            return 0
        trials = tuner.trials()
        search.write_trials(trials, args.out / "search.json")
        objective = config.search.objective
        files = figures.search_scatter(trials, objective, args.out)
        names = sorted({name for trial in trials for name in trial["values"]})
        rows = [
            (
                t["id"],
                *(t["values"].get(n, "") for n in names),
                t["score"],
                t["status"],
                t["reason"],
            )
            for t in trials
        ]
        header = ("trial", *names, objective, "status", "reason")
        figures.page(args.out / "search.html", "Bayesian search", [], header, rows, files)
        best = search.best_settings(config, trials)
        path = args.out / "best.yaml"
        write_config(best, path, [f"screening train {path} --out RUN", "Best trial of a search."])
    if not args.quiet:
        done = sum(trial["score"] is not None for trial in trials)
        print(f"{done} of {len(trials)} trials succeeded; best settings: {path}")
    return 0


def _check_settings(config: TrainConfig, path: Path, begun: bool) -> None:
    """Raise ScreeningError when the trials in the folder are those of other settings."""
    from screening.config import read_config
    from screening.models.backbones import known_depths

    if not begun or not path.is_file():
        return
    before = read_config(path, known_depths())
    ranges = [
        each.search and each.search.model_dump(exclude={"trials"}) for each in (before, config)
    ]
    if before.hash != config.hash or ranges[0] != ranges[1]:
        raise ScreeningError(
            f"{path.parent} holds a search with other settings, of which only search.trials may "
            "change: resume it with its own, or choose another folder"
        )

"""Bayesian search of learning rate, batch size and more, by keras-tuner; every trial is a training.

keras-tuner keeps the trials on disk, so a search goes on where it was stopped. Several processes
share one search through its environment variables: KERASTUNER_TUNER_ID (chief, tuner0, tuner1 …),
KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT, with the same folder for all.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import tensorflow as tf
from keras_tuner.src import config as tuner_config

from screening.config import SearchConfig, StageConfig, TrainConfig
from screening.errors import ConfigError, ScreeningError
from screening.models.backbones import get_backbone
from screening.train.cache import Pictures
from screening.train.checkpoint import DiskError, disk_errors_told
from screening.train.durations import in_words
from screening.train.staged import StagedFit
from screening.train.strategy import Devices
from screening.train.training_run import new_screener

PROJECT = "trials"

# A trial that fails is told in one line; keras-tuner would print its traceback as well.
tuner_config.DEBUG = False


def space(config: SearchConfig) -> keras_tuner.HyperParameters:
    """Return what is searched, as keras-tuner's hyperparameters."""
    found = keras_tuner.HyperParameters()
    low, high = config.learning_rate
    found.Float("learning_rate", low, high, sampling="log")
    found.Choice("batch_size", list(config.batch_size), ordered=True)
    if config.dropout is not None:
        found.Float("dropout", *config.dropout)
    if config.width is not None:
        found.Choice("width", list(config.width), ordered=True)
    if config.unfreeze is not None:
        found.Choice("unfreeze", list(config.unfreeze), ordered=False)
    return found


def applied(config: TrainConfig, values: dict[str, Any]) -> TrainConfig:
    """Return the settings of one trial: `config` with the searched `values` put in."""
    factor = values["learning_rate"] / config.stages[0].learning_rate
    stages: list[StageConfig] = [
        stage.model_copy(update={"learning_rate": min(1.0, stage.learning_rate * factor)})
        for stage in config.stages
    ]
    if "unfreeze" in values:
        stages[-1] = stages[-1].model_copy(update={"unfreeze": values["unfreeze"]})
    model = config.model.model_dump()
    model |= {"dropout": values.get("dropout", config.model.dropout)}
    model |= {"hidden": values.get("width", config.model.hidden)}
    return config.changed(
        stages=[stage.model_dump() for stage in stages],
        batch_size=int(values["batch_size"]),
        model=model,
    )


def _asked(config: TrainConfig) -> SearchConfig:
    if config.search is None:
        raise ConfigError("expected a section `search` in the settings, there is none")
    return config.search


class Search(keras_tuner.BayesianOptimization):
    """keras-tuner's Bayesian search over whole staged trainings.

    A trial that runs out of memory, or cannot be built, is recorded with its reason and skipped.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Callable[[], tuple[Pictures, Pictures]],
        out: Path,
        devices: Devices,
        say: Callable[[str], None],
    ) -> None:
        search = _asked(config)
        self.settings, self.data, self.out, self.where, self.say = config, data, out, devices, say
        self._began, self._done = time.monotonic(), 0
        direction = "min" if search.objective == "val_loss" else "max"
        super().__init__(
            objective=keras_tuner.Objective(search.objective, direction),
            max_trials=search.trials,
            num_initial_points=min(search.initial, search.trials),
            seed=config.seed,
            hyperparameters=space(search),
            tune_new_entries=False,
            max_retries_per_trial=0,
            max_consecutive_failed_trials=search.trials + 1,  # `best_settings` says it in words
            directory=str(out),
            project_name=PROJECT,
            overwrite=False,
        )

    def search(self, *args: Any, **kwargs: Any) -> None:
        """Run the trials that are left; DiskError where the disk refuses to be written."""
        try:
            super().search(*args, **kwargs)
        except keras_tuner.errors.FatalError as error:
            raise DiskError(str(error)) from error

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Train with the trial's values; return val_auc and val_loss of the best epoch."""
        values = dict(trial.hyperparameters.values)
        folder = self.out / "runs" / trial.trial_id
        shutil.rmtree(folder, ignore_errors=True)  # what a killed trial left
        try:
            config = applied(self.settings, values)
            train, validation = self.data()
            job = StagedFit(
                config, get_backbone(config.model.backbone), train, validation, folder,
                self.where, cache_folder=self.out / "frozen",
            )  # fmt: skip
            with disk_errors_told(self.out):
                best = job.fit(new_screener(config, self.where))[-1].best
        except DiskError as error:
            # Not the trial's fault: the search ends, and the trial is tried again on --resume.
            raise keras_tuner.errors.FatalError(str(error)) from error
        except (MemoryError, tf.errors.ResourceExhaustedError, ScreeningError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "out of memory"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "failed.txt").write_text(reason + "\n", "utf-8")
            self.say(f"trial {trial.trial_id} failed and is skipped: {reason}")
            raise keras_tuner.errors.FailedTrialError(reason) from error
        finally:
            keras.utils.clear_session()  # else every trial's graphs stay in memory
        for heavy in ("stages", "state.npz"):  # 60 MB each, and only the values are wanted
            path = folder / heavy
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        shown = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                          for key, value in values.items())  # fmt: skip
        self._done += 1
        left = _asked(self.settings).trials - int(trial.trial_id) - 1
        span = in_words((time.monotonic() - self._began) / self._done * left)
        said = f"trial {trial.trial_id}: {shown} -> AUC {best['val_auc']:.4f}"
        self.say(f"{said}; {left} to go, about {span}")
        return {"val_auc": best["val_auc"], "val_loss": best["val_loss"]}

    def trials(self) -> list[dict[str, Any]]:
        """Return id, values, status, score (None: failed) and reason of every trial, in order."""
        found = []
        for name, trial in sorted(self.oracle.trials.items()):
            failed = self.out / "runs" / name / "failed.txt"
            told = (trial.message or "").strip().splitlines()  # keras-tuner's, of what else broke
            found.append(
                {
                    "id": name,
                    "values": dict(trial.hyperparameters.values),
                    "status": str(trial.status),
                    "score": None if trial.score is None else float(trial.score),
                    "reason": failed.read_text("utf-8").strip()
                    if failed.is_file()
                    else "".join(told[-1:]),
                }
            )
        return found


def is_worker() -> bool:
    """Return whether this process only runs trials that a chief hands out."""
    return os.environ.get("KERASTUNER_TUNER_ID", "").startswith("tuner") and (
        "KERASTUNER_ORACLE_IP" in os.environ
    )


def write_trials(trials: list[dict[str, Any]], path: Path) -> None:
    """Write the trials as JSON."""
    path.write_text(json.dumps(trials, indent=1) + "\n", "utf-8")


def best_settings(config: TrainConfig, trials: list[dict[str, Any]]) -> TrainConfig:
    """Return the settings of the best trial, ready for `train`; ScreeningError if all failed."""
    done = [trial for trial in trials if trial["score"] is not None]
    if not done:
        reasons = "; ".join(sorted({trial["reason"] for trial in trials if trial["reason"]}))
        raise ScreeningError(f"no trial of the search succeeded: {reasons or 'no reason recorded'}")
    sign = -1 if _asked(config).objective == "val_loss" else 1
    best = max(done, key=lambda trial: sign * trial["score"])
    return applied(config, best["values"]).changed(search=None)

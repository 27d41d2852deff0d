"""`screening train`: from a YAML of settings and labelled karyograms to a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from screening.errors import ConfigError, ScreeningError
from screening.native_log import native_log_filtered

if TYPE_CHECKING:
    from screening.config import TrainConfig
    from screening.train.strategy import Devices
    from screening.train.training_run import TrainingRun

SMOKE_SIZE = 80
"""Pixels of a smoke run; every base of the table takes them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    add_shared_arguments(parser)
    parser.add_argument(
        "--devices",
        choices=("one", "all", "hosts"),
        help="one device, all GPUs of this machine, or several hosts by TF_CONFIG "
        "(default: as CONFIG says)",
    )


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `train` and `search` have in common."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file of settings")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of results")
    parser.add_argument(
        "--data", type=Path, metavar="MANIFEST", help="karyograms to use instead of CONFIG's"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what RUN holds")
    parser.add_argument(
        "--smoke", action="store_true", help="a few small pictures, one epoch each: does it run?"
    )
    parser.add_argument("--quiet", action="store_true", help="only errors")


def run(args: argparse.Namespace) -> int:
    """Train; return 0. Every mistake of the settings or the data is named before it begins."""
    config = settings(args)
    if args.devices:
        config = config.changed(devices=args.devices)
    with native_log_filtered():
        where = ready(config)
    import tensorflow as tf

    # Outside the filter, which would hold back the progress until the end.
    where.check_batch(config.batch_size)
    from screening.bundle_schema import TRIAL
    from screening.train.checkpoint import disk_errors_told
    from screening.train.training_run import TrainingRun

    job = TrainingRun(config, args.out, where, args.quiet, args.smoke)
    job.notes |= _seen(job) | ({TRIAL: True} if args.smoke else {})
    try:
        with disk_errors_told(args.out):
            bundle = job.run(args.resume)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise ScreeningError(
            f"the memory is too small for batch_size {config.batch_size} at {config.model.size} "
            "pixels: give less of one of them and another folder"
        ) from error
    if bundle is not None and not args.quiet:
        print(f"Bundle: {bundle.folder}\nFigures: {args.out / 'run.html'}")
    return 0


def ready(config: TrainConfig) -> Devices:
    """Return the devices of the settings, after TensorFlow has said all it says when it starts."""
    import tensorflow as tf

    from screening.train.strategy import devices

    tf.get_logger().setLevel("ERROR")  # its hints on retracing are about loops we do not have
    # Before anything else computes: several hosts must meet first.
    where = devices(config.devices)
    tf.constant(0) + 1
    return where


def _seen(job: TrainingRun) -> dict[str, Any]:
    """Return, for the bundle, whose pictures taught or chose it: measuring it refuses them."""
    from screening.assess.labelled import read_pictures
    from screening.assess.recognise import TRAINED_ON, trained_on
    from screening.data.split import TRAIN, VALIDATION

    used = {item.id for part in (TRAIN, VALIDATION) for item in job.parts[part]}
    pictures = [p for p in read_pictures(job.config.data.manifest) if p.id in used]
    cases = [(picture.source, picture.patient) for picture in pictures]
    return {TRAINED_ON: trained_on(cases, pictures)}


def settings(args: argparse.Namespace) -> TrainConfig:
    """Return the settings of the command line; ConfigError names all mistakes, ManifestError those
    of the list of pictures: both before TensorFlow loads."""
    from screening.config import read_config
    from screening.data.manifest import read_manifest
    from screening.models.backbones import known_depths

    if args.out.exists() and not args.out.is_dir():
        raise ScreeningError(f"--out expects a folder, {args.out} is a file")
    config = read_config(args.config, known_depths())
    if args.data is not None:
        config = config.changed(data=config.data.model_dump() | {"manifest": args.data})
    read_manifest(config.data.manifest)
    if config.data.split is not None and not config.data.split.is_file():
        raise ConfigError(f"{args.config}: data.split: {config.data.split} does not exist")
    weights = config.model.weights
    if weights not in (None, "imagenet", "shipped") and not Path(weights).is_file():
        raise ConfigError(f"{args.config}: model.weights: {weights} does not exist")
    return config.smoke(SMOKE_SIZE) if args.smoke else config

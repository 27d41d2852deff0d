"""Train an ensemble of heads on the cached features of `make bundle`, into a bundle of its own.

    python scripts/make_members.py --run runs/bundle --bundle screening/bundles/default \\
        --kind deep --members 5 --into runs/deep

The features must be those of the bundle's own base (RUN/features_SIZE). Threshold, certificate and
calibration belong to other scores and do not come along: `screening tune` earns new ones.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from screening.bundle import Bundle, load_bundle, part_files, rewrite_bundle
from screening.bundle_schema import PartInfo
from screening.metrics import auroc
from screening.predict.heads import MEMBERS
from screening.train.ensemble import KINDS, EnsembleConfig, Features, train_members
from screening.train.karyogram_set import KaryogramSet


def features(run: Path, size: int, part: str) -> Features:
    """Return what RUN holds of a part: maps, labels and patients of the pages that taught."""
    data = KaryogramSet(run / "sets" / part)
    rows = np.flatnonzero(data.honest) if part == "train" else np.arange(len(data))
    maps = np.load(run / f"features_{size}" / f"{part}.npy", mmap_mode="r")
    if len(maps) < len(rows):
        sys.exit(f"{part}: {len(rows)} pages, but features of {len(maps)}")
    cases = [f"{data.rows[i]['source']}/{data.rows[i]['case']}" for i in rows]
    return Features(maps[: len(rows)], np.asarray(data.labels)[rows], cases)


def with_members(
    bundle: Bundle, train: Features, validation: Features, config: EnsembleConfig, into: Path
) -> Bundle:
    """Return the bundle at `into`: `bundle` with an ensemble trained on `train`."""
    members = train_members(bundle.load_model(), train, validation, config)
    part = PartInfo(
        backbone=f"{config.kind} ensemble of {config.members} heads",
        preprocessing="features of the screener's base",
        size=int(train.maps.shape[1]),
        width=int(train.maps.shape[2]),
        dropout=bundle.info.parts["screener"].dropout,
        config="members.json",
        weights="members.weights.h5",
    )
    info = bundle.info.model_copy(
        update={
            "parts": dict(bundle.info.parts) | {MEMBERS: part},
            "rule": "votes",
            "certificate": None,
            "calibration": None,
        }
    )
    p = members.predict(np.asarray(validation.maps, np.float32), batch_size=32, verbose=0)
    for number, column in enumerate(p.T):
        print(f"member {number}: validation AUROC {auroc(validation.labels, column):.3f}")
    print(f"together: validation AUROC {auroc(validation.labels, p.mean(axis=1)):.3f}")
    return rewrite_bundle(bundle, info, into, part_files(members, part))


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder that `make bundle` filled")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--into", type=Path, required=True)
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    size = bundle.info.parts["screener"].size
    train, validation = (features(args.run, size, part) for part in ("train", "validation"))
    config = EnsembleConfig(args.kind, args.members)
    print(with_members(bundle, train, validation, config, args.into).folder)


if __name__ == "__main__":
    main()

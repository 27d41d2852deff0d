"""Confidences of ensembles and of test-time variation, alone or beside an evaluation's.

    python scripts/measure_ensemble.py --data MANIFEST --evaluated runs/known \\
        --members deep=runs/deep snapshot=runs/snapshot --variants 8 --extra runs/known/extra.csv

    python scripts/measure_ensemble.py --run runs/bundle --members deep=runs/deep

The first form reads a folder that `screening evaluate` wrote with the same manifest, bundle, passes
and seed: the predictions and the reading of the chromosomes are taken from there, and only the
network looks again. One line a picture: image and, for each source, share of votes, mean, mutual
information and spread, higher is surer, of the prediction that the evaluation had;
measure_selective.py joins it. The second compares the network alone with its ensembles on the
validation features that `make bundle` kept, and writes reports/ensembles.md.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from screening.assess.labelled import read_pictures
from screening.bundle import default_bundle, load_bundle
from screening.images.normalise import crop_margins, letterbox, normalise
from screening.images.read import read_image
from screening.metrics import auroc, markdown_table
from screening.models.screener import head_of
from screening.predict.heads import MEMBERS
from screening.predict.mc_dropout import McDropout
from screening.predict.variation import VariedScorer
from screening.train.karyogram_set import KaryogramSet
from screening.triage.rule import Rule
from screening.uncertainty.selective import WORKLOADS, confidences, selective_rows
from screening.worklist.ledger import FILE_NAME, Ledger, Result
from screening.worklist.pipeline import Scorer, key_of
from screening.worklist.run import options_hash
from screening.worklist.scorer import BundleScorer

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("votes", "mean", "mutual information", "std")


def columns(
    images: Sequence[np.ndarray],
    results: Sequence[Result],
    predicted: np.ndarray,
    sources: Mapping[str, Scorer],
    rule: Rule,
) -> dict[str, np.ndarray]:
    """Return the confidences by name, (n,), of `predicted`, bool (n,) abnormal.

    `images`: uint8 (size, size) of each result; each source's passes are fused with the reading as
    the rule fuses the network's.
    """
    keys = [key_of(result.sha256) for result in results]
    found: dict[str, np.ndarray] = {}
    for name, scorer in sources.items():
        answers = []
        for start in range(0, len(images), 8):
            answers += scorer.score(images[start : start + 8], keys[start : start + 8])
        p = np.stack([_fused(rule, a.p, r) for a, r in zip(answers, results, strict=True)])
        _, told = confidences(p, rule.threshold, None, predicted)
        found |= {f"{name}: {kind}": told[kind] for kind in KEPT}
    return found


def passes_of(maps: np.ndarray, head: McDropout) -> np.ndarray:
    """Return p(abnormal) of all passes of all members, (n, columns), from features (n, h, w, c)."""
    answers = []
    for start in range(0, len(maps), 16):
        some = np.asarray(maps[start : start + 16], np.float32)
        answers.append(head.predict(some).p.reshape(len(some), -1))
    return np.concatenate(answers)


def alone(sources: Mapping[str, np.ndarray], labels: np.ndarray) -> str:
    """Return a table of each source's own errors, and how its confidences rank them.

    `sources`: p(abnormal) of the passes, (n, columns). Each votes at the threshold that calls as
    many abnormal as are, so that none is better for a lucky threshold.
    """
    lines = []
    for name, p in sources.items():
        threshold = float(np.quantile(p.mean(axis=1), 1 - labels.mean()))
        predicted, told = confidences(p, threshold)
        wrong = (predicted != (labels == 1)).astype(int)
        area = auroc(labels, p.mean(axis=1))
        kept = {f"{name}: {kind}": told[kind] for kind in (*KEPT, "margin")}
        for row in selective_rows(wrong, kept):
            lines.append((row.confidence, row.errors, area, row.detection, row.aurc, row.excess,
                          *row.fail_rates))  # fmt: skip
    header = (
        "confidence", "errors", "AUROC, abnormal", "AUROC, errors", "AURC", "excess AURC",
        *(f"fail rate, {100 * w:.0f} % to a person" for w in WORKLOADS),
    )  # fmt: skip
    return markdown_table(header, lines)


def _alone(args: argparse.Namespace) -> None:
    bundle = load_bundle(args.bundle)
    validation = KaryogramSet(args.run / "sets" / "validation")
    size = bundle.info.parts["screener"].size
    maps = np.load(args.run / f"features_{size}" / "validation.npy", mmap_mode="r")
    heads = {"one head": McDropout(head_of(bundle.load_model()), args.passes, args.seed)}
    for pair in args.members:
        name, _, folder = pair.partition("=")
        members = load_bundle(Path(folder)).load_model(MEMBERS)
        each = math.ceil(args.passes / members.output_shape[-1])
        heads[name] = McDropout(members, each, args.seed)
    sources = {name: passes_of(maps, head) for name, head in heads.items()}
    labels = np.asarray(validation.labels)
    text = (
        "# One head, ensembles of heads, and test-time variation\n\nCommand: `python "
        "scripts/measure_ensemble.py --run … --members "
        f"{' '.join(pair.partition('=')[0] for pair in args.members)} --variants {args.variants} "
        f"--limit {args.limit}`; weights sha256 "
        f"{bundle.info.files[bundle.info.parts['screener'].weights][:16]}. The whole-picture "
        f"network alone, {len(maps)} karyograms of validation patients, {args.passes} passes. One "
        "head and deep members chose their epoch on these patients, snapshots did not. Each source "
        "votes at the threshold that calls as many abnormal as are. The fail rate is the share of "
        "errors among what the tool keeps when a person takes over the least confident.\n\n"
        f"{alone(sources, labels)}"
    )
    if args.variants > 1:
        rows = np.arange(0, len(maps), math.ceil(len(maps) / (args.limit or len(maps))))
        each = math.ceil(args.passes / args.variants)
        scorer = VariedScorer(BundleScorer(bundle, each, args.seed), args.variants)
        images = validation.images(size)
        answers = []
        for start in range(0, len(rows), 8):
            keys = [int(i) for i in rows[start : start + 8]]
            answers += scorer.score([np.asarray(images[i]) for i in keys], keys)
        varied = [answer.p for answer in answers]
        some = {name: p[rows] for name, p in sources.items()} | {"variation": np.stack(varied)}
        text += (
            f"\n{args.variants} variants of each picture ({len(rows)} of them, the network runs on "
            f"every variant):\n\n{alone(some, labels[rows])}"
        )
    (ROOT / "reports" / "ensembles.md").write_text(text, "utf-8")


def _fused(rule: Rule, p: np.ndarray, result: Result) -> np.ndarray:
    if rule.fusion is None or result.evidence is None:
        return p
    return rule.fusion.passes(p, result.evidence.features)


def main() -> None:
    """Score and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="folder that `make bundle` filled")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--evaluated", type=Path)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--members", nargs="*", default=[], metavar="NAME=BUNDLE")
    parser.add_argument("--variants", type=int, default=8, help="0: no variation")
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="pictures at most, evenly over the manifest")
    parser.add_argument("--extra", type=Path)
    args = parser.parse_args()
    if args.run:
        _alone(args)
        return
    if None in (args.data, args.evaluated, args.extra):
        parser.error("expected --run, or --data, --evaluated and --extra")
    bundle = load_bundle(args.bundle)
    with (args.evaluated / "pictures.csv").open(newline="", encoding="utf-8") as file:
        told = {row["image"]: row for row in csv.DictReader(file) if row["predicted"]}
    options = options_hash(args.passes, args.seed)
    with Ledger(args.evaluated / FILE_NAME, bundle.hash, options) as ledger:
        results = {r.image: r for r in ledger.results() if r.image in told}
    pictures = [p for p in read_pictures(args.data) if p.id in results]
    if args.limit:
        pictures = pictures[:: max(1, math.ceil(len(pictures) / args.limit))]
    size = bundle.info.parts["screener"].size
    images = [letterbox(crop_margins(normalise(read_image(p.path))), size) for p in pictures]
    sources: dict[str, Scorer] = {}
    for pair in args.members:
        name, _, folder = pair.partition("=")
        sources[name] = BundleScorer(load_bundle(Path(folder)), args.passes, args.seed)
    if args.variants > 1:
        each = math.ceil(args.passes / args.variants)
        sources["variation"] = VariedScorer(BundleScorer(bundle, each, args.seed), args.variants)
    chosen = [results[p.id] for p in pictures]
    predicted = np.array([told[p.id]["predicted"] == "1" for p in pictures])
    found = columns(images, chosen, predicted, sources, Rule.of(bundle.info))
    with args.extra.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *found])
        for i, picture in enumerate(pictures):
            writer.writerow([picture.id, *(f"{values[i]:.6f}" for values in found.values())])
    print(f"{len(pictures)} pictures: {args.extra}")


if __name__ == "__main__":
    main()

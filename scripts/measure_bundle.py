"""Measure a bundle on the sets that `screening build` composed: per group, with exact intervals.

    python scripts/measure_bundle.py --bundle runs/default/bundle --sets runs/default/06-sets

Writes reports/screener_SIZE.md. Compares three rules: the network alone (the thesis' rule), the
count of separate objects alone ("exactly 46"), and both, which is what `screening screen` does.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from screening.bundle import Bundle, load_bundle
from screening.classes import OK
from screening.metrics import auroc, markdown_table, routing_summary, routing_table
from screening.predict.statistics import summarise
from screening.train.karyogram_set import COMPOSED, SIMULATED, KaryogramSet
from screening.triage.policy import Evidence, Policy, decide
from screening.worklist.scorer import BundleScorer

RULES = ("network alone", "count alone", "both")


@dataclass(frozen=True)
class Scores:
    """The passes of every karyogram of a set, float32 (n, passes), beside its rows."""

    rows: Sequence[dict]
    p: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Return 1 for abnormal."""
        return np.array([row["label"] == "abnormal" for row in self.rows], int)


def score(bundle: Bundle, data: KaryogramSet, passes: int, batch: int = 8) -> Scores:
    """Return what the bundle says of every karyogram, through the very scorer of `screen`."""
    scorer = BundleScorer(bundle, passes, batch_size=batch)
    images = data.images(scorer.size)
    p = []
    for start in range(0, len(images), batch):
        group = [np.asarray(image) for image in images[start : start + batch]]
        keys = [int(hashlib.sha256(g.tobytes()).hexdigest()[:15], 16) for g in group]
        p += [answer.p for answer in scorer.score(group, keys)]
    return Scores(data.rows, np.array(p))


def routes(scores: Scores, threshold: float, min_confidence: float, rule: str) -> list[str]:
    """Return each karyogram's route under one of RULES."""
    policy = Policy(min_confidence, None if rule == "network alone" else 46)
    found = []
    for row, said in zip(scores.rows, summarise(scores.p, threshold), strict=True):
        votes = round((said.votes if said.abnormal else 1 - said.votes) * said.passes)
        if rule == "count alone":
            found.append("low-priority" if row["objects"] == 46 and row["accepted"] else "review")
            continue
        if not row["accepted"] and rule == "both":
            found.append("review")
            continue
        evidence = Evidence(
            OK, said.mean, said.std, votes, said.passes, row["objects"],
            warnings=tuple(row["warnings"]) if rule == "both" else (),
        )  # fmt: skip
        found.append(decide(evidence, policy).route)
    return found


def groups(scores: Scores) -> list[str]:
    """Return each karyogram's group: kind and source."""
    return [f"{row['kind']}, {row['source']}" for row in scores.rows]


def tables(name: str, scores: Scores, threshold: float, min_confidence: float) -> Iterator[str]:
    """Yield one set's markdown: AUROC, routes per rule and group, counts per abnormality."""
    labels, mean = scores.labels, scores.p.mean(axis=1)
    yield f"## {name}\n"
    kinds = np.array([row["kind"] for row in scores.rows])
    inside = np.isin(kinds, (COMPOSED, SIMULATED))
    yield f"AUROC, normal against simulated: {auroc(labels[inside], mean[inside]):.3f}\n"
    for rule in RULES:
        chosen = routes(scores, threshold, min_confidence, rule)
        summary = routing_summary(labels, chosen, groups(scores))
        summary += routing_summary(labels, chosen)
        yield f"### {rule}\n\n{routing_table(summary)}"
    yield _by_abnormality(scores, threshold, min_confidence)


def _by_abnormality(scores: Scores, threshold: float, min_confidence: float) -> str:
    named = [i for i, row in enumerate(scores.rows) if row["abnormality"]]
    alone = routes(scores, threshold, min_confidence, "network alone")
    both = routes(scores, threshold, min_confidence, "both")
    lines = []
    for name in sorted({scores.rows[i]["abnormality"] for i in named}):
        of = [i for i in named if scores.rows[i]["abnormality"] == name]
        lines.append((
            name, len(of), sum(alone[i] == "flag" for i in of),
            sum(alone[i] == "low-priority" for i in of), sum(both[i] == "low-priority" for i in of),
        ))  # fmt: skip
    lines.sort(key=lambda line: -line[1])
    header = ("simulated", "n", "flagged by the network", "missed by it", "missed by both")
    return "### By abnormality\n\n" + markdown_table(header, lines)


def main() -> None:
    """Score the test and the unseen set and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("reports"))
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    part = bundle.info.parts["screener"]
    size, weights = part.size, bundle.info.files[part.weights]
    text = [
        f"# The screener at {size} × {size}, measured\n",
        f"Command: `python scripts/measure_bundle.py --bundle {args.bundle} --sets …`, "
        f"{args.passes} passes, weights sha256 {weights[:16]}. Composed and simulated from "
        "chromosomes of patients in no other part; the unseen set is of a laboratory that trained "
        "nothing. Intervals are exact, 95 %, over pictures (several show one patient's cell).\n",
    ]
    for name in ("test", "unseen"):
        if (args.sets / name / "progress").exists():
            data = KaryogramSet(args.sets / name)
            kept = args.sets / name / f"p_{weights[:16]}_{args.passes}.npy"
            if kept.exists():  # the same weights have said the same before
                scores = Scores(data.rows, np.load(kept))
            else:
                scores = score(bundle, data, args.passes)
                np.save(kept, scores.p)
            text += tables(name, scores, bundle.info.threshold, bundle.info.min_confidence)
    args.out.mkdir(exist_ok=True)
    (args.out / f"screener_{size}.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()

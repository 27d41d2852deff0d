"""Measure the whole rule of a bundle and its parts alone, on pages composed inside parts.

    python scripts/measure_fused.py --data ../shared/data --bundle runs/default/bundle \\
        --split runs/default/01-split/split.json --pages runs/pages

Composes the pages that --pages lacks, lets the bundle look at them and writes reports/fused.md: the
rule of thumb "exactly 46 connected components", the network alone, the reading of chromosomes
alone, and both. Pages that the gate refuses are not scored.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from screening.assess.certification import Terms, scored
from screening.build.config import BuildConfig, read_build
from screening.build.data import records_of
from screening.build.pages import MANIFEST, compose_part, rows_of
from screening.build.progress import BuildProgress
from screening.build.runner import Context
from screening.bundle import Bundle, load_bundle
from screening.classes import LOW_PRIORITY, OK, REVIEW
from screening.data.pool import is_pooled
from screening.data.split import Split
from screening.evidence.fusion import Fusion
from screening.images.page import Page
from screening.images.read import read_image
from screening.metrics import auroc, markdown_table, proportion, routing_summary, routing_table
from screening.models.backbones import known_depths
from screening.record import Picture, Verdict
from screening.train.karyogram_set import REAL
from screening.triage.rule import Rule, judge

NORMAL_COUNT = 46
CURVE = (0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.2, 0.3, 0.5)
BASELINE, NETWORK_ALONE, READING_ALONE, FUSED = (
    "exactly 46 components", "network alone", "reading alone", "fused (what `screen` does)",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen of one composed page, with its truth `row`; `components`: connected objects."""

    row: dict
    picture: Picture
    components: int

    @property
    def abnormal(self) -> bool:
        """Return whether the cell is not 46,XX or 46,XY."""
        return self.row["label"] == "abnormal"

    @property
    def found(self) -> int:
        """Return how many chromosomes were found."""
        return self.picture.reading.found() if self.picture.reading else 0

    def judged(self, rule: Rule) -> Verdict:
        """Return the verdict of `rule`."""
        return judge(rule, self.picture)


def looks_at(
    folder: Path, part: str, args: argparse.Namespace, config: BuildConfig, bundle: Bundle
) -> list[Look]:
    """Return the looks at a part of pages, composed and looked at where that was not done."""
    progress = BuildProgress(None)
    progress.begin(part)
    context = Context(
        folder, config, args.data, workers=args.workers, tick=progress.tick, say=progress.say
    )
    counts = (config.pages.parts | config.pages.measured)[part]
    split = Split.from_json(args.split.read_text())
    compose_part(
        context, folder, part, counts, records_of(args.data, config.sources), split, config
    )
    terms = Terms(folder / MANIFEST, passes=args.passes, quiet=False, workers=args.workers)
    _, pictures = scored(bundle, terms, folder / f"seen-{bundle.hash[:12]}")
    return [
        Look(row, picture, Page.of(read_image(folder / row["name"])).components.count)
        for row, picture in zip(rows_of(folder), pictures, strict=True)
    ]


def routers(rule: Rule) -> dict[str, Callable[[Look], str]]:
    """Return each rule's function from a page to its route."""
    alone = replace(rule, fusion=Fusion(0.0, {"reading": 1.0}), threshold=0.5, venn_abers=None)

    def network(look: Look) -> str:
        bare = replace(look.picture, reading=None, warnings=(), doubts=())
        return judge(Rule(rule.threshold, rule.min_confidence), bare).route

    return {
        BASELINE: lambda look: LOW_PRIORITY if look.components == NORMAL_COUNT else REVIEW,
        NETWORK_ALONE: network,
        READING_ALONE: lambda look: look.judged(alone).route,
        FUSED: lambda look: look.judged(rule).route,
    }


def tables(name: str, looks: Sequence[Look], rule: Rule) -> Iterator[str]:
    """Yield one part's markdown."""
    labels = np.array([look.abnormal for look in looks], int)
    groups = [
        f"{row['kind']}, {row['source']}{', pooled' * is_pooled(row['case'])}"
        for row in (look.row for look in looks)
    ]
    yield f"## {name}\n"
    yield _scores(looks, labels, rule.fusion)
    yield _counts(looks)
    for method, route in routers(rule).items():
        routes = [route(look) for look in looks]
        summary = routing_summary(labels, routes, groups) + routing_summary(labels, routes)
        yield f"### {method}\n\n{routing_table(summary)}"
    yield _curve(looks, labels, rule)
    yield _by_abnormality(looks, rule)
    yield _reasons(looks, rule)


def _scores(looks: Sequence[Look], labels: np.ndarray, fusion: Fusion) -> str:
    read = np.array([look.picture.status == OK and bool(look.picture.reading) for look in looks])
    some = [look.picture for look, yes in zip(looks, read, strict=True) if yes]
    parts = {
        "network": [picture.p.mean() for picture in some],
        "reading": [np.mean(picture.features.get("reading", 0.0)) for picture in some],
        "fused": [fusion.passes(picture.features, len(picture.p)).mean() for picture in some],
    }
    said = ", ".join(f"{n} {auroc(labels[read], np.array(v)):.4f}" for n, v in parts.items())
    return f"AUROC over the {read.sum()} pages that were read: {said}.\n"


def _counts(looks: Sequence[Look]) -> str:
    def share(right: Sequence[bool]) -> str:
        return str(proportion(int(np.sum(right)), len(right)))

    true = [len(look.row["boxes"]) for look in looks]
    touching = [look.components < n for look, n in zip(looks, true, strict=True)]
    exact = [look.found == n for look, n in zip(looks, true, strict=True)]
    bare = [look.components == n for look, n in zip(looks, true, strict=True)]
    named = [
        bool(look.picture.reading and look.picture.reading.karyotypes)
        and look.picture.reading.karyotypes[0][0] == look.row["iscn"]
        for look in looks
    ]
    lines = [
        ("all", share(exact), share(bare)),
        *(
            (label, *(share([v for v, t in zip(values, touching, strict=True) if t == kind])
                      for values in (exact, bare)))
            for label, kind in (("homologs touch", True), ("none touch", False))
        ),
    ]  # fmt: skip
    head = ("pages", "chromosome count exact", "connected components exact")
    return (
        markdown_table(head, lines)
        + f"\nMost probable karyotype is the true one: {share(named)}.\n"
    )


def _curve(looks: Sequence[Look], labels: np.ndarray, rule: Rule) -> str:
    """What other thresholds would do: the price of fewer missed."""
    lines = []
    for threshold in CURVE:
        routes = np.array([look.judged(replace(rule, threshold=threshold)).route for look in looks])
        low = routes == LOW_PRIORITY
        missed, cleared = low[labels == 1], low[labels == 0]
        lines.append((
            f"{threshold:g}", str(proportion(int(missed.sum()), len(missed))),
            str(proportion(int(cleared.sum()), len(cleared))),
        ))  # fmt: skip
    head = ("threshold", "abnormal to low-priority", "normal to low-priority")
    return "### Fused, at other thresholds\n\n" + markdown_table(head, lines)


def _by_abnormality(looks: Sequence[Look], rule: Rule) -> str:
    routes: dict[str, Counter] = {}
    for look in looks:
        if look.abnormal:
            name = look.row["abnormality"] or f"real, {look.row['iscn']}"
            routes.setdefault(name, Counter())[look.judged(rule).route] += 1
    lines = [
        (name, sum(c.values()), c["flag"], c["review"], c["low-priority"])
        for name, c in sorted(routes.items(), key=lambda pair: -sum(pair[1].values()))
    ]
    head = ("abnormality", "n", "flag", "review", "low-priority (missed)")
    return "### By abnormality, fused\n\n" + markdown_table(head, lines)


def _reasons(looks: Sequence[Look], rule: Rule) -> str:
    """Why normal pages were not put last: the first reason of each, with digits left out."""
    said: Counter = Counter()
    for look in looks:
        decision = look.judged(rule)
        if not look.abnormal and decision.route != LOW_PRIORITY:
            plain = "".join(c for c in " / ".join(decision.reasons) if not c.isdigit())
            said[plain[:110]] += 1
    lines = [(reason, count) for reason, count in said.most_common(12)]
    return "### Why normals were not put last\n\n" + markdown_table(("reasons", "n"), lines)


def main() -> None:
    """Measure test and unseen and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True, help="the bundle's")
    parser.add_argument("--pages", type=Path, required=True, help="where the pages are kept")
    parser.add_argument("--config", type=Path, default=Path("configs/default_bundle.yaml"))
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parts", default="test,unseen")
    parser.add_argument("--out", type=Path, default=Path("reports/fused.md"))
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    config = read_build(args.config, known_depths())
    rule = Rule.of(bundle.info)
    weights = ", ".join(f"{n} {w:g}" for n, w in rule.fusion.weights.items())
    text = [
        "# The whole rule and its parts, measured\n",
        f"Command: `python scripts/measure_fused.py --bundle {args.bundle} --pages …`. Bundle "
        f"{bundle.hash[:16]}: intercept {rule.fusion.intercept:g}, weights {weights}, threshold "
        f"{rule.threshold:g}, fitted on validation patients. Pages are composed and simulated from "
        "chromosomes of patients in no other part; “unseen” is a laboratory that trained nothing. "
        "Intervals are exact, 95 %, over pictures (several show one patient's cell); "
        f"“{REAL}” are cells that were aneuploid in life, each in several looks.\n",
    ]
    for part in args.parts.split(","):
        text += tables(part, looks_at(args.pages / part, part, args, config, bundle), rule)
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text("\n".join(text))
    print(args.out)


if __name__ == "__main__":
    main()

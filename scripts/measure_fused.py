"""Measure the whole rule of a bundle and its parts alone, on pages of people whom it never saw.

    python scripts/measure_fused.py --data DATA [--most 200]

Composes the pages that are not there, lets the bundle look at them and writes reports/fused.md: the
rule of thumb "exactly 46 connected components", the network alone, the reading of chromosomes
alone, and both. Pages that the gate refuses are not scored.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from measured_pages import Part, add_page_arguments, pages_of
from report_header import begin, write

from screening.classes import LOW_PRIORITY, OK, REVIEW
from screening.data.pool import is_pooled
from screening.evidence.fusion import Fusion
from screening.images.page import Page
from screening.images.read import read_image
from screening.metrics import auroc, markdown_table, proportion, routing_summary, routing_table
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


def looks_at(part: Part) -> list[Look]:
    """Return the looks at a part of pages."""
    return [
        Look(row, picture, Page.of(read_image(part.folder / row["name"])).components.count)
        for row, picture in zip(part.rows, part.pictures, strict=True)
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
    """Why normal pages were not low-priority: what stands behind the probability, no digits."""
    said: Counter = Counter()
    for look in looks:
        decision = look.judged(rule)
        if not look.abnormal and decision.route != LOW_PRIORITY:
            plain = "".join(
                c for c in " / ".join(decision.reasons[1:] or decision.reasons) if not c.isdigit()
            )
            said[plain[:110]] += 1
    lines = [(reason, count) for reason, count in said.most_common(12)]
    return "### Why normals were not low-priority\n\n" + markdown_table(("reasons", "n"), lines)


def main() -> None:
    """Measure every part and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_page_arguments(parser)
    parser.add_argument(
        "--parts", nargs="+", default=["test-plain", "test", "unseen-plain", "unseen"]
    )
    args = parser.parse_args()
    commit, pages = begin(args), pages_of(args)
    rule = Rule.of(pages.bundle.info)
    weights = ", ".join(f"{n} {w:g}" for n, w in rule.fusion.weights.items())
    text = [
        f"Intercept {rule.fusion.intercept:g}, weights {weights}, threshold {rule.threshold:g}, "
        f"fitted on validation patients. {pages.said()} Intervals are exact, 95 %, over pictures "
        f"(several show one patient's cell); “{REAL}” are cells that were aneuploid in life, each "
        "in several looks.\n",
    ]
    for part in pages.with_people(args.parts):
        text += tables(part, looks_at(pages.part(part)), rule)
    title = "The whole rule and its parts, measured"
    write(args, "fused.md", title, commit, pages.bundle, args.data, "\n".join(text))


if __name__ == "__main__":
    main()

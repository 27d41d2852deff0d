"""Fit how a bundle joins its network with the cell's reading, on validation patients alone.

    python scripts/fit_fusion.py --bundle runs/classifier/bundle --pages runs/fusion \\
        --into screening/bundles/default

Reads what `fusion_pages.py` kept. A logistic model whose weights cannot be negative (every feature
is made to speak for abnormal or for nothing) joins the parts; `choose` then takes the voting
threshold. What threshold keeps a promise is for `screening tune` to say, on other patients.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from fusion_pages import measure_chromosomes, measure_network, rows_of
from scipy.optimize import minimize
from scipy.special import expit

from screening.bundle import MODEL_CARD, Bundle, load_bundle, write_bundle
from screening.bundle_schema import FusionInfo
from screening.classes import FLAG as FLAGGED
from screening.classes import LOW_PRIORITY, OK, REJECTED
from screening.data.split import Split
from screening.evidence.fusion import NETWORK, Fusion, bounded, log_odds
from screening.evidence.reading import CellReading
from screening.evidence.slots import Page
from screening.metrics import auroc
from screening.predict.chromosomes import Classified
from screening.reading_settings import ReadingSettings
from screening.triage.policy import VOTES
from screening.triage.rule import Judgement, Rule, judge
from screening.uncertainty.certificate import SEEN, seen
from screening.worklist.reader import reading_of

FEATURES = (NETWORK, "reading", "count", "doubtful", "homologs")
PENALTY = 0.3
MOST_NETWORK = 0.25
"""Highest weight of the network's log-odds: at a laboratory that it never saw it loses more than
the reading (AUROC 0.88 to 0.80, reports/screener_416.md), which validation patients cannot show."""
STRAY = 0.003
"""Share of labels taken as wrong while fitting; see `fit`."""
MOST_MISSED = 0.004
THRESHOLDS = np.round(np.arange(0.01, 0.5, 0.005), 3)
ENOUGH_CLEARED = 0.92
"""Share of normal pages put last at which the threshold is raised no further."""
TAUGHT = ("train", "validation")
MIN_P_NORMAL, MIN_LAYOUT = 0.9, 0.5
FLAG = 0.5
"""Fused p(abnormal), at even odds of both labels, that the passes must reach to flag."""


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen of one composed page, with its truth `row`; `reading` is None when the page was
    refused before anything was found on it."""

    row: dict
    p: np.ndarray
    accepted: bool
    reason: str
    warnings: tuple[str, ...]
    components: int
    reading: CellReading | None

    @property
    def abnormal(self) -> bool:
        """Whether the cell is not 46,XX or 46,XY."""
        return self.row["label"] == "abnormal"

    @property
    def found(self) -> int:
        """Chromosomes found."""
        read = self.reading.chromosomes if self.reading else ()
        return sum(one.name != "?" for one in read)

    def judged(self, rule: Rule) -> Judgement:
        """Return the decision of `rule`, as `screening screen` would make it."""
        evidence = None
        if self.reading is not None:
            evidence = self.reading.evidence(np.zeros((len(self.reading.chromosomes), 4)))
        return judge(
            rule, OK if self.accepted else REJECTED, self.p, evidence, self.found, self.reason,
            self.warnings,
        )  # fmt: skip


def read_pages(pages: Path, part: str, bundle: Bundle, passes: int = 100) -> list[Look]:
    """Return the pages of a part with their readings."""
    answers = measure_network(pages, part, bundle, passes)
    seen = measure_chromosomes(pages, part, bundle, passes)
    together = zip(rows_of(pages, part), answers, seen, strict=True)
    return [_look(row, p, one, bundle.info.reading) for row, p, one in together]


def _look(row: dict, p: np.ndarray, one: dict, settings: ReadingSettings) -> Look:
    reading = None
    if "classified" in one:
        page = Page(
            one["boxes"].astype(float), one["rows"], one["groups"], one["areas"], one["marks"]
        )
        said = one["classified"]
        none = np.zeros(len(said["p"]), np.float32)
        classified = Classified(said["p"], said["p_std"], none, said["relative"], said["crops"])
        reading = reading_of(page, classified, settings)
    return Look(
        row, p, one["accepted"], one["reason"], tuple(one["warnings"]), one["components"], reading
    )


def fit(looks: Sequence[Look], names: Sequence[str] = FEATURES) -> Fusion:
    """Return the fusion of least penalised log loss over pages, both labels weighing the same.

    The log loss is that of labels of which STRAY are wrong, so that one page on which everything
    went wrong does not decide the weights of all.
    """
    kept = [look for look in looks if look.accepted and look.reading is not None]
    x = np.array([[_value(look, name) for name in names] for look in kept])
    y = np.array([look.abnormal for look in kept], float)
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        p = expit(w[0] + x @ w[1:])
        q = STRAY + (1 - 2 * STRAY) * p
        value = -np.mean(weight * (y * np.log(q) + (1 - y) * np.log(1 - q)))
        value += PENALTY / len(y) * np.sum(w[1:] ** 2)
        slope = weight * ((1 - y) / (1 - q) - y / q) * (1 - 2 * STRAY) * p * (1 - p) / len(y)
        gradient = np.r_[slope.sum(), x.T @ slope + 2 * PENALTY / len(y) * w[1:]]
        return float(value), gradient

    most = [MOST_NETWORK if name == NETWORK else None for name in names]
    bounds = [(None, None)] + [(0.0, limit) for limit in most]
    found = minimize(loss, np.zeros(len(names) + 1), jac=True, bounds=bounds, method="L-BFGS-B")
    weights = {n: round(float(w), 4) for n, w in zip(names, found.x[1:], strict=True) if w > 1e-4}
    return Fusion(round(float(found.x[0]), 4), weights)


def _value(look: Look, name: str) -> float:
    if name == NETWORK:
        return float(log_odds(look.p).mean())
    return bounded(look.reading.features.get(name, 0.0))


def choose(looks: Sequence[Look], fusion: Fusion, min_confidence: float) -> tuple[Rule, dict]:
    """Return the rule and what it reaches on validation.

    The most cautious threshold that clears enough normal pages: what simulated abnormalities would
    allow beyond it is kept for those that nobody simulated. Or the highest at which nearly no
    abnormal page is put last, when none clears enough.
    """
    for threshold in THRESHOLDS:
        rule, shares = _at(looks, fusion, min_confidence, float(threshold))
        if threshold > THRESHOLDS[0] and shares["missed"] > MOST_MISSED:
            break
        chosen, reached = rule, shares
        if shares["cleared"] >= ENOUGH_CLEARED:
            break
    return chosen, {name: round(share, 4) for name, share in reached.items()}


def _at(
    looks: Sequence[Look], fusion: Fusion, min_confidence: float, threshold: float
) -> tuple[Rule, dict[str, float]]:
    rule = Rule(
        threshold, min_confidence, fusion, MIN_P_NORMAL, MIN_LAYOUT, max(FLAG, threshold)
    )  # fmt: skip
    abnormal = np.array([look.abnormal for look in looks])
    routes = np.array([look.judged(rule).decision.route for look in looks])
    return rule, {
        "missed": float((routes[abnormal] == LOW_PRIORITY).mean()),
        "flagged": float((routes[abnormal] == FLAGGED).mean()),
        "cleared": float((routes[~abnormal] == LOW_PRIORITY).mean()),
        "normals flagged": float((routes[~abnormal] == FLAGGED).mean()),
    }


def _seen(split: Path | None, bundle: Bundle) -> dict:
    """What `screening evaluate` must know: the cases that taught or chose anything."""
    if split is None:
        return {}
    parts = Split.from_json(split.read_text()).assignments
    left_out = bundle.info.data.get("left_out")
    cases = [key for key, part in parts.items() if part in TAUGHT and key[0] != left_out]
    return {SEEN: seen(sorted(cases))}


def main() -> None:
    """Fit on validation and write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--pages", type=Path, required=True, help="--out of fusion_pages.py")
    parser.add_argument("--split", type=Path, help="the bundle's split: whom it must not measure")
    parser.add_argument("--into", type=Path, help="where the bundle with the fusion goes")
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    looks = read_pages(args.pages, "validation", bundle)
    fusion = fit(looks)
    labels = np.array([look.abnormal for look in looks if look.reading], int)
    scores = [fusion.passes(look.p, look.reading.features).mean() for look in looks if look.reading]
    print(json.dumps({"intercept": fusion.intercept, **fusion.weights}))
    print("AUROC on validation", round(auroc(labels, scores), 4))
    rule, reached = choose(looks, fusion, bundle.info.min_confidence)
    print("threshold", rule.threshold, reached)
    if args.into:
        info = bundle.info.model_copy(
            update={
                "threshold": rule.threshold,
                "fusion": FusionInfo(
                    intercept=fusion.intercept, weights=dict(fusion.weights),
                    min_p_normal=rule.min_p_normal, min_layout=rule.min_layout,
                    flag_threshold=rule.flag_threshold,
                ),
                "metrics": {"validation": reached},
                # Another score: what was certified and calibrated of the old one is void.
                "certificate": None,
                "calibration": None,
                "rule": VOTES,
                "data": bundle.info.data | _seen(args.split, bundle),
            }
        )  # fmt: skip
        models = {name: bundle.load_model(name) for name in info.parts}
        card = (bundle.folder / MODEL_CARD).read_text("utf-8")
        print(write_bundle(args.into, info, models, card).folder)


if __name__ == "__main__":
    main()

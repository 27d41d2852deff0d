"""The arbiter of `karyogram.locate`, fitted to pages whose truth is known."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from screening.errors import ScreeningError
from screening.karyogram.locate.arbiter import FEATURES, Arbiter, features
from screening.karyogram.locate.expected import expected_areas
from screening.karyogram.locate.partition import (
    cut_states,
    joined,
    mean_over,
    merged,
)
from screening.karyogram.locate.regions import MEETS, TOUCH, Graph, N, regions
from screening.karyogram.locate.segments import Segmenter


@dataclass(frozen=True)
class ArbiterSettings:
    """Units of the hidden layers, penalty on large weights, most iterations, seed."""

    hidden: tuple[int, ...] = (32, 16)
    alpha: float = 0.3
    iterations: int = 60
    seed: int = 0


def examples(
    path: Path, segmenter: Segmenter, arbiter: Arbiter | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (features (n, k), one chromosome or not bool (n,)) of the contacts of a page.

    `arbiter`: one fitted before, whose decisions lead to further contacts; None: the truth alone
    and how border-like the contacts look.
    """
    stored = np.load(path)
    found = segmenter.segments(stored["page"])
    labels, graph = regions(found)
    count = len(graph.peak)
    if count < 2:
        return np.zeros((0, len(FEATURES))), np.zeros(0, bool)
    ids = stored["ids"].astype(np.int64)
    table = np.zeros((count + 1, 256))
    np.add.at(table, (labels.ravel(), ids.ravel()), 1)
    table = table[1:]
    objects = cv2.connectedComponents((labels > 0).astype(np.uint8), connectivity=8)[1]
    apart = np.zeros(count + 1, np.int64)
    apart[labels] = objects
    truth = table.argmax(1)
    weight = graph.sums[:, N]
    xs, ys = [], []

    def collect(now: Graph, expected: np.ndarray, part: np.ndarray) -> np.ndarray:
        own = np.zeros((len(now.peak), 256))
        np.add.at(own, part, table)
        of = own.argmax(1)
        a, b = now.pair.T
        keep = (of[a] > 0) | (of[b] > 0)
        same = (of[a] == of[b]) & (of[a] > 0)
        xs.append(features(now, mean_over(expected, part, weight))[keep])
        ys.append(same[keep])
        return same

    whole = np.unique(truth, return_inverse=True)[1]
    for expected in (np.full(count, np.nan), expected_areas(graph, whole, apart[1:])):
        part, joints = np.arange(count), []
        while True:
            now = graph.joined(part)
            if not len(now.pair):
                break
            same = collect(now, expected, part)
            if arbiter is not None:
                odds = arbiter.log_odds(now, mean_over(expected, part, weight))
            else:
                odds = -now.contact[:, MEETS] / np.maximum(now.contact[:, TOUCH], 1)
            odds = np.where(same, odds, -np.inf)
            best = np.full(len(now.peak), -np.inf)
            np.maximum.at(best, now.pair.ravel(), np.repeat(odds, 2))
            chosen = same & (odds >= best[now.pair[:, 0]]) & (odds >= best[now.pair[:, 1]])
            if not chosen.any():
                break
            part, more = merged(graph, now, part, chosen)
            joints += more
        _, pairs, here = cut_states(graph, part, joints, expected)
        xs.append(features(pairs, here))
        ys.append(np.ones(len(pairs.pair), bool))
        if arbiter is not None:  # and the states that its own mistakes lead to
            part, joints = joined(graph, expected, arbiter)
            collect(graph.joined(part), expected, part)
            sides, pairs, here = cut_states(graph, part, joints, expected)
            ends = [[table[side].sum(0).argmax() for side in both] for both in sides]
            a, b = np.array(ends, np.int64).reshape(-1, 2).T
            keep = (a > 0) | (b > 0)
            xs.append(features(pairs, here)[keep])
            ys.append((a == b)[keep])
    return np.concatenate(xs), np.concatenate(ys)


def fit_arbiter(
    x: np.ndarray, y: np.ndarray, page: np.ndarray, settings: ArbiterSettings
) -> tuple[dict, dict[str, float]]:
    """Return the arbiter as JSON-ready numbers, and how it does on the pages kept aside.

    One page in five is kept aside to scale the log odds, so that they mean what they say: the
    classifier weighs them against its own. ScreeningError when the pages lack examples.
    """
    aside = page % 5 == 0
    if min(len(np.unique(part)) for part in (y[aside], y[~aside])) < 2:
        raise ScreeningError(
            f"{int(y.sum())} of {len(y)} contacts are inside one chromosome, both kinds are needed "
            "on both sets of pages: give more pages to the arbiter or more steps to the segmenter"
        )
    scaler = StandardScaler().fit(x[~aside])
    model = MLPClassifier(
        settings.hidden, alpha=settings.alpha, max_iter=settings.iterations, early_stopping=True,
        random_state=settings.seed, n_iter_no_change=12, tol=1e-5,
    )  # fmt: skip
    with warnings.catch_warnings():  # as many iterations as asked for are meant to be enough
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(np.clip(scaler.transform(x[~aside]), -6, 6), y[~aside])
    p = model.predict_proba(np.clip(scaler.transform(x[aside]), -6, 6))[:, 1]
    odds, sign = logit(np.clip(p, 1e-12, 1 - 1e-12)), np.where(y[aside], 1, -1)
    found = minimize_scalar(
        lambda t: np.logaddexp(0, -sign * odds / t).mean(), bounds=(0.5, 8), method="bounded"
    )
    reached = {
        "contacts": len(y), "wrong": round(float(np.mean(sign * odds < 0)), 4),
        "temperature": round(float(found.x), 2),
    }  # fmt: skip
    scale = [1.0] * (len(model.coefs_) - 1) + [1 / float(found.x)]
    arbiter = {
        "features": list(FEATURES),
        "mean": _short(scaler.mean_),
        "spread": _short(np.maximum(scaler.scale_, 1e-3)),
        "layers": [
            {"weight": _short(f * w), "bias": _short(f * b)}
            for w, b, f in zip(model.coefs_, model.intercepts_, scale, strict=True)
        ],
    }
    return arbiter, reached


def _short(values: np.ndarray) -> list:
    return np.round(values, 4).tolist()


def together(
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (features (n, k), one chromosome or not (n,), page (n,)) of the examples of pages."""
    page = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), page

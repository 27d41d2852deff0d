"""The arbiter of `karyogram.locate`, fitted to pages whose truth is known."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logit
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from screening.karyogram.locate import arbiter
from screening.karyogram.locate.arbiter import FEATURES, features
from screening.karyogram.locate.expected import expected_areas
from screening.karyogram.locate.partition import (
    _joint,
    _over,
    _root,
    cut_states,
    joined,
)
from screening.karyogram.locate.regions import MEETS, TOUCH, N, regions
from screening.karyogram.locate.segments import segmented


def examples(path: Path, learned: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (features (n, k), one chromosome or not bool (n,)) of the contacts of a page."""
    cv2.setNumThreads(1)
    stored = np.load(path)
    found = segmented(stored["page"])
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

    def collect(now, expected, part):
        own = np.zeros((len(now.peak), 256))
        np.add.at(own, part, table)
        of = own.argmax(1)
        a, b = now.pair.T
        keep = (of[a] > 0) | (of[b] > 0)
        same = (of[a] == of[b]) & (of[a] > 0)
        xs.append(features(now, _over(expected, part, weight))[keep])
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
            if learned:
                odds = arbiter.log_odds(now, _over(expected, part, weight))
            else:
                odds = -now.contact[:, MEETS] / np.maximum(now.contact[:, TOUCH], 1)
            odds = np.where(same, odds, -np.inf)
            best = np.full(len(now.peak), -np.inf)
            np.maximum.at(best, now.pair.ravel(), np.repeat(odds, 2))
            chosen = same & (odds >= best[now.pair[:, 0]]) & (odds >= best[now.pair[:, 1]])
            if not chosen.any():
                break
            target = np.arange(len(now.peak))
            for a, b in now.pair[chosen]:
                ra, rb = _root(target, a), _root(target, b)
                if ra != rb:
                    joints.append(_joint(graph, part, a, b))
                    target[max(ra, rb)] = min(ra, rb)
            target = np.array([_root(target, k) for k in range(len(target))])
            part = np.unique(target[part], return_inverse=True)[1]
        _, pairs, here = cut_states(graph, part, joints, expected)
        xs.append(features(pairs, here))
        ys.append(np.ones(len(pairs.pair), bool))
        if learned:  # and the states that its own mistakes lead to
            part, joints = joined(graph, expected)
            collect(graph.joined(part), expected, part)
            sides, pairs, here = cut_states(graph, part, joints, expected)
            ends = [[table[side].sum(0).argmax() for side in both] for both in sides]
            a, b = np.array(ends, np.int64).reshape(-1, 2).T
            keep = (a > 0) | (b > 0)
            xs.append(features(pairs, here)[keep])
            ys.append((a == b)[keep])
    if not xs:
        return np.zeros((0, len(FEATURES))), np.zeros(0, bool)
    return np.concatenate(xs), np.concatenate(ys)


def fit(x: np.ndarray, y: np.ndarray, page: np.ndarray, seed: int = 0) -> dict:
    """Return the arbiter as JSON-ready numbers.

    One page in five is kept aside to scale the log odds, so that they mean what they say: the
    classifier weighs them against its own.
    """
    aside = page % 5 == 0
    scaler = StandardScaler().fit(x[~aside])
    model = MLPClassifier(
        (32, 16), alpha=0.3, max_iter=60, early_stopping=True, random_state=seed,
        n_iter_no_change=12, tol=1e-5,
    )  # fmt: skip
    model.fit(np.clip(scaler.transform(x[~aside]), -6, 6), y[~aside])
    p = model.predict_proba(np.clip(scaler.transform(x[aside]), -6, 6))[:, 1]
    odds, sign = logit(np.clip(p, 1e-12, 1 - 1e-12)), np.where(y[aside], 1, -1)
    found = minimize_scalar(
        lambda t: np.logaddexp(0, -sign * odds / t).mean(), bounds=(0.5, 8), method="bounded"
    )
    print(f"{len(y)} contacts, wrong on pages aside {np.mean(sign * odds < 0):.4f}, "
          f"temperature {found.x:.2f}", flush=True)  # fmt: skip
    scale = [1.0] * (len(model.coefs_) - 1) + [1 / float(found.x)]
    return {
        "features": list(FEATURES),
        "mean": _short(scaler.mean_),
        "spread": _short(np.maximum(scaler.scale_, 1e-3)),
        "layers": [
            {"weight": _short(f * w), "bias": _short(f * b)}
            for w, b, f in zip(model.coefs_, model.intercepts_, scale, strict=True)
        ],
    }


def _short(values: np.ndarray) -> list:
    return np.round(values, 4).tolist()


def collected(paths: Sequence[Path], learned: bool, workers: int) -> tuple[np.ndarray, ...]:
    """Return (features (n, k), one chromosome or not (n,), page (n,)) of the contacts of pages."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        parts = list(pool.map(partial(examples, learned=learned), paths, chunksize=10))
    page = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), page

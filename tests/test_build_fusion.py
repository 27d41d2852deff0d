"""The score and its threshold, fitted on pages whose truth is known in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from screening.build.classifier import adapted_logits
from screening.build.config import FusionConfig
from screening.build.fusion import choose, features_of, fit
from screening.build.model_card import model_card
from screening.bundle_schema import BundleInfo, FusionInfo, PartInfo
from screening.errors import ScreeningError
from screening.evidence.fusion import Fusion, log_odds
from screening.page_settings import ChromosomeReading
from screening.record import Picture, Reading

FREE = FusionConfig(features=("reading", "count"), penalty=0.0, stray=0.0)


def drawn(n: int, weights: tuple[float, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of a logistic model with these weights and no intercept."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(weights)))
    y = rng.random(n) < 1 / (1 + np.exp(-x @ np.array(weights)))
    return x, y.astype(float)


def picture(p_normal: float, odds: float, status: str = "ok") -> Picture:
    """A read picture: 20 passes that agree, and a reading that says `odds` of abnormal."""
    p = np.full(20, 0.5, np.float32)
    reading = Reading(p_normal=p_normal, layout_score=1.0, karyotypes=(("46,XX", p_normal),))
    features = {"network": tuple(log_odds(p).tolist()), "reading": odds, "count": 0.0}
    return Picture("a", "a", status=status, objects=46, p=p, reading=reading, features=features)


def test_the_weights_of_a_logistic_model_are_found_again():
    found = fit(*drawn(60_000, (1.2, 0.5)), FREE)
    assert found.weights["reading"] == pytest.approx(1.2, abs=0.05)
    assert found.weights["count"] == pytest.approx(0.5, abs=0.05)
    assert found.intercept == pytest.approx(0.0, abs=0.05)


def test_no_weight_is_negative_and_the_networks_is_held():
    found = fit(*drawn(20_000, (1.0, -0.7)), FREE)
    assert "count" not in found.weights and found.weights["reading"] > 0.7
    config = FREE.model_copy(update={"features": ("network", "reading"), "most_network": 0.25})
    found = fit(*drawn(20_000, (2.0, 0.5)), config, ("reading",))
    assert found.weights["network"] == 0.25 and found.only_raise == ("reading",)


def test_one_odd_page_does_not_decide_the_weights():
    x, y = drawn(400, (3.0,))
    config = FusionConfig(features=("reading",), penalty=0.0, stray=0.0)
    odd_x, odd_y = np.vstack([x, [[-8.0]]]), np.append(y, 1.0)
    plain, whole = fit(x, y, config), fit(odd_x, odd_y, config)
    robust = fit(odd_x, odd_y, config.model_copy(update={"stray": 0.003}))
    moved, held = (abs(f.weights["reading"] - plain.weights["reading"]) for f in (whole, robust))
    assert held < moved / 3


def test_both_labels_weigh_the_same_however_many_there_are():
    x, y = drawn(40_000, (1.0,))
    kept = (y == 1) | (np.random.default_rng(1).random(len(y)) < 0.1)
    config = FusionConfig(features=("reading",), penalty=0.0, stray=0.0)
    assert fit(x[kept], y[kept], config).intercept == pytest.approx(0.0, abs=0.12)


def test_one_label_alone_is_refused():
    with pytest.raises(ScreeningError, match="5 of 5 pages that could be read are abnormal"):
        fit(np.zeros((5, 2)), np.ones(5), FREE)


def test_only_pictures_that_were_accepted_and_read_are_fitted():
    pictures = [picture(0.9, -1.0), picture(0.9, 1.0, status="rejected"), Picture("b", "b")]
    config = FusionConfig(features=("network", "reading", "misread"))
    x, y = features_of(pictures, [True, False, False], config)
    np.testing.assert_allclose(x, [[0.0, -1.0, 0.0]], atol=1e-6)
    assert y.tolist() == [1.0]


def test_features_count_within_the_limit_that_the_fusion_then_has():
    config = FusionConfig(features=("reading",), limit=2.0, penalty=0.0, stray=0.0)
    every = replace(picture(0.9, 0.0), features={"reading": (1.0, 9.0)})
    x, y = features_of([picture(0.9, 5.0), picture(0.9, -9.0), every], [True, False, True], config)
    np.testing.assert_array_equal(x, [[2.0], [-2.0], [1.5]])
    assert fit(*drawn(500, (1.0,)), config).limit == 2.0


@pytest.mark.parametrize(
    ("enough", "hopeless", "expected"),
    # 40 normal pictures at scores 0.02, 0.04 … and abnormal ones at 0.3 and above; one of these
    # that every threshold misses chooses none
    [(0.2, 0, 0.17), (1.0, 0, 0.3), (0.2, 1, 0.17), (1.0, 1, 0.3)],
)
def test_the_most_cautious_threshold_that_clears_enough(enough, hopeless, expected):
    def at(score: float) -> Picture:
        return picture(0.99, float(np.log(score / (1 - score))))

    normal = [at(0.02 * (i + 1)) for i in range(40)]
    abnormal = [at(0.001)] * hopeless + [at(0.3 + 0.02 * i) for i in range(20 - hopeless)]
    config = FusionConfig(
        features=("reading",), thresholds=(0.01, 0.5, 0.01), enough_low_priority=enough,
        most_missed=0.0,
    )  # fmt: skip
    labels = [False] * 40 + [True] * 20
    rule, reached = choose([*normal, *abnormal], labels, Fusion(0.0, {"reading": 1.0}), config)
    assert rule.threshold == pytest.approx(expected, abs=0.011)
    assert reached["missed"] == hopeless / 20 and rule.flag_threshold == 0.5
    if enough < 1:
        assert reached["low priority"] >= enough


def test_a_cells_crops_are_seen_together():
    from screening.models.classifier import build_classifier
    from screening.train.classifier_crops import Crops

    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (6, 96, 32)).astype(np.uint8)
    crops = Crops(
        images, np.arange(6, dtype=np.uint8), np.full(6, 3.0, np.float32),
        np.array([1, 0, 1, 0, 1, 0], np.int32),
    )  # fmt: skip
    model = build_classifier(widths=(4, 4), blocks=(1, 1), hidden=8)
    how = ChromosomeReading(adapted=0.5)
    logits, labels = adapted_logits(model, crops, how)
    assert logits.shape == (6, 25) and labels.tolist() == [1, 3, 5, 0, 2, 4]
    alone, _ = adapted_logits(model, Crops(images[1::2], crops.labels[1::2], crops.relative[1::2],
                                           crops.cells[1::2]), how)  # fmt: skip
    np.testing.assert_allclose(logits[:3], alone, atol=1e-5)


def test_the_card_says_what_the_bundle_is_made_of():
    part = PartInfo(
        backbone="vgg16", preprocessing="ink", size=64, dropout=0.3, config="c", weights="w"
    )
    info = BundleInfo(
        name="tiny", created="2026-01-01", parts={"screener": part}, threshold=0.04,
        fusion=FusionInfo(intercept=1.0, weights={"reading": 0.85}),
        data={"sources": ["a", "b"], "left_out": "c", "split": "abc"},
        metrics={"validation": {"missed": 0.0}},
    )  # fmt: skip
    card = model_card(info, "No certificate")
    for words in (
        "Research use only", "1.00 + 0.85 × reading", "Taught by a, b", "everything: c",
        "missed 0", "## Certificate\n\nNo certificate", "vgg16, input 64 × 64",
    ):  # fmt: skip
        assert words in card, words

"""The fused score: the fitted weights decide, feature by feature, within their range."""

from __future__ import annotations

import numpy as np
import pytest

from screening.evidence.fusion import Fusion, bounded, log_odds
from screening.record import Feature

NETWORK = "network"
FUSION = Fusion(-0.5, {NETWORK: 0.7, "reading": 0.4, "doubtful": -0.25})
P = np.array([0.1, 0.5, 0.8])


def passes(features: dict[str, Feature], fusion: Fusion = FUSION, p: np.ndarray = P) -> np.ndarray:
    """The fused passes of a picture of which the network says `p`."""
    return fusion.passes({NETWORK: tuple(log_odds(p).tolist()), **features}, len(p))


def contributions(
    features: dict[str, Feature], fusion: Fusion = FUSION, p: np.ndarray = P
) -> dict[str, float]:
    return fusion.contributions({NETWORK: tuple(log_odds(p).tolist()), **features})


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def test_the_passes_by_hand():
    got = passes({"reading": 3.0, "doubtful": 2.0})
    expected = [
        sigmoid(-0.5 + 0.7 * np.log(p / (1 - p)) + 0.4 * 3.0 - 0.25 * 2.0) for p in (0.1, 0.5, 0.8)
    ]
    assert got.dtype == np.float32 and got.shape == (3,)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_what_a_picture_does_not_have_is_neutral_and_what_has_no_weight_is_not_heard():
    plain = passes({})
    np.testing.assert_allclose(plain, sigmoid(-0.5 + 0.7 * np.log(P / (1 - P))), rtol=1e-6)
    np.testing.assert_array_equal(passes({"unheard": 5.0}), plain)
    np.testing.assert_array_equal(passes({"reading": 0.0, "doubtful": 0.0}), plain)


def test_without_a_weight_for_the_network_it_is_not_heard():
    got = passes({"reading": -0.25}, Fusion(1.0, {"reading": 2.0}))
    np.testing.assert_allclose(got, np.full(3, sigmoid(0.5)), rtol=1e-6)


def test_more_evidence_towards_abnormal_is_a_higher_score():
    scores = [passes({"reading": x}).mean() for x in np.linspace(-8, 8, 9)]
    assert (np.diff(scores) > 0).all()
    scores = [passes({"doubtful": x}).mean() for x in np.linspace(-8, 8, 9)]
    assert (np.diff(scores) < 0).all()


def test_no_part_alone_decides_beyond_its_range():
    for end in (8.0, -8.0):
        at, beyond = (passes({"reading": f * end}) for f in (1, 100))
        np.testing.assert_array_equal(at, beyond)
        assert not np.array_equal(at, passes({"reading": 0.99 * end}))
    assert bounded(9.0, 8.0) == 8.0 and bounded(-9.0, 8.0) == -8.0 and bounded(-7.5, 8.0) == -7.5


def test_the_limit_is_the_fusions_own_and_holds_for_every_pass():
    tight = Fusion(-0.5, FUSION.weights, limit=2.0)
    np.testing.assert_array_equal(passes({"reading": 2.0}, tight), passes({"reading": 7.0}, tight))
    assert contributions({"reading": 7.0}, tight)["reading"] == pytest.approx(0.4 * 2.0)
    sure = np.array([1e-6, 0.5, 1 - 1e-6])
    np.testing.assert_allclose(
        passes({}, tight, sure), [sigmoid(-0.5 + 0.7 * odds) for odds in (-2, 0, 2)], rtol=1e-6
    )


def test_log_odds():
    p = np.array([0.2, 0.5, 0.9, 0.001])
    np.testing.assert_allclose(log_odds(p), np.log(p / (1 - p)), rtol=1e-12)
    ends = log_odds(np.array([0.0, 1.0, 1e-6, 1 - 1e-6]))
    np.testing.assert_allclose(ends, np.log(1e6) * np.array([-1, 1, -1, 1]), rtol=1e-6)
    assert log_odds(0.5) == 0 and log_odds(np.float32(1.0)) == ends[1]


def test_contributions_add_up_to_the_log_odds_of_the_score():
    features = {"reading": 3.0, "doubtful": 20.0, "unheard": 1.0}
    parts = contributions(features)
    network = np.mean(np.log(P / (1 - P)))
    assert parts == pytest.approx({NETWORK: 0.7 * network, "reading": 1.2, "doubtful": -2.0})
    (score,) = passes(features, p=np.array([0.3]))
    (total,) = (sum(contributions(features, p=np.array([0.3])).values()) - 0.5,)
    assert total == pytest.approx(float(log_odds(score)), rel=1e-5)


def test_contributions_name_only_what_the_picture_has():
    assert set(contributions({})) == {NETWORK}
    assert set(contributions({"doubtful": 0.0})) == {NETWORK, "doubtful"}
    assert contributions({"reading": 2.0}, Fusion(0.0, {"reading": 1.0})) == {"reading": 2.0}


def test_a_feature_that_is_no_number_is_seen_in_the_score():
    assert np.isnan(passes({"reading": float("nan")})).all()


def test_a_feature_of_each_pass_is_fused_pass_by_pass():
    got = passes({"reading": (1.0, -2.0, 20.0)})
    apart = [passes({"reading": x})[i] for i, x in enumerate((1.0, -2.0, 8.0))]
    np.testing.assert_array_equal(got, apart)
    assert contributions({"reading": (1.0, -2.0, 20.0)})["reading"] == pytest.approx(0.4 * 7 / 3)
    for count in (1, 2):
        with pytest.raises(ValueError):
            FUSION.passes({"reading": (1.0, 2.0, 3.0)}, count)


def test_what_may_only_raise_never_lowers_the_score():
    raising = Fusion(-0.5, FUSION.weights, ("reading", "doubtful"))
    plain = passes({})
    for features in ({"reading": -3.0}, {"doubtful": 3.0}):
        np.testing.assert_array_equal(passes(features, raising), plain)
        assert (passes(features) < plain).all()
        assert set(contributions(features, raising).values()) == {0.0, contributions({})[NETWORK]}
    for features in ({"reading": 3.0}, {"doubtful": -3.0}):
        np.testing.assert_array_equal(passes(features, raising), passes(features))
        assert (passes(features) > plain).all()

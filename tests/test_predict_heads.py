"""Ensembles of heads, test-time variation, and pictures unlike all that trained the network."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from screening.bundle import Bundle, load_bundle, part_files, rewrite_bundle, write_bundle
from screening.bundle_schema import BundleInfo, LikenessInfo, PartInfo
from screening.errors import BundleError
from screening.metrics import auroc
from screening.models import backbones
from screening.models.screener import base_of, build_screener, head_of
from screening.predict.heads import MEMBERS, SplitScreener, described
from screening.predict.mc_dropout import McDropout
from screening.predict.variation import VariedScorer, variants
from screening.train.ensemble import EnsembleConfig, Features, train_members
from screening.train.head import HeadConfig
from screening.triage.rule import Rule, judge
from screening.uncertainty.features import FeatureReference
from screening.worklist.discover import Found
from screening.worklist.ledger import Ledger
from screening.worklist.pipeline import run_pipeline
from screening.worklist.scorer import UNLIKE, BundleScorer
from test_uncertainty_scripts import script
from tiny_base import SIZE, TINY, tiny_pictures
from worklist_fakes import FakeScorer, karyogram

SCREENER = PartInfo(
    backbone="tiny", preprocessing="ink", size=SIZE, dropout=0.5, config="screener.json",
    weights="screener.weights.h5",
)  # fmt: skip


@pytest.fixture(scope="module")
def screener():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.BACKBONES, "tiny", TINY)
        keras.utils.set_random_seed(4)
        return build_screener("tiny", SIZE, hidden=8)


@pytest.fixture(scope="module")
def bundle(screener, tmp_path_factory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    info = BundleInfo(name="tiny", created="2026-01-01", parts={"screener": SCREENER})
    return write_bundle(folder, info, {"screener": screener}, "# Card\n")


def features(screener, count: int, seed: int = 0) -> Features:
    pictures = tiny_pictures(count, seed)
    maps = np.asarray(base_of(screener)(pictures.take(np.arange(count), np.zeros(count, int))))
    return Features(maps.astype(np.float16), pictures.labels, [f"c{i // 3}" for i in range(count)])


@pytest.fixture(scope="module")
def members(screener):
    found = {}
    for kind in ("deep", "snapshot"):
        config = EnsembleConfig(kind, 3, cycle=4, head=HeadConfig(8, 6, 0.01, patience=6))
        train, validation = features(screener, 48), features(screener, 24, 1)
        found[kind] = train_members(screener, train, validation, config)
    return found


@pytest.mark.parametrize("kind", ["deep", "snapshot"])
def test_members_are_trained_in_one_call_and_differ(kind, screener, members):
    before = [w.copy() for w in screener.get_weights()]
    train = features(screener, 48)
    p = members[kind].predict(train.maps.astype(np.float32), verbose=0)
    assert p.shape == (48, 3) and ((p >= 0) & (p <= 1)).all()
    assert len({tuple(np.round(column, 4)) for column in p.T}) == 3
    if kind == "deep":  # so few steps leave a snapshot's normalisation unsettled
        assert min(auroc(train.labels, column) for column in p.T) > 0.6
    assert all(np.array_equal(a, b) for a, b in zip(before, screener.get_weights(), strict=True))


def test_wrong_settings_are_refused():
    for wrong in ({"kind": "bag"}, {"members": 1}, {"share": 0.0}, {"cycle": 0}):
        with pytest.raises(ValueError, match="expected a kind"):
            EnsembleConfig(**wrong)


def test_without_members_the_two_steps_are_the_one(screener):
    images = tiny_pictures(3).take(np.arange(3), np.zeros(3, int))
    one = McDropout(screener, 12, seed=5).predict(images, [1, 2, 3]).p
    two, found = SplitScreener(screener, None, 12, seed=5).predict(images, [1, 2, 3])
    assert two.p.shape == (3, 12) and found.shape == (3, 2 * (4 + 6 + 8))
    np.testing.assert_allclose(two.p.mean(axis=1), one.mean(axis=1), atol=0.2)
    last = np.asarray(base_of(screener)(images))  # leaves the third pooling
    np.testing.assert_allclose(found[:, 20:28], np.log(last.mean((1, 2)) + 1e-3), atol=1e-4)
    np.testing.assert_allclose(found[:, 28:], np.log(last.std((1, 2)) + 1e-3), atol=1e-3)


def test_members_share_the_passes_and_the_masks_hang_on_the_picture(screener, members):
    images = tiny_pictures(4).take(np.arange(4), np.zeros(4, int))
    split = SplitScreener(screener, members["deep"], passes=10, seed=1)
    p = split.predict(images, [7, 8, 9, 10])[0].p
    assert p.shape == (4, 10) and split.members == 3
    np.testing.assert_allclose(split.predict(images[2:3], [9])[0].p[0], p[2], atol=1e-5)
    plain = members["deep"].predict(np.asarray(base_of(screener)(images)), verbose=0)
    many = SplitScreener(screener, members["deep"], passes=900, seed=1)
    each = many.predict(images, [7, 8, 9, 10])[0].p.reshape(4, 300, 3).mean(axis=1)
    assert np.abs(each - plain).max() < 0.25  # pass by pass, member after member
    assert np.corrcoef(each.ravel(), plain.ravel())[0, 1] > 0.9


def with_parts(bundle: Bundle, folder: Path, members=None, likeness: bytes = b"", least=0.5):
    parts, files = dict(bundle.info.parts), {}
    changes: dict[str, object] = {}
    if members is not None:
        part = SCREENER.model_copy(update={"config": "m.json", "weights": "m.weights.h5"})
        parts[MEMBERS] = part
        files |= part_files(members, part)
        changes["parts"] = parts
    if likeness:
        files["likeness.npz"] = likeness
        changes["likeness"] = LikenessInfo(file="likeness.npz", least=least)
    return rewrite_bundle(bundle, bundle.info.model_copy(update=changes), folder, files)


def test_a_bundle_with_members_scores_as_any_other(bundle, members, tmp_path):
    grey = list(tiny_pictures(3).plain)
    tuned = with_parts(bundle, tmp_path / "b", members["snapshot"])
    scorer = BundleScorer(tuned, passes=10, seed=0, device="cpu", batch_size=4)
    answers = scorer.score(grey, [1, 2, 3])
    assert all(a.p.shape == (10,) and a.warnings == () for a in answers)
    alone = scorer.score(grey[1:2], [2])
    np.testing.assert_allclose(alone[0].p, answers[1].p, atol=1e-5)
    assert not np.allclose(
        answers[0].p, BundleScorer(bundle, 10, device="cpu").score(grey[:1], [1])[0].p
    )
    (tmp_path / "b" / "m.weights.h5").write_bytes(b"altered")
    with pytest.raises(BundleError, match="m.weights"):
        load_bundle(tmp_path / "b")


def test_a_picture_unlike_the_training_pictures_is_never_put_last(bundle, screener, tmp_path):
    run, rows = described(screener), np.arange(60)
    taught, held = (run(tiny_pictures(60, seed).take(rows, 0 * rows))[1] for seed in (0, 3))
    reference = FeatureReference.fit(taught, held)
    tuned = with_parts(bundle, tmp_path / "b", None, reference.to_npz(), least=0.03)
    scorer = BundleScorer(tuned, passes=6, device="cpu", batch_size=4)
    like, unlike = scorer.score(
        [tiny_pictures(1, 7).plain[0], np.full((SIZE, SIZE), 0, np.uint8)], [1, 2]
    )
    assert like.warnings == () and unlike.warnings == (UNLIKE,)
    low = np.full(20, 0.01)
    routes = [judge(Rule(), "ok", low, None, 46, "", w).decision for w in ((), unlike.warnings)]
    assert [r.route for r in routes] == ["low-priority", "review"]
    assert UNLIKE in routes[1].reasons
    (tmp_path / "b" / "likeness.npz").unlink()
    with pytest.raises(BundleError, match="likeness.npz"):
        load_bundle(tmp_path / "b")


def test_warnings_of_the_scorer_are_kept_in_the_ledger(tmp_path, monkeypatch):
    from labelled_fakes import accepted
    from worklist_fakes import Scored

    class Warning_(FakeScorer):
        def score(self, images, keys):
            return [Scored(a.p, ("odd",)) for a in super().score(images, keys)]

    monkeypatch.setattr("screening.worklist.pipeline.inspect", accepted)
    karyogram(1).save(tmp_path / "k.png")
    with Ledger(tmp_path / "ledger.sqlite", "b", "o") as ledger:
        ledger.begin({}, "now")
        run_pipeline([Found("k.png", tmp_path / "k.png", "k")], Warning_(), ledger)
        assert [r.warnings for r in ledger.results()] == [("odd",)]


def test_variants_change_grey_values_a_little_and_move_nothing():
    page = np.asarray(karyogram(3))
    made = variants(page, 8, key=2**62)
    assert np.array_equal(made[0], page) and np.array_equal(made, variants(page, 8, key=2**62))
    assert not np.array_equal(made[1], variants(page, 2, key=5)[1])
    ink = page < 200
    for one in made[1:]:
        assert 0.5 < np.abs(one.astype(float) - page)[ink].mean() < 40
        assert (one[page == 255] >= 250).mean() > 0.95  # paper stays paper
        assert np.corrcoef(one.ravel(), page.ravel())[0, 1] > 0.97
    with pytest.raises(ValueError, match="count"):
        variants(page, 0, 1)


def test_varied_passes_stand_beside_each_other(bundle):
    grey = list(tiny_pictures(2).plain)
    plain = BundleScorer(bundle, passes=5, device="cpu", batch_size=4)
    varied = VariedScorer(plain, count=3)
    assert (varied.passes, varied.size) == (15, SIZE)
    answers = varied.score(grey, [1, 2])
    assert [a.p.shape for a in answers] == [(15,), (15,)]
    np.testing.assert_allclose(answers[1].p[:5], plain.score(grey[1:], [2])[0].p, atol=1e-6)
    assert np.abs(answers[1].p[5:10] - answers[1].p[:5]).max() > 0
    assert varied.device == "cpu"


def test_the_scripts_train_members_and_tell_odd_pages(bundle, screener, tmp_path, capsys):
    make = script("make_members")
    config = EnsembleConfig("deep", 2, head=HeadConfig(8, 2, 0.01))
    train, validation = features(screener, 24), features(screener, 12, 1)
    made = make.with_members(bundle, train, validation, config, tmp_path / "deep")
    assert made.info.parts[MEMBERS].size == train.maps.shape[1] and made.info.rule == "votes"
    assert "together: validation AUROC" in capsys.readouterr().out

    likeness = script("measure_likeness")
    rng = np.random.default_rng(0)
    odd = likeness.odd_pages(np.asarray(karyogram(0)), rng)
    assert all(p.dtype == np.uint8 and p.ndim == 2 for p in odd.values())
    assert all(likeness.tensor(p, 64).shape == (64, 64) for p in odd.values())
    home, away = rng.normal(0, 1, (60, 8)), rng.normal(6, 1, (40, 8))
    reference = FeatureReference.fit(rng.normal(0, 1, (200, 8)), rng.normal(0, 1, (150, 8)))
    belong, unlike = likeness.rows(reference, {likeness.BELONG: home, "odd": away}, 0.01)
    assert belong[2] == "–" and unlike[2] > 0.99 and unlike[3].value > 0.95
    assert belong[3].value < 0.2


def test_the_columns_of_an_ensemble_are_confidences_of_the_known_prediction(bundle):
    measure = script("measure_ensemble")
    from screening.worklist.ledger import Result

    grey = list(tiny_pictures(3).plain)
    results = [Result(str(i), "c", f"{i + 1:064x}", "ok") for i in range(3)]
    sources = {"mc": BundleScorer(bundle, passes=9, device="cpu", batch_size=4)}
    predicted = np.array([True, False, True])
    found = measure.columns(grey, results, predicted, sources, Rule())
    other = measure.columns(grey, results, ~predicted, sources, Rule())
    assert set(found) == {"mc: votes", "mc: mean", "mc: mutual information", "mc: std"}
    np.testing.assert_allclose(found["mc: mean"], 1 - other["mc: mean"], atol=1e-6)
    np.testing.assert_allclose(found["mc: std"], other["mc: std"], atol=1e-6)


def test_ensembles_are_compared_on_kept_features(screener, members):
    measure = script("measure_ensemble")
    data = features(screener, 30, 5)
    heads = {"one": McDropout(head_of(screener), 9), "deep": McDropout(members["deep"], 3)}
    sources = {name: measure.passes_of(data.maps, head) for name, head in heads.items()}
    assert sources["one"].shape == sources["deep"].shape == (30, 9)
    text = measure.alone(sources, data.labels)
    assert text.count("| one: ") == text.count("| deep: ") == 5
    assert all("/30 = " in line for line in text.splitlines()[2:])

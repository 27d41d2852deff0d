"""Staged training on a tiny base: unfreezing, cache, devices, kill and resume."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from screening.config import ChoiceConfig, TrainConfig
from screening.errors import ScreeningError
from screening.models import backbones
from screening.models.backbones import depths
from screening.models.screener import build_screener
from screening.models.unfreezing import unfreeze
from screening.train.batches import epoch_batches, plain_batches
from screening.train.cache import Cached, Recomputed
from screening.train.checkpoint import disk_errors_told, load_state, save_state
from screening.train.choice import measured, rank, recall_threshold
from screening.train.loop import EpochResult, Trainer, weights_of
from screening.train.losses import example_weights, loss_for
from screening.train.staged import StagedFit
from screening.train.strategy import devices
from screening.train.training_run import new_screener
from tiny_base import SIZE, TINY, tiny_pictures


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", TINY)


def settings(**fields) -> TrainConfig:
    stages = [
        {"name": "head", "learning_rate": 0.02, "epochs": 3},
        {"name": "last", "unfreeze": "last-block", "learning_rate": 0.005, "epochs": 3},
    ]
    known = {
        "data": {"manifest": "none"},
        "model": {"backbone": "tiny", "size": SIZE, "dropout": 0.3, "hidden": 8},
        "stages": stages,
        "batch_size": 8,
    }
    return TrainConfig.model_validate(known | fields)


def screener(config: TrainConfig, where=None) -> keras.Model:
    keras.utils.set_random_seed(config.seed)
    with (where or devices("one")).strategy.scope():
        return build_screener("tiny", SIZE, config.model.dropout, hidden=config.model.hidden)


def run(config: TrainConfig, folder: Path, where=None, **more) -> tuple[StagedFit, keras.Model]:
    where = where or devices("one")
    model = screener(config, where)
    resume = more.pop("resume", False)
    made = StagedFit(config, TINY, tiny_pictures(27), tiny_pictures(13, 1), folder, where, **more)
    made.results = made.fit(model, resume)
    return made, model


@pytest.mark.parametrize("depth", depths(TINY))
def test_a_cut_screener_gives_the_same_and_trains_what_it_says(depth):
    model = screener(settings())
    images = np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE, 3)).astype("float32")
    expected = model.predict(images, verbose=0)
    parts = unfreeze(model, TINY, depth)
    x = images if parts.frozen is None else parts.frozen.predict(images, verbose=0)
    np.testing.assert_allclose(parts.rest.predict(x, verbose=0), expected, rtol=1e-6, atol=1e-7)
    wanted = {
        "head": (), "last-block": (3,), "block3": (3,), "last-two-blocks": (2, 3), "block2": (2, 3),
        "whole": (1, 2, 3),
    }[depth]  # fmt: skip
    assert parts.trained == tuple(f"block{n}_conv" for n in wanted)
    with_norm = unfreeze(model, TINY, depth, batch_norm=True)
    assert len(with_norm.trained) == 2 * len(wanted)
    assert model.get_layer("hidden_norm").trainable


def test_an_unknown_depth_names_the_known_ones():
    with pytest.raises(ScreeningError, match="last-two-blocks"):
        unfreeze(screener(settings()), TINY, "block9")


def test_cached_and_recomputed_give_the_same_losses(tmp_path):
    config = settings(augmentation={"mode": "offline", "variants": 2})
    cached, one = run(config, tmp_path / "a")
    assert len(list((tmp_path / "a" / "frozen").glob("*.npy"))) == 2 * (2 + 1)

    class Slow(StagedFit):
        def sources(self, frozen):
            return Recomputed(frozen, self.train), Recomputed(frozen, self.validation)

    model = screener(config)
    slow = Slow(config, TINY, cached.train, cached.validation, tmp_path / "b", devices("one"))
    slow.fit(model)
    for key in ("loss", "val_loss", "val_auc"):
        a, b = ([row[key] for row in each.history] for each in (cached, slow))
        np.testing.assert_allclose(a, b, atol=1e-6)
    for a, b in zip(weights_of(one), weights_of(model), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_cache_knows_other_pictures_and_other_weights(tmp_path):
    model = screener(settings())
    frozen = unfreeze(model, TINY, "head").frozen
    rows, plain = np.arange(5), np.zeros(5, int)
    first = Cached(frozen, tiny_pictures(27), tmp_path).take(rows, plain)
    other = Cached(frozen, tiny_pictures(27, 5), tmp_path).take(rows, plain)
    assert np.abs(first - other).max() > 1e-3
    model.get_layer("block1_conv").kernel.assign_add(
        np.full(model.get_layer("block1_conv").kernel.shape, 0.1)
    )
    third = Cached(frozen, tiny_pictures(27), tmp_path).take(rows, plain)
    assert np.abs(first - third).max() > 1e-3
    assert len(list(tmp_path.glob("*.npy"))) == 3


def test_killed_twice_and_resumed_ends_with_the_same_weights(tmp_path):
    config = settings(imbalance="oversample", augmentation={"mode": "online", "variants": 0})
    whole, unbroken = run(config, tmp_path / "whole", save_seconds=0.0)

    class Killed(Exception):
        pass

    def die_at(stage, epoch):
        def die(row):
            if (row["stage"], row["epoch"]) == (stage, epoch):
                raise Killed

        return die

    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        run(config, folder, save_seconds=0.0, on_epoch=die_at("head", 2))
    with pytest.raises(ScreeningError, match="--resume"):
        run(config, folder)
    with pytest.raises(Killed):
        run(config, folder, save_seconds=0.0, resume=True, on_epoch=die_at("last", 1))
    again, resumed = run(config, folder, save_seconds=0.0, resume=True)
    for a, b in zip(weights_of(unbroken), weights_of(resumed), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(whole.history, again.history, strict=True):
        a, b = ({k: v for k, v in row.items() if k != "seconds"} for row in (a, b))
        assert a == pytest.approx(b, nan_ok=True)
    assert json.loads((folder / "history.json").read_text())
    with pytest.raises(ScreeningError, match="other settings"):
        run(config.changed(batch_size=4), folder, resume=True)
    changed = replace(again.train, labels=1 - again.train.labels)
    with pytest.raises(ScreeningError, match="other pictures or labels"):
        replace(again, train=changed).fit(resumed, resume=True)
    heard = []
    before = (folder / "history.json").read_text()
    _, same = run(config, folder, resume=True, on_epoch=heard.append)  # finished: only read again
    assert not heard and (folder / "history.json").read_text() == before
    for a, b in zip(weights_of(resumed), weights_of(same), strict=True):
        np.testing.assert_array_equal(a, b)


def gentle() -> TrainConfig:
    """Without dropout, and slow: the true gradient of the bias in front of BatchNormalization is
    zero, and Adam turns what rounding leaves of it into whole steps of the learning rate."""
    stages = [
        {"name": "head", "learning_rate": 0.001, "epochs": 3},
        {"name": "last", "unfreeze": "last-block", "learning_rate": 0.001, "epochs": 2},
    ]
    plain = {"backbone": "tiny", "size": SIZE, "dropout": 0.0, "hidden": 8}
    return settings(model=plain, stages=stages, imbalance="class_weights")


def test_two_devices_agree_with_one(tmp_path):
    one, _ = run(gentle(), tmp_path / "one")
    assert devices("all").replicas == 2
    two, _ = run(gentle(), tmp_path / "two", devices("all"))
    for key in ("loss", "val_loss"):
        losses = [[row[key] for row in each.history] for each in (one, two)]
        np.testing.assert_allclose(*losses, atol=1e-3 if key == "val_loss" else 1e-4)
    with pytest.raises(ScreeningError, match="multiple of 2, received 7; use 6"):
        devices("all").check_batch(7)


def test_two_devices_draw_the_dropout_of_one(tmp_path):
    # One batch an epoch: the first loss then comes before any step, and shows the mask alone.
    config = gentle()
    config = config.changed(model=config.model.model_dump() | {"dropout": 0.5}, batch_size=28)
    losses = []
    for name in ("one", "all"):
        made = StagedFit(
            config, TINY, tiny_pictures(27), tiny_pictures(13, 1), tmp_path / name, devices(name)
        )
        made.fit(new_screener(config, devices(name)))
        losses.append([row["loss"] for row in made.history])
    assert losses[0][0] == pytest.approx(losses[1][0], abs=1e-5)
    np.testing.assert_allclose(*losses, atol=1e-3)
    other, _ = run(config, tmp_path / "own", devices("all"))  # Keras' own layer: each its own mask
    assert abs(other.history[0]["loss"] - losses[0][0]) > 1e-3


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_dropout_and_mixed_precision_run_on_two_devices(tmp_path, precision):
    stages = [{"name": "all", "unfreeze": "last-block", "epochs": 2, "batch_norm": True}]
    keras.config.set_dtype_policy(precision)
    try:
        made, _ = run(settings(stages=stages), tmp_path, devices("all"))
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite([row["loss"] for row in made.history]).all()


def test_a_stage_that_only_harms_hands_on_what_it_began_with(tmp_path):
    stages = [
        {"name": "head", "learning_rate": 0.02, "epochs": 6},
        {"name": "bad", "unfreeze": "whole", "learning_rate": 1.0, "epochs": 4, "patience": 2},
    ]
    made, _ = run(settings(stages=stages, choice={"by": "loss"}), tmp_path)
    head, bad = made.results
    assert bad.best["val_loss"] <= head.best["val_loss"] + 1e-6
    if bad.best_epoch == 0:
        assert "what the stage began with is kept" in bad.reason
        assert "stopped after epoch 2" in bad.reason


def test_a_loss_that_is_no_number_ends_the_stage_with_what_was_good(tmp_path, monkeypatch):
    train_epoch, calls = Trainer.train_epoch, []

    def diverging(self, *args):
        calls.append(0)
        result = train_epoch(self, *args)
        return EpochResult(float("nan"), result.p, result.labels) if len(calls) == bad else result

    monkeypatch.setattr(Trainer, "train_epoch", diverging)
    bad = 2
    made, _ = run(settings(), tmp_path / "later")
    reasons = [result.reason for result in made.results]
    assert "stopped in epoch 2: the loss is no number any more" in reasons[0], reasons
    assert "learning rate 0.02" in reasons[0] and "epoch 1 is kept" in reasons[0]
    assert reasons[1].startswith("epoch 3 of 3 done")
    calls.clear()
    bad = 1
    with pytest.raises(ScreeningError, match="stage head stopped in epoch 1.*0.02 is too high"):
        run(settings(), tmp_path / "first")


def test_learning_happens_with_the_focal_loss(tmp_path):
    stages = [{"name": "all", "unfreeze": "whole", "learning_rate": 0.01, "epochs": 12,
               "batch_norm": True, "patience": 12}]  # fmt: skip
    made, _ = run(settings(stages=stages, imbalance="focal"), tmp_path)
    assert made.results[0].best["val_auc"] > 0.9


def test_one_label_only_is_refused_before_training(tmp_path):
    pictures = tiny_pictures(9)
    single = type(pictures)(pictures.ids, np.zeros(9, int), pictures.plain)
    job = StagedFit(settings(), TINY, single, tiny_pictures(13, 1), tmp_path, devices("one"))
    with pytest.raises(ScreeningError, match="normal and abnormal"):
        job.fit(screener(settings()))


def test_batches_are_full_cover_all_and_hang_on_seed_and_epoch_only():
    labels = np.array([0] * 9 + [1] * 4)
    first = epoch_batches(labels, 4, seed=1, epoch=2)
    same = epoch_batches(labels, 4, seed=1, epoch=2)
    other = epoch_batches(labels, 4, seed=1, epoch=3)
    rows = np.concatenate([b.rows for b in first])
    real = np.concatenate([b.real for b in first]) > 0
    assert {len(b.rows) for b in first} == {4}
    assert sorted(rows[real]) == list(range(13)) and real.sum() == 13
    np.testing.assert_array_equal(rows, np.concatenate([b.rows for b in same]))
    assert not np.array_equal(rows, np.concatenate([b.rows for b in other]))
    offline = epoch_batches(labels, 5, 0, 0, mode="offline", variants=3)
    real = np.concatenate([b.real for b in offline]) > 0
    pairs = {
        (r, v) for b in offline for r, v, w in zip(b.rows, b.variants, b.real, strict=True) if w
    }
    assert pairs == {(r, v) for r in range(13) for v in range(3)} and real.sum() == 39
    for epoch in range(4):
        online = epoch_batches(labels, 13, 0, epoch, mode="online", variants=4)
        assert set(online[0].variants) <= set(range(4))
    fresh = epoch_batches(labels, 13, 0, 6, mode="online", variants=0)
    assert set(fresh[0].variants) == {7}
    over = epoch_batches(labels, 6, 0, 0, oversample=True)
    chosen = np.concatenate([labels[b.rows[b.real > 0]] for b in over])
    assert chosen.mean() == 0.5 and len(chosen) == 18
    assert plain_batches(3, 8)[0].real.sum() == 3


def test_weights_and_losses_balance_the_classes():
    labels = np.array([0, 0, 0, 1])
    weights = example_weights("class_weights", labels)
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())
    assert weights.mean() == pytest.approx(1)
    y, sure = np.array([[1.0], [0.0]]), np.array([[0.9], [0.1]])
    plain = np.array(loss_for("none", labels)(y, sure))
    focal = np.array(loss_for("focal", labels)(y, sure))
    assert plain.shape == focal.shape == (2,)
    assert (focal < 0.02 * plain + 1e-3).all() and focal[0] > focal[1]


def test_recall_first_prefers_what_misses_nothing():
    labels = np.array([1, 1, 0, 0, 0])

    def row(p):
        return {f"val_{k}": v for k, v in measured(labels, np.array(p), 1.0).items()}

    sharp, safe = row([0.9, 0.2, 0.1, 0.3, 0.35]), row([0.6, 0.5, 0.55, 0.3, 0.2])
    by_recall = ChoiceConfig(by="recall-first", recall=1.0)
    assert rank(safe, by_recall) > rank(sharp, by_recall)
    assert recall_threshold(labels, np.array([0.9, 0.2, 0, 0, 0]), 1.0) == 0.2
    assert recall_threshold(labels, np.array([0.9, 0.2, 0, 0, 0]), 0.5) == 0.9
    nothing = {"val_auc": float("nan"), "val_loss": 1.0, "val_specificity": 0.0}
    assert rank(safe, ChoiceConfig()) > rank(nothing, ChoiceConfig())


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_good_one(tmp_path, monkeypatch):
    path = tmp_path / "state.npz"
    save_state(path, {"a": np.arange(3)}, {"epoch": 1})

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(ScreeningError, match="No space left.*last one is intact"):
        save_state(path, {"a": np.arange(4)}, {"epoch": 2})
    arrays, meta = load_state(path)
    assert meta == {"epoch": 1} and list(arrays["a"]) == [0, 1, 2]
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ScreeningError, match="not a readable checkpoint"):
        load_state(path)


def test_a_full_disk_leaves_no_half_cache_and_is_told(tmp_path, monkeypatch):
    frozen = unfreeze(screener(settings()), TINY, "head").frozen
    rows, plain = np.arange(5), np.zeros(5, int)

    def full(self, rows, variants):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Recomputed, "take", full)
        with pytest.raises(ScreeningError, match="No space left.*--resume"):
            with disk_errors_told(tmp_path):
                Cached(frozen, tiny_pictures(27), tmp_path).take(rows, plain)
    assert not list(tmp_path.iterdir())
    kept = Cached(frozen, tiny_pictures(27), tmp_path).take(rows, plain)
    np.testing.assert_array_equal(Cached(frozen, tiny_pictures(27)).take(rows, plain), kept)


def test_hosts_need_tf_config(monkeypatch):
    devices.cache_clear()
    task = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 3}}
    for text in ("", "{", json.dumps(task)):
        monkeypatch.setenv("TF_CONFIG", text)
        with pytest.raises(ScreeningError, match="TF_CONFIG"):
            devices("hosts")


WORKER = """
import sys
from pathlib import Path
from screening.train.strategy import devices
where = devices("hosts")
import test_train_staged as own
own.backbones.BACKBONES["tiny"] = own.TINY
made, model = own.run(own.gentle(), Path(sys.argv[1]), where)
print("LOSSES", [row["loss"] for row in made.history], [row["val_loss"] for row in made.history])
"""


@pytest.mark.slow
def test_two_hosts_agree_with_one_device(tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    workers = [f"127.0.0.1:{port}" for port in ports]
    tests = Path(__file__).parent
    jobs = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        variables = os.environ | {
            "TF_CONFIG": json.dumps(task),
            "PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}",
        }
        jobs.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(tmp_path / "hosts")],
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )  # fmt: skip
        )
    said = [job.communicate(timeout=240) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    lines = [next(li for li in out.splitlines() if li.startswith("LOSSES")) for out, _ in said]
    numbers = [[float(n) for n in re.findall(r"\d+\.\d+(?:e-\d+)?", line)] for line in lines]
    np.testing.assert_allclose(numbers[0], numbers[1], atol=1e-6)
    one, _ = run(gentle(), tmp_path / "one")
    expected = [row[k] for k in ("loss", "val_loss") for row in one.history]
    assert len(expected) == 10
    np.testing.assert_allclose(numbers[0], expected, atol=1e-3)

"""Monte Carlo dropout by a cut graph equals full passes with the same masks, for any model."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from screening.errors import ScreeningError
from screening.predict import coins, masks, mc_dropout
from screening.predict.mc_dropout import McDropout
from screening.predict.prefix import cut

SIDE = 6


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(5, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.GlobalAveragePooling2D(),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def dropout_first() -> keras.Model:
    x = inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Dropout(0.25)(x)
    x = layers.Conv2D(4, 3)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def skip_connection() -> keras.Model:
    """Random and deterministic branches meet twice; a crossing tensor is read by three layers."""
    inputs = keras.Input((SIDE, SIDE, 3))
    stem = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    drop = layers.SpatialDropout2D(0.4)(stem)
    x = layers.Add()([layers.Conv2D(4, 3, padding="same")(drop), stem])
    x = layers.Concatenate()([x, layers.Activation("tanh")(stem)])
    x = layers.GlobalAveragePooling2D()(x)
    x = keras.ops.concatenate([x, layers.GlobalMaxPooling2D()(inputs)], axis=-1)
    x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def shared_layers() -> keras.Model:
    inputs = keras.Input((SIDE, SIDE, 3))
    dense, drop = layers.Dense(6, activation="relu"), layers.Dropout(0.5)
    left = drop(dense(layers.GlobalAveragePooling2D()(inputs)))
    right = drop(dense(layers.GlobalMaxPooling2D()(inputs)))
    x = layers.Multiply()([left, right])
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def nested() -> keras.Model:
    inner_input = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3)(inner_input)
    x = layers.Dropout(0.5)(x)
    inner = keras.Model(inner_input, layers.Conv2D(4, 3)(x), name="inner")
    base = keras.Sequential([keras.Input((SIDE, SIDE, 3)), layers.Conv2D(3, 3, padding="same")])
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Add()([inner(base(inputs)), inner(inputs)])
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def other_noises() -> keras.Model:
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.GaussianNoise(1.0)(inputs)
    x = layers.Dropout(0.0)(x)
    x = layers.Dropout(0.2, noise_shape=(None, SIDE, 1, None))(x)
    x = layers.Flatten()(x)
    x = layers.AlphaDropout(0.3)(layers.Dense(7, activation="selu")(x))
    x = layers.GaussianDropout(0.3)(layers.Dense(5)(x))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def fused_mean() -> keras.Model:
    """More than 32 positions, a number of channels that is no multiple of 4, keepdims."""
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(5, 3, padding="same")(inputs)
    x = layers.Dropout(0.37)(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def no_dropout() -> keras.Model:
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


MODELS = [
    sequential,
    dropout_first,
    skip_connection,
    shared_layers,
    nested,
    other_noises,
    fused_mean,
    no_dropout,
]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.set_random_seed(3)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(3, SIDE, SIDE, 3)).astype("float32")


def full_passes_reference(mc: McDropout, images: np.ndarray, keys: list[int]) -> np.ndarray:
    """Every pass and image through the WHOLE model by Keras itself, with the masks of `mc`.

    The dropout layers' own `call` is replaced for the while; nothing of the cut, the fusion, the
    chunks or the compiled arithmetic is used.
    """
    steps = {step.site: step for step in mc.cut.head if step.site}
    streams = coins.stream_keys(mc.seed, keys, mc.cut.sites)
    results = []
    for row, image in enumerate(images):
        noises = {
            site: masks.sample(
                step.operation,
                mc.cut.shapes[next(iter(step.inputs.values()))][1:],
                tf.constant(streams[row, mc.cut.sites.index(site)]),
                tf.constant(0),
                mc.passes,
            ).numpy()
            for site, step in steps.items()
        }
        for number in range(mc.passes):
            results.append(_one_pass(mc, image[None], steps, noises, number))
    return np.stack(results).reshape(len(images), mc.passes, -1)


def _one_pass(mc: McDropout, image, steps, noises, number: int) -> np.ndarray:
    layers_ = {id(step.operation): step.operation for step in steps.values()}
    for layer in layers_.values():
        # A shared layer meets its calls in running order, as its sites are numbered.
        own = iter([noises[s][number] for s, step in steps.items() if step.operation is layer])
        layer.call = _with_noise(layer, own)
    try:
        return mc.model(image, training=False).numpy()
    finally:
        for layer in layers_.values():
            del layer.call


def _with_noise(layer, noises) -> Callable:
    def call(x, training=False):
        noise = next(noises)[None].astype("float32")
        if isinstance(layer, layers.GaussianDropout):
            return x * noise
        if isinstance(layer, layers.AlphaDropout):
            alpha = -1.7580993408473766
            a = ((1 - layer.rate) * (1 + layer.rate * alpha**2)) ** -0.5
            return a * (x * noise + alpha * (1 - noise)) - a * alpha * layer.rate
        return x * noise / (1 - layer.rate)

    return call


@pytest.mark.parametrize("build", MODELS)
def test_agrees_with_full_passes_before_and_after_saving(build, images, tmp_path) -> None:
    model = build()
    keys = [7, 1, 2**63]
    mc = McDropout(model, passes=9, seed=4)
    p = mc.predict(images, keys)
    reference = full_passes_reference(mc, images, keys)
    np.testing.assert_allclose(p.reshape(reference.shape), reference, atol=1e-5)
    if mc.cut.sites:
        assert p.std(axis=1).max() > 1e-3
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras", safe_mode=True)
    again = McDropout(loaded, passes=9, seed=4).predict(images, keys)
    np.testing.assert_allclose(again, p, atol=1e-6)


@pytest.mark.parametrize("build", [sequential, other_noises])
def test_masks_hang_on_seed_and_key_alone(build, images, monkeypatch) -> None:
    model = build()
    keys = ["a", "b", "c"]
    p = McDropout(model, passes=12, seed=1).predict(images, keys)
    mc = McDropout(model, passes=12, seed=1)
    backwards = mc.predict(images[::-1], keys[::-1])[::-1]
    np.testing.assert_allclose(backwards, p, atol=1e-6)
    alone = mc.predict(images[1:2], keys[1:2])
    np.testing.assert_allclose(alone, p[1:2], atol=1e-6)
    fewer = McDropout(model, passes=5, seed=1).predict(images, keys)
    np.testing.assert_allclose(fewer, p[:, :5], atol=1e-6)
    plain = McDropout(model, passes=12, seed=1, jit=False).predict(images, keys)
    np.testing.assert_allclose(plain, p, atol=1e-6)
    monkeypatch.setattr(mc_dropout, "CHUNK_ELEMENTS", 300)
    chunked = McDropout(model, passes=12, seed=1).predict(images, keys)
    np.testing.assert_allclose(chunked, p, atol=1e-6)
    other_seed = McDropout(model, passes=12, seed=2).predict(images, keys)
    assert np.abs(other_seed - p).max() > 1e-4
    other_key = McDropout(model, passes=12, seed=1).predict(images, ["d", "b", "c"])
    assert np.abs(other_key[0] - p[0]).max() > 1e-4
    np.testing.assert_allclose(other_key[1:], p[1:], atol=1e-6)


def test_default_keys_are_the_content_of_the_image(images) -> None:
    mc = McDropout(sequential(), passes=6)
    p = mc.predict(images)
    np.testing.assert_allclose(mc.predict(images[[2, 0]]), p[[2, 0]], atol=1e-6)


def test_batch_normalization_stays_in_inference_mode(images) -> None:
    model = sequential()
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for norm in norms:
        norm.moving_mean.assign(np.linspace(-1, 1, norm.moving_mean.shape[0]))
        norm.moving_variance.assign(np.linspace(0.5, 2, norm.moving_variance.shape[0]))
    before = [w.copy() for w in model.get_weights()]
    mc = McDropout(model, passes=8)
    p = mc.predict(images, [1, 2, 3])
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    strangers = images.copy()
    strangers[1:] *= 50
    np.testing.assert_allclose(mc.predict(strangers, [1, 2, 3])[0], p[0], atol=1e-6)


def test_only_what_depends_on_a_dropout_is_repeated() -> None:
    parts = cut(skip_connection())
    before = {step.operation.__class__.__name__ for step in parts.prefix}
    assert before == {"Conv2D", "Activation", "GlobalMaxPooling2D"}
    assert len(parts.crossing) == 3
    assert cut(no_dropout()).head == ()
    assert [len(cut(build()).sites) for build in (shared_layers, nested)] == [2, 2]


def test_models_that_cannot_be_cut_are_named() -> None:
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ScreeningError, match="expected a built functional"):
        McDropout(Subclassed())
    sequence = keras.Input((4, 3))
    hidden = keras.Model(sequence, layers.LSTM(2, dropout=0.5)(sequence))
    with pytest.raises(ScreeningError, match="hides a dropout"):
        McDropout(hidden)
    batch = keras.Input((4,))
    shared = keras.Model(batch, layers.Dropout(0.5, noise_shape=(1, 4))(batch))
    with pytest.raises(ScreeningError, match="batch-mates"):
        McDropout(shared).predict(np.ones((2, 4), "float32"))
    with pytest.raises(ScreeningError, match="two|2 outputs"):
        McDropout(keras.Model(batch, [layers.Dense(1)(batch), layers.Dense(1)(batch)]))
    with pytest.raises(ScreeningError, match="one key per image"):
        McDropout(no_dropout()).predict(np.ones((2, SIDE, SIDE, 3), "float32"), [1])
    with pytest.raises(ScreeningError, match="passes"):
        McDropout(no_dropout(), passes=0)


@pytest.mark.parametrize("rate", [0.5, 0.25, 0.1, 0.37])
@pytest.mark.parametrize("shape", [(40,), (3, 3, 8), (7, 7, 4)])
def test_masks_drop_at_the_asked_rate_and_independently(rate, shape) -> None:
    key = tf.constant(11, tf.uint64)
    mask = masks.TensorLayout(shape, 1 - rate).mask(key, tf.constant(0), 4000).numpy()
    assert mask.shape == (4000, *shape)
    units = mask.reshape(4000, -1).astype(float)
    limit = 5 * np.sqrt(rate * (1 - rate) / len(units))
    np.testing.assert_allclose(units.mean(axis=0), 1 - rate, atol=limit)
    correlation = np.corrcoef(units.T) - np.eye(units.shape[1])
    assert np.abs(correlation).max() < 5.5 / np.sqrt(len(units))
    later = masks.TensorLayout(shape, 1 - rate).mask(key, tf.constant(1000), 3).numpy()
    np.testing.assert_array_equal(later, mask[1000:1003])


def test_several_inputs() -> None:
    first, second = keras.Input((4,)), keras.Input((2,))
    x = layers.Concatenate()([layers.Dropout(0.5)(first), second])
    model = keras.Model([first, second], layers.Dense(1, activation="sigmoid")(x))
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, 4)).astype("float32"), rng.normal(size=(2, 2)).astype("float32")]
    p = McDropout(model, passes=20).predict(arrays)
    assert p.shape == (2, 20)
    assert p.std(axis=1).min() > 1e-4

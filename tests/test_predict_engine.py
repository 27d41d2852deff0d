"""ONNX Runtime says what TensorFlow says, network by network; which of them is chosen, and why."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from screening.bundle import Bundle, default_bundle, load_bundle, rewrite_bundle, write_bundle
from screening.bundle_schema import BundleInfo, PartInfo
from screening.errors import NotInstalled, ScreeningError
from screening.karyogram.strip import COLUMNS, QUALITY, ROWS
from screening.known_answers import TOLERANCE, known_input, sampled, worst
from screening.models.length_features import length_features
from screening.page_settings import ChromosomeReading
from screening.predict import engine as choosing
from screening.predict.engine import Chosen, engine_of
from screening.predict.stored import NotTranslated, network_of
from screening.reading_settings import ReadingSettings

ROOT = Path(__file__).resolve().parents[1]
PASSES, SIZE = 25, 48
KEYS = ["a", "b", "c"]


def part(name: str, size: int, width: int | None = None) -> PartInfo:
    return PartInfo(
        backbone=name, preprocessing="ink", size=size, width=width, dropout=0.3,
        config=f"{name}.json", weights=f"{name}.weights.h5",
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    """A bundle of small networks of every kind, with weights and statistics that are not blank."""
    import keras

    from screening.models.classifier import build_classifier
    from screening.models.screener import build_screener, with_slots
    from screening.models.structure import build_structure_reader

    keras.utils.set_random_seed(4)
    models = {
        "screener": with_slots(build_screener("vgg16", SIZE, dropout=0.3, preprocess="caffe")),
        "classifier": build_classifier(widths=(16, 20), blocks=(1, 2), hidden=24),
        "structure": build_structure_reader(width=16, blocks=2, stem=4),
    }
    rng = np.random.default_rng(0)
    for model in models.values():
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    parts = {
        "screener": part("screener", SIZE), "classifier": part("classifier", 96, 32),
        "structure": part("structure", ROWS, COLUMNS),
    }  # fmt: skip
    reading = ReadingSettings(chromosomes=ChromosomeReading(adapted=0.4))
    info = BundleInfo(name="small", created="2026-01-01", parts=parts, reading=reading)
    return write_bundle(tmp_path_factory.mktemp("engine") / "b", info, models, "# Card\n", {})


@pytest.fixture(scope="module")
def engines(bundle):
    from screening.predict.onnxruntime_engine import OnnxRuntimeEngine
    from screening.predict.tensorflow_engine import TensorFlowEngine

    return TensorFlowEngine(bundle, "cpu"), OnnxRuntimeEngine(bundle)


def test_the_screener_says_the_same_in_every_pass(engines):
    rng = np.random.default_rng(1)
    pictures = rng.uniform(0, 255, (3, SIZE, SIZE, 3)).astype(np.float32)
    networks = [one.screener(PASSES, 7) for one in engines]
    (theirs, last_map, slots), (ours, same_map, same_slots) = (
        one.predict(pictures, KEYS) for one in networks
    )
    np.testing.assert_allclose(same_map, last_map, atol=1e-4)
    assert slots.shape == (*last_map.shape[:3], 3) and slots.std() > 1e-3
    np.testing.assert_allclose(same_slots, slots, atol=1e-4)
    where, same = (one.attention.maps(last_map) for one in networks)
    assert where.max() == 255 and np.abs(where.astype(int) - same).max() <= 1
    assert ours.shape == theirs.shape == (3, PASSES) and ours.dtype == np.float32
    assert ours.std(1).min() > 1e-4
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_classifier_says_the_same_with_or_without_a_cell(engines):
    rng = np.random.default_rng(2)
    crops = rng.uniform(0, 255, (3, 96, 32, 1)).astype(np.float32)
    lengths = length_features(np.array([8.4, np.nan, 1.7]))
    theirs, ours = (one.classifier(PASSES, 7) for one in engines)
    assert ours.width == theirs.width == 20
    bands = theirs.bands(crops)
    np.testing.assert_allclose(ours.bands(crops), bands, atol=1e-4)
    in_cell = theirs.bands_in_cell(crops)
    assert np.abs(in_cell - bands).max() > 0.01
    np.testing.assert_allclose(ours.bands_in_cell(crops), in_cell, atol=1e-4)
    np.testing.assert_allclose(ours.quick(bands, lengths), theirs.quick(bands, lengths), atol=1e-4)
    for keys in (KEYS, ["cell"] * 3):
        said, expected = (one.head.predict([bands, lengths], keys) for one in (ours, theirs))
        assert said.shape == (3, PASSES, 25)
        np.testing.assert_allclose(said, expected, atol=1e-4)


def test_the_reader_of_structure_says_the_same(engines):
    rng = np.random.default_rng(3)
    inputs = {
        "strips": rng.integers(0, 230, (3, 2, ROWS, COLUMNS)).astype(np.float32),
        "quality": rng.normal(0, 0.3, (3, 2, QUALITY)).astype(np.float32),
        "classes": np.array([0, 8, 23], np.int32),
    }  # fmt: skip
    inputs["strips"][:, :, :30] = 0
    theirs, ours = (one.structure(PASSES, 7) for one in engines)
    expected, said = theirs.body(inputs), ours.body(inputs)
    assert said.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(said[name], expected[name], atol=1e-4)
    pairs = expected["pair"]
    np.testing.assert_allclose(
        ours.head.predict([pairs], KEYS), theirs.head.predict([pairs], KEYS), atol=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("inceptionv3", 75), ("mobilenetv2", 64), ("densenet121", 64)]
)
def test_every_base_can_be_run_without_tensorflow(name, size, tmp_path):
    import keras

    from screening.models.screener import build_screener
    from screening.predict.onnxruntime_engine import OnnxRuntimeEngine
    from screening.predict.tensorflow_engine import TensorFlowEngine

    keras.utils.set_random_seed(5)
    info = BundleInfo(name=name, created="2026-01-01", parts={"screener": part("screener", size)})
    made = write_bundle(tmp_path / "b", info, {"screener": build_screener(name, size)}, "# C\n", {})
    assert max(OnnxRuntimeEngine(made).off().values()) < TOLERANCE
    assert (
        OnnxRuntimeEngine(made)
        .screener(1, 0)
        .predict(known_input((size, size, 3), "float32"), ["a"])
        .slots
        is None
    )
    pictures = np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    theirs, ours = (
        engine(made).screener(9, 0).predict(pictures, KEYS[:2])[0]
        for engine in (TensorFlowEngine, OnnxRuntimeEngine)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


# Eight bits.


def shown(part: str) -> list[tuple[np.ndarray, ...]]:
    """What the network of a part is given of six pictures, of which the last two are a test."""
    rng = np.random.default_rng(5)
    if part == "screener":
        grey = rng.integers(0, 255, (6, 1, SIZE, SIZE, 1)).astype(np.float32)
        return [(np.repeat(one, 3, -1),) for one in grey]
    if part == "classifier":
        return [(rng.uniform(0, 255, (9, 96, 32, 1)).astype(np.float32),) for _ in range(6)]
    strips = rng.integers(0, 230, (6, 3, 2, ROWS, COLUMNS)).astype(np.float32)
    strips[:, :, :, :30] = 0
    quality = rng.normal(0, 0.3, (6, 3, 2, QUALITY)).astype(np.float32)
    return [(np.array([0, 8, 23], np.int32), *each) for each in zip(quality, strips, strict=True)]


@pytest.fixture(scope="module")
def rounded(bundle, tmp_path_factory) -> Bundle:
    """The bundle with all of its networks in eight bits."""
    from screening.predict.onnxruntime_engine import rounding_of

    parts = {
        name: part.model_copy(update={"rounding": rounding_of(bundle, name, shown(name)[:4])})
        for name, part in bundle.info.parts.items()
    }
    info = bundle.info.model_copy(update={"parts": parts})
    return rewrite_bundle(bundle, info, tmp_path_factory.mktemp("rounded") / "b")


@pytest.mark.parametrize("name", ["screener", "classifier", "structure"])
def test_a_network_in_eight_bits_says_nearly_the_same_and_knows_its_own_answers(
    rounded, engines, name
):
    from screening.predict.onnxruntime_engine import OnnxRuntimeEngine

    ours = OnnxRuntimeEngine(rounded, rounded=True)
    assert ours.off()[name] < 1e-4 and ours.name == "int8"
    run = "in_cell" if name == "classifier" else "body"
    for given in shown(name)[4:]:
        exact, said = (getattr(one._parts[name], run)(given) for one in (engines[1], ours))
        for one, other in zip(exact, said, strict=True):
            spread = np.abs(one).max()
            assert 1e-6 * spread < np.abs(one - other).max() < 0.2 * spread
    if name == "classifier":  # single ones are not rounded
        (crops,) = shown(name)[5]
        one, other = (each.classifier(1, 0).bands(crops) for each in (engines[1], ours))
        np.testing.assert_array_equal(one, other)


def test_branches_that_are_joined_and_averaged_are_rounded_too(tmp_path):
    """As InceptionV3 has them: convolution, normalisation, rectifier; average; join."""
    import keras
    from keras import layers

    from screening.predict.onnxruntime_engine import OnnxRuntimeEngine, rounding_of

    def unit(x, name, kernel):
        x = layers.Conv2D(16, kernel, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(scale=False, name=f"{name}_norm")(x)
        return layers.Activation("relu", name=f"{name}_relu")(x)

    keras.utils.set_random_seed(8)
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = unit(layers.Rescaling(1 / 255)(image), "first", 3)
    averaged = layers.AveragePooling2D(3, 1, padding="same", name="average")(x)
    x = layers.Concatenate(name="join")([unit(x, "left", 3), unit(averaged, "right", 1)])
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(unit(x, "last", 3)))
    model = keras.Model(image, layers.Dense(1, activation="sigmoid")(x))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.2, 0.5, w.shape) for w in layer.get_weights()])
    info = BundleInfo(name="x", created="2026-01-01", parts={"screener": part("screener", SIZE)})
    exact = write_bundle(tmp_path / "b", info, {"screener": model}, "# Card\n", {})
    rounding = rounding_of(exact, "screener", shown("screener")[:4])
    assert rounding.most.keys() == {"first_relu", "average", "left_relu", "right_relu", "join",
                                    "last_relu"}  # fmt: skip
    assert rounding.most["average"] < rounding.most["first_relu"]
    own = exact.network("screener").model_copy(update={"rounding": rounding})
    known = info.model_copy(update={"parts": {"screener": own}})
    made = rewrite_bundle(
        exact, exact.info.model_copy(update={"parts": known.parts}), tmp_path / "r"
    )
    (given,) = shown("screener")[5]
    theirs, ours = (
        OnnxRuntimeEngine(one, rounded).screener(1, 0).predict(given, ["a"])
        for one, rounded in ((exact, False), (made, True))
    )
    off = np.abs(ours.features - theirs.features).max() / theirs.features.max()
    assert 1e-6 < off < 0.1


def test_what_is_rounded_is_told_by_layer(rounded):
    names = "screener", "classifier", "structure"
    screener, classifier, structure = (rounded.network(name).rounding for name in names)
    assert {"block1_conv1", "block4_pool"} <= screener.most.keys() and "slots" not in screener.most
    assert screener.most["block3_pool"] == screener.most["block3_conv3"] > 0
    assert not screener.least and "least" not in screener.model_dump(mode="json")
    assert {"stem_relu", "s0b0_a", "s0b0_out"} <= classifier.most.keys()
    assert not {"stem", "s1b0_match", "s1b1_out", "pool"} & classifier.most.keys()
    assert classifier.least["s0b0_a"] < 0 and "s0b0_out" not in classifier.least
    assert {"b0_b_norm", "b0_relu", "b1_a_relu"} <= structure.most.keys()
    assert any(name.startswith("reshape") for name in structure.most)  # Keras numbers them
    assert not {"stem_relu", "flat_a_relu", "b1_relu", "alone_rows"} & structure.most.keys()
    assert structure.least["b0_b_norm"] < 0


def test_an_engine_in_eight_bits_is_for_bundles_that_say_how(bundle, rounded):
    assert engine_of(rounded).engine.name == "int8"
    assert engine_of(rounded, "onnxruntime").engine.name == "onnxruntime"
    assert engine_of(bundle).engine.name == "onnxruntime"
    with pytest.raises(ScreeningError, match="--engine int8: .* how to hold it in eight bits"):
        engine_of(bundle, "int8")


def test_of_a_bundle_that_rounds_one_network_the_others_are_as_ever(bundle, rounded, engines):
    from screening.predict.onnxruntime_engine import OnnxRuntimeEngine

    parts = bundle.info.parts | {"screener": rounded.info.parts["screener"]}
    one = OnnxRuntimeEngine(replace(bundle, info=bundle.info.model_copy(update={"parts": parts})),
                            rounded=True)  # fmt: skip
    (given,) = shown("classifier")[0]
    for run in ("body", "in_cell"):
        said, exact = (
            getattr(each._parts["classifier"], run)([given]) for each in (one, engines[1])
        )
        np.testing.assert_array_equal(said[0], exact[0])


def test_nothing_is_rounded_that_was_shown_nothing(bundle):
    from screening.predict.onnxruntime_engine import rounding_of

    assert rounding_of(bundle, "structure", []) is None


def test_what_is_no_chain_of_convolutions_is_not_rounded():
    from screening.predict.rounding import ranges_of, rounded_layers

    network = network_of(stored(), WEIGHTS)
    assert rounded_layers(network, ["d"]) == () and ranges_of(network, (), pytest.fail, []) == {}


def test_normalisations_become_part_of_their_convolutions_and_change_nothing(bundle, engines):
    from screening.predict.folding import folded
    from screening.predict.onnxruntime_engine import _Session

    part = engines[1]._parts["structure"]
    made = folded(part.network)
    kinds = [layer.kind for layer in made.layers.values()]
    assert "BatchNormalization" not in kinds and kinds.count("ReLU") == 5  # behind the sums
    assert made.outputs == part.network.outputs and made.layers["rows_relu"].kind == "Conv1D"
    given = shown("structure")[0]
    for one, other in zip(part.body(given), _Session(made, part.ends)(given), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5 * np.abs(one).max())


# Known answers.


def test_a_bundle_is_written_with_its_answers_and_they_are_given(bundle, engines):
    answers = {name: each.answers for name, each in bundle.info.parts.items()}
    assert {"feature_dropout", "hidden_dropout", "p_abnormal"} <= answers["screener"].keys()
    off = engines[1].off()
    assert off.keys() == answers.keys() and max(off.values()) < TOLERANCE / 10


def test_other_weights_are_noticed(bundle, engines, monkeypatch):
    layer = engines[1]._parts["screener"].network.layers["block3_conv2"]
    monkeypatch.setitem(vars(layer), "weights", (layer.weights[0][..., ::-1], layer.weights[1]))
    from screening.predict import onnxruntime_engine as module

    network = engines[1]._parts["screener"].network
    said = module._Part(network, bundle).answers()
    assert worst(bundle.network("screener").answers, said) > TOLERANCE


def test_the_shipped_networks_have_answers():
    info = load_bundle(default_bundle()).info
    networks = [each for each in info.parts.values() if isinstance(each, PartInfo)]
    assert len(networks) == 3 and all(each.answers and each.rounding for each in networks)


def test_how_far_answers_are_off():
    assert worst({"a": (1.0, -2.0)}, {"a": np.array([1.0, -2.002])}) == pytest.approx(
        0.001, rel=1e-3
    )
    assert worst({"a": (1.0,)}, {"b": np.array([1.0])}) == np.inf
    assert worst({"a": (1.0,)}, {"a": np.array([np.nan])}) == np.inf
    assert worst({"a": (1.0, 2.0)}, {"a": np.array([1.0])}) == np.inf
    assert len(sampled(np.zeros((3, 50)))) == 16 and sampled(np.arange(3)) == (0.0, 1.0, 2.0)
    np.testing.assert_array_equal(known_input((4, 2), "float32"), known_input((4, 2), "float32"))
    assert known_input((None,), "int32").dtype == np.int32


# The choice.


@pytest.fixture
def told(monkeypatch):
    """Which engine is chosen of two that only tell their names; `off` is what ONNX Runtime is off
    by, or what it raises."""

    def choose(off, asked="auto", device="auto", gpu=False) -> Chosen:
        def ours(bundle, rounded):
            if isinstance(off, Exception):
                raise off
            return SimpleNamespace(name="onnxruntime", version="1", device="cpu", off=lambda: off)

        monkeypatch.setattr("screening.predict.onnxruntime_engine.OnnxRuntimeEngine", ours)
        theirs = SimpleNamespace(name="tensorflow", version="2", device="cpu")
        monkeypatch.setattr(choosing, "_tensorflow", lambda bundle, device, what: theirs)
        monkeypatch.setattr(choosing, "gpu_is_there", lambda: gpu)
        choosing._chosen.cache_clear()
        info = SimpleNamespace(parts={})
        return engine_of(SimpleNamespace(hash="c", info=info), asked, device)

    yield choose
    choosing._chosen.cache_clear()


def test_onnx_runtime_is_taken_where_it_gives_the_known_answers(told):
    assert str(told({"screener": 1e-6})) == "onnxruntime 1"
    assert str(told({"screener": 1e-6}, asked="tensorflow")) == "tensorflow 2"


@pytest.mark.parametrize(
    ("off", "why"),
    [
        ({"screener": 1e-6, "structure": 0.02}, "answers of the structure are not those of Keras"),
        ({"screener": float("nan")}, "not those of Keras"),
        ({"screener": None}, "nothing is known to compare"),
        (NotTranslated("layer x (LSTM)"), "the bundle has layer x (LSTM), which only TensorFlow"),
        (ImportError("no module"), "cannot be loaded"),
    ],
)
def test_else_tensorflow_is_and_the_run_says_why(told, off, why):
    chosen = told(off)
    assert chosen.engine.name == "tensorflow" and why in str(chosen)
    if off == {"screener": None}:  # who asks for it by name does without
        assert str(told(off, asked="onnxruntime")) == "onnxruntime 1"
        return
    with pytest.raises(ScreeningError, match="use --engine tensorflow"):
        told(off, asked="onnxruntime")


def test_a_gpu_is_for_tensorflow(told):
    good = {"screener": 0.0}
    assert str(told(good, gpu=True)) == "tensorflow 2 (for the GPU)"
    assert str(told(good, device="gpu:1")) == "tensorflow 2 (for the GPU)"
    assert str(told(good, device="cpu", gpu=True)) == "onnxruntime 1"
    assert str(told(good, asked="onnxruntime", gpu=True)) == "onnxruntime 1"
    with pytest.raises(ScreeningError, match="computes on the processor, not on gpu"):
        told(good, asked="onnxruntime", device="gpu")


def test_what_needs_tensorflow_says_so_where_it_is_missing(bundle, monkeypatch):
    monkeypatch.setattr(choosing, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match="--engine tensorflow needs TensorFlow"):
        choosing._tensorflow(bundle, "cpu", "--engine tensorflow")


# What is refused.


def stored(**changes):
    """Keras' form of one dense layer, with changes to it."""
    end = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 3], "dtype": "float32", "keras_history": ["in", 0, 0]},
    }
    dense = {"name": "d", "module": "keras.layers", "class_name": "Dense", "registered_name": None,
             "config": {"units": 2, "activation": "linear", "use_bias": False},
             "inbound_nodes": [{"args": [end], "kwargs": {}}]} | changes  # fmt: skip
    first = {
        "name": "in",
        "module": "keras.layers",
        "class_name": "InputLayer",
        "registered_name": None,
        "inbound_nodes": [],
        "config": {"batch_shape": [None, 3], "dtype": "float32"},
    }
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["d", 0, 0]]}
    return {"class_name": "Functional", "config": {"layers": [first, dense], **ends}}


WEIGHTS = {"layers": {"dense/vars": {"0": np.eye(3, 2)}}}


def test_a_network_is_read_in_the_order_in_which_it_runs():
    network = network_of(stored(), WEIGHTS)
    assert list(network.layers) == ["in", "d"] and network.outputs == {"0": "d"}
    np.testing.assert_array_equal(network.layers["d"].weights[0], np.eye(3, 2))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"inbound_nodes": stored()["config"]["layers"][1]["inbound_nodes"] * 2}, "called 2 times"),
        ({"config": {"dtype": {"config": {"name": "mixed_bfloat16"}}}}, "another precision"),
        ({"inbound_nodes": [{"args": [{"class_name": "odd", "config": {}}], "kwargs": {}}]}, "odd"),
    ],
)
def test_what_is_not_known_is_refused_by_name(changes, named):
    with pytest.raises(NotTranslated, match=named):
        network_of(stored(**changes), WEIGHTS)


def test_layers_and_settings_that_are_not_known_are_refused_by_name():
    from screening.predict.onnx_graph import onnx_model
    from screening.predict.onnx_operations import TABLE

    with pytest.raises(NotTranslated, match="a Sequential network"):
        network_of(stored() | {"class_name": "Sequential"}, WEIGHTS)
    strange = network_of(stored(class_name="LSTM"), WEIGHTS)
    with pytest.raises(NotTranslated, match=r"layer d \(LSTM\)"):
        onnx_model(strange, ["d"], TABLE)
    bent = {"units": 2, "activation": "selu", "use_bias": False}
    with pytest.raises(NotTranslated, match="activation selu"):
        onnx_model(network_of(stored(config=bent), WEIGHTS), ["d"], TABLE)


def test_a_head_refuses_what_numpy_would_do_otherwise():
    from screening.predict.heads import Head

    shared = {"name": "d", "class_name": "Dropout", "config": {"rate": 0.5, "noise_shape": [1, 3]}}
    with pytest.raises(NotTranslated, match="noise_shape"):
        Head(network_of(stored(**shared), WEIGHTS), ("in",), "d", 5, 0)
    with pytest.raises(NotTranslated, match=r"GaussianDropout\) behind a dropout"):
        gaussian = {"class_name": "GaussianDropout", "config": {"rate": 0.5}}
        Head(network_of(stored(**gaussian), WEIGHTS), ("in",), "d", 5, 0)


# The whole.


def test_a_page_is_screened_without_tensorflow(tmp_path):
    code = (
        "import sys; from screening.cli import main; status = main(sys.argv[1:]); "
        "print(sorted({'tensorflow', 'keras', 'pandas', 'matplotlib', 'sklearn'} & "
        "{name.partition('.')[0] for name in sys.modules})); sys.exit(status)"
    )
    pages, out = tmp_path / "pages", tmp_path / "out"
    from PIL import Image

    from screening.api.synthetic import compose

    pages.mkdir()
    Image.fromarray(compose(seed=1).image).save(pages / "drawn.png")
    done = subprocess.run(
        [sys.executable, "-c", code, "screen", str(pages), "--out", str(out), "--quiet"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    run = json.loads((out / "run.json").read_text("utf-8"))
    assert run["engine"].startswith("int8 ") and run["options"]["engine"] == "auto"

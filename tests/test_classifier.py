"""The 24-class classifier: what goes in, how it is trained, and what it says of pieces."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME_INDEX, RELATIVE_LENGTH
from screening.images.normalise import normalise
from screening.karyogram.crops import CANVAS
from screening.page_settings import ChromosomeReading
from screening.reading_settings import ReadingSettings
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import clinical_style
from shipped import locate, locator


@pytest.fixture(scope="module")
def cell():
    return draw_cell(np.random.default_rng(1), "XX")


@pytest.fixture(scope="module")
def classifier():
    import keras

    from screening.models.classifier import build_classifier
    from screening.predict.chromosomes import ChromosomeClassifier
    from screening.predict.tensorflow_engine import TensorFlowEngine

    keras.utils.set_random_seed(3)
    model = build_classifier()
    part = SimpleNamespace(temperature=1.3)
    bundle = SimpleNamespace(
        load_model=lambda name: model,
        network=lambda name: part,
        info=SimpleNamespace(reading=ReadingSettings()),
    )
    return ChromosomeClassifier(bundle, TensorFlowEngine(bundle), passes=12)


def test_the_network_is_compact_and_takes_an_unknown_length():
    from screening.models.classifier import build_classifier
    from screening.models.length_features import LENGTH_FEATURES, length_features

    model = build_classifier()
    assert model.count_params() * 2 < 10e6  # bytes at half precision
    features = length_features(np.array([np.nan, 8.4, 1.7]))
    assert features.shape == (3, LENGTH_FEATURES) and not features[0].any()
    assert np.argmax(features[1]) > np.argmax(features[2])
    logits = model([np.zeros((3, *CANVAS, 1), np.float32), features])
    assert logits.shape == (3, NOT_A_CHROMOSOME_INDEX + 1)


def test_varied_crops_keep_class_and_length(cell):
    from screening.train.classifier_crops import varied_crops

    crops = varied_crops([cell], np.random.default_rng(0), not_one=0.3)
    true = crops.labels != NOT_A_CHROMOSOME_INDEX
    assert true.sum() == 46 and 2 < (~true).sum() < 30
    expected = np.array([RELATIVE_LENGTH[CHROMOSOMES[i]] for i in crops.labels[true]])
    ratio = crops.relative[true] / expected
    assert 0.85 < np.median(ratio) < 1.15
    assert crops.images.shape == (len(crops), *CANVAS) and crops.images.dtype == np.uint8


def test_pieces_of_a_page_are_labelled_by_the_true_boxes(cell):
    from screening.train.classifier_pages import label_of, page_crops

    crops = page_crops([cell], np.random.default_rng(5), locator())
    assert (crops.labels < NOT_A_CHROMOSOME_INDEX).sum() > 30
    rng = np.random.default_rng(2)
    karyogram = compose(cell, clinical_style(rng), rng)
    box = karyogram.boxes[0]
    whole = SimpleNamespace(box=(box.x, box.y, box.w, box.h))
    upper = SimpleNamespace(box=(box.x, box.y, box.w, box.h // 3))
    nowhere = SimpleNamespace(box=(0, 0, 2, 2))
    assert label_of(whole, karyogram.boxes) == CHROMOSOMES.index(box.name)
    assert (
        label_of(upper, karyogram.boxes)
        == label_of(nowhere, karyogram.boxes)
        == NOT_A_CHROMOSOME_INDEX
    )


def test_training_goes_on_where_it_stopped(cell, tmp_path):
    from screening.train.classifier import ClassifierSettings, fit_classifier
    from screening.train.classifier_crops import plain_crops

    crops, settings = plain_crops([cell]), ClassifierSettings(epochs=2, steps=1)

    def draw(epoch: int):
        if epoch and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            raise KeyboardInterrupt
        return crops

    with pytest.raises(KeyboardInterrupt):
        fit_classifier(tmp_path / "a", draw, {"drawn": crops}, settings)
    model = fit_classifier(tmp_path / "a", draw, {"drawn": crops}, settings)
    unbroken = fit_classifier(tmp_path / "b", draw, {"drawn": crops}, settings)
    for ours, theirs in zip(model.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    history = json.loads((tmp_path / "a" / "history.json").read_text())
    assert [line["epoch"] for line in history] == [1, 2]
    assert "drawn" in history[-1]
    assert model.dtype_policy.name == "float32"
    assert all(layer.dtype_policy.name == "float32" for layer in model.layers)


def test_a_training_begins_where_another_ended_and_resumes_from_its_own_state(cell, tmp_path):
    from screening.models.classifier import build_classifier
    from screening.train.classifier import ClassifierSettings, fit_classifier
    from screening.train.classifier_crops import plain_crops

    crops, first = plain_crops([cell]), build_classifier()
    begun = 0

    def begin():
        nonlocal begun
        begun += 1
        return first

    def draw(epoch: int):
        if epoch and begun and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            raise KeyboardInterrupt
        return crops

    still = ClassifierSettings(epochs=2, steps=1, learning_rate=1e-9, weight_decay=0.0)
    with pytest.raises(KeyboardInterrupt):
        fit_classifier(tmp_path / "a", draw, {"drawn": crops}, still, begin=begin)
    model = fit_classifier(tmp_path / "a", draw, {"drawn": crops}, still, begin=begin)
    assert begun == 1
    pairs = zip(model.trainable_variables, first.trainable_variables, strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_answers_are_probabilities_and_do_not_hang_on_company(classifier, cell):
    pictures = [c.image for c in cell.chromosomes[:9]]
    lengths = np.array([RELATIVE_LENGTH[c.name] for c in cell.chromosomes[:9]], np.float32)
    lengths[3] = np.nan
    said = classifier.classify(pictures, lengths)
    assert said.p.shape == (9, NOT_A_CHROMOSOME_INDEX + 1)
    np.testing.assert_allclose(said.p.sum(1), 1, atol=1e-5)
    assert (said.p_std > 0).all() and ((said.votes > 0) & (said.votes <= 1)).all()
    alone = classifier.classify(pictures[4:6], lengths[4:6])
    np.testing.assert_allclose(alone.p, said.p[4:6], atol=1e-5)
    assert classifier.classify([], np.zeros(0)).p.shape == (0, NOT_A_CHROMOSOME_INDEX + 1)


def test_a_pass_draws_one_network_for_the_whole_cell(classifier, cell):
    pictures = [c.image for c in cell.chromosomes[:4]] + [cell.chromosomes[0].image]
    lengths = np.full(5, 3.0, np.float32)
    lengths[4] = np.nan
    for whole in (True, False):
        said = classifier.classify(pictures, lengths, cell=whole)
        assert said.each.shape == (classifier.passes, 5, NOT_A_CHROMOSOME_INDEX + 1)
        np.testing.assert_allclose(said.each.mean(0), said.p, atol=1e-6)
    # With other masks than its company has, the first answers otherwise: alone it is its own key.
    first = classifier.classify(pictures[:1], lengths[:1]).each[:, 0]
    np.testing.assert_allclose(said.each[:, 0], first, atol=1e-6)
    same = classifier.classify([pictures[0]] * 2, lengths[:2], cell=True).each
    np.testing.assert_array_equal(same[:, 0], same[:, 1])
    assert np.abs(same[:, 0] - first).max() > 1e-4
    keys = []
    head = classifier._network.head
    predict = head.predict
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head, "predict", lambda x, k: keys.append(k) or predict(x, k))
        classifier.classify(pictures, lengths, cell=True)
        classifier.classify(pictures, lengths)
    together, apart = keys
    assert len(set(together)) == 1 and len(set(apart)) == 4


def test_a_page_is_read_piece_by_piece(classifier, cell):
    rng = np.random.default_rng(8)
    paper = normalise(compose(cell, clinical_style(rng), rng).image)
    located = locate(paper)
    chosen, said = classifier.read(located, paper)
    assert len(said.p) == len(chosen.chromosomes) == len(said.relative)
    assert said.crops.shape == (len(said.p), *CANVAS)
    again, same = classifier.read(located, paper)
    assert [c.box for c in again.chromosomes] == [c.box for c in chosen.chromosomes]
    np.testing.assert_array_equal(same.p, said.p)


def test_an_empty_page_is_read_as_nothing(classifier):
    paper = np.full((300, 400), 255, np.uint8)
    chosen, said = classifier.read(locate(paper), paper)
    assert not chosen.chromosomes and said.p.shape == (0, NOT_A_CHROMOSOME_INDEX + 1)


def test_adapting_takes_back_what_a_whole_cell_has_in_common():
    import keras

    from screening.predict.adapt import adapted

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 6, 1))
    x = keras.layers.Conv2D(5, 3, name="c")(image)
    x = keras.layers.BatchNormalization(name="n")(x)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D(name="p")(x))
    pictures = np.random.default_rng(0).normal(0, 1, (40, 8, 6, 1)).astype(np.float32)
    np.testing.assert_allclose(adapted(model, 0.0)(pictures), model(pictures), atol=1e-5)
    whole = adapted(model, 1.0)
    np.testing.assert_allclose(whole(3 * pictures), whole(pictures), atol=2e-3)
    assert np.abs(model(3 * pictures) - model(pictures)).max() > 0.05


def test_the_settings_of_the_bundle_say_how_much_is_adapted():
    import keras

    from screening.models.classifier import build_classifier
    from screening.predict.adapt import adapted
    from screening.predict.tensorflow_engine import TensorFlowEngine

    model = build_classifier()
    settings = ReadingSettings(chromosomes=ChromosomeReading(adapted=0.25))
    bundle = SimpleNamespace(load_model=lambda name: model, info=SimpleNamespace(reading=settings))
    pictures = np.random.default_rng(0).uniform(0, 255, (3, *CANVAS, 1)).astype(np.float32)
    bands = keras.Model(model.inputs[0], model.get_layer("pool").output)
    expected = adapted(bands, 0.25)(pictures)
    said = TensorFlowEngine(bundle).classifier(2, 0).bands_in_cell(pictures)
    np.testing.assert_allclose(said, expected, atol=1e-5)

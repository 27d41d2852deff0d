"""A bundle is whole, verified and exact to half precision, or it is refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from screening.bundle import load_bundle, rewrite_bundle, sha256_of, write_bundle
from screening.bundle_schema import BundleInfo, PartInfo
from screening.errors import BundleError
from screening.images.page import Page
from screening.karyogram.locate import ARBITER, Locator
from screening.reading_settings import Rates, ReadingSettings
from shipped import FINDER, finder_files
from test_uncertainty_certificate import CERTIFICATE

PART = PartInfo(
    backbone="tiny", preprocessing="ink", size=16, dropout=0.5,
    config="screener.json", weights="screener.weights.h5",
)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(-1 / 127.5, offset=2.0)(image)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(x))
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(x))


@pytest.fixture
def bundle(model, tmp_path):
    info = BundleInfo(name="tiny", created="2026-01-01", parts={"screener": PART})
    return write_bundle(tmp_path / "bundle", info, {"screener": model}, "# Model card\n", {})


def test_a_bundle_round_trips_to_half_precision(bundle, model):
    again = load_bundle(bundle.folder).load_model("screener")
    images = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype("float32")
    assert again.dtype_policy.name == "float32"
    np.testing.assert_allclose(again(images), model(images), atol=2e-3)
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs.astype("float16").astype("float32"))


def test_networks_that_cannot_compute_in_half_precision_are_stored_in_it(tmp_path):
    import keras

    from screening.models.structure import build_structure_reader

    keras.utils.set_random_seed(1)
    reader = build_structure_reader(width=8, blocks=1, stem=2)
    part = PART.model_copy(update={"size": 128, "width": 24})
    info = BundleInfo(name="tiny", created="2026-01-01", parts={"screener": part})
    bundle = write_bundle(tmp_path / "bundle", info, {"screener": reader}, "card", {})
    again = bundle.load_model("screener")
    rng = np.random.default_rng(0)
    inputs = {
        "strips": rng.uniform(0, 255, (3, 2, 128, 24)).astype("float32"),
        "quality": rng.normal(size=(3, 2, 8)).astype("float32"),
        "classes": np.array([0, 8, 23], "int32"),
    }
    ours, theirs = again(inputs), reader(inputs)
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-2)
    for one, other in zip(again.get_weights(), reader.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other.astype("float16").astype("float32"))
    assert [path.name for path in bundle.folder.glob("whole*")] == []


def test_a_network_is_added_to_a_bundle_and_no_other_number_changes(bundle, model, tmp_path):
    part = PART.model_copy(update={"config": "more.json", "weights": "more.weights.h5"})
    info = bundle.info.model_copy(update={"parts": bundle.info.parts | {"more": part}})
    with pytest.raises(ValueError, match="beyond"):
        rewrite_bundle(bundle, info, tmp_path / "both")
    both = rewrite_bundle(bundle, info, tmp_path / "both", more={"more": model})
    assert both.info.files.items() > bundle.info.files.items() and len(both.info.files) == 4
    for one, other in zip(
        both.load_model("more").get_weights(), bundle.load_model().get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_hash_names_the_content(bundle, model, tmp_path):
    other = bundle.info.model_copy(update={"threshold": 0.4})
    changed = write_bundle(tmp_path / "other", other, {"screener": model}, "# Model card\n", {})
    assert changed.hash != bundle.hash


@pytest.mark.parametrize("name", ["bundle.json", "screener.json", "screener.weights.h5", "DONE"])
def test_an_altered_or_missing_file_is_refused_by_name(bundle, name):
    path = bundle.folder / name
    path.write_bytes(path.read_bytes()[:-3] + b"abc")
    with pytest.raises(BundleError, match=r"altered|match"):
        load_bundle(bundle.folder)
    path.unlink()
    with pytest.raises(BundleError, match="missing"):
        load_bundle(bundle.folder)


def test_the_settings_of_the_reading_are_under_the_hash_and_checked(bundle, model, tmp_path):
    other = ReadingSettings(rates=Rates(misplaced=0.02))
    info = bundle.info.model_copy(update={"reading": other})
    changed = write_bundle(tmp_path / "other", info, {"screener": model}, "# Model card\n", {})
    assert changed.hash != bundle.hash and load_bundle(changed.folder).info.reading == other
    path = changed.folder / "bundle.json"
    content = json.loads(path.read_text())
    assert content["reading"]["prior"]["gains"]["21"] == 0.03
    for name, value in {"misplacd": 0.1, "misplaced": 2.0}.items():
        content["reading"]["rates"] = {name: value}
        path.write_text(json.dumps(content))
        (changed.folder / "DONE").write_text(sha256_of(path))
        with pytest.raises(BundleError, match=rf"reading\.rates\.{name}"):
            load_bundle(changed.folder)


def test_a_certificate_edited_by_hand_is_refused_by_field_even_when_signed_anew(bundle, model):
    path = bundle.folder / "bundle.json"
    info = bundle.info.model_copy(update={"certificate": CERTIFICATE})
    write_bundle(bundle.folder, info, {"screener": model}, "# Model card\n", {})
    content = json.loads(path.read_text())
    for field, value in {"recall": 0.99, "patients": 90, "bound": 0.999}.items():
        edited = content | {"certificate": content["certificate"] | {field: value}}
        path.write_text(json.dumps(edited))
        with pytest.raises(BundleError, match="match"):
            load_bundle(bundle.folder)
        (bundle.folder / "DONE").write_text(sha256_of(path))
        with pytest.raises(BundleError, match=f"certificate: .*{field}: expected at most"):
            load_bundle(bundle.folder)


def test_a_part_outside_the_folder_is_refused(bundle, model, tmp_path):
    part = PART.model_copy(update={"weights": "../stolen.weights.h5"})
    info = bundle.info.model_copy(update={"parts": {"screener": part}})
    with pytest.raises(BundleError, match="not listed"):
        write_bundle(tmp_path / "bad", info, {"screener": model}, "card", {})


def test_unknown_keys_are_refused_by_name(bundle):
    path = bundle.folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"surprise": 1}))
    (bundle.folder / "DONE").write_text(sha256_of(path))
    with pytest.raises(BundleError, match="surprise"):
        load_bundle(bundle.folder)


@pytest.mark.parametrize(("schema", "age"), [(1, "older"), (3, "newer")])
def test_another_schema_is_refused_with_the_way_on(bundle, schema, age):
    path = bundle.folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": schema}))
    (bundle.folder / "DONE").write_text(sha256_of(path))
    with pytest.raises(BundleError, match=f"{age} version.*schema {schema}.*screening build"):
        load_bundle(bundle.folder)


def test_what_finds_chromosomes_is_under_the_bundles_hash(tmp_path):
    info = BundleInfo(name="finder", created="2026-01-01", parts=FINDER)
    files = finder_files()
    bundle = write_bundle(tmp_path / "one", info, {}, "card", files)
    blank = Page(np.full((90, 90), 255, np.uint8))
    assert len(Locator.of(bundle).locate(blank).chromosomes) == 0
    stored = json.loads(files[ARBITER])
    stored["layers"][-1]["bias"][0] += 0.5
    changed = json.dumps(stored).encode()
    other = write_bundle(tmp_path / "two", info, {}, "card", files | {ARBITER: changed})
    assert other.hash != bundle.hash
    (bundle.folder / ARBITER).write_bytes(changed)
    with pytest.raises(BundleError, match="arbiter was altered"):
        load_bundle(bundle.folder)


def test_a_missing_or_unfit_part_is_named(bundle, tmp_path):
    with pytest.raises(BundleError, match="no part 'segmenter'"):
        Locator.of(bundle)
    with pytest.raises(BundleError, match="'screener' of this bundle is a network"):
        bundle.read_part("screener")
    info = BundleInfo(name="finder", created="2026-01-01", parts=FINDER)
    stored = json.loads(finder_files()[ARBITER]) | {"features": ["touch"]}
    files = finder_files() | {ARBITER: json.dumps(stored).encode()}
    odd = write_bundle(tmp_path / "odd", info, {}, "card", files)
    with pytest.raises(BundleError, match="arbiter.*fitted to other features"):
        Locator.of(odd)
    with pytest.raises(BundleError, match="'arbiter' of this bundle is no network"):
        odd.load_model(ARBITER)


def test_an_absent_folder_is_a_clear_error(tmp_path):
    with pytest.raises(BundleError, match="no bundle here"):
        load_bundle(tmp_path / "nowhere")

"""A build with the parts of a finished bundle: fitted and measured on whom these never saw."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from labelled_fakes import write_bundle_without_weights
from screening.assess.recognise import case_hash
from screening.build import given, looked_at
from screening.build.config import SourcesConfig, read_build
from screening.build.data import SPLIT
from screening.build.model_card import model_card
from screening.build.runner import Context
from screening.build.screener import goes_on
from screening.build.screener_config import ScreenerConfig
from screening.build.stages import STAGES, stages_of
from screening.bundle import Bundle, default_bundle, load_bundle
from screening.bundle_schema import PartInfo
from screening.cli import main
from screening.commands.build import NEW
from screening.data.split import Split
from screening.errors import BundleError, ManifestError
from screening.page_settings import OpenChromatids, Touching
from test_uncertainty_certificate import CERTIFICATE

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "default_bundle.yaml"
SOURCES = SourcesConfig(train_on=("lab", "crops"), leave_out=("else",), pooled=("crops",))
STRUCTURE = PartInfo(
    backbone="structure", preprocessing="class-strip", size=128, width=24, dropout=0.2,
    config="structure.json", weights="structure.weights.h5",
)  # fmt: skip
PARTS_OF_LAB = {"a": "train", "b": "validation", "c": "calibration", "d": "test"}


@pytest.fixture(autouse=True)
def rounded(monkeypatch) -> list[tuple]:
    """What rounding was asked by, which takes whole bundles."""
    asked: list[tuple] = []
    monkeypatch.setattr(given, "with_rounding", lambda *words: asked.append(words[1:]))
    return asked


def shared(**sources: dict[str, str]) -> Split:
    keys = {(source, case): part for source, of in sources.items() for case, part in of.items()}
    return Split(keys, seed=0)


def hashes(*names: str) -> list[str]:
    return [case_hash(*name.split("/")) for name in names]


def giving(bundle: Bundle, **data: object) -> Bundle:
    parts = bundle.info.parts | dict.fromkeys(given.NEEDED, next(iter(bundle.info.parts.values())))
    info = bundle.info.model_copy(update={"parts": parts, "data": data})
    return Bundle(bundle.folder, info, bundle.hash)


def test_validation_people_choose_again_only_where_the_split_is_that_of_the_parts():
    made = shared(lab=PARTS_OF_LAB)
    seen = hashes("lab/a", "lab/b", "lab/gone")
    assert given.apart_from(made, seen, SOURCES).assignments == made.assignments
    # a has not taught: then b may have.
    changed = given.apart_from(made, hashes("lab/b"), SOURCES)
    assert changed.assignments["lab", "b"] == "train"
    assert changed.hash != made.hash


def test_people_of_pooled_sources_who_have_taught_are_measured_in_no_part():
    parts = {**PARTS_OF_LAB, "e": "validation", "f": "calibration", "g": "test"}
    seen = hashes("lab/a", "lab/b", "crops/b", "crops/c", "crops/d")
    split = given.apart_from(shared(lab=PARTS_OF_LAB, crops=parts), seen, SOURCES)
    assert {key[1] for key in split.part("train") if key[0] == "crops"} == set("abcd")
    assert split.part("validation") == {("lab", "b"), ("crops", "e")}
    assert split.part("calibration") == {("lab", "c"), ("crops", "f")}
    assert split.part("test") == {("lab", "d"), ("crops", "g")}


@pytest.mark.parametrize("name", ["lab/c", "lab/d", "else/a"])
def test_people_of_whole_cells_who_have_taught_are_refused_by_name_where_they_are_measured(name):
    made = shared(lab=PARTS_OF_LAB, **{"else": {"a": "train"}})
    with pytest.raises(ManifestError, match=f"{name} .* has taught the given parts"):
        given.apart_from(made, hashes("lab/a", "lab/b", name), SOURCES)


def test_a_name_that_taught_the_parts_under_another_source_is_refused_before_anything_is_made():
    made, seen = shared(lab=PARTS_OF_LAB), hashes("first/c")
    with pytest.raises(ManifestError, match="lab/c .* name of a case of first .* as in mylab-12"):
        given.apart_from(made, seen, SOURCES, ["first"])
    # Sources that the parts name themselves are known by their own cases.
    assert given.apart_from(made, seen, SOURCES, ["first", "lab"]).assignments == made.assignments
    assert given.apart_from(made, hashes("first/a"), SOURCES, ["first"])  # it is in train


def test_a_bundle_that_lacks_a_part_or_its_list_of_people_gives_none(tmp_path):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    with pytest.raises(BundleError, match="received one without screener, classifier"):
        stages_of(bundle)
    with pytest.raises(BundleError, match="received one without the list of those who taught it"):
        stages_of(giving(bundle))


def test_a_reader_of_structure_is_trained_for_a_bundle_that_lacks_it(tmp_path):
    bundle = giving(write_bundle_without_weights(tmp_path / "bundle"), seen={"cases": ["x"]})
    fitted = ["pages", "parts", "looks", "fusion", "certificate", "bundle"]
    stages = {stage.name: stage for stage in stages_of(bundle)}
    assert list(stages) == ["split", "structure-pages", "structure", *fitted]
    assert stages["structure-pages"].given == bundle.hash
    assert stages["parts"].reads == ("split", "structure", "pages")
    parts = bundle.info.parts | {"structure": STRUCTURE}
    info = bundle.info.model_copy(update={"parts": parts})
    stages = {s.name: s for s in stages_of(Bundle(bundle.folder, info, bundle.hash))}
    assert list(stages) == ["split", *fitted] and stages["parts"].reads == ("split", "pages")


def test_the_reader_trained_for_given_parts_is_added_and_its_people_are_told(tmp_path):
    from screening.models.structure import build_structure_reader

    before = {"seen": {"cases": ["x"]}, "sources": ["first"], "split": "old"}
    bundle = write_bundle_without_weights(tmp_path / "bundle", data=before)
    context = of_given(tmp_path)
    reader = build_structure_reader(width=8, blocks=1, stem=2)
    reader.save(context.of("structure") / "structure.keras")
    given.parts(bundle, context)
    made = load_bundle(context.folder / "bundle")
    assert set(made.info.parts) == {*bundle.info.parts, "structure"}
    assert made.info.files.items() > bundle.info.files.items()
    assert made.network("structure").dropout == 0.2
    assert made.load_model("structure").count_params() == reader.count_params()
    assert made.info.data["seen"]["cases"] == sorted(["x", *hashes("drawn/a", "drawn/b")])
    assert "not trained here, but for structure." in model_card(made.info, "")
    # Given to another build it is taken as it is, and nobody else has taught it.
    again = of_given(tmp_path / "again", PARTS_OF_LAB | {"e": "train"})
    given.parts(made, again)
    kept = load_bundle(again.folder / "bundle").info
    assert kept.files == made.info.files and kept.data["seen"] == made.info.data["seen"]
    assert "not trained here.\n" in model_card(kept, "")


def test_a_new_finder_takes_the_place_of_the_given_one(tmp_path):
    bundle = write_bundle_without_weights(tmp_path / "bundle", data={"seen": {"cases": ["x"]}})
    made_here = of_given(tmp_path)
    new = {"segmenter": b"other", "arbiter": b"{}"}
    for name, content in new.items():
        folder = tmp_path / name
        folder.mkdir()
        file = bundle.info.parts[name].file
        (folder / file).write_bytes(content)
    context = replace(
        made_here, folders={**made_here.folders, **{name: tmp_path / name for name in new}}
    )
    parts = bundle.info.parts | {"structure": bundle.info.parts["arbiter"]}
    info = bundle.info.model_copy(update={"parts": parts})
    given.parts(Bundle(bundle.folder, info, bundle.hash), context, ["finder"])
    made = load_bundle(context.folder / "bundle")
    assert {name: made.read_part(name) for name in new} == new
    assert made.info.data["parts_added"] == ["arbiter", "segmenter"]
    assert made.info.data["seen"]["cases"] == sorted(["x", *hashes("drawn/a", "drawn/b")])
    same = set(made.info.files) - {bundle.info.parts[name].file for name in new}
    assert all(made.info.files[name] == bundle.info.files[name] for name in same)


def test_a_new_screener_takes_the_place_of_the_given_one(tmp_path, rounded):
    import keras

    bundle = write_bundle_without_weights(tmp_path / "bundle", data={"seen": {"cases": ["x"]}})
    parts = bundle.info.parts | {"structure": bundle.info.parts["arbiter"]}
    info = bundle.info.model_copy(update={"parts": parts})
    made_here = of_given(tmp_path)
    head = tmp_path / "head"
    head.mkdir()
    image = keras.Input((96, 96, 3), name="image")
    keras.Model(image, keras.layers.Conv2D(1, 96)(image)).save(head / "screener.keras")
    context = replace(made_here, folders={**made_here.folders, "head": head})
    given.parts(Bundle(bundle.folder, info, bundle.hash), context, ["screener"])
    made = load_bundle(context.folder / "bundle")
    assert made.network("screener").size == 96 and made.info.name == context.settings.name
    assert made.load_model("screener").count_params() == 96 * 96 * 3 + 1
    assert rounded == [(tmp_path / "pages" / "validation", context.folder / "bundle")]
    assert made.info.data["parts_added"] == ["screener"]
    assert made.info.data["seen"]["cases"] == sorted(["x", *hashes("drawn/a", "drawn/b")])
    assert made.info.files.items() > bundle.info.files.items()


def test_a_new_screener_is_taught_before_the_parts_and_begins_as_the_given_one(tmp_path):
    shipped = load_bundle(default_bundle())
    stages = {stage.name: stage for stage in stages_of(shipped, new=["screener"])}
    assert list(stages)[:6] == ["split", "sets", "slots", "head", "pages", "parts"]
    assert (
        stages["parts"].reads == ("split", "head", "pages")
        and "screener" in stages["parts"].sections
    )
    assert stages["sets"].reads == ("split",) and stages["sets"].given == shipped.hash
    both = {stage.name: stage for stage in stages_of(shipped, new=["finder", "screener"])}
    assert both["sets"].reads == ("split", "segmenter", "arbiter") and not both["sets"].given
    assert both["parts"].reads == ("split", "segmenter", "arbiter", "head", "pages")
    assert stages["slots"].reads == ("sets",) and stages["slots"].given == shipped.hash


def test_a_screener_on_another_base_begins_from_nothing():
    shipped = load_bundle(default_bundle())
    assert goes_on(shipped, ScreenerConfig(backbone="vgg16", preprocess="ink", size=640))
    for other in ({"backbone": "inceptionv3"}, {"preprocess": "caffe"}):
        assert not goes_on(shipped, ScreenerConfig(**{"backbone": "vgg16"} | other))
    made = stages_of(shipped, new=["screener"], network=ScreenerConfig(backbone="inceptionv3"))
    stages = {stage.name: stage for stage in made}
    assert list(stages)[:6] == ["split", "base", "sets", "slots", "head", "pages"]
    assert stages["slots"].reads == ("base", "sets") and not stages["slots"].given
    assert stages["parts"].reads == ("split", "head", "pages")


def of_given(folder: Path, people: dict[str, str] = PARTS_OF_LAB) -> Context:
    """The stage `parts` of a build of these people."""
    config = read_build(CONFIG, {"vgg16": ()}).for_smoke(drawn=True)
    folders = {name: folder / name for name in ("split", "structure", "pages", "parts")}
    for path in folders.values():
        path.mkdir(parents=True)
    (folders["split"] / SPLIT).write_text(shared(drawn=people).to_json())
    return Context(folders["parts"], config, folder, folders)


def test_a_given_bundle_keeps_its_parts_and_says_whom_it_has_seen_now(tmp_path):
    before = {"cases": ["x"], "images": ["y"]}
    bundle = write_bundle_without_weights(
        tmp_path / "bundle", certificate=CERTIFICATE, threshold=0.2,
        data={"seen": before, "sources": ["first"], "split": "old"},
    )  # fmt: skip
    with_reader = bundle.info.parts | {"structure": bundle.info.parts["arbiter"]}
    info = bundle.info.model_copy(update={"parts": with_reader})
    context, now = of_given(tmp_path), shared(drawn=PARTS_OF_LAB)
    given.parts(Bundle(bundle.folder, info, bundle.hash), context)
    made = load_bundle(context.folder / "bundle").info
    assert made.certificate is None and made.fusion is None and made.files == bundle.info.files
    assert made.data["seen"] == {"cases": sorted(["x", *hashes("drawn/b")]), "images": ["y"]}
    assert made.data["sources"] == ["drawn", "first"] and made.data["split"] == now.hash
    assert made.data["parts_of"] == bundle.hash
    # Only what the settings name is read otherwise.
    named = {
        "tone": 0.75, "touching": Touching(none=0.15), "chromatids": OpenChromatids(none=0.1),
    }  # fmt: skip
    chromosomes = bundle.info.reading.chromosomes.model_copy(update=named)
    assert made.reading == bundle.info.reading.model_copy(update={"chromosomes": chromosomes})
    assert made.created != bundle.info.created


def test_other_parts_are_another_build_and_their_certificate_is_remembered(tmp_path):
    seen = {"seen": {"cases": ["x"]}}
    one = giving(write_bundle_without_weights(tmp_path / "one", certificate=CERTIFICATE), **seen)
    stages = {stage.name: stage for stage in stages_of(one)}
    assert {stages[name].given for name in ("split", "parts", "certificate")} == {one.hash}
    run = stages["certificate"].run
    assert isinstance(run, partial) and run.keywords == {"before": one.info}
    assert all(not stage.given for stage in STAGES)


def test_a_score_is_kept_of_given_parts_only(tmp_path, capsys):
    words = ["build", str(CONFIG), "--smoke", "--keep-score", "--out", str(tmp_path / "run")]
    assert main(words) == 2 or "name it by --parts" in capsys.readouterr().err
    shipped = load_bundle(default_bundle())
    fitted, kept = stages_of(shipped), stages_of(shipped, keep_score=True)
    assert [stage.name for stage in fitted] == [stage.name for stage in kept]
    other = {a.name for a, b in zip(fitted, kept, strict=True) if a.sections != b.sections}
    # What is kept was earned by the networks as they are.
    assert other == {"parts", "fusion", "certificate"} and "pages" not in kept[2].reads


def test_a_new_finder_is_taught_before_the_parts_and_judged_anew(tmp_path, capsys):
    shipped = load_bundle(default_bundle())
    stages = {stage.name: stage for stage in stages_of(shipped, new=["finder"])}
    assert list(stages)[:5] == ["split", "segment-pages", "segmenter", "arbiter", "pages"]
    assert stages["parts"].reads == ("split", "segmenter", "arbiter", "pages")
    kept = ["--keep-score", "--parts", "x", "--new", "finder"]
    for words in (["--new", "finder"], kept, ["--new", "screener", "structure"]):
        assert main(["build", str(CONFIG), "--smoke", "--out", str(tmp_path / "run"), *words])
        assert "goes with --parts BUNDLE" in capsys.readouterr().err


def test_everything_may_be_taught_anew_in_the_order_in_which_it_is_needed():
    shipped = load_bundle(default_bundle())
    assert NEW == given.NEW
    stages = {stage.name: stage for stage in stages_of(shipped, new=given.NEW)}
    whole = [stage.name for stage in STAGES if stage.name != "base"]
    assert sorted(stages) == sorted(whole)
    assert stages["parts"].reads == (
        "split", "segmenter", "arbiter", "classifier", "temperature", "structure", "head", "pages",
    )  # fmt: skip
    for name in ("crops", "structure-pages", "sets"):
        assert stages[name].reads == ("split", "segmenter", "arbiter") and not stages[name].given
    alone = {stage.name: stage for stage in stages_of(shipped, new=["classifier"])}
    assert alone["crops"].reads == ("split",) and alone["crops"].given == shipped.hash
    assert "structure" not in alone and "name" in alone["parts"].sections


def test_parts_are_refused_before_anything_is_made(tmp_path, capsys):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    words = ["build", str(CONFIG), "--smoke", "--parts", str(bundle.folder)]
    assert main([*words, "--out", str(tmp_path / "run")]) == 1
    assert "without screener, classifier" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_shipped_parts_are_fitted_and_certified_anew(tmp_path):
    shipped, run = load_bundle(default_bundle()), tmp_path / "run"
    words = ["--smoke", "--parts", str(shipped.folder), "--out", str(run), "--quiet"]
    assert main(["build", str(CONFIG), *words]) == 0
    made = load_bundle(run / "bundle").info
    assert "structure" in made.parts
    same = {name: made.files[name] for name in shipped.info.files}
    assert same == shipped.info.files
    limits, read = shipped.info.reading.structure, made.reading.chromosomes
    assert made.reading.model_copy(update={"structure": limits}) == (
        shipped.info.reading.model_copy(update={"chromosomes": read})
    )
    assert read.tone == 0.75
    assert made.reading.structure.doubt != limits.doubt
    assert made.fusion is not None and made.fusion != shipped.info.fusion
    assert made.certificate is not None and made.certificate.looks == 1
    assert len(json.loads((run / looked_at.NAME).read_text("utf-8"))) == 1
    assert made.data["parts_of"] == shipped.hash
    assert set(shipped.info.data["seen"]["cases"]) < set(made.data["seen"]["cases"])
    assert shipped.hash[:12] in (run / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    assert made.structure is not None and made.structure.people > 1
    for folder in run.iterdir():
        if folder.name.partition("-")[2] in ("fusion", "certificate", "bundle"):
            shutil.rmtree(folder)
    assert main(["build", str(CONFIG), *words, "--keep-score"]) == 0
    kept = load_bundle(run / "bundle").info
    for name in ("fusion", "threshold", "rule", "certificate", "calibration", "min_confidence"):
        assert getattr(kept, name) == getattr(shipped.info, name)
    assert kept.reading == made.reading and kept.structure is not None

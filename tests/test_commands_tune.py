"""`screening tune`: a certificate earned over the whole rule, or the reason why there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from labelled_fakes import (
    KnowingScorer,
    accepted,
    parsed,
    read_rows,
    write_bundle_without_weights,
    write_labelled,
    write_rows,
)
from pictures import picture as judgeable
from screening.assess import certification
from screening.assess.labelled import (
    THRESHOLDS,
    LabelledPicture,
    read_pictures,
    routes_along,
    units_of,
)
from screening.assess.recognise import case_hash
from screening.bundle import Bundle, load_bundle, sha256_of
from screening.bundle_schema import CalibrationInfo, FusionInfo
from screening.classes import ROUTES
from screening.commands import tune
from screening.errors import ManifestError, ScreeningError
from screening.record import Picture
from screening.triage.rule import Rule, judge
from screening.worklist.pipeline import key_of
from test_uncertainty_certificate import CERTIFICATE


def result(p: float, case: str, noise: float = 0.0, status: str = "ok") -> Picture:
    return judgeable(case, p, noise, status=status, case=case)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labelled(tmp_path_factory.mktemp("data"), 12, 12)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was scored once serves every test: bundles alike have hashes alike."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def scorer(data: Path, monkeypatch: pytest.MonkeyPatch) -> KnowingScorer:
    fake = KnowingScorer(data)
    monkeypatch.setattr("screening.worklist.scorer.BundleScorer", lambda *_: fake)
    monkeypatch.setattr("screening.worklist.pipeline.inspect", accepted)
    return fake


def picture(name: str, unit: str, abnormal: bool) -> LabelledPicture:
    return LabelledPicture(name, Path(name), abnormal, unit, "lab", unit, False, name)


def test_a_certificate_is_written_into_a_new_bundle(data, kept, scorer, tmp_path, capsys):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    words = ("--data", data, "--recall", 0.75, "--passes", 20, "--keep", kept)
    assert tune.run(parsed(tune, bundle.folder, *words)) == 0
    assert load_bundle(bundle.folder).hash == bundle.hash
    tuned = load_bundle(tmp_path / "bundle-tuned")
    certificate, calibration = tuned.info.certificate, tuned.info.calibration
    assert certificate is not None and calibration is not None
    assert certificate.abnormal == 12 == certificate.normal and certificate.low_priority == 11
    assert certificate.missed == 0 and certificate.bound == pytest.approx(0.05 ** (1 / 12))
    assert tuned.info.threshold == certificate.threshold
    assert 0.1 < tuned.info.threshold < 0.95
    assert len(calibration.images) == 24 and calibration.prevalence == 0.5
    assert len(calibration.scores["p_abnormal"]["normal"]) == 12
    assert np.sum(calibration.points, axis=0)[1:] == pytest.approx([12, 12])
    assert Rule.of(tuned.info).name == "calibrated"
    said = capsys.readouterr().out
    assert "At least 0.750" in said and "imulated" not in said
    assert "None of these pictures is known to the bundle" in said
    card = (tuned.folder / "MODEL_CARD.md").read_text()
    assert "At least 0.750" in card and "| abnormal | flag | 12 | 11 |" in card
    # A calibration on twelve of each is unsure of the least abnormal one, and says so.
    assert "1 case becomes less urgent: lab/c" in said and "(abnormal): flag → review." in said
    assert "the rule is calibrated instead of votes" in said
    # Tuned again with its own calibration cases: they are no training cases, so nothing is refused.
    assert tune.run(parsed(tune, tuned.folder, *words)) == 0
    again = load_bundle(tmp_path / "bundle-tuned-tuned")
    assert (again.folder / "MODEL_CARD.md").read_text().count("## Certificate") == 1
    assert again.info.calibration == calibration
    assert "24 pictures have calibrated it (24 known by content, 24 by case)" in (
        capsys.readouterr().out
    )
    assert not list(tmp_path.glob("bundle.*"))


FUSION = FusionInfo(intercept=0.0, weights={}, flag_threshold=0.5)


@pytest.mark.parametrize(
    ("limit", "most"), [((), 0.15), (("--at-most", "0.2"), 0.2), (("--at-most", "1"), 0.5)]
)
def test_no_threshold_above_the_limit_or_that_for_flag(limit, most, data, kept, scorer, tmp_path):
    bundle = write_bundle_without_weights(tmp_path / "bundle", threshold=0.15, fusion=FUSION)
    args = parsed(
        tune, bundle.folder, "--data", data, "--recall", 0.75, "--passes", 20, "--keep", kept,
        *limit,
    )  # fmt: skip
    assert tune.run(args) == 0
    assert load_bundle(tmp_path / "bundle-tuned").info.threshold == most


def bundle_of_its_own(folder: Path, **values: object) -> Bundle:
    """A calibrated bundle whose threshold is far under that for flag, as the shipped one."""
    rng = np.random.default_rng(0)
    points = sorted(
        [(round(rng.uniform(0, 0.3), 4), 1.0, 0.0) for _ in range(40)]
        + [(round(rng.uniform(0.2, 1), 4), 0.0, 1.0) for _ in range(40)]
    )
    calibrated = CalibrationInfo(
        scaling={"kind": "identity"}, prevalence=0.5, scores={}, unread=0, pictures=80,
        images=("ab" * 32,), cases=("c" * 16,), points=tuple(points),
    )  # fmt: skip
    settings = {"threshold": 0.15, "fusion": FUSION, "rule": "calibrated"} | values
    return write_bundle_without_weights(folder, calibration=calibrated, **settings)


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labelled(tmp_path_factory.mktemp("forty"), 20, 20, kind="made", first=700)


FRESH = [
    result(p, f"{p:.2f} {noise}", noise) for p in np.linspace(0, 1, 101) for noise in (0, 0.1, 0.3)
]
"""Pages that tuning never saw: every score, sure and unsure."""


def later(before: Bundle, after: Bundle) -> list[str]:
    """The fresh pages whose route is less urgent by the second bundle."""
    routes = [[judge(Rule.of(b.info), one).route for one in FRESH] for b in (before, after)]
    pairs = zip(FRESH, *routes, strict=True)
    return [one.image for one, was, now in pairs if ROUTES.index(now) > ROUTES.index(was)]


@pytest.mark.parametrize(
    ("options", "may", "said"),
    [
        ((), False, "No other picture can become less urgent"),
        (("--recall", 0.7), False, "No other picture can become less urgent"),
        (("--at-most", 0.05), False, "No other picture can become less urgent"),
        (("--at-most", 1), True, "the threshold rises from 0.15 to 0.5"),
        (("--recalibrate",), True, "the confidences come from other calibration cases"),
        (("--min-confidence", 0.6), True, "the minimum confidence is 0.6 instead of 0.8"),
        (("--rule", "votes"), True, "the rule is votes instead of calibrated"),
        (("--max-false-flags", 0.3), False, "No other picture can become less urgent"),
    ],
)
def test_no_fresh_page_becomes_less_urgent_without_saying_so(
    options, may, said, forty, kept, monkeypatch, tmp_path, capsys
):
    scorer = KnowingScorer(forty)
    monkeypatch.setattr("screening.worklist.scorer.BundleScorer", lambda *_: scorer)
    monkeypatch.setattr("screening.worklist.pipeline.inspect", accepted)
    bundle = bundle_of_its_own(tmp_path / "bundle")
    words = ("--data", forty, "--passes", 20, "--keep", kept, "--recall", 0.8, *options)
    assert tune.run(parsed(tune, bundle.folder, *words)) == 0
    tuned = load_bundle(tmp_path / "bundle-tuned")
    told = capsys.readouterr()
    assert said in told.out and ("Other pictures may become less urgent" in told.out) is may
    assert may or not later(bundle, tuned)
    if "--rule" not in options:  # there it is only possible
        assert later(bundle, tuned) or not may
    assert tuned.info.fusion == bundle.info.fusion, "the threshold for flag stays apart"
    if "--recalibrate" not in options:
        assert tuned.info.calibration.points == bundle.info.calibration.points
    # What the bundle had seen stays seen, and what tuned it is added.
    assert "ab" * 32 in tuned.info.calibration.images and "c" * 16 in tuned.info.calibration.cases
    assert len(tuned.info.calibration.images) == 41 and tuned.info.calibration.sources == ("lab",)
    quiet = ("--quiet", "--out", tmp_path / "quiet")
    assert tune.run(parsed(tune, bundle.folder, *words, *quiet)) == 0
    silent = capsys.readouterr()
    assert silent.out == "" and (said in silent.err) is may
    assert ("→" in silent.err) is ("→" in told.out)


def test_who_becomes_less_urgent_is_named_and_counted_before_anything_is_written(
    forty, kept, monkeypatch, tmp_path, capsys
):
    scorer = KnowingScorer(forty)
    scorer.abnormal[key_of(sha256_of(forty.parent / "k725.png"))] = False  # an abnormal one missed
    monkeypatch.setattr("screening.worklist.scorer.BundleScorer", lambda *_: scorer)
    monkeypatch.setattr("screening.worklist.pipeline.inspect", accepted)
    bundle = bundle_of_its_own(tmp_path / "bundle", threshold=0.06)
    words = ("--data", forty, "--passes", 20, "--recall", 0.7, "--at-most", 0.5)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(certification, "rewrite_bundle", full)
    with pytest.raises(ScreeningError, match="No space left"):
        tune.run(parsed(tune, bundle.folder, *words))
    said = capsys.readouterr().out
    assert "21 cases become less urgent" in said and "k719.png (normal): " in said
    assert "k725.png (abnormal)" not in said and "; and 1 more" in said  # the first 20 are named
    rows = [line.split("│")[1:-1] for line in said.splitlines() if line.startswith("│")]
    table = {(a.strip(), b.strip()): (int(c), int(d)) for a, b, c, d in rows}
    assert table["abnormal", "flag"] == (19, 19) and table["abnormal", "low-priority"] == (0, 1)
    assert table["normal", "low-priority"] == (0, 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_a_bundle_is_never_written_over(data, scorer, tmp_path):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    other = write_bundle_without_weights(tmp_path / "bundle-tuned")
    words = ("--data", data, "--recall", 0.7)
    for out in ((), ("--out", other.folder), ("--out", bundle.folder), ("--out", tmp_path)):
        with pytest.raises(ScreeningError, match="expected a new folder .* exists"):
            tune.run(parsed(tune, bundle.folder, *words, *out))
    with pytest.raises(ScreeningError, match="outside the bundle"):
        tune.run(parsed(tune, bundle.folder, *words, "--out", bundle.folder / "in" / "it"))
    with pytest.raises(ScreeningError, match="expected --out FOLDER"):
        tune.run(parsed(tune, *words))
    assert scorer.scored == 0
    assert load_bundle(other.folder).hash == other.hash


def test_a_calibration_picture_under_another_label_or_case_is_refused_by_name(
    data, kept, scorer, tmp_path
):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    words = ("--recall", 0.7, "--passes", 20, "--keep", kept, "--quiet")
    assert tune.run(parsed(tune, bundle.folder, "--data", data, *words)) == 0
    rows = read_rows(data)
    for change, said in (
        ({"label": "normal"}, "k013.png: normal here, not then"),
        ({"case": "new"}, "k013.png: case new here, another then"),
    ):
        changed = [row | change if row["path"] == "k013.png" else row for row in rows]
        table = write_rows(data.with_name("changed.csv"), changed)
        with pytest.raises(ManifestError, match=said):
            tune.run(parsed(tune, tmp_path / "bundle-tuned", "--data", table, *words))


def test_what_cannot_be_certified_writes_no_bundle(data, kept, scorer, tmp_path, capsys):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    args = parsed(
        tune, bundle.folder, "--data", data, "--recall", 0.99, "--passes", 20, "--keep", kept
    )
    assert tune.run(args) == tune.NOT_CERTIFIED
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    said = capsys.readouterr().out
    assert "cannot certify 0.99 with 12 abnormal cases" in said and "299" in said
    assert "0.779" in said  # 0.05 ** (1 / 12), rounded down


def test_two_thresholds_are_certified_together_and_out_gets_the_copy(
    data, kept, scorer, tmp_path, capsys
):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    args = parsed(tune, 
        bundle.folder, "--data", data, "--recall", 0.7, "--max-false-flags", 0.3, "--passes", 20,
        "--keep", kept, "--out", tmp_path / "tuned",
    )  # fmt: skip
    assert tune.run(args) == 0
    certificate = load_bundle(tmp_path / "tuned").info.certificate
    assert certificate is not None and certificate.flag_threshold is not None
    assert certificate.flag_threshold >= certificate.threshold
    assert (
        Rule.of(load_bundle(tmp_path / "tuned").info).flag_threshold == certificate.flag_threshold
    )
    assert load_bundle(bundle.folder).hash == bundle.hash
    assert "At most 0.3 of normal cases are flagged" in capsys.readouterr().out
    (tmp_path / "mine").mkdir()
    with pytest.raises(ScreeningError, match="a bundle to replace"):
        certification.write_tuned(bundle, bundle.info, tmp_path / "mine")


def test_a_bundle_is_found_inside_a_run(tmp_path):
    write_bundle_without_weights(tmp_path / "run" / "bundle")
    assert tune.find_bundle(tmp_path / "run") == tmp_path / "run" / "bundle"
    assert tune.find_bundle(tmp_path / "none") == tmp_path / "none"


@pytest.mark.parametrize("kind", ["trained", "calibrated"])
def test_patients_that_trained_the_bundle_are_refused(kind, data, scorer, tmp_path):
    seen = {"images": [], "cases": [case_hash("lab", "c3")]}
    values: dict[str, object] = {"data": {"seen": seen}}
    if kind == "calibrated":
        values = {
            "calibration": CalibrationInfo(
                scaling={"kind": "identity"}, prevalence=0.5, scores={}, unread=0, pictures=1,
                images=(), cases=tuple(seen["cases"]),
            )
        }  # fmt: skip
    bundle = write_bundle_without_weights(tmp_path / "bundle", **values)
    pictures = read_pictures(data)
    if kind == "trained":
        with pytest.raises(ScreeningError, match=r"1 picture .*k003.png \(case c3 of lab\)"):
            tune.run(parsed(tune, bundle.folder, "--data", data, "--recall", 0.7))
        assert scorer.scored == 0
    else:
        certification.refuse_training(bundle, pictures)


@pytest.mark.parametrize(("normal", "abnormal"), [(12, 3), (3, 12), (2, 1)])
def test_too_few_cases_are_refused_with_the_number_needed(normal, abnormal, tmp_path, scorer):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    data = write_labelled(tmp_path / "few", normal, abnormal)
    with pytest.raises(ManifestError, match="at least 10 normal and 10 abnormal") as caught:
        tune.run(parsed(tune, bundle.folder, "--data", data, "--recall", 0.99))
    assert "299 abnormal cases" in str(caught.value) and f"{abnormal} abnormal" in str(caught.value)


def test_one_class_and_copies_are_refused(tmp_path, data):
    rows = [row for row in read_rows(data) if row["label"] == "normal"]
    folder = tmp_path / "data"
    folder.mkdir()
    for row in rows:
        (folder / row["path"]).write_bytes((data.parent / row["path"]).read_bytes())
    one = write_rows(folder / "manifest.csv", rows)
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    with pytest.raises(ManifestError, match="a set of one kind says nothing"):
        tune.run(parsed(tune, bundle.folder, "--data", one))
    (folder / "copy.png").write_bytes((folder / rows[0]["path"]).read_bytes())
    copied = write_rows(folder / "manifest.csv", [*rows, rows[0] | {"path": "copy.png"}])
    with pytest.raises(ManifestError, match=r"copy.png and k000.png are the same picture"):
        read_pictures(copied)


def test_made_pictures_are_cases_of_their_own_and_their_case_is_the_patient(tmp_path):
    data = write_labelled(tmp_path, 2, 2, kind="made")
    rows = [row | {"case": "p1"} for row in read_rows(data)]
    pictures = read_pictures(write_rows(data, rows))
    assert len(units_of(pictures)) == 4 and len({p.hash for p in pictures}) == 1
    assert [p.simulated for p in pictures] == [False, False, True, True]
    together = units_of(read_pictures(data, "case"))
    assert len(together) == 1 and together[0].abnormal and together[0].simulated


def test_a_case_is_last_only_with_all_its_pictures_and_flagged_with_any():
    pictures = [
        picture("a", "one", False), picture("b", "one", False),
        picture("c", "two", True), picture("d", "two", True), picture("e", "three", True),
    ]  # fmt: skip
    results = {
        "a": result(0.1, "a"), "b": result(0.3, "b"), "c": result(0.1, "c"),
        "d": result(0.9, "d", status="rejected"), "e": result(0.9, "e"),
    }  # fmt: skip
    last, flagged = routes_along(units_of(pictures), results, Rule(), (0.05, 0.2, 0.5, 0.95))
    assert last.tolist() == [[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert flagged.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]]


def test_more_cautious_thresholds_never_put_more_cases_last():
    pictures = [picture(str(i), str(i), False) for i in range(30)]
    rng = np.random.default_rng(0)
    results = {p.id: result(rng.random(), p.id, 0.2) for p in pictures}
    last, flagged = routes_along(units_of(pictures), results, Rule())
    assert (np.diff(last.astype(int), axis=1) >= 0).all() and last[:, -1].mean() > 0.5
    assert (np.diff(flagged.astype(int), axis=1) <= 0).all() and not last[:, 0].any()
    assert list(THRESHOLDS) == sorted(THRESHOLDS) and 0 < THRESHOLDS[0] < THRESHOLDS[-1] < 1


def test_judging_thresholds_together_is_judging_each():
    rng = np.random.default_rng(1)
    for i in range(20):
        one = result(rng.random(), "x", 0.15, "ok" if i else "failed")
        last, flagged = routes_along([*units_of([picture("x", "x", False)])], {"x": one}, Rule())
        routes = [judge(Rule(t), one).route for t in THRESHOLDS]
        assert [route == "low-priority" for route in routes] == last[0].tolist()
        assert [route == "flag" for route in routes] == flagged[0].tolist()


def test_a_promise_that_saves_nothing_says_so():
    units = units_of([picture(str(i), str(i), i < 40) for i in range(80)])
    results = {u.name: result(0.5, u.name) for u in units}
    results |= {u.name: result(0.9999, u.name) for u in units if not u.abnormal}
    args = parsed(tune, "b", "--data", "d", "--recall", 0.9, "--passes", 20)
    certificate, threshold, words = certification.certificate_of(units, results, Rule(), args)
    assert certificate is not None and certificate.low_priority == 0 and "saves no work" in words
    assert threshold <= 0.5


def test_simulated_abnormalities_are_named_first_and_patients_counted_once():
    units = units_of(
        [
            SimpleNamespace(
                id=str(i), unit=str(i), abnormal=i < 60, simulated=i < 60, patient=f"p{i % 30}",
                source=f"lab {i // 30}", sha256=str(i), composed=i >= 70,
            )
            for i in range(90)
        ]
    )  # fmt: skip
    results = {u.name: result(0.9 if u.abnormal else 0.1, u.name) for u in units}
    args = parsed(tune, "b", "--data", "d", "--recall", 0.9, "--passes", 20)
    certificate, _, words = certification.certificate_of(units, results, Rule(), args)
    assert certificate is not None and certificate.patients == 30 and certificate.abnormal == 60
    assert (certificate.normal, certificate.composed) == (30, 20)
    assert words.startswith("Earned on simulated abnormalities")
    assert "betting" in certificate.method
    args = parsed(tune, "b", "--data", "d", "--recall", 0.95)
    assert "62 without a miss" in certification.certificate_of(units, results, Rule(), args)[2]


def test_people_looked_at_before_are_counted_and_told(data, kept, scorer, tmp_path, capsys):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    words = ("--data", data, "--recall", 0.7, "--passes", 20, "--keep", kept)
    for look in (1, 2, 3):
        assert tune.run(parsed(tune, bundle.folder, *words, "--out", tmp_path / f"{look}")) == 0
        bundle = load_bundle(tmp_path / f"{look}")
        info = bundle.info
        assert info.certificate is not None and info.certificate.looks == look
    assert "Earned at the third look at the same people" in capsys.readouterr().out
    others = read_pictures(write_labelled(tmp_path / "others", 2, 2, first=50))
    assert certification.looks_at(info, others) == 1
    assert certification.looks_at(info, [*others, read_pictures(data)[0]]) == 4


def test_what_the_bundle_that_gave_the_parts_had_seen_is_remembered(data, kept, scorer, tmp_path):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    pictures = read_pictures(data)
    results = {p.id: result(0.9 if p.abnormal else 0.1, p.id) for p in pictures}
    seen = {"cases": ("older", pictures[0].hash), "images": ("file",)}
    known = certification.calibration_of(pictures, results, Rule()).model_copy(update=seen)
    before = bundle.info.model_copy(update={"certificate": CERTIFICATE, "calibration": known})
    terms = certification.Terms(data, recall=0.7, passes=20)
    info = certification.earned(bundle, terms, kept, before, more_looks=1).info
    assert info is not None and info.certificate is not None and info.calibration is not None
    assert info.certificate.looks == 3
    assert "older" in info.calibration.cases and "file" in info.calibration.images
    assert info.calibration.points != known.points, "they are fitted anew"
    first = certification.earned(bundle, terms, kept).info
    assert first is not None and first.certificate is not None and first.certificate.looks == 1


def test_pooled_cells_are_refused_by_name(data, scorer, tmp_path):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    rows = read_rows(data)
    for row in rows:
        row["path"] = str(data.parent / row["path"])
    pooled = [row | {"pooled": "yes" if n == 3 else "no"} for n, row in enumerate(rows)]
    named = [row | {"case": f"pooled-{row['case']}"} if n == 3 else row
             for n, row in enumerate(rows)]  # fmt: skip
    for changed in (pooled, named):
        manifest = write_rows(tmp_path / "pooled.csv", changed)
        with pytest.raises(ManifestError, match=r"1 problem .*\n.*k003.png shows a cell pooled"):
            tune.run(parsed(tune, bundle.folder, "--data", manifest, "--recall", 0.7))
    assert scorer.scored == 0


def test_one_person_under_two_names_is_refused_by_the_content_of_the_pictures(
    data, scorer, tmp_path
):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    rows = [row | {"path": str(data.parent / row["path"])} for row in read_rows(data)]
    with Image.open(rows[20]["path"]) as first:
        first.save(tmp_path / "copy.tif")  # the same content in another file
    copy = rows[20] | {"path": "copy.tif", "case": "new"}
    manifest = write_rows(tmp_path / "twice.csv", [*rows, copy])
    with pytest.raises(ManifestError, match="copy.tif of new and .*k020.png of c20 show the same"):
        tune.run(parsed(tune, bundle.folder, "--data", manifest, "--recall", 0.7))
    assert scorer.scored == 0
    same = write_rows(tmp_path / "same.csv", [*rows, copy | {"case": "c20"}])
    certification.refuse_two_names(same, read_pictures(same))
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n")
    torn = write_rows(tmp_path / "torn.csv", [*rows, copy | {"path": "torn.png"}])
    certification.refuse_two_names(torn, read_pictures(torn))


def test_every_wrong_value_is_named_at_once():
    with pytest.raises(ScreeningError) as caught:
        tune.run(parsed(tune, "b", "--data", "d", "--recall", 1, "--confidence", 0, "--passes", 0))
    for name in ("--recall", "--confidence", "--passes"):
        assert name in str(caught.value)


def test_a_limit_that_is_no_number_is_told_what_is_expected(capsys):
    with pytest.raises(SystemExit):
        parsed(tune, "b", "--data", "d", "--at-most", "high")
    assert "expected own or a number from 0 to 1, received 'high'" in capsys.readouterr().err


def test_json_of_a_tuned_bundle_is_plain(data, kept, scorer, tmp_path):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    args = parsed(
        tune,
        bundle.folder,
        "--data",
        data,
        "--recall",
        0.7,
        "--passes",
        20,
        "--keep",
        kept,
        "--quiet",
    )
    assert tune.run(args) == 0
    values = json.loads((tmp_path / "bundle-tuned" / "bundle.json").read_text())
    assert values["certificate"]["recall"] == 0.7
    assert sha256_of(data.parent / "k000.png") in values["calibration"]["images"]


def test_between_the_two_thresholds_a_picture_goes_to_review():
    rule = Rule(threshold=0.3, flag_threshold=0.7)
    routes = [judge(rule, result(p, "x")).route for p in (0.1, 0.5, 0.9)]
    assert routes == ["low-priority", "review", "flag"]


@pytest.mark.parametrize("name", ["calibrated", "votes"])
def test_the_rule_asked_for_is_the_bundles_and_certified_alike(name, data, kept, scorer, tmp_path):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    words = ("--data", data, "--recall", 0.7, "--passes", 20, "--keep", kept, "--rule", name)
    assert tune.run(parsed(tune, bundle.folder, *words, "--quiet")) == 0
    info = load_bundle(tmp_path / "bundle-tuned").info
    assert info.rule == Rule.of(info).name == name
    assert info.certificate is not None and info.certificate.low_priority == (
        11 if name == "calibrated" else 12
    )
    pictures = read_pictures(data)
    rule = Rule.of(info)
    results = {p.id: result(0.4, p.id) for p in pictures}  # between all that was seen
    last, _ = routes_along(units_of(pictures), results, rule, (info.threshold,))
    assert last.all() if name == "votes" else not last.any()


def test_pages_of_one_patient_weigh_as_one_patient():
    owners = [f"{kind}{n}" for kind, many in (("ill", 8), ("well", 9)) for n in range(many)]
    pictures = [picture(f"{who}{i}", who, who[0] == "i") for who in owners for i in "abc"]
    pictures = [replace(p, source=f"lab {p.id[-1]}") for p in pictures]  # whatever the source
    results = {
        p.id: result(0.9 if p.abnormal else 0.1, p.id, noise=0.05 * (p.id[-1] == "a"))
        for p in pictures
    }
    found = certification.calibration_of(pictures, results, Rule())
    assert np.sum(found.points, axis=0)[1:] == pytest.approx([9, 8])
    few = [p for p in pictures if p.unit in ("ill0", "well0", "well1")]
    with pytest.raises(ScreeningError, match="1 abnormal and 2 normal patients are too few"):
        certification.calibration_of(few, results, Rule())


def test_confidences_come_from_other_pages_than_the_promise_where_these_are_given(
    data, kept, scorer, tmp_path
):
    plain = write_bundle_without_weights(tmp_path / "bundle")
    terms = certification.Terms(data, recall=0.75, passes=20, unit="case")
    bundle = certification.calibrated(plain, terms, kept)
    known = bundle.info.calibration
    assert known is not None and known.points and not plain.info.calibration
    assert set(known.images) == {p.sha256 for p in read_pictures(data)}
    shifted = known.model_copy(update={"points": ((0.2, 1.0, 0.0), (0.9, 0.0, 1.0))})
    bundle = replace(bundle, info=bundle.info.model_copy(update={"calibration": shifted}))
    info, *_ = certification.earned(bundle, terms, kept, plain.info)
    assert info.calibration.points == shifted.points
    assert info.certificate.looks == 1 and info.certificate.abnormal == 12

"""The outputs of a ledger: order, tables, what run.json tells, what the promise is worth here."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from pictures import jpeg, judged, picture, reading
from screening import __version__
from screening.bundle_schema import BundleInfo, CalibrationInfo, CertificateInfo
from screening.evidence.fusion import Fusion
from screening.record import Picture
from screening.triage.rule import Rule, judge
from screening.uncertainty.venn_abers import VennAbers
from screening.worklist import outputs
from screening.worklist.ledger import FILE_NAME, Ledger
from screening.worklist.left_out import LeftOut
from screening.worklist.outputs import (
    OUTPUT_NAMES,
    RunFacts,
    judged_pictures,
    light,
    run_text,
    trust_in,
    urgency,
    write_outputs,
)

FACTS = RunFacts(
    bundle_hash="b" * 64, bundle_name="fake", options={"seed": 3}, rule=Rule(), passes=20,
    device="fake", engine="fake", started="2026-11-24T10:00:00+00:00",
    finished="2026-11-24T10:01:00+00:00",
    seconds=2.0006, new=5, left_out=LeftOut({".csv": 2}, ("a.csv", "b.csv")), notes=("ę",),
)  # fmt: skip
CERTIFICATE = CertificateInfo(
    recall=0.95, confidence=0.95, threshold=0.5, min_confidence=0.8, passes=20, normal=100,
    abnormal=60, patients=60, simulated=60, missed=0, low_priority=90, bound=0.951,
    method="exact binomial", date="2026-11-21T10:00:00+00:00", data_hash="ab" * 32,
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / FILE_NAME, "b", "o") as ledger:
        ledger.begin({}, "now")
        yield ledger


def with_verdict(name: str, route: str, status: str = "ok", **changes: object) -> Picture:
    one = judged(name, route, status)
    return replace(one, verdict=replace(one.judged, **changes))


def test_the_most_urgent_come_first():
    order = [
        with_verdict("surest flag", "flag", p_abnormal=0.99, confidence=0.8),
        with_verdict("a flag", "flag", p_abnormal=0.9, confidence=0.99),
        with_verdict("b flag", "flag", p_abnormal=0.9, confidence=0.81),
        with_verdict("high review", "review", p_abnormal=0.8, confidence=0.7),
        with_verdict("low review", "review", p_abnormal=0.2, confidence=0.6),
        with_verdict("unscored review", "review", p_abnormal=None, confidence=None),
        with_verdict("z rejected", "review", "rejected"),
        with_verdict("a failed", "review", "failed"),
        with_verdict("unsure last", "low-priority", p_abnormal=0.1, confidence=0.8),
        with_verdict("abnormal last", "low-priority", p_abnormal=0.19, confidence=0.9),
        with_verdict("normal last", "low-priority", p_abnormal=0.05, confidence=0.9),
        with_verdict("surest last", "low-priority", p_abnormal=0.06, confidence=1.0),
    ]
    shuffled = [*order[1::2], *order[::2]]
    assert sorted(shuffled, key=urgency) == order


def test_only_digits_that_are_printed_order_the_pictures():
    def named(*numbers: tuple[str, float, float], route: str) -> list[str]:
        pictures = [with_verdict(n, route, p_abnormal=p, confidence=c) for n, p, c in numbers]
        return [one.image for one in sorted(pictures, key=urgency)]

    assert named(("a", 0.1234561, 1), ("b", 0.1234564, 1), route="flag") == ["a", "b"]
    assert named(("a", 0.123456, 1), ("b", 0.123457, 1), route="flag") == ["b", "a"]
    assert named(("a", 0.1, 0.9234564), ("b", 0.1, 0.9234561), route="low-priority") == ["a", "b"]
    assert named(("a", 0.1, 0.923457), ("b", 0.1, 0.923456), route="low-priority") == ["b", "a"]


def test_a_picture_without_numbers_stands_behind_those_with_any():
    scored = with_verdict("b", "review", p_abnormal=0.000001)
    unscored = with_verdict("a", "review", p_abnormal=None)
    assert sorted([unscored, scored], key=urgency) == [scored, unscored]
    assert urgency(unscored) == urgency(replace(scored, image="a"))[:3] + (0.0, "a")
    last = with_verdict("c", "low-priority", p_abnormal=0.1, confidence=0.01)
    unsure = with_verdict("d", "low-priority", p_abnormal=0.1, confidence=None)
    assert sorted([last, unsure], key=urgency) == [unsure, last]


def read_table(out: Path, name: str) -> list[dict[str, str]]:
    with (out / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_outputs_agree(ledger, tmp_path):
    few = Picture("c.png", "p1", "2" * 64, "rejected", "a spread", 9, thumbnail=jpeg())
    ledger.add([
        picture("a.png", 0.1, case="p1", sha256="1" * 64, thumbnail=jpeg()), few,
        picture("b.png", 0.9, case="p2", sha256="3" * 64, reading=reading("+21")),
        picture("d.png", 0.1, case="p2", sha256="4" * 64),
    ])  # fmt: skip
    facts = replace(FACTS, seconds=0.001)
    statuses, routes, warnings = write_outputs(tmp_path, ledger, facts)
    assert (statuses, warnings) == ({"ok": 3, "rejected": 1}, ())
    assert routes == {"flag": 1, "review": 1, "low-priority": 2}
    table = read_table(tmp_path, "triage.csv")
    assert [row["image"] for row in table] == ["b.png", "c.png", "a.png", "d.png"]
    assert [row["route"] for row in table] == ["flag", "review", "low-priority", "low-priority"]
    assert table[0]["p_abnormal"] == "0.900000" and table[0]["passes"] == "20"
    twins = [json.loads(line) for line in (tmp_path / "triage.jsonl").read_text().splitlines()]
    assert [twin["image"] for twin in twins] == [row["image"] for row in table]
    cases = read_table(tmp_path, "cases.csv")
    assert [(case["case"], case["route"], case["images"]) for case in cases] == [
        ("p2", "flag", "2"), ("p1", "review", "2"),
    ]  # fmt: skip
    page = (tmp_path / "report.html").read_text("utf-8")
    assert all(name in page for name in ("a.png", "b.png", "c.png", "d.png", "a spread"))
    run = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert (run["status"], run["route"], run["images"]) == (statuses, routes, 4)
    assert run["failures"] == [{"image": "c.png", "status": "rejected", "reasons": ["a spread"]}]
    assert run["images_per_second"] == 5000
    assert {path.name for path in tmp_path.iterdir()} >= set(OUTPUT_NAMES)


def test_what_cannot_be_routed_is_failed_here_and_in_the_ledger(ledger, monkeypatch):
    usual = outputs.judge

    def odd(rule, each):  # type: ignore[no-untyped-def]
        if each.image == "b" and each.status == "ok":
            raise ZeroDivisionError("odd")
        return usual(rule, each)

    monkeypatch.setattr(outputs, "judge", odd)
    ledger.add([picture(name, sha256=name * 64, thumbnail=jpeg()) for name in "abc"])
    found = {one.image: one for one in judged_pictures(ledger, Rule())}
    assert {name: one.judged.route for name, one in found.items()} == {
        "a": "low-priority", "b": "review", "c": "low-priority",
    }  # fmt: skip
    reason = "could not be processed (ZeroDivisionError: odd)"
    kept = {one.image: one for one in ledger.results()}["b"]
    for one in (found["b"], kept):
        assert (one.status, one.reason, one.case, one.sha256) == (
            "failed", reason, "case of b", "b" * 64,
        )  # fmt: skip
    assert found["b"].judged.reasons == (reason,) and kept.thumbnail == jpeg()


def test_what_only_the_page_shows_does_not_stay_in_memory():
    whole = replace(
        judged("a"), reading=reading("+21"), features={"count": 1.0}, crops=(("21", jpeg()),)
    )
    left = light(whole)
    assert left.p is None and left.thumbnail == b"" and left.crops == () and left.features == {}
    assert left.reading == replace(whole.reading, chromosomes=())
    assert left.verdict is whole.verdict and left.image == "a" and left.objects == 46
    assert light(judged("b")).reading is None


def calibrated(center: float) -> BundleInfo:
    """A bundle whose calibration scores lie around `center` for normal and at 0.9 for abnormal."""
    rng = np.random.default_rng(0)
    normal = rng.normal(center, 0.01, 60).clip(0, 1)
    scores = {
        "p_abnormal": {"normal": sorted(normal), "abnormal": [0.9] * 60},
        "p_std": {"normal": sorted(rng.normal(0.01, 0.0016, 60))},
    }
    points = sorted([(float(s), 1.0, 0.0) for s in normal] + [(0.9, 0.0, 60.0)])
    known = CalibrationInfo(
        scaling={"kind": "identity"}, prevalence=0.5, points=tuple(points),
        scores=scores, unread=0, pictures=120, images=(), cases=(),
    )  # fmt: skip
    return BundleInfo(
        name="c", created="x", parts={}, rule="calibrated", certificate=CERTIFICATE,
        calibration=known,
    )  # fmt: skip


def alike(count: int = 20, spread: float = 0.01) -> list[Picture]:
    """Pictures scored around 0.1."""
    drawn = np.random.default_rng(1).normal((0.1, spread), (0.01, spread / 6), (count, 2))
    return [
        with_verdict(str(i), "review", p_abnormal=p, p_std=std) for i, (p, std) in enumerate(drawn)
    ]


def test_a_run_like_the_calibration_cases_keeps_the_promise():
    info = calibrated(0.1)
    unscored = with_verdict("u", "review", p_abnormal=None, p_std=None)
    trust = trust_in([*alike(), unscored], replace(FACTS, info=info, rule=Rule.of(info)))
    assert trust.certificate.startswith("Earned on simulated abnormalities")
    assert trust.warnings == ()
    assert [(one.score, one.pictures, one.shifted) for one in trust.drift] == [
        ("p_abnormal", 20, False), ("p_std", 20, False), ("unread", 21, False),
    ]  # fmt: skip


def test_what_speaks_against_the_promise_is_a_warning_each():
    info = calibrated(0.4)
    rule = Rule.of(info, min_confidence=0.6)
    trust = trust_in(alike(), replace(FACTS, info=info, rule=rule))
    first, second = trust.warnings
    assert "unlike that of the calibration cases" in first
    assert "does not cover these settings" in second
    covered = replace(FACTS, info=calibrated(0.1), rule=Rule())
    assert trust_in(alike(), covered).warnings == ()
    (spread,) = trust_in(alike(spread=0.3), covered).warnings
    assert spread.startswith("The spread of the passes")
    (fewer,) = trust_in(alike(), replace(covered, passes=10)).warnings
    assert "for 20 passes" in fewer


def test_without_a_certificate_nothing_is_promised():
    trust = trust_in(alike(), FACTS)
    assert trust.certificate.startswith("No certificate: nothing is promised")
    assert trust.drift == trust.warnings == ()


def failed(name: str, reason: str) -> Picture:
    one = Picture(name, "c", reason=reason)
    return replace(one, verdict=judge(Rule(), one))


BROKEN, TORN = "could not be processed (TypeError: x)", "the picture is damaged"


@pytest.mark.parametrize(
    ("reasons", "others", "told"),
    [
        ([BROKEN, BROKEN], [], True),
        ([BROKEN, BROKEN, BROKEN], ["rejected"], True),
        ([BROKEN], [], False),
        ([BROKEN], ["rejected", "rejected"], False),
        ([BROKEN, BROKEN], ["ok"], False),
        ([BROKEN, TORN], [], False),
        ([], ["ok", "ok"], False),
        ([], [], False),
    ],
)
def test_the_same_error_of_all_that_were_tried_is_a_fault_of_the_program(reasons, others, told):
    pictures = [failed(str(i), reason) for i, reason in enumerate(reasons)]
    pictures += [with_verdict(status, "review", status) for status in others]
    warnings = trust_in(pictures, FACTS).warnings
    assert len(warnings) == told
    if told:
        assert "every picture failed by the same error (TypeError)" in warnings[0]


def test_the_fault_is_told_by_the_first_reason():
    one, two = failed("a", BROKEN), failed("b", BROKEN)
    both = replace(two, verdict=replace(two.judged, reasons=(BROKEN, "something else")))
    assert len(trust_in([one, both], FACTS).warnings) == 1


def test_run_json_tells_who_computed_what_and_how_it_went():
    info = calibrated(0.1)
    rule = Rule(0.4, 0.7, Fusion(0.5, {"count": 2.0}), venn_abers=VennAbers(((0.1, 1.0, 1.0),)))
    facts = replace(FACTS, info=info, rule=rule)
    pictures = [*alike(2), failed("x", TORN)]
    trust = trust_in(pictures, facts)
    text = run_text(pictures, facts, {"ok": 2}, {"review": 3}, trust)
    assert text.endswith("}\n") and "ę" in text and '\n "tool"' in text
    run = json.loads(text)
    packages = run.pop("packages")
    assert packages["numpy"] == metadata.version("numpy")
    assert {"keras", "pillow", "opencv-python-headless"} <= set(packages)
    settings = asdict(replace(rule, venn_abers=None))
    del settings["venn_abers"]
    assert run.pop("rule") == json.loads(json.dumps(settings)) | {"name": "calibrated"}
    assert run == {
        "tool": "screening", "version": __version__, "intended_use": "research use only",
        "bundle_hash": "b" * 64, "bundle_name": "fake", "options": {"seed": 3}, "passes": 20,
        "device": "fake", "engine": "fake", "started": FACTS.started, "finished": FACTS.finished,
        "seconds": 2.001, "new": 5, "notes": ["ę"], "images": 3, "images_per_second": 2.499,
        "status": {"ok": 2}, "route": {"review": 3},
        "failures": [{"image": "x", "status": "failed", "reasons": [TORN]}],
        "outputs": list(OUTPUT_NAMES), "python": platform.python_version(),
        "platform": platform.platform(), "certificate": trust.certificate,
        "structure": "Structure: structural changes not judged.",
        "drift": run["drift"], "warnings": list(trust.warnings), "threshold": 0.4,
        "min_confidence": 0.7, "ignored_files": 2, "ignored_kinds": {".csv": 2},
        "ignored_names": ["a.csv", "b.csv"],
    }  # fmt: skip
    assert [one["score"] for one in run["drift"]] == ["p_abnormal", "p_std", "unread"]
    assert [one["said"] for one in run["drift"]] == [str(one) for one in trust.drift]
    assert len(run["warnings"]) == 1 and "does not cover these settings" in run["warnings"][0]


def test_what_cannot_be_drawn_of_one_picture_ends_no_page(ledger, tmp_path, monkeypatch):
    usual = outputs.judge

    def judge_oddly(rule, each):  # type: ignore[no-untyped-def]
        said = usual(rule, each)
        return replace(said, p=np.array(["odd"] * 20)) if each.image == "c.png" else said

    monkeypatch.setattr(outputs, "judge", judge_oddly)
    ledger.add([
        picture("a.png", 0.9, sha256="1" * 64, thumbnail=jpeg(), reading=reading("+21")),
        picture("b.png", 0.9, sha256="2" * 64, thumbnail=b"no JPEG", reading=reading("+21")),
        picture("c.png", 0.9, sha256="3" * 64, thumbnail=jpeg(), reading=reading("+21")),
    ])  # fmt: skip
    write_outputs(tmp_path, ledger, FACTS)
    page = (tmp_path / "report.html").read_text("utf-8")
    first, second, third = page.split("<article")[1:]
    assert "<img" in first and "not shown here" not in first
    assert "<img" not in second and "not shown here: cannot be read" in second
    unjudged = "not judged by the model"
    assert unjudged not in second and unjudged in third
    assert third.count("not shown here") == 1
    assert page.count('data-route="flag"') == 4  # three rows, and the button


@pytest.mark.parametrize(("count", "together"), [(51, True), (50, True), (51, False)])
def test_a_case_of_very_many_cells_is_asked_about(count, together):
    facts = replace(FACTS, rule=Rule(together=together))
    cells = [replace(judged(f"{i}.png"), case="all of 2026") for i in range(count)]
    said = [one for one in trust_in(cells, facts).warnings if "--cells-together" in one]
    assert len(said) == (together and count > 50)
    assert all("51 pictures of the case all of 2026" in one for one in said)

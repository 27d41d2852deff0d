"""Witnesses: each says in words what it weighs, nothing of nothing, and a new one fits the seam."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evidence_pages import chromosomes, draw, say
from pictures import picture
from screening.bundle_schema import BundleInfo, FusionInfo
from screening.errors import BundleError
from screening.evidence import witness
from screening.evidence.fusion import Fusion
from screening.evidence.reading import read_cell
from screening.evidence.witnesses import KNOWN, labels_of, only_raising, witnesses_of
from screening.page_settings import StructureReading
from screening.reading_settings import ReadingSettings
from screening.record import Banding, PairChange, Structure
from screening.triage.rule import Rule, judge
from screening.words import TONED_MARK, UNREADABLE_STRUCTURE

SETTINGS = ReadingSettings()
P = np.array([0.1, 0.5, 0.999999999], np.float32)
NAMES = [one.name for one in KNOWN]


def sight(change: str = "", **changes: object) -> witness.Sight:
    """All that there is to look at of a drawn page."""
    drawn = draw(chromosomes(change))
    areas = np.exp(3 + 1.2 * np.log(drawn.lengths))
    page = replace(drawn.page, areas=areas)
    classes = say(drawn.names)
    seen = read_cell(classes, page, drawn.lengths, SETTINGS)
    crops = np.random.default_rng(0).integers(0, 255, (len(drawn.names), 96, 32), np.uint8)
    values = {"p": P, "reading": seen, "page": page, "classes": classes,
              "relative": drawn.lengths, "crops": crops, "changed": 1.5}  # fmt: skip
    return witness.Sight(**(values | changes))


STRUCTURE = Structure(9.0, 0.8, 23, (PairChange("9", 16, 17, 17, 9.0, 0.5),))


WHOLE = sight()


@pytest.mark.parametrize("one", KNOWN, ids=NAMES)
def test_every_feature_has_a_label_in_words_and_is_said(one):
    said = one.look(WHOLE, SETTINGS)
    assert set(said.features) == set(one.labels) and (said.features or not one.labels)
    assert all(words and words == words.strip() for words in one.labels.values())
    for feature in said.features.values():
        assert np.all(np.isfinite(feature)) and isinstance(feature, float | tuple)


@pytest.mark.parametrize("one", KNOWN, ids=NAMES)
def test_nothing_to_look_at_is_nothing_to_say(one):
    said = one.look(witness.Sight(), SETTINGS)
    assert said == witness.Testimony() and not said.features


@pytest.mark.parametrize("one", KNOWN, ids=NAMES)
def test_a_page_that_is_no_whole_cell_is_no_error(one):
    drawn = draw(chromosomes()).part(np.arange(46) < 5)
    seen = read_cell(say(drawn.names), drawn.page, drawn.lengths, SETTINGS)
    assert not seen.whole
    part = witness.Sight(P, seen, drawn.page, say(drawn.names), drawn.lengths, WHOLE.crops[:5])
    said = one.look(part, SETTINGS)
    assert set(said.features) <= set(one.labels)
    if one.name == "reading":
        assert any("5 objects found" in doubt for doubt in said.doubts)


def test_homologs_that_differ_are_a_doubt_from_the_limit_on():
    one = next(one for one in KNOWN if one.name == "structure")
    for doubt, readable, wanted in ((8.5, 0.5, 1), (9.5, 0.5, 0), (9.5, 0.9, 1), (8.5, 0.9, 2)):
        limits = StructureReading(doubt=doubt, readable=readable)
        settings = SETTINGS.model_copy(update={"structure": limits})
        seen = replace(WHOLE, reading=replace(WHOLE.reading, structure=STRUCTURE))
        said = one.look(seen, settings)
        assert len(said.doubts) == wanted and not said.notes and not said.features
        assert (UNREADABLE_STRUCTURE in said.doubts) == (readable == 0.9)
        assert any("chromosomes 9" in doubt for doubt in said.doubts) == (doubt == 8.5)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, True),
        ({"gains_and_losses": ("+8",)}, True),
        ({"gains_and_losses": ("+8", "-X")}, False),  # 46 again, or 44, or 48
        ({"misread_rate": 0.5}, False),
        ({"banding": Banding(0.0, 0.0, 9.0)}, False),
        ({"banding": Banding(-0.2, 0.2, 9.0)}, False),
        ({"banding": Banding(0.4, -0.3, 1.0)}, False),
        ({"banding": Banding(0.4, -0.3, 9.0)}, True),
        ({"structure": replace(STRUCTURE, readable=0.1)}, False),
    ],
)
def test_a_translocation_is_named_only_of_a_page_that_can_carry_a_name(changes, named):
    one = next(one for one in KNOWN if one.name == "structure")
    limits = StructureReading(doubt=5.0, readable=0.3)
    settings = SETTINGS.model_copy(update={"structure": limits})
    reading = replace(WHOLE.reading, **({"structure": STRUCTURE, "misread_rate": 0.01} | changes))
    seen = replace(reading.structure, suggestion="t(9;22)(q34;q11.2)")
    said = one.look(witness.Sight(reading=replace(reading, structure=seen)), settings).doubts
    assert any("chromosomes 9 differ" in doubt for doubt in said)
    assert any("t(9;22)" in doubt for doubt in said) == named


@pytest.mark.parametrize(("shortest", "told"), [(1.0, False), (1e4, True)])
def test_chromosomes_of_a_few_pixels_cannot_be_compared(shortest, told):
    one = next(one for one in KNOWN if one.name == "structure")
    limits = StructureReading(doubt=99.0, readable=0.0, shortest=shortest)
    settings = SETTINGS.model_copy(update={"structure": limits})
    seen = replace(WHOLE, reading=replace(WHOLE.reading, structure=STRUCTURE))
    assert (UNREADABLE_STRUCTURE in one.look(seen, settings).doubts) == told


def test_names_and_features_are_of_one_witness_each():
    assert len(set(NAMES)) == len(NAMES)
    assert sum(len(one.labels) for one in KNOWN) == len(labels_of(KNOWN))
    assert set(BundleInfo.model_fields["witnesses"].default) == set(NAMES)


def test_a_normal_cell_speaks_for_nothing_and_a_change_speaks_up():
    normal = witness.hear(KNOWN, WHOLE, SETTINGS)
    trisomy = witness.hear(KNOWN, sight("+21"), SETTINGS)
    for name in ("count", "doubtful", "misplaced", "rejected"):
        assert normal.features[name] == 0
    assert trisomy.features["count"] == 1
    assert trisomy.features["reading"] > 2 > -2 > normal.features["reading"]
    assert any("+21" in note for note in trisomy.notes)


def test_the_network_speaks_pass_by_pass_and_finite():
    said = witness.hear(KNOWN, WHOLE, SETTINGS).features["network"]
    assert said == pytest.approx((-2.1972, 0, np.log(1e6)), abs=1e-3)
    for p in (None, np.zeros(0, np.float32)):
        assert "network" not in witness.hear(KNOWN, sight(p=p), SETTINGS).features


def test_the_reading_speaks_pass_by_pass_where_the_classes_differ():
    (mean,) = (witness.hear(KNOWN, WHOLE, SETTINGS).features["reading"],)
    assert mean == pytest.approx(float(np.log(1 / WHOLE.reading.p_normal - 1)), abs=1e-6)
    features = witness.hear(KNOWN, replace(WHOLE, odds=(-3.0, 0.0, 3.0)), SETTINGS).features
    assert features["reading"] == (-3.0, 0.0, 3.0)
    fused = Fusion(0.0, {"network": 0.25, "reading": 1.0}).passes(features, 3)
    alone = Fusion(0.0, {"network": 0.25}).passes(features, 3)
    assert fused[0] < alone[0] and fused[1] == alone[1] and fused[2] > alone[2]


def test_the_pairs_need_their_pictures_and_only_raise():
    pairs = dict(zip(NAMES, KNOWN, strict=True))["homologs"]
    for lack in ("classes", "crops", "reading"):
        assert pairs.look(sight(**{lack: None}), SETTINGS) == witness.Testimony()
    assert only_raising(KNOWN) == ("homologs",)


def test_marks_and_sizes_of_the_page_are_doubts():
    page, objects = WHOLE.page, WHOLE.reading.chromosomes
    assert witness.hear(KNOWN, WHOLE, SETTINGS).doubts == ()
    marked = witness.hear(KNOWN, replace(WHOLE, page=replace(page, marks=1)), SETTINGS)
    assert TONED_MARK in marked.doubts
    areas = page.areas.copy()
    areas[[one.name for one in objects].index("21")] *= 2.2
    large = witness.hear(KNOWN, replace(WHOLE, page=replace(page, areas=areas)), SETTINGS)
    assert any("21 is as large as two" in doubt for doubt in large.doubts)


def test_what_may_only_raise_never_lowers_the_score():
    low = Fusion(0.0, {"homologs": 2.0, "count": 2.0}, only_raise=("homologs",))
    none = low.passes({}, 3)
    assert np.array_equal(low.passes({"homologs": -5.0}, 3), none)
    assert (low.passes({"homologs": 5.0}, 3) > none).all()
    assert (low.passes({"count": -5.0}, 3) < none).all()
    said = low.contributions({"homologs": -5.0, "count": -5.0})
    assert said == {"homologs": 0.0, "count": -10.0}
    # Also where the weight is negative: a high feature would lower it.
    turned = Fusion(0.0, {"homologs": -2.0}, only_raise=("homologs",))
    assert np.array_equal(turned.passes({"homologs": 5.0}, 3), none)
    # And pass by pass: what some passes raise, the others do not take back.
    each = low.passes({"homologs": (-1.0, 0.0, 1.0)}, 3)
    assert each[0] == each[1] == none[0] < each[2]


def test_the_rule_of_a_bundle_knows_which_features_only_raise():
    info = BundleInfo(
        name="b", created="x", parts={},
        fusion=FusionInfo(intercept=-3.0, weights={"network": 1.0, "homologs": 1.0}),
    )  # fmt: skip
    assert Rule.of(info).fusion.only_raise == ("homologs",)
    without = info.model_copy(update={"witnesses": ("network", "reading")})
    assert Rule.of(without).fusion.only_raise == ()


class Moon:
    """A toy witness: the phase of the moon, which only raises."""

    name = "moon"
    labels = {"moon": "phase of the moon"}
    may_lower = False

    def __init__(self, phase: float) -> None:
        self.phase = phase

    def look(self, sight: witness.Sight, settings: ReadingSettings) -> witness.Testimony:
        return witness.Testimony({"moon": self.phase}, ("full",), ("seen",))


def test_a_new_witness_is_heard_and_fused_with_the_others():
    heard = witness.hear((*KNOWN, Moon(2.0)), WHOLE, SETTINGS)
    alone = witness.hear(KNOWN, WHOLE, SETTINGS)
    assert heard.features == {**alone.features, "moon": 2.0}
    assert heard.doubts == (*alone.doubts, "full") and heard.notes == (*alone.notes, "seen")
    witnesses = (*KNOWN, Moon(2.0))
    assert labels_of(witnesses)["moon"] == "phase of the moon"
    assert only_raising(witnesses) == ("homologs", "moon")
    fusion = Fusion(-2.0, {"network": 1.0, "moon": 3.0}, only_raising(witnesses))

    def judged(said: witness.Testimony):
        one = picture(p=P, reading=WHOLE.reading, features=said.features, doubts=said.doubts)
        return judge(Rule(fusion=fusion), one)

    verdict = judged(heard)
    assert verdict.contributions["moon"] == 6.0
    assert (verdict.p > judged(alone).p).all()
    assert "full" in verdict.reasons
    # A phase that speaks for normal changes nothing: the witness may not lower.
    waning = witness.hear((*KNOWN, Moon(-2.0)), WHOLE, SETTINGS)
    assert np.array_equal(judged(waning).p, judged(alone).p)


def test_witnesses_come_in_the_order_of_the_bundle():
    assert [one.name for one in witnesses_of(("count", "network"))] == ["count", "network"]
    assert witnesses_of(()) == ()


def test_an_unknown_witness_is_refused_with_those_that_there_are():
    with pytest.raises(BundleError) as caught:
        witnesses_of(("network", "oracle"))
    said = str(caught.value)
    assert "'oracle'" in said and "the version of screening that built it" in said
    assert all(name in said for name in NAMES)
    info = BundleInfo(
        name="b", created="x", parts={}, witnesses=("oracle",),
        fusion=FusionInfo(intercept=0.0, weights={}),
    )  # fmt: skip
    with pytest.raises(BundleError, match="oracle"):
        Rule.of(info)

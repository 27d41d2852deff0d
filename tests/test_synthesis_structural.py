"""Structural abnormalities: named by ISCN, of the right lengths and bands, and shams alike."""

from __future__ import annotations

import argparse
import csv
import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from iscn_authenticator import validate_karyotype
from scipy.stats import mannwhitneyu

from screening.bands import band_span, band_table
from screening.commands import simulate as simulate_command
from screening.errors import ScreeningError
from screening.iscn import chromosomes_of, karyotype
from screening.karyogram.crops import outline_of, standardised
from screening.synthesis.abnormalities import SEXES
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Chromosome, Metaphase
from screening.synthesis.random_structural import LEAST_MEGABASES, random_structural
from screening.synthesis.rearrangements import (
    KNOWN,
    nearest_valid,
    rearrangement,
    structural_sexes,
)
from screening.synthesis.simulate import sham, simulate
from screening.synthesis.structural import structural, structural_sham
from screening.synthesis.style import clinical_style

T = "t(2;7)(q24;p15)"


@pytest.fixture(scope="module")
def cells() -> dict[str, Metaphase]:
    return {s: draw_cell(np.random.default_rng(4 + i), s, case=s) for i, s in enumerate(SEXES)}


def length(chromosome: Chromosome) -> float:
    return outline_of(chromosome.image).length


def changed(before: Metaphase, after: Metaphase) -> list[tuple[Chromosome, Chromosome]]:
    """Pairs of old and new picture, by the origin that the new one keeps."""
    old = {c.origin: c for c in before.chromosomes}
    return [(old[c.origin.split("~")[0]], c) for c in after.chromosomes if c.resampled]


def test_iscn_of_every_known_and_of_new_ones():
    rng = np.random.default_rng(0)
    names = [*KNOWN, *(random_structural(rng, SEXES[k % 2]) for k in range(150))]
    assert len({name.partition("(")[0] for name in names}) == 7
    for name in names:
        for sex in structural_sexes([name]):
            counts = {str(n): 2 for n in range(1, 23)} | {s: sex.count(s) for s in "XY"}
            if name.startswith("rob"):
                counts[chromosomes_of(name)[1]] -= 1
            text = karyotype(counts, structural=[name])
            assert validate_karyotype(text).valid, text
            assert text.startswith("45" if name.startswith("rob") else "46")
            assert text.endswith(name) and ("46,X," in text) == ("X" in chromosomes_of(name))


def test_iscn_beside_numerical_changes():
    counts = {str(n): 2 for n in range(1, 23)} | {"X": 2, "8": 3}
    assert karyotype(counts, 0, ["del(5)(q13q33)"]) == "47,XX,del(5)(q13q33),+8"
    assert karyotype(counts, 1, ["i(X)(q10)"]) == "48,X,i(X)(q10),+8,+mar"
    with pytest.raises(ValueError, match="received 'nonsense'"):
        karyotype(counts, 0, ["nonsense"])


def test_new_breakpoints_can_be_seen():
    rng = np.random.default_rng(1)
    names = {random_structural(rng, "XX") for _ in range(120)} - set(KNOWN)
    assert len(names) > 35
    for name in names:
        assert min(rearrangement(name).moved) >= LEAST_MEGABASES
        assert "Y" not in chromosomes_of(name)
    drawn = [random_structural(rng, "XY") for _ in range(150)]
    assert "inv(9)(p12q13)" not in drawn  # a variant, only by name
    assert not any("X" in chromosomes_of(name) for name in drawn)


def test_bands_are_found_at_every_resolution():
    fine = [band_span("22", f"q11.2{k}") for k in (1, 2, 3)]
    assert band_span("22", "q11.2") == (fine[0][0], fine[2][1])
    assert band_span("5", "q10") == (band_table()["5"].centromere,) * 2
    for wrong in ("q1", "q99", "q11.", "z3"):
        with pytest.raises(ScreeningError, match="band of chromosome 22"):
            band_span("22", wrong)


@pytest.mark.parametrize("name", list(KNOWN))
def test_known_ones_change_what_they_name_and_nothing_else(cells, name):
    cell = cells[structural_sexes([name])[0]]
    for make, real in ((structural, True), (structural_sham, False)):
        after = make(cell, name, np.random.default_rng(2))
        untouched = [c for c in after.chromosomes if not c.resampled]
        assert all(any(c is old for old in cell.chromosomes) for c in untouched)
        pairs = changed(cell, after)
        assert len(pairs) == len(rearrangement(name).derivatives)
        assert {new.name for _, new in pairs} <= set(chromosomes_of(name))
        assert after.label == ("abnormal" if real else "normal")
        assert after.structural == ((name,) if real else ())
        assert all(bool(new.derived) == real for _, new in pairs)
        if real:
            assert validate_karyotype(after.iscn).valid and name in after.iscn
            assert len(after.chromosomes) == (45 if name.startswith("rob") else 46)
        else:
            assert after.counts() == cell.counts() and after.iscn == cell.iscn
            for old, new in pairs:
                assert length(new) == pytest.approx(length(old), rel=0.08, abs=3)


@pytest.mark.parametrize(
    ("name", "factor"),
    [("del(5)(q13q33)", -1), ("del(4)(p15)", -1), ("dup(1)(q21q32)", 1), ("inv(3)(q21q26)", 0)],
)
def test_a_chromosome_is_as_much_longer_or_shorter_as_its_bands_say(cells, name, factor):
    plan = rearrangement(name)
    share = plan.moved[0] / band_table()[plan.uses[0]].megabases
    ratios = []
    for seed in range(6):
        after = structural(cells["XX"], name, np.random.default_rng(seed))
        ((old, new),) = changed(cells["XX"], after)
        ratios.append(length(new) / length(old))
    assert np.mean(ratios) == pytest.approx(1 + factor * share, abs=0.04)


@pytest.mark.parametrize("name", [T, "t(4;11)(q21;q23)", "t(1;19)(q23;p13)"])
def test_an_exchange_keeps_the_sum_of_lengths_and_changes_each(cells, name):
    for seed in range(4):
        after = structural(cells["XY"], name, np.random.default_rng(seed))
        pairs = changed(cells["XY"], after)
        before, now = (sum(length(pair[k]) for pair in pairs) for k in (0, 1))
        assert now == pytest.approx(before, rel=0.04)
        assert all(abs(length(new) / length(old) - 1) > 0.05 for old, new in pairs)
        assert sorted(new.derived for _, new in pairs) == sorted(
            f"der({one})" for one in chromosomes_of(name)
        )


def profile(image: np.ndarray, start: float, end: float) -> np.ndarray:
    """Bands between two fractions of the axis, 64 samples, from start to end."""
    canvas = standardised([image])[0][0].astype(float)
    rows = 0.5 + 0.92 * (np.linspace(start, end, 64) - 0.5)
    line = cv2.GaussianBlur(canvas[:, 8:24].mean(1)[:, None], (1, 0), 0.1, None, 2)[:, 0]
    return np.interp(rows * 96 - 0.5, np.arange(96), line)


def test_the_exchanged_segment_shows_the_donors_bands(cells):
    """der(2) of t(2;7)(q24;p15) ends with the short arm of 7, turned: bands tell it from 2's."""
    plan = {d.name: d for d in rearrangement(T).derivatives}["2"]
    kept, gained = plan.pieces
    donors, own, shams = [], [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        cell = draw_cell(rng, "XX")
        seven, two = (next(c for c in cell.chromosomes if c.name == n) for n in ("7", "2"))
        (new,) = (c for c in structural(cell, T, rng).chromosomes if c.derived == "der(2)")
        same = {c.name: c for _, c in changed(cell, structural_sham(cell, T, rng))}["2"]
        # Where the piece begins in der(2), by the lengths of the band table.
        mega = {n: band_table()[n].megabases for n in ("2", "7")}
        long = (kept.end - kept.start) * mega["2"], (gained.start - gained.end) * mega["7"]
        place = long[0] / sum(long)
        piece = profile(new.image, place, 1)
        donors.append(np.corrcoef(piece, profile(seven.image, gained.start, gained.end))[0, 1])
        reach = kept.end + (1 - place) / place * kept.end
        own.append(np.corrcoef(piece, profile(two.image, kept.end, min(1.0, reach)))[0, 1])
        whole = profile(two.image, kept.end, 1)
        shams.append(np.corrcoef(profile(same.image, kept.end, 1), whole)[0, 1])
    assert np.median(donors) > 0.6 > np.median(own) + 0.2
    assert np.median(shams) > 0.6


def junction(image: np.ndarray, pixels: float) -> tuple[float, float]:
    """Sharpness at a place of the axis against the whole body, and the step of width there."""
    grey = image.astype(np.float32)
    edge = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    row = int(pixels / length(Chromosome(image, "1", "")) * len(grey))
    inside = cv2.erode((grey < 230).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    window = np.zeros_like(inside)
    window[max(0, row - 3) : row + 4] = True
    near = edge[inside & window]
    width = (grey < 200).sum(1).astype(float)
    above, below = width[max(0, row - 4) : row - 1], width[row + 2 : row + 5]
    step = abs(above.mean() - below.mean()) / max(1.0, width.mean())
    return float(near.mean() / edge[inside].mean()), float(step)


def test_junctions_look_the_same_under_both_labels():
    seen: dict[str, list[tuple[float, float]]] = {"real": [], "sham": [], "pasted": []}
    names = [T, "t(4;11)(q21;q23)", "t(1;6)(q31;q22)", "t(3;10)(q25;q24)"]
    cells = [draw_cell(np.random.default_rng(60 + k), "XX", case=str(k)) for k in range(4)]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        name, cell = names[seed % 4], cells[seed // 4 % 4]
        derivative = rearrangement(name).derivatives[0]
        for kind, make in (("real", structural), ("sham", structural_sham)):
            pairs = changed(cell, make(cell, name, rng))
            old, new = next(p for p in pairs if p[1].name == derivative.name)
            at = derivative.pieces[0].end * length(old)
            seen[kind].append(junction(new.image, at))
            if kind == "real":  # a careless join: pictures cut along a row, put side by side
                other = pairs[1][0].image
                wide = max(old.image.shape[1], other.shape[1])
                halves = [old.image[: int(at)], other[len(other) // 2 :]]
                halves = [np.pad(h, ((0, 0), (0, wide - h.shape[1])), constant_values=255)
                          for h in halves]  # fmt: skip
                seen["pasted"].append(junction(np.vstack(halves), at))
    real, mock, pasted = (np.array(seen[k]) for k in ("real", "sham", "pasted"))
    for k in (0, 1):
        assert mannwhitneyu(real[:, k], mock[:, k]).pvalue > 1e-3
    # What a careless join would have shown: the test can tell.
    assert min(mannwhitneyu(pasted[:, k], mock[:, k]).pvalue for k in (0, 1)) < 1e-3


def test_tone_of_rearranged_chromosomes_is_that_of_their_shams(cells):
    """Mean darkness and total change of a picture against its original, over all kinds."""
    rng = np.random.default_rng(7)
    shift: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(50):
        name = random_structural(rng, "XX")
        for real, make in ((True, structural), (False, structural_sham)):
            for old, new in changed(cells["XX"], make(cells["XX"], name, rng)):
                ink = [c.image[c.image < 245].mean() for c in (old, new)]
                shift[real].append(float(ink[1] / ink[0]))
    assert abs(np.median(shift[True]) / np.median(shift[False]) - 1) < 0.04


def test_seeded(cells):
    one, two, other = (structural(cells["XX"], T, np.random.default_rng(k)) for k in (5, 5, 6))
    pairs = list(zip(one.chromosomes, two.chromosomes, strict=True))
    assert all(np.array_equal(a.image, b.image) and a.origin == b.origin for a, b in pairs)
    assert [c.origin for c in one.chromosomes] != [c.origin for c in other.chromosomes]


def test_the_karyogram_knows_its_structural_abnormality(cells):
    rng = np.random.default_rng(0)
    karyogram = compose(structural(cells["XY"], T, rng), clinical_style(rng), rng)
    assert (karyogram.iscn, karyogram.label) == (f"46,XY,{T}", "abnormal")
    found = [(box.name, box.derived) for box in karyogram.boxes if box.derived]
    assert found == [("2", "der(2)"), ("7", "der(7)")]


def test_incomplete_and_abnormal_cells_are_refused(cells):
    cell = cells["XX"]
    rng = np.random.default_rng(0)
    incomplete = replace(cell, chromosomes=cell.chromosomes[1:])
    for wrong in (incomplete, simulate(cell, "+21", rng), structural(cell, T, rng)):
        for make in (structural, structural_sham):
            with pytest.raises(ScreeningError, match="complete normal cell"):
                make(wrong, "i(17)(q10)", rng)
    with pytest.raises(ScreeningError, match="complete normal cell.*with t\\(2;7\\)"):
        sham(structural(cell, T, rng), rng)
    with pytest.raises(ScreeningError, match="in a XX cell, received XY"):
        structural(cells["XY"], "i(X)(q10)", rng)


@pytest.mark.parametrize(
    "name",
    ["t(9;22)", "t(22;9)(q11.2;q34)", "t(9;9)(q34;q11)", "t(9;23)(q34;q11)", "rob(1;14)(q10;q10)",
     "i(17)(q21)", "del(5)(q99)", "del(5)(q13q14q15)", "inv(3)(q21)", "del(5)(p14q13)",
     "ins(5)(q13q33)", "dup(1)(q21q21)", "del(5)(q13;q33)"],
)  # fmt: skip
def test_names_that_are_none_are_refused(cells, name):
    with pytest.raises(ScreeningError, match="expected"):
        structural(cells["XX"], name, np.random.default_rng(0))


def run(out, *arguments) -> tuple[list[dict], list[dict]]:
    parser = argparse.ArgumentParser()
    simulate_command.add_arguments(parser)
    wanted = ["drawn", "--out", out, "--quiet", *arguments]
    assert simulate_command.run(parser.parse_args(list(map(str, wanted)))) == 0
    with open(out / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = (out / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    return rows, [json.loads(line) for line in lines]


def test_the_command_writes_the_truth_of_both_labels(tmp_path):
    rows, truths = run(tmp_path / "a", "--count", 8, "--structural", 0.5)
    marked = [t for t in truths if "(" in t["recipe"]]
    assert sorted(t["kind"] for t in marked) == ["sham", "sham", "simulated", "simulated"]
    for truth in marked:
        derived = [box["derived"] for box in truth["boxes"] if box["derived"]]
        assert bool(derived) == (truth["label"] == "abnormal") == (truth["recipe"] in truth["iscn"])
    rows, _ = run(tmp_path / "b", "--count", 2, "--abnormality", "i(X)(q10)")
    assert sorted(row["iscn"] for row in rows) == ["46,X,i(X)(q10)", "46,XX"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--structural", 2], "--structural expects 0 to 1"),
        (["--structural", 0.5, "--abnormality", "+21"], "asks for structural"),
        (["--structural", 0.5, "--abnormality", "i(17)(q10)"], "asks for numerical"),
        (["--abnormality", "47,XXY", "i(X)(q10)"], "simulate them separately"),
        (["--abnormality", "t(9;22)"], "name it as ISCN does"),
    ],
)
def test_the_command_names_wrong_values(tmp_path, arguments, message):
    with pytest.raises(ScreeningError, match=message):
        run(tmp_path, "--count", 2, *arguments)


def test_real_cells_can_be_rearranged(shared_data):
    from screening.data.chromosomes import load_cell, read_cells

    records = [r for r in read_cells(shared_data) if r.label == "normal"]
    rng = np.random.default_rng(0)
    for record in records[:: len(records) // 4]:
        cell = load_cell(record)
        for make in (structural, structural_sham):
            after = make(cell, "t(9;22)(q34;q11.2)", rng)
            for old, new in changed(cell, after):
                assert 0.3 < length(new) / length(old) < 2.2
                assert int(new.image.min()) < int(old.image.min()) + 60


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("t(22;9)(q11.2;q34)", "t(9;22)(q34;q11.2)"),
        ("t(9, 22)(q34, q11.2)", "t(9;22)(q34;q11.2)"),
        ("t(9;22)(q99;q11.2)", "t(9;22)(q34.3;q11.2)"),
        ("rob(14;13)(q10;q10)", "rob(13;14)(q10;q10)"),
        ("i(17)(q21)", "i(17)(q10)"),
        ("del(5)(q13;q33)", "del(5)(q13q33)"),
        ("del(5)(q33q13)", "del(5)(q13q33)"),
        ("inv(16)(q22p13.1)", "inv(16)(p13.1q22)"),
        ("del(5)(q13.77)", "del(5)(q14)"),
    ],
)
def test_an_impossible_name_is_refused_with_the_nearest_valid_one(wrong, near):
    with pytest.raises(ScreeningError, match=re.escape(f"Is {near} meant?")):
        rearrangement(wrong)
    assert nearest_valid(wrong) == near and rearrangement(near).name == near


@pytest.mark.parametrize("wrong", ["t(9;22)", "foo", "del(25)(q13)", "t(9;9)(q34;q11)"])
def test_where_nothing_is_near_nothing_is_suggested(wrong):
    assert nearest_valid(wrong) == ""
    with pytest.raises(ScreeningError) as raised:
        rearrangement(wrong)
    assert "meant" not in str(raised.value)

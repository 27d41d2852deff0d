"""Splits: no case in two parts, stable, fair shares, leaks found."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from screening.data.split import (
    CALIBRATION,
    FRACTIONS,
    PARTS,
    TEST,
    TRAIN,
    VALIDATION,
    Split,
    case_key,
    check_leaks,
    check_parts,
    split_by_case,
)
from screening.errors import ManifestError


@dataclass(frozen=True)
class Thing:
    source: str
    case: str
    label: str = "normal"
    reserved: bool = False
    path: Path = Path("unused")


def things(seed: int = 0) -> list[Thing]:
    """Two sources with the same case numbers, one to nine items per case, a few reserved."""
    rng = np.random.default_rng(seed)
    found = []
    for source, cases in (("a", 200), ("b", 40)):
        for case in range(cases):
            count = int(rng.integers(1, 10))
            reserved = source == "a" and case % 20 == 0
            found += [Thing(source, str(case))] * (count - 1)
            found.append(Thing(source, str(case), "abnormal" if reserved else "normal", reserved))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_every_case_is_in_exactly_one_part_and_shares_are_fair(seed):
    items = things(seed)
    split = split_by_case(items, seed=seed)
    parts = [split.part(name) for name in PARTS]
    assert sum(map(len, parts)) == len(frozenset().union(*parts)) == 240
    for source in ("a", "b"):
        ordinary = {case_key(i) for i in items if i.source == source} - {
            case_key(i) for i in items if i.reserved
        }
        among = [i for i in items if case_key(i) in ordinary]
        counts = Counter(split.of(i) for i in among)
        for part, share in FRACTIONS.items():
            assert abs(counts[part] - share * len(among)) < 9


def test_reserved_cases_go_half_to_calibration_and_half_to_test():
    items = things()
    split = split_by_case(items, seed=4)
    assert Counter(split.of(i) for i in items if i.reserved) == {CALIBRATION: 5, TEST: 5}


def test_same_seed_same_split_whatever_the_order_and_another_seed_another():
    items = things()
    split = split_by_case(items, seed=1)
    backwards = split_by_case(items[::-1], seed=1)
    assert backwards.assignments == split.assignments
    assert backwards.hash == split.hash
    assert split_by_case(items, seed=2).hash != split.hash


@pytest.mark.parametrize(
    ("written", "strange"),
    [('"seed": 0', '"seed": 1e9990'), ('"seed": 0', '"seed": [0]'), ('"train"', "{}")],
)
def test_a_split_with_strange_values_is_refused_with_a_sentence(written, strange):
    text = Split({("s", "a"): "train"}, 0).to_json()
    assert text.count(written) == 1
    with pytest.raises(ManifestError, match="expected a split written by this tool"):
        Split.from_json(text.replace(written, strange))


def test_json_round_trip_and_an_altered_split_is_refused():
    split = split_by_case(things(), seed=1)
    text = split.to_json()
    assert Split.from_json(text) == split
    assert '"train"' in text
    with pytest.raises(ManifestError, match="altered"):
        Split.from_json(text.replace('"train"', '"test"', 1))
    with pytest.raises(ManifestError, match="expected a split"):
        Split.from_json("{}")


def test_a_case_on_both_sides_of_a_given_split_is_named(tmp_path):
    split = Split({("", "c1"): TRAIN, ("", "c2"): TEST}, 0)
    text = split.to_json().replace('"c1": "train"', '"c1": "test", "c1": "train"')
    with pytest.raises(ManifestError, match="the case c1 is in test and in train"):
        Split.from_json(text)
    table = tmp_path / "split.csv"
    table.write_text("case,part\nc1,train\nc2,test\nc1,train\n")
    assert Split.from_table(table).assignments == split.assignments
    table.write_text("case,part\nc1,train\nc2,test\nc1,test\nc3,training\nc2,train\n")
    with pytest.raises(ManifestError) as told:
        Split.from_table(table)
    for said in ("3 problems", "line 4: the case c1 is in train and in test", "'training'",
                 "line 6: the case c2"):  # fmt: skip
        assert said in str(told.value)


def test_items_of_an_unknown_case_have_no_part():
    split = split_by_case(things(), seed=1)
    with pytest.raises(ManifestError, match="in no part"):
        split.of(Thing("c", "1"))
    with pytest.raises(ManifestError, match="in no part"):
        check_leaks(split, [Thing("c", "1")])


def test_fractions_and_names_must_make_sense():
    with pytest.raises(ValueError, match="sum to 1"):
        split_by_case(things(), {TRAIN: 0.5})
    with pytest.raises(ValueError, match="expected a part"):
        split_by_case(things(), {"dev": 1.0})
    with pytest.raises(ManifestError, match="at least one case"):
        split_by_case([])


def test_the_same_file_in_two_parts_is_found_and_within_a_part_is_not_a_leak(tmp_path):
    for name, content in {"1": b"one", "2": b"two", "copy": b"one"}.items():
        (tmp_path / name).write_bytes(content)
    one, two, copy = (Thing("a", name, path=tmp_path / name) for name in ("1", "2", "copy"))
    check_leaks(Split({("a", "1"): TRAIN, ("a", "2"): TEST}, 0), [one, two])
    check_leaks(Split({("a", "1"): TRAIN, ("a", "copy"): TRAIN}, 0), [one, copy])
    with pytest.raises(ManifestError, match="same content"):
        check_leaks(Split({("a", "1"): TRAIN, ("a", "copy"): TEST}, 0), [one, copy])


def test_a_case_used_in_two_parts_is_found(tmp_path):
    (tmp_path / "1").write_bytes(b"one")
    (tmp_path / "2").write_bytes(b"two")
    parts = {
        TRAIN: [Thing("a", "7", path=tmp_path / "1")],
        TEST: [Thing("a", "7", path=tmp_path / "2")],
    }
    with pytest.raises(ManifestError, match="a/7 is in train and in test"):
        check_parts(parts)


def test_a_reserved_item_in_training_is_found():
    item = Thing("a", "1", "abnormal", reserved=True)
    with pytest.raises(ManifestError, match="aneuploid"):
        check_leaks(Split({("a", "1"): TRAIN}, 0), [item])


def test_the_parts_and_the_hash_are_those_of_written_splits():
    assert PARTS == (TRAIN, VALIDATION, CALIBRATION, TEST)
    assert PARTS == ("train", "validation", "calibration", "test")
    assert FRACTIONS == {"train": 0.6, "validation": 0.1, "calibration": 0.15, "test": 0.15}
    split = Split({("a", "2"): TRAIN, ("a", "1"): TEST}, 3)
    text = '{"cases":{"a":{"1":"test","2":"train"}},"rule":"by case","seed":3}'
    assert split.hash == hashlib.sha256(text.encode()).hexdigest()
    assert split.to_json() == Split({("a", "1"): TEST, ("a", "2"): TRAIN}, 3).to_json()


def test_an_unknown_part_is_refused_wherever_it_is_named(tmp_path):
    split = Split({("a", "1"): TRAIN}, 0)
    for ask in (lambda: split.part("dev"), lambda: split.select([], "dev")):
        with pytest.raises(ValueError, match="expected a part"):
            ask()
    with pytest.raises(ManifestError, match="altered"):
        Split.from_json(Split({("a", "1"): "dev"}, 0).to_json())
    table = tmp_path / "own.csv"
    table.write_text("case,part\n1,test\n")
    assert Split.from_table(table) == Split({("", "1"): TEST}, 0, "given in own.csv")


def test_without_a_seed_it_is_0():
    items = things()
    assert split_by_case(items) == split_by_case(items, seed=0) != split_by_case(items, seed=1)


def test_normal_and_abnormal_cases_each_get_their_shares():
    """One abnormal item makes a case abnormal; being abnormal does not reserve it."""
    items = [Thing("a", f"n{i}") for i in range(80) for _ in range(2)]
    items += [Thing("a", f"x{i}", label) for i in range(40) for label in ("normal", "abnormal")]
    split = split_by_case(items, seed=2)
    for letter, size in (("n", 80), ("x", 40)):
        counts = Counter(part for key, part in split.assignments.items() if key[1][0] == letter)
        assert counts == {part: round(share * size) for part, share in FRACTIONS.items()}


def test_items_that_say_nothing_of_label_source_or_reserve_are_ordinary():
    items = [SimpleNamespace(case=str(i)) for i in range(20)]
    split = split_by_case(items)
    assert Counter(split.of(i) for i in items)[TRAIN] == 12
    assert set(split.assignments) == {("", str(i)) for i in range(20)}


def test_the_heaviest_case_is_placed_first_and_the_light_ones_even_it_out():
    items = [Thing("a", "heavy")] * 50 + [Thing("a", str(i)) for i in range(50)]
    for seed in range(3):
        split = split_by_case(items, {TRAIN: 0.5, TEST: 0.5}, seed)
        with_it = split.of(items[0])
        assert {case for _, case in split.part(with_it)} == {"heavy"}


def test_a_reserved_case_weighs_as_many_items_as_are_reserved():
    items = [Thing("a", "one", reserved=True)] + [Thing("a", "one")] * 9
    items += [Thing("a", "four", reserved=True)] * 4 + [Thing("a", "five", reserved=True)] * 5
    split = split_by_case(items)
    assert split.part(CALIBRATION) == {("a", "five")}
    assert split.part(TEST) == {("a", "one"), ("a", "four")}
    alone = split_by_case([Thing("a", "1", reserved=True)])
    assert alone.part(CALIBRATION) == {("a", "1")}  # what certifies comes before what measures


@pytest.mark.parametrize("fractions", [{}, {TRAIN: 0.995}, {TRAIN: 1.2, TEST: -0.2}])
def test_fractions_that_are_none_are_refused(fractions):
    with pytest.raises(ValueError, match="sum to 1"):
        split_by_case(things(), fractions)


def test_a_part_of_fraction_0_stays_empty():
    ordinary = [item for item in things() if not item.reserved]
    split = split_by_case(ordinary, {TRAIN: 1.0, TEST: 0.0})
    assert set(split.assignments.values()) == {TRAIN}


def test_leak_checks_name_every_unknown_case_and_let_reserved_ones_measure(tmp_path):
    split = Split({("a", "1"): TEST, ("a", "2"): CALIBRATION, ("", "3"): TRAIN}, 0)
    for name in ("1", "2", "3"):
        (tmp_path / name).write_text(name)
    fine = [Thing("a", name, reserved=True, path=tmp_path / name) for name in ("1", "2")]
    fine.append(SimpleNamespace(case="3", path=tmp_path / "3"))
    check_leaks(split, fine)
    with pytest.raises(ManifestError) as told:
        check_leaks(split, [Thing("z", name, reserved=True) for name in ("2", "1")])
    said = str(told.value)
    assert 0 < said.index("z/1 is in no part") < said.index("z/2 is in no part")
    training = Split({("a", "1"): TRAIN}, 0)
    with pytest.raises(ManifestError, match="aneuploid"):
        check_leaks(training, iter([Thing("a", "1", reserved=True)]))


def test_every_chromosome_of_a_cell_is_compared(tmp_path):
    for name, content in {"1": "one", "2": "two", "3": "three", "copy": "two"}.items():
        (tmp_path / name).write_text(content)

    def cell(case, *names):
        return SimpleNamespace(
            case=case, chromosomes=[SimpleNamespace(path=tmp_path / name) for name in names]
        )

    check_parts({TRAIN: [cell("x", "1", "2")], TEST: [cell("y", "3")]})
    with pytest.raises(ManifestError, match="same content"):
        check_parts({TRAIN: [cell("x", "1", "2")], TEST: [cell("y", "3", "copy")]})

"""Splits: no case in two parts, stable, fair shares, leaks found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from screening.data.split import (
    CALIBRATION,
    FRACTIONS,
    PARTS,
    TEST,
    TRAIN,
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

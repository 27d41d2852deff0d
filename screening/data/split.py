"""Who is trained on and who is measured: splits by case, leak checks, leave-one-source-out.

One person's cells look alike, so a case is never cut in two. The order of equal cases comes from a
hash of (seed, source, case): the same cases listed in another order give the same split.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from screening.classes import ABNORMAL
from screening.data.tables import Problems, read_table
from screening.errors import ManifestError
from screening.json_text import parsed

TRAIN, VALIDATION, CALIBRATION, TEST = PARTS = ("train", "validation", "calibration", "test")
FRACTIONS = {TRAIN: 0.6, VALIDATION: 0.1, CALIBRATION: 0.15, TEST: 0.15}
RESERVED_FOR = (CALIBRATION, TEST)
"""The only parts that truly aneuploid cells may enter: they are too few to train on."""

CaseKey = tuple[str, str]
"""(source, case): two laboratories may use the same case number."""

T = TypeVar("T")


@dataclass(frozen=True)
class Split:
    """Which part each case belongs to: `assignments` maps (source, case) to one of PARTS."""

    assignments: Mapping[CaseKey, str]
    seed: int
    rule: str = "by case"

    def part(self, name: str) -> frozenset[CaseKey]:
        """Return the (source, case) keys of the part `name`."""
        _check_part(name)
        return frozenset(key for key, part in self.assignments.items() if part == name)

    def of(self, item: Any) -> str:
        """Return the part of an item (anything with `case` and perhaps `source`)."""
        key = case_key(item)
        if key not in self.assignments:
            raise ManifestError(
                f"the case {'/'.join(key)} is in no part of the split: split this data anew"
            )
        return self.assignments[key]

    def select(self, items: Iterable[T], name: str) -> list[T]:
        """Return the items that belong to the part `name`, in their order."""
        _check_part(name)
        return [item for item in items if self.of(item) == name]

    @property
    def hash(self) -> str:
        """Return the sha256 (hex) of the canonical JSON of seed, rule and assignments."""
        text = json.dumps(self._content(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> str:
        """Return the split as readable JSON text, its own hash included."""
        return json.dumps({**self._content(), "hash": self.hash}, sort_keys=True, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Split:
        """Return the split that `to_json` wrote; ManifestError when it was altered since."""
        problems = Problems("the split")

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            # JSON's reader keeps the last of two equal keys and says nothing.
            found: dict[str, Any] = {}
            for key, value in pairs:
                if found.setdefault(key, value) != value:
                    problems.add(f"the case {key} is in {found[key]} and in {value}")
            return found

        try:
            content = parsed(text, once)
            assignments = {
                (source, case): part
                for source, cases in content["cases"].items()
                for case, part in cases.items()
            }
            unknown = set(assignments.values()) - set(PARTS)  # TypeError: a part is no word
            split = cls(assignments, int(content["seed"]), str(content["rule"]))
            stated = content["hash"]
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ManifestError(
                f"expected a split written by this tool, received {error!r}"
            ) from error
        problems.raise_if_any()
        if unknown or split.hash != stated:
            raise ManifestError(
                f"the split was altered: its hash is {split.hash}, it states {stated}. "
                "Make a new split instead of editing one"
            )
        return split

    @classmethod
    def from_table(cls, table: Path) -> Split:
        """Return the split of a CSV (case, part) that a laboratory made itself.

        ManifestError names every unknown part and every case that stands in two parts.
        """
        problems = Problems(str(table))
        assignments: dict[CaseKey, str] = {}
        for line, row in read_table(table, required=("case", "part")):
            case, part = row["case"], row["part"]
            first = assignments.setdefault(("", case), part)
            if part not in PARTS:
                problems.add(f"line {line}: expected a part {', '.join(PARTS)}, received {part!r}")
            elif part != first:
                problems.add(f"line {line}: the case {case} is in {first} and in {part}")
        problems.raise_if_any()
        return cls(assignments, seed=0, rule=f"given in {table.name}")

    def _content(self) -> dict[str, Any]:
        cases: dict[str, dict[str, str]] = defaultdict(dict)
        for (source, case), part in self.assignments.items():
            cases[source][case] = part
        return {"seed": self.seed, "rule": self.rule, "cases": cases}


def case_key(item: Any) -> CaseKey:
    """Return (source, case) of a record; items without a source (a manifest's) share source ""."""
    return getattr(item, "source", ""), item.case


def split_by_case(
    items: Iterable[Any], fractions: Mapping[str, float] | None = None, seed: int = 0
) -> Split:
    """Return a seeded split of the items' cases, stratified by source and by label.

    `items` have `case`, and perhaps `source`, `label` and `reserved`. A stratum is the cases of one
    source that have, or do not have, an abnormal item; each part gets its fraction of the stratum's
    items, off by less than its largest case. Cases with a `reserved` item (truly aneuploid cells)
    go half to calibration and half to test.
    `fractions` maps parts to shares that sum to 1 (default FRACTIONS).
    """
    fractions = dict(FRACTIONS if fractions is None else fractions)
    _check_fractions(fractions)
    assignments: dict[CaseKey, str] = {}
    for (_, _, reserved), weights in sorted(_strata(items).items()):
        shares = dict.fromkeys(RESERVED_FOR, 0.5) if reserved else fractions
        assignments.update(_share_out(weights, shares, seed))
    return Split(assignments, seed)


def check_leaks(split: Split, items: Iterable[Any]) -> None:
    """Raise ManifestError when a part can see another's data; see check_parts.

    Items of a case that the split does not know, and reserved items outside RESERVED_FOR, are
    problems too. Reads every file once to compare contents: about five seconds for 50,000 crops.
    """
    items = list(items)
    problems = Problems("the split")
    for key in sorted({case_key(item) for item in items} - split.assignments.keys()):
        problems.add(f"the case {'/'.join(key)} is in no part")
    problems.raise_if_any()
    for item in items:
        if getattr(item, "reserved", False) and split.of(item) not in RESERVED_FOR:
            problems.add(f"an aneuploid cell of {'/'.join(case_key(item))} is in {split.of(item)}")
    problems.raise_if_any()
    check_parts({part: split.select(items, part) for part in PARTS})


def check_parts(parts: Mapping[str, Sequence[Any]]) -> None:
    """Raise ManifestError when two parts share a case, or a file of the very same content.

    `parts` maps part names to the items actually used for them: records with `case`, and files in
    `path` or in the `path` of each of their `chromosomes`.
    """
    problems = Problems("leak between parts")
    part_of_case: dict[CaseKey, str] = {}
    part_of_content: dict[bytes, tuple[str, Path]] = {}
    for part, items in parts.items():
        for item in items:
            key = case_key(item)
            if part_of_case.setdefault(key, part) != part:
                problems.add(f"the case {'/'.join(key)} is in {part_of_case[key]} and in {part}")
            for path in _files(item):
                digest = hashlib.sha256(path.read_bytes()).digest()
                other, first = part_of_content.setdefault(digest, (part, path))
                if other != part:
                    problems.add(f"{first} in {other} and {path} in {part} have the same content")
    problems.raise_if_any()


def _files(item: Any) -> Iterator[Path]:
    if hasattr(item, "chromosomes"):
        for record in item.chromosomes:
            yield record.path
    else:
        yield Path(item.path)


def _check_part(name: str) -> None:
    if name not in PARTS:
        raise ValueError(f"expected a part {PARTS}, received {name!r}")


def _check_fractions(fractions: Mapping[str, float]) -> None:
    for part in fractions:
        _check_part(part)
    if min(fractions.values(), default=-1) < 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise ValueError(f"expected fractions that sum to 1, received {dict(fractions)}")


def _strata(items: Iterable[Any]) -> dict[tuple[str, bool, bool], dict[CaseKey, int]]:
    """Return (source, has an abnormal item, has a reserved item) -> its cases and their weights.

    A case weighs as many items as it has; a reserved case as many as are reserved.
    """
    total: Counter[CaseKey] = Counter()
    abnormal: Counter[CaseKey] = Counter()
    reserved: Counter[CaseKey] = Counter()
    for item in items:
        key = case_key(item)
        total[key] += 1
        abnormal[key] += getattr(item, "label", "") == ABNORMAL
        reserved[key] += bool(getattr(item, "reserved", False))
    strata: dict[tuple[str, bool, bool], dict[CaseKey, int]] = defaultdict(dict)
    for key, count in total.items():
        stratum = (key[0], abnormal[key] > 0, reserved[key] > 0)
        strata[stratum][key] = reserved[key] or count
    if not strata:
        raise ManifestError("expected at least one case to split, received none")
    return strata


def _share_out(
    weights: Mapping[CaseKey, int], shares: Mapping[str, float], seed: int
) -> dict[CaseKey, str]:
    """Return case -> part: heaviest case first, each to the part that lacks the most items.

    Cases are unequal (one person may have a dozen cells): counting cases alone would leave a small
    source with next to nothing to be measured on. Equally heavy cases come in hashed order.
    """

    def order(key: CaseKey) -> tuple[int, bytes]:
        return -weights[key], hashlib.sha256(json.dumps([seed, *key]).encode()).digest()

    lacking = {part: share * sum(weights.values()) for part, share in shares.items() if share > 0}
    assignments = {}
    for key in sorted(weights, key=order):
        part = max(lacking, key=lacking.__getitem__)
        lacking[part] -= weights[key]
        assignments[key] = part
    return assignments

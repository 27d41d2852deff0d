"""ISCN strings for gains, losses and structural abnormalities of a single cell.

Source: ISCN 2024, chapters on number and on structural rearrangements. Mosaic or clonal notation
is never produced: one cell cannot support it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from screening.classes import AUTOSOMES, CHROMOSOMES


def karyotype(counts: Mapping[str, int], markers: int = 0, structural: Collection[str] = ()) -> str:
    """Return the ISCN string of one cell, e.g. "46,XX", "47,XY,+21", "45,X" or "69,XXY".

    `counts` maps chromosome names ("1"…"22", "X", "Y") to how many stand in the cell (missing
    names count 0); `markers` is the number of marker chromosomes. Gains and losses are given
    against the ploidy (2, or 3 and 4 when the autosomes' median says so), sex chromosomes in the
    order X, Y. `structural` are abnormalities in ISCN, "t(9;22)(q34;q11.2)": rearranged chromosomes
    are counted with the class of their centromere, a Robertsonian one with the first it names.
    ValueError for a negative count.
    """
    if markers < 0 or any(n < 0 for n in counts.values()):
        raise ValueError(f"expected counts of 0 or more, received {dict(counts)}, {markers=}")
    sex = "X" * counts.get("X", 0) + "Y" * counts.get("Y", 0)
    total = sum(counts.get(name, 0) for name in AUTOSOMES) + len(sex) + markers
    explained = dict(counts)
    for change in structural:
        names = chromosomes_of(change)
        if change.startswith("rob"):
            explained[names[1]] = explained.get(names[1], 0) + 1
        for name in names:
            # ISCN writes the normal sex chromosomes first and the rearranged one by itself.
            sex = sex.replace(name, "", 1)
    autosomes = [explained.get(name, 0) for name in AUTOSOMES]
    ploidy = max(2, sorted(autosomes)[len(autosomes) // 2])
    found: list[tuple[int, str]] = []
    for place, (name, count) in enumerate(zip(AUTOSOMES, autosomes, strict=True)):
        found += [(place, f"{'+' if count > ploidy else '-'}{name}")] * abs(count - ploidy)
    for change in structural:
        first = chromosomes_of(change)[0]
        found.append((-1 if first in ("X", "Y") else CHROMOSOMES.index(first), change))
    parts = [str(total), *([sex] if sex or structural else ["-X"])]
    # The sort is stable: a number comes before a rearrangement of the same chromosome.
    parts += [change for _, change in sorted(found, key=lambda entry: entry[0])]
    if markers:
        parts.append("+mar" if markers == 1 else f"+{markers}mar")
    return ",".join(filter(None, parts))


def chromosomes_of(change: str) -> list[str]:
    """Return the chromosomes that a structural abnormality names: ["9", "22"] of "t(9;22)(…)".

    ValueError when its first parentheses hold anything but chromosomes.
    """
    names = change.partition("(")[2].partition(")")[0].split(";")
    if not all(name in CHROMOSOMES for name in names):
        raise ValueError(f"expected an abnormality such as t(9;22)(q34;q11.2), received {change!r}")
    return names


_BEGINS = r"\d{2}\s?[,.]\s?[XY]{1,6}(?!\w)"
_CHANGE = rf"\s?,\s?(?!{_BEGINS})[^\s,/\[]*[\d(+-][^\s,/\[]*"
_PRINTED = re.compile(rf"(?<![\w-])({_BEGINS})((?:{_CHANGE})*)", re.IGNORECASE)


def karyotypes_in(text: str) -> tuple[str, ...]:
    """Return the karyotypes that stand in free text, as "47,XY,+21" in "Result: 47, XY, +21 (GTG)":
    number, sex chromosomes and what follows them, without blanks; those of a mosaic one by one.

    Nothing is checked but the form, so that a wrong one is found as well.
    """
    found = []
    for begins, rest in _PRINTED.findall(text):
        number, sex = re.split(r"\s?[,.]\s?", begins)
        changes = [part.strip(" .") for part in rest.split(",")[1:]]
        found.append(",".join([number, sex.upper(), *changes]))
    return tuple(dict.fromkeys(found))


_VARIANT = re.compile(r"\w{1,2}[pq](?:h|s|stk|cenh)[+-]+|inv\(9\)\(p1[12]q1[23]\)")
"""Heteromorphisms, which are named and mean nothing (ISCN 2024, chapter on normal variants)."""


def say_the_same(first: str, second: str) -> bool:
    """Return whether two karyotypes name the same changes, in whatever order; normal variants such
    as 9qh+ are none."""
    own, other = (
        sorted(part for part in text.split(",") if not _VARIANT.fullmatch(part))
        for text in (first, second)
    )
    return own == other


def problem_of(text: str) -> str:
    """Return in words what is wrong with the ISCN karyotype `text`, "" when it follows the grammar.

    Written for people who type. Clones of a mosaic ("mos 47,XX,+21[5]/46,XX[15]") are judged one by
    one, and that numbers add up where nothing joins two chromosomes.
    """
    from iscn_authenticator import validate_karyotype  # slow to import, and only for people's text

    clones = text.removeprefix("mos").strip().split("/")
    for clone in clones:
        bare = re.sub(r"\[\d+\]$", "", clone.strip())
        said = validate_karyotype(bare)
        problem = "; ".join(str(each).strip().rstrip(".") for each in said.errors)
        if said.valid:
            problem = _wrong_sum(bare)
        elif not problem:
            problem = "not understood"
        if problem:
            return f"{bare}: {problem}" if len(clones) > 1 else problem
    return ""


def _wrong_sum(clone: str) -> str:
    """Say that the number of chromosomes is not that of the changes, where that can be told."""
    count, sex, *changes = (part.strip() for part in clone.split(","))
    joined = re.compile(r"[?~<>]|dic|der|rob|cen|idem|sl|x\d|tas|hsr|dmin|r\(|\([XY]")
    if not all(changes):
        return "a comma with nothing behind it"
    if not count.isdecimal() or int(count) > 57 or any(map(joined.search, [sex, *changes])):
        return ""
    total = 44 + len(sex)
    for change in changes:
        if change in ("-X", "-Y"):
            continue  # an acquired loss, "45,X,-Y": the sex chromosomes named are those left
        many = re.match(r"\+(\d+)mar", change)
        total += int(many[1]) if many else {"+": 1, "-": -1}.get(change[0], 0)
    if total == int(count):
        return ""
    return f"{count} chromosomes are named, but the sex chromosomes and changes make {total}"

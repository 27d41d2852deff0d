"""What a bundle has seen before: files by their content, people by their case under any source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from screening.bundle_schema import BundleInfo
from screening.classes import ABNORMAL, NORMAL
from screening.data.pool import POOLED
from screening.errors import ManifestError
from screening.words import counted, first_of

if TYPE_CHECKING:
    from screening.assess.labelled import LabelledPicture

TRAINED_ON = "seen"
"""Key of BundleInfo.data for all that trained, as `trained_on` returns it."""
TRAINED, CALIBRATED = "trained", "calibrated"
NAMED = 5
"""How many pictures a sentence names before it only counts the rest."""


RENAME = (
    "If these are other people whose cases have the same names by chance, put a word of your own "
    "before each name, as in mylab-12"
)


@dataclass(frozen=True)
class Sighting:
    """A picture that the bundle knows: what it did to the bundle (`role`: trained, calibrated),
    whether the very file is known, as which case its person is ("" when not), and how the manifest
    contradicts what the bundle saw ("" when it does not)."""

    picture: str
    role: str
    content: bool
    case: str = ""
    relabelled: str = ""

    @property
    def by(self) -> str:
        """Return by what the picture was recognised, in words."""
        return ", ".join(["content"] * self.content + [self.case] * bool(self.case))

    def __str__(self) -> str:
        return f"{self.picture} ({self.by})"


@dataclass(frozen=True)
class _Seen:
    images: frozenset[str]
    cases: frozenset[str]
    labels: Mapping[str, str]


def case_hash(source: str, case: str) -> str:
    """Return a name for a case that can be compared but not read: sha256, 16 digits."""
    return hashlib.sha256(f"{source}\0{case}".encode()).hexdigest()[:16]


def trained_on(
    cases: Iterable[tuple[str, str]], pictures: Iterable[LabelledPicture] = ()
) -> dict[str, Any]:
    """Return what to keep under TRAINED_ON: hashes of (source, case) of all that trained, the
    sources' names, and their files as `files_of` tells them."""
    people = set(cases)
    return {
        "cases": sorted(case_hash(source, case) for source, case in people),
        "sources": sorted({source for source, _ in people} - {""}),
        **files_of(pictures),
    }


def files_of(pictures: Iterable[LabelledPicture]) -> dict[str, Any]:
    """Return `images`, the sorted sha256 of the pictures, and their `labels` by sha256."""
    labels = {p.sha256: ABNORMAL if p.abnormal else NORMAL for p in pictures}
    return {"images": tuple(sorted(labels)), "labels": dict(sorted(labels.items()))}


def recognise(info: BundleInfo, pictures: Iterable[LabelledPicture]) -> list[Sighting]:
    """Return the pictures that the bundle has seen, in their order.

    Files are known by sha256, people by their case under its own source, none, and every source
    that the bundle names. Bundles that do not list their files know people alone.
    """
    known, sources = _memory(info), sources_of(info)
    found = []
    for picture in pictures:
        names = {
            case_hash(source, case): (source, case) for source, case in _names(picture, sources)
        }
        roles = [
            role
            for role, seen in known.items()
            if picture.sha256 in seen.images or names.keys() & seen.cases
        ]
        if roles:
            cases = frozenset().union(*(seen.cases for seen in known.values()))
            case = next((_said(*name) for key, name in names.items() if key in cases), "")
            files = [seen for seen in known.values() if picture.sha256 in seen.images]
            wrong = _relabelled(picture, files, case)
            found.append(Sighting(picture.id, roles[0], bool(files), case, wrong))
    return found


def sources_of(info: BundleInfo) -> list[str]:
    """Return every source that the bundle names, sorted."""
    named = {*info.data.get("sources", ()), *str(info.data.get("left_out", "")).split(", ")}
    named |= {*info.data.get(TRAINED_ON, {}).get("sources", ())}
    if info.calibration is not None:
        named |= {*info.calibration.sources}
    return sorted(named - {""})


def told(sightings: Sequence[Sighting]) -> str:
    """Return how many pictures are known and by what, with the first names."""
    counts = []
    for role in (TRAINED, CALIBRATED):
        own = [s for s in sightings if s.role == role]
        if own:
            content, case = sum(s.content for s in own), sum(bool(s.case) for s in own)
            counts.append(
                f"{counted(len(own), 'picture')} {'has' if len(own) == 1 else 'have'} {role} it "
                f"({content} known by content, {case} by case)"
            )
    names = first_of(sightings, NAMED)
    return f"this bundle has seen some of these: {' and '.join(counts)}: {names}"


def compared(info: BundleInfo) -> str:
    """Return in words with what `recognise` could compare."""
    counts = ", ".join(
        f"{len(seen.images)} files and {len(seen.cases)} people that {role} it"
        for role, seen in _memory(info).items()
    )
    sources = ", ".join(sources_of(info))
    under = f", as cases of the source given, of none, or of {sources}" if sources else ""
    return f"compared with {counts or 'nothing: it lists nobody'}{under}"


def refuse_relabelled(sightings: Iterable[Sighting]) -> None:
    """Raise ManifestError that names every known file that has another label or case here."""
    wrong = [s for s in sightings if s.relabelled]
    if wrong:
        names = first_of([f"{s.picture}: {s.relabelled}" for s in wrong], NAMED, "; ")
        raise ManifestError(
            f"this bundle has seen {counted(len(wrong), 'picture')} of these with another label or "
            f"case: {names}. Mend the manifest, or leave them out"
        )


def _memory(info: BundleInfo) -> dict[str, _Seen]:
    """What the bundle lists, by role."""
    found = {}
    kept = info.data.get(TRAINED_ON)
    if kept:
        images, cases = frozenset(kept.get("images", ())), frozenset(kept.get("cases", ()))
        found[TRAINED] = _Seen(images, cases, kept.get("labels", {}))
    if info.calibration is not None:
        shown = info.calibration
        found[CALIBRATED] = _Seen(frozenset(shown.images), frozenset(shown.cases), shown.labels)
    return found


def _names(picture: LabelledPicture, sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every (source, case) under which the bundle may know the picture's person."""
    for name in dict.fromkeys((picture.patient, picture.case)):
        source, slash, inside = name.rpartition("/")  # as `evaluate` itself names cases
        for case in (name, inside) if slash else (name,):
            bare = case.removeprefix(POOLED)
            for own in dict.fromkeys((picture.source, source, "", *sources)):
                for other in dict.fromkeys((case, bare, POOLED + bare)):
                    yield own, other


def _said(source: str, case: str) -> str:
    return f"case {case} of {source}" if source else f"case {case}"


def _relabelled(picture: LabelledPicture, files: Sequence[_Seen], case: str) -> str:
    label = ABNORMAL if picture.abnormal else NORMAL
    if any(seen.labels.get(picture.sha256, label) != label for seen in files):
        return f"{label} here, not then"
    return f"case {picture.case} here, another then" if files and not case else ""

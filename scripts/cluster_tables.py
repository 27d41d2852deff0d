"""The tables of reports/clusters.md, from what was measured page by page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from cluster_types import (
    DARK,
    FOUND,
    NEAR,
    NOTHING,
    PALE,
    STAGES,
    THIN,
    TYPES,
    Cluster,
    Shown,
    confusion,
)

from screening.benchmark.measures import interval
from screening.metrics import markdown_table

ANCHORS = (
    ("type of a cluster, the same four", "Lin et al. 2021 (ResNeXt WSL)", "accuracy 94.09 %",
     "6,592 clusters cut out of metaphases of one hospital, typed by hand"),
    ("touching; one, two or more overlaps", "Somasundaram 2019 (CNN)", "accuracy 98.4 %",
     "a hospital's own; four other types"),
    ("two that overlap", "Hu et al. 2017 (small U-Net)",
     "IoU 94.7, 88.2, 94.4 % of the three regions",
     "13,434 pairs of 94 × 93 pixels laid by computer, fluorescent"),
    ("two that overlap", "Wang et al. 2021 (ARMS Net)", "IoU 99.45, 99.77, 99.88 %", "the same"),
    ("two that overlap", "Mei et al. 2022", "IoU 97.09, 98.93, 94.37 %", "the same"),
    ("several that overlap", "Cao et al. 2020 (ChromSeg)",
     "overlaps found 99.1 %, put together rightly 91.3 %",
     "345 clusters of 256 × 256 pixels that cross, marked by experts"),
    ("several that overlap", "Liu et al. 2022 (region selection)",
     "overlaps found 97.39 %, put together rightly 92.86 %", "the same"),
    ("instances in a cluster", "Huang et al. 2022 (Mask R-CNN)",
     "mAP 77 %, AP50 97.5 %, AP75 95.5 %",
     "1,655 clusters of a hospital, 4,766 chromosomes outlined by experts"),
)  # fmt: skip
"""What, who, figure, data: of clusters of metaphases, as the review of Luo & Zhao 2023 has them."""

Found = tuple[Shown, Cluster]


def of_type(shown: Iterable[Shown], kind: str) -> list[Found]:
    """Return the clusters of a true type, each with its page."""
    return [(page, cluster) for page in shown for cluster in page.clusters if cluster.true == kind]


def share(values: Sequence[float], pages: Sequence[Shown], digits: int = 3) -> str:
    """Return a mean with its interval by persons."""
    if not len(values):
        return "–"
    people = np.array([f"{page.source}/{page.person}" for page in pages])
    mean, (low, high) = float(np.mean(values)), interval(np.asarray(values, float), people)
    if np.isnan(low):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def _right(found: Sequence[Found], stage: str) -> str:
    values = [float(getattr(each, stage) == len(each.members)) for _, each in found]
    return share(values, [page for page, _ in found])


def _lengths(found: Sequence[Found]) -> tuple[str, str]:
    off = [abs(m.length - 1) for _, each in found for m in each.members if m.iou >= FOUND]
    if not off:
        return "–", "–"
    return f"{100 * np.median(off):.1f} %", f"{100 * np.percentile(off, 90):.1f} %"


def _ious(found: Sequence[Found]) -> tuple[str, str]:
    """The mean IoU with its interval, and the mean Dice."""
    both = [(page, member.iou) for page, each in found for member in each.members]
    iou = np.array([value for _, value in both])
    dice = f"{(2 * iou / (1 + iou)).mean():.3f}" if len(iou) else "–"
    return share(iou.tolist(), [page for page, _ in both]), dice


def by_type(shown: Sequence[Shown]) -> str:
    """Return the table of what was found, by preparation and type."""
    rows = []
    for look in dict.fromkeys(page.look for page in shown):
        for kind in TYPES:
            found = of_type([page for page in shown if page.look == look], kind)
            if not found:
                continue
            iou, dice = _ious(found)
            few = sum(each.after < len(each.members) for _, each in found)
            many = sum(each.after > len(each.members) for _, each in found)
            cut = [float(each.cut) for _, each in found]
            rows.append((
                look, kind, len(found), sum(len(each.members) for _, each in found),
                _right(found, "before"), _right(found, "after"), f"{few}, {many}",
                share(cut, [page for page, _ in found]), iou, dice, *_lengths(found),
            ))  # fmt: skip
    return markdown_table(
        ("preparation", "true type", "clusters", "chromosomes", "number right, by shape",
         "number right, classifier chose", "too few, too many", "each found and nothing else",
         "IoU", "Dice", "length off, median", "90 %"), rows,
    )  # fmt: skip


def by_laboratory(shown: Sequence[Shown]) -> str:
    """Return the table of what was found, by laboratory, preparation and type."""
    rows = []
    for source, look in dict.fromkeys((page.source, page.look) for page in shown):
        own = [page for page in shown if (page.source, page.look) == (source, look)]
        for kind in TYPES:
            found = of_type(own, kind)
            if found:
                people = len({page.person for page, _ in found})
                rows.append((
                    source, look, kind, len(found), people, _right(found, "before"),
                    _right(found, "after"), _ious(found)[0], *_lengths(found),
                ))  # fmt: skip
    return markdown_table(
        ("laboratory", "preparation", "true type", "clusters", "of people",
         "number right, by shape", "number right, classifier chose", "IoU", "length off, median",
         "90 %"), rows,
    )  # fmt: skip


def of_overlaps(shown: Sequence[Shown]) -> str:
    """Return the table of whom overlapped ink belongs to, as found and completed."""
    rows: list[tuple[object, ...]] = []
    for look in (*dict.fromkeys(page.look for page in shown), "all"):
        own = [page for page in shown if look in (page.look, "all")]
        found = [(page, each) for page in own for each in page.overlaps]
        if not found:
            continue
        for place, what in enumerate(STAGES):
            two, one, none, wrong = np.sum([each[place] for _, each in found], 0)
            ink = two + one + none
            mean = [each[place][0] / sum(each[place][:3]) for _, each in found]
            rows.append((
                look, what, len(found), int(ink), two / ink, one / ink, none / ink,
                share(mean, [page for page, _ in found]), wrong / ink, two / (ink + wrong),
            ))  # fmt: skip
    return markdown_table(
        (
            "preparation",
            "pieces",
            "overlaps",
            "pixels shared",
            "in both",
            "in one",
            "in neither",
            "in both, mean of overlaps",
            "wrongly in both, per pixel shared",
            "IoU of the overlaps",
        ),
        rows,
    )


def of_members(shown: Sequence[Shown]) -> str:
    """Return the table of chromosomes' IoU as found and completed, by type."""
    rows = []
    for kind in TYPES:
        both = [(page, m) for page, each in of_type(shown, kind) for m in each.members]
        pages = [page for page, _ in both]
        rows.append((
            kind, len(both), share([m.iou for _, m in both], pages),
            *(share([m.ious[place] - m.iou for _, m in both], pages, 4)
              for place in range(1, len(STAGES))),
        ))  # fmt: skip
    return markdown_table(
        ("true type", "chromosomes", "IoU as found", *(f"gain, {what}" for what in STAGES[1:])),
        rows,
    )


def told_types(shown: Sequence[Shown]) -> str:
    """Return the confusion matrices of the true and the told types, by preparation."""
    rows = []
    for look in dict.fromkeys(page.look for page in shown):
        own = [page for page in shown if page.look == look]
        matrix = confusion([(c.true, c.told) for page in own for c in page.clusters])
        for kind, line in zip(TYPES, matrix.tolist(), strict=True):
            found = of_type(own, kind)
            right = [float(each.told == kind) for _, each in found]
            rows.append((look, kind, *line, share(right, [page for page, _ in found])))
    return markdown_table(
        ("preparation", "true type", *(f"told {kind}" for kind in (*TYPES, NOTHING)),
         "told rightly"), rows,
    )  # fmt: skip


def told_rightly(shown: Sequence[Shown]) -> str:
    """Return the table of how many types were told rightly, by laboratory and preparation."""
    rows = []
    groups: list[tuple[str, str]] = [*dict.fromkeys((page.source, page.look) for page in shown)]
    for source, look in (*groups, *(("all", look) for look in dict.fromkeys(g[1] for g in groups))):
        own = [p for p in shown if p.look == look and source in (p.source, "all")]
        every = [(page, each) for page in own for each in page.clusters]
        several = [(page, each) for page, each in every if len(each.members) > 1]
        matrix = confusion([(each.true, each.told) for _, each in every])
        of_each = np.diag(matrix)[matrix.sum(1) > 0] / matrix.sum(1)[matrix.sum(1) > 0]
        rows.append((
            source, look, len(own), len(every),
            *(share([float(each.told == each.true) for _, each in some], [p for p, _ in some])
              for some in (every, several)), f"{of_each.mean():.3f}",
        ))  # fmt: skip
    return markdown_table(
        ("laboratory", "preparation", "pages", "clusters", "type right, all",
         "type right, of two and more", "mean of the types"), rows,
    )  # fmt: skip


def anchors() -> str:
    """Return the table of published figures."""
    return markdown_table(("what", "who", "figure", "data"), ANCHORS)


def report(shown: Sequence[Shown]) -> str:
    """Return the report as markdown, of pages of test people."""
    people = {source: {page.person for page in shown if page.source == source}
              for source in dict.fromkeys(page.source for page in shown)}  # fmt: skip
    whose = ", ".join(f"{source} {len(them)}" for source, them in people.items())
    refused = sum(page.refused for page in shown)
    return f"""{len(shown)} pages, composed from people of the test part of the build's split,
who taught nothing in the bundle: of each laboratory as many in *good* preparation (nothing bent,
leaning or drawn over it; homologs stand apart or side by side, up to a fifth over one another), as
many *worn* (hooks, leaning and overlapping homologs, open chromatids, arrows) and as many
*crowded*. These are no person's: a third of the classes have one homolog too many or too few, and
half of the homologs lean; without three in a slot no cluster has both kinds of meetings. People:
{whose}; tseng's cells are pooled from several people, and each cell counts as one of them. Refused
by the gate, and measured all the same: {refused}. In brackets 95 % intervals when people are drawn
anew (bootstrap); of a few people they are too narrow.

**Truth.** The composer lays each chromosome's picture by itself; its ink is what is darker than
245, before the page is developed. Chromosomes whose ink adjoins (8 neighbours) or is shared are one
cluster. A pair *overlaps* where its shared ink is thicker than {THIN:g} of the page's typical
chromosome width (and 2 pixels); else only rims meet, and it *touches*. A cluster with pairs of both
kinds is *touching-overlapping*. The marks of a page (letters, rules, arrows) belong to no cluster.

**Found.** What `screening screen` finds: *by shape* before, and after the *classifier chose*
between cuttings and parted what stands side by side; everything but that column is of the latter. A
piece belongs to the chromosome that holds most of it, if that is half of it. Pieces and chromosomes
are matched one to one by intersection over union (IoU); from {FOUND:g} on a chromosome is found,
and of those that are found the length along the axis is compared with that of its true ink, by the
same function. IoU counts a chromosome's whole ink, what lies under another one too, and 0 for one
that has no piece. Of chromosomes alone it is below 1 since the page is blurred, printed and
normalised, and found ink is what is darker than 240 then.

## By type

{by_type(shown)}
## By laboratory

{by_laboratory(shown)}
## Whom an overlap belongs to

The program's pieces share no pixel: each pixel has one owner, so that an overlap goes to one of the
two or is divided between them. *Completed* are two rules on top of it, which the program does not
have: of each two pieces that are told to overlap (below) either gets the other's ink inside its own
convex hull, or within {NEAR:g} widths. *In both*, *in one*, *in neither*: shares of the truly
shared ink in the two pieces of the pair; *IoU of the overlaps*: of ink in both pieces and ink truly
shared, over all pixels.

{of_overlaps(shown)}
What completing does to each chromosome's IoU:

{of_members(shown)}
## Telling the type

From the found pieces alone: where two come as near as {NEAR:g} widths, the mean ink within that
reach of the other, over the mean ink of both pieces, is under {PALE:g} where they stand apart (the
pale rims meet), from {DARK:g} on where they overlap (light has passed through both), and between
these where they touch. The two limits are the best of a grid on pages of validation people; nothing
else was fitted. A cluster's type follows from the pairs of its pieces; two chromosomes found as one
are told to be an instance. Of types as unequally frequent as these, *type right, all* is mostly
that of chromosomes alone; *mean of the types* gives each the same weight.

{told_types(shown)}
{told_rightly(shown)}
## Published, for comparison

Not the same pictures, and no comparison of methods: those are clusters of metaphases, in which
chromosomes cross at any angle; in a karyogram, composed or real, neighbours stand upright and side
by side, and most clusters are pairs of homologs.

{anchors()}"""

"""Does a certified threshold keep its promise? Seeded simulation against closed-form truth.

    python scripts/measure_guarantee.py [--repetitions 2000] [--seed 0]

Scores of abnormal cases are drawn from known distributions, so the true recall of every threshold
is known exactly; thousands of calibration sets are drawn, a threshold is certified on each, and the
share of sets is counted on which the certified threshold breaks the promise: with one case of each
person, several of each, two thresholds together, and cells pooled from several people counted as if
they were people. Writes reports/guarantee.md and .svg.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from report_header import add_report_arguments, begin, write
from scipy.stats import binom, norm
from scipy.stats import t as student

from screening.metrics import Proportion, markdown_table, proportion
from screening.uncertainty.risk_control import (
    ANY,
    BET,
    EXACT,
    MEAN,
    METHODS,
    Certificate,
    Promise,
    certify_pair,
    fixed_sequence,
    needed_units,
    p_values,
    tail,
)

PATH = np.arange(-80, 81) / 10
"""Thresholds in log-odds, the path of `screening tune`."""
MEAN_ABNORMAL, MEAN_NORMAL = 3.0, -3.0
PERSON, PAGE = 1.2, 0.6
"""Standard deviations of what all scores of a person share, and of what each has alone."""
TAILS: dict[str, tuple[Callable, Callable]] = {
    "normal": (lambda rng, n: rng.normal(0, 1.5, n), lambda x: norm.cdf(x, 0, 1.5)),
    "Student, 3 degrees": (lambda rng, n: rng.standard_t(3, n), lambda x: student.cdf(x, 3)),
}
DONORS = 5
"""People whose chromosomes a pooled cell shows."""


class Tally:
    """Counts over calibration sets: certified, promise broken, true recall, normal cases saved."""

    def __init__(self, recall: float, risk: np.ndarray, saved: np.ndarray) -> None:
        self.promise, self.risk, self.saved = Promise(recall), risk, saved
        self.last: list[int] = []
        self.sets = 0

    def add(self, p: np.ndarray) -> None:
        """Count a set whose thresholds have these p-values."""
        self.sets += 1
        passed = fixed_sequence(p, self.promise.delta)
        self.last += [passed - 1] if passed else []

    def cells(self) -> tuple[Proportion, Proportion, float, float]:
        """Return certified, broken, mean true recall, mean share of normal cases saved."""
        broken = int((self.risk[self.last] > self.promise.risk).sum()) if self.last else 0
        recall, saved = (
            float(values[self.last].mean()) if self.last else math.nan
            for values in (1 - self.risk, self.saved)
        )
        return (
            proportion(len(self.last), self.sets), proportion(broken, self.sets), recall, saved,
        )  # fmt: skip


def counts_below(scores: np.ndarray) -> np.ndarray:
    """Return how many scores lie under each threshold of the path."""
    return np.searchsorted(np.sort(scores), PATH)


def one_each(
    shape: str, recall: float, n: int, repetitions: int, rng: np.random.Generator
) -> tuple[object, ...]:
    """Return a line of the table: one abnormal case per patient."""
    draw, cdf = TAILS[shape]
    risk = cdf(PATH - MEAN_ABNORMAL)
    certified = Tally(recall, risk, cdf(PATH - MEAN_NORMAL))
    allowed_risk = certified.promise.risk
    p_of = tail(np.arange(n + 1), n, allowed_risk)
    plugged = 0
    for _ in range(repetitions):
        below = counts_below(MEAN_ABNORMAL + draw(rng, n))
        certified.add(p_of[below])
        naive = fixed_sequence(below / n, allowed_risk)  # the sample's own recall, at its word
        plugged += bool(naive and risk[naive - 1] > allowed_risk)
    # Misses only grow along the path, so the promise breaks exactly when the first threshold that
    # is truly too risky still passes: a binomial probability.
    first = int(np.argmax(risk > allowed_risk))
    exact = float(binom.cdf(_allowed(n, certified.promise), n, risk[first]))
    sets, broken, reached, saved = certified.cells()
    return shape, recall, n, sets, broken, exact, proportion(plugged, repetitions), reached, saved


def pairs(n: int, repetitions: int, rng: np.random.Generator) -> tuple[object, ...]:
    """Return a line of the table: both thresholds certified together; either may break."""
    promise, most = Promise(0.95), 0.05
    risk, flags = norm.cdf(PATH, 1, 1.5), norm.sf(PATH, -1, 1.5)
    broken = both = 0
    for _ in range(repetitions):
        abnormal, normal = rng.normal(1, 1.5, n), rng.normal(-1, 1.5, n)
        low, flag = certify_pair(
            abnormal[:, None] < PATH, normal[:, None] >= PATH, PATH, promise, most
        )
        found = [isinstance(c, Certificate) for c in (low, flag)]
        both += all(found)
        broken += (found[0] and risk[low.index] > promise.risk) or (
            found[1] and flags[len(PATH) - 1 - flag.index] > most
        )
    return n, proportion(both, repetitions), proportion(broken, repetitions)


def pooled(
    people: int, cells: int, shared: int, repetitions: int, rng: np.random.Generator
) -> list[tuple[object, ...]]:
    """Return two lines of the table: pooled cells counted as people, and left out.

    A pooled cell has the mean of its DONORS' own effects: what makes a person hard is thinned out.
    `shared`: people who give all cells their chromosomes (0: everybody gives to one cell only).
    """
    risk, saved = _known()
    alone = earnable(people)
    counted, honest = Tally(0.95, risk, saved), Tally(alone, risk, saved)
    both = people + cells
    p_of = tail(np.arange(both + 1), both, counted.promise.risk)
    p_alone = tail(np.arange(people + 1), people, honest.promise.risk)
    for _ in range(repetitions):
        real = rng.normal(MEAN_ABNORMAL, np.hypot(PERSON, PAGE), people)
        donors = rng.normal(0, PERSON, shared or cells * DONORS)
        if shared:
            who = np.array([rng.choice(shared, DONORS, replace=False) for _ in range(cells)])
        else:
            who = np.arange(cells * DONORS).reshape(cells, DONORS)
        mixed = MEAN_ABNORMAL + donors[who].mean(axis=1) + rng.normal(0, PAGE, cells)
        counted.add(p_of[counts_below(np.r_[real, mixed])])
        honest.add(p_alone[counts_below(real)])
    lines = []
    for words, tally, exact in (
        ("counted as people", counted, math.nan if shared else _pooled_exact(people, cells)),
        ("left out", honest, _pooled_exact(people, 0, alone)),
    ):
        sets, broken, reached, _ = tally.cells()
        of = f"{cells} of {DONORS}" + (f" out of the same {shared}" if shared else "")
        lines.append((people, of, words, tally.promise.recall, sets, broken, exact, reached))
    return lines


def earnable(people: int, confidence: float = 0.95) -> float:
    """Return the highest recall, in hundredths, that so many people without a miss certify."""
    return math.floor(100 * (1 - confidence) ** (1 / people)) / 100


def _pooled_exact(people: int, cells: int, recall: float = 0.95) -> float:
    """The probability that the first threshold that is truly too risky for people still passes."""
    risk, _ = _known()
    promise = Promise(recall)
    first = int(np.argmax(risk > promise.risk))
    easier = norm.cdf(PATH[first], MEAN_ABNORMAL, np.hypot(PERSON / DONORS**0.5, PAGE))
    allowed = _allowed(people + cells, promise)
    missed = np.arange(allowed + 1)
    weights = binom.pmf(missed, people, risk[first])
    return float((weights * binom.cdf(allowed - missed, cells, easier)).sum())


def _allowed(n: int, promise: Promise) -> int:
    """How many of n may be missed; -1 when none may."""
    return int(np.sum(tail(np.arange(n + 1), n, promise.risk) <= promise.delta)) - 1


def _known() -> tuple[np.ndarray, np.ndarray]:
    """Share of abnormal and of normal cases of all people under each threshold."""
    wide = float(np.hypot(PERSON, PAGE))
    return norm.cdf(PATH, MEAN_ABNORMAL, wide), norm.cdf(PATH, MEAN_NORMAL, wide)


def clustered(
    patients: int, each: int, repetitions: int, rng: np.random.Generator, recall: float = 0.95
) -> list[tuple[object, ...]]:
    """Return lines of the table: several simulated abnormalities of each patient.

    A patient's own effect is shared by all of them, each has its own beside it: over patients the
    score of one abnormality is normal with the root of the sum of squares. Last the exact bound on
    the first abnormality of each, from the very same sets.
    """
    tallies = {name: Tally(recall, *_known()) for name in ("cases", BET, MEAN, ANY, EXACT)}
    promise = tallies[BET].promise
    p_of_cases = tail(np.arange(patients * each + 1), patients * each, promise.risk)
    for _ in range(repetitions):
        scores = rng.normal(MEAN_ABNORMAL, PERSON, (patients, 1))
        scores = scores + rng.normal(0, PAGE, (patients, each))
        missed = scores[:, :, None] < PATH
        counts = missed.sum(axis=1)
        tallies["cases"].add(p_of_cases[counts.sum(axis=0)])
        for name, method in METHODS.items():
            losses = counts > 0 if name == ANY else counts / each
            tallies[name].add(p_values(losses, promise.risk, method))
        tallies[EXACT].add(p_values(missed[:, 0], promise.risk))
    words = {
        "cases": f"cases as if independent ({EXACT})", **METHODS,
        EXACT: f"one case of each patient, {EXACT}",
    }  # fmt: skip
    return [(patients, each, recall, words[n], *tally.cells()) for n, tally in tallies.items()]


def patients_needed() -> list[tuple[object, ...]]:
    """Return lines: recall, how many patients have one of five abnormalities missed, and how many
    patients certify the recall then, by each bound."""
    lines = []
    for recall in (0.9, 0.95, 0.99):
        promise = Promise(recall)
        for missed in (0, 1, 2, 5, 10):
            needed: list[object] = []
            for method in METHODS.values():
                loss = 1.0 if method == METHODS[ANY] else 0.2
                n = max(20, missed)
                while p_values(_losses(n, missed, loss), promise.risk, method)[0] > promise.delta:
                    n += 1
                needed.append(n)
            lines.append((f"{recall:g}", missed, *needed))
    return lines


def curve(n: int, repetitions: int, rng: np.random.Generator) -> list[tuple[float, ...]]:
    """Return promised recall, and mean, 5 % quantile and share certified of the true recall."""
    draw, cdf = TAILS["normal"]
    risk = cdf(PATH - MEAN_ABNORMAL)
    drawn = [counts_below(MEAN_ABNORMAL + draw(rng, n)) for _ in range(repetitions)]
    lines = []
    for recall in (0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995):
        promise = Promise(recall)
        p_of = tail(np.arange(n + 1), n, promise.risk)
        passed = [fixed_sequence(p_of[below], promise.delta) for below in drawn]
        reached = np.array([1 - risk[k - 1] for k in passed if k])
        if len(reached):
            low = float(np.quantile(reached, 0.05))
            lines.append((recall, float(reached.mean()), low, len(reached) / repetitions))
    return lines


def draw_curve(lines: Sequence[tuple[float, ...]], n: int, to: Path) -> None:
    """Write the figure of achieved against promised recall."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    promised = [line[0] for line in lines]
    axes.plot(promised, promised, "--", color="0.5", label="promised")
    axes.plot(promised, [line[1] for line in lines], "o-", color="#1f4e79", label="mean achieved")
    axes.plot(
        promised, [line[2] for line in lines], "v-", color="#b00020", label="5 % of sets lower"
    )
    axes.set(
        xlabel="promised recall", ylabel="true recall at the certified threshold",
        title=f"{n} abnormal cases, 95 % confidence",
    )  # fmt: skip
    axes.grid(alpha=0.25)
    axes.legend()
    figure.savefig(to, metadata={"Date": None})
    to.write_text("".join(f"{line.rstrip()}\n" for line in to.read_text().splitlines()))


def main() -> None:
    """Run every simulation and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    add_report_arguments(parser)
    args = parser.parse_args()
    made_by, clock, many = begin(args), time.perf_counter(), args.repetitions
    rng = np.random.default_rng(args.seed)
    single = [
        one_each(shape, recall, n, many, rng)
        for shape in TAILS for recall, sizes in ((0.9, (29, 60, 150)), (0.95, (58, 59, 93, 300)),
                                                 (0.99, (298, 299, 600))) for n in sizes
    ]  # fmt: skip
    two = [pairs(n, many, rng) for n in (72, 150, 400)]
    mixed = [
        line for people, cells, shared in ((48, 22, 0), (48, 52, 0), (20, 50, 0), (20, 50, 30))
        for line in pooled(people, cells, shared, many, rng)
    ]  # fmt: skip
    groups = [
        line for patients, each in ((62, 5), (100, 5), (100, 20), (200, 5))
        for line in clustered(patients, each, many, rng)
    ] + clustered(48, 6, many, rng, earnable(48))  # fmt: skip
    promised = curve(300, many, rng)
    draw_curve(promised, 300, args.reports / "guarantee.svg")
    checked: list[Proportion] = [line[4] for line in single] + [line[2] for line in two]
    checked += [line[5] for line in groups if "as if" not in str(line[3])]
    checked += [line[5] for line in mixed if line[2] == "left out"]
    worst = max(checked, key=lambda share: share.value)
    fooled = max((line[5] for line in mixed), key=lambda share: share.value)
    text = [
        f"Measured in {time.perf_counter() - clock:.0f} s, from seed {args.seed}. "
        f"{many} calibration sets for each line; δ = 0.05 throughout. Of all {len(checked)} lines "
        f"that promise something, the one that broke it most often did so in **{worst}**; the "
        f"highest closed-form probability is {max(line[5] for line in single):.3f}. Cells pooled "
        f"from several people and counted as people broke it in up to **{fooled}**. "
        "A promise counts as broken when the *true* recall of the certified threshold, known in "
        "closed form, is below the promised one.\n",
        "## One abnormal case per patient: exact binomial, fixed sequence\n",
        "`exact`: the closed-form probability of a broken promise, with which the simulation must "
        "agree. `taken at its word`: the threshold at which the sample itself shows the promised "
        "recall, which is what a threshold chosen by eye on a validation set amounts to.\n",
        markdown_table(
            ("scores", "promised recall", "abnormal cases", "certified", "promise broken",
             "exact", "broken when taken at its word", "mean true recall",
             "normal cases of low priority"), single,
        ),
        "Without a miss 0.90, 0.95 and 0.99 take "
        + ", ".join(str(needed_units(Promise(r))) for r in (0.9, 0.95, 0.99))
        + " abnormal cases of different patients; with one miss "
        + ", ".join(str(needed_units(Promise(r), 1)) for r in (0.9, 0.95, 0.99))
        + ".\n",
        "## Cells pooled from several people\n",
        f"A pooled cell shows chromosomes of {DONORS} people, so that what makes a person hard is "
        f"thinned out: its score has the mean of {DONORS} people's own effects (standard deviation "
        f"{PERSON:g} over people, {PAGE:g} over pages of one). Counted as people, they make a "
        "calibration set easier than people are, and the promise to people breaks more often than "
        "it may; that the cells share nobody helps little. Left out, the promise is "
        "smaller and kept. `build` therefore composes no pooled cell for calibration, and `tune` "
        "refuses them by name.\n",
        markdown_table(
            ("people", "pooled cells", "pooled cells are", "promised recall", "certified",
             "promise broken", "exact", "mean true recall"), mixed,
        ),
        "## Low-priority and flag together, δ / 2 each\n",
        "Recall 0.95 and at most 0.05 of normal cases flagged; broken when either is.\n",
        markdown_table(("cases of each kind", "both certified", "either broken"), two),
        "## Several simulated abnormalities of each patient\n",
        "Cases of one patient share the patient's chromosomes. Counted as if independent they "
        "certify from too few patients and break the promise; a bound by patient keeps it. More "
        "abnormalities per patient sharpen a patient's own share missed, they never replace a "
        "patient: 0.95 still takes 59 patients (62 by betting), 0.99 takes 299 (314).\n",
        markdown_table(
            ("patients", "abnormalities each", "promised recall", "bound", "certified",
             "promise broken", "mean true recall", "normal cases of low priority"), groups,
        ),
        "Patients needed when this many of them have one of five abnormalities missed:\n",
        markdown_table(
            ("recall", "patients with one of five missed", *METHODS.values()), patients_needed()
        ),
        "**Which one the bundle's certificate uses.** One case of each person and the exact "
        "binomial tail. Both bounds promise for a random abnormality of a random person; the exact "
        "one asks for nothing but independent people, has nothing to choose (the bet has its "
        "stake), and anybody can check it by hand: n people without a miss certify "
        f"0.05^(1/n), 48 of them {0.05 ** (1 / 48):.4f}, so that {earnable(48):g} is fixed "
        "by their number before anybody looks. Without a miss the bet certifies less of the same "
        "people. It is the better one where several people have single abnormalities missed and "
        "all their pages count; the last lines of the table above show both on the same sets. "
        "`tune --cluster` offers it for such data.\n",
        "## Achieved against promised\n",
        "300 abnormal cases. ![achieved against promised](guarantee.svg)\n",
        markdown_table(
            ("promised recall", "mean true recall", "5 % of sets are lower", "sets certified"),
            promised,
        ),
    ]  # fmt: skip
    title, none = "Does a certified threshold keep its promise?", "the scores are drawn"
    write(args, "guarantee.md", title, made_by, none, none, "\n".join(text))
    print(f"worst: {worst}")


def _losses(patients: int, missed: int, loss: float) -> np.ndarray:
    return (loss * (np.arange(patients) < missed))[:, None]


if __name__ == "__main__":
    main()

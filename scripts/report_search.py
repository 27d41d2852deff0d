"""Write reports/search.md from the folder of a finished `screening search`.

    screening simulate FOLDER --out out/simulated600 --count 600 --seed 1
    screening search configs/search.yaml --data out/simulated600/manifest.csv --out runs/search
    python scripts/report_search.py runs/search --pictures 600

The figures are the thesis' Figures 3.3 and 3.4: the objective against each searched value.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from report_sections import ROOT, commit

from screening.metrics import markdown_table
from screening.train import figures

TEXT = """# Bayesian search of learning rate and batch size

`screening search configs/search.yaml --data out/simulated{pictures}/manifest.csv --out RUN`, drawn
by `python scripts/report_search.py RUN` at {commit}.

{backbone} at {size} pixels from the shipped base, head only. {pictures} composed karyograms,
split by case; {validation:.0%} of them validate. Up to {epochs} epochs a trial; the frozen base
runs once for all trials. {done} of {count} trials succeeded; the first {initial} are random, then a
Gaussian process chooses.

| | |
| --- | --- |
{plots}

Best: {best}.

The best of {done} trials on one validation part is an optimistic number: it chooses settings, it
measures nothing. All trials lie between {least:.2f} and {most:.2f}: how much of that is chance,
only another validation part can tell.

{table}
"""


def main() -> int:
    """Draw the figures and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder that the search wrote")
    parser.add_argument("--pictures", type=int, required=True, help="karyograms in its manifest")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "search.yaml")
    options = parser.parse_args()
    trials = json.loads((options.run / "search.json").read_text("utf-8"))
    config = yaml.safe_load(options.config.read_text("utf-8"))
    objective = config["search"]["objective"]
    files = figures.search_scatter(trials, objective, ROOT / "reports")
    done = [trial for trial in trials if trial["score"] is not None]
    best = max(done, key=lambda trial: trial["score"])
    names = list(best["values"])
    rows = [
        (t["id"], *(_short(t["values"][name]) for name in names), _score(t), t["reason"])
        for t in sorted(trials, key=lambda t: -(t["score"] or 0))
    ]
    header = ("trial", *(name.replace("_", " ") for name in names), objective, "why it failed")
    shown = [f"![{path.stem}]({path.name})" for path in files]
    pairs = [shown[i : i + 2] for i in range(0, len(shown), 2)]
    text = TEXT.format(
        commit=commit(), pictures=options.pictures, backbone=config["model"]["backbone"].upper(),
        size=config["model"]["size"], epochs=config["stages"][0]["epochs"], done=len(done),
        count=len(trials), initial=config["search"]["initial"], objective=objective,
        validation=config["data"]["fractions"]["validation"],
        plots="\n".join(f"| {' | '.join([*pair, ''][:2])} |" for pair in pairs),
        best=", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in
                       best["values"].items()) + f", {objective} {best['score']:.3f}",
        table=markdown_table(header, rows), most=best["score"],
        least=min(trial["score"] for trial in done),
    )  # fmt: skip
    (ROOT / "reports" / "search.md").write_text(text, "utf-8")
    return 0


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _score(trial: dict[str, Any]) -> str:
    return "failed" if trial["score"] is None else f"{trial['score']:.3f}"


if __name__ == "__main__":
    sys.exit(main())

"""Write reports/search.md from the folder of a finished `screening search`.

    screening simulate FOLDER --sources xihu --out out/simulated --count 600
    screening search configs/search.yaml --out runs/search
    python scripts/report_search.py runs/search

The figures are the thesis' Figures 3.3 and 3.4: the objective against each searched value.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from report_header import ROOT, add_report_arguments, begin, write

from screening.bundle import default_bundle, load_bundle
from screening.data.manifest import read_manifest
from screening.metrics import markdown_table
from screening.train import figures

TEXT = """`screening simulate FOLDER --sources xihu --out out/simulated --count {pictures}`, then
`screening search configs/search.yaml --out runs/search`: nobody in the pictures taught the base.

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
    add_report_arguments(parser)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "search.yaml")
    options = parser.parse_args()
    commit = begin(options)
    trials = json.loads((options.run / "search.json").read_text("utf-8"))
    config = yaml.safe_load(options.config.read_text("utf-8"))
    objective = config["search"]["objective"]
    manifest = Path(yaml.safe_load((options.run / "config.yaml").read_text())["data"]["manifest"])
    files = figures.search_scatter(trials, objective, options.reports)
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
        pictures=len(read_manifest(manifest)), backbone=config["model"]["backbone"].upper(),
        size=config["model"]["size"], epochs=config["stages"][0]["epochs"], done=len(done),
        count=len(trials), initial=config["search"]["initial"], objective=objective,
        validation=config["data"]["fractions"]["validation"],
        plots="\n".join(f"| {' | '.join([*pair, ''][:2])} |" for pair in pairs),
        best=", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in
                       best["values"].items()) + f", {objective} {best['score']:.3f}",
        table=markdown_table(header, rows), most=best["score"],
        least=min(trial["score"] for trial in done),
    )  # fmt: skip
    title, bundle = "Bayesian search of learning rate and batch size", load_bundle(default_bundle())
    write(options, "search.md", title, commit, bundle, manifest, text)
    return 0


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _score(trial: dict[str, Any]) -> str:
    return "failed" if trial["score"] is None else f"{trial['score']:.3f}"


if __name__ == "__main__":
    sys.exit(main())

"""Writes the figures of docs/ and the outputs of its notebook, of drawn cells alone:
`python scripts/make_docs_figures.py [DEMO]`.

About a minute. DEMO is the result of `make demo`, by default out/demo: its pages and the reading
room over it are pictured in a Chromium that is there; nothing in a figure is of a patient.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import docs_notebook
import matplotlib
import numpy as np
from PIL import Image, ImageDraw

import screening
from screening.bundle import default_bundle
from screening.classes import CHROMOSOMES
from screening.demo import demo_folder
from screening.images.read import read_image
from screening.report.pair_figure import ideogram_of
from screening.report.relay import NamedCrop, relay

matplotlib.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "figures"
SHOWN = "case-003/cell-1.jpg"
"""The drawn cell, with three chromosomes 21, whose reading is pictured step by step."""
STRUCTURAL = ("del(5)(q13q33)", 3)
"""A drawn cell with a structural change, and its seed."""
WIDE, QUALITY = 900, 80
HUES = ("#1257b0", "#b3261e", "#2a6b3f", "#8a5a00", "#6a3d9a", "#0f7c7c")


def main(demo: Path) -> None:
    """Write every figure into docs/figures, and run the notebooks."""
    OUT.mkdir(parents=True, exist_ok=True)
    model = screening.load(passes=100)
    path = demo_folder() / SHOWN
    result = model.read(path)
    paper = read_image(path)
    keep("step-page", paper)
    keep("step-found", outlined(paper, result))
    keep("step-straight", straightened(result, "3"))
    keep("step-classes", classes(result))
    keep("step-relaid", relay([
        NamedCrop(one.name, one.p, one.picture, one.doubtful) for one in result.chromosomes
    ]))  # fmt: skip
    keep("step-score", scores(result))
    keep("step-homologs", homologs(model))
    screens(demo)
    for notebook in (ROOT / "docs").glob("*.ipynb"):
        docs_notebook.execute(notebook)
    for file in sorted(OUT.glob("*.webp")):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1024:.0f} kB")


def keep(name: str, picture: np.ndarray | Image.Image) -> None:
    """Store a picture, WIDE px wide at most, as docs/figures/NAME.webp."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.thumbnail((WIDE, 4 * WIDE))
    image.save(OUT / f"{name}.webp", quality=QUALITY, method=6)


def outlined(paper: np.ndarray, result: screening.PictureResult) -> Image.Image:
    """Return the page with the ink of every chromosome in a colour unlike its neighbours'."""
    page = np.repeat(paper[..., None], 3, axis=2).astype(float)
    for i, one in enumerate(result.chromosomes):
        x, y, w, h = one.box
        hue = np.array([int(HUES[i % len(HUES)][j : j + 2], 16) for j in (1, 3, 5)], float)
        window = page[y : y + h, x : x + w]
        window[one.mask] = 0.55 * window[one.mask] + 0.45 * hue
    image = Image.fromarray(page.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for one in result.chromosomes:
        x, y, w, h = one.box
        pen.text((x + w / 2, max(y - 3, 13)), one.name, fill="#1c2430", anchor="mb", font_size=13)
    return image


def straightened(result: screening.PictureResult, name: str) -> Image.Image:
    """Return homologs as they stand on the page, straightened, and the bands of the class."""
    parts: list[np.ndarray] = []
    for one in (each for each in result.chromosomes if each.name == name):
        parts += [one.picture, one.strip]
    parts.append(ideogram_of(name, max(part.shape[0] for part in parts))[..., 0])
    scale, gap = 3, 20
    size = (sum(part.shape[1] * scale + gap for part in parts) + gap, 40 + scale * max(
        part.shape[0] for part in parts
    ))  # fmt: skip
    image, x = Image.new("L", size, 255), gap
    for part in parts:
        shown = Image.fromarray(part).resize([scale * side for side in part.shape[::-1]])
        image.paste(shown, (x, 20))
        x += shown.width + gap
    return image


def classes(result: screening.PictureResult) -> Image.Image:
    """Return the classifier's probabilities: a row for each class, a column for each chromosome."""
    assert result.record.reading is not None
    read = sorted(
        result.record.reading.chromosomes,
        key=lambda one: [*CHROMOSOMES, "mar", "?"].index(one.name),
    )
    table = np.array([one.seen.classes for one in read if one.seen is not None]).T
    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    shown = axes.imshow(table, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_yticks(range(25), [*CHROMOSOMES, "none"], fontsize=7)
    axes.set_xticks(range(len(read)), [one.name for one in read], fontsize=6, rotation=90)
    axes.set(xlabel=f"the {len(read)} chromosomes found, by the class they read as", ylabel="class")
    figure.colorbar(shown, label="probability", shrink=0.8)
    return drawn(figure)


def scores(result: screening.PictureResult) -> Image.Image:
    """Return what each kind of evidence adds to the log-odds of abnormal, and the passes."""
    parts = result.verdict.contributions
    start = result.rule.fusion.intercept if result.rule.fusion is not None else 0.0
    named = {"starting point": start} | dict(parts)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    values = list(named.values())
    left.barh(range(len(named)), values, color=[HUES[1] if v > 0 else HUES[2] for v in values])
    left.set_yticks(range(len(named)), [name.replace("_", " ") for name in named], fontsize=8)
    left.invert_yaxis()
    left.axvline(0, color="#1c2430", linewidth=0.8)
    left.set(xlabel="adds to the log-odds of abnormal")
    right.hist(result.verdict.p, bins=np.linspace(0, 1, 21).tolist(), color=HUES[0])
    right.axvline(result.rule.threshold, color="#1c2430", linestyle=":")
    right.axvline(0.5, color="#1c2430", linestyle="--")
    right.set(xlabel="fused score of a dropout pass", ylabel="passes", xlim=(0, 1))
    return drawn(figure)


def drawn(figure: plt.Figure) -> Image.Image:
    """Return a figure as a picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    plt.close(figure)
    return Image.open(buffer).convert("RGB")


def homologs(model: screening.Model) -> Image.Image:
    """Return the pair that the reader of structure doubts in a drawn cell with such a change."""
    name, seed = STRUCTURAL
    pairs = model.read(screening.simulate(name, seed=seed).image).record.pairs
    if not pairs:
        raise SystemExit(f"no pair was doubted in {name}, seed {seed}: choose another STRUCTURAL")
    return Image.open(io.BytesIO(pairs[0][1])).convert("RGB")


def screens(demo: Path) -> None:
    """Picture the work list, and the reading room over it, as a browser shows them."""
    from playwright.sync_api import sync_playwright

    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None
    )
    room = subprocess.Popen(
        [sys.executable, "-m", "screening", "review", str(demo), "--no-browser"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert room.stdout is not None
    address = re.search(r"http://\S+", room.stdout.readline())
    assert address is not None
    try:
        with sync_playwright() as started:
            browser = started.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 800})

            def shot(name: str) -> None:
                keep(name, Image.open(io.BytesIO(page.screenshot())).convert("RGB"))

            page.goto((demo / "report.html").resolve().as_uri())
            shot("work-list")
            page.evaluate("document.querySelector('.tools').style.position = 'static'")
            row = page.locator(".row").first.screenshot()
            keep("card", Image.open(io.BytesIO(row)).convert("RGB"))
            page.set_viewport_size({"width": 1280, "height": 620})
            page.goto(address[0])
            page.wait_for_selector("body[data-keys]")
            shot("room-list")
            page.set_viewport_size({"width": 1280, "height": 860})
            page.click(f"text={SHOWN.partition('/')[0]}")
            page.wait_for_selector("body[data-keys] #relaid .boxes rect", state="attached")
            page.wait_for_load_state("networkidle")
            shot("room-case")
            page.locator("#relaid rect[data-name='21']").first.dispatch_event("click")
            page.wait_for_selector(".homolog img")
            page.wait_for_load_state("networkidle")
            found = page.locator("#homologs").screenshot()
            keep("room-homologs", Image.open(io.BytesIO(found)).convert("RGB"))
            browser.close()
    finally:
        room.terminate()
        room.wait()


if __name__ == "__main__":
    print(f"bundle: {default_bundle().name}")
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "out" / "demo")

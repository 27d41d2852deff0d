"""Measure whether denoising single chromosomes helps: the pictures, the bands and their reading.

    python scripts/measure_denoising.py --data DATA [--count 100]

Writes reports/denoising.md. Chromosomes of people whom the bundle never saw are spoiled in known
ways (the composer's and the augmentation's noise, blur and JPEG), then denoised by methods of
scikit-image and OpenCV and by a small network that is taught here, on training people. Each
method's strength is chosen for each way of spoiling on validation people. Judged against the
picture before it was spoiled; and the shipped classifier names every picture.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import keras
import numpy as np
from measure_straightening import profile
from measure_stress import jpeg, noise
from measure_structure import settings
from measured_pages import split_apart
from report_header import add_report_arguments, begin, write
from scipy.stats import binomtest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.restoration import denoise_bilateral, denoise_nl_means, denoise_tv_chambolle
from skimage.util import img_as_ubyte, random_noise

from screening.build.data import records_of, taught
from screening.bundle import Bundle, default_bundle, load_bundle
from screening.classes import NOT_A_CHROMOSOME_INDEX, class_index
from screening.data.augment import NOISY_PIXELS
from screening.data.chromosomes import CellRecord, load_chromosome
from screening.data.split import TEST, TRAIN, VALIDATION
from screening.images.foreground import INK
from screening.images.single import single_chromosome
from screening.karyogram.axis import MedialAxis, medial_axis
from screening.karyogram.crops import standardised
from screening.metrics import markdown_table
from screening.predict.chromosomes import ChromosomeClassifier
from screening.predict.engine import engine_of

MARGIN = 8
"""White around a chromosome, pixels."""
PATCH, BATCH = 48, 16
_DEPTH, _WIDTH = 5, 24
_ALPHA = 0.05

Spoiling = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Denoiser = Callable[[np.ndarray, float], np.ndarray]
"""Of a picture uint8 (h, w) and a strength."""


def soft(grey: np.ndarray, sigma: float) -> np.ndarray:
    """Return the picture out of focus by a Gaussian of `sigma` pixels."""
    return cv2.GaussianBlur(grey, (0, 0), sigma)


def salted(grey: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return the picture with that share of its pixels black or white."""
    return img_as_ubyte(random_noise(grey, "s&p", rng=rng, amount=share))


AS_IT_IS = "as it is"
SPOILINGS: dict[str, Spoiling] = {
    AS_IT_IS: lambda grey, rng: grey,
    "noise 4": lambda grey, rng: noise(grey, 4, rng),
    "noise 8, the composer's most": lambda grey, rng: noise(grey, 8, rng),
    "noise 20": lambda grey, rng: noise(grey, 20, rng),
    "salt and pepper": lambda grey, rng: salted(grey, NOISY_PIXELS, rng),
    "JPEG 40, the composer's worst": lambda grey, rng: jpeg(grey, 40, rng),
    "blur 1, noise 8, JPEG 40": lambda grey, rng: jpeg(noise(soft(grey, 1.0), 8, rng), 40, rng),
}
"""Blur in pixels, noise in grey levels; salt and pepper as the thesis' augmentation has at most."""
MODEST = "noise 4"
"""What is not spoiled is denoised as strongly as this."""


def _unit(made: np.ndarray) -> np.ndarray:
    return img_as_ubyte(np.clip(made, 0, 1))


DENOISERS: dict[str, tuple[Denoiser, tuple[float, ...]]] = {
    "median": (lambda grey, size: cv2.medianBlur(grey, int(size)), (3, 5)),
    "bilateral": (
        lambda grey, sigma: _unit(denoise_bilateral(grey, 5, sigma, 1.5)), (0.03, 0.06, 0.12, 0.24),
    ),
    "total variation": (
        lambda grey, weight: _unit(denoise_tv_chambolle(grey, weight)), (0.01, 0.03, 0.06, 0.12),
    ),
    "non-local means": (
        lambda grey, h: _unit(denoise_nl_means(grey, 5, 6, h, fast_mode=True)),
        (0.01, 0.03, 0.06, 0.12),
    ),
    "OpenCV's non-local means": (
        lambda grey, h: cv2.fastNlMeansDenoising(grey, None, h, 5, 13), (2, 5, 10, 20),
    ),
}  # fmt: skip
"""Of scikit-image and OpenCV, each with the strengths that are tried."""
NETWORK, NONE = "small network", "none"
WAYS = (NONE, *DENOISERS, NETWORK)


@dataclass(frozen=True, eq=False)
class Shown:
    """A chromosome on white, uint8 (h, w), its class index and the seed of what spoils it."""

    image: np.ndarray
    label: int
    seed: int

    @cached_property
    def axis(self) -> MedialAxis:
        """Return its medial axis, before it is spoiled."""
        return medial_axis(self.image < INK, self.image)

    @cached_property
    def bands(self) -> np.ndarray:
        """Return the ink along that axis."""
        return profile(self.image, self.image < INK, self.axis)

    def spoiled(self, spoiling: str) -> np.ndarray:
        """Return the picture spoiled, the same at every call."""
        return SPOILINGS[spoiling](self.image, np.random.default_rng((5, self.seed)))


@dataclass(frozen=True, eq=False)
class Judged:
    """What a way makes of each of n pictures: `psnr` in decibels (inf: unchanged) and `ssim` over
    the chromosome's pixels, `bands` as correlated with those before, `right`: named rightly."""

    psnr: np.ndarray
    ssim: np.ndarray
    bands: np.ndarray
    right: np.ndarray


def drawn(records: Sequence[CellRecord], count: int, seed: int) -> list[Shown]:
    """Return `count` chromosomes of these cells at random, fewer where there are fewer."""
    each = [one for record in records for one in record.chromosomes]
    chosen = np.random.default_rng(seed).permutation(len(each))[:count]
    found = []
    for at in chosen:
        one = load_chromosome(each[at])
        edges = [MARGIN] * 4
        image = cv2.copyMakeBorder(one.image, *edges, cv2.BORDER_CONSTANT, value=255)
        found.append(Shown(image, class_index(one.name), int(at)))
    return found


def decibels(clean: np.ndarray, made: np.ndarray) -> float:
    """Return the PSNR over the chromosome's pixels; inf for the same picture."""
    own = clean < INK
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(clean[own], made[own], data_range=255))


def agreement(one: Shown, made: np.ndarray) -> tuple[float, float, float]:
    """Return PSNR, SSIM over the chromosome's pixels, and the correlation of the band profiles."""
    own = one.image < INK
    like = structural_similarity(one.image, made, full=True)[1][own].mean()
    bands = np.corrcoef(one.bands, profile(made, own, one.axis))[0, 1]
    return decibels(one.image, made), float(like), float(bands)


def network() -> keras.Model:
    """Return a small DnCNN (Zhang et al. 2017): what it says is taken from the picture, 0–1."""
    picture = keras.Input((None, None, 1))
    x = picture
    for _ in range(_DEPTH - 1):
        x = keras.layers.Conv2D(_WIDTH, 3, padding="same", activation="relu")(x)
    x = keras.layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros")(x)
    return keras.Model(picture, picture - x)


def taught_network(pictures: Sequence[Shown], steps: int) -> tuple[keras.Model, float]:
    """Return the network taught on patches of training people's pictures, and the processor's
    seconds."""
    keras.utils.set_random_seed(0)
    model, rng, clock = network(), np.random.default_rng(0), time.process_time()
    decay = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(decay), "mse")
    for _ in range(steps):
        clean, made = zip(*(_patch(pictures, rng) for _ in range(BATCH)), strict=True)
        model.train_on_batch(_batch(made), _batch(clean))
    return model, time.process_time() - clock


def _patch(pictures: Sequence[Shown], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A patch before and after random spoiling of every kind, the kind unknown to the network."""
    image = pictures[int(rng.integers(len(pictures)))].image
    edges = [0, max(0, PATCH - image.shape[0]), 0, max(0, PATCH - image.shape[1])]
    image = cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=255)
    made = soft(image, rng.uniform(0.5, 1.5)) if rng.random() < 0.3 else image
    if rng.random() < 0.7:
        made = noise(made, rng.uniform(0, 20), rng)
    if rng.random() < 0.2:
        made = salted(made, rng.uniform(0, NOISY_PIXELS), rng)
    if rng.random() < 0.5:
        made = jpeg(made, rng.uniform(25, 96), rng)
    y, x = (int(rng.integers(size - PATCH + 1)) for size in image.shape)
    at = np.s_[y : y + PATCH, x : x + PATCH]
    return image[at], made[at]


def _batch(pictures: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(pictures)[..., None].astype(np.float32) / 255


def by_network(model: keras.Model, grey: np.ndarray) -> np.ndarray:
    """Return what the network makes of a picture."""
    return _unit(keras.ops.convert_to_numpy(model(_batch([grey]), training=False))[0, ..., 0])


def strengths(pictures: Sequence[Shown]) -> dict[tuple[str, str], float]:
    """Return the strength of each method (spoiling, method) by PSNR on these pictures."""
    found = {}
    for spoiling in SPOILINGS:
        shown = [one.spoiled(MODEST if spoiling == AS_IT_IS else spoiling) for one in pictures]
        for name, (denoise, tried) in DENOISERS.items():
            gain = {
                strength: np.mean([
                    decibels(one.image, denoise(grey, strength))
                    for one, grey in zip(pictures, shown, strict=True)
                ])
                for strength in tried
            }  # fmt: skip
            found[spoiling, name] = max(gain, key=lambda strength: gain[strength])
        print(spoiling, [found[spoiling, name] for name in DENOISERS], flush=True)
    return found


def judged(
    shown: Sequence[Shown], made: Sequence[np.ndarray], classifier: ChromosomeClassifier
) -> Judged:
    """Return what became of pictures that were spoiled and denoised; each is read by itself."""
    like = [agreement(one, grey) for one, grey in zip(shown, made, strict=True)]
    images, _, _ = standardised([single_chromosome(grey) for grey in made])
    p = classifier.quick(classifier.bands(images), np.full(len(images), np.nan, np.float32))
    right = p[:, :NOT_A_CHROMOSOME_INDEX].argmax(1) == [one.label for one in shown]
    return Judged(*(np.array(each) for each in zip(*like, strict=True)), right)


def measured(
    shown: Sequence[Shown],
    classifier: ChromosomeClassifier,
    model: keras.Model,
    chosen: dict[tuple[str, str], float],
) -> Iterator[tuple[tuple[str, str], Judged]]:
    """Yield (spoiling, way) and what came out on one laboratory's pictures."""
    for spoiling in SPOILINGS:
        spoiled = [one.spoiled(spoiling) for one in shown]
        for way in WAYS:
            if way == NETWORK:
                made = [by_network(model, grey) for grey in spoiled]
            elif way == NONE:
                made = spoiled
            else:
                made = [DENOISERS[way][0](grey, chosen[spoiling, way]) for grey in spoiled]
            yield (spoiling, way), judged(shown, made, classifier)
        print(spoiling, f"{time.process_time():.0f} s of a processor", flush=True)


def compared(before: np.ndarray, after: np.ndarray) -> tuple[int, int, float]:
    """Return how many are named rightly only `after`, only `before`, and the sign test's p."""
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    return gained, lost, binomtest(gained, gained + lost).pvalue if gained + lost else 1.0


def tables(
    found: dict[str, dict[tuple[str, str], Judged]], chosen: dict[tuple[str, str], float]
) -> list[str]:
    """Return the report's table and what gains at every laboratory, by laboratory's name."""
    lines: list[list[object]] = []
    helping = []
    for spoiling in SPOILINGS:
        for way in WAYS:
            own = [each[spoiling, way] for each in found.values()]
            line: list[object] = [spoiling, way, chosen.get((spoiling, way), "")]
            psnr, ssim, bands = (
                np.concatenate([getattr(one, name) for one in own])
                for name in ("psnr", "ssim", "bands")
            )
            line += [f"{np.median(psnr):.1f}", f"{ssim.mean():.3f}", f"{bands.mean():.4f}"]
            clear = []
            for each in found.values():
                after, before = each[spoiling, way].right, each[spoiling, NONE].right
                gained, lost, p = compared(before, after)
                clear.append(gained > lost and p < _ALPHA)
                change = "" if way == NONE else f" (+{gained} −{lost}{'*' if p < _ALPHA else ''})"
                line.append(f"{100 * after.mean():.1f} %{change}")
            lines.append(line)
            if all(clear):
                helping.append(f"{way} after {spoiling}")
    head = ["spoiled by", "denoised by", "strength", "PSNR", "SSIM", "bands", *found]
    said = ", ".join(helping) if helping else "none"
    return [markdown_table(head, lines), "", f"Clearly better at every laboratory: {said}."]


def parts(args: argparse.Namespace, bundle: Bundle) -> dict[str, dict[str, list[CellRecord]]]:
    """Return the cells of each part by laboratory, people parted as the bundle's were."""
    config = settings(bundle)
    records = records_of(args.data, config.sources)
    split = split_apart(records, config, bundle)
    found: dict[str, dict[str, list[CellRecord]]] = {}
    for part in (TRAIN, VALIDATION, TEST):
        found[part] = {}
        for record in split.select(taught(records, config.sources), part):
            found[part].setdefault(record.source, []).append(record)
    return found


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_report_arguments(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder of single chromosomes")
    parser.add_argument("--count", type=int, default=100, help="of each laboratory (%(default)s)")
    parser.add_argument("--steps", type=int, default=800, help="of training (%(default)s)")
    args = parser.parse_args()
    commit, bundle = begin(args), load_bundle(default_bundle())
    cv2.setNumThreads(1)
    people = parts(args, bundle)
    taught_by = [one for each in people[TRAIN].values() for one in drawn(each, args.count, 1)]
    model, seconds = taught_network(taught_by, args.steps)
    print(f"taught in {seconds:.0f} s", flush=True)
    tuned = [o for each in people[VALIDATION].values() for o in drawn(each, args.count // 4, 2)]
    chosen = strengths(tuned)
    classifier = ChromosomeClassifier(bundle, engine_of(bundle).engine, passes=1)
    found = {}
    for source, records in sorted(people[TEST].items()):
        shown = drawn(records, args.count, 3)
        found[f"{source} ({len(shown)})"] = dict(measured(shown, classifier, model, chosen))
    body = "\n".join([
        "PSNR (median, decibels; inf: unchanged) and SSIM over the chromosome's own pixels; "
        "“bands”: correlation of the ink along the axis with that before. Laboratories: pictures "
        "of unseen people named rightly, each by itself without a length; in brackets how many "
        f"more and how many fewer than without denoising, * where the sign test has p < {_ALPHA}. "
        "Noise in grey levels, blur in pixels of the stored picture. Strengths are the best by "
        f"PSNR on validation people (as it is: as for {MODEST}): they know what spoiled the "
        "picture, which nobody does of a real one. The network does not: "
        f"{model.count_params():,} parameters, {args.steps} steps of {BATCH} patches of training "
        f"people, {seconds:.0f} s of a processor. Wavelets are left out: scikit-image needs "
        "PyWavelets for them, which this project does not install.\n",
        *tables(found, chosen),
    ])  # fmt: skip
    title = "Denoising, judged by what was spoiled and by who reads it"
    write(args, "denoising.md", title, commit, bundle, args.data, body)


if __name__ == "__main__":
    main()

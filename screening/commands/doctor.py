"""`screening doctor`: what this machine has, and what to do when screening cannot run on it."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from screening import __version__
from screening.errors import BundleError, NotInstalled, ScreeningError
from screening.native_log import native_log_filtered

GIB = 2**30
NEEDED_MEMORY = 2.0
"""GiB: TensorFlow, the VGG16 screener and one batch at 150×150 stay under this."""
PEAK, KEPT = 14, 4
"""Bytes a pixel of a page: while a thread finds its chromosomes, and until it is scored. Measured
on pages of 25 to 100 million pixels: 13.1 and 3.6 at most."""
LARGEST = 100_000_000
"""Pixels of a page; a larger one is refused."""
NEEDED_DISK = 1.0
"""GiB for the results; a page with some hundred thumbnails is far smaller."""
PACKAGES = (
    "numpy",
    "onnx",
    "onnxruntime",
    "opencv-python-headless",
    "pillow",
    "scikit-image",
    "pydicom",
)


EXTRAS = {
    "highdicom": ("dicom-out", "--dicom"),
    "s3fs": ("remote", "addresses such as s3://bucket/folder"),
    "ray": ("cluster", "--cluster"),
}
"""Packages that only some options need: the extra that brings each, and what needs it."""


@dataclass(frozen=True)
class Finding:
    """One row of the table: `state` "ok", "note" (runs all the same) or "bad" (cannot run)."""

    what: str
    found: str
    state: Literal["ok", "note", "bad"] = "ok"
    advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument(
        "--bundle", type=Path, help="trained model to check (default: the one that ships with it)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("."), help="folder whose disk is checked (default: here)"
    )
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="also screen two demo pictures and compare with the answers that are known",
    )


def run(args: argparse.Namespace) -> int:
    """Print the table; return 0 when screening can run here and 1 when not."""
    findings = list(examine(args.bundle, args.out))
    if args.self_test and all(finding.state != "bad" for finding in findings):
        findings.append(self_test_finding(args.bundle))
    show(findings)
    return 1 if any(finding.state == "bad" for finding in findings) else 0


def examine(bundle: Path | None, out: Path) -> Iterator[Finding]:
    """Yield the findings in the order of the table; `bundle` None means the shipped one."""
    yield Finding("screening", __version__)
    yield python_finding(sys.version_info[:2])
    yield from tensorflow_findings()
    yield from package_findings(version)
    yield from extra_findings(version)
    yield Finding("CPU cores", str(usable_cores()))
    yield memory_finding(available_memory())
    yield bound_finding(available_memory(), min(4, usable_cores()))
    yield disk_finding(out)
    yield bundle_finding(bundle)
    yield engine_finding(bundle)


def python_finding(found: tuple[int, int]) -> Finding:
    """Return whether this Python (major, minor) is one that TensorFlow has wheels for."""
    text = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if (3, 11) <= found <= (3, 13):
        return Finding("Python", text)
    return Finding("Python", text, "bad", "install Python 3.11, 3.12 or 3.13, then run make again")


def tensorflow_findings() -> Iterator[Finding]:
    """Yield TensorFlow, Keras and the GPUs; most of what is here runs without them."""
    try:
        with native_log_filtered():
            import keras
            import tensorflow

            gpus = tensorflow.config.list_physical_devices("GPU")
    except ImportError as error:
        advice = f"train, search and build need it: {NotInstalled.advice}"
        yield Finding("TensorFlow", f"cannot be imported: {error}", "note", advice)
        return
    yield Finding("TensorFlow", tensorflow.__version__)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        yield Finding("Keras", f"{keras.__version__} on {backend}")
    else:
        advice = "unset KERAS_BACKEND or set it to tensorflow"
        yield Finding("Keras", f"{keras.__version__} on {backend}", "bad", advice)
    if gpus:
        details = [tensorflow.config.experimental.get_device_details(gpu) for gpu in gpus]
        names = ", ".join(str(detail.get("device_name", "GPU")) for detail in details)
        yield Finding("GPUs", f"{len(gpus)}: {names}")
    else:
        yield Finding("GPUs", "none: the CPU does the work")


def package_findings(version_of: Callable[[str], str]) -> Iterator[Finding]:
    """Yield the versions of the libraries that read and measure the images."""
    for name in PACKAGES:
        try:
            yield Finding(name, version_of(name))
        except PackageNotFoundError:
            yield Finding(name, "not installed", "bad", f"pip install {name}")


def extra_findings(version_of: Callable[[str], str]) -> Iterator[Finding]:
    """Yield the versions of the packages that can be done without."""
    for name, (extra, what) in EXTRAS.items():
        try:
            yield Finding(name, version_of(name))
        except PackageNotFoundError:
            yield Finding(name, f"not installed; only {what} needs it: pip install '.[{extra}]'")


def usable_cores() -> int:
    """Return how many cores this process may use, which a container can restrict."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> float | None:
    """Return the memory that new work can have, in GiB; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    kibibytes = dict(line.split(":", 1) for line in lines if ":" in line).get("MemAvailable")
    return int(kibibytes.split()[0]) * 1024 / GIB if kibibytes else None


def memory_finding(free: float | None) -> Finding:
    """Return whether `free` GiB of memory are enough; unknown memory is no reason to stop."""
    if free is None:
        return Finding("Memory free", "not known on this system", "note")
    if free >= NEEDED_MEMORY:
        return Finding("Memory free", f"{free:.1f} GiB")
    advice = f"close other programs: about {NEEDED_MEMORY:.0f} GiB are needed"
    return Finding("Memory free", f"{free:.1f} GiB", "note", advice)


def memory_bound(pixels: int, workers: int, batch_size: int) -> float:
    """Return how many GiB `screen` takes at most where no page has more than `pixels`."""
    ahead = 2 * batch_size + workers + batch_size  # begun, and waiting for their batch
    return NEEDED_MEMORY + pixels * (workers * PEAK + ahead * KEPT) / GIB


def bound_finding(free: float | None, workers: int) -> Finding:
    """Return the most memory that `screen` takes with `workers` threads and its usual batches,
    however many pictures there are."""
    usual, most = memory_bound(LARGEST // 50, workers, 8), memory_bound(LARGEST, workers, 8)
    found = f"{usual:.1f} GiB for pages of 2 million pixels, {most:.1f} GiB for 100 million"
    if free is None or most <= free:
        return Finding("Memory at most", found)
    least = memory_bound(LARGEST, 1, 1)
    advice = f"for very large pages: --workers 1 --batch-size 1 takes {least:.1f} GiB at most"
    return Finding("Memory at most", found, "note", advice)


def disk_finding(out: Path) -> Finding:
    """Return whether the disk of `out` (or of its nearest existing parent) has room."""
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIB
    if free >= NEEDED_DISK:
        return Finding("Disk free", f"{free:.1f} GiB")
    advice = f"free some space or choose another --out: {NEEDED_DISK:.0f} GiB is advised"
    return Finding("Disk free", f"{free:.1f} GiB", "note", advice)


def bundle_finding(folder: Path | None) -> Finding:
    """Return whether the bundle at `folder` (None: the shipped one) is whole and unaltered."""
    from screening.bundle import default_bundle, load_bundle
    from screening.evidence.witnesses import witnesses_of
    from screening.karyogram.locate import Locator

    try:
        bundle = load_bundle(folder or default_bundle())
        Locator.of(bundle)
        witnesses_of(bundle.info.witnesses)
    except BundleError as error:
        advice = (
            "rebuild it with make bundle DATA=…, or name another one with --bundle"
            if folder is None
            else "copy the bundle again or name another one"
        )
        return Finding("Bundle", str(error), "bad", advice)
    parts = ", ".join(sorted(bundle.info.parts))
    found = f"{bundle.info.name}, verified, sha256 {bundle.hash[:12]}; parts: {parts}"
    trial = bundle.info.trial_warning
    return Finding("Bundle", found, "note" if trial else "ok", trial)


def self_test_finding(folder: Path | None) -> Finding:
    """Return whether the bundle at `folder` (None: the shipped one) says here what it said of the
    demo pictures when it was made."""
    from screening.bundle import default_bundle, load_bundle
    from screening.commands import self_test

    bundle = load_bundle(folder or default_bundle())
    expected = self_test.known(bundle.hash)
    if expected is None:
        return Finding("Self-test", "no answers are known of this bundle", "note")
    try:
        wrong = self_test.differences(self_test.measure(bundle.folder), expected)
    except ScreeningError as error:
        wrong = [str(error)]
    if wrong:
        advice = "install the locked versions anew (make clean, make demo); if it stays, report it"
        return Finding("Self-test", "; ".join(wrong), "bad", advice)
    count = len(expected)
    said = f"{count} pictures say what is known, within {self_test.TOLERANCE:g}"
    return Finding("Self-test", said)


def engine_finding(folder: Path | None) -> Finding:
    """Return what runs the networks of the bundle at `folder` here, after it was tried on inputs
    whose answers are known."""
    from screening.bundle import default_bundle, load_bundle
    from screening.predict.engine import engine_of

    try:
        chosen = engine_of(load_bundle(folder or default_bundle()))
    except ScreeningError as error:
        return Finding("Engine", str(error), "bad")
    if chosen.why:
        return Finding("Engine", str(chosen), "note")
    return Finding("Engine", f"{chosen}, gives the known answers of every network")


def show(findings: list[Finding]) -> None:
    """Print the findings as a table, then one line that says what follows from them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": ("ok", "green"), "note": ("note", "yellow"), "bad": ("missing", "bold red")}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "what", "found"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        text = finding.found + (f"\n→ {finding.advice}" if finding.advice else "")
        table.add_row(Text(*styles[finding.state]), Text(finding.what), Text(text))
    console = Console(highlight=False)
    console.print(table)
    missing = [finding.what for finding in findings if finding.state == "bad"]
    if missing:
        console.print(f"\nScreening cannot run here yet: see {', '.join(missing)} above.")
    else:
        console.print("\nScreening can run here.")

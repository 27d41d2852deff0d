"""One run of the main job: a folder of pictures in, a complete set of outputs out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from screening import __version__
from screening.bundle_schema import BundleInfo
from screening.errors import ScreeningError
from screening.images.kinds import SUPPORTED_SUFFIXES
from screening.images.normalise import VERSION
from screening.karyogram.locate import Locator
from screening.triage.rule import Rule
from screening.worklist.chromosome_files import FOLDER_NAME, keep_chromosomes, kept
from screening.worklist.content import Digests
from screening.worklist.discover import Discovery, PictureFile, discover
from screening.worklist.isolated import isolated
from screening.worklist.ledger import FILE_NAME, Ledger, LedgerDamaged, discard, set_aside
from screening.worklist.outputs import OUTPUT_NAMES, RunFacts, write_outputs
from screening.worklist.parted import Crew, HowScored, run_parted
from screening.worklist.pipeline import CellReader, Look, Looking, Scorer, run_pipeline
from screening.worklist.progress import RunProgress
from screening.worklist.remote import RemoteFolder
from screening.worklist.shard import Shard


class OutputsNotWritten(ScreeningError):
    """Says that the results are known but their files could not be put in place."""

    exit_status = 1


@dataclass(frozen=True)
class Settings:
    """What a run is asked to do. `rule`: how pictures are routed; `bundle_hash` and
    `bundle_name` say whose numbers these are; `device` and `engine` are as asked for;
    `save_chromosomes`: each is saved as a file, see `worklist.chromosome_files`; `info`: the
    bundle's certificate and calibration are taken from it (None: it has none); `shard`: only the
    cases of this part are screened (None: all); `time_limit`: seconds for finding the chromosomes
    of a picture, see `worklist.isolated` (0: none); `printed`: karyotypes that stand on a picture
    are looked for; `published`: where `out` is brought
    afterwards; `cluster`: the address of those who score, "" for this machine."""

    folder: Path | RemoteFolder
    out: Path
    bundle_hash: str
    bundle_name: str
    rule: Rule = Rule()
    case_from: str | None = None
    resume: bool = False
    overwrite: bool = False
    batch_size: int = 8
    workers: int = 2
    seed: int = 0
    device: str = "auto"
    engine: str = "auto"
    quiet: bool = False
    save_chromosomes: bool = False
    info: BundleInfo | None = None
    shard: Shard | None = None
    time_limit: float = 0.0
    printed: bool = False
    published: RemoteFolder | None = None
    cluster: str = ""


@dataclass(frozen=True)
class Summary:
    """How a run ended: numbers of pictures by status and by route, and of those scored anew, and
    what speaks against relying on the bundle's promise here; `left_out`: other files in the folder,
    in words, "" for none."""

    statuses: dict[str, int]
    routes: dict[str, int]
    new: int
    seconds: float
    warnings: tuple[str, ...] = ()
    left_out: str = ""

    @property
    def exit_status(self) -> int:
        """Return 0: every picture scored; 3: some rejected or failed; 1: not one could be read."""
        total = sum(self.statuses.values())
        if total and self.statuses.get("failed", 0) == total:
            return 1
        return 0 if self.statuses.get("ok", 0) == total else 3


def screen_folder(
    settings: Settings,
    scorer: Scorer,
    locator: Locator,
    reader: CellReader | None = None,
    *,
    ready: Callable[[PictureFile], bool] = lambda found: True,
    stop: Callable[[], bool] = lambda: False,
    digests: Digests | None = None,
    look: Look | None = None,
    crew: Crew | None = None,
) -> Summary:
    """Screen every picture of `settings.folder` and write the outputs into `settings.out`.

    With a `reader`, the chromosomes of each are found and read one by one. Files that are not
    `ready` are left for a later run; once `stop` is true the outputs are written with what is
    known, and say so. `digests`: see `run_pipeline`; `look` stands in for `looking`, and a
    `crew` for all that is done with a picture here.

    Raises ScreeningError when there is nothing to screen, when `out` cannot be used, or when it
    holds earlier results and neither resume nor overwrite is asked for.
    """
    if settings.save_chromosomes and reader is None:
        raise ScreeningError(
            f"--save-chromosomes expects a bundle that reads chromosomes one by one, but "
            f"{settings.bundle_name} does not: use another --bundle or leave it out"
        )
    started, clock = _now(), time.perf_counter()
    keeper = None
    if settings.save_chromosomes:
        keeper = partial(keep_chromosomes, settings.out / FOLDER_NAME)
    shard = settings.shard
    discovery = discover(
        settings.folder,
        SUPPORTED_SUFFIXES,
        settings.case_from,
        settings.published or settings.out,
        frames=True,
        choose=lambda found: ready(found) and (shard is None or shard.holds(found.case)),
    )
    ledger, warnings = _open_ledger(settings, scorer.passes)
    found = [picture.name for picture in discovery.images]
    looks: AbstractContextManager[Look | None] = nullcontext(look)
    if look is None and crew is None:
        looks = looking(settings, scorer, locator, len(found))
    with ledger, looks as look:
        info = settings.info.model_dump_json() if settings.info is not None else ""
        ledger.begin(_noted(settings, scorer, discovery), started, found, info)
        with RunProgress(len(discovery.images), settings.quiet) as progress:
            if crew is not None:
                how = run_parted(discovery.images, crew, ledger, advance=progress.advance)
            else:
                assert look is not None
                new = run_pipeline(
                    discovery.images,
                    scorer,
                    ledger,
                    look,
                    reader=reader,
                    keeper=keeper,
                    batch_size=settings.batch_size,
                    workers=settings.workers,
                    advance=progress.advance,
                    keep=_keep(settings, ledger),
                    stop=stop,
                    digests=digests,
                )
                how = HowScored(new, scorer.device, scorer.engine)
        ledger.add(())  # a folder that was deleted since the last batch is told
        count = ledger.count()
        if count < len(found) and stop():
            warnings += (broken_off(count, len(found)),)
        elif count != len(found):
            raise LedgerDamaged(
                f"the ledger in {settings.out} lost results while it was written: check the disk, "
                "then use --resume"
            )
        seconds = time.perf_counter() - clock
        warnings += how.warnings
        facts = _facts(settings, scorer, discovery, how, seconds, started, warnings)
        statuses, routes, warnings = put_in_place(settings.out, ledger, facts)
        told: dict[str, object] = {"device_used": facts.device, "engine_used": facts.engine}
        told |= {"new": how.new, "seconds": seconds}
        ledger.finish(facts.finished, told)
    left_out = str(discovery.left_out) if discovery.ignored else ""
    return Summary(statuses, routes, how.new, seconds, warnings, left_out)


def looking(
    settings: Settings, scorer: Scorer, locator: Locator, pictures: int | None = None
) -> AbstractContextManager[Look]:
    """Return what looks at the pictures of a run, for as long as it is entered; of no more than so
    many `pictures`."""
    workers = settings.workers if pictures is None else min(settings.workers, pictures)
    look = Looking(scorer.size, locator, scorer.view, settings.printed)
    return isolated(look, settings.time_limit, workers)


def broken_off(count: int, images: int) -> str:
    """Return the warning of a run that judged `count` of its pictures."""
    return (
        f"the run was broken off: {count} of {images} pictures are judged, the others are not "
        "listed; the same command with --resume goes on"
    )


def put_in_place(
    out: Path, ledger: Ledger, facts: RunFacts
) -> tuple[dict[str, int], dict[str, int], tuple[str, ...]]:
    """Write the outputs, see `write_outputs`; OutputsNotWritten when the disk takes none."""
    try:
        return write_outputs(out, ledger, facts)
    except OSError as error:
        raise OutputsNotWritten(
            f"cannot write the outputs into {out} ({error.strerror}): every result is kept in its "
            "ledger, so free space or close the files and use --resume"
        ) from error


def options_hash(passes: int, seed: int) -> str:
    """Return a hash of all that changes the numbers besides the picture and the bundle."""
    shaping = {"passes": passes, "seed": seed, "version": __version__, "look": VERSION}
    text = json.dumps(shaping, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _open_ledger(settings: Settings, passes: int) -> tuple[Ledger, tuple[str, ...]]:
    """The ledger of the output folder, locked, and what has to be said of it."""
    out = settings.out
    path = out / FILE_NAME
    make_folder(out)
    earlier = [name for name in OUTPUT_NAMES if (out / name).exists()]
    if earlier and not path.exists() and not settings.overwrite:
        raise ScreeningError(
            f"{out} holds {earlier[0]} but no ledger of screening to go on from: choose another "
            "--out, or --overwrite to replace it"
        )
    if settings.overwrite:
        discard(path)
    warnings: tuple[str, ...] = ()
    options = options_hash(passes, settings.seed)
    try:
        ledger = Ledger(path, settings.bundle_hash, options)
    except LedgerDamaged:
        if not settings.resume:
            raise
        backup = set_aside(path)
        warnings = (
            f"the ledger of the earlier run was damaged and is kept as {backup.name}: every result "
            "was made anew",
        )
        ledger = Ledger(path, settings.bundle_hash, options)
    if not settings.resume and not ledger.is_empty():
        ledger.close()
        raise ScreeningError(
            f"{out} holds results of an earlier run: use --resume to go on with it, --overwrite "
            "to start anew, or another --out"
        )
    return ledger, warnings


def make_folder(out: Path) -> None:
    """Make the output folder; ScreeningError when it cannot be one."""
    if out.exists() and not out.is_dir():
        raise ScreeningError(f"--out expects a folder to write to, but {out} is a file")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScreeningError(
            f"cannot create the output folder {out} ({error.strerror}): choose another --out"
        ) from error


def _keep(settings: Settings, ledger: Ledger) -> Callable[[str], bool]:
    """Whose earlier results will do: when chromosomes are saved, only those with their files."""
    if not settings.save_chromosomes:
        return lambda name: True
    return kept(settings.out, ledger.read_one_by_one())


def _options(settings: Settings, scorer: Scorer) -> dict[str, object]:
    return {
        "folder": str(settings.folder),
        "passes": scorer.passes,
        "seed": settings.seed,
        "threshold": settings.rule.threshold,
        "min_confidence": settings.rule.min_confidence,
        "rule": settings.rule.name,
        "case_from": settings.case_from or "parent",
        "cells_together": settings.rule.together,
        "batch_size": settings.batch_size,
        "workers": settings.workers,
        "device": settings.device,
        "engine": settings.engine,
        "resume": settings.resume,
        "overwrite": settings.overwrite,
        "save_chromosomes": settings.save_chromosomes,
        "shard": str(settings.shard) if settings.shard is not None else "",
        "time_limit": settings.time_limit,
        "printed": settings.printed,
        "cluster": settings.cluster,
    }


def _noted(settings: Settings, scorer: Scorer, discovery: Discovery) -> dict[str, object]:
    """What the ledger keeps of a run, so that its outputs can be written again, and read."""
    folder = settings.folder
    return _options(settings, scorer) | {
        "pictures": str(folder.resolve() if isinstance(folder, Path) else folder),
        "bundle": settings.bundle_hash,
        "bundle_name": settings.bundle_name,
        "options_hash": options_hash(scorer.passes, settings.seed),
        "published": str(settings.published or ""),
        "images": len(discovery.images),
        "notes": discovery.notes,
        "ignored_kinds": discovery.left_out.kinds,
        "ignored_names": discovery.left_out.names,
    }


def _facts(
    settings: Settings,
    scorer: Scorer,
    discovery: Discovery,
    how: HowScored,
    seconds: float,
    started: str,
    warnings: tuple[str, ...],
) -> RunFacts:
    return RunFacts(
        bundle_hash=settings.bundle_hash,
        bundle_name=settings.bundle_name,
        options=_options(settings, scorer),
        rule=settings.rule,
        passes=scorer.passes,
        device=how.device or scorer.device,
        engine=how.engine or scorer.engine,
        started=started,
        finished=_now(),
        seconds=seconds,
        new=how.new,
        left_out=discovery.left_out,
        notes=discovery.notes,
        info=settings.info,
        warnings=warnings,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

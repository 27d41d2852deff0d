"""Pictures, readings and verdicts as a run makes them, for tests that look at no page."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping

import numpy as np
from PIL import Image

from evidence_pages import chromosomes
from screening.record import Chromosome, Picture, Reading, Verdict


def reading(change: str = "", sex: str = "XX", **changes: object) -> Reading:
    """The 46 chromosomes of a normal cell, more or fewer by `change` such as "+21", surely read."""
    names = chromosomes(change, sex)
    placed = tuple(
        Chromosome(name, 0.99, name, x=i % 12 / 12, y=i // 12 / 4, w=0.05, h=0.2)
        for i, name in enumerate(names)
    )
    iscn = ",".join([str(len(names)), sex, *change.split()])
    values = {
        "chromosomes": placed, "counts": dict(Counter(names)), "karyotypes": ((iscn, 0.97),),
        "iscn": iscn, "gains_and_losses": tuple(change.split()), "layout_score": 1.0,
        "p_normal": 0.02 if change else 0.97, "orientation": "upright", "misread_rate": 0.05,
    }  # fmt: skip
    return Reading(**(values | changes))


def picture(
    name: str = "a.png",
    around: float = 0.1,
    noise: float = 0.0,
    passes: int = 20,
    **changes: object,
) -> Picture:
    """A picture that the gate let through with 46 objects, scored `around` in every pass."""
    drawn = np.clip(np.random.default_rng(0).normal(around, noise, passes), 0, 1).astype(np.float32)
    values = {"case": f"case of {name}", "sha256": "0" * 64, "status": "ok", "objects": 46,
              "p": drawn}  # fmt: skip
    return Picture(name, **(values | changes))


def judged(
    name: str = "a.png",
    route: str = "flag",
    status: str = "ok",
    contributions: Mapping[str, float] | None = None,
    **changes: object,
) -> Picture:
    """A picture with its verdict, as abnormal as can be unless its status is not ok."""
    said = Verdict(route, reasons=(f"reason of {name}",))
    if status == "ok":
        said = Verdict(
            route, "abnormal", 0.97, 0.97, said.reasons, 0.9, 0.1, np.full(100, 0.99, np.float32),
            contributions or {},
        )  # fmt: skip
    values = {"status": status, "thumbnail": jpeg((320, 240)), "verdict": said}
    if status != "ok":
        values |= {"p": None, "objects": None}
    return picture(name, **(values | changes))


def jpeg(size: tuple[int, int] = (40, 90)) -> bytes:
    """A JPEG of noise, `size` (width, height) px."""
    noise = np.random.default_rng(1).integers(0, 255, size[::-1], np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=70)
    return buffer.getvalue()

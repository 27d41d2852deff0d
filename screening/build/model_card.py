"""The card of a bundle that was built: what it is made of and what was measured on the way."""

from __future__ import annotations

from screening.bundle_schema import BundleInfo, PartInfo


def model_card(info: BundleInfo, certificate: str) -> str:
    """Return the card in markdown; `certificate`: what is promised, in words."""
    return f"""# {info.name}

**Research use only. Not a medical device.** It orders a pile of karyograms; it clears nobody.
{_trial(info)}
Built by `screening build` on {info.created}. Abnormalities that taught it were simulated; what it
was not measured on it may get wrong. Not for structural changes, mosaicism, other stains,
metaphase spreads, or any diagnosis.

## Parts

{_given(info)}{_networks(info)}
- **Finding**: a segmentation network and an arbiter, `segmenter` and `arbiter` of this bundle.
{_score(info)}
## Training

Patients were split first (split {str(info.data.get("split"))[:12]}); nobody crosses parts.
Taught by {_listed(info.data.get("sources"))}.
Left out of everything: {info.data.get("left_out") or "nobody"}.

## Measured while building

{_measured(info)}
Run `screening evaluate` on karyograms of patients that this bundle never saw.

## Certificate

{certificate}
"""


def _given(info: BundleInfo) -> str:
    whose, added = info.data.get("parts_of"), info.data.get("parts_added")
    but = f", but for {_listed(added)}" if added else ""
    return f"Taken from bundle {whose[:12]}, not trained here{but}.\n\n" if whose else ""


def _trial(info: BundleInfo) -> str:
    said = info.trial_warning
    return f"\n**{said[0].upper()}{said[1:]}.**\n" if said else ""


def _networks(info: BundleInfo) -> str:
    lines = []
    for name, part in info.parts.items():
        if name == "structure" and isinstance(part, PartInfo):
            lines.append(
                f"- **Structure**: reads the strip of each chromosome, {part.size} × {part.width} "
                "pixels, row by row, and compares it with its homolog and with what is usual of "
                f"its class; taught by simulated structural changes; dropout {part.dropout:g}."
            )
        elif isinstance(part, PartInfo):
            side = f"{part.size} × {part.width or part.size}"
            heated = f", temperature {part.temperature:.2f}" if part.temperature != 1 else ""
            lines.append(
                f"- **{name.capitalize()}**: {part.backbone}, input {side} pixels, dropout "
                f"{part.dropout:g}{heated}."
            )
    return "\n".join(lines)


def _score(info: BundleInfo) -> str:
    if info.fusion is None:
        return ""
    parts = [f"{info.fusion.intercept:.2f}"]
    parts += [f"{weight:.2f} × {name}" for name, weight in info.fusion.weights.items()]
    named = " + ".join(parts)
    return (
        f"- **Score**: log-odds of abnormal = {named}.\n"
        f"- **Low priority** needs {info.min_confidence:.0%} of the passes under "
        f"{info.threshold:g} and a probability of a normal karyotype of at least "
        f"{info.fusion.min_p_normal:g}.\n"
        "- **Passes**: the network's answer and the classes of the chromosomes differ from dropout "
        "pass to dropout pass; where chromosomes were found, how they were cut apart and how the "
        "page is laid out do not.\n"
    )


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list | tuple) else str(names)


def _measured(info: BundleInfo) -> str:
    lines = []
    for part, values in info.metrics.items():
        said = ", ".join(f"{name} {value:g}" for name, value in values.items())
        lines.append(f"- {part}: {said}\n")
    return "".join(lines) or "Nothing.\n"

"""A finished run for a hospital's systems: HL7 FHIR R4, a DiagnosticReport per case.

Each case has an Observation per cell. All are `preliminary`: a suggestion that nobody has signed.
A case is named by an identifier alone, because what a patient is called is not known here. The
files hold nothing that needs the picture, and no names of folders.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from screening import __version__, words
from screening.record import Case
from screening.worklist.kept import KeptRun

_STATUS = "preliminary"
_CASE_SYSTEM = "urn:screening:case"
_CYTOGENETICS = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "CG"}
_KARYOTYPE = {"system": "http://loinc.org", "code": "29770-5"}
_UNKNOWN = {
    "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown",
}  # fmt: skip
NUMBERS = {
    "p_abnormal": "probability of abnormal, mean of the passes",
    "p_std": "spread of the probability over the passes",
    "confidence": "confidence in the prediction",
}
"""Columns of triage.csv that are numbers, and what they are called outside."""


def fhir_text(run: KeptRun) -> str:
    """Return a FHIR Bundle of type collection as JSON: the reports, most urgent first, each with
    its observations behind it. The same results give the same identifiers."""
    entries = []
    when = str(run.told["finished"])
    for case in run.cases:
        cells = [line for line in run.lines if line["case"] == case.case]
        observations = [(_url(run, case.case, cell["image"]), cell) for cell in cells]
        entries.append(_entry(_url(run, case.case), _report(run, case, when, observations)))
        entries += [_entry(url, _observation(run, cell, when)) for url, cell in observations]
    bundle = {"resourceType": "Bundle", "type": "collection", "timestamp": when, "entry": entries}
    return json.dumps(bundle, indent=1, ensure_ascii=False) + "\n"


def identifier(run: KeptRun, *names: str) -> uuid.UUID:
    """Return what something of a run is known by outside: the same for the same results."""
    return uuid.uuid5(uuid.NAMESPACE_OID, json.dumps([run.bundle, run.options, *names]))


def _url(run: KeptRun, *names: str) -> str:
    return identifier(run, *names).urn


def _entry(url: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    return {"fullUrl": url, "resource": resource}


def _report(
    run: KeptRun, case: Case, when: str, observations: list[tuple[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    said = [case.summary, case.findings, f"route: {case.route}"]
    return {
        "resourceType": "DiagnosticReport",
        "status": _STATUS,
        "category": [{"coding": [_CYTOGENETICS]}],
        "code": {"text": "Screening of karyograms"},
        "subject": _subject(case.case),
        "effectiveDateTime": when,
        "issued": when,
        "result": [{"reference": url} for url, _ in observations],
        "conclusion": f"{'; '.join(filter(None, said))}. {words.RESEARCH_USE}",
    }


def _observation(run: KeptRun, cell: Mapping[str, Any], when: str) -> dict[str, Any]:
    found = {"valueString": cell["karyotype"]} if cell["karyotype"] else {
        "dataAbsentReason": {"coding": [_UNKNOWN]}
    }  # fmt: skip
    return {
        "resourceType": "Observation",
        "status": _STATUS,
        "category": [{"coding": [_CYTOGENETICS]}],
        "code": {"coding": [_KARYOTYPE], "text": "Karyotype, suggested for one cell"},
        "subject": _subject(cell["case"]),
        "effectiveDateTime": when,
        **found,
        "interpretation": [{"text": cell["route"]}],
        "note": [{"text": text} for text in (cell["reasons"], words.RESEARCH_USE) if text],
        "method": {"text": f"screening {__version__}, bundle sha256 {run.bundle}"},
        "component": [
            {"code": {"text": "picture"}, "valueString": cell["image"]},
            {"code": {"text": "state"}, "valueString": cell["status"]},
            *(
                _number(label, cell[name])
                for name, label in NUMBERS.items()
                if is_known(cell[name])
            ),
            *(
                [{"code": {"text": "chromosomes found"}, "valueInteger": cell["chromosomes"]}]
                if is_known(cell["chromosomes"])
                else []
            ),
        ],
    }


def _number(label: str, value: float) -> dict[str, Any]:
    quantity = {"value": value, "unit": "1", "system": "http://unitsofmeasure.org", "code": "1"}
    return {"code": {"text": label}, "valueQuantity": quantity}


def _subject(case: str) -> dict[str, Any]:
    return {"identifier": {"system": _CASE_SYSTEM, "value": case}}


def is_known(value: object) -> bool:
    """Return whether a column of the work list has a value."""
    return value is not None and value != ""

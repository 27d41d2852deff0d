"""Whose a DICOM object is: the patient and study of the picture it is about, or a case by name.

Nothing of a picture's header is taken unless it is asked for. Then its patient and study are, as
far as they are valid, and what refers to the picture itself.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydicom import Dataset, config
from pydicom.uid import SecondaryCaptureImageStorage
from pydicom.valuerep import DA, TM, validate_value

from screening.images.dicom import read_header
from screening.images.quiet import quiet
from screening.worklist.fhir import identifier
from screening.worklist.kept import KeptRun

_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
_STUDY = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
_REFERENCE = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
_SEXES = ("M", "F", "O")
_LONGEST = 64  # bytes of an identifier: characters by the standard, but not by all that read it


def uid(run: KeptRun, *names: str) -> str:
    """Return a UID made of names: the same for the same results."""
    return f"2.25.{identifier(run, *names).int}"


def case_subject(run: KeptRun, case: str) -> Dataset:
    """Return the patient and study that stand for a case: known by its name alone."""
    # That an identity was removed is not claimed: cases may be called anything.
    return _named(_patient_id(case), uid(run, case))


def source_subject(header: Dataset) -> Dataset:
    """Return the patient and study of a picture by its header; what is not valid there is empty."""
    subject = _named("", _valid(header, "StudyInstanceUID"))
    for name in (*_PATIENT, *_STUDY):
        if value := _valid(header, name):
            setattr(subject, name, value)
    return subject


def source_of(path: Path) -> tuple[Dataset | None, Dataset | None]:
    """Return the header of a DICOM picture, None for another file and for one that belongs to no
    study, and what refers to the picture, None when the header does not say."""
    header = read_header(path)
    if header is None or not _valid(header, "StudyInstanceUID"):
        return None, None
    reference = Dataset()
    for name in (*_REFERENCE, "NumberOfFrames"):
        setattr(reference, name, _valid(header, name))
    return header, reference if all(reference.get(name) for name in _REFERENCE) else None


def _named(patient_id: str, study: str) -> Dataset:
    subject = Dataset()
    for name in (*_PATIENT, *_STUDY):
        if name != "IssuerOfPatientID":
            setattr(subject, name, "")
    subject.PatientID, subject.StudyInstanceUID = patient_id, study
    # What highdicom takes patient and study from has to be an object of a known kind.
    subject.SOPClassUID = SecondaryCaptureImageStorage
    subject.SeriesInstanceUID = subject.SOPInstanceUID = study
    return subject


def _patient_id(case: str) -> str:
    """The name of a case as an identifier can hold it; a hash tells apart what it cannot."""
    plain = case.replace("\\", "/").strip().encode("utf-8", "replace")
    if plain.decode() == case and len(plain) <= _LONGEST:
        return case
    digest = hashlib.sha256(case.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{plain[: _LONGEST - 11].decode('utf-8', 'ignore')}-{digest}"


def _valid(header: Dataset, name: str) -> str:
    """A value of a header as text, "" where there is none or it is none of its kind."""
    with quiet():
        try:
            element = header[name]
            value = str(element.value or "").strip()
            validate_value(element.VR, value, config.RAISE)
            {"DA": DA, "TM": TM}.get(element.VR, str)(value)
        except Exception:  # damaged values fail with nearly every type of exception there is
            return ""
    return "" if name == "PatientSex" and value not in _SEXES else value

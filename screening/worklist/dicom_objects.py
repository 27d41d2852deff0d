"""What DICOM objects say of one picture: a Comprehensive SR, and a Secondary Capture of its boxes.

Codes are the standard's where it has one that means this and no more; the others belong to a
scheme of this program. Every report is preliminary and unverified: nobody has signed it. The same
results give the same bytes; a report that says anything else has another UID.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sc import SCImage
from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    NumContentItem,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from highdicom.sr.utils import collect_evidence
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import JPEGLSLossless

from screening import __version__, words
from screening.record import Case, Picture
from screening.worklist.dicom_subject import uid
from screening.worklist.fhir import NUMBERS, is_known
from screening.worklist.kept import KeptRun

_SCHEME = "99SCREENING"
_KARYOTYPE = CodedConcept("29770-5", "LN", "Karyotype [Identifier] in Blood or Tissue Nominal")
_ENGLISH = CodedConcept("en", "RFC5646", "English")
_SERIES = "Screening of karyograms: research use only"
_PICTURES, _REPORTS = 9001, 9002
"""Numbers of the two series, above those of a study's own."""
_CONTAINS = RelationshipTypeValues.CONTAINS


@dataclass(frozen=True)
class About:
    """What an object is about: its `picture` and row of the work list, the picture's `case`, and
    `number`, its place in the list; `subject`: the patient and study; `source`: refers to the file
    of which it is the `frame`, counted from 1, None where nothing may."""

    run: KeptRun
    picture: Picture
    line: Mapping[str, Any]
    case: Case
    number: int
    subject: Dataset
    source: Dataset | None = None
    frame: int = 1


def capture(about: About, pixels: np.ndarray) -> Dataset:
    """Return a Secondary Capture image of `pixels`, uint8 (h, w, 3) RGB."""
    image = SCImage(
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),  # taken away below: a karyogram has none
        transfer_syntax_uid=JPEGLSLossless,
        study_instance_uid=about.subject.StudyInstanceUID,
        **_common(about, "pictures", _PICTURES),
    )
    image.PatientOrientation, image.Laterality = [], ""
    image.ConversionType = "WSD"  # made by a workstation
    image.copy_patient_and_study_information(about.subject)
    if about.source is not None:
        item = _reference(about.source)
        if frame := _frame(about):
            item.ReferencedFrameNumber = frame
        item.PurposeOfReferenceCodeSequence = [
            CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)
        ]
        image.SourceImageSequence = [item]
    return _finished(image, about.run)


def report(about: About, image: Dataset | None) -> Dataset:
    """Return a Comprehensive SR of what the work list says of a picture; `image`: its Secondary
    Capture, None where there is none."""
    content = ContainerContentItem(
        _code("REPORT", "Screening of a karyogram"), is_content_continuous=False
    )
    content.ContentSequence = ContentSequence(
        [*_context(about.run), *_said(about), *_shown(about, image)]
    )
    content.add_new("ObservationDateTime", "DT", _moment(about.run))
    shown = [one for one in (image, about.source) if one is not None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a patient's name of one word: it is as it was given
        document = ComprehensiveSR(
            evidence=[about.subject, *shown],
            content=content,
            is_complete=True,
            coding_schemes=[CodingSchemeIdentificationItem(_SCHEME, "screening", __version__)],
            **_common(about, "reports", _REPORTS),
        )
    # highdicom takes the patient and study from the first, which is itself no object to refer to.
    same, others = collect_evidence(shown, content, document.StudyInstanceUID)
    del document.CurrentRequestedProcedureEvidenceSequence
    if same:
        document.CurrentRequestedProcedureEvidenceSequence = same
    if others:
        document.PertinentOtherEvidenceSequence = others
    return _finished(document, about.run)


def _common(about: About, kind: str, number: int) -> dict[str, Any]:
    run, study = about.run, str(about.subject.StudyInstanceUID)
    return {
        "series_instance_uid": uid(run, study, kind),
        "series_number": number,
        "series_description": _SERIES,
        "sop_instance_uid": uid(run, study, kind, about.picture.image),
        "instance_number": about.number,
        "manufacturer": "screening",
        "manufacturer_model_name": str(run.told["bundle_name"])[:64],
        "device_serial_number": run.bundle,
        "software_versions": __version__,
        "specific_character_set": "ISO_IR 192",
    }


def _context(run: KeptRun) -> Iterator[ContentItem]:
    yield from LanguageOfContentItemAndDescendants(_ENGLISH)
    yield from ObserverContext(
        CodedConcept.from_code(codes.DCM.Device),
        DeviceObserverIdentifyingAttributes(
            uid(run, "device"), "screening", model_name=str(run.told["bundle_name"])
        ),
    )


def _said(about: About) -> Iterator[ContentItem]:
    verdict, line, case = about.picture.judged, about.line, about.case
    yield _text("NOTICE", "notice", words.RESEARCH_USE)
    yield _text("ROUTE", "route", verdict.route)
    if verdict.interval is not None:
        yield _number("P_LOW", "probability of abnormal, low end", verdict.interval[0])
        yield _number("P_HIGH", "probability of abnormal, high end", verdict.interval[1])
    for name, meaning in NUMBERS.items():
        if is_known(line[name]):
            yield _number(name.upper(), meaning, float(line[name]))
    if line["karyotype"]:
        yield TextContentItem(_KARYOTYPE, line["karyotype"], _CONTAINS)
    if is_known(line["chromosomes"]):
        yield _number("CHROMOSOMES", "chromosomes found", int(line["chromosomes"]))
    for reason in verdict.reasons:
        yield _text("REASON", "reason", reason)
    yield _text("STATE", "state", about.picture.status)
    said = "; ".join(filter(None, (case.summary, case.findings)))
    if said:
        yield _text("CASE", "all pictures of the case", said)
    yield _text("PICTURE", "picture", about.picture.image)
    if about.picture.sha256:
        yield _text("SHA256", "sha256 of the picture", about.picture.sha256)


def _shown(about: About, image: Dataset | None) -> Iterator[ContentItem]:
    if image is not None:
        yield _image(codes.DCM.IllustrationOfROI, image)
    if about.source is not None:
        yield _image(codes.DCM.SourceOfMeasurement, about.source, _frame(about))


def _frame(about: About) -> int | None:
    """The frame that is meant, None where there is only one."""
    frames = about.source.NumberOfFrames if about.source is not None else None
    return about.frame if int(frames or 1) > 1 else None


def _code(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, _SCHEME, meaning)


def _text(value: str, meaning: str, text: str) -> ContentItem:
    return TextContentItem(_code(value, meaning), text, _CONTAINS)


def _number(value: str, meaning: str, number: float) -> ContentItem:
    return NumContentItem(_code(value, meaning), number, codes.UCUM.NoUnits, None, _CONTAINS)


def _image(name: Code, of: Dataset, frame: int | None = None) -> ContentItem:
    return ImageContentItem(
        name, of.SOPClassUID, of.SOPInstanceUID, frame, relationship_type=_CONTAINS
    )


def _reference(of: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = of.SOPClassUID, of.SOPInstanceUID
    return item


def _when(run: KeptRun) -> datetime:
    return datetime.fromisoformat(str(run.told["finished"])).astimezone(UTC)


def _moment(run: KeptRun) -> str:
    return _when(run).strftime("%Y%m%d%H%M%S+0000")


def _finished(made: Dataset, run: KeptRun) -> Dataset:
    """The object with the run's time, and a UID made of all that it says."""
    when = _when(run)
    for kind in ("InstanceCreation{}", "Content{}", "{}OfSecondaryCapture"):
        if kind.format("Date") in made:
            made[kind.format("Date")].value = when.strftime("%Y%m%d")
            made[kind.format("Time")].value = when.strftime("%H%M%S")
    for equipment in made.ContributingEquipmentSequence:
        equipment.ContributionDateTime = _moment(run)
    if "StudyTime" not in made or not made.StudyTime:  # else it would speak of that as well
        made.TimezoneOffsetFromUTC = "+0000"
    content = io.BytesIO()
    made.save_as(content)
    made.SOPInstanceUID = uid(run, hashlib.sha256(content.getvalue()).hexdigest())
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made

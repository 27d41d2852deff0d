"""DICOM files become the grey picture that a viewer shows, or an ImageError with a reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import decoders
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from screening.errors import ImageError
from screening.images.read import read_image

RAMP = np.tile(np.linspace(0, 255, 120).round().astype(np.uint8), (90, 1))
RAMP[:30] = RAMP[:30] // 2  # no symmetry: a turned or mirrored picture would be seen


def write(
    path: Path, pixels: np.ndarray, photometric: str = "MONOCHROME2",
    syntax: UID = ExplicitVRLittleEndian, encoded: bytes | None = None, **tags: object,
) -> Path:  # fmt: skip
    """A DICOM file of `pixels` (h, w), (h, w, 3) or, with NumberOfFrames, (n, h, w)."""
    frames = int(tags.get("NumberOfFrames", 1))  # type: ignore[call-overload]
    shape = pixels.shape[1:] if frames > 1 else pixels.shape
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.1.3680043.8.498.1")
    meta.TransferSyntaxUID = syntax
    little = syntax != ExplicitVRBigEndian
    dataset = FileDataset(
        str(path), {}, b"\0" * 128, meta, syntax == ImplicitVRLittleEndian, little
    )
    dataset.Rows, dataset.Columns = shape[:2]
    dataset.SamplesPerPixel = shape[2] if len(shape) == 3 else 1
    if len(shape) == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.HighBit = dataset.BitsStored - 1
    kind = "OW" if pixels.dtype.itemsize > 1 else "OB"
    content = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
    dataset.add_new("PixelData", kind, content if encoded is None else encapsulate([encoded]))
    if encoded is not None:
        dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)
    return path


def off(path: Path, expected: np.ndarray = RAMP) -> int:
    """The largest difference from the expected picture."""
    grey = read_image(path)
    assert grey.dtype == np.uint8 and grey.shape == expected.shape
    return int(np.abs(grey.astype(int) - expected).max())


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_eight_bits_come_back_as_they_were(tmp_path, syntax):
    assert off(write(tmp_path / "a.dcm", RAMP, syntax=syntax)) == 0


def test_the_content_decides_not_the_name(tmp_path):
    assert off(write(tmp_path / "a.png", RAMP)) == 0


def test_monochrome1_is_inverted(tmp_path):
    assert off(write(tmp_path / "a.dcm", 255 - RAMP, "MONOCHROME1")) == 0


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_twelve_bits_use_the_whole_range(tmp_path, photometric, syntax):
    shown = RAMP if photometric == "MONOCHROME2" else 255 - RAMP
    path = write(tmp_path / "a.dcm", shown.astype(np.uint16) * 16, photometric, syntax,
                 BitsStored=12)  # fmt: skip
    assert off(path) <= 2


@pytest.mark.parametrize(("kind", "lowest"), [(np.int16, -2000), (np.int8, -128)])
def test_signed_values(tmp_path, kind, lowest):
    pixels = (RAMP.astype(int) + lowest).astype(kind)
    assert off(write(tmp_path / "a.dcm", pixels)) <= 2


def test_fewer_than_eight_bits_are_not_nearly_black(tmp_path):
    path = write(tmp_path / "a.dcm", RAMP >> 2, BitsStored=6)
    assert off(path) <= 4
    assert read_image(path).max() == 255


def test_one_bit(tmp_path):
    page = np.packbits(RAMP > 100, bitorder="little")
    path = write(tmp_path / "a.dcm", page.reshape(1, -1), Rows=90, Columns=120,
                 BitsAllocated=1, BitsStored=1)  # fmt: skip
    assert off(path, np.where(RAMP > 100, 255, 0)) == 0


def test_a_rescaling_of_nothing_changes_nothing(tmp_path):
    dim = RAMP // 2
    path = write(tmp_path / "a.dcm", dim, RescaleSlope=1, RescaleIntercept=0)
    assert off(path, dim) == 0


def test_rescaling_to_negative_values_and_back_to_front(tmp_path):
    pixels = RAMP.astype(np.uint16) * 16
    shifted = write(tmp_path / "a.dcm", pixels, RescaleSlope=1, RescaleIntercept=-1024)
    turned = write(tmp_path / "b.dcm", 4080 - pixels, RescaleSlope=-1, RescaleIntercept=4080)
    assert off(shifted) <= 2 and off(turned) <= 2


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_first_window_decides_what_is_black_and_white(tmp_path, photometric):
    # Values 1000 to 1510 are shown from black to white, what lies outside is clipped.
    pixels = RAMP.astype(np.uint16) * 2 + 1000
    pixels[60:75], pixels[75:] = 100, 4000
    expected = RAMP.copy()
    expected[60:75], expected[75:] = 0, 255
    if photometric == "MONOCHROME1":
        expected = 255 - expected
    path = write(tmp_path / "a.dcm", pixels, photometric, BitsStored=12,
                 WindowCenter=[1255.5, 7], WindowWidth=[511, 3])  # fmt: skip
    assert off(path, expected) <= 1


def test_a_window_is_of_rescaled_values(tmp_path):
    path = write(tmp_path / "a.dcm", RAMP, RescaleSlope=2, RescaleIntercept=-100,
                 WindowCenter=155.5, WindowWidth=511)  # fmt: skip
    assert off(path) == 0


def test_an_exact_window(tmp_path):
    path = write(tmp_path / "a.dcm", RAMP, WindowCenter=100, WindowWidth=100,
                 VOILUTFunction="LINEAR_EXACT")  # fmt: skip
    grey = read_image(path)
    assert (grey[RAMP <= 50] == 0).all() and (grey[RAMP >= 150] == 255).all()
    assert grey[RAMP == 100].size == 0 or (grey[RAMP == 100] == 128).all()


@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": 100},
        {"WindowCenter": 100, "WindowWidth": 1},
        {"WindowCenter": 100, "WindowWidth": 0, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": None, "WindowWidth": None},
    ],
)
def test_an_unusable_window_is_left_out(tmp_path, window):
    assert off(write(tmp_path / "a.dcm", RAMP, **window)) == 0


def colour(left: tuple[int, int, int], right: tuple[int, int, int]) -> np.ndarray:
    page = np.zeros((90, 120, 3), np.uint8)
    page[:, :60], page[:, 60:] = left, right
    return page


def test_colours_become_luma(tmp_path):
    page = colour((200, 0, 0), (0, 200, 0))
    luma = np.asarray(Image.fromarray(page).convert("L"))
    assert luma[0, 0] != luma[0, -1]
    assert off(write(tmp_path / "a.dcm", page, "RGB"), luma) == 0
    planes = np.ascontiguousarray(np.moveaxis(page, -1, 0)).reshape(page.shape)
    assert off(write(tmp_path / "b.dcm", planes, "RGB", PlanarConfiguration=1), luma) == 0
    video = np.asarray(Image.fromarray(page).convert("YCbCr"))
    assert off(write(tmp_path / "c.dcm", video, "YBR_FULL"), luma) <= 2


def test_a_palette_is_looked_up(tmp_path):
    backwards = np.arange(256)[::-1].astype("<u2") * 257  # entry 0 is white
    tables = {f"{c}PaletteColorLookupTableData": backwards.tobytes() for c in COLOURS}
    kinds = {f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in COLOURS}
    path = write(tmp_path / "a.dcm", 255 - RAMP, "PALETTE COLOR", **tables, **kinds)
    assert off(path) <= 1


COLOURS = ("Red", "Green", "Blue")


def test_the_first_of_several_frames_is_read(tmp_path):
    frames = np.stack([RAMP, 255 - RAMP, np.zeros_like(RAMP)])
    assert off(write(tmp_path / "a.dcm", frames, NumberOfFrames=3)) == 0


@pytest.mark.parametrize("pixels", [RAMP, RAMP.astype(np.uint16) * 257])
def test_run_length_encoding(tmp_path, pixels):
    dataset = pydicom.dcmread(write(tmp_path / "a.dcm", pixels))
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "b.dcm")
    assert pydicom.dcmread(tmp_path / "b.dcm").file_meta.TransferSyntaxUID == RLELossless
    assert off(tmp_path / "b.dcm") <= 1


def coded(page: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(page).save(buffer, kind, **options)
    return buffer.getvalue()


def test_jpeg(tmp_path):
    content = coded(RAMP, "JPEG", quality=95)
    assert off(write(tmp_path / "a.dcm", RAMP, syntax=JPEGBaseline8Bit, encoded=content)) <= 4
    page = colour((200, 30, 30), (30, 200, 30))
    content = coded(page, "JPEG", quality=95, subsampling=0)
    path = write(tmp_path / "b.dcm", page, "YBR_FULL", JPEGBaseline8Bit, content)
    assert off(path, np.asarray(Image.fromarray(page).convert("L"))) <= 6


@pytest.mark.skipif(not decoders.JPEG2000LosslessDecoder.is_available, reason="no decoder")
def test_jpeg_2000(tmp_path):
    content = coded(RAMP, "JPEG2000", irreversible=False, no_jp2=True)
    assert off(write(tmp_path / "a.dcm", RAMP, syntax=JPEG2000Lossless, encoded=content)) == 0


def reason(path: Path, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(path, **options)
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value.reason


@pytest.mark.skipif(decoders.JPEGLSLosslessDecoder.is_available, reason="it can be decoded here")
def test_a_compression_without_decoder_is_named_with_the_way_out(tmp_path):
    path = write(tmp_path / "a.dcm", RAMP, syntax=JPEGLSLossless, encoded=b"\xff\xd8" * 40)
    said = reason(path)
    assert "JPEG-LS Lossless" in said and "export it uncompressed" in said


def test_no_picture(tmp_path):
    dataset = pydicom.dcmread(write(tmp_path / "a.dcm", RAMP))
    del dataset.PixelData
    dataset.save_as(tmp_path / "b.dcm")
    assert reason(tmp_path / "b.dcm") == "a DICOM file without a picture"


@pytest.mark.parametrize("name", ["Rows", "Columns", "BitsAllocated", "PhotometricInterpretation"])
def test_a_missing_field_is_a_reason(tmp_path, name):
    dataset = pydicom.dcmread(write(tmp_path / "a.dcm", RAMP))
    delattr(dataset, name)
    dataset.save_as(tmp_path / "b.dcm")
    assert reason(tmp_path / "b.dcm")


def test_any_truncation_is_a_reason(tmp_path):
    whole = write(tmp_path / "a.dcm", RAMP).read_bytes()
    path = tmp_path / "b.dcm"
    for length in (132, 140, 200, 300, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:length])
        assert reason(path)
    assert "truncated" in reason(path) or "damaged" in reason(path)


def test_a_damaged_compressed_frame_is_a_reason(tmp_path):
    content = coded(RAMP, "JPEG")[:200]
    path = write(tmp_path / "a.dcm", RAMP, syntax=JPEGBaseline8Bit, encoded=content)
    assert reason(path)


def test_sizes_out_of_range(tmp_path):
    assert "more than the limit" in reason(write(tmp_path / "a.dcm", RAMP), max_pixels=10_799)
    assert read_image(write(tmp_path / "a.dcm", RAMP), max_pixels=10_800).shape == RAMP.shape
    assert "too small" in reason(write(tmp_path / "b.dcm", RAMP[:40, :40]))

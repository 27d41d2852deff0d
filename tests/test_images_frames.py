"""Every frame of a file is counted from its headers and read by its number, in every format."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

from screening.errors import ImageError
from screening.images.frames import MAX_FRAMES, Frames, count_frames, frame_hash
from screening.images.kinds import kind_of, surely_a_picture
from screening.images.read import read_image
from screening.images.tiff_pages import tiff_pages
from test_images_dicom import write as write_dicom

RAMP = np.tile(np.linspace(0, 255, 120).round().astype(np.uint8), (90, 1))
SHADES = [RAMP, RAMP[:, ::-1], RAMP // 2]


def pictures(count: int) -> list[Image.Image]:
    return [Image.fromarray(np.ascontiguousarray(np.roll(RAMP, 3 * i, 1))) for i in range(count)]


def save_all(path: Path, frames: list[Image.Image], kind: str, **options: object) -> Path:
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], **options)
    return path


def several(path: Path, kind: str) -> Path:
    frames = [Image.fromarray(np.ascontiguousarray(shade)) for shade in SHADES]
    options = {"WEBP": {"lossless": True}, "GIF": {"duration": 100}}.get(kind, {})
    if kind == "DICOM":
        return write_dicom(path, np.stack(SHADES), NumberOfFrames=3)
    if kind == "16-bit RGB TIFF":  # Pillow does not know it
        colour = [np.repeat(s[..., None].astype(np.uint16) * 257, 3, -1) for s in SHADES]
        with tifffile.TiffWriter(path) as tiff:
            for page in colour:
                tiff.write(page, photometric="rgb", contiguous=False)
        return path
    if kind == "BigTIFF":
        with tifffile.TiffWriter(path, bigtiff=True, byteorder=">") as tiff:
            for page in SHADES:
                tiff.write(page, photometric="minisblack", contiguous=False)
        return path
    if kind == "WEBP":
        frames = [frame.convert("RGB") for frame in frames]
    return save_all(path, frames, kind, **options)


KINDS = ("TIFF", "BigTIFF", "16-bit RGB TIFF", "GIF", "WEBP", "PNG", "DICOM")


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_is_counted_and_read_by_its_number(kind: str, tmp_path: Path) -> None:
    path = several(tmp_path / "picture", kind)
    assert count_frames(path) == Frames(3)
    np.testing.assert_array_equal(read_image(path), read_image(path, frame=1))
    off = 130 if kind == "16-bit RGB TIFF" else 2  # more than 8 bits use the whole range
    for number, shade in enumerate(SHADES, start=1):
        found = read_image(path, frame=number).astype(int)
        assert np.abs(found - shade).max() <= (off if number == 3 else 2)
    with pytest.raises(ImageError):
        read_image(path, frame=4)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_a_frame_does_not_depend_on_what_was_read_before(kind: str, tmp_path: Path) -> None:
    """Going on from the frame before (a thread's habit) and starting from the first agree."""
    rng = np.random.default_rng(4)
    frames = []
    for _ in range(8):  # patches on one page, so that frames are stored as differences
        page = frames[-1].copy() if frames else Image.fromarray(RAMP).convert("RGB")
        page.paste(
            int(rng.integers(0, 2**24)), tuple(int(v) for v in rng.integers(0, 60, 2)) + (99, 80)
        )
        frames.append(page)
    options = {"WEBP": {"lossless": True}, "PNG": {"disposal": 2}}.get(kind, {"disposal": 2})
    path = save_all(tmp_path / "x", frames, kind, **options)
    apart = {}
    for number in range(8, 0, -1):  # backwards: each starts from the first
        apart[number] = read_image(path, frame=number)
    for number in (1, 2, 3, 5, 6, 8, 4):
        np.testing.assert_array_equal(read_image(path, frame=number), apart[number])
    save_all(path, frames[::-1], kind, **options)
    assert (read_image(path, frame=5) != apart[5]).any()  # the file has changed meanwhile


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_one_picture_is_one_frame(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    Image.fromarray(RAMP).save(path, kind)
    assert count_frames(path) == Frames(1)
    assert read_image(path).shape == RAMP.shape


def test_what_cannot_be_opened_is_one_frame(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"II*\0\x08")
    assert count_frames(bad) == count_frames(tmp_path / "absent.gif") == Frames(1)
    with pytest.raises(ImageError, match="damaged|truncated"):
        read_image(bad)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_are_counted_quickly_and_read_or_refused(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    good = np.frombuffer(several(tmp_path / "good", kind).read_bytes(), np.uint8)
    path = tmp_path / "damaged"
    for _ in range(40):
        bad = good.copy()
        places = rng.integers(0, min(len(bad), 2000), int(rng.integers(1, 12)))
        bad[places] = rng.integers(0, 256, len(places))
        path.write_bytes(bad[: int(rng.integers(1, len(bad) + 1))].tobytes())
        frames = count_frames(path)
        assert 1 <= frames.count <= MAX_FRAMES + 1
        for number in range(1, min(frames.count, 3) + 1):
            try:
                assert read_image(path, frame=number).ndim == 2
            except ImageError as error:
                assert error.reason


def test_reduced_copies_masks_and_slide_levels_are_no_frames(tmp_path: Path) -> None:
    small = np.ascontiguousarray(RAMP[::2, ::2])
    pyramid = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(pyramid) as tiff:
        tiff.write(small, subfiletype=1)  # a thumbnail, here in front
        tiff.write(SHADES[0], contiguous=False)
        tiff.write(small, subfiletype=1, contiguous=False)
        tiff.write(SHADES[0] > 9, subfiletype=4, contiguous=False)  # a mask
        tiff.write(SHADES[1], contiguous=False)
        tiff.write(small, subfiletype=9, contiguous=False)  # the macro page of a scanner
    assert count_frames(pyramid) == Frames(2)
    np.testing.assert_array_equal(read_image(pyramid), SHADES[0])
    np.testing.assert_array_equal(read_image(pyramid, frame=2), SHADES[1])
    slide = tmp_path / "slide.tif"
    with tifffile.TiffWriter(slide) as tiff:
        tiff.write(SHADES[0], description="Aperio Image Library v1", metadata=None)
        tiff.write(small, contiguous=False, metadata=None)
    assert count_frames(slide) == Frames(1)
    with tifffile.TiffWriter(tmp_path / "sub.tif") as tiff:
        tiff.write(SHADES[0], subifds=1)
        tiff.write(small, subfiletype=1)
    assert count_frames(tmp_path / "sub.tif") == Frames(1)


def test_pages_that_imagej_does_not_list_are_told(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack(SHADES), imagej=True, truncate=True)
    frames = count_frames(path)
    assert frames.count == 1 and "ImageJ wrote 3 pictures, of which 1" in frames.problem


def tiff_of(following: list[int], tag: int = 256, value: int = 100) -> bytes:
    """A TIFF of directories of one entry each, which lead to the offsets given."""
    head = struct.pack("<2sHI", b"II", 42, 8)
    return head + b"".join(struct.pack("<HHHIII", 1, tag, 4, 1, value, to) for to in following)


def test_a_chain_that_loops_ends_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "loop.tif"
    path.write_bytes(tiff_of([26, 44, 8]))
    frames = count_frames(path)
    assert frames.count == 3 and "leads back" in frames.problem
    path.write_bytes(tiff_of([26, 10**9]))
    assert count_frames(path) == Frames(2, "the list of its pages is damaged or truncated")


def test_a_huge_chain_ends_quickly(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    chain = [8 + 18 * (i + 1) for i in range(100_000)]
    path.write_bytes(tiff_of(chain))
    begun = time.perf_counter()
    assert count_frames(path).too_many
    path.write_bytes(tiff_of(chain, tag=254, value=1))  # each a reduced copy
    with path.open("rb") as file:
        assert "it lists more than" in tiff_pages(file, MAX_FRAMES).problem
    assert count_frames(path) == Frames(1)
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "DICOM"])
def test_more_than_the_limit_is_not_counted_to_the_end(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "many"
    if kind == "DICOM":
        write_dicom(path, np.stack(SHADES), NumberOfFrames=3)
        dataset = pydicom.dcmread(path)
        dataset.NumberOfFrames = 10**6
        dataset.save_as(path)
    else:
        tiny = [Image.new("L", (2, 2), i % 250) for i in range(MAX_FRAMES + 20)]
        save_all(path, tiny, kind)
    assert count_frames(path).count == MAX_FRAMES + 1
    assert count_frames(path).too_many


def test_dicom_pixels_behind_the_announced_frames_are_told(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.stack(SHADES), NumberOfFrames=3)
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = 2
    dataset.save_as(path)
    assert count_frames(path) == Frames(
        2, "its header tells of 2 frames, but pixels of more follow"
    )
    del dataset.NumberOfFrames
    dataset.save_as(path)
    assert count_frames(path).count == 1 and "tells of 1 frame" in count_frames(path).problem


def test_a_deflated_dicom_has_frames(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.stack(SHADES), NumberOfFrames=3,
                       syntax=DeflatedExplicitVRLittleEndian)  # fmt: skip
    assert count_frames(path) == Frames(3)
    np.testing.assert_array_equal(read_image(path, frame=2), SHADES[1])


def test_one_damaged_frame_of_a_compressed_dicom_leaves_the_others(tmp_path: Path) -> None:
    coded = []
    for shade in SHADES:
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(shade)).save(buffer, "JPEG", quality=95)
        coded.append(buffer.getvalue())
    coded[1] = coded[1][:60] + bytes(len(coded[1]) - 60)
    path = write_dicom(tmp_path / "a.dcm", np.stack(SHADES), NumberOfFrames=3,
                       syntax=JPEGBaseline8Bit, encoded=coded[0])  # fmt: skip
    dataset = pydicom.dcmread(path)
    dataset.PixelData = pydicom.encaps.encapsulate(coded)
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    assert count_frames(path).count == 3
    assert np.abs(read_image(path, frame=3).astype(int) - SHADES[2]).max() <= 4
    with pytest.raises(ImageError):
        read_image(path, frame=2)


def test_a_truncated_dicom_keeps_its_whole_frames(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.stack(SHADES), NumberOfFrames=3)
    path.write_bytes(path.read_bytes()[:-100])
    np.testing.assert_array_equal(read_image(path, frame=2), SHADES[1])
    with pytest.raises(ImageError):
        read_image(path, frame=3)


def test_a_preview_behind_a_jpeg_is_no_frame(tmp_path: Path) -> None:
    path = save_all(tmp_path / "a.jpg", pictures(2), "MPO")
    assert kind_of(path.read_bytes()[:132]) == "JPEG" and count_frames(path) == Frames(1)


def test_frames_have_an_identity_each() -> None:
    whole = "ab" * 32
    hashes = [frame_hash(whole, frame) for frame in range(1, 5)]
    assert hashes[0] == whole and len(set(hashes)) == 4
    assert all(len(each) == 64 and set(each) <= set("0123456789abcdef") for each in hashes)
    assert frame_hash("cd" * 32, 2) != hashes[1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "an SVG drawing"),
        (b"<?xml version='1.0'?>\n<svg></svg>", "an SVG drawing"),
        (b"<!DOCTYPE html><html><body>", "an HTML page"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "an AVI or WAV file"),
        (b"hello", "a text file"),
    ],
)
def test_what_is_named_like_a_picture_is_refused_by_name(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason):
        read_image(path)


def test_a_huge_webp_is_refused_by_its_size(tmp_path: Path) -> None:
    canvas = (29_999).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas + canvas
    path = tmp_path / "bomb.webp"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert count_frames(path) == Frames(1)
    with pytest.raises(ImageError, match="30,000"):
        read_image(path)


def test_text_that_begins_like_a_bitmap_is_no_picture(tmp_path: Path) -> None:
    assert not surely_a_picture(b"BMI of all patients, 2020, in kg per square metre")
    buffer = io.BytesIO()
    Image.fromarray(RAMP).save(buffer, "BMP")
    assert surely_a_picture(buffer.getvalue()[:132])

"""Every file becomes a grey picture or an ImageError with a reason; nothing else ever happens."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from screening.errors import ImageError
from screening.images.read import read_image

RAMP = np.tile(np.linspace(0, 255, 120).round().astype(np.uint8), (90, 1))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_formats_come_back_as_they_were(kind, tmp_path):
    path = tmp_path / "picture.img"
    path.write_bytes(encoded(Image.fromarray(RAMP), kind))
    np.testing.assert_array_equal(read_image(path), RAMP)


def test_jpeg_is_close(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(Image.fromarray(RAMP), "JPEG", quality=95))
    assert np.abs(read_image(path).astype(int) - RAMP).max() <= 4


@pytest.mark.parametrize("mode", ["RGB", "P", "CMYK"])
def test_colour_modes_become_luma(mode, tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(encoded(Image.fromarray(RAMP).convert(mode), "TIFF"))
    assert np.abs(read_image(path).astype(int) - RAMP).max() <= 2


def test_transparency_lies_on_white_paper(tmp_path):
    rgba = np.zeros((90, 120, 4), np.uint8)
    rgba[:, 60:, 3] = 255
    path = tmp_path / "a.png"
    Image.fromarray(rgba).save(path)
    grey = read_image(path)
    assert (grey[:, :60] == 255).all() and (grey[:, 60:] == 0).all()


def test_twelve_bits_in_a_16_bit_file_use_the_whole_range(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(encoded(Image.fromarray(RAMP.astype(np.uint16) * 16), "TIFF"))
    assert np.abs(read_image(path).astype(int) - RAMP).max() <= 2


def test_content_decides_not_the_name(tmp_path):
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(encoded(Image.fromarray(RAMP), "PNG"))
    np.testing.assert_array_equal(read_image(path), RAMP)


def bomb() -> bytes:
    """A PNG of 60 bytes that claims 30,000 × 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty|0 bytes|no bytes"),
        (b"not a picture, just text", "a text file"),
        (encoded(Image.fromarray(RAMP), "PNG")[:100], "trunc|cut|damaged|incomplete"),
        (encoded(Image.new("L", (1, 1)), "PNG"), "too small"),
        (bomb(), "30,000"),
    ],
)
def test_bad_content_gets_its_reason(content, reason, tmp_path):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"(?i){reason}") as caught:
        read_image(path)
    assert caught.value.path == path and "Error" not in caught.value.reason


def test_bad_places_get_their_reason(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(ImageError, match="folder"):
        read_image(tmp_path / "x.png")
    (tmp_path / "link.png").symlink_to("nowhere.png")
    with pytest.raises(ImageError, match="link"):
        read_image(tmp_path / "link.png")
    with pytest.raises(ImageError):
        read_image(tmp_path / "absent.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission_is_said(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(RAMP), "PNG"))
    path.chmod(0)
    with pytest.raises(ImageError, match="(?i)permission"):
        read_image(path)


def test_non_ascii_and_very_long_names(tmp_path):
    path = tmp_path / ("Ж" * 120 + ".png")
    path.write_bytes(encoded(Image.fromarray(RAMP), "PNG"))
    assert read_image(path).shape == RAMP.shape


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF"])
def test_damaged_bytes_are_a_picture_or_an_image_error(kind, tmp_path):
    rng = np.random.default_rng(1)
    good = np.frombuffer(encoded(Image.fromarray(RAMP), kind), np.uint8)
    path: Path = tmp_path / "damaged"
    for _ in range(60):
        bad = good.copy()
        places = rng.integers(0, len(bad), int(rng.integers(1, 12)))
        bad[places] = rng.integers(0, 256, len(places))
        path.write_bytes(bad[: int(rng.integers(1, len(bad) + 1))].tobytes())
        try:
            grey = read_image(path)
        except ImageError as error:
            assert error.reason
        else:
            assert grey.dtype == np.uint8 and grey.ndim == 2

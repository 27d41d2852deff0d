"""Files of an enemy or a broken disk are taken, or refused with a sentence; no crash, no hang."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import os
import shutil
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from screening.bundle import Bundle, default_bundle, load_bundle
from screening.config import read_config
from screening.data.manifest import read_manifest
from screening.errors import BundleError, ConfigError, ImageError, ManifestError, ScreeningError
from screening.images.frames import MAX_FRAMES, count_frames
from screening.images.inflate import inflates_beyond, unpacks_beyond
from screening.images.read import read_image
from screening.worklist.tables import csv_text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from fuzz_targets import TOKENS, Reader, dicom_of, readers

MIB = 1 << 20
edit = st.tuples(
    st.floats(0, 1), st.integers(0, 40), st.one_of(st.binary(max_size=40), st.sampled_from(TOKENS))
)


def edited(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """`data` with pieces replaced: (where as a share, how many bytes go, what comes)."""
    made = bytearray(data)
    for where, gone, new in edits:
        place = int(where * len(made))
        made[place : place + gone] = new
    return bytes(made)


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.name)
def test_a_spoiled_file_is_taken_or_refused_with_a_sentence(reader: Reader, tmp_path: Path) -> None:
    @settings(
        max_examples=40, deadline=10_000, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from(reader.seeds), st.lists(edit, min_size=1, max_size=4), st.floats(0.1, 1))
    def spoiled(seed: bytes, edits: list[tuple[float, int, bytes]], kept: float) -> None:
        made = edited(seed, edits)
        try:
            reader.read(made[: int(kept * len(made))] if kept < 0.5 else made, tmp_path)
        except (ScreeningError, *reader.told) as error:
            assert str(error)

    spoiled()


# What found something, or would have: one case each.


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (70, 70), 200).save(buffer, "PNG")
    whole = buffer.getvalue()
    made = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return whole[:33] + made + whole[33:]


def tiff(compression: int, strip: bytes, bits: int = 64) -> bytes:
    """A page of 100 × 100 numbers of 64 bits, which Pillow does not know, in one strip."""
    entries = [(256, 100), (257, 100), (258, bits), (259, compression), (262, 1), (273, 8),
               (277, 1), (278, 100), (279, len(strip))]  # fmt: skip
    strip += bytes(len(strip) % 2)
    listed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    at = struct.pack("<I", 8 + len(strip))
    return b"II*\0" + at + strip + struct.pack("<H", len(entries)) + listed + bytes(4)


def deflated_dicom(more: int) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(dicom_of(np.zeros((70, 68), np.uint8))))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.add_new(0x00091001, "OB", bytes(2))
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    whole = buffer.getvalue()
    start = 144 + int.from_bytes(whole[140:144], "little")
    inner = zlib.decompressobj(-15).decompress(whole[start:])
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = [deflate.compress(inner)] + [deflate.compress(bytes(MIB)) for _ in range(more)]
    return whole[:start] + b"".join(body) + deflate.flush()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: tiff(8, zlib.compress(bytes(32 * MIB), 1)), "more than its size tells"),
        (lambda: tiff(34925, lzma.compress(bytes(32 * MIB), preset=0)), "more than its size"),
        (lambda: deflated_dicom(520), "far more is compressed in it"),
        (lambda: png_with((b"iCCP", b"a\0\0" + zlib.compress(bytes(32 * MIB), 1))), "too large"),
        (lambda: png_with((b"zTXt", b"a\0\0" + zlib.compress(bytes(32 * MIB), 1))), "too large"),
    ],
    ids=["tiff deflate", "tiff lzma", "dicom deflated", "png profile", "png text"],
)  # fmt: skip
def test_a_few_bytes_that_would_fill_the_memory_are_refused(
    content, said: str, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "bomb.png"
    path.write_bytes(content())
    assert count_frames(path).count == 1
    with pytest.raises(ImageError, match=said):
        read_image(path)


def test_honest_compression_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    values = np.random.default_rng(0).random((100, 100))
    kinds = ((8, zlib.compress(values.tobytes())), (34925, lzma.compress(values.tobytes())))
    for kind, strip in kinds:
        # Numbers with a point: sample format 3.
        made = tiff(kind, strip)
        path.write_bytes(made)
        assert read_image(path).shape == (100, 100)
    path.write_bytes(deflated_dicom(0))
    assert read_image(path).shape == (70, 68)
    assert not inflates_beyond(zlib.compress(bytes(MIB)), MIB)
    assert inflates_beyond(zlib.compress(bytes(MIB)), MIB - 1)
    assert not unpacks_beyond(lzma.compress(bytes(3 * MIB)), 3 * MIB)
    assert unpacks_beyond(lzma.compress(bytes(3 * MIB)), 3 * MIB - 1)
    assert not inflates_beyond(b"none", 1) and not unpacks_beyond(b"none", 1)


def test_a_tiff_of_very_many_directories_takes_no_time(tmp_path: Path) -> None:
    many, path = 1_000_000, tmp_path / "many.tif"
    for reduced in (0, 1):
        entry = struct.pack("<HHII", 254, 4, 1, reduced)
        nexts = np.arange(1, many + 1, dtype=np.uint32) * 18 + 8
        nexts[-1] = 0
        rows = np.zeros((many, 18), np.uint8)
        rows[:, :14] = np.frombuffer(struct.pack("<H", 1) + entry, np.uint8)
        rows[:, 14:] = nexts.astype("<u4").view(np.uint8).reshape(many, 4)
        path.write_bytes(b"II*\0" + struct.pack("<I", 8) + rows.tobytes())
        start = time.process_time()
        frames = count_frames(path)
        assert frames.count == (1 if reduced else MAX_FRAMES + 1) or frames.problem
        with pytest.raises(ImageError):
            read_image(path)
        assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "an HTML page"),
        (b"%PDF-1.7 \x89PNG", "a PDF document"),
        (b"PK\x03\x04 and a picture behind", "a ZIP archive"),
        (b"GIF89a=1;alert(1)//", "damaged|truncated"),
    ],
)
def test_what_only_looks_like_a_picture_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "k.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=said):
        read_image(path)


def test_a_picture_that_is_also_something_else_is_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "k.png"
    path.write_bytes(png_with() + b"PK\x03\x04<script>alert(1)</script>")
    assert read_image(path).shape == (70, 70)


@pytest.mark.parametrize("path", ["a\0b.png", "x" * 300 + ".png", "../" * 500 + "x.png"])
def test_paths_that_no_disk_knows_are_missing_files(path: str, tmp_path: Path) -> None:
    table = tmp_path / "m.csv"
    table.write_text(f"path,label,case\n{path},normal,c\n")
    with pytest.raises(ManifestError, match="does not exist"):
        read_manifest(table)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, one in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    ["[" * 5000, "- " * 5000, "seed: " + "9" * 5000, "seed: 2001-13-45", BOMB + "stages: *i",
     "!!python/object/apply:os.system ['true']", "\x00", "seed: .inf", "? [a]\n: 1"],
    ids=["flow", "nested", "digits", "date", "aliases", "python", "null", "infinite", "key"],
)  # fmt: skip
def test_yaml_that_is_meant_ill_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(path, {"vgg16": ("head",)})
    assert len(str(caught.value)) < 20_000


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(default_bundle(), tmp_path / "bundle")
    return tmp_path / "bundle"


def sealed(folder: Path, **changes: object) -> Bundle:
    """The bundle with hashes that fit what was changed in it: the enemy can compute them too."""
    info = json.loads((folder / "bundle.json").read_text("utf-8")) | changes
    for name in info["files"]:
        if (folder / name).is_file():
            info["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(info), "utf-8")
    digest = hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    (folder / "DONE").write_text(digest)
    return load_bundle(folder)


LAMBDA = {
    "class_name": "Lambda", "module": "keras.layers", "registered_name": None,
    "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wAA"}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (LAMBDA, "cannot be loaded"),
        ({**LAMBDA, "class_name": "Popen", "module": "subprocess"}, "names code of subprocess"),
        ({**LAMBDA, "class_name": "TFSMLayer", "config": {"filepath": "x"}}, "cannot be loaded"),
        ({**LAMBDA, "class_name": "Evil", "registered_name": "Custom>Evil"}, "cannot be loaded"),
        ({"class_name": "system", "module": "os", "config": {}}, "names code of os"),
    ],
    ids=["lambda", "process", "saved model", "custom", "function"],
)
def test_a_network_that_would_run_code_is_not_loaded(copied: Path, layer: dict, said: str) -> None:
    config = json.loads((copied / "screener.json").read_text())
    config["config"]["layers"][1] = {**config["config"]["layers"][1], **layer}
    (copied / "screener.json").write_text(json.dumps(config))
    bundle = sealed(copied)
    with pytest.raises(BundleError, match=said):
        bundle.load_model()


def test_weights_that_do_not_fit_are_told(copied: Path) -> None:
    weights = load_bundle(copied).network("screener").weights
    (copied / weights).write_bytes((copied / weights).read_bytes()[:5000])
    bundle = sealed(copied)
    with pytest.raises(BundleError, match="cannot be loaded"):
        bundle.load_model()


def test_a_bundle_reads_nothing_outside_its_folder(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_bytes((copied / "arbiter.json").read_bytes())
    info = json.loads((copied / "bundle.json").read_text("utf-8"))
    for outside in (
        "../outside.json",
        str(tmp_path / "outside.json"),
        "..",
        "a/../../outside.json",
    ):
        changed = info | {"parts": info["parts"] | {"arbiter": {"file": outside}}}
        changed["files"] = info["files"] | {outside: info["files"]["arbiter.json"]}
        with pytest.raises(BundleError):
            sealed(copied, **changed)
    (copied / "bundle.json").write_text(json.dumps(info))
    (copied / "arbiter.json").unlink()
    (copied / "arbiter.json").symlink_to(
        "/etc/hostname" if os.path.exists("/etc/hostname") else "x"
    )
    digest = hashlib.sha256((copied / "bundle.json").read_bytes()).hexdigest()
    (copied / "DONE").write_text(digest)
    with pytest.raises(BundleError, match="arbiter.json"):  # content decides, wherever it lies
        load_bundle(copied)


@pytest.mark.parametrize("first", "=+-@\t\r")
def test_no_cell_of_a_table_is_a_formula(first: str) -> None:
    text = csv_text(("image", "note"), [{"image": f"{first}cmd|' /C calc'!A0", "note": "x"}])
    assert text.splitlines()[1].lstrip('"').startswith("'")

"""Every reader of files that come from outside, with whole files to spoil and ways to spoil them.

A reader either takes a file or refuses it with a ScreeningError; anything else is a crash. Used by
scripts/fuzz_readers.py and tests/test_hostile_input.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from screening.build.config import read_build
from screening.bundle import default_bundle, load_bundle
from screening.bundle_schema import BundleInfo, FilePart
from screening.config import read_config
from screening.data.chromosomes import read_cells, read_chromosomes
from screening.data.manifest import read_manifest
from screening.data.split import Split
from screening.errors import ImageError
from screening.images.frames import count_frames
from screening.images.read import read_image
from screening.record import Chromosome, Picture, Reading
from screening.review.exchange import read_verdicts
from screening.review.verdicts import COLUMNS
from screening.worklist.kept import read_run
from screening.worklist.kept_record import picture_in, text_of
from screening.worklist.ledger import FILE_NAME, Ledger
from screening.worklist.tables import csv_text

ROOT = Path(__file__).resolve().parents[1]
BASES = {"vgg16": ("head", "whole"), "inceptionv3": ("head", "whole")}


@dataclass(frozen=True)
class Reader:
    """A reader: `seeds` are whole files, `read` takes the bytes of one and a folder to write to;
    `told`: further exceptions by which it may refuse, as its docstring says."""

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes, Path], object]
    told: tuple[type[Exception], ...] = ()


def readers() -> tuple[Reader, ...]:
    """Return all readers with their seeds."""
    configs = sorted((ROOT / "configs").glob("*.yaml"))
    text = tuple(path.read_bytes() for path in configs if "model:" in path.read_text("utf-8"))
    build = (ROOT / "configs" / "default_bundle.yaml").read_bytes()
    info = (default_bundle() / "bundle.json").read_bytes()
    return (
        Reader("pictures, Pillow", _pillow_seeds(), _picture),
        Reader("pictures, TIFF", _tiff_seeds(), _picture),
        Reader("pictures, DICOM", _dicom_seeds(), _picture),
        Reader("settings of a training, YAML", text, _file("c.yaml", _config)),
        Reader("settings of a build, YAML", (build,), _file("c.yaml", _build)),
        Reader("manifest, CSV", (_MANIFEST,), _file("m.csv", read_manifest)),
        Reader("chromosomes, CSV", (_CHROMOSOMES,), _file("m.csv", read_chromosomes)),
        Reader("cells, CSV", (_CELLS,), _file("cells.csv", _cells)),
        Reader("split, CSV", (b"case,part\na,train\nb,test\n",), _file("s.csv", Split.from_table)),
        Reader("split, JSON", (_split(),), lambda data, at: Split.from_json(_text(data))),
        Reader("bundle.json", (info, _small_info()), _bundle),
        Reader("verdicts, CSV", (_verdicts(),), _file("v.csv", read_verdicts)),
        Reader(
            "record of the ledger", (_record(),), _kept, (ValueError, KeyError, TypeError)
        ),
        Reader("outputs of a run", (_RUN,), _run),
    )  # fmt: skip


def spoiled(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Return `data` changed in one to four places, as a disk, a wire or an enemy would; `other`
    gives bytes to put in."""
    made = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(len(made) + 1))
        length = int(rng.integers(1, 1 + min(64, len(made) or 1)))
        how = int(rng.integers(9))
        if how == 0 and made:
            made[min(place, len(made) - 1)] ^= 1 << int(rng.integers(8))
        elif how == 1:
            made[place : place + length] = rng.integers(0, 256, length, np.uint8).tobytes()
        elif how == 2:
            del made[place : place + length]
        elif how == 3:
            made[place:place] = made[place : place + length]
        elif how == 4:
            del made[place:]
        elif how == 5:
            start = int(rng.integers(len(other) + 1))
            made[place:place] = other[start : start + length * 4]
        elif how == 6:
            form = "<>"[int(rng.integers(2))] + "BHIQ"[int(rng.integers(4))]
            number = _EXTREME[int(rng.integers(len(_EXTREME)))] % 256 ** struct.calcsize(form)
            made[place : place + struct.calcsize(form)] = struct.pack(form, number)
        else:
            made[place : place + length * (how == 7)] = TOKENS[int(rng.integers(len(TOKENS)))]
    return bytes(made[: 1 << 20])


_EXTREME = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    32767,
    65535,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)
TOKENS = (
    b"-1", b"0", b"1e999", b"nan", b"NaN", b"Infinity", b"99999999999999999999", b"null", b"true",
    b'""', b"[]", b"{}", b"[[[[", b"{\"a\":" * 40, b"[" * 3000, b"9" * 5000, b"2001-13-45",
    b"- " * 2000, b"&a [*a]", b"!!python/object/apply:os.system [x]", b"\0", b"\xff\xfe",
    b"\xed\xa0\x80", b"\n", b",", b'"', b"../../../etc/passwd", b"a" * 5000,
    b"=cmd|' /C calc'!A0", "\u202e\u2028ż".encode(), b"%s{0}", b"<script>", b": ", b"#2",
    b"\x1b[31m",
)  # fmt: skip


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def from_file(data: bytes, folder: Path) -> object:
        for picture in ("a.png", "b.tif", "c.png"):  # which a table may name
            (folder / picture).touch()
        (folder / name).write_bytes(data)
        return read(folder / name)

    return from_file


def _picture(data: bytes, folder: Path) -> None:
    path = folder / "p.png"
    path.write_bytes(data)
    count_frames(path)  # never raises
    with contextlib.suppress(ImageError):
        read_image(path, max_pixels=1_000_000, frame=2)
    found = read_image(path, max_pixels=1_000_000)
    assert found.dtype == np.uint8 and found.ndim == 2


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _config(path: Path) -> object:
    return read_config(path, BASES)


def _build(path: Path) -> object:
    return read_build(path, BASES)


def _cells(path: Path) -> object:
    path.with_name("chromosomes.csv").write_bytes(_CHROMOSOMES)
    return read_cells(path.parent)


def _bundle(data: bytes, folder: Path) -> None:
    """The enemy has written DONE as well."""
    (folder / "bundle.json").write_bytes(data)
    (folder / "DONE").write_text(hashlib.sha256(data).hexdigest())
    load_bundle(folder)


def _kept(data: bytes, folder: Path) -> None:
    """The checksum is right: who can write a record can write that too."""
    picture_in(_text(data).partition("\n")[0])


def _run(data: bytes, folder: Path) -> None:
    """A ledger that is whole, beside outputs that somebody changed: three files in one."""
    info = BundleInfo(
        name="small", created="2026-01-01", parts={"a": FilePart(file="a")}
    ).model_dump_json()
    hash_ = hashlib.sha256(info.encode()).hexdigest()
    if not (folder / FILE_NAME).exists():
        with Ledger(folder / FILE_NAME, hash_, "o") as ledger:
            ledger.begin({"pictures": "in", "options_hash": "o"}, "2026-01-01", info=info)
            ledger.finish("2026-01-01")
    parts = data.split(b"\x1d")
    for name, part in zip(("run.json", "triage.jsonl", "cases.csv"), parts, strict=False):
        (folder / name).write_bytes(part.replace(b"HASH", hash_.encode()))
    read_run(folder)


def _page(seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 255, (70, 68), np.uint8)
    return Image.fromarray(values // 32 * 32)


def _saved(image: Image.Image, kind: str, **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def _pillow_seeds() -> tuple[bytes, ...]:
    pages = [_page(seed) for seed in range(3)]
    film: dict[str, object] = {"save_all": True, "append_images": pages[1:]}
    made = [_saved(pages[0], kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP")]
    made += [_saved(pages[0], kind, **film) for kind in ("PNG", "GIF", "WEBP")]
    rgba, palette = pages[0].convert("RGBA"), pages[0].convert("P")
    made += [_saved(rgba, kind) for kind in ("PNG", "WEBP")]
    made += [_saved(palette, "PNG", transparency=3), _saved(pages[0].convert("I;16"), "PNG")]
    exif = pages[0].getexif()
    exif[0x0112] = 6
    made += [_saved(pages[0].convert("RGB"), "JPEG", exif=exif, progressive=True)]
    made += [_saved(pages[0].convert("1"), "PNG"), _saved(pages[0].convert("CMYK"), "JPEG")]
    return tuple(made)


def _tiff_seeds() -> tuple[bytes, ...]:
    pages = [_page(seed) for seed in range(3)]
    film: dict[str, object] = {"save_all": True, "append_images": pages[1:]}
    made = [_saved(pages[0], "TIFF", compression=how, **film)
            for how in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")]  # fmt: skip
    values = np.asarray(pages[0])
    deep = np.stack([values.astype(np.uint16) * 16] * 3, -1)
    for data, how in (
        (values, {"bigtiff": True}), (values.astype(np.float32), {}), (deep, {}),
        (deep, {"compression": "zlib", "tile": (32, 32)}),
        (values, {"imagej": True}), (values.astype(np.int32), {"byteorder": ">"}),
    ):  # fmt: skip
        buffer = io.BytesIO()
        photometric = "rgb" if data.ndim == 3 else "minisblack"
        try:
            tifffile.imwrite(buffer, data, photometric=photometric, **how)
        except Exception:  # imagecodecs is not there for this one
            continue
        made.append(buffer.getvalue())
    return tuple(made)


def _dicom_seeds() -> tuple[bytes, ...]:
    values = np.asarray(_page())
    return (
        dicom_of(values), dicom_of(values.astype(np.uint16) * 16, BitsStored=12, HighBit=11),
        dicom_of(np.stack([values] * 2), NumberOfFrames=2),
        dicom_of(np.stack([values] * 3, -1), SamplesPerPixel=3, PlanarConfiguration=0,
               PhotometricInterpretation="RGB"),
        dicom_of(values, WindowCenter=90, WindowWidth=80, RescaleSlope=2, RescaleIntercept=-3),
    )  # fmt: skip


def dicom_of(values: np.ndarray, **more: object) -> bytes:
    """Return a DICOM file of `values` with more elements."""
    data = Dataset()
    data.Rows, data.Columns = 70, 68
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = 8 * values.dtype.itemsize
    data.BitsStored, data.HighBit = data.BitsAllocated, data.BitsAllocated - 1
    data.PixelRepresentation = 0
    for name, value in more.items():
        setattr(data, name, value)
    data.PixelData = values.tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.SOPInstanceUID = "1.2.3"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


_MANIFEST = b'path,label,case,kind\na.png,normal,p1,real\n"b.tif#2",abnormal,p2,\n'
_CHROMOSOMES = b"path,class,case,source,cell\na.png,1,p1,s,c1\nb.tif,X,p1,s,c1\nc.png,22,p2,s,c2\n"
_CELLS = b"source,case,cell,label,path\ns,p1,c1,normal,a.png\ns,p2,c2,abnormal,\n"
_RUN = b"\x1d".join(
    (
        b'{"bundle_hash": "HASH", "version": "1", "warnings": []}',
        b'{"image":"a.png","case":"c","status":"ok","route":"flag","prediction":"abnormal",'
        b'"p_abnormal":0.9,"p_std":0.1,"votes":1,"confidence":0.9,"passes":9,"chromosomes":46,'
        b'"karyotype":"","reasons":"r","sha256":"00"}\n',
        b"case,route,images,ok,rejected,failed,flagged,abnormal,p_abnormal,summary,findings\n"
        b"c,flag,1,1,0,0,1,1,0.9,s,f\n",
    )
)


def _small_info() -> bytes:
    info = BundleInfo(name="small", created="2026-01-01", parts={"a": FilePart(file="a")})
    return json.dumps(info.model_dump()).encode()


def _split() -> bytes:
    return Split({("", "a"): "train", ("s", "b"): "test"}, 0, "by hand").to_json().encode()


def _verdicts() -> bytes:
    row = dict.fromkeys(COLUMNS, "") | {
        "case": "c", "image": "a.png", "decision": "abnormal", "iscn": "47,XX,+21",
        "initials": "AB", "given": "2026-01-01T10:00:00+00:00", "id": "0" * 32,
        "classes": '{"0": "21"}',
    }  # fmt: skip
    return csv_text(COLUMNS, [row]).encode()


def _record() -> bytes:
    chromosomes = (Chromosome("21", 0.9, x=0.1, y=0.1, w=0.1, h=0.1),) * 2
    picture = Picture(
        "a.png", "c", "0" * 64, "ok", objects=46, p=np.full(3, 0.5, np.float32),
        thumbnail=_saved(_page(), "JPEG"), reading=Reading(chromosomes), features={"x": 0.5},
    )  # fmt: skip
    return json.dumps(json.loads(text_of(picture).partition("\n")[0])).encode()

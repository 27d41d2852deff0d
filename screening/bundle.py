"""A trained model on disk: written whole or not at all, verified before it is used.

A bundle is a folder: `bundle.json` (see `bundle_schema`), for every network a Keras configuration
and a half-precision weight file, for the other parts one file each, `MODEL_CARD.md`, and `DONE`,
written last, which holds the sha256 of `bundle.json`; that file in turn holds the sha256 of all the
others but the card. Loading checks every hash, never unpickles, and keeps Keras' safe mode.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from screening import __version__
from screening.atomic import replaced_folder
from screening.bundle_schema import SCHEMA, BundleInfo, FilePart, PartInfo
from screening.errors import BundleError
from screening.json_text import parsed
from screening.known_answers import answers_of

if TYPE_CHECKING:
    import h5py
    import keras

MODEL_CARD = "MODEL_CARD.md"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: `folder`, `info`, and `hash` (sha256 hex of bundle.json)."""

    folder: Path
    info: BundleInfo
    hash: str

    def network(self, part: str) -> PartInfo:
        """Return what is known of a Keras network; BundleError when there is no such part."""
        known = self._part(part)
        if not isinstance(known, PartInfo):
            raise BundleError(f"{self.folder}: the part {part!r} of this bundle is no network")
        return known

    def load_model(self, part: str = "screener") -> keras.Model:
        """Return the Keras model of `part` in float32; BundleError when there is no such part or
        it is none that this version can load safely."""
        import keras

        files = self.network(part)
        try:
            text = (self.folder / files.config).read_text("utf-8")
            foreign = sorted(set(_packages(parsed(text))) - {"keras", "screening"})
            if foreign:
                raise ValueError(f"it names code of {', '.join(foreign)}")
            model = keras.models.model_from_json(text)
            model.load_weights(self.folder / files.weights)
        except (ImportError, MemoryError):
            raise
        except Exception as error:  # Keras and h5py fail with nearly every type there is
            line = " ".join(str(error).split())[:200]
            raise BundleError(
                f"{self.folder}: the network {part!r} of this bundle cannot be loaded ({line})"
            ) from error
        return model

    def read_part(self, part: str) -> bytes:
        """Return the content of a part that is one file; BundleError when there is no such part."""
        known = self._part(part)
        if not isinstance(known, FilePart):
            raise BundleError(f"{self.folder}: the part {part!r} of this bundle is a network")
        return (self.folder / known.file).read_bytes()

    def _part(self, part: str) -> PartInfo | FilePart:
        if part not in self.info.parts:
            known = ", ".join(self.info.parts)
            raise BundleError(f"{self.folder}: no part {part!r} in this bundle, only {known}")
        return self.info.parts[part]


def default_bundle() -> Path:
    """Return the folder of the bundle that ships with the package."""
    return Path(__file__).parent / "bundles" / "default"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bundle(
    folder: Path,
    info: BundleInfo,
    models: Mapping[str, keras.Model],
    card: str,
    files: Mapping[str, bytes],
) -> Bundle:
    """Write a bundle and return it loaded back; `folder` appears complete or not at all.

    `models` holds one Keras model for each network of `info.parts`, whose weights are stored as
    float16; `files` the content of each other part. An existing bundle at `folder` is replaced once
    the new one is complete.
    """
    if {*models, *files} != set(info.parts):
        raise ValueError(f"expected {sorted(info.parts)}, received {sorted([*models, *files])}")
    with replaced_folder(folder) as building:
        parts = dict(info.parts)
        for name, part in info.parts.items():
            if isinstance(part, PartInfo):
                parts[name] = _write_network(building, models[name], part)
            else:
                (building / part.file).write_bytes(files[name])
        # The card is left out: it reports measurements that name the hash of what was measured.
        hashes = {path.name: sha256_of(path) for path in sorted(building.iterdir())}
        _finish(building, info.model_copy(update={"parts": parts, "files": hashes}), card)
    return load_bundle(folder)


def rewrite_bundle(
    bundle: Bundle,
    info: BundleInfo,
    folder: Path,
    card: str | None = None,
    more: Mapping[str, keras.Model] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Bundle:
    """Write `bundle` with another `info` to `folder`; return it loaded.

    `folder` appears complete or not at all and may be the bundle's own. `card`: the model card's
    text (None: as it is). `more`: networks, those that `info.parts` has beyond the bundle's own
    among them, `files`: the content of parts; they take the place of its own. BundleError when
    `folder` holds something else.
    """
    more = more or {}
    if not set(info.parts) - set(bundle.info.parts) <= set(more) <= set(info.parts):
        raise ValueError(f"expected the networks beyond {sorted(bundle.info.parts)}: {set(more)}")
    if folder.exists() and not (folder / "bundle.json").is_file():
        raise BundleError(f"expected a new folder or a bundle to replace, {folder} is none")
    leave_out = shutil.ignore_patterns("DONE")
    with replaced_folder(folder) as building:
        shutil.copytree(bundle.folder, building, ignore=leave_out, dirs_exist_ok=True)
        hashes, parts = dict(info.files), dict(info.parts)
        for name, part in info.parts.items():
            if name in more and isinstance(part, PartInfo):
                for each in files_of(bundle.info.parts[name]) if name in bundle.info.parts else ():
                    (building / each).unlink()
                    del hashes[each]
                parts[name] = _write_network(building, more[name], part)
                hashes |= {each: sha256_of(building / each) for each in files_of(part)}
            elif files and name in files and isinstance(part, FilePart):
                (building / part.file).write_bytes(files[name])
                hashes[part.file] = sha256_of(building / part.file)
        _finish(building, info.model_copy(update={"parts": parts, "files": hashes}), card)
        load_bundle(building)
    return load_bundle(folder)


def _write_network(folder: Path, model: keras.Model, part: PartInfo) -> PartInfo:
    """Write a network's configuration and weights; return the part with its known answers, which
    are those of the weights as they are stored."""
    (folder / part.config).write_text(model.to_json(), "utf-8")
    _save_half(model, folder / part.weights)
    config = (folder / part.config).read_text("utf-8")
    return part.model_copy(update={"answers": answers_of(config, folder / part.weights)})


def _finish(folder: Path, info: BundleInfo, card: str | None) -> None:
    """Write the card, bundle.json and, last, what makes the folder a bundle."""
    if card is not None:
        (folder / MODEL_CARD).write_text(card, "utf-8")
    text = json.dumps(info.model_dump(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    (folder / "bundle.json").write_text(text, "utf-8")
    (folder / "DONE").write_text(sha256_of(folder / "bundle.json") + "\n", "ascii")


def load_bundle(folder: Path) -> Bundle:
    """Return the verified bundle at `folder`.

    BundleError names what is wrong: no folder, not finished (no DONE), altered, or another schema.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BundleError(f"{folder}: no bundle here; expected a folder with bundle.json and DONE")
    if not (folder / "DONE").is_file() or not (folder / "bundle.json").is_file():
        raise BundleError(f"{folder}: not a finished bundle (bundle.json or DONE is missing)")
    found = sha256_of(folder / "bundle.json")
    if found != (folder / "DONE").read_text("ascii", errors="replace").strip():
        raise BundleError(f"{folder}: bundle.json does not match DONE: altered or half copied")
    info = _info_of(folder)
    needed = {name for part in info.parts.values() for name in files_of(part)}
    for name in sorted(needed | set(info.files)):
        path = folder / name
        if path.parent != folder or name not in info.files or not path.is_file():
            raise BundleError(f"{folder}: the file {name} is missing or not listed; copy it again")
        if sha256_of(path) != info.files[name]:
            raise BundleError(f"{folder}: {name} was altered or half copied (sha256 differs)")
    return Bundle(folder, info, found)


def _packages(config: Any) -> Iterator[str]:
    """The packages whose code a network's configuration asks for."""
    pending = [config]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            module = one.get("module") if "class_name" in one else None
            if module is not None:
                yield str(module).partition(".")[0]
            pending += one.values()
        elif isinstance(one, list):
            pending += one


def files_of(part: PartInfo | FilePart) -> tuple[str, ...]:
    """Return the names of a part's files."""
    return (part.config, part.weights) if isinstance(part, PartInfo) else (part.file,)


def _info_of(folder: Path) -> BundleInfo:
    """Return the checked content of bundle.json."""
    try:
        text = (folder / "bundle.json").read_text("utf-8")
        stored = parsed(text)
        written = stored.get("schema_version")
    except (ValueError, AttributeError):
        raise BundleError(f"{folder}/bundle.json: expected a JSON object") from None
    if isinstance(written, int) and written != SCHEMA:
        older = "an older" if written < SCHEMA else "a newer"
        raise BundleError(
            f"{folder}: written by {older} version of screening (bundle schema {written}, this "
            f"version reads {SCHEMA}): use that version, or make the bundle again with `screening "
            "train` or `screening build`"
        )
    if "reading" not in stored:
        # Else the reading would follow this version's defaults, which no hash of the bundle knows.
        raise BundleError(f"{folder}/bundle.json: the settings of the reading are missing")
    try:
        return BundleInfo.model_validate_json(text)
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise BundleError(
            f"{folder}/bundle.json does not fit schema {SCHEMA} of version {__version__}: {where}"
        ) from None


def _save_half(model: keras.Model, path: Path) -> None:
    """Write the weights as float16, in the layout that the float32 model loads."""
    import h5py

    whole = path.with_name(f"whole-{path.name}")
    model.save_weights(whole)
    # The file is rewritten, not the model: a network need not be able to compute in float16.
    try:
        with h5py.File(whole) as given, h5py.File(path, "w") as made:
            _copy_half(given, made)
    finally:
        whole.unlink(missing_ok=True)


def _copy_half(given: h5py.Group, made: h5py.Group) -> None:
    """Copy an HDF5 group, its floating numbers as float16, all else as it is."""
    import h5py

    made.attrs.update(given.attrs)
    for name, item in given.items():
        if isinstance(item, h5py.Group):
            _copy_half(item, made.create_group(name))
        else:
            values = item[()]
            half = values.astype("float16") if values.dtype.kind == "f" else values
            made.create_dataset(name, data=half).attrs.update(item.attrs)

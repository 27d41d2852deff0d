"""Goes through a remote folder as `discover` does through one of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

from screening.images.kinds import DICOM, HEAD_BYTES, kind_of, surely_a_picture
from screening.worklist.discover import OWN_FOLDERS, Entry, not_searched
from screening.worklist.ledger import FILE_NAME
from screening.worklist.left_out import DICOM_DIRECTORY, HIDDEN, UNREADABLE, kind_by_name
from screening.worklist.remote import CannotFetch, RemoteFile, RemoteFolder

_THREADS = 16  # each waits for the network most of the time


class RemoteWalk:
    """Lists `folder` but what lies in `out`; keeps kind and name of what it leaves out."""

    def __init__(
        self, folder: RemoteFolder, suffixes: frozenset[str], out: RemoteFolder | None
    ) -> None:
        self.folder, self.suffixes, self.out = folder, suffixes, out
        self.left_out: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def entries(self) -> Iterator[Entry]:
        """Yield name, place and problem ("" if none) of every picture."""
        sizes = self.folder.sizes()
        unnamed = []
        for name in self._searched(sizes):
            path = PurePosixPath(name)
            if any(part.startswith(".") for part in path.parts):
                self.left_out.append((HIDDEN, name))
            elif path.suffix.lower() in self.suffixes:
                yield name, RemoteFile(self.folder, name, sizes[name]), ""
            else:
                unnamed.append(name)
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="heads") as pool:
            others = pool.map(self._other, unnamed, [sizes[name] for name in unnamed])
            for name, other in zip(unnamed, others, strict=True):
                if other:
                    self.left_out.append((other, name))
                else:
                    yield name, RemoteFile(self.folder, name, sizes[name]), ""

    def _other(self, name: str, size: int) -> str:
        """What kind of file it is that is no picture; "" for one whose name does not tell."""
        last = name.rpartition("/")[2]
        if not size:  # of nothing no part can be asked for
            return kind_by_name(last)
        try:
            head = self.folder.head(name, HEAD_BYTES)
        except CannotFetch:
            return UNREADABLE
        if kind_of(head) == DICOM and last.upper() == "DICOMDIR":
            return DICOM_DIRECTORY
        return "" if surely_a_picture(head) else kind_by_name(last)

    def _searched(self, names: Mapping[str, int]) -> list[str]:
        """The names that do not lie among what a run left there."""
        runs = {name.removesuffix(FILE_NAME) for name in names if name.endswith(f"/{FILE_NAME}")}
        if FILE_NAME in names:
            runs.add("")
        own = {f"{run}{folder}/": what for run in runs for folder, what in OWN_FOLDERS.items()}
        if self.out is not None:
            within = f"{self.out}/".removeprefix(f"{self.folder}/")
            if within and within != f"{self.out}/":
                own[within] = "the outputs"
        searched, met = [], set()
        for name in names:
            above = (name[: at + 1] for at, sign in enumerate(name) if sign == "/")
            found = next((one for one in above if one in own), None)
            if found is None:
                searched.append(name)
            else:
                met.add(found)
        self.notes += [not_searched(one[:-1], own[one]) for one in sorted(met)]
        return searched

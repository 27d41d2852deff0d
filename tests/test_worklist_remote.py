"""Pictures and results on other machines: as here to the byte, and what fails told by address."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest
from PIL import Image

fsspec = pytest.importorskip("fsspec", reason="needs fsspec (extra remote)")

from screening.cli import main  # noqa: E402
from screening.errors import ScreeningError  # noqa: E402
from screening.karyogram.locate import Located  # noqa: E402
from screening.triage.rule import Rule  # noqa: E402
from screening.worklist import pipeline, remote, remote_out  # noqa: E402
from screening.worklist.discover import discover  # noqa: E402
from screening.worklist.ledger import FILE_NAME  # noqa: E402
from screening.worklist.links import unchanged, write_copies  # noqa: E402
from screening.worklist.outputs import OUTPUT_NAMES  # noqa: E402
from screening.worklist.remote import RemoteFolder, place_of  # noqa: E402
from screening.worklist.run import Settings, Summary, screen_folder  # noqa: E402
from test_screen_command import fake_model  # noqa: E402, F401
from test_worklist_outputs import calibrated  # noqa: E402
from worklist_fakes import FakeScorer, accepted_with, karyogram, write_karyograms  # noqa: E402

TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\+\d\d:\d\d")
INFO = calibrated(0.1)
SECRET = "wJalrXUtnFEMIsecret"
HERE = ("--time-limit", "0", "--workers", "1")
"""Without processes of their own, which take a second each to start."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located(())))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of one and of several frames, bad ones, and files that are none."""
    folder = tmp_path / "in"
    write_karyograms(folder, 5)
    (folder / "bad.png").write_bytes(b"")
    (folder / "cut.tif").write_bytes(b"II*\0\xff\xff\xff\xff")
    (folder / "list.csv").write_text("x")
    (folder / ".hidden.png").write_bytes(b"x")
    pages = [karyogram(i) for i in range(20, 24)]
    for name in ("many.tif", "many.gif", "odd #1%20ż?.webp"):
        pages[0].save(folder / name, save_all=True, append_images=pages[1:])
    karyogram(30).save(folder / "nameless", "PNG")
    Image.new("L", (100, 100), 255).save(folder / "many.tif#2.png")
    (folder / "many.tif#2.png").rename(folder / "many.tif#2")
    earlier = folder / "earlier" / "chromosomes"
    earlier.mkdir(parents=True)
    karyogram(31).save(earlier / "c.png")
    (folder / "earlier" / FILE_NAME).write_bytes(b"")
    return folder


def copied(folder: Path, address: str) -> RemoteFolder:
    place = RemoteFolder(address)
    files, root = place.where
    for path in folder.rglob("*"):
        if path.is_file():
            files.pipe_file(f"{root}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return place


@pytest.fixture
def memory() -> Iterator[str]:
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield "memory://bucket"
    store.store.clear()


def screen(folder: Path | RemoteFolder, out: Path, **changes: object) -> Summary:
    settings = Settings(
        folder, out, "b" * 64, "c", Rule.of(INFO), quiet=True, resume=True, info=INFO
    )
    settings = replace(settings, batch_size=3, **changes)  # type: ignore[arg-type]
    return screen_folder(settings, FakeScorer(), None)  # type: ignore[arg-type]


def rows(out: Path) -> dict[str, dict]:
    lines = (out / "triage.jsonl").read_text("utf-8").splitlines()
    return {row["image"]: row for row in map(json.loads, lines)}


def compare(here: Path, there: Path) -> None:
    for name in ("triage.csv", "triage.jsonl", "cases.csv"):
        assert (there / name).read_bytes() == (here / name).read_bytes(), name
    timed = ("started", "finished", "seconds", "images_per_second", "options")
    told, expected = (json.loads((out / "run.json").read_text("utf-8")) for out in (there, here))
    assert {k: v for k, v in told.items() if k not in timed} == {
        k: v for k, v in expected.items() if k not in timed
    }


def test_what_names_a_folder() -> None:
    assert place_of("in") == Path("in") and place_of("/a:b") == Path("/a:b")
    assert place_of("file:///a/b%20c") == Path("/a/b c")
    assert str(place_of("s3://bucket/a/")) == "s3://bucket/a"
    assert str(place_of("C://x")) != "C://x", "a drive of Windows is no address"
    assert isinstance(place_of("abfs://box@account.net/in"), RemoteFolder)


@pytest.mark.parametrize("text", [f"ftp://me:{SECRET}@host/in", f"https://host/in?X-Sig={SECRET}"])
def test_what_is_secret_is_refused_and_not_repeated(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    log = tmp_path / "log"
    arguments = ["screen", text, "--out", str(tmp_path / "o"), "--log-json", str(log)]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "never in the address" in said and SECRET not in said and not log.exists()


def test_remote_pictures_give_what_local_ones_give(
    folder: Path, tmp_path: Path, memory: str
) -> None:
    assert screen(folder, tmp_path / "here").exit_status == 3
    place = copied(folder, f"{memory}/in")
    assert screen(place, tmp_path / "there").exit_status == 3
    compare(tmp_path / "here", tmp_path / "there")
    told = json.loads((tmp_path / "there" / "run.json").read_text("utf-8"))
    assert told["options"]["folder"] == f"{memory}/in"
    again = screen(RemoteFolder(f"{memory}/in"), tmp_path / "there")
    assert again.new == sum(row["status"] == "failed" for row in rows(tmp_path / "there").values())
    scratch = place._scratch
    assert not list(scratch.iterdir()), "each is deleted once its last frame was looked at"
    place.__dict__.clear()


def test_an_object_of_many_frames_is_fetched_once_for_all(
    folder: Path, tmp_path: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copied(folder, f"{memory}/in")
    fetched = []
    get_file = type(place.where[0]).get_file

    def counted(self: object, path: str, *others: object, **options: object) -> None:
        fetched.append(path)
        get_file(self, path, *others, **options)

    monkeypatch.setattr(type(place.where[0]), "get_file", counted)
    screen(place, tmp_path / "out", workers=4)
    assert sum(path.endswith("many.tif") for path in fetched) == 1
    assert len(fetched) == len(set(fetched))


def test_copies_are_made_of_remote_pictures(folder: Path, tmp_path: Path, memory: str) -> None:
    place = copied(folder, f"{memory}/in")
    screen(place, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "k000.png" in page and "in/case000/k000.png" not in page, "it leads nowhere"
    assert main(["report", str(tmp_path / "out"), "--pictures", "--quiet"]) == 3
    scored = sum(row["status"] == "ok" for row in rows(tmp_path / "out").values())
    assert len(list((tmp_path / "out" / "pictures").glob("*.webp"))) == scored
    files, root = place.where
    files.rm_file(f"{root}/many.tif")
    from screening.record import Picture

    gone = Picture("many.tif#3", "c", "0" * 64, status="ok")
    assert write_copies([gone], place, tmp_path / "out") == ("many.tif#3",)
    with pytest.raises(ScreeningError, match="not there any more"), unchanged(gone, place):
        pass


def test_what_vanishes_meanwhile_fails_alone_and_is_made_when_it_is_back(
    folder: Path, tmp_path: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copied(folder, f"{memory}/in")
    files, root = place.where
    name = "case001/k002.png"
    content = files.cat_file(f"{root}/{name}")
    listed = RemoteFolder.sizes

    def sizes(self: RemoteFolder) -> dict[str, int]:
        found = listed(self)
        files.rm_file(f"{root}/{name}")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(RemoteFolder, "sizes", sizes)
        assert screen(place, tmp_path / "out").exit_status == 3
    row = rows(tmp_path / "out")[name]
    assert row["status"] == "failed" and row["route"] == "review"
    assert row["reasons"] == f"not there any more: {memory}/in/{name}"
    assert sum(row["status"] == "ok" for row in rows(tmp_path / "out").values()) > 10
    files.pipe_file(f"{root}/{name}", content)
    screen(place, tmp_path / "out")
    assert rows(tmp_path / "out")[name]["status"] == "ok"


class Lost(ConnectionResetError):
    def __init__(self) -> None:
        super().__init__("reset by peer at http://host/x?sig=" + SECRET)


def test_a_lost_connection_fails_rows_and_is_soon_not_waited_for(
    folder: Path, tmp_path: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copied(folder, f"{memory}/in")
    kind = type(place.where[0])
    screen(folder, tmp_path / "here")
    get_file, tries = kind.get_file, []

    def lost(self: object, path: str, *others: object, **options: object) -> None:
        tries.append(path)
        if len(tries) > 3:
            raise Lost
        get_file(self, path, *others, **options)

    monkeypatch.setattr(remote, "_MOST_LOST", 4)
    with monkeypatch.context() as patched:
        patched.setattr(kind, "get_file", lost)
        assert screen(place, tmp_path / "there", workers=1).exit_status == 3
    found = rows(tmp_path / "there")
    reasons = {name: row["reasons"] for name, row in found.items() if row["status"] == "failed"}
    assert any(reason.startswith("no connection to memory://bucket/in/") for reason in
               reasons.values()), reasons  # fmt: skip
    assert any("lost for some time" in reason for reason in reasons.values())
    assert SECRET not in (tmp_path / "there" / "run.json").read_text("utf-8")
    assert len(tries) == 3 + 4 and {row["status"] for row in found.values()} > {"failed"}
    screen(RemoteFolder(place.address), tmp_path / "there")
    for name in ("triage.csv", "cases.csv"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_frames_that_cannot_be_counted_are_not_left_out_unsaid(
    folder: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copied(folder, f"{memory}/in")

    def lost(*_: object, **__: object) -> None:
        raise Lost

    for name in ("open", "get_file"):
        monkeypatch.setattr(type(place.where[0]), name, lost)
    found = {one.name: one for one in discover(place, {".tif", ".gif"}, frames=True).images}
    assert found["many.gif"].problem.startswith("no connection to memory://bucket/in/many.gif")


@pytest.mark.parametrize("kind", ["screen", "report"])
def test_without_the_extra_one_sentence_says_what_is_missing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    out = str(tmp_path / "out")
    words = {"screen": ["screen", "s3://bucket/in", "--out", out], "report": ["report", "s3://b/o"]}
    assert main(words[kind]) == 1
    said = capsys.readouterr().err
    assert "pip install '.[remote]'" in said and "Traceback" not in said


def test_an_unknown_kind_of_address_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScreeningError, match="such as s3://bucket/folder, received foo://x"):
        screen(RemoteFolder("foo://x"), tmp_path / "out")


@pytest.mark.usefixtures("fake_model")
class TestOut:
    """Results that are brought to an address."""

    def run(self, folder: object, out: object, *more: str) -> int:
        return main(["screen", str(folder), "--out", str(out), "--quiet", *HERE, *more])

    def there(self, address: str, target: Path) -> Path:
        files, root = RemoteFolder(address).where
        target.mkdir(exist_ok=True)
        for name in (FILE_NAME, *OUTPUT_NAMES):
            files.get_file(f"{root}/{name}", str(target / name))
        return target

    def test_they_are_what_a_folder_would_hold(
        self, folder: Path, tmp_path: Path, memory: str, capsys: pytest.CaptureFixture
    ) -> None:
        copied(folder, f"{memory}/in")
        out = f"{memory}/in/out"
        assert self.run(f"{memory}/in", tmp_path / "here") == 3
        assert main(["screen", f"{memory}/in", "--out", out, *HERE]) == 3
        assert f"Work list: {out}/report.html" in capsys.readouterr().out
        compare(tmp_path / "here", self.there(out, tmp_path / "there"))
        assert not list((tmp_path / "cache" / "screening").iterdir()), "it is all there"
        assert self.run(f"{memory}/in", out) == 2
        assert f"{out} holds ledger.sqlite of an earlier run" in capsys.readouterr().err
        assert self.run(f"{memory}/in", out, "--resume") == 3
        told = json.loads((self.there(out, tmp_path / "there") / "run.json").read_text("utf-8"))
        assert told["new"] < told["images"] and "out/ holds the outputs" in str(told["notes"])
        assert self.run(f"{memory}/in", out, "--overwrite") == 3
        assert main(["report", out, "--quiet"]) == 3

    def test_what_cannot_be_brought_stays_and_is_brought_later(
        self, folder: Path, tmp_path: Path, memory: str, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture,
    ) -> None:  # fmt: skip
        out = f"{memory}/out"
        kind = type(RemoteFolder(out).where[0])
        put_file, put = kind.put_file, []

        def lost(self: object, source: str, *others: object, **options: object) -> None:
            put.append(source)
            if len(put) == 3:
                raise Lost
            put_file(self, source, *others, **options)

        with monkeypatch.context() as patched:
            patched.setattr(kind, "put_file", lost)
            assert self.run(folder, out) == 1
        said = capsys.readouterr().err
        kept = next((tmp_path / "cache" / "screening").iterdir())
        assert f"cannot write to {out}: no connection" in said and str(kept) in said
        assert "--resume on this machine" in said and SECRET not in said
        assert kept.stat().st_mode & 0o077 == 0
        assert self.run(folder, out) == 2
        assert self.run(folder, out, "--resume") == 3
        assert self.run(folder, tmp_path / "here") == 3
        for name in ("triage.csv", "cases.csv"):
            there = self.there(out, tmp_path / "there")
            assert (there / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
        assert not kept.exists()

    def test_an_interrupted_run_goes_on_and_another_in_between_is_told(
        self, folder: Path, tmp_path: Path, memory: str, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture,
    ) -> None:  # fmt: skip
        out = f"{memory}/out"

        def stopped(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("screening.worklist.run.write_outputs", stopped)
            assert self.run(folder, out) == 130
        said = capsys.readouterr().err
        assert f"kept in {out} (worked on in " in said
        other = tmp_path / "other"
        monkeypatch.setenv("XDG_CACHE_HOME", str(other))
        time.sleep(0.01)
        assert self.run(folder, out) == 3, "another machine"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert self.run(folder, out, "--resume") == 1
        assert f"another run has written to {out} meanwhile" in capsys.readouterr().err

    def test_parts_are_joined_from_addresses_to_an_address(
        self, folder: Path, tmp_path: Path, memory: str
    ) -> None:
        assert self.run(folder, tmp_path / "here") == 3
        parts = [f"{memory}/part{number}" for number in (1, 2)]
        for number, part in enumerate(parts, 1):
            assert self.run(folder, part, "--shard", f"{number}/2") in (0, 1, 3)
        assert main(["report", *parts, "--out", f"{memory}/all", "--quiet"]) == 3
        compare(tmp_path / "here", self.there(f"{memory}/all", tmp_path / "there"))

    @pytest.mark.parametrize("option", ["--save-chromosomes", "--dicom"])
    def test_many_files_are_not_written_there(
        self, option: str, folder: Path, memory: str, capsys: pytest.CaptureFixture
    ) -> None:
        if option == "--dicom":
            pytest.importorskip("highdicom", reason="needs highdicom (extra dicom-out)")
        assert self.run(folder, f"{memory}/out", option) == 2
        assert f"{option} expects results on this machine" in capsys.readouterr().err

    def test_a_watch_is_of_this_machine(
        self, tmp_path: Path, memory: str, capsys: pytest.CaptureFixture
    ) -> None:
        assert main(["watch", f"{memory}/in", "--out", str(tmp_path / "o")]) == 2
        assert "watch expects folders of this machine" in capsys.readouterr().err


class Server:
    """A local S3 server in a process of its own, which can be ended at any moment."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{self.url}/moto-api/"):
                    return
            except URLError:
                time.sleep(0.1)
        raise TimeoutError

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pytest.importorskip("s3fs", reason="needs s3fs (extra remote)")
    pytest.importorskip("moto", reason="needs moto, a local S3 server")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    server = Server()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    _forget()
    yield server
    server.end()
    _forget()


def _forget() -> None:
    """Lets the next one take the environment anew."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestS3:
    def test_pictures_and_results_and_no_secret_anywhere(
        self,
        folder: Path,
        tmp_path: Path,
        s3: Server,
        fake_model: object,  # noqa: F811
    ) -> None:
        RemoteFolder("s3://bucket").where[0].mkdir("bucket")
        copied(folder, "s3://bucket/in")
        assert TestOut().run(folder, tmp_path / "here") == 3
        log = ["--log-json", str(tmp_path / "log"), *HERE]
        arguments = ["screen", "s3://bucket/in", "--out", "s3://bucket/out", "--quiet", *log]
        assert main(arguments) == 3
        there = TestOut().there("s3://bucket/out", tmp_path / "there")
        compare(tmp_path / "here", there)
        assert main([*arguments, "--resume"]) == 3
        for path in (*there.iterdir(), tmp_path / "log"):
            assert SECRET.encode() not in path.read_bytes(), path
            assert b"AKIAIOSFODNN7EXAMPLE" not in path.read_bytes(), path
        assert RemoteFolder("s3://bucket/out").where[0].exists("bucket/out/run.json")

    def test_what_is_not_to_be_had_is_told(
        self, tmp_path: Path, s3: Server, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture, fake_model: object, folder: Path,  # noqa: F811
    ) -> None:  # fmt: skip
        def said(*arguments: str) -> str:
            assert main(["screen", *arguments, "--quiet", *HERE]) == 1
            told = capsys.readouterr().err
            assert "Traceback" not in told and SECRET not in told
            return told

        out = str(tmp_path / "out")
        no_bucket = said("s3://nobucket/in", "--out", out)
        assert "cannot list s3://nobucket/in: it does not exist" in no_bucket
        told = said(str(folder), "--out", "s3://nobucket/out")
        assert "cannot write to s3://nobucket/out: it does not exist" in told
        RemoteFolder("s3://bucket").where[0].mkdir("bucket")
        assert "nothing to screen" in said("s3://bucket/in", "--out", out)
        with monkeypatch.context() as patched:
            patched.delenv("AWS_ACCESS_KEY_ID")
            patched.delenv("AWS_SECRET_ACCESS_KEY")
            patched.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
            _forget()
            told = said("s3://bucket/in", "--out", out)
            assert "s3://bucket/in: no credentials" in told and "environment variables" in told
        _forget()
        s3.end()
        told = said("s3://bucket/in", "--out", out)
        assert "cannot list s3://bucket/in: no connection" in told and s3.url in told

    @pytest.mark.slow
    def test_a_server_that_goes_away_in_the_midst_loses_nothing(
        self, folder: Path, tmp_path: Path, s3: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = RemoteFolder("s3://bucket/in")
        place.where[0].mkdir("bucket")
        copied(folder, place.address)
        monkeypatch.setattr(remote, "_MOST_LOST", 1)
        get_file, tries = RemoteFolder._fetch, []

        def ended(self: RemoteFolder, *others: object) -> None:
            tries.append(others)
            if len(tries) == 4:
                s3.end()
            get_file(self, *others)  # type: ignore[arg-type]

        monkeypatch.setattr(RemoteFolder, "_fetch", ended)
        assert screen(place, tmp_path / "out", workers=1).exit_status == 3
        found = rows(tmp_path / "out")
        assert sum(row["status"] != "failed" for row in found.values()) >= 1
        assert any(row["reasons"].startswith("no connection to s3://bucket/in/") for row in
                   found.values())  # fmt: skip


def test_the_folder_for_results_is_one_for_each_address(tmp_path: Path) -> None:
    first, again, other = (
        remote_out._folder_for(RemoteFolder(one)) for one in ("s3://a/b", "s3://a/b", "s3://a/c")
    )
    assert first == again != other and first.is_relative_to(tmp_path)

"""Replacing: the old or the new, never half, whatever happens in between."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from screening import atomic
from screening.atomic import replace_files, replaced_file, replaced_folder


def content(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.*")
            if p.is_file()}  # fmt: skip


def test_a_failed_write_leaves_the_old_files_and_no_litter(tmp_path, monkeypatch):
    replace_files(tmp_path, {"a.txt": "old a", "b.txt": "old b"})
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_files(tmp_path, {"a.txt": "new a", "b.txt": "new b"})
    assert content(tmp_path) == {"a.txt": "old a", "b.txt": "old b"}


def test_a_file_is_replaced_whole_and_keeps_its_endings(tmp_path):
    path = tmp_path / "base.weights.h5"
    for text in ("first", "second"):
        with replaced_file(path) as hidden:
            assert hidden.name.endswith(".weights.h5") and hidden.parent == tmp_path
            hidden.write_text(text)
        assert content(tmp_path) == {path.name: text}
    with pytest.raises(KeyboardInterrupt), replaced_file(path) as hidden:
        hidden.write_text("half")
        raise KeyboardInterrupt
    assert content(tmp_path) == {path.name: "second"}
    with replaced_file(path, "1") as one, replaced_file(path, "2") as two:
        assert one != two
        one.write_text("one")
        two.write_text("two")


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "deep" / "result"
    for name in ("a.txt", "b.txt"):
        with replaced_folder(folder) as fresh:
            assert not list(fresh.iterdir())
            (fresh / name).write_text(name)
        assert content(tmp_path) == {f"deep/result/{name}": name}
    with pytest.raises(KeyboardInterrupt), replaced_folder(folder) as fresh:
        (fresh / "half.txt").write_text("")
        raise KeyboardInterrupt
    assert content(tmp_path) == {"deep/result/b.txt": "b.txt"}


@pytest.mark.parametrize("which", [1, 2])
def test_a_folder_survives_a_rename_that_fails(tmp_path, monkeypatch, which):
    folder = tmp_path / "result"
    with replaced_folder(folder) as fresh:
        (fresh / "a.txt").write_text("old")
    rename, calls = atomic.os.replace, []

    def fail(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == which:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(atomic.os, "replace", fail)
    with pytest.raises(OSError, match="Input"), replaced_folder(folder) as fresh:
        (fresh / "a.txt").write_text("new")
    assert content(tmp_path) == {"result/a.txt": "old"}


def test_what_a_kill_between_two_renames_left_is_put_back(tmp_path):
    folder = tmp_path / "result"
    with replaced_folder(folder) as fresh:
        (fresh / "a.txt").write_text("old")
    folder.rename(tmp_path / ".old-result")
    (tmp_path / ".part-result").mkdir()
    with pytest.raises(KeyError), replaced_folder(folder):
        raise KeyError
    assert content(tmp_path) == {"result/a.txt": "old"}


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What reaches the disk, in order: ("sync", name) and ("rename", from, to)."""
    noted: list[tuple[str, ...]] = []
    sync, rename = os.fsync, os.replace

    def name(path: object) -> str:
        return os.path.relpath(str(path), tmp_path)

    def noted_sync(descriptor: int) -> None:
        noted.append(("sync", name(os.readlink(f"/proc/self/fd/{descriptor}"))))
        sync(descriptor)

    def noted_rename(old: object, new: object) -> None:
        noted.append(("rename", name(old), name(new)))
        rename(old, new)

    monkeypatch.setattr(atomic.os, "fsync", noted_sync)
    monkeypatch.setattr(atomic.os, "replace", noted_rename)
    return noted


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")


@needs_proc
def test_a_folder_outlives_a_loss_of_power_from_the_moment_it_has_its_name(tmp_path, calls):
    with replaced_folder(tmp_path / "new" / "cell") as fresh:
        (fresh / "inner").mkdir()
        for each in ("1.png", "inner/2.png"):
            (fresh / each).write_text(each)
    moved = calls.index(("rename", "new/.part-cell", "new/cell"))
    before, after = calls[:moved], calls[moved + 1 :]
    for each in ("1.png", "inner/2.png", "inner", ""):
        assert ("sync", f"new/.part-cell/{each}".rstrip("/")) in before
    assert after == [("sync", "new"), ("sync", ".")]
    calls.clear()
    with replaced_folder(tmp_path / "new" / "cell") as fresh:
        (fresh / "3.png").write_text("3")
    assert calls == [
        ("sync", "new/.part-cell/3.png"), ("sync", "new/.part-cell"),
        ("rename", "new/cell", "new/.old-cell"), ("rename", "new/.part-cell", "new/cell"),
        ("sync", "new"),
    ]  # fmt: skip


@needs_proc
def test_files_outlive_a_loss_of_power_before_they_have_their_names(tmp_path, calls):
    replace_files(tmp_path, {"a": "a", "b": "b"})
    assert calls == [
        ("sync", ".part-a"), ("sync", ".part-b"),
        ("rename", ".part-a", "a"), ("rename", ".part-b", "b"), ("sync", "."),
    ]  # fmt: skip
    calls.clear()
    with replaced_file(tmp_path / "c") as hidden:
        hidden.write_text("c")
    assert calls == [("sync", ".part-c"), ("rename", ".part-c", "c"), ("sync", ".")]


def test_on_windows_a_file_is_opened_for_writing_to_be_made_safe(tmp_path, monkeypatch):
    opened = []
    usual = os.open

    def noted(path, flags):
        opened.append((Path(path).name, flags))
        return usual(path, flags)

    monkeypatch.setattr(atomic.os, "open", noted)
    monkeypatch.setattr(atomic, "_TO_SYNC", os.O_RDWR)
    replace_files(tmp_path, {"a.txt": "new"})  # its folder cannot be opened so: that is no error
    monkeypatch.undo()
    assert opened[0] == (".part-a.txt", os.O_RDWR) and content(tmp_path) == {"a.txt": "new"}

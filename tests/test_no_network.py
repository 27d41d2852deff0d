"""Nothing is asked of a network at run time: in a process that has none and tells of every try."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from screening.demo import demo_folder

WATCHED = """
import sys
def watch(event, args):
    if event == "socket.bind" and args[1][0] in ("::1", "127.0.0.1"):
        return  # urllib3 asks whether this machine knows IPv6
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind",
                 "socket.sendto", "urllib.Request"):
        print(f"NETWORK: {event} {args}", file=sys.stderr, flush=True)
        raise OSError("no network at run time")
sys.addaudithook(watch)
from screening.cli import main
sys.exit(main(sys.argv[1:]))
"""


@cache
def alone() -> tuple[str, ...]:
    """What starts a process in a network of its own without an interface, where that is allowed."""
    if shutil.which("unshare") is None:
        return ()
    words = ("unshare", "--map-root-user", "--net")
    done = subprocess.run([*words, "true"], capture_output=True, check=False)
    return words if done.returncode == 0 else ()


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [*alone(), sys.executable, "-c", WATCHED, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "NETWORK" not in done.stderr and "Traceback" not in done.stderr, done.stderr
    return done


def test_a_try_would_be_seen() -> None:
    code = WATCHED.replace("from screening.cli import main", "import socket").replace(
        "main(sys.argv[1:])", "socket.create_connection(('192.0.2.1', 9), 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "NETWORK: socket.getaddrinfo" in done.stderr


def test_help_and_drawing_need_no_network(tmp_path: Path) -> None:
    assert run("--help").returncode == 0
    assert run("compose", "drawn", "--out", tmp_path / "o", "--count", 1, "--quiet").returncode == 0


@pytest.mark.slow
def test_screening_with_the_shipped_bundle_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copyfile(demo_folder() / "case-001" / "cell-1.jpg", tmp_path / "in" / "a.jpg")
    done = run("screen", tmp_path / "in", "--out", tmp_path / "out", "--passes", 5, "--quiet")
    assert done.returncode == 0, done.stderr
    dicom = ["--dicom"] if find_spec("highdicom") is not None else []
    assert run("report", tmp_path / "out", "--quiet", *dicom).returncode == 0
    assert bool(dicom) == (tmp_path / "out" / "dicom").is_dir()
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "https://" not in page.replace("https://www.w3.org/", "")
    assert run("doctor").returncode == 0

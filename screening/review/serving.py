"""The reading room opened on one output folder: one server for it, at a port of this machine."""

from __future__ import annotations

import contextlib
import gc
import secrets
import socket
import sqlite3
import sys
import threading
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from screening import words
from screening.errors import ScreeningError
from screening.review.room import Room
from screening.worklist.kept import stamp_of

LOCK = "review.lock"
HOST = "127.0.0.1"


class RoomNotOpened(ScreeningError):
    """Says why the reading room cannot be opened, and what to do."""

    exit_status = 1


@dataclass(frozen=True)
class Settings:
    """What to open: the output folder, where its pictures are (None: where they were), whether
    readers see each other's verdicts, the `port` (0: any free one), and whether to open the
    browser."""

    out: Path
    pictures: Path | None = None
    blind: bool = False
    port: int = 0
    browser: bool = True


def serve(settings: Settings) -> None:
    """Run the reading room until it is stopped with Ctrl-C."""
    import uvicorn

    from screening.review.server import application

    if settings.pictures is not None and not settings.pictures.is_dir():
        raise RoomNotOpened(f"--pictures expects a folder, {settings.pictures} is none")
    if not settings.out.is_dir():
        raise RoomNotOpened(f"expected the output folder of a run, {settings.out} is no folder")
    stamp_of(settings.out)  # a folder without a run is told before anything is written to it
    with only_one(settings.out), bound(settings.port) as listening:
        gc.disable()  # nothing of a run is dropped while it is read: not to be looked for
        room = Room(settings.out, settings.pictures, settings.blind)
        room.standing(None)
        gc.freeze()
        gc.enable()
        port = listening.getsockname()[1]
        token = secrets.token_urlsafe(18)
        address = f"http://{HOST}:{port}/{token}/"
        server = uvicorn.Server(
            uvicorn.Config(
                application(room, token, port), log_level="error", lifespan="off", ws="none",
                server_header=False, timeout_graceful_shutdown=2,
            )
        )  # fmt: skip
        print(f"Reading room of {settings.out}: {address}", flush=True)
        print(
            f"For this machine's browser only. Ctrl-C closes it. {words.RESEARCH_USE}", flush=True
        )
        if settings.browser:
            threading.Timer(0.3, webbrowser.open, [address]).start()
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:  # the usual way to close it
            print("Closed; every verdict is stored.", file=sys.stderr)
        finally:
            room.close()


@contextlib.contextmanager
def only_one(out: Path) -> Iterator[None]:
    """Hold an output folder for one reading room; RoomNotOpened when another has it. The lock ends
    with the process, however that ends."""
    try:
        lock = sqlite3.connect(out / LOCK, timeout=0.2, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise RoomNotOpened(
                f"a reading room is open on {out}: use its address, or close it with Ctrl-C"
            ) from error
        raise RoomNotOpened(
            f"cannot write to {out} ({error}): verdicts need a folder that may be written to"
        ) from error
    with contextlib.closing(lock):
        yield


@contextlib.contextmanager
def bound(port: int) -> Iterator[socket.socket]:
    """Yield a socket that listens on this machine alone; RoomNotOpened when the port is taken."""
    if not 0 <= port < 65536:
        raise RoomNotOpened(
            f"--port expects 1 to 65535, or 0 for any that is free, received {port}"
        )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        if sys.platform != "win32":  # there it would let two programs share one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
            listening.listen(128)
        except OSError as error:
            raise RoomNotOpened(
                f"port {port} of this machine cannot be used ({error.strerror}): choose another "
                "--port, or leave it out for any that is free"
            ) from error
        yield listening

"""One guard around whatever is done to one picture: it fails alone, with its reason.

Every stage (decoding, judging, scoring, reading, keeping, routing) catches what one picture raises
and asks `reason_of` for the words of its row, so that the others are screened all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from screening.errors import ImageError, ScreeningError
from screening.worklist.printable import printable

_LONGEST = 200  # characters of an error's own words: TensorFlow's run to kilobytes
_NO_MEMORY = -4  # of OpenCV
_UNEXPECTED = re.compile(r"could not be processed \((\w+)")


def reason_of(error: Exception) -> str:
    """Return in plain words why one picture failed.

    Raises `error` again when it is about the run and not about one picture: a full disk, a device
    or a bundle that cannot be used.
    """
    if isinstance(error, ImageError):
        return _line(error.reason)
    if isinstance(error, ScreeningError):
        raise error
    if is_out_of_memory(error):
        return "not enough memory for this picture"
    if isinstance(error, OSError):
        return f"cannot be read ({_line(error.strerror or type(error).__name__)})"
    return f"could not be processed ({_line(f'{type(error).__name__}: {error}')})"


def took_too_long(seconds: float) -> str:
    """Return that looking at a picture was given up after so many seconds."""
    return f"took longer than {seconds:g} s to look at (--time-limit): is it one karyogram?"


def broke_down(status: int | None) -> str:
    """Return that the process that looked at a picture ended, with an exit status; a negative one
    is a signal, None: not known."""
    if status == -9:
        return "what looked at it was ended by the system: not enough memory for this picture?"
    return f"what looked at it broke down (status {status}): the file may be damaged"


def lost_with_workers(times: int) -> str:
    """Return that every worker of a cluster that was given a picture was lost, so many times."""
    return f"its worker was lost {times} times: not enough memory there for this picture?"


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, of the machine or of its device: the engines have errors of
    their own for it."""
    own = type(error).__name__ == "RuntimeException" and "alloc" in str(error)  # ONNX Runtime
    tensorflow = type(error).__name__ == "ResourceExhaustedError"
    opencv = type(error).__module__ == "cv2" and getattr(error, "code", 0) == _NO_MEMORY
    return isinstance(error, MemoryError) or own or tensorflow or opencv


def shared_fault(reasons: Iterable[str]) -> str:
    """Return the name of the unexpected error that all of `reasons` tell of, "" when they do not.

    What every picture fails by is a fault of the program or its installation, not of the pictures.
    """
    kinds = {match[1] if (match := _UNEXPECTED.match(reason)) else "" for reason in reasons}
    return kinds.pop() if len(kinds) == 1 else ""


def _line(text: str) -> str:
    return printable(" ".join(text.split()))[:_LONGEST]

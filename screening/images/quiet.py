"""Decoders' warnings silenced while pictures are read, safely from several threads."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_lock = threading.Lock()
_inside = 0
_saved: warnings.catch_warnings | None = None

# Without a handler of their own these loggers print to stderr, over the progress bar.
for _name in ("PIL", "tifffile", "pydicom"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of Pillow, tifffile and pydicom; those of other modules stay.

    A picture's outcome is decided by what decodes, not by a warning about its metadata. The
    interpreter's warning filters belong to the process: the first thread sets them and the last
    one restores them, where nested `catch_warnings` of several threads would leave a mess behind.
    """
    global _inside, _saved
    with _lock:
        _inside += 1
        if _inside == 1:
            _saved = warnings.catch_warnings()
            _saved.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.|tifffile|pydicom")
            warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _saved is not None:
                _saved.__exit__(None, None, None)
                _saved = None

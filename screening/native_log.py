"""Keeps TensorFlow's start-up chatter off the terminal without losing its errors.

The C++ side writes information lines to file descriptor 2 before any log level applies
(`TF_CPP_MIN_LOG_LEVEL` does not reach them), which would stand in the middle of our own output.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

_CHATTER = re.compile(
    rb"I\d{4} |WARNING: All log messages before absl|To enable the following instructions"
    rb"|E\d{4} .*oneDNN supports DT_HALF only"  # it then takes another way, with the same result
)


@contextlib.contextmanager
def native_log_filtered() -> Iterator[None]:
    """Hold back file descriptor 2, then write everything but chatter to it.

    For the import of TensorFlow and its first use; not for long work, whose output it would delay.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        terminal = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            held.seek(0)
            kept = b"".join(line for line in held if not _CHATTER.match(line))
            if kept:
                os.write(2, kept)

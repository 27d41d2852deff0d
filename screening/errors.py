"""Errors that a user caused or can mend: one clear sentence, never a traceback."""

from __future__ import annotations

from os import PathLike


class ScreeningError(Exception):
    """Says in one sentence what was expected, what was received and what to do.

    `exit_status` is what the command line returns: 2 for a wrong use, 1 when nothing could be done.
    """

    exit_status = 2


class ImageError(ScreeningError):
    """Names a picture that cannot be read, and why, in plain words (`reason`)."""

    exit_status = 1

    def __init__(self, path: str | PathLike[str], reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class BundleError(ScreeningError):
    """Names a model bundle that is missing, incomplete or altered."""

    exit_status = 1


class NotInstalled(ScreeningError):
    """Says that a command needs TensorFlow, which only the extras of the package bring."""

    exit_status = 1
    advice = (
        "in the folder of this program run pip install '.[cpu]', or '.[gpu]' for an NVIDIA GPU; "
        "or make demo, which does all of it"
    )

    def __init__(self, command: str) -> None:
        super().__init__(f"{command} needs TensorFlow, which is not installed: {self.advice}")


class ManifestError(ScreeningError):
    """Lists every problem of a manifest or data folder at once."""


class ConfigError(ScreeningError):
    """Lists every problem of a configuration file at once."""


def not_installed(option: str, package: str, extra: str) -> str:
    """Return that an option needs a package that is not installed, and what to do."""
    return (
        f"{option} expects the package {package}, which is not installed: pip install "
        f"'.[{extra}]' in the folder of this program, or leave {option} out"
    )

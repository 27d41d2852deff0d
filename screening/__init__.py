"""Screening of karyograms: normal or abnormal, how sure, and what to look at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "ChromosomeResult", "Model", "PictureResult", "__version__", "compose", "load", "simulate",
]  # fmt: skip

if TYPE_CHECKING:
    from screening.api.model import Model, load
    from screening.api.results import ChromosomeResult, PictureResult
    from screening.api.synthetic import compose, simulate
else:
    _HOMES = {
        "ChromosomeResult": "results", "Model": "model", "PictureResult": "results",
        "compose": "synthetic", "load": "model", "simulate": "synthetic",
    }  # fmt: skip

    def __getattr__(name: str) -> object:
        """Import what is asked for when it is: the command line starts without NumPy."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"screening.api.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

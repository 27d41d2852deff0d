"""Shared fixtures: the optional folder of real chromosomes, and two logical CPU devices."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Albumentations asks a package index for its newest version on import unless told not to.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real chromosomes (SCREENING_DATA or ../shared/data); skips without it."""
    folder = Path(os.environ.get("SCREENING_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "chromosomes.csv").is_file():
        pytest.skip(f"needs the real chromosomes, not found at {folder}: set SCREENING_DATA")
    return folder


@pytest.fixture(scope="module")
def browser():
    """Chromium; tests that ask for it are marked `browsers.NEEDED`."""
    from browsers import started_browser

    with started_browser() as opened:
        yield opened


def pytest_collection_finish(session: pytest.Session) -> None:
    """Splits the CPU into two logical devices, which TensorFlow allows only before its first use.

    Only where some collected test has imported TensorFlow: the others need not wait for it.
    """
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        half = tf.config.LogicalDeviceConfiguration()
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [half, half])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the tests of tf.distribute first: its scopes do not stand what others leave behind."""
    items.sort(key=lambda item: item.path.name != "test_train_staged.py")

"""Debian's Chromium for tests, driven by Playwright: imported, they skip without either."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra test)")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
NEEDED = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, found none")
CALM = ("minor", "moderate")
WAIT = 60_000  # ms, on a machine that does other things too


@contextmanager
def started_browser():
    """The browser of a module's tests: see the fixture `browser`."""
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


def opened(browser, **options):
    """A page of a context of its own."""
    context = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | options))
    context.set_default_timeout(WAIT)
    return context.new_page()


def serious(page) -> list[str]:
    """What axe finds that stands in the way of anyone."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in axe.run(page).response["violations"]
        if each["impact"] not in CALM
    ]

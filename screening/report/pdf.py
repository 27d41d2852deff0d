"""A page as a PDF, printed by a browser that is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from screening.atomic import replaced_file
from screening.errors import ScreeningError

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)  # fmt: skip
"""Programs that print a page when they are asked to, the first that is found."""
MOST_SECONDS = 1800


class NotPrinted(ScreeningError):
    """Says why there is no PDF, and what to do."""

    exit_status = 1


def browser() -> str:
    """Return the browser that prints; NotPrinted when there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise NotPrinted(
            "--pdf expects Chromium, Chrome or Edge on the PATH and found none: install one, or "
            "open report.html in any browser and press its button print"
        )
    return found


def write_pdf(page: str, target: Path) -> None:
    """Print a self-contained page to `target`; NotPrinted when the browser does not."""
    program = browser()
    # The browser's last process may still hold its folder when it is removed, on Windows.
    scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with scratch as folder, replaced_file(target) as printed:
        source = Path(folder) / "page.html"
        source.write_text(page, "utf-8")
        # Chromium's own sandbox does not start for root; the page has no script and loads nothing.
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [
            program, "--headless", "--disable-gpu", "--no-pdf-header-footer", *root,
            f"--user-data-dir={folder}", f"--print-to-pdf={printed.absolute()}", source.as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=MOST_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            said = f"{program} printed nothing ({error}): print report.html by hand"
            raise NotPrinted(said) from error
        if done.returncode or not printed.is_file():
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise NotPrinted(
                f"{program} printed nothing ({'; '.join(last) or done.returncode}): print "
                "report.html by hand"
            )

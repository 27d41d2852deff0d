"""`python -m screening`: the same as the console command `screening`."""

from __future__ import annotations

import sys

from screening.cli import main

if __name__ == "__main__":
    sys.exit(main())

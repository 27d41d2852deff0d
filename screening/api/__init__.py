"""The package as Python sees it: `screening.load().read(...)`, `screening.compose`, `simulate`."""

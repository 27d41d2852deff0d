"""Screening of karyograms: normal or abnormal, how sure, and what to look at first."""

__version__ = "0.1.0"

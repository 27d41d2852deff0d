"""From single chromosomes to a certified bundle: stages of one resumable run."""

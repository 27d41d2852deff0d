"""The 24-class benchmark: networks × recipes × datasets × protocols × seeds, one row each."""

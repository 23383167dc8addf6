"""Runners for the parity check, one per format. `fresh_process.py` loads them without this package."""

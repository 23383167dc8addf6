"""Sweeps: what is searched, its trials, and their ranking. Only `searching` and `trial` need Ray."""

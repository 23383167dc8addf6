"""Sweeps: what is searched, its trials, and their ranking. Only `ray_search` and `trial` need Ray."""

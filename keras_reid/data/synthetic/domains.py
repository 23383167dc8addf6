"""Domains: where and when the cameras hang. A network that was trained in one loses much of its skill in another."""

from dataclasses import replace

DOMAINS = {
    "day": {},
    # Cheaper cameras, higher up, in little and coloured light.
    "evening": {
        "elevation": (0.3, 0.6),
        "ambient": (0.42, 0.52),
        "sun": (0.2, 0.35),
        "warmth": 0.15,
        "tint": 0.05,
        "gamma": (0.95, 1.25),
        "saturation": (0.5, 0.8),
        "haze": (0.05, 0.15),
        "blur": (1.6, 2.2),
        "noise": (0.015, 0.03),
    },
}


def in_domain(nuisance, domain):
    """How far cameras of a domain differ.

    Args:
        nuisance: the `Nuisance` of the kind that is drawn, as it is by day.
        domain: a key of `DOMAINS`.

    Example:
        >>> in_domain(Nuisance(), "evening").warmth
        0.15
    """
    return replace(nuisance, **DOMAINS[domain])

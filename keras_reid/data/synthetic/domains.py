"""Domains: where and when the cameras are used. A network trained in one domain is much worse in another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_reid.data.synthetic.camera import Nuisance

DOMAINS: dict[str, dict[str, Any]] = {
    "day": {},
    # Cheaper cameras, mounted higher, in little and coloured light.
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


def in_domain(nuisance: Nuisance, domain: str) -> Nuisance:
    """How much the cameras of a domain differ.

    Args:
        nuisance: the `Nuisance` of the drawn kind by day.
        domain: a key of `DOMAINS`.

    Example:
        >>> in_domain(Nuisance(), "evening").warmth
        0.15
    """
    return replace(nuisance, **DOMAINS[domain])

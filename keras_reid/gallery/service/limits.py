"""Limits on what requests cost. `--help` shows them; nothing heavy is imported here."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits on the cost and the number of requests."""

    max_image_mebibytes: float = 20.0
    """largest image file"""
    max_megapixels: float = 25.0
    """largest image, judging by its header"""
    max_decoding_megapixels: float = 100.0
    """largest sum of the pixels of images that are decoded at once, at some 20 bytes a pixel; further ones wait"""
    max_concurrent_requests: int = 256
    """most requests at the same time; more are refused (503)"""
    max_pending_mebibytes: int = 256
    """largest total size of bodies that are arriving; above it, large and slow ones are refused (503)"""
    requests_per_minute: float = 1200.0
    """of one token, or of one address; above it, requests are refused (429)"""
    burst: int = 400
    """requests of one token or address at once"""
    upload_seconds: float = 30.0
    """longest time for a body to arrive; then it is refused (408)"""
    answer_seconds: float = 60.0
    """longest time for an answer (504); erasing and checking may take longer"""
    idle_seconds: float = 75.0
    """connections without a request for this long are closed"""

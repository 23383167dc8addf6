"""Sets how the C library handles freed memory."""

from __future__ import annotations

import ctypes
import os

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_ENVIRONMENT = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_")
_LARGEST_PIECE = 32 << 20  # bytes; larger blocks are always requested from and returned to the system
_KEPT = 1 << 30
_ASKED_FOR_AT_ONCE = 64 << 20


def keep_freed_memory() -> None:
    """Lets this process keep up to 1 GiB of freed memory instead of returning it to the system at once.

    TensorFlow on a CPU frees and requests the same few hundred kilobytes thousands of times a second, and each time the
    system would have to clear the pages again. To see the effect on the input pipeline, run
    benchmarks/input_pipeline.py with and without the environment variable MALLOC_TRIM_THRESHOLD_=131072.

    Does nothing without glibc, or if the environment already sets these values.
    """
    if any(name in os.environ for name in _ENVIRONMENT):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_PIECE)
    mallopt(_TRIM_THRESHOLD, _KEPT)
    mallopt(_TOP_PAD, _ASKED_FOR_AT_ONCE)

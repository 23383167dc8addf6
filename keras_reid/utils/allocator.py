"""How the C library deals with memory that was freed."""

import ctypes
import os

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_ENVIRONMENT = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_")
_LARGEST_PIECE = 32 << 20  # bytes; more is always asked for and given back
_KEPT = 1 << 30
_ASKED_FOR_AT_ONCE = 64 << 20


def keep_freed_memory():
    """Lets this process keep up to 1 GiB of freed memory instead of giving it back to the system at once.

    TensorFlow on a CPU frees and asks for the same few hundred kilobytes thousands of times a second, and each time the
    system would have to clear the pages anew. What it brings to the input pipeline shows in
    benchmarks/input_pipeline.py, with and without the environment variable MALLOC_TRIM_THRESHOLD_=131072.

    Does nothing without glibc, or where the environment has settings of its own for it.
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

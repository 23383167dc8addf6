"""What computes: the name of the processor."""

from __future__ import annotations

import pathlib
import platform


def processor_name() -> str:
    """The processor's name from Linux, or from Python.

    Example:
        >>> isinstance(processor_name(), str)
        True
    """
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

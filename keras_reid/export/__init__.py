"""Artefacts for serving, each verified before it is moved into place. TensorFlow loads on first use."""

import importlib

_NAMES = {
    "ExportContext": "context",
    "ParityError": "parity_error",
    "TestImages": "parity_images",
    "export_savedmodel": "savedmodel",
    "test_images": "parity_images",
    "verify": "parity",
}

__all__ = list(_NAMES)


def __getattr__(name):
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)

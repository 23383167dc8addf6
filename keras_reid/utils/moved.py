"""Modules under their old names: importing one warns, and gives the module that took its place.

The table holds what users and earlier documents import. Everything in it goes in version 0.3.
"""

import importlib
import importlib.abc
import importlib.util
import sys
import warnings

MODULES = {
    "keras_reid.errors": "keras_reid.utils.errors",
}


def answer_to_old_names():
    """From now on the old names can be imported."""
    if not any(isinstance(finder, _OldNames) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OldNames())


def warn(old, new):
    """Says that `old` is now called `new`, with the place in the caller's code."""
    warnings.warn(
        f"{old} is now {new}. The old name goes in keras_reid 0.3.",
        DeprecationWarning,
        stacklevel=_frames_of_importing(),
    )


def _frames_of_importing():
    """How far above `warn` the first frame lies that belongs neither to this module nor to Python's import system."""
    frame, level = sys._getframe(2), 2
    while frame is not None and (
        frame.f_code.co_filename == __file__ or "importlib" in frame.f_code.co_filename
    ):
        frame, level = frame.f_back, level + 1
    return level


class _OldNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the names in `MODULES`, and nothing else."""

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in MODULES else None

    def exec_module(self, module):
        old, new = module.__name__, MODULES[module.__name__]
        warn(old, new)
        sys.modules[old] = importlib.import_module(new)

"""Modules under their old names: importing one warns, and gives the module that took its place.

The table holds what users and earlier documents import. Everything in it goes in version 0.3.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
import warnings

MODULES = {
    "keras_reid.data.checking": "keras_reid.data.unreadable",
    "keras_reid.data.records": "keras_reid.data.datasets.records",
    "keras_reid.errors": "keras_reid.utils.errors",
    "keras_reid.evaluation.dataset": "keras_reid.evaluation.evaluator",
    "keras_reid.evaluation.image_files": "keras_reid.embedding.named_images",
}


def answer_to_old_names() -> None:
    """From now on the old names can be imported."""
    if not any(isinstance(finder, _OldNames) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OldNames())


def warn(old: str, new: str, stacklevel: int = 2) -> None:
    """Says that `old` is now called `new`; `stacklevel` as in `warnings.warn`, whose 1 is the caller of this."""
    warnings.warn(
        f"{old} is now {new}. The old name goes in keras_reid 0.3.",
        DeprecationWarning,
        stacklevel=stacklevel + 1,
    )


class _OldNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the names in `MODULES`, and nothing else."""

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in MODULES else None

    def exec_module(self, module):
        old, new = module.__name__, MODULES[module.__name__]
        warn(old, new)
        sys.modules[old] = importlib.import_module(new)

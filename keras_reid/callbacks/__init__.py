"""Callbacks for `model.fit`, of a `ReIDModel` or any Keras model. Light to import: Keras loads with the first one."""

import importlib

__all__ = [
    "BestModel",
    "Checkpoints",
    "MetricsLog",
    "NaNGuard",
    "ProgressLine",
    "RetrievalEvaluation",
    "TensorBoardLog",
]


def __getattr__(name):
    if name in __all__:
        return getattr(importlib.import_module("keras_reid.training.callbacks"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)

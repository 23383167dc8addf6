"""Re-identification for Keras 3 and TensorFlow.

Importing this package is light: sub-modules load at first use, and Keras with them. Once Keras is loaded (before
or after this package), the layers, losses and models are registered with it, so that plain
`keras.saving.load_model` reads what they were saved to.
"""

import importlib
from typing import Any

from keras_reid.utils import keras_internals, moved
from keras_reid.utils.errors import UserError

__version__ = "0.2.0"

_SUBMODULES = (
    "backbones",
    "callbacks",
    "checkpoints",
    "data",
    "embedding",
    "evaluation",
    "experiment",
    "export",
    "gallery",
    "heads",
    "layers",
    "losses",
    "models",
    "recipes",
    "run",
    "serving",
    "training",
    "tuning",
    "visualization",
    "weights",
    "zoo",
)
# What is at home deeper inside.
_INNER = {"adaptation": "training.adaptation"}

__all__ = [*_SUBMODULES, *_INNER, "UserError", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES or name in _INNER:
        return importlib.import_module(f"{__name__}.{_INNER.get(name, name)}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


keras_internals.register_when_keras_loads()
moved.answer_to_old_names()

"""Registers the package's serialisable classes with Keras without importing Keras by itself.

`keras.saving.load_model` finds a class by its registered name, and a class registers itself when its module is
imported. Importing those modules costs an import of Keras (seconds), which `import keras_reid` must not cost. So they
are imported at once where Keras is already loaded, and otherwise right after somebody else loads Keras.
"""

import importlib
import importlib.abc
import importlib.util
import sys

_SERIALIZABLE = ("layers", "backbones", "heads", "losses")
_SERIALIZABLE_ON_TENSORFLOW = ("models", "training", "data.augmentation.augmentation_layer")
# Those that import Keras when they are imported.
_IMPORTING_KERAS = tuple(
    f"keras_reid.{name}" for name in (*_SERIALIZABLE, *_SERIALIZABLE_ON_TENSORFLOW, "checkpoints", "weights")
)


def register_when_keras_loads():
    """Imports the serialisable modules now if Keras is loaded, else as soon as it is."""
    if "keras" in sys.modules:
        _import_serializable()
    else:
        sys.meta_path.insert(0, _AfterKeras())


def _import_serializable():
    import keras

    names = _SERIALIZABLE
    if keras.backend.backend() == "tensorflow":
        names += _SERIALIZABLE_ON_TENSORFLOW
    for name in names:
        importlib.import_module(f"keras_reid.{name}")


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Steps in at the first real import of Keras, lets it happen as usual, and registers afterwards.

    Where that import comes from one of our own modules, which is then only half loaded, registration waits until that
    module is whole. Others (TensorFlow is one) look Keras up without importing it, so the finder stays until it has
    been executed.
    """

    searching = False
    waiting = False

    def find_spec(self, fullname, path, target=None):
        ours = fullname in _IMPORTING_KERAS
        if self.searching or (fullname != "keras" and not ours) or (ours and self.waiting):
            return None
        self.searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.searching = False
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module
        spec.loader.exec_module = self._ours(execute) if ours else self._keras(execute)
        return spec

    def _keras(self, execute):
        def execute_and_register(module):
            execute(module)
            if not self.waiting:
                self._register()

        return execute_and_register

    def _ours(self, execute):
        def execute_with_keras_loaded(module):
            self.waiting = True
            try:
                importlib.import_module("keras")
                execute(module)
            finally:
                self.waiting = False
            self._register()

        return execute_with_keras_loaded

    def _register(self):
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            _import_serializable()

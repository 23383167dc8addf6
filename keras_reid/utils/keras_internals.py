"""Where this package relies on how Keras works inside: all such places, and the version each was read in.

Everything here was read in Keras 3.15.1 (files below `keras/src/`). To move to another version, read those places again
and run the tests. Nothing else in the package touches a name of Keras that begins with an underscore.

Importing this module is light: `import keras_reid` does it, and must not import Keras.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Iterator
from typing import Any

# Rooms whose classes are registered with Keras.
_SERIALIZABLE = ("layers", "backbones", "heads", "losses")
_SERIALIZABLE_ON_TENSORFLOW = ("models", "training", "data.augmentation.augmentation_layer")
# Those that import Keras when they are imported.
_IMPORTING_KERAS = tuple(
    f"keras_reid.{name}" for name in (*_SERIALIZABLE, *_SERIALIZABLE_ON_TENSORFLOW, "checkpoints", "weights")
)


def register_when_keras_loads() -> None:
    """Imports the serialisable modules now if Keras is loaded, else as soon as it is.

    `keras.saving.load_model` finds a class by its registered name, and a class registers itself when its module is
    imported. Importing those modules costs an import of Keras (seconds), which `import keras_reid` must not cost. So
    they are imported at once where Keras is already loaded, and otherwise right after somebody else loads Keras. Keras
    has no hook for that (`saving/serialization_lib.py`, `_retrieve_class_or_fn`), so Python's import system is used.
    """
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


def layers_within(layer: Any, recursive: bool = True) -> Any:
    """A layer and all layers in it; or, not recursive, only those directly in it.

    `Layer._flatten_layers` in `layers/layer.py`. The public `Model.layers` leaves out layers that a layer keeps in an
    attribute.
    """
    return (
        layer._flatten_layers() if recursive else layer._flatten_layers(include_self=False, recursive=False)
    )


@contextlib.contextmanager
def before_each_variable(check: Callable[[Any], None]) -> Iterator[None]:
    """Within the block, `check(variable)` is called when a variable has its shape and not yet its memory.

    `Variable._initialize_with_initializer` in `backend/common/variables.py` and `backend/tensorflow/core.py`. Keras has
    no public hook between the two.
    """
    import keras

    initialize = keras.Variable._initialize_with_initializer

    def checked(variable, initializer):
        check(variable)
        initialize(variable, initializer)

    keras.Variable._initialize_with_initializer = checked
    try:
        yield
    finally:
        keras.Variable._initialize_with_initializer = initialize


def is_autocast(variable: Any) -> bool:
    """Whether a layer of half precision reads the variable in that precision: `backend/common/variables.py`."""
    return variable._autocast


class BuiltByItsConstructor:
    """A mixin before `keras.Model` for a model that has nothing left to build.

    Under a strategy, `fit` calls `_maybe_symbolic_build` (`backend/tensorflow/trainer.py`), which draws a batch and
    averages it over the replicas. That fails for integers and on several workers.

    After `build`, Keras refuses new layers (`_lock_state` in `layers/layer.py`). Here a part may still be replaced.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing."""

    def _lock_state(self):
        """Nothing."""


def compiled_step(model: Any, step: Any) -> Any:
    """What `fit` calls with an iterator, made of any `step(data)` in place of `model.train_step`.

    `TensorFlowTrainer._make_function` in `backend/tensorflow/trainer.py`, which `make_train_function` calls, puts a
    function into a function, so that TensorFlow handles the graph of a step twice. One is enough where a call is a
    single step on one device.
    """
    import tensorflow as tf

    shared = model.steps_per_execution > 1 or model._distribute_strategy is not None
    if shared or model.run_eagerly or model.jit_compile:
        return model._make_function(step)
    step = model._autoconvert_optionals(step)
    of_iterator = tf.function(
        lambda iterator: step(iterator.get_next()), autograph=False, reduce_retracing=True
    )
    # Of `train_on_batch`, by a generator.
    of_batch = tf.function(step, autograph=False, reduce_retracing=True)

    def function(iterator):
        return of_iterator(iterator) if isinstance(iterator, tf.data.Iterator) else of_batch(next(iterator))

    return function


def loss_tracker(model: Any) -> Any:
    """The running mean of the loss that `compile` makes: `trainers/trainer.py`."""
    return model._loss_tracker


def compiled_metrics(model: Any) -> Any:
    """The metrics that `compile` was given, as one metric, or None: `trainers/trainer.py`."""
    return model._compile_metrics


def learning_rate_source(optimizer: Any) -> Any:
    """What an optimizer takes its learning rate from: a variable, a schedule or a callable.

    `optimizers/base_optimizer.py`; the public `learning_rate` is its present value.
    """
    return optimizer._learning_rate


def batch_counter(optimizer: Any) -> Any:
    """The variable that counts the batches of an optimizer.

    `optimizers/base_optimizer.py`; under gradient accumulation the public `iterations` counts updates.
    """
    return optimizer._iterations


def adam_moments(optimizer: Any, index: int) -> tuple[Any, Any]:
    """The running means of the gradient and of its square, of the variable at that place: `optimizers/adam.py`."""
    return optimizer._momentums[index], optimizer._velocities[index]


def variable_index(optimizer: Any, variable: Any) -> int:
    """The place of a variable among those that an optimizer was built with: `optimizers/base_optimizer.py`."""
    return optimizer._get_variable_index(variable)


def may_decay(optimizer: Any, variable: Any) -> bool:
    """Whether `exclude_from_weight_decay` leaves a variable in: `optimizers/base_optimizer.py`."""
    return optimizer._use_weight_decay(variable)


class DecaysInUpdateStep:
    """A mixin before a Keras optimizer that decays weights in `update_step`: `optimizers/base_optimizer.py`."""

    def _apply_weight_decay(self, variables):
        """Nothing: Keras would apply one decay to all variables, before the update."""


class UpdatesTogether:
    """A mixin before a Keras optimizer with `update_together(gradients, variables, learning_rate)`.

    `_backend_update_step` in `optimizers/base_optimizer.py` and `backend/tensorflow/optimizer.py` calls `update_step`
    for one variable after the other. A `tf.distribute` strategy needs that; without one it only makes the graph larger.
    """

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if not tf.distribute.has_strategy():
                variables = [
                    variable.value if isinstance(variable, keras.Variable) else variable
                    for variable in trainable_variables
                ]
                self.update_together(grads, variables, learning_rate)
                return
        super()._backend_update_step(grads, trainable_variables, learning_rate)

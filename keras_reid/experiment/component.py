"""Descriptions of components, and how they and a user's own become the real thing."""

import dataclasses
import importlib
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class Component:
    """The description of a component: its arguments, typed, without importing Keras.

    A subclass names in `builds` what it describes; its fields are that constructor's arguments. What is known only once
    the data is read (the number of classes) is handed over by `build`.
    """

    builds: ClassVar[str] = ""

    def build(self, **late):
        """The component itself. A subclass whose fields must be built first does that and calls `_construct`."""
        return self._construct(**late)

    def _construct(self, **late):
        module, name = self.builds.rsplit(".", 1)
        arguments = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return getattr(importlib.import_module(module), name)(**arguments, **late)


def build(component, **late):
    """What an experiment's field stands for.

    A description is built. A finished object (a Keras layer, model, loss or optimizer) is taken as it is. Any other
    callable (a function, a class) is called with what is known by now, `late`, and returns the component.
    """
    import keras

    if isinstance(component, Component):
        return component.build(**late)
    schedules = keras.optimizers.schedules
    finished = (keras.layers.Layer, keras.Loss, keras.optimizers.Optimizer, schedules.LearningRateSchedule)
    if isinstance(component, finished) or not callable(component):
        return component
    return component(**late)

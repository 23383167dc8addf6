"""Descriptions of components, and how they and a user's own become the real thing."""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, ClassVar, Literal


@dataclasses.dataclass(frozen=True)
class Component:
    """The description of a component: its arguments, typed, without importing Keras.

    Most descriptions are generated from the constructor of what they describe (`keras_reid.experiment.generate`), with
    these class attributes:

    - `builds`: what it describes; the fields are arguments of its constructor.
    - `late`: the constructor's other arguments, each with the fact that it needs (`keras_reid.utils.arguments.FACTS`),
      such as `{"dim": "embedding_dim"}`.
    - `parts`: the fields that hold components themselves, each with the facts with which your own callable is called.
    - `fixed`: arguments that an experiment does not choose.
    """

    builds: ClassVar[str] = ""
    late: ClassVar[Mapping[str, str]] = {}
    parts: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    fixed: ClassVar[Mapping[str, str]] = {}

    @property
    def needs(self) -> list[str]:
        """The facts without which it cannot be built, those of its parts included."""
        parts = (_needs(getattr(self, name), facts) for name, facts in self.parts.items())
        return sorted({*self.late.values(), *(fact for part in parts for fact in part)})

    def build(self, **facts: Any) -> Any:
        """The component itself.

        Raises:
            TypeError: if `facts` are not those that it `needs`.
        """
        if sorted(facts) != self.needs:
            raise TypeError(
                f"{type(self).__name__} is built from the facts {self.needs}. Received: {sorted(facts)}"
            )
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        arguments = {**self.fixed, **fields}
        for name, wanted in self.parts.items():
            wanted = _needs(arguments[name], wanted)
            arguments[name] = build(arguments[name], **{fact: facts[fact] for fact in wanted})
        for name, fact in self.late.items():
            arguments[name] = facts[fact]
        module, name = self.builds.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)(**arguments)


@dataclasses.dataclass(frozen=True)
class Backbone(Component):
    """A backbone.

    `smallest` holds the arguments that make the smallest one of its family; `gives_negatives` says whether its feature
    has negative values.
    """

    smallest: ClassVar[dict] = {}
    gives_negatives: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class Pooling(Component):
    """A pooling.

    `pools` is False where it leaves feature maps to the head; `cuts_negatives` says whether negative values become 0.
    """

    pools: ClassVar[bool] = True
    cuts_negatives: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class Head(Component):
    """A head. It `takes` the pooled vector, one feature map, or the several maps of a backbone with branches."""

    takes: ClassVar[Literal["vector", "map", "maps"]] = "vector"


def build(component: Any, **facts: Any) -> Any:
    """What an experiment's field stands for.

    A description is built. A finished object (a Keras layer, model, loss or optimizer) is taken as it is. Any other
    callable (a function, a class) is called with what is known by now, `facts`, and returns the component.
    """
    import keras

    if isinstance(component, Component):
        return component.build(**facts)
    schedules = keras.optimizers.schedules
    finished = (keras.layers.Layer, keras.Loss, keras.optimizers.Optimizer, schedules.LearningRateSchedule)
    if isinstance(component, finished) or not callable(component):
        return component
    return component(**facts)


def _needs(component, otherwise):
    return component.needs if isinstance(component, Component) else otherwise

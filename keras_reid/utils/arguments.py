"""What the type hint of a constructor's argument tells an experiment, besides the type.

Experiments describe a component by a small dataclass, which is generated from the component's constructor
(`keras_reid.experiment.generate`). An argument with a plain type becomes a field of the same name, type and default.
What every Keras object has (`name`, `dtype`, `reduction`) gets no field. The marks here are for the rest:

    def __init__(
        self,
        dim: Annotated[int, Late("feature_dim")],
        loss: Annotated[PairwiseLoss | None, Part(CosFaceLoss, {"scale": 32.0})] = None,
        size: int = 8192,
        reduction="sum_over_batch_size",
    ):

Importing this imports no Keras.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

T = TypeVar("T")

NO_FIELD = "no field"
NoField = Annotated[T, NO_FIELD]
"""An argument that experiments leave at its default, for example because only imported weights need it."""


@dataclasses.dataclass(frozen=True)
class Late:
    """An argument that is known only after the data is read or the model is built, so no experiment has a field for it.

    Args:
        fact: What it is, one of `FACTS`.
    """

    fact: str

    def __post_init__(self):
        if self.fact not in FACTS:
            raise ValueError(f"`fact` of Late must be one of {', '.join(FACTS)}. Received: {self.fact!r}")


FACTS = {
    "image_shape": "height and width of the experiment's images, and 3",
    "num_classes": "training identities",
    "embedding_dim": "length of the model's embedding",
    "feature_dim": "length of what the head gives to metric losses",
    "num_clusters": "most clusters that an adaptation can find",
}


@dataclasses.dataclass(frozen=True)
class Part:
    """An argument that is itself a component, so that an experiment describes it or takes the user's own.

    Args:
        component: The class that None stands for.
        arguments: Its arguments.
        facts: What a callable of the user's own is called with, names of `FACTS`.
    """

    component: type
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    facts: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class InExperiments:
    """An argument whose field has another default than the constructor."""

    default: Any


ImageShape = NoField[tuple[int | None, int | None, int]]
NumClasses = Annotated[int, Late("num_classes")]

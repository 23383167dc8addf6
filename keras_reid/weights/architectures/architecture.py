"""What a checkpoint tells about its backbone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A backbone as names and shapes tell it.

    Args:
        backbone: Its name in `keras_reid.backbones`.
        arguments: Arguments of its constructor that are certain.
        options: The same in FastReID's option names, to be compared with a config; certain.
        open_arguments: `{FastReID's option: argument}` of what names and shapes cannot tell.
        fixed_image_size: Whether it must be built for one image size (as position embeddings need).
    """

    backbone: str
    arguments: Mapping
    options: Mapping = dataclasses.field(default_factory=dict)
    open_arguments: Mapping = dataclasses.field(default_factory=dict)
    fixed_image_size: bool = False

    def build(self, options: Mapping[str, Any], image_size: tuple[int, int]) -> Any:
        """The backbone with random weights.

        Args:
            options: FastReID's options, which settle what is open.
            image_size: `(height, width)`.
        """
        from keras_reid import backbones

        arguments = dict(self.arguments)
        for option, argument in self.open_arguments.items():
            value = options[option]
            arguments[argument] = tuple(value) if isinstance(value, list) else value
        if self.fixed_image_size:
            arguments["input_shape"] = (*image_size, 3)
        return getattr(backbones, self.backbone)(**arguments)


def count_blocks(shapes: Mapping[str, tuple[int, ...]], stages: Sequence[str]) -> tuple[int, ...]:
    """The number of blocks in each stage: distinct second parts of names that start with the stage's.

    Args:
        shapes: `{name: shape}`.
        stages: The stages' names, as `("layer1", "layer2")`.
    """
    return tuple(
        len({name.split(".")[1] for name in shapes if name.startswith(f"{stage}.")}) for stage in stages
    )

"""Names of types that Keras has no names for."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of the back end, a symbolic one of Keras, or what Keras makes a tensor of, such as an array."""

Shape: TypeAlias = tuple[int | Any, ...]
"""The shape of a tensor: `int | None` each, None where any size will do, such as of the batch.

`Any` stands for None, as a layer that is built knows its channels and need not ask.
"""

"""Published models by name, and sharing of one's own."""

from keras_reid.zoo.registry import Row, find_row, rows
from keras_reid.zoo.resolving import resolve

__all__ = ["Row", "find_row", "resolve", "rows"]

"""What the page's forms and its script send."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.gallery.service.service_error import ServiceError


class Sent:
    """The fields of a form.

    Args:
        fields: name → value, or list of values.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """A field, stripped; empty if it is missing."""
        values = self._values(name)
        return values[-1].strip() if values and isinstance(values[-1], str) else ""

    def numbers(self, name: str) -> list[int]:
        """All values of a field.

        Raises:
            ServiceError: 400 if one is not a number.
        """
        return [number(str(one), name) for one in self._values(name)]

    def number(self, name: str) -> int:
        """A field that must be there.

        Raises:
            ServiceError: 400 if it is not a number.
        """
        return number(self.text(name), name)

    def vector(self) -> NDArray[np.float32]:
        """The embedding that `vector_text` has written into a page.

        Raises:
            ServiceError: 400 if it is something else.
        """
        try:
            return np.frombuffer(base64.b64decode(self.text("vector"), validate=True), "<f4").astype(
                np.float32
            )
        except (binascii.Error, ValueError):
            raise ServiceError(
                400, "the embedding must be base64 of float32. Choose the picture again"
            ) from None

    def _values(self, name):
        value = self._fields.get(name, [])
        return value if isinstance(value, list) else [value]


def vector_text(vector: NDArray[np.float32]) -> str:
    """An embedding as a page holds it: base64 of float32, little-endian.

    Example:
        >>> vector_text(np.array([1.0], np.float32))
        'AACAPw=='
    """
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def number(text: str, name: str) -> int:
    """A number of an identity, sighting or change.

    Raises:
        ServiceError: 400.

    Example:
        >>> number("17", "identity")
        17
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ServiceError(400, f"`{name}` must be a number. Received: {text[:40]!r}")
    return int(text)

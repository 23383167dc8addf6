"""Which model made an embedding: those of different models are never compared."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.embedding import Embedder

PREPROCESSING = "1"  # changes with what decodes and resizes images, if that changes embeddings
_LONGEST = 16_000  # numbers of an embedding, as pgvector allows
_FROM_ONE = 1e-3  # of an embedding's length: rounding to half precision changes it by less


@dataclasses.dataclass(frozen=True)
class ModelIdentity:
    """A model as a store knows it.

    Args:
        name: for people, such as the run's folder.
        fingerprint: of architecture and weights (`keras_reid.utils.model_file.fingerprint`).
        dimension: numbers of an embedding.
        preprocessing: how images become pixels, and whether the mirrored image is averaged in.
        calibration: the calibration's dict, or None. It changes no embedding.
    """

    name: str
    fingerprint: str
    dimension: int
    preprocessing: str = PREPROCESSING
    calibration: dict[str, Any] | None = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.dimension <= _LONGEST:
            raise UserError(f"`dimension` must be 1 to {_LONGEST}. Received: dimension={self.dimension}.")

    @classmethod
    def of(cls, embedder: Embedder, name: str = "", flip: bool = False) -> ModelIdentity:
        """The identity of an `Embedder`'s model.

        Args:
            embedder: the embedder.
            name: for people; by default the beginning of its fingerprint.
            flip: whether it averages in the mirrored image.
        """
        return cls(
            name or embedder.fingerprint[:8],
            embedder.fingerprint,
            embedder.dim,
            f"{PREPROCESSING}, flip" if flip else PREPROCESSING,
            embedder.metadata.get("calibration"),
        )

    @property
    def key(self) -> str:
        """What the embeddings depend on."""
        return f"{self.fingerprint} {self.preprocessing}"

    def check_same(self, other: ModelIdentity, store: str) -> None:
        """Refuses another model than the store's.

        Args:
            other: the store's model.
            store: its name, for the message.

        Raises:
            UserError: names both.
        """
        if self.key == other.key:
            return
        if self.fingerprint == other.fingerprint:
            what = f"with preprocessing {other.preprocessing!r}, and this is {self.preprocessing!r}"
        else:
            theirs, ours = other.fingerprint[:8], self.fingerprint[:8]
            what = f"of the model {other.name} ({theirs}), and this is {self.name} ({ours})"
        raise UserError(
            f"{store}: its embeddings are {what}: they cannot be compared. Name the store's model with --model, or use "
            "another store."
        )

    def checked(self, embeddings: ArrayLike) -> NDArray[np.float32]:
        """Embeddings as float32 `(n, dim)`, after checking that this model can have made them.

        Raises:
            UserError: their length differs, or one is not finite or not of unit length.
        """
        rows = np.asarray(embeddings, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise UserError(
                f"embeddings of the model {self.name} must have shape (n, {self.dimension}). Received: {rows.shape}."
            )
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        wrong = ~(np.abs(lengths - 1) <= _FROM_ONE)  # also NaN
        if wrong.any():
            place = int(np.argmax(wrong))
            raise UserError(
                f"embeddings must be finite and of unit length. Received: length {lengths[place]:.6g} in row {place}. "
                "Divide each by its length, as `Embedder` does."
            )
        return rows

"""Model files from strangers: absurd sizes, and weights that are not numbers."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np

from keras_reid.utils.errors import UserError
from keras_reid.utils.keras_internals import before_each_variable

if TYPE_CHECKING:
    from pathlib import Path

# Sides in pixels. At the limit an image of float32 takes 200 MB; those of re-identification have 64 to 512.
_MOST_PIXELS = 4096
# A model has about the size of its file. Room for variables that are not stored, and for compressed files.
_MOST_GROWTH, _ROOM = 4, 2**28
_WEIGHTS = "model.weights.h5"


def check_sizes(file: Path, config: Mapping[str, Any]) -> None:
    """Refuses a model whose images are of absurd size, before anything is built.

    Args:
        file: the model file, for the error.
        config: of `read_config`.

    Raises:
        UserError: naming the file and the size.
    """
    config = config["config"]
    metadata = config["metadata"] if isinstance(config.get("metadata"), dict) else {}
    for size in (config.get("image_size"), metadata.get("image_size")):
        if size is not None and not _is_size(size):
            raise UserError(
                f"{file}: image_size must be height and width, 1 to {_MOST_PIXELS} pixels. Received: {str(size)[:80]}"
            )


def _is_size(size):
    return (
        isinstance(size, list)
        and len(size) == 2
        and all(type(side) is int and 1 <= side <= _MOST_PIXELS for side in size)
    )


@contextlib.contextmanager
def bounded_weights(file: Path) -> Iterator[None]:
    """While a model is built from a file: refuses it before its weights take much more memory than the file holds.

    Args:
        file: the model file.

    Raises:
        UserError: naming the file and the weight.
    """
    most = _MOST_GROWTH * file.stat().st_size + _ROOM
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > most:
            raise UserError(
                f"{file}: must be about as large as what it holds. Received: an archive that unpacks to "
                f"{unpacked / 1e6:,.0f} MB."
            )
        stored = _stored_bytes(file, archive)
    if stored > most:
        raise UserError(
            f"{file}: must be about as large as its weights. Received: weights of {stored / 1e6:,.0f} MB."
        )
    total, refused = 0, None

    def count(variable):
        nonlocal total, refused
        # Half precision has 2 bytes and is counted as if it had more, which the growth allows for.
        total += 4 * math.prod(variable.shape)
        if total > most:
            refused = UserError(
                f"{file}: its configuration must describe the weights that it holds, {file.stat().st_size / 1e6:,.1f} "
                f"MB. Received: {variable.path} of shape {tuple(variable.shape)}."
            )
            raise refused

    try:
        with before_each_variable(count):
            yield
    except Exception as error:
        if refused is None or error is refused:
            raise
        raise refused from error  # Keras has put its own words around it


def _stored_bytes(file, archive):
    """What the arrays of the weights file take in memory, by their shapes: HDF5 need not store what is all zero."""
    if _WEIGHTS not in archive.namelist():
        return 0  # Keras says that it is missing
    total = 0

    def add(_, item):
        nonlocal total
        if isinstance(item, h5py.Dataset):
            total += math.prod(item.shape or ()) * item.dtype.itemsize

    try:
        # From memory: HDF5 looks here and there, which is slow in an archive.
        with h5py.File(io.BytesIO(archive.read(_WEIGHTS))) as weights:
            weights.visititems(add)
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        NotImplementedError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(f"{file}: cannot be loaded: its {_WEIGHTS} is damaged: {error}.") from error
    return total


def check_weights(file: Path, model: keras.Model) -> None:
    """Refuses weights that are NaN, which make every embedding NaN, and warns of infinite ones. Reads each weight once.

    Args:
        file: the model file, for the error.
        model: a Keras model.

    Raises:
        UserError: naming the file and the weights.
    """
    nan, infinite = [], []
    for weight in model.weights:
        if "float" not in weight.dtype:
            continue
        values = np.asarray(keras.ops.convert_to_numpy(weight), np.float32)
        if not np.isfinite(values).all():
            (nan if np.isnan(values).any() else infinite).append(weight.path)
    if nan:
        raise UserError(
            f"{file}: its weights must be numbers. Received: NaN in {_listed(nan)}. Was it saved after the training "
            "had diverged? Use an earlier one, such as best.keras"
        )
    if infinite:
        warnings.warn(f"{file}: infinite weights in {_listed(infinite)}", stacklevel=3)


def _listed(names):
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

"""State dicts: names to numpy arrays, from memory or from a PyTorch file."""

import pathlib
from collections.abc import Mapping

import numpy as np

from keras_reid.errors import UserError


def read_state_dict(source):
    """`{name: numpy array}` from a mapping of names to arrays, or from a `.pth` file (which needs PyTorch).

    A file may hold the state dict itself or a checkpoint with it under "model" or "state_dict".

    Raises:
        UserError: if the file is missing or not such a file, PyTorch is, or a value is not an array.
    """
    if not isinstance(source, Mapping):
        source = _read_file(pathlib.Path(source))
    state = {}
    for name, value in source.items():
        try:
            # `np.asarray` takes a PyTorch tensor on the CPU as well.
            state[name] = np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"State dict: {name!r} must be an array. Received: {type(value).__name__}"
            ) from error
        if state[name].dtype == object:
            raise UserError(f"State dict: {name!r} must be an array. Received: {type(value).__name__}")
    return state


def _read_file(path):
    if not path.is_file():
        raise UserError(f"Weights file not found: {path}")
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"Reading {path} needs PyTorch, which is not there. Run `pip install torch`, or read the file "
            "where PyTorch is and pass names and numpy arrays."
        ) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler met
        raise UserError(f"{path} is not a PyTorch file of plain tensors: {error}") from error
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise UserError(f"{path} must hold a state dict. Received: {type(content).__name__}")
    return content

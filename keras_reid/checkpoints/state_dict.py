"""State dicts: names to numpy arrays, from memory or from a file that PyTorch saved."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_reid.checkpoints.allowed_globals import Global, Inert
from keras_reid.checkpoints.problems import NeedsPyTorch
from keras_reid.checkpoints.stored_tensor import StoredTensor
from keras_reid.checkpoints.torch_file import read_torch_file
from keras_reid.utils.errors import UserError

# Where checkpoints keep the state dict, next to the state of the optimizer and schedule.
_CONTAINERS = ("model", "state_dict")
# Before it, `weights_only` could be deceived.
_OLDEST_PYTORCH = (2, 6)
_LONGEST_NAME = 200


def read_state_dict(source: Any) -> dict[str, np.ndarray]:
    """`{name: numpy array}` from a mapping of names to arrays, or from a file that `torch.save` wrote.

    A file may hold the state dict itself or a checkpoint with it under "model" or "state_dict". It is read without
    PyTorch and without running anything that it names; PyTorch is used only where a file holds tensors that this reader
    does not know (sparse or quantised ones, for example).

    Args:
        source: The mapping, or the path of a `.pth`, `.pt`, `.tar` or `.bin` file.

    Returns arrays, read-only where they come from a file; bfloat16 becomes float32.

    Raises:
        UserError: if the file is missing, damaged, not written by `torch.save`, or asks to run something; if it holds
            no state dict; or if a value is not an array.

    Example:
        >>> state = keras_reid.checkpoints.read_state_dict("market_bot_R50.pth")  # doctest: +SKIP
        >>> state["backbone.conv1.weight"].shape  # doctest: +SKIP
        (64, 3, 7, 7)
    """
    if isinstance(source, (str, os.PathLike)):
        source = _read_file(pathlib.Path(source))
    elif not isinstance(source, Mapping):
        raise UserError(
            "Weights must be the path of a file, or a mapping of names to arrays. "
            f"Received: a {type(source).__name__}"
        )
    state = {}
    for name, value in source.items():
        if not _is_name(name):
            raise UserError(f"State dict: names of weights must be plain text. Received: {_shown(name)}")
        try:
            state[name] = np.asarray(_plain(value))
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(_no_array(name, value)) from error
        if state[name].dtype == object:
            raise UserError(_no_array(name, value))
    return state


def _read_file(path):
    try:
        return read_torch_file(path, lambda content: _state_of(content, path))
    except NeedsPyTorch as error:
        return _state_of(_read_with_pytorch(path, error), path)


def _state_of(content, path):
    for key in _CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise UserError(f"{path} must hold a state dict. Received: {_kind(content)}")
    for name, value in content.items():
        if not _is_name(name):
            raise UserError(f"{path} must hold a state dict, with names of weights. Received: {_shown(name)}")
        # A list of lists that share their items could become an array of any size.
        if isinstance(value, (Mapping, list, tuple, str, bytes, Inert, Global)) or value is None:
            raise UserError(f"{path}: {_no_array(name, value)}")
    return content


def _is_name(name):
    """Whether something can be a weight's name, and be shown on a terminal as it is."""
    return isinstance(name, str) and name.isprintable() and len(name) <= _LONGEST_NAME


def _shown(name):
    return ascii(name[:_LONGEST_NAME]) if isinstance(name, str) else f"a {_kind(name)}"


def _plain(value):
    """A tensor of PyTorch's as one that numpy takes; anything else as it is."""
    if not all(hasattr(value, method) for method in ("detach", "is_floating_point", "to_dense")):
        return value
    value = value.detach()  # a parameter, which has a gradient
    for view in ("conj", "neg"):  # numpy does not take them before PyTorch has changed their signs
        if getattr(value, f"is_{view}", bool)():
            value = getattr(value, f"resolve_{view}")()
    if value.is_quantized:
        value = value.dequantize()
    if str(value.layout) != "torch.strided":
        value = value.to_dense()
    # numpy has no bfloat16, and what is filled is float32 anyway.
    return value.cpu().float() if value.is_floating_point() else value.cpu()


def _no_array(name, value):
    return f"State dict: {name!r} must be an array. Received: {_kind(value)}"


def _kind(value):
    if isinstance(value, (Inert, Global)):
        return value.name
    return "tensor" if isinstance(value, StoredTensor) else type(value).__name__


def _read_with_pytorch(path, what):
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"{path} holds {what}, which only PyTorch can read, and PyTorch is not installed. Run "
            "`pip install torch`, or read the file where PyTorch is installed and pass names and numpy arrays."
        ) from error
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _OLDEST_PYTORCH:
        raise UserError(
            f"{path} holds {what}, which only PyTorch can read, and PyTorch {torch.__version__} may run what a file "
            "names. Run `pip install --upgrade torch`."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler met
        reason = " ".join(str(error).split())[:300]  # it has many lines
        raise UserError(f"{path} is not a PyTorch file of plain tensors: {reason}") from error

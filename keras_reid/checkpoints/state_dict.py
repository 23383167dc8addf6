"""State dicts: names to numpy arrays, from memory or from a file that PyTorch saved."""

import pathlib
from collections.abc import Mapping

import numpy as np

from keras_reid.checkpoints.allowed_globals import Global, Inert
from keras_reid.checkpoints.problems import NeedsPyTorch
from keras_reid.checkpoints.stored_tensor import StoredTensor
from keras_reid.checkpoints.torch_file import read_torch_file
from keras_reid.errors import UserError

# Where checkpoints keep the state dict beside the state of optimizer and schedule.
_CONTAINERS = ("model", "state_dict")
# Before it, `weights_only` could be deceived.
_OLDEST_PYTORCH = (2, 6)


def read_state_dict(source):
    """`{name: numpy array}` from a mapping of names to arrays, or from a file that `torch.save` wrote.

    A file may hold the state dict itself or a checkpoint with it under "model" or "state_dict". It is read without
    PyTorch and without running anything that it names; PyTorch is asked only where a file holds tensors that are not
    known here (sparse or quantised ones, for example).

    Args:
        source: The mapping, or the path of a `.pth`, `.pt`, `.tar` or `.bin` file.

    Returns arrays, read-only where they come from a file; bfloat16 becomes float32.

    Raises:
        UserError: if the file is missing, damaged, none that `torch.save` wrote, or asks to run something; if
            there is no state dict in it; or if a value is not an array.

    Example:
        >>> state = keras_reid.checkpoints.read_state_dict("market_bot_R50.pth")  # doctest: +SKIP
        >>> state["backbone.conv1.weight"].shape  # doctest: +SKIP
        (64, 3, 7, 7)
    """
    if not isinstance(source, Mapping):
        source = _read_file(pathlib.Path(source))
    state = {}
    for name, value in source.items():
        try:
            # `np.asarray` takes a PyTorch tensor on the CPU as well.
            state[name] = np.asarray(value)
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
        if not isinstance(name, str):
            raise UserError(
                f"{path} must hold a state dict, with names of weights. Received: a {_kind(name)}"
            )
        # A list of lists that share their items could become an array of any size.
        if isinstance(value, (Mapping, list, tuple, str, bytes, Inert, Global)) or value is None:
            raise UserError(f"{path}: {_no_array(name, value)}")
    return content


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
            f"{path} holds {what}, which only PyTorch can read, and that is not there. Run `pip install torch`, or "
            "read the file where PyTorch is and pass names and numpy arrays."
        ) from error
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _OLDEST_PYTORCH:
        raise UserError(
            f"{path} holds {what}, which only PyTorch can read, and PyTorch {torch.__version__} may run what a file "
            "names. Run `pip install --upgrade torch`."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler met
        raise UserError(f"{path} is not a PyTorch file of plain tensors: {error}") from error

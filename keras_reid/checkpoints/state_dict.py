"""State dicts: names to numpy arrays, from memory or from a file that PyTorch saved or that is safetensors."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_reid.checkpoints.allowed_globals import Global, Inert
from keras_reid.checkpoints.parts import choose_part, without_wrappers
from keras_reid.checkpoints.problems import NeedsPyTorch
from keras_reid.checkpoints.safetensors_file import is_safetensors, read_safetensors
from keras_reid.checkpoints.stored_tensor import StoredTensor
from keras_reid.checkpoints.torch_file import read_torch_file
from keras_reid.utils.errors import UserError

# Before it, `weights_only` could be deceived.
_OLDEST_PYTORCH = (2, 6)
_LONGEST_NAME = 200


@dataclasses.dataclass(frozen=True)
class StateDict:
    """The weights in a file, and where in it they were.

    Args:
        arrays: `{name: array}`.
        part: the keys under which they were, with dots between them; empty for a file of nothing else.
        others: the keys of other weights in the file.
        prefix: what stood before every name and is left out, as "module.".
        metadata: texts by name, of a safetensors file.
    """

    arrays: dict[str, np.ndarray]
    part: str = ""
    others: tuple[str, ...] = ()
    prefix: str = ""
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)

    def __str__(self):
        """Where they were, in one line; empty if there is nothing to say."""
        said = [f"the weights under {self.part!a}"] if self.part else []
        said += [f"not those under {', '.join(map(ascii, self.others))}"] if self.others else []
        said += [f"names without {self.prefix!a}"] if self.prefix else []
        return ", ".join(said)


def read_state_dict(source: Any, part: str | None = None) -> dict[str, np.ndarray]:
    """`{name: numpy array}` from a mapping of names to arrays, or from a file of `torch.save` or of safetensors.

    A file of `torch.save` may hold the state dict itself or a checkpoint with it, next to others; see
    `find_state_dict`. It is read without PyTorch and without running anything that it names; PyTorch is used only where
    a file holds tensors that this reader does not know (sparse or quantised ones, for example). What data parallel
    training, `torch.compile` and Lightning put before every name in a file ("module.", "_orig_mod.", "model.") is left
    out.

    Args:
        source: The mapping, or the path of a `.pth`, `.pt`, `.tar`, `.bin` or `.safetensors` file.
        part: Which weights of several, as "ema"; see `find_state_dict`.

    Returns arrays, read-only where they come from a file; bfloat16 becomes float32. Warns of other weights in the file
    if `part` is None.

    Raises:
        UserError: if the file is missing, damaged, of another kind, or asks to run something; if it holds no state
            dict, or several and none of the usual name; or if a value is not an array.

    Example:
        >>> state = keras_reid.checkpoints.read_state_dict("market_bot_R50.pth")  # doctest: +SKIP
        >>> state["backbone.conv1.weight"].shape  # doctest: +SKIP
        (64, 3, 7, 7)
    """
    found = find_state_dict(source, part)
    if found.others and part is None:
        warnings.warn(f"{source}: {found}. `part` chooses others", stacklevel=2)
    return found.arrays


def find_state_dict(source: Any, part: str | None = None) -> StateDict:
    """As `read_state_dict`, with where in the file the weights were.

    Args:
        source: As for `read_state_dict`.
        part: Keys in the file with dots between them, as "ema" or "teacher.state_dict"; or how the names of the wanted
            weights begin, as "teacher" for "teacher.conv1.weight". None takes what is under "model", "state_dict",
            "model_state_dict", "net" or "network", else the only weights there are.

    Raises:
        UserError: As `read_state_dict`; the error lists the parts that are there.

    Example:
        >>> find_state_dict("dino.pth", part="teacher").prefix  # doctest: +SKIP
        'module.'
    """
    if isinstance(source, (str, os.PathLike)):
        found = _read_file(pathlib.Path(source), part)
    elif isinstance(source, Mapping):
        found = StateDict(dict(source)) if part is None else StateDict(*choose_part(source, part))
    else:
        raise UserError(
            "Weights must be the path of a file, or a mapping of names to arrays. "
            f"Received: a {type(source).__name__}"
        )
    state = {}
    for name, value in found.arrays.items():
        if not _is_name(name):
            raise UserError(f"State dict: names of weights must be plain text. Received: {_shown(name)}")
        try:
            state[name] = np.asarray(_plain(value))
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(_no_array(name, value)) from error
        if state[name].dtype == object:
            raise UserError(_no_array(name, value))
    return dataclasses.replace(found, arrays=state)


def _read_file(path, part):
    where = {}  # `part` and `others`, once they are found

    def select(content):
        content, where["part"], where["others"] = _state_of(content, path, part)
        return content

    if _begins_as_safetensors(path):
        tensors, where["metadata"] = read_safetensors(path)
        arrays = select(tensors)
    else:
        try:
            arrays = read_torch_file(path, select)
        except NeedsPyTorch as error:
            arrays = select(_read_with_pytorch(path, error))
    arrays, prefix = without_wrappers(arrays)
    return StateDict(arrays, prefix=prefix, **where)


def _begins_as_safetensors(path):
    try:
        with open(path, "rb") as file:
            return is_safetensors(file.read(64))
    except OSError:
        return False  # the other reader says what is wrong


def _state_of(content, path, part):
    """What `choose_part` returns, if all of it can be arrays by name."""
    try:
        content, *keys = choose_part(content, part)
    except UserError as error:
        raise UserError(f"{path} {error}") from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path} must hold a state dict. Received: {_kind(content)}")
    for name, value in content.items():
        if not _is_name(name):
            raise UserError(f"{path} must hold a state dict, with names of weights. Received: {_shown(name)}")
        # A list of lists that share their items could become an array of any size.
        if isinstance(value, (Mapping, list, tuple, str, bytes, Inert, Global)) or value is None:
            raise UserError(f"{path}: {_no_array(name, value)}")
    return content, *keys


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

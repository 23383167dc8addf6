"""Whole models from files of other projects: which project's layout a file has, and its importer."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from keras_reid.checkpoints import read_state_dict
from keras_reid.utils.errors import UserError
from keras_reid.weights.fastreid import build_model
from keras_reid.weights.torchreid import build_torchreid_model, is_torchreid
from keras_reid.weights.transreid import build_transreid_model, is_transreid

if TYPE_CHECKING:
    import numpy as np

Layout = Literal["FastReID", "TransReID", "torchreid"]


def layout_of(names: Iterable[str]) -> Layout | None:
    """The project whose layout a whole model's state dict has, or None for a network without a head.

    Args:
        names: The names in the state dict.

    Example:
        >>> layout_of(["conv1.conv.weight", "fc.0.weight", "fc.1.running_mean", "classifier.weight"])
        'torchreid'
        >>> layout_of(["conv1.weight", "fc.weight"]) is None
        True
    """
    names = {name.removeprefix("module.") for name in names}
    if any(name.startswith(("heads.", "b1_head.", "b1_pool.")) for name in names):
        return "FastReID"
    if is_transreid(names):
        return "TransReID"
    return "torchreid" if is_torchreid(names) else None


def build_whole_model(
    file_or_state_dict: str | os.PathLike[str] | Mapping[str, Any],
    config: Any = None,
) -> Any:
    """A `ReIDModel` from a file of FastReID, torchreid, TransReID or PersonViT, whichever layout its names have.

    Args:
        file_or_state_dict: A `.pth` file or a mapping of names to numpy arrays.
        config: As of `build_fastreid`; for FastReID's files only.

    Raises:
        UserError: if the file has no head, or no `config` goes with it; as the project's own importer.

    Example:
        >>> model = keras_reid.weights.build_whole_model("osnet_x0_25_msmt17.pth")  # doctest: +SKIP
    """
    state = read_state_dict(file_or_state_dict)
    file = None if isinstance(file_or_state_dict, Mapping) else pathlib.Path(file_or_state_dict).name
    return whole_model(state, config, file, stacklevel=4)


def whole_model(state: Mapping[str, np.ndarray], config: Any, file: str | None, stacklevel: int = 3) -> Any:
    """As `build_whole_model`, from a state dict that has been read.

    Args:
        state: `{name: array}`.
        config: As of `build_fastreid`.
        file: The file's name for the model's metadata, or None.
        stacklevel: Of the warnings about what is assumed, as in `warnings.warn`.
    """
    layout = layout_of(state)
    if layout == "FastReID":
        return build_model(state, config, file, stacklevel=stacklevel + 1)
    if layout is None:
        raise UserError(
            "The weights are no whole model of FastReID, torchreid or TransReID: they have no head. For their backbone "
            f"use `keras_reid.weights.build_backbone`. They start with: {', '.join(list(state)[:3]) or 'nothing'}"
        )
    if config is not None:
        raise UserError(f"A config goes with FastReID's files only. These weights have {layout}'s names.")
    if layout == "TransReID":
        return build_transreid_model(state, file, stacklevel=stacklevel + 1)
    return build_torchreid_model(state, file)

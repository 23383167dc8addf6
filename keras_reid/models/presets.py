"""Trained models by name or path."""

import difflib
import inspect
import os

from keras_reid import backbones
from keras_reid.models.from_disk import load_model
from keras_reid.models.reid_model import ReIDModel
from keras_reid.utils.errors import UserError


def load_preset(name_or_path: str | os.PathLike[str], trust_code: bool = False) -> ReIDModel:
    """The model that `ReIDModel.from_preset` returns.

    Args:
        name_or_path: a run directory or a `.keras` file, or what else `keras_reid.zoo.resolve` takes: the name of a
            published model, or an address.
        trust_code: as of `load_model`.

    Raises:
        UserError: if there is neither such a path nor such a name; as `load_model`.
    """
    if os.path.exists(name_or_path):
        return load_model(name_or_path, trust_code)
    from keras_reid.zoo import registry, resolving

    if resolving.is_published(name_or_path):
        return load_model(resolving.resolve(name_or_path), trust_code)
    given = os.fspath(name_or_path)
    of_backbones = {
        name: cls.__name__
        for cls in vars(backbones).values()
        if inspect.isclass(cls)
        for name in getattr(cls, "presets", ())
        if cls is not backbones.MultiGranularityResNet  # the names are ResNet's
    }
    near = difflib.get_close_matches(given, of_backbones, n=3)
    others = ""
    if models := registry.nearest(given):
        others = f" The nearest names in `keras-reid zoo list` are {', '.join(models)}."
    elif near:
        call = f'backbones.{of_backbones[near[0]]}.from_preset("{near[0]}")'
        others = f" The nearest names are those of backbones, {', '.join(near)}: use {call}."
    raise UserError(
        f"{given}: there is no such run directory or .keras file, and no trained model is known by that name. Pass a "
        f"path, such as runs/NAME or model.keras.{others}"
    )

"""Trained models that an experiment starts from or learns from."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.experiment.schema import Experiment
from keras_reid.experiment.smoke import Untrained
from keras_reid.run.model import build_model
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import find_model_file
from keras_reid.zoo.resolving import is_published, resolve

if TYPE_CHECKING:
    from keras_reid.models.reid_model import ReIDModel


def check_trained(field: str, model: Any) -> None:
    """Checks that the file of a trained model exists, without loading it; fetches a published one.

    Args:
        field: of the experiment, for the error.
        model: what the experiment says: a path, a published model, or anything else, which is not checked.

    Raises:
        UserError: naming the field and the file.
    """
    if isinstance(model, (str, os.PathLike)):
        with _naming(field):
            if is_published(model):
                resolve(model)
            elif Path(model).suffix != ".pth":
                find_model_file(model)
            elif not Path(model).is_file():
                raise UserError(f"{model}: there is no such file.")


def load_trained(field: str, models: Iterable[Any], trust_code: bool = False) -> list[ReIDModel]:
    """The `ReIDModel`s that an experiment names. Loading them does not advance the global seed.

    Args:
        field: of the experiment, for the error.
        models: run directories, .keras files, published models (as `zoo.resolve` takes them), FastReID's .pth files,
            `ReIDModel`s, or functions that return one.
        trust_code: as in `load_model`.

    Raises:
        UserError: naming the field, if one cannot be loaded or is not a `ReIDModel`.
    """
    before = random.getstate()  # of which Keras draws the seeds of weights
    try:
        with _naming(field):
            return [_load(model, trust_code) for model in models]
    finally:
        random.setstate(before)


def name_of(model: Any) -> str:
    """What a model's metadata say of another that it learnt from."""
    if isinstance(model, (str, os.PathLike)):
        return str(model)
    return getattr(model, "__name__", type(model).__name__)


def _load(trained, trust_code):
    from keras_reid.models import ReIDModel, load_model
    from keras_reid.weights import build_fastreid
    from keras_reid.weights.fastreid_yaml import config_beside

    if isinstance(trained, (str, os.PathLike)):
        trained = resolve(trained) if is_published(trained) else trained
        if Path(trained).suffix == ".pth":
            return build_fastreid(trained, config_beside(trained))
        return load_model(trained, trust_code)
    if isinstance(trained, Untrained):
        return build_model(Experiment(model=trained.model), num_classes=8)
    model = trained() if callable(trained) and not isinstance(trained, ReIDModel) else trained
    if not isinstance(model, ReIDModel):
        raise UserError(
            "must hold run directories, .keras files, .pth files of FastReID, or functions that return a ReIDModel. "
            f"Received: {model!r}"
        )
    return model


@contextlib.contextmanager
def _naming(field):
    try:
        yield
    except UserError as error:
        raise UserError(f"{field}: {error}") from error

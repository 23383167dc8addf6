"""Models from disk, with errors that say what to do."""

import runpy
import zipfile

import keras

from keras_reid.errors import UserError, reason
from keras_reid.full_disk import is_full
from keras_reid.model_file import find_model_file
from keras_reid.models.reid_model import ReIDModel


def load_model(run_or_model):
    """Loads a trained model for inference: its optimizer and losses are left in the file.

    Args:
        run_or_model: a run directory, which holds `model.keras`, or a `.keras` file.

    Returns:
        A `ReIDModel`. To train on, `keras.saving.load_model` restores what it was compiled with, too.

    Raises:
        UserError: nothing is there, it is no Keras model, or the model is not a `ReIDModel`.

    Example:
        >>> model = load_model("runs/quickstart")  # doctest: +SKIP
        >>> model.predict(images).shape  # doctest: +SKIP
        (8, 512)
    """
    file = find_model_file(run_or_model)
    own_parts = file.with_name("experiment.py")
    if own_parts.is_file():
        # The experiment file of a run registers the user's own classes, if there are any.
        try:
            runpy.run_path(str(own_parts))
        except Exception as error:
            raise UserError(f"{own_parts}: fails: {type(error).__name__}: {error}") from error
    try:
        model = keras.saving.load_model(file, compile=False)
    except (TypeError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        if is_full(error):  # Keras unpacks the weights into a temporary file
            raise
        raise UserError(f"{file}: cannot be loaded: {_first_sentence(error)} {_remedy(error)}") from error
    if not isinstance(model, ReIDModel):
        raise UserError(
            f"{file}: must hold a ReIDModel. Received: {type(model).__name__}. "
            "Wrap it: ReIDModel(backbone, pooling, head)."
        )
    return model


def _first_sentence(error):
    """Of what Keras found wrong; its messages go on for pages."""
    return reason(error).splitlines()[0].partition(". ")[0].rstrip(".") + "."


def _remedy(error):
    if "Could not locate" in str(error):
        return (
            "Is it a component of your own? Decorate its class with "
            "@keras.saving.register_keras_serializable() and import its module first."
        )
    return "Was it written by another version of keras_reid or Keras, or not completely?"

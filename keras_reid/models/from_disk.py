"""Models from disk, with errors that say what to do."""

import os

import keras

from keras_reid.models.checked_file import bounded_weights, check_sizes, check_weights
from keras_reid.models.reid_model import ReIDModel
from keras_reid.utils.errors import UserError, reason
from keras_reid.utils.full_disk import is_full
from keras_reid.utils.manifest import check_listed
from keras_reid.utils.model_file import experiment_file_of, find_model_file, read_config
from keras_reid.utils.own_code import execute, is_known, refusal, source_of_run, was_last

# Whose classes need nothing but an import. Keras finds no others, unless somebody has registered them.
_KNOWN_PACKAGES = {"builtins", "keras", "keras_hub", "keras_reid"}


def load_model(run_or_model: str | os.PathLike[str], trust_code: bool = False) -> ReIDModel:
    """Loads a trained model for inference: its optimizer and losses are left in the file.

    A model of a run may have its own classes, which the run's experiment.py registers. That file is executed only
    where the model needs it and `fit` on this machine has noted its hash, and then said in one line; that of any other
    run only with `trust_code`. A bare model file, outside a run, never brings code.

    Time: Keras' own, plus 0.1 s for a ResNet-50 to read the file's configuration and check each weight.

    Args:
        run_or_model: a run directory, which holds `model.keras`, or a `.keras` file.
        trust_code: execute the experiment file of a run that was made elsewhere. It can do whatever you can.

    Returns:
        A `ReIDModel`. To train on, `keras.saving.load_model` restores what it was compiled with, too.

    Raises:
        UserError: nothing is there, it is not a Keras model, or the model is not a `ReIDModel`; it needs code that may
            not be executed; it is of absurd size, or has weights that are not numbers; it is not the file that the
            `SHA256SUMS` beside it names.

    Example:
        >>> model = load_model("runs/quickstart")  # doctest: +SKIP
        >>> model.predict(images).shape  # doctest: +SKIP
        (8, 512)
    """
    file = find_model_file(run_or_model)
    check_listed(file)
    config = read_config(file)
    check_sizes(file, config)
    withheld = _provide_classes(config, experiment_file_of(run_or_model), trust_code)
    try:
        with bounded_weights(file):
            model = keras.saving.load_model(file, compile=False)
    except UserError:
        raise
    except Exception as error:  # a damaged configuration may end in any
        if is_full(error):  # Keras unpacks the weights into a temporary file
            raise
        remedy = f"It needs the classes of {refusal(withheld)}." if withheld else _remedy(error)
        raise UserError(f"{file}: cannot be loaded: {_first_sentence(error)} {remedy}") from error
    if not isinstance(model, ReIDModel):
        raise UserError(
            f"{file}: must hold a ReIDModel. Received: {type(model).__name__}. "
            "Wrap it: ReIDModel(backbone, pooling, head)."
        )
    check_weights(file, model)
    return model


def _provide_classes(config, own_parts, trust_code):
    """Executes the experiment file of a run where a model needs it; gives the file if that may not be."""
    if own_parts is None or not _has_own_classes(config):
        return None
    known = own_parts.read_bytes()
    if was_last(known):
        return None
    if not (trust_code or is_known(known)):
        return own_parts
    source = source_of_run(own_parts, trust_code)
    try:
        execute(own_parts, source)
    except (Exception, SystemExit) as error:
        raise UserError(f"{own_parts}: fails: {type(error).__name__}: {error}") from error
    return None


def _has_own_classes(value):
    """Whether a configuration names classes or functions of other packages than Keras and this one."""
    if isinstance(value, list):
        return any(map(_has_own_classes, value))
    if not isinstance(value, dict):
        return False
    if "class_name" in value and "config" in value:
        package = str(value.get("module") or "keras").partition(".")[0]
        if value["class_name"] == "function" or package not in _KNOWN_PACKAGES:
            return True
    return any(map(_has_own_classes, value.values()))


def _first_sentence(error):
    """Of what Keras found wrong; its messages go on for pages."""
    return reason(error).splitlines()[0].partition(". ")[0].rstrip(".") + "."


def _remedy(error):
    if "Could not locate" in str(error):
        return (
            "Is it a component of your own? Decorate its class with "
            "@keras.saving.register_keras_serializable() and import its module first; commands find it in the "
            "experiment.py of a run directory."
        )
    return "Was it written by another version of keras_reid or Keras, or not completely?"

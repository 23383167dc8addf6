"""The calibration of a model that identities are found by, from its file."""

from __future__ import annotations

from keras_reid.evaluation.calibration.calibration import KEY, Calibration
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.model_metadata import read_metadata


def calibration_of(run_or_model: str) -> Calibration:
    """A model's calibration for cosine distances. The model is not loaded.

    Args:
        run_or_model: a run directory or a `.keras` file.

    Raises:
        UserError: there is no such model, it is not calibrated, or for other distances.

    Example:
        >>> calibration_of("runs/quickstart").metric  # doctest: +SKIP
        'cosine'
    """
    file = find_model_file(run_or_model)
    metadata = read_metadata(file)
    if not metadata.get(KEY):
        raise UserError(
            f"{file}: the model is not calibrated, and identities need its probabilities. Run `keras-reid calibrate "
            f"{run_or_model}` first, with --dataset and a test set for a model file"
        )
    calibration = Calibration.from_metadata(metadata)
    if calibration.metric != "cosine":
        raise UserError(
            f"{file}: its calibration is for {calibration.metric} distances, and embeddings are compared by cosine. "
            f"`keras-reid calibrate {run_or_model} --metric cosine` makes one"
        )
    return calibration

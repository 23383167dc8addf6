"""Where a trained model is, checked without loading anything."""

import pathlib
import zipfile

from keras_reid.errors import UserError


def find_model_file(run_or_model):
    """The `.keras` file that a run directory holds, or that is named itself.

    Commands call it before they import Keras, so that a typing error costs no waiting.

    Args:
        run_or_model: a run directory, which holds `model.keras`, or a `.keras` file.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        UserError: nothing is there, the run is not finished, or the file is of another kind.

    Example:
        >>> find_model_file("runs/quickstart")  # doctest: +SKIP
        PosixPath('runs/quickstart/model.keras')
    """
    path = pathlib.Path(run_or_model)
    file = path / "model.keras" if path.is_dir() else path
    if not path.exists():
        raise UserError(
            f"{path}: there is no such run directory or model file. "
            "Pass a directory that `python -m keras_reid.fit` wrote, or a .keras file."
        )
    if not file.exists():
        raise UserError(
            f"{path}: the directory holds no model.keras. "
            "Pass a finished run; `python -m keras_reid.fit FILE --resume` finishes one that was interrupted."
        )
    if file.suffix != ".keras" or not zipfile.is_zipfile(file):
        raise UserError(
            f"{file}: not a Keras model file. "
            "Pass a run directory, or a file that `model.save('….keras')` wrote."
        )
    return file

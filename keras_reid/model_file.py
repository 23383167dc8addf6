"""Where a trained model is, and which one it is, without loading anything."""

import hashlib
import json
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


def fingerprint(file):
    """What tells two models apart by the embeddings that they give: a digest of architecture and weights.

    A model keeps it when it is copied, and when it is calibrated, which changes no embedding. Time: reading the file.

    Args:
        file: a `.keras` file.

    Returns:
        32 hexadecimal digits.

    Raises:
        UserError: the file is damaged.
    """
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(file) as archive:
            config = json.loads(archive.read("config.json"))
            config.pop("compile_config", None)
            for name in ("calibration", "threshold"):
                (config.get("config", {}).get("metadata") or {}).pop(name, None)
            digest.update(json.dumps(config, sort_keys=True).encode())
            for entry in sorted(archive.namelist()):
                if entry in ("config.json", "metadata.json"):  # the second says when it was saved
                    continue
                digest.update(entry.encode())
                with archive.open(entry) as content:
                    while chunk := content.read(2**20):
                        digest.update(chunk)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{file}: not a Keras model file, or a damaged one: {error}.") from error
    return digest.hexdigest()[:32]

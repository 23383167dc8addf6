"""Where a trained model is, and which one it is, without loading anything."""

import hashlib
import json
import pathlib
import zipfile
import zlib

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import parse_json

_CONFIG = "config.json"
# Ours have 2 kB, as a backbone is one entry; one that lists every layer, of 1000 layers, about 1 MB.
_MOST_CONFIG_BYTES = 2**24


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
    config = read_config(file)
    config.pop("compile_config", None)
    if isinstance(metadata := config["config"].get("metadata"), dict):
        for name in ("calibration", "threshold"):
            metadata.pop(name, None)
    try:
        with zipfile.ZipFile(file) as archive:
            digest.update(json.dumps(config, sort_keys=True).encode())
            for entry in sorted(archive.namelist()):
                if entry in (_CONFIG, "metadata.json"):  # the second says when it was saved
                    continue
                digest.update(entry.encode())
                with archive.open(entry) as content:
                    while chunk := content.read(2**20):
                        digest.update(chunk)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{file}: not a Keras model file, or a damaged one: {error}.") from error
    return digest.hexdigest()[:32]


def read_config(file):
    """The configuration in a `.keras` file: `{"class_name": …, "config": {…}, …}`, of bounded size and depth.

    Args:
        file: a `.keras` file.

    Raises:
        UserError: the file is damaged, or its configuration too large, too deep or of another form.
    """
    try:
        with zipfile.ZipFile(file) as archive, archive.open(_CONFIG) as entry:
            content = entry.read(_MOST_CONFIG_BYTES + 1)
    except (
        KeyError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(
            f"{file}: not a Keras model file: its {_CONFIG} is missing or damaged: {error}."
        ) from error
    config = parse_json(content, f"{file}: its {_CONFIG}", _MOST_CONFIG_BYTES)
    if not (isinstance(config, dict) and isinstance(config.get("config"), dict)):
        raise UserError(f"{file}: not a Keras model file: its {_CONFIG} describes no model.")
    return config


def experiment_file_of(run_or_model):
    """The experiment file that belongs to a model, and holds its own classes if it has any; None for a bare model file.

    A model file belongs to a run when it lies in the folder that `fit` wrote, with its command.json; what lies beside
    another one is nobody's.

    Args:
        run_or_model: as for `find_model_file`.
    """
    path = pathlib.Path(run_or_model)
    folder = path if path.is_dir() else path.parent
    file = folder / "experiment.py"
    in_run = path.is_dir() or (folder / "command.json").is_file()
    return file if in_run and file.is_file() else None

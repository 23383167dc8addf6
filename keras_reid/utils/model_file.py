"""Finds and identifies a trained model without loading it."""

import hashlib
import json
import pathlib
import zipfile
import zlib

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import parse_json

_CONFIG = "config.json"
# Ours have 2 kB, because a backbone is one entry; a model that lists 1000 layers has about 1 MB.
_MOST_CONFIG_BYTES = 2**24


def find_model_file(run_or_model):
    """The `.keras` file of a run directory, or the `.keras` file itself.

    Commands call it before they import Keras, so that a typing error is reported at once.

    Args:
        run_or_model: a run directory that contains `model.keras`, or a `.keras` file.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        UserError: the path does not exist, the run is not finished, or the file is not a Keras model.

    Example:
        >>> find_model_file("runs/quickstart")  # doctest: +SKIP
        PosixPath('runs/quickstart/model.keras')
    """
    path = pathlib.Path(run_or_model)
    file = path / "model.keras" if path.is_dir() else path
    if not path.exists():
        raise UserError(
            f"{path}: there is no such run directory or model file. "
            "Pass a run directory from `keras-reid fit`, or a .keras file."
        )
    if not file.exists():
        raise UserError(
            f"{path}: the directory contains no model.keras. "
            "Pass a finished run; `keras-reid fit FILE --resume` finishes one that was interrupted."
        )
    if file.suffix != ".keras" or not zipfile.is_zipfile(file):
        raise UserError(
            f"{file}: not a Keras model file. Pass a run directory, or a file from `model.save('….keras')`."
        )
    return file


def fingerprint(file):
    """A digest of architecture and weights, which identifies a model by its embeddings.

    Copying a model keeps the digest, and so does calibration, which changes no embedding. Time: reading the file.

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
                if entry in (_CONFIG, "metadata.json"):  # metadata.json contains the time of saving
                    continue
                digest.update(entry.encode())
                with archive.open(entry) as content:
                    while chunk := content.read(2**20):
                        digest.update(chunk)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{file}: not a Keras model file, or a damaged one: {error}.") from error
    return digest.hexdigest()[:32]


def read_config(file):
    """Reads the configuration in a `.keras` file, with limits: `{"class_name": …, "config": {…}, …}`.

    Args:
        file: a `.keras` file.

    Raises:
        UserError: the file is damaged, or its configuration is too large, too deep or malformed.
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
        raise UserError(f"{file}: not a Keras model file: its {_CONFIG} does not describe a model.")
    return config


def experiment_file_of(run_or_model):
    """The experiment file of a model, which defines its custom classes; None for a model file outside a run.

    A model file belongs to a run if its folder was written by `fit`, which a command.json shows. Files next to any
    other model file are ignored.

    Args:
        run_or_model: as for `find_model_file`.
    """
    path = pathlib.Path(run_or_model)
    folder = path if path.is_dir() else path.parent
    file = folder / "experiment.py"
    in_run = path.is_dir() or (folder / "command.json").is_file()
    return file if in_run and file.is_file() else None

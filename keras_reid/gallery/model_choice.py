"""Chooses the model for a search."""

from pathlib import Path

from keras_reid.experiment.run_directory import RunDirectory
from keras_reid.experiment.schema import RUNS
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json
from keras_reid.utils.model_file import find_model_file


def choose_model(named, index=None):
    """The model that the user names, or that of the index, or that of the newest finished run.

    Args:
        named: a run directory or a model file, or None.
        index: folder of the index, if there is one.

    Returns:
        `(run_or_model, why)`: what `find_model_file` takes, and why it was chosen, in words.

    Raises:
        UserError: nothing is named and there is neither index nor run, or what is named is not a model.
    """
    if named:
        find_model_file(named)
        return named, "as named"
    if index and (remembered := _remembered(index)) and _is_there(remembered):
        find_model_file(remembered)
        return str(remembered), "that of the index; --model names another"
    runs = [RunDirectory(file.parent) for file in RUNS.glob("*/metrics.json")]
    runs = [run for run in runs if (run / "model.keras").is_file() and not _is_smoke(run)]
    if not runs:
        raise UserError(
            f"there is no finished run in {RUNS}/: name a run directory or a .keras file with --model, or train one "
            "with `keras-reid fit FILE`"
        )
    newest = max(runs, key=lambda run: (run / "metrics.json").stat().st_mtime)
    find_model_file(newest.path)
    return str(newest.path), "the newest finished run; --model names another"


def _is_there(model):
    return (model / "model.keras" if model.is_dir() else model).is_file()


def _remembered(index):
    try:
        about = read_json(Path(index) / "store.json")["about"]
        return Path(about["model"] if "model" in about else about["model_file"])  # of older versions
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_smoke(run):
    try:
        return bool(read_json(run / "command.json")["smoke"])
    except (OSError, ValueError, KeyError, TypeError):
        return False

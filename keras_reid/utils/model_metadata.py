"""Metadata of a model file, read and replaced without loading the model."""

from __future__ import annotations

import copy
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from typing import Any

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import written_aside
from keras_reid.utils.model_file import read_config

_CONFIG = "config.json"


def read_metadata(file: str | os.PathLike[str]) -> dict[str, Any]:
    """The `metadata` of the `ReIDModel` in a `.keras` file.

    Args:
        file: the path.

    Returns:
        dict.

    Raises:
        UserError: the file holds another kind of model.
    """
    return _metadata(file, read_config(file))


def update_metadata(file: str | os.PathLike[str], entries: Mapping[str, Any]) -> None:
    """Changes entries of the `metadata` in a `.keras` file; weights, optimizer and all else stay as they are.

    The new file is written next to the old one and then renamed: at every moment one of them is there, complete. Time
    and space are those of a copy.

    Args:
        file: the path.
        entries: dict of JSON-able values.

    Raises:
        UserError: the file holds another kind of model.
    """
    config = read_config(file)
    _metadata(file, config).update(entries)
    with zipfile.ZipFile(file) as old, written_aside(file) as aside, zipfile.ZipFile(aside, "w") as new:
        for entry in old.infolist():
            if entry.filename == _CONFIG:
                new.writestr(copy.copy(entry), json.dumps(config))
                continue
            # Not read into memory: weights may be larger.
            with old.open(entry) as source, new.open(copy.copy(entry), "w") as target:
                shutil.copyfileobj(source, target, 2**20)


def _metadata(file, config):
    metadata = config["config"].get("metadata")
    if not isinstance(metadata, dict):
        raise UserError(
            f"{file}: must hold a ReIDModel, which has metadata. Received: {config.get('class_name')}."
        )
    return metadata

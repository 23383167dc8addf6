"""Reads which models and versions to serve: TensorFlow Serving's `ModelServerConfig`."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable
from typing import Any

from keras_reid.utils.errors import UserError

_SAVED_MODEL = "saved_model.pb"
_MOUNTED = "/models"  # where serving/compose.yaml mounts the folder of models


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The configuration of one model.

    Args:
        name: the model's name in requests.
        base_path: folder with a sub-folder for each version, or a SavedModel.
        latest: how many of the highest versions to serve; None: all, or those in `versions`.
        versions: serve only these versions.
        labels: versions by label, such as `{"stable": 1, "canary": 2}`.
    """

    name: str
    base_path: pathlib.Path
    latest: int | None = 1
    versions: tuple[int, ...] = ()
    labels: dict[str, int] = dataclasses.field(default_factory=dict)

    def find(self) -> dict[int, pathlib.Path]:
        """The versions on disk: `{number: folder}`."""
        if (self.base_path / _SAVED_MODEL).is_file():
            return {1: self.base_path}
        try:
            folders = [folder for folder in self.base_path.iterdir() if folder.is_dir()]
        except OSError:
            return {}
        numbered = {
            int(folder.name): folder
            for folder in folders
            if folder.name.isascii() and folder.name.isdigit() and len(folder.name) < 19
        }
        return dict(sorted(numbered.items()))

    def wanted(self, found: Iterable[int]) -> list[int]:
        """The versions in `found` that should be served."""
        if self.versions:
            return [version for version in found if version in self.versions]
        return sorted(found)[-self.latest :] if self.latest else sorted(found)


def read_model_config(path: pathlib.Path, models_folder: pathlib.Path | None = None) -> list[ModelConfig]:
    """Reads the models from a file in protobuf's text format.

    Args:
        path: the file; relative base paths are relative to its folder.
        models_folder: local folder that replaces `/models`, the mount point in a container; None keeps `/models`.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    message = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), message)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a valid ModelServerConfig: {error}") from None
    try:
        return from_message(message, path.parent, models_folder)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def from_message(
    message: Any, folder: pathlib.Path = pathlib.Path(), models_folder: pathlib.Path | None = None
) -> list[ModelConfig]:
    """The models in a `ModelServerConfig`."""
    configs = [_model(entry, folder, models_folder) for entry in message.model_config_list.config]
    if not configs:
        raise UserError("model_config_list must name at least one model")
    names = [config.name for config in configs]
    if len(set(names)) < len(names):
        raise UserError(f"each model must have a different name. Received: {', '.join(names)}")
    return configs


def _model(entry, folder, models_folder):
    if not entry.name or not entry.base_path:
        raise UserError("each model needs a name and a base_path")
    if entry.model_platform not in ("", "tensorflow"):
        raise UserError(f"{entry.name}: model_platform must be tensorflow. Received: {entry.model_platform}")
    policy = entry.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    latest, versions = 1, ()
    if kind == "all":
        latest = None
    elif kind == "specific":
        latest, versions = None, tuple(policy.specific.versions)
        if not versions:
            raise UserError(f"{entry.name}: the specific policy must name versions")
    elif kind == "latest":
        latest = policy.latest.num_versions or 1
    base_path = folder / entry.base_path
    if models_folder and base_path.is_relative_to(_MOUNTED):
        base_path = models_folder / base_path.relative_to(_MOUNTED)
    return ModelConfig(entry.name, base_path, latest, versions, dict(entry.version_labels))

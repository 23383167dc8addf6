"""The command's options. Light: `--help` does not import TensorFlow."""

import dataclasses
import pathlib
from typing import Annotated

import tyro

from keras_reid.serving.server.model_config import ModelConfig
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one request may cost, and how many there may be."""

    max_body_mebibytes: int = 32
    """largest REST body and gRPC message"""
    max_rows: int = 256
    """most rows (images) of a request"""
    max_request_megapixels: float = 100.0
    """most pixels, in millions, of the images of a request together, by their headers"""
    max_pending_mebibytes: int = 256
    """most that all bodies may hold that have arrived in part, and again all those above 1 MiB that are being
    answered. Above it the slowest uploads, or the next large request, are refused as UNAVAILABLE (503)"""
    max_json_values: int = 4_000_000
    """most numbers and arrays of a JSON body: 30 images of 256x128 pixels; file bytes are one value each"""
    max_nesting: int = 16
    """deepest nesting of a JSON body"""
    max_concurrent_requests: int = 256
    """more at a time, of those that have arrived, are refused as UNAVAILABLE (503)"""
    timeout_seconds: float = 30.0
    """longest time for a request from its first byte, after which it is refused as DEADLINE_EXCEEDED (504)"""
    idle_seconds: float = 75.0
    """connections that hold no request for so long are closed"""

    @property
    def max_body(self):
        """Bytes."""
        return self.max_body_mebibytes << 20

    @property
    def max_pending(self):
        """Bytes; a single body always fits."""
        return max(self.max_pending_mebibytes, self.max_body_mebibytes) << 20


@dataclasses.dataclass(frozen=True)
class Serve:
    """Serve SavedModels over TensorFlow Serving's REST and gRPC, on a machine that does not have it.

    The first line on standard output is JSON: both addresses, and the versions that are served. New versions in
    MODEL_DIR are loaded, warmed up and switched to while requests go on; one that cannot be loaded is reported
    and leaves the one before serving. SIGTERM and SIGINT stop the server once it has answered what it holds.
    """

    model_dir: Annotated[tyro.conf.Positional[pathlib.Path | None], tyro.conf.arg(metavar="[MODEL_DIR]")] = (
        None
    )
    """a folder with one sub-folder a version (1, 2, …), of which the two highest are served, or one SavedModel, which
    is served as version 1"""
    name: str = "reid"
    """name of the model in MODEL_DIR"""
    model_config_file: pathlib.Path | None = None
    """instead of MODEL_DIR: TensorFlow Serving's ModelServerConfig, for several models and for version labels"""
    models_folder: pathlib.Path | None = None
    """what /models in --model-config-file stands for, so that serving/models.config serves here what
    serving/compose.yaml serves"""
    batching_config: pathlib.Path | None = None
    """TensorFlow Serving's batching parameters; without it: batches of up to 32, which wait at most 5 ms"""
    host: str = "127.0.0.1"
    """address to listen on; 0.0.0.0 for every network. There is no encryption and no authentication"""
    rest_port: int = 8501
    """0: any free one"""
    grpc_port: int = 8500
    """0: any free one"""
    rest_api_enable_cors_support: bool = False
    """let pages of any web site ask over REST from a browser (OPTIONS, Access-Control-Allow-Origin: *)"""
    poll_seconds: float = 2.0
    """how often to look for new versions; 0: only at the start"""
    load_seconds: float = 600.0
    """longest time to load and warm up a version, after which it is reported and left behind. Others wait for it for
    at most 30 s"""
    grace_seconds: float = 20.0
    """how long requests may still take once the server is told to stop"""
    ready_file: pathlib.Path | None = None
    """written, with the same line, when the server is ready, and removed when it stops"""
    limits: Annotated[Limits, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Limits)

    def check(self):
        """Raises `UserError` for what can be seen without loading anything."""
        if (self.model_dir is None) == (self.model_config_file is None):
            raise UserError("give either MODEL_DIR or --model-config-file, and not both")
        if self.models_folder and not self.model_config_file:
            raise UserError("--models-folder says what /models in --model-config-file is. Give that file too")
        for path in (self.model_config_file, self.batching_config):
            if path and not path.is_file():
                raise UserError(f"{path}: no such file")
        if self.models_folder and not self.models_folder.is_dir():
            raise UserError(
                f"{self.models_folder}: no such folder. --models-folder holds one sub-folder a model"
            )
        if not self.load_seconds > 0:
            raise UserError(f"--load-seconds must be above 0. Received: {self.load_seconds}")
        if self.model_dir and not self.model_dir.is_dir():
            raise UserError(
                f"{self.model_dir}: no such folder. MODEL_DIR holds one sub-folder a version (1, 2, …)"
            )
        if self.model_dir and not ModelConfig(self.name, self.model_dir).find():
            raise UserError(
                f"{self.model_dir}: no version found. It must be a SavedModel (with saved_model.pb) or hold "
                "sub-folders 1, 2, … with one each; python -m keras_reid.serving.publish makes them"
            )
        if not self.name or set(self.name) & set("/: "):
            raise UserError(f"--name must be a word without slash, colon and space. Received: {self.name!r}")
        for option in ("rest_port", "grpc_port"):
            if not 0 <= getattr(self, option) < 65536:
                raise UserError(f"--{_dashed(option)} must be 0 to 65535. Received: {getattr(self, option)}")
        for option in ("poll_seconds", "grace_seconds"):
            if not getattr(self, option) >= 0:
                raise UserError(
                    f"--{_dashed(option)} must not be negative. Received: {getattr(self, option)}"
                )
        for field in dataclasses.fields(self.limits):
            value = getattr(self.limits, field.name)
            if not value > 0:
                raise UserError(f"--{_dashed(field.name)} must be above 0. Received: {value}")
        if self.limits.max_body_mebibytes > 1024:
            raise UserError("--max-body-mebibytes must be at most 1024: a protobuf message cannot hold 2 GiB")


def _dashed(name):
    return name.replace("_", "-")

"""The command's options. `--help` stays light: nothing here imports TensorFlow."""

import dataclasses
import pathlib
from typing import Annotated

import tyro

from keras_reid.serving.server.model_config import ModelConfig
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits on the cost and the number of requests."""

    max_body_mebibytes: int = 32
    """largest REST body or gRPC message"""
    max_rows: int = 256
    """largest number of rows (images) in a request"""
    max_request_megapixels: float = 100.0
    """largest total size of the images in a request, judging by their headers"""
    max_pending_mebibytes: int = 256
    """largest total size of all partly received bodies, and also of all bodies above 1 MiB that are being answered.
    Above it, the slowest uploads or the next large request are rejected as UNAVAILABLE (503)"""
    max_json_values: int = 4_000_000
    """most numbers and arrays in a JSON body: 30 images of 256x128 pixels; the bytes of a file are one value"""
    max_nesting: int = 16
    """deepest nesting in a JSON body"""
    max_concurrent_requests: int = 256
    """most requests at the same time, once they have arrived; more are rejected as UNAVAILABLE (503)"""
    timeout_seconds: float = 30.0
    """longest time for a request from its first byte; then it fails with DEADLINE_EXCEEDED (504)"""
    idle_seconds: float = 75.0
    """connections without a request for this long are closed"""

    @property
    def max_body(self) -> int:
        """`max_body_mebibytes` in bytes."""
        return self.max_body_mebibytes << 20

    @property
    def max_pending(self) -> int:
        """`max_pending_mebibytes` in bytes, and at least the size of one body."""
        return max(self.max_pending_mebibytes, self.max_body_mebibytes) << 20


@dataclasses.dataclass(frozen=True)
class Serve:
    """Serve SavedModels over TensorFlow Serving's REST and gRPC on a machine that does not have it.

    The first line on standard output is JSON with both addresses and the served versions. New versions in MODEL_DIR are
    loaded and warmed up while requests continue, and then take over. A version that cannot be loaded is reported, and
    the previous one continues. On SIGTERM or SIGINT the server finishes its current requests and stops.
    """

    model_dir: Annotated[tyro.conf.Positional[pathlib.Path | None], tyro.conf.arg(metavar="[MODEL_DIR]")] = (
        None
    )
    """a folder with one sub-folder per version (1, 2, …), of which the two highest are served; or one SavedModel, which
    is served as version 1"""
    name: str = "reid"
    """name of the model in MODEL_DIR"""
    model_config_file: pathlib.Path | None = None
    """TensorFlow Serving's ModelServerConfig, instead of MODEL_DIR, for several models or for version labels"""
    models_folder: pathlib.Path | None = None
    """local folder that replaces /models in --model-config-file, so that serving/models.config works here as it does
    in serving/compose.yaml"""
    batching_config: pathlib.Path | None = None
    """file with TensorFlow Serving's batching parameters; by default, batches of up to 32 that wait at most 5 ms"""
    host: str = "127.0.0.1"
    """address to listen on; 0.0.0.0 listens on every network, without encryption or authentication"""
    rest_port: int = 8501
    """port for REST; 0: any free one"""
    grpc_port: int = 8500
    """port for gRPC; 0: any free one"""
    rest_api_enable_cors_support: bool = False
    """allow pages of any web site to send REST requests from a browser (Access-Control-Allow-Origin: *)"""
    poll_seconds: float = 2.0
    """how often to look for new versions; 0: only at the start"""
    load_seconds: float = 600.0
    """longest time to load and warm up a version; then it is reported and abandoned. Other versions wait for it for at
    most 30 s"""
    grace_seconds: float = 20.0
    """how long current requests may still take when the server stops"""
    ready_file: pathlib.Path | None = None
    """file to write with the same JSON line when the server is ready; removed when it stops"""
    limits: Annotated[Limits, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Limits)

    def check(self) -> None:
        """Raises a `UserError` for mistakes that can be found without loading anything."""
        if (self.model_dir is None) == (self.model_config_file is None):
            raise UserError("give either MODEL_DIR or --model-config-file, not both")
        if self.models_folder and not self.model_config_file:
            raise UserError("--models-folder replaces /models in --model-config-file, so give that file too")
        for path in (self.model_config_file, self.batching_config):
            if path and not path.is_file():
                raise UserError(f"{path}: no such file")
        if self.models_folder and not self.models_folder.is_dir():
            raise UserError(
                f"{self.models_folder}: no such folder. --models-folder holds one sub-folder per model"
            )
        if not self.load_seconds > 0:
            raise UserError(f"--load-seconds must be above 0. Received: {self.load_seconds}")
        if self.model_dir and not self.model_dir.is_dir():
            raise UserError(
                f"{self.model_dir}: no such folder. MODEL_DIR holds one sub-folder per version (1, 2, …)"
            )
        if self.model_dir and not ModelConfig(self.name, self.model_dir).find():
            raise UserError(
                f"{self.model_dir}: no version found. It must be a SavedModel (with saved_model.pb) or hold "
                "sub-folders 1, 2, … with one each; keras-reid publish creates them"
            )
        if not self.name or set(self.name) & set("/: "):
            raise UserError(
                f"--name must be a word without slashes, colons or spaces. Received: {self.name!r}"
            )
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

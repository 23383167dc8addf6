"""What the numbers of a run depend on besides its experiment: it is set up, and written down."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, write_json
from keras_reid.utils.threads import cores

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.experiment.schema import Experiment

# Beginnings of environment variables' names.
_FLAGS = (
    *(
        "CUDA_VISIBLE_",
        "KERAS_BACKEND",
        "NVIDIA_TF32_",
        "OMP_NUM_",
        "TF_CONFIG",
        "TF_CUDNN_",
        "TF_DETERMINISTIC_",
    ),
    *("TF_ENABLE_", "TF_FORCE_GPU_", "TF_GPU_", "TF_NUM_", "TF_XLA_", "XLA_FLAGS"),
)


def set_up(experiment: Experiment) -> Any:
    """Sets devices, precision and seed as an experiment says, before anything is computed.

    Returns:
        The `tf.distribute` strategy whose devices share each batch; None for one device.

    Raises:
        UserError: there are fewer devices, or they cannot share the batches of the sampler.
    """
    import keras
    import tensorflow as tf

    from keras_reid.training.strategy import check_replicas, choose_strategy

    training = experiment.training
    strategy = choose_strategy(training.devices)
    try:
        check_replicas(strategy, experiment.data.sampler)
    except UserError as error:
        raise UserError(f"data.sampler: {error}") from error
    keras.config.set_dtype_policy(training.precision)
    keras.utils.set_random_seed(training.seed)
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()
    return strategy


def write_environment(file: str | os.PathLike[str], seed: int, data_fingerprint: str) -> None:
    """Writes, or adds to, `environment.json`: seed, data fingerprint, and for each process that worked on the run its
    time, versions, git revision and machine.

    A run that was resumed under other versions or on another machine is thereby told from one that was not.

    Args:
        file: path.
        seed: of the run.
        data_fingerprint: as `fingerprint` gives.
    """
    file = Path(file)
    sessions = read_json(file)["sessions"] if file.is_file() else []
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    session = {"started": now, "versions": versions(), "git": git_revision(), "machine": machine()}
    write_json(file, {"seed": seed, "data_fingerprint": data_fingerprint, "sessions": [*sessions, session]})


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_reid

    return {
        "keras_reid": keras_reid.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def git_revision(folder: str | os.PathLike[str] = ".") -> dict[str, Any] | None:
    """`{"revision": "3f2a…", "modified": False}` of the git repository that a folder is in; None if it is in none.

    `modified` says whether a tracked file differs from the revision.
    """
    try:
        revision = _git(folder, "rev-parse", "HEAD")
        return {"revision": revision, "modified": bool(_git(folder, "status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):  # no git, no repository, or one of somebody else
        return None


def machine() -> dict[str, Any]:
    """Processor, cores, GPUs, how TensorFlow was built, and the environment variables that steer it."""
    import tensorflow as tf

    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    build = tf.sysconfig.get_build_info()
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "gpus": [gpu.get("device_name", "unknown") for gpu in gpus],
        "tensorflow_build": {
            key: value for key, value in build.items() if isinstance(value, (str, bool, list))
        },
        "variables": {key: value for key, value in sorted(os.environ.items()) if key.startswith(_FLAGS)},
    }


def fingerprint(dataset: ReIDDataset) -> str:
    """Changes with the training images (their names and sizes in bytes) or their labels, with which a resumed run would
    not be the same run. It does not read the images."""
    digest = hashlib.sha256()
    for sample in dataset.train:
        path = Path(sample.path)
        line = f"{path.name} {path.stat().st_size} {sample.identity} {sample.camera}\n"
        digest.update(line.encode())
    return digest.hexdigest()


def _git(folder, *arguments):
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def _processor():
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

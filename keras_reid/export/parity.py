"""The parity check: an artefact must give the model's own embeddings without the model's code."""

import errno
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_reid
from keras_reid.export.hashes import file_hashes
from keras_reid.export.parity_error import ParityError
from keras_reid.export.parity_images import BATCHES, TestImages, test_images
from keras_reid.utils.files import write_json
from keras_reid.utils.full_disk import says_full

__all__ = ["COSINE", "TOLERANCE", "ParityError", "TestImages", "test_images", "verify"]

# Largest allowed difference in one number of a unit vector, in float32.
TOLERANCE = 1e-4
# Smallest allowed cosine between an embedding of the artefact and the model's, in lower precisions.
COSINE = {"float16": 0.9995, "bfloat16": 0.9995, "int8": 0.99}
# Environment of the process that runs the artefact.
ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
_NORM = 0.01  # allowed difference in length where the cosine is what counts


def verify(
    images: TestImages,
    directory: str | os.PathLike[str],
    runner: str = "savedmodel",
    precision: str = "float32",
    signatures: Sequence[str] = ("serving_default", "pixels"),
    facts: Mapping[str, Any] | None = None,
    tolerance: float = TOLERANCE,
) -> dict[str, Any]:
    """Compares an artefact with its model, and writes `parity.json` with the hashes of its files next to it.

    The artefact runs in a new process that cannot import Keras or this package, on batches of 1, 7 and 32 test images.
    In float32, no number of a unit vector may differ by more than the tolerance. In lower precisions, the cosine of
    each embedding with the model's must be at least 0.9995 (float16, bfloat16) or 0.99 (int8).

    Args:
        images: `TestImages`, from `test_images`.
        directory: folder of the artefact.
        runner: "savedmodel", "onnx" or "litert": the module of `keras_reid.export.runners` that runs the artefact.
        precision: "float32", "float16", "bfloat16" or "int8".
        signatures: the artefact's functions to compare: "serving_default" takes file bytes, "pixels" takes pixels.
        facts: dict of further entries for `parity.json`.
        tolerance: largest allowed difference in float32.

    Returns:
        The content of `parity.json`.

    Raises:
        ParityError: the artefact does not run, or differs from the model; `parity.json` is then not written.

    Example:
        >>> verify(test_images(model), "served")["max_difference"] < 1e-4  # doctest: +SKIP
        True
    """
    answers = _answers(directory, images, runner, signatures)
    batches = []
    for start, stop in BATCHES:
        for signature in signatures:
            answer = answers[f"{signature} {start}"].astype(np.float32)
            expected = images.expected[start:stop]
            if answer.shape != expected.shape:
                raise ParityError(
                    f"the artefact's `{signature}` returns the shape {answer.shape} for {stop - start} images; "
                    f"the model returns {expected.shape}."
                )
            batches.append({"signature": signature, "batch_size": stop - start, **_compare(answer, expected)})
    # NaN in an answer stays NaN here and fails the check.
    worst = float(np.max([batch["max_difference"] for batch in batches]))
    cosine = float(np.min([batch["min_cosine"] for batch in batches]))
    _check(worst, cosine, max(batch.pop("length") for batch in batches), precision, tolerance)
    parity = {
        "verified": True,
        "precision": precision,
        "max_difference": worst,
        "min_cosine": cosine,
        **({"tolerance": tolerance} if precision == "float32" else {"least_cosine": COSINE[precision]}),
        "compared_with": "L2-normalised model.predict",
        "images": {"real": images.real, "generated": len(images.encoded) - images.real},
        "batches": batches,
        **(facts or {}),
        "versions": versions(),
        "sha256": file_hashes(directory),
    }
    write_json(pathlib.Path(directory) / "parity.json", parity)
    return parity


def versions() -> dict[str, str]:
    """Versions of the packages that made an artefact."""
    return {
        "keras_reid": keras_reid.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
    }


def _compare(answer, expected):
    lengths, expected_lengths = (np.linalg.norm(rows, axis=1) for rows in (answer, expected))
    products = np.maximum(lengths * expected_lengths, 1e-12)
    cosines = np.where(expected_lengths > 0, (answer * expected).sum(1) / products, 1.0)
    return {
        "max_difference": float(np.abs(answer - expected).max()),
        "min_cosine": float(np.minimum(cosines, 1.0).min()),
        "length": float(np.abs(lengths - expected_lengths).max()),
    }


def _check(worst, cosine, length, precision, tolerance):
    """Raises an error if the differences exceed the limits of the precision."""
    if precision == "float32":
        if not worst <= tolerance:
            raise ParityError(
                f"the artefact's embeddings differ from the model's by up to {worst:.2g}, but at most "
                f"{tolerance:.2g} is allowed. Nothing was exported."
            )
        return
    if not cosine >= COSINE[precision]:
        raise ParityError(
            f"the cosine of the artefact's embeddings with the model's is as low as {cosine:.5f}, but at least "
            f"{COSINE[precision]} is needed in {precision}. Nothing was exported; export float32 instead."
        )
    if not length <= _NORM:
        raise ParityError(
            f"the artefact's embeddings must have length 1, but they are off by up to {length:.2g}. "
            "Nothing was exported."
        )


def _answers(directory, images, runner, signatures):
    """The artefact's embeddings by signature and batch, computed in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "encoded").mkdir()
        for index, data in enumerate(images.encoded):
            (folder / "encoded" / f"{index:03d}").write_bytes(data)
        np.save(folder / "pixels.npy", images.pixels)
        (folder / "batches.json").write_text(json.dumps(BATCHES))
        complaint = _run_elsewhere(runner, directory, folder, *signatures)
        if complaint and says_full(complaint):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        if complaint:
            raise ParityError(f"the artefact does not run in a separate process: {complaint}")
        with np.load(folder / "answers.npz") as answers:
            return dict(answers)


def _run_elsewhere(*words):
    """Runs `fresh_process.py`; returns the last line of its error output, or None if it succeeds."""
    done = subprocess.run(
        [sys.executable, "-P", pathlib.Path(__file__).with_name("fresh_process.py"), *words],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
    )
    if not done.returncode:
        return None
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}, no message"])[-1]

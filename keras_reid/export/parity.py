"""The gate: an artefact must give the model's own embeddings where the model's code is not installed."""

import io
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

import keras_reid
from keras_reid.data.decoding import decode_image
from keras_reid.data.resizing import resize_image
from keras_reid.errors import UserError
from keras_reid.evaluation import l2_normalize
from keras_reid.files import write_json

TOLERANCE = 1e-5
# Two single images (a JPEG, a PNG), then a batch of 7 and one of 32.
_BATCHES = ((0, 1), (1, 2), (2, 9), (9, 41))
_SEED = 0


class ParityError(UserError):
    """An artefact does not answer as the model it was made from."""


def verify_savedmodel(model, directory, tolerance=TOLERANCE):
    """Compares a SavedModel with its model and writes `parity.json` into it.

    The artefact runs in a new process in which neither Keras nor this package can be imported, on batches of
    1, 7 and 32 test images (noise and smooth ones of several sizes, seeded), as JPEG and PNG bytes and as
    pixels. The largest absolute difference from the L2-normalised `model.predict` must not exceed the
    tolerance.

    Both sides should run on the same kind of processor: on a GPU, convolutions round by the size of the
    batch. The new process uses the CPU.

    Args:
        model: the `ReIDModel`.
        directory: the SavedModel.
        tolerance: largest difference allowed of one number of a unit vector.

    Returns:
        The content of `parity.json`.

    Raises:
        ParityError: the artefact does not run, or differs; `parity.json` is then not written.

    Example:
        >>> verify_savedmodel(model, "served")["max_difference"] < 1e-5  # doctest: +SKIP
        True
    """
    encoded = _test_images(model.image_size)
    # What the decoder makes of the bytes is also the input of the pixel signature.
    pixels = np.stack([resize_image(decode_image(data), model.image_size).numpy() for data in encoded])
    expected = l2_normalize(model.predict(pixels, batch_size=32, verbose=0))
    if not np.isfinite(expected).all():
        raise ParityError("the model itself gives NaN or infinity: did its training diverge?")
    answers = _answers(directory, encoded, pixels)
    batches = []
    for start, stop in _BATCHES:
        for signature in ("serving_default", "pixels"):
            answer = answers[f"{signature} {start}"]
            if answer.shape != expected[start:stop].shape:
                raise ParityError(
                    f"the artefact's `{signature}` gives the shape {answer.shape} for {stop - start} images; "
                    f"the model gives {expected[start:stop].shape}."
                )
            # NaN in the answer stays NaN here, and is refused below.
            difference = float(np.abs(answer - expected[start:stop]).max())
            batches.append({"signature": signature, "batch_size": stop - start, "max_difference": difference})
    worst = float(np.max([batch["max_difference"] for batch in batches]))
    if not worst <= tolerance:
        raise ParityError(
            f"the artefact's embeddings differ from the model's by up to {worst:.2g}, and at most "
            f"{tolerance:.2g} is allowed. Nothing was put in place."
        )
    parity = {
        "verified": True,
        "max_difference": worst,
        "tolerance": tolerance,
        "compared_with": "L2-normalised model.predict",
        "batches": batches,
        "versions": {
            "keras_reid": keras_reid.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
        },
    }
    write_json(pathlib.Path(directory) / "parity.json", parity)
    return parity


def _answers(directory, encoded, pixels):
    """The artefact's embeddings by signature and batch, from a new process."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "encoded").mkdir()
        for index, data in enumerate(encoded):
            (folder / "encoded" / f"{index:03d}").write_bytes(data)
        np.save(folder / "pixels.npy", pixels)
        (folder / "batches.json").write_text(json.dumps(_BATCHES))
        script = pathlib.Path(__file__).with_name("fresh_process.py")
        done = subprocess.run(
            [sys.executable, "-P", script, directory, folder],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise ParityError(f"the artefact does not run in a process of its own: {lines[-1]}")
        with np.load(folder / "answers.npz") as answers:
            return dict(answers)


def _test_images(image_size):
    """Encoded images, JPEG and PNG in turn: smooth ones with edges, as photographs are, and noise."""
    rng = np.random.default_rng(_SEED)
    height, width = image_size
    sizes = ((height, width), (2 * height // 3 + 1, width // 2 + 1), (height * 5 // 4, width * 3 // 2))
    return [
        _encode(_image(rng, sizes[index % len(sizes)], noise=index % 4 >= 2), "PNG" if index % 2 else "JPEG")
        for index in range(_BATCHES[-1][1])
    ]


def _image(rng, size, noise):
    height, width = size
    if noise:
        return rng.integers(0, 256, (height, width, 3), np.uint8)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    waves = np.sin(rng.uniform(1, 9, 3) * y + rng.uniform(1, 9, 3) * x + rng.uniform(0, 6, 3))
    top, left = rng.uniform(0, 0.6, 2)
    patch = (y > top) & (y < top + 0.4) & (x > left) & (x < left + 0.4)
    return np.where(patch, rng.uniform(0, 255, 3), 127 + 110 * waves).astype(np.uint8)


def _encode(image, form):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **({"quality": 90} if form == "JPEG" else {}))
    return buffer.getvalue()

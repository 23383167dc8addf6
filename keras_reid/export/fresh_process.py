"""Answers of a SavedModel in a process that has TensorFlow, but neither Keras nor this package.

Run as a file: `python -P fresh_process.py ARTEFACT FOLDER`. Reads the images in FOLDER (`pixels.npy`, and the
encoded files by name), one batch a line of `batches.json` ([start, stop] each), and writes `answers.npz`.
"""

import json
import pathlib
import sys

_MISSING = ("keras", "keras_reid", "tf_keras")


class _Without:
    """Finds what another import finder does, but neither Keras nor this package, as if not installed."""

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in _MISSING:
            return None
        return self.finder.find_spec(fullname, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


def main(artefact, folder):
    sys.meta_path[:] = map(_Without, sys.meta_path)
    import numpy as np
    import tensorflow as tf

    folder = pathlib.Path(folder)
    served = tf.saved_model.load(artefact).signatures
    pixels = np.load(folder / "pixels.npy")
    encoded = [path.read_bytes() for path in sorted((folder / "encoded").iterdir())]
    answers = {}
    for start, stop in json.loads((folder / "batches.json").read_text()):
        from_bytes = served["serving_default"](image_bytes=tf.constant(encoded[start:stop]))
        from_pixels = served["pixels"](images=tf.constant(pixels[start:stop]))
        answers[f"serving_default {start}"] = from_bytes["embedding"].numpy()
        answers[f"pixels {start}"] = from_pixels["embedding"].numpy()
    np.savez(folder / "answers.npz", **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])

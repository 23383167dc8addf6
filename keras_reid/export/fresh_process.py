"""Answers of an artefact in a process that has neither Keras nor this package.

Run as a file: `python -P fresh_process.py RUNNER ARTEFACT FOLDER SIGNATURES…`. Reads the images in FOLDER
(`pixels.npy`, and the encoded files by name) in the batches of `batches.json` ([start, stop] each), and writes
`answers.npz`: one array for each signature and batch, under "SIGNATURE START".

RUNNER is a file of `runners/`, whose `load(artefact)` returns a function `(signature, encoded, pixels)` → embeddings
`(n, dim)`. `encoded` is a list of the bytes of files, `pixels` uint8 `(n, height, width, 3)`.
"""

import importlib.util
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


def hide():
    """From here on neither Keras nor this package can be imported."""
    sys.meta_path[:] = map(_Without, sys.meta_path)


def write_answers(runner, artefact, folder, *signatures):
    import numpy as np

    folder = pathlib.Path(folder)
    answer = _load_runner(runner).load(artefact)
    pixels = np.load(folder / "pixels.npy")
    encoded = [path.read_bytes() for path in sorted((folder / "encoded").iterdir())]
    answers = {
        f"{signature} {start}": answer(signature, encoded[start:stop], pixels[start:stop])
        for start, stop in json.loads((folder / "batches.json").read_text())
        for signature in signatures
    }
    np.savez(folder / "answers.npz", **answers)


def _load_runner(name):
    """By its file: the package that it belongs to is not there."""
    file = pathlib.Path(__file__).with_name("runners") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"runner_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    hide()
    write_answers(*sys.argv[1:])

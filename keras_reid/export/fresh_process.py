"""Runs an artefact in a process that has neither Keras nor this package.

Run as a file: `python -P fresh_process.py RUNNER ARTEFACT FOLDER SIGNATURES…`. It reads the images in FOLDER
(`pixels.npy`, and the encoded files sorted by name) in the batches of `batches.json` ([start, stop] each). It writes
`answers.npz`, which holds one array for each signature and batch, named "SIGNATURE START".

RUNNER is a file in `runners/` whose `load(artefact)` returns a function `(signature, encoded, pixels)` → embeddings
`(n, dim)`. `encoded` is a list of file contents, `pixels` uint8 `(n, height, width, 3)`.
"""

import importlib.util
import json
import pathlib
import sys

_MISSING = ("keras", "keras_reid", "tf_keras")


class _Without:
    """Wraps an import finder and hides Keras and this package, as if they were not installed."""

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in _MISSING:
            return None
        return self.finder.find_spec(fullname, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


def hide() -> None:
    """Makes importing Keras or this package fail from now on."""
    sys.meta_path[:] = map(_Without, sys.meta_path)


def write_answers(runner: str, artefact: str, folder: str | pathlib.Path, *signatures: str) -> None:
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
    """Loads the runner from its file, because its package cannot be imported."""
    file = pathlib.Path(__file__).with_name("runners") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"runner_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    hide()
    write_answers(*sys.argv[1:])

"""Helpers for the tests of several formats."""

import numpy as np
from PIL import Image

from keras_reid.export.context import ExportContext
from keras_reid.export.parity_images import test_images


def context(model, folder=None, **changes):
    """An `ExportContext` with test images of the model, and training images in a folder, if one is given."""
    paths = []
    rng = np.random.default_rng(0)
    for index in range(12 if folder else 0):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 4, 3), np.uint8))
        coarse.resize(model.image_size[::-1], Image.BICUBIC).save(folder / f"{index}.png")
        paths.append(str(folder / f"{index}.png"))
    return ExportContext(images=test_images(model), training_images=tuple(paths), **changes)


def with_weights(model, seed=0):
    """The model with random statistics, scales and offsets; initial values would hide mistakes."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if any(name in variable.path for name in ("moving", "gamma", "beta")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model

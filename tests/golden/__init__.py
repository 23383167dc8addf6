"""What the original computes for whole models, and the weights and images it computed that from.

`models/*.json` hold its options, the names and shapes of its state dict, and its outputs. Weights and images
are regenerated from names and positions, so that nothing heavy is stored.
"""

import json
import pathlib
import zlib

import numpy as np

_FOLDER = pathlib.Path(__file__).parent / "models"


def load(case):
    """The stored dict of a case such as "bot_r50"."""
    return json.loads((_FOLDER / f"{case}.json").read_text())


def state_dict(golden):
    """The weights of a case: `{name: array}` in the original's layout."""
    return {name: _weight(name, shape) for name, shape in golden["state_dict_shapes"].items()}


def state_of_targets(golden, targets, others=None):
    """As `state_dict`, of a case that stores a hash of its names in the place of all names and shapes.

    The shapes are those that the `{name: Target}` of a network here want, besides `others`, which it has no place for;
    the names must be the original's.
    """
    shapes = {name: target.shapes()[0] for name, target in targets.items()} | (others or {})
    assert len(shapes) == golden["names"]
    assert zlib.crc32("\n".join(sorted(shapes)).encode()) == golden["names_crc32"]
    return {name: _weight(name, shape) for name, shape in shapes.items()}


def _weight(name, shape):
    last = name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, "int64")
    noise = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF).standard_normal(shape)
    if last == "running_var":
        value = 1 + 0.2 * np.abs(noise)
    elif last in ("running_mean", "bias"):
        value = 0.1 * noise
    elif last == "p":
        value = np.full(shape, 2.5)
    elif len(shape) == 1:
        value = 1 + 0.1 * noise
    else:
        gain = 0.02 if ".NL_" in name else 1.6
        value = noise * np.sqrt(gain / np.prod(shape[1:]))
    return value.astype("float32")


def images(golden):
    """The input images of a case, float32 0-255 `(batch, height, width, 3)`."""
    b, y, x, c = np.meshgrid(*(np.arange(n) for n in golden["input_shape_nhwc"]), indexing="ij")
    waves = (
        127.5
        + 60 * np.sin(0.11 * x + 0.7 * b + c)
        + 50 * np.cos(0.07 * y - 0.5 * c + 0.3 * b)
        + 15 * np.sin(0.9 * x + 0.8 * y)
    )
    return np.clip(waves, 0, 255).astype("float32")


def config(golden):
    """The case's options as a nested dict with the original's option names."""
    size = golden["input_shape_nhwc"][1:3]
    return {
        "MODEL": {
            "META_ARCHITECTURE": golden["meta_architecture"],
            "BACKBONE": {key.upper(): value for key, value in golden["backbone"].items()},
            "HEADS": {key.upper(): value for key, value in golden["head"].items()},
        },
        "INPUT": {"SIZE_TEST": size},
    }


def relative_error(actual, expected):
    """`||actual − expected|| / ||expected||`."""
    actual, expected = np.asarray(actual, "float64"), np.asarray(expected, "float64")
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))

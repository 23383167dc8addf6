"""Whether an image looks like those of the calibration: elsewhere its distances say nothing."""

import base64
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError

# Chosen on the development half of benchmarks/verdicts.py.
_DOWN, _ACROSS, _DIRECTIONS = 8, 4, 6
_SOFT = 0.002  # added to strengths (0 … 1) before the logarithm: below it they are noise
_KEPT = 300  # images
_FALSE_ALARMS = 0.005  # of single images; a pair has two
_LEAST_IDENTITIES = 10
_LEAST_DEVIATION = (
    0.1  # of a logarithm: what never varies in the calibration, such as black bars, may vary a little
)
_LEAST_DISTANCE = 1e-6  # equal images would leave 0
_STEPS = 16  # of a kept number, in a standard deviation


def appearance(images: np.ndarray) -> np.ndarray:
    """How strong the edges of each direction are in each place: 192 numbers.

    In each cell of a grid, 8 down and 4 across: `log(mean strength of edges + 0.002)` for 6 directions. An edge is the
    central difference of brightness (mean of R, G and B, 0 … 1); it counts for the two directions next to its own.

    Args:
        images: uint8 `(n, height, width, 3)`, RGB, in the model's size, at least 9 high and 5 wide.

    Returns:
        `(n, 192)` float32.

    Raises:
        UserError: another shape, or smaller images.

    Example:
        >>> appearance(np.zeros((2, 128, 64, 3), np.uint8)).shape
        (2, 192)

    Source: Dalal and Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.
    """
    images = np.asarray(images)
    small = images.ndim == 4 and (images.shape[1] <= _DOWN or images.shape[2] <= _ACROSS)
    if images.ndim != 4 or images.shape[-1] != 3 or small:
        raise UserError(
            "`images` must have the shape (n, height, width, 3), and be at least 9 pixels high and 5 wide. "
            f"Received: shape={images.shape}."
        )
    bright = images.mean(axis=-1, dtype=np.float32) / 255
    right, down = np.zeros_like(bright), np.zeros_like(bright)
    right[:, :, 1:-1] = bright[:, :, 2:] - bright[:, :, :-2]
    down[:, 1:-1] = bright[:, 2:] - bright[:, :-2]
    strength = np.hypot(right, down)
    direction = np.arctan2(down, right) % np.pi * (_DIRECTIONS / np.pi)
    cells = []
    for number in range(_DIRECTIONS):
        away = np.abs(direction - number)
        share = np.maximum(0, 1 - np.minimum(away, _DIRECTIONS - away))
        cells.append(_cells(strength * share))
    return np.log(np.stack(cells, axis=-1).reshape(len(images), -1) + np.float32(_SOFT))


def appearances(paths: Sequence[str], image_size: tuple[int, int], batch_size: int = 128) -> np.ndarray:
    """`appearance` of image files, resized as for the model.

    Args:
        paths: image files.
        image_size: (height, width) of the model.
        batch_size: images in a batch.

    Returns:
        `(n, 192)` float32.
    """
    from keras_reid.data.pipeline import test_batches

    paths = [str(path) for path in paths]
    parts = [appearance(np.asarray(images)) for images in test_batches(paths, image_size, batch_size)]
    return np.concatenate(parts)


def fit_domain(looks: np.ndarray, identities: np.ndarray) -> dict[str, Any] | None:
    """Describes the images of a calibration, and how far an image may lie from them.

    Each number is scaled to a mean of 0 and a standard deviation of 1. Up to 300 images are kept, each the one that is
    farthest from all before it, so that they cover what there is. The distance of an image is that to the nearest of
    them. The level is the distance that 0.5 % of other images of the same kind would exceed: from the distances of the
    calibration's images, where images of the same identity do not count, with quantiles q of their logarithms and z of
    the normal distribution,

    `log level = q₀.₅ + (q₀.₉₅ − q₀.₅) z₀.₉₉₅ / z₀.₉₅`

    Args:
        looks: `(n, 192)` of `appearance`.
        identities: `(n,)` integers.

    Returns:
        A dict for JSON, of about 80 kB: `mean` and `deviation` of the numbers; `kept`, the images in steps of 1/16
        standard deviation, int8 row by row in base64; `level`. None if there are fewer than 10 identities.

    Source: Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML 2022, for the distance;
    Roth et al., "Towards total recall in industrial anomaly detection", CVPR 2022, for the choice of what is kept.
    The original has no such check.
    """
    looks, identities = np.asarray(looks, np.float32), np.asarray(identities)
    if len(np.unique(identities)) < _LEAST_IDENTITIES:
        return None
    mean, deviation = looks.mean(axis=0), np.maximum(looks.std(axis=0), _LEAST_DEVIATION)
    scaled = (looks - mean) / deviation
    places = _spread(scaled)
    kept = np.clip(np.rint(_STEPS * scaled[places]), -127, 127).astype(np.int8)
    distances = _distances(scaled, kept)
    distances[identities[:, None] == identities[places]] = np.inf
    level = _level(distances.min(axis=1))
    return {
        "mean": [round(float(value), 4) for value in mean],
        "deviation": [round(float(value), 4) for value in deviation],
        "kept": base64.b64encode(kept.tobytes()).decode(),
        "level": level,
    }


def outlyingness(domain: Mapping[str, Any], looks: np.ndarray) -> NDArray[np.float32]:
    """How far images are from those of the calibration; above 1 they are outside.

    Args:
        domain: from `fit_domain`.
        looks: `(n, 192)` of `appearance`.

    Returns:
        `(n,)` float32, the distance divided by the level.
    """
    mean, deviation = (np.asarray(domain[name], np.float32) for name in ("mean", "deviation"))
    kept = np.frombuffer(base64.b64decode(domain["kept"]), np.int8).reshape(-1, len(mean))
    scaled = (np.asarray(looks, np.float32) - mean) / deviation
    return _distances(scaled, kept).min(axis=1) / np.float32(domain["level"])


def is_domain(stored: Mapping[str, Any] | None) -> bool:
    """Whether a calibration's domain is in this form; the first ones described images by other numbers."""
    return stored is not None and "kept" in stored


def _level(distances):
    # The quantile itself would rest on the nine farthest of 1800 images, often all of one or two odd identities.
    known = distances[np.isfinite(distances)]  # infinite for the identity of all images that are kept
    middle, far = np.quantile(np.log(np.maximum(known, _LEAST_DISTANCE)), (0.5, 0.95))
    normal = statistics.NormalDist().inv_cdf
    return float(np.exp(middle + (far - middle) * normal(1 - _FALSE_ALARMS) / normal(0.95)))


def _spread(scaled):
    """The rows of up to `_KEPT` images: the one nearest to the mean, and then always the farthest from those before."""
    places = [int(np.argmin(np.sum(scaled**2, axis=1)))]
    apart = np.sum((scaled - scaled[places[0]]) ** 2, axis=1)
    while len(places) < _KEPT and apart.max() > 0:
        places.append(int(np.argmax(apart)))
        apart = np.minimum(apart, np.sum((scaled - scaled[places[-1]]) ** 2, axis=1))
    return np.array(places)


def _distances(scaled, kept):
    """`(n, kept)` mean squared differences."""
    kept = kept.astype(np.float32) / _STEPS
    squares = np.sum(scaled**2, axis=1)[:, None] + np.sum(kept**2, axis=1) - 2 * scaled @ kept.T
    return np.maximum(squares, 0) / scaled.shape[1]


def _cells(values):
    """`(n, 32)` means over the grid; what is left over at the right and the lower edge does not count."""
    n, height, width = values.shape
    high, wide = height // _DOWN, width // _ACROSS
    cut = values[:, : high * _DOWN, : wide * _ACROSS].reshape(n, _DOWN, high, _ACROSS, wide)
    return cut.mean(axis=(2, 4)).reshape(n, -1)

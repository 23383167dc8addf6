"""Whether an image looks like those of the calibration: elsewhere its distances say nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_reid.utils.errors import UserError

_DOWN, _ACROSS = 8, 4  # cells
_FOLDS = 5
_FLOOR = 0.05  # of the mean variance, added to each direction: rare directions are known badly
_FALSE_ALARMS = 0.005  # of single images; a pair has two
_DIGITS = 6


def appearance(images: np.ndarray) -> np.ndarray:
    """How coarse or fine an image is in each place: 96 numbers.

    The brightness (mean of R, G and B, 0 … 1) in each cell of a grid, 8 down and 4 across: its standard deviation, and
    its mean absolute differences to the right and downwards. Colours are left out: with them fewer strange images are
    found.

    Args:
        images: uint8 `(n, height, width, 3)`, RGB, in the model's size, at least 9 high and 5 wide.

    Returns:
        `(n, 96)` float64.

    Raises:
        UserError: another shape, or smaller images.

    Example:
        >>> appearance(np.zeros((2, 128, 64, 3), np.uint8)).shape
        (2, 96)
    """
    images = np.asarray(images)
    small = images.ndim == 4 and (images.shape[1] <= _DOWN or images.shape[2] <= _ACROSS)
    if images.ndim != 4 or images.shape[-1] != 3 or small:
        raise UserError(
            "`images` must have the shape (n, height, width, 3), and be at least 9 pixels high and 5 wide. "
            f"Received: shape={images.shape}."
        )
    bright = images.astype(np.float32).mean(axis=-1) / 255
    right, down = np.abs(np.diff(bright, axis=2)), np.abs(np.diff(bright, axis=1))
    variance = _cells(bright**2) - _cells(bright) ** 2
    deviation = np.sqrt(np.maximum(variance, 0))
    return np.concatenate([deviation, _cells(right), _cells(down)], axis=1).astype(np.float64)


def appearances(paths: Sequence[str], image_size: tuple[int, int], batch_size: int = 128) -> np.ndarray:
    """`appearance` of image files, resized as for the model.

    Args:
        paths: image files.
        image_size: (height, width) of the model.
        batch_size: images in a batch.

    Returns:
        `(n, 96)` float64.
    """
    from keras_reid.data.pipeline import test_batches

    paths = [str(path) for path in paths]
    parts = [appearance(np.asarray(images)) for images in test_batches(paths, image_size, batch_size)]
    return np.concatenate(parts)


def fit_domain(looks: np.ndarray, identities: np.ndarray) -> dict[str, Any] | None:
    """Describes the images of a calibration, and how far an image may lie from them.

    The distance is Mahalanobis': `|W (x − mean)|² / 96`, where W whitens the covariance, to which 5 % of its mean
    variance is added. The level is the distance that 0.5 % of the images exceed when they are held out: five times a
    fifth of the identities is measured with the mean and covariance of the others.

    Args:
        looks: `(n, 96)` of `appearance`.
        identities: `(n,)` integers.

    Returns:
        A dict for JSON, of about 50 kB: `mean`, `whitening` (the rows of W below and on its diagonal, one after the
        other), `level`. None if there are fewer than two identities for each fifth.

    Source: Lee et al., "A simple unified framework for detecting out-of-distribution samples and adversarial attacks",
    NeurIPS 2018, for the Mahalanobis distance of features. The original has no such check.
    """
    looks = np.asarray(looks, np.float64)
    found = np.unique(identities)
    if len(found) < 2 * _FOLDS:
        return None
    folds = np.random.default_rng(0).permutation(len(found))[np.searchsorted(found, identities)] % _FOLDS
    held_out = np.empty(len(looks))
    for fold in range(_FOLDS):
        mine = folds == fold
        held_out[mine] = _distances(looks[mine], *_describe(looks[~mine]))
    mean, whitening = _describe(looks)
    return {
        "mean": _rounded(mean),
        "whitening": _rounded(whitening[np.tril_indices(len(mean))]),
        "level": float(np.quantile(held_out, 1 - _FALSE_ALARMS)),
    }


def outlyingness(domain: Mapping[str, Any], looks: np.ndarray) -> np.ndarray:
    """How far images are from those of the calibration; above 1 they are outside.

    Args:
        domain: what `fit_domain` returned.
        looks: `(n, 96)` of `appearance`.

    Returns:
        `(n,)` float64, the distance divided by the level.
    """
    mean = np.asarray(domain["mean"], np.float64)
    whitening = np.zeros((len(mean), len(mean)))
    whitening[np.tril_indices(len(mean))] = domain["whitening"]
    return _distances(np.asarray(looks, np.float64), mean, whitening) / domain["level"]


def _describe(looks):
    """`(mean, W)`, where `Wᵀ W` is the inverse of the covariance with its floor."""
    mean = looks.mean(axis=0)
    # Scaled first, so that the floor is the same for all of them.
    scale = looks.std(axis=0) + 1e-6
    scaled = (looks - mean) / scale
    covariance = scaled.T @ scaled / len(looks)
    covariance += (_FLOOR * np.trace(covariance) / len(mean) + 1e-9) * np.eye(len(mean))
    return mean, np.linalg.inv(np.linalg.cholesky(covariance)) / scale


def _distances(looks, mean, whitening):
    return np.mean(((looks - mean) @ whitening.T) ** 2, axis=1)


def _cells(values):
    """`(n, 32)` means over the grid; what is left over at the right and the lower edge does not count."""
    n, height, width = values.shape
    high, wide = height // _DOWN, width // _ACROSS
    cut = values[:, : high * _DOWN, : wide * _ACROSS].reshape(n, _DOWN, high, _ACROSS, wide)
    return cut.mean(axis=(2, 4)).reshape(n, -1)


def _rounded(values):
    return [float(f"{value:.{_DIGITS}g}") for value in values]

"""What int8 also needs: typical images, and proof that retrieval has not become worse."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.export.parity_error import ParityError
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import write_json

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.export.context import ExportContext
    from keras_reid.models.reid_model import ReIDModel

CALIBRATION_IMAGES = 128
MOST_LOSS = 0.5  # points of mAP
NO_IMAGES = (
    "int8 needs typical images to choose its scales, and a model file outside a run has none: export a run, or name a "
    "folder with a few hundred training images after --calibration-images"
)


def calibration_pixels(
    paths: Sequence[str | os.PathLike[str]], image_size: tuple[int, int], most: int = CALIBRATION_IMAGES
) -> np.ndarray:
    """Pixels of up to 128 evenly chosen images, whose activations set the int8 scales.

    Args:
        paths: image files: the run's training images.
        image_size: `(height, width)` in pixels.
        most: largest number of images.

    Returns:
        uint8 `(images, height, width, 3)`.

    Raises:
        UserError: there are no images.

    Example:
        >>> calibration_pixels(["a.jpg", "b.jpg"], (256, 128)).shape  # doctest: +SKIP
        (2, 256, 128, 3)
    """
    from keras_reid.data.pipeline import test_batches

    if not len(paths):
        raise UserError(NO_IMAGES)
    rows = np.unique(np.linspace(0, len(paths) - 1, min(most, len(paths)), dtype=int))
    chosen = [str(paths[row]) for row in rows]
    return np.concatenate([np.asarray(images) for images in test_batches(chosen, tuple(image_size), 32)])


def check_calibration(precision: str, calibration: np.ndarray | None) -> None:
    """Checks that int8 has typical pixels, before the model is converted.

    Raises:
        UserError: it has none.
    """
    if precision == "int8" and calibration is None:
        raise UserError(
            "int8 needs `calibration`, typical pixels, uint8 (images, height, width, 3), to choose its scales: "
            "keras_reid.export.quantized.calibration_pixels reads them from image files. Received: None"
        )


def map_loss(
    artefact: Any, model: ReIDModel, test_sets: Sequence[ReIDDataset], exact: dict[int, float] | None = None
) -> dict[str, Any]:
    """Compares the mAP of an artefact with the model's on test sets, for `parity.json`.

    Cost: both embed every query and gallery image; only the artefact does if `exact` already has the model's mAP.

    Args:
        artefact: has `image_size` and `predict_on_batch` (pixels → embeddings).
        model: the `ReIDModel` that it was made from.
        test_sets: `ReIDDataset`s; empty if the model does not belong to a run.
        exact: dict of the model's mAP by `id` of the test set (names may repeat); missing entries are measured and
            added.

    Returns:
        dict with `map_loss`, which has for each test set `model`, `artefact` (mAP, 0 to 1) and `points` (lost, of 100).
        If it was not measured, `map_loss` is None and `map_loss_not_measured` gives the reason.

    Raises:
        ParityError: the artefact loses more than 0.5 points.

    Example:
        >>> map_loss(OnnxFile("int8.onnx"), model, [Market1501().read("datasets")])  # doctest: +SKIP
        {'map_loss': {'market1501': {'model': 0.861, 'artefact': 0.86, 'points': 0.1}}}
    """
    from keras_reid.evaluation import evaluate_dataset

    if not test_sets:
        reason = "a model file outside a run, or a run whose images cannot be read, has no test set"
        print(f"the loss of mAP was not measured: {reason}", flush=True)
        return {"map_loss": None, "map_loss_not_measured": reason}
    losses, exact = {}, {} if exact is None else exact
    for dataset in test_sets:
        if id(dataset) not in exact:
            exact[id(dataset)] = float(evaluate_dataset(model, dataset).result.mAP)
        right, approximate = exact[id(dataset)], float(evaluate_dataset(artefact, dataset).result.mAP)
        name, points = dataset.name, 100 * (right - approximate)
        losses[name] = {"model": right, "artefact": approximate, "points": points}
        print(
            f"mAP on {name}: {100 * right:.2f} % with the model, {100 * approximate:.2f} % in int8",
            flush=True,
        )
        if not points <= MOST_LOSS:
            raise ParityError(
                f"in int8 the mAP on {name} falls by {points:.2f} points, but at most {MOST_LOSS} is allowed. "
                "Nothing was exported; calibrate with other images, or export float16."
            )
    return {"map_loss": losses}


def add_map_loss(
    parity: dict[str, Any],
    folder: str | os.PathLike[str],
    artefact: Any,
    model: ReIDModel,
    context: ExportContext,
) -> None:
    """Adds `map_loss` on the context's test sets to `parity`, in place, and to the file `parity.json`."""
    parity |= map_loss(artefact, model, context.test_sets, context.exact_map)
    write_json(pathlib.Path(folder) / "parity.json", parity)

"""What all formats that take pixels share, from calibration to parity.json."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from keras_reid.export import quantized
from keras_reid.export.parity import verify

if TYPE_CHECKING:
    import numpy as np

    from keras_reid.export.context import ExportContext
    from keras_reid.models.reid_model import ReIDModel


def write_artefact(
    model: ReIDModel,
    folder: str | os.PathLike[str],
    precision: str,
    context: ExportContext,
    runner: str,
    export: Callable[[pathlib.Path, np.ndarray | None], None],
    load: Callable[[pathlib.Path], Any],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes and verifies an artefact; for int8, also calibrates before and measures mAP after.

    Args:
        model: a `ReIDModel`.
        folder: a new folder, which is created.
        precision: "float32", "float16" or "int8".
        context: an `ExportContext`.
        runner: the runner for the parity check; see `verify`.
        export: function `(folder, calibration)` that writes the artefact; `calibration` is None except for int8.
        load: function `(folder)` that loads the artefact for `quantized.map_loss`.
        facts: dict of further entries for `parity.json`.

    Returns:
        The content of `parity.json`.

    Raises:
        UserError: int8 has no images to calibrate with.
        ParityError: the embeddings differ by more than the precision allows.
    """
    folder, calibration = pathlib.Path(folder), None
    if precision == "int8":
        calibration = quantized.calibration_pixels(context.training_images, model.image_size)
        facts = {**facts, "calibration_images": len(calibration)}
    folder.mkdir()
    export(folder, calibration)
    parity = verify(context.images, folder, runner, precision, signatures=("pixels",), facts=facts)
    if precision == "int8":
        quantized.add_map_loss(parity, folder, load(folder), model, context)
    return parity

"""What all formats that take pixels share, from calibration to parity.json."""

import pathlib

from keras_reid.export import quantized
from keras_reid.export.parity import verify


def write_artefact(model, folder, precision, context, runner, export, load, facts):
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

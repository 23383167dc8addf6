"""What the formats that hold the pixel function alone have in common, from calibration to parity.json."""

import pathlib

from keras_reid.export import quantized
from keras_reid.export.parity import verify


def write_artefact(model, folder, precision, context, runner, export, load, facts):
    """Writes an artefact into a new folder and verifies it; int8 is calibrated before, and its mAP measured after.

    Args:
        model: a `ReIDModel`.
        folder: to be made.
        precision: "float32", "float16" or "int8".
        context: an `ExportContext`.
        runner: who runs it in the gate, as `verify` says.
        export: function `(folder, calibration)`, which writes it; `calibration` is None but for int8.
        load: function `(folder)`: the artefact as `quantized.map_loss` takes it.
        facts: dict of what else `parity.json` should say.

    Returns:
        The content of `parity.json`.

    Raises:
        UserError: int8 has no image to calibrate with.
        ParityError: the answers differ by more than the precision allows.
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

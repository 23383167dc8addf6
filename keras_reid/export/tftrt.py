"""TF-TRT: where it can be made, which is not here."""

from keras_reid.utils.errors import UserError

_FLAGS = {"float32": "FP32", "float16": "FP16", "int8": "INT8 --calibration-images FOLDER"}


def check(precision, options):
    """Refuses: this package needs TensorFlow 2.21, and the last TensorFlow with TensorRT inside was 2.17.

    So the conversion is a step that a TensorFlow 2.17 container runs on the exported SavedModel:
    `serving/tftrt/convert.py`, which needs neither this package nor Keras.

    Raises:
        UserError: always, with what to do.
    """
    raise UserError(
        "tftrt cannot be made here: TensorFlow 2.17 was the last with TensorRT in it, and this package needs a later "
        "one. Export a SavedModel (--format savedmodel) and convert it in the container of serving/tftrt, on a machine "
        "with a GPU: docker build -t keras-reid-tftrt serving/tftrt && docker run --rm --gpus all "
        f'-v "$PWD/exports:/exports" keras-reid-tftrt /exports/savedmodel/float32 /exports/tftrt/{precision} '
        f"--precision {_FLAGS[precision]}. For a GPU without TensorFlow use --format tensorrt."
    )


def write(model, folder, precision, context):
    """As `check`."""
    check(precision, None)

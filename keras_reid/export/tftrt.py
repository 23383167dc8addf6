"""TF-TRT: explains where to convert, because this package cannot."""

from keras_reid.utils.errors import UserError

_FLAGS = {"float32": "FP32", "float16": "FP16", "int8": "INT8 --calibration-images FOLDER"}


def check(precision, options):
    """Always raises an error: this package needs TensorFlow 2.21, but 2.17 was the last version with TensorRT.

    A container with TensorFlow 2.17 converts the exported SavedModel instead, with `serving/tftrt/convert.py`, which
    needs neither this package nor Keras.

    Raises:
        UserError: always; the message says what to do.
    """
    raise UserError(
        "tftrt cannot be made here: TensorFlow 2.17 was the last version with TensorRT, and this package needs a later "
        "one. Export a SavedModel (--format savedmodel) and convert it in the container of serving/tftrt, on a machine "
        "with a GPU: docker build -t keras-reid-tftrt serving/tftrt && docker run --rm --gpus all "
        f'-v "$PWD/exports:/exports" keras-reid-tftrt /exports/savedmodel/float32 /exports/tftrt/{precision} '
        f"--precision {_FLAGS[precision]}. For a GPU without TensorFlow use --format tensorrt."
    )


def write(model, folder, precision, context):
    """Always raises an error, as `check` does."""
    check(precision, None)

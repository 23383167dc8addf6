"""Converts an exported SavedModel with TF-TRT: `python convert.py SAVEDMODEL OUTPUT --precision FP16`.

Runs with TensorFlow 2.17 and TensorRT 8.6, without Keras and keras_reid: see the Dockerfile. All signatures are kept;
decode and metadata are not converted. The answers before and after the conversion are compared on batches of 1, 7 and
32 images. parity.json says how much they differ; if they differ too much, nothing is written.

FP32: numbers of unit vectors may differ by 1e-4 (TF32 is switched off). FP16: cosine at least 0.9995. INT8: cosine at
least 0.99, calibrated on --calibration-images, typical images such as a few hundred training images.
"""

import argparse
import errno
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
from unittest import mock

BATCHES = ((0, 1), (1, 8), (8, 40))
LEAST_COSINE = {"FP16": 0.9995, "INT8": 0.99}
TOLERANCE = 1e-4
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
CALIBRATION_BATCH, MOST_CALIBRATION = 8, 256


class Refused(Exception):
    """An error that is printed as one line, with exit code 2."""


def main(arguments):
    options = parse(arguments)
    source, target = options.savedmodel, options.output
    if not (source / "saved_model.pb").is_file():
        raise Refused(f"{source} is not a SavedModel: it contains no saved_model.pb")
    if target.exists():
        raise Refused(f"{target} exists: remove it or name another folder")
    check_hashes(source)
    files = []
    if options.calibration_images:
        files = sorted(f for f in options.calibration_images.rglob("*") if f.suffix.lower() in SUFFIXES)
    if options.precision == "INT8" and not files:
        raise Refused("INT8 needs typical images: name their folder after --calibration-images")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # compute in real float32, before and after
    import tensorflow as tf

    before = tf.saved_model.load(str(source))
    missing = {"serving_default", "pixels", "decode"} - set(before.signatures)
    if missing:
        raise Refused(
            f"{source} is not an export of keras_reid: it has no signature {', '.join(sorted(missing))}"
        )
    images = test_images(tf, before)
    expected = answers(tf, before, images)
    if options.check_only:
        print(f"{source} runs under TensorFlow {tf.__version__}: {expected.shape[1]} numbers per image")
        return
    need_tensorrt(tf)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        convert(tf, before, source, aside / "new", options, files)
        after = tf.saved_model.load(str(aside / "new"))
        missing = set(before.signatures) - set(after.signatures)
        if missing:
            raise Refused(f"the conversion lost the signatures {', '.join(sorted(missing))}")
        parity = compare(tf, expected, answers(tf, after, images), options.precision)
        if (source / "assets.extra").is_dir():
            shutil.copytree(source / "assets.extra", aside / "new" / "assets.extra")
        parity["sha256"] = hashes_of(aside / "new")
        (aside / "new" / "parity.json").write_text(json.dumps(parity, indent=2) + "\n")
        os.rename(aside / "new", target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    print(
        f"{target}: answers differ by at most {parity['max_difference']:.2g}, cosine {parity['min_cosine']:.6f}"
    )


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("savedmodel", type=pathlib.Path, help="folder of the exported SavedModel")
    parser.add_argument("output", type=pathlib.Path, help="folder to write to, which must not exist")
    parser.add_argument("--precision", choices=("FP32", "FP16", "INT8"), default="FP16")
    parser.add_argument("--calibration-images", type=pathlib.Path, metavar="FOLDER", help="for INT8")
    parser.add_argument(
        "--batch-sizes",
        type=int,
        nargs="+",
        default=[1, 8, 32],
        help="batch sizes to build engines for in advance",
    )
    parser.add_argument(
        "--check-only",
        action="store_true",
        help="only run the SavedModel under this TensorFlow, without a GPU",
    )
    return parser.parse_args(arguments)


def hashes_of(folder):
    """SHA-256 of each file except parity.json, by its path in the folder, as keras_reid.export writes them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / "parity.json")
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def check_hashes(source):
    """Rejects an export that has changed since it was verified, because it would be no valid reference."""
    try:
        noted = json.loads((source / "parity.json").read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        print(
            f"note: {source / 'parity.json'} has no hashes, so changes to the export since it was verified would go "
            "unnoticed"
        )
        return
    present = hashes_of(source)
    changed = sorted(name for name in noted.keys() | present.keys() if noted.get(name) != present.get(name))
    if changed:
        raise Refused(f"{source / changed[0]} has changed since the export was verified: export it again")


def need_tensorrt(tf):
    from tensorflow.compiler.tf2tensorrt import _pywrap_py_utils

    if not _pywrap_py_utils.is_tensorrt_enabled():
        raise Refused(
            f"this TensorFlow ({tf.__version__}) has no TensorRT: run this script in the container of its Dockerfile, "
            "on a machine with a GPU"
        )
    if not tf.config.list_physical_devices("GPU"):
        raise Refused("there is no GPU: TF-TRT must build its engines on the GPU that will serve them")


def convert(tf, before, source, target, options, files):
    """Converts the graph of the signature `pixels`, and saves it together with the other signatures."""
    from tensorflow.python.compiler.tensorrt import trt_convert

    converter = trt_convert.TrtGraphConverterV2(
        input_saved_model_dir=str(source),
        input_saved_model_signature_key="pixels",
        precision_mode=options.precision,
        use_calibration=options.precision == "INT8",
        use_dynamic_shape=True,
        dynamic_shape_profile_strategy="Range",
    )

    def typical():
        for start in range(0, min(len(files), MOST_CALIBRATION), CALIBRATION_BATCH):
            contents = [file.read_bytes() for file in files[start : start + CALIBRATION_BATCH]]
            yield {"images": decoded(tf, before, contents)}

    def built_for():
        for count in options.batch_sizes:
            yield {"images": tf.zeros((count, *image_size(before), 3), tf.uint8)}

    if options.precision == "INT8":
        converter.convert(calibration_input_fn=typical)
    else:
        converter.convert()
    converter.build(input_fn=built_for)

    # The converter saves only one signature. Its engines belong to that object, so add the others there.
    def save(trackable, folder, signatures, options=None):
        save_all(tf, before, trackable, signatures["pixels"], folder)

    with mock.patch.object(trt_convert.save, "save", save):
        converter.save(str(target), save_gpu_specific_engines=True)


def save_all(tf, before, trackable, pixels, target):
    """Saves the converted `pixels`, `serving_default` (which decodes first), and the other signatures unchanged."""
    trackable.before = before

    @tf.function(input_signature=[tf.TensorSpec((None, *image_size(before), 3), tf.uint8, name="images")])
    def from_pixels(images):
        return {"embedding": pixels(images=images)["embedding"]}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def from_bytes(image_bytes):
        return from_pixels(before.signatures["decode"](image_bytes=image_bytes)["images"])

    trackable.from_pixels, trackable.from_bytes = from_pixels, from_bytes
    signatures = dict(before.signatures) | {"pixels": from_pixels, "serving_default": from_bytes}
    tf.saved_model.save(trackable, str(target), signatures)


def image_size(model):
    (spec,) = model.signatures["pixels"].structured_input_signature[1].values()
    return tuple(spec.shape)[1:3]


def decoded(tf, model, contents):
    return model.signatures["decode"](image_bytes=tf.constant(contents))["images"]


def test_images(tf, model):
    """Smooth images and noise as PNG files; always the same ones."""
    height, width = image_size(model)
    random = tf.random.Generator.from_seed(0)
    files = []
    for index in range(BATCHES[-1][1]):
        coarse = (
            random.uniform((8, 4, 3), 0, 255) if index % 2 else random.uniform((height, width, 3), 0, 255)
        )
        image = tf.image.resize(coarse, (height, width), "bicubic")
        files.append(tf.io.encode_png(tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8)))
    return tf.stack(files)


def answers(tf, model, files):
    """Embeddings of both signatures, stacked."""
    parts = []
    for start, stop in BATCHES:
        parts.append(model.signatures["serving_default"](image_bytes=files[start:stop])["embedding"])
        parts.append(model.signatures["pixels"](images=decoded(tf, model, files[start:stop]))["embedding"])
    return tf.concat(parts, 0)


def compare(tf, expected, answer, precision):
    difference = float(tf.reduce_max(tf.abs(answer - expected)))
    cosine = float(tf.reduce_min(tf.reduce_sum(answer * expected, 1)))
    good = difference <= TOLERANCE if precision == "FP32" else cosine >= LEAST_COSINE[precision]
    if not good:  # NaN fails too
        raise Refused(
            f"the answers differ after the conversion: by up to {difference:.2g}, cosine down to {cosine:.5f}. "
            "Nothing was written"
        )
    return {
        "verified": True,
        "precision": precision,
        "max_difference": difference,
        "min_cosine": cosine,
        "compared_with": "the SavedModel before the conversion",
        "batch_sizes": sorted({stop - start for start, stop in BATCHES}),
        "versions": {"tensorflow": tf.__version__, "tensorrt": tensorrt_version()},
    }


def tensorrt_version():
    from tensorflow.compiler.tf2tensorrt import _pywrap_py_utils

    return ".".join(map(str, _pywrap_py_utils.get_linked_tensorrt_version()))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        # TensorFlow reports a full disk as a message without an error number.
        if getattr(error, "errno", None) != errno.ENOSPC and "No space left on device" not in str(error):
            raise
        print(f"error: the disk is full: {' '.join(str(error).split())[:300]}", file=sys.stderr)
        sys.exit(2)

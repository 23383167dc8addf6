"""`python -m keras_reid.export RUN_OR_MODEL --output DIR`: artefacts for serving, verified."""

import dataclasses
import os
import pathlib
from typing import Annotated, Literal

import tyro

from keras_reid.data.image_limits import MOST_MEGAPIXELS
from keras_reid.evaluation.image_files import find_images
from keras_reid.experiment.run_directory import find_run
from keras_reid.export.formats import FORMATS, check_combinations
from keras_reid.export.placing import check_target, put_in_place
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.trust_option import TrustCode

_LARGEST_BATCH = 4096
_NO_LIMIT = 2**31  # what a file or image may have at most in TensorFlow's decoders


@dataclasses.dataclass(frozen=True)
class Export:
    """Write a trained model for serving, and put it in place only if it gives the model's own embeddings.

    The artefact of each format and precision goes to OUTPUT/FORMAT/PRECISION, with parity.json: what was compared, and
    by how much it differed. An earlier export stands until a new one is verified, and is then replaced.
    """

    run_or_model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME) or a .keras file"""
    output: pathlib.Path
    """folder for the artefacts"""
    format: tuple[Literal[tuple(FORMATS)], ...] = ("savedmodel",)
    """savedmodel: TensorFlow, TensorFlow Serving, from image bytes or pixels to L2-normalised embeddings; the others
    from pixels: onnx: ONNX Runtime; litert: phones and small computers; tensorrt: NVIDIA GPUs; tftrt: a SavedModel with
    TensorRT inside"""
    precision: tuple[Literal["float32", "float16", "bfloat16", "int8"], ...] = ("float32",)
    """of weights and convolutions; not every format has every one"""
    allow_unverified: bool = False
    """also put in place what cannot run on this machine; its parity.json says "verified": false"""
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """batches that the server will ask for: the SavedModel carries a warm-up request of each, and TensorRT is tuned
    for them. Those of the server's batching configuration"""
    max_image_bytes: int = 20_000_000
    """larger files are refused by the SavedModel before they are decoded"""
    max_megapixels: float = MOST_MEGAPIXELS
    """so are images of more million pixels, by what their header says"""
    calibration_images: pathlib.Path | None = None
    """folder of some hundred typical images that int8 chooses its scales by; by default the run's training images"""
    trust_code: TrustCode = False


def main(arguments):
    options = command_line.parse(
        Export, arguments, prog="python -m keras_reid.export", config=(tyro.conf.FlagCreatePairsOff,)
    )
    targets = _check(options)
    # On a GPU a convolution rounds differently for each size of batch, and the comparison would measure that.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

    command_line.load_tensorflow()
    from keras_reid.export.context import ExportContext
    from keras_reid.export.parity_images import test_images
    from keras_reid.models import load_model

    model = load_model(options.run_or_model, trust_code=options.trust_code)
    print(f"loaded a model of {model.count_params():,} weights", flush=True)
    test_sets, training_images = _data(options)
    context = ExportContext(
        images=test_images(model, [str(s.path) for one in test_sets for s in (*one.query, *one.gallery)]),
        test_sets=test_sets,
        training_images=training_images,
        allow_unverified=options.allow_unverified,
        batch_sizes=options.batch_sizes,
        max_image_bytes=options.max_image_bytes,
        max_megapixels=options.max_megapixels,
    )
    for (form, precision), target in targets.items():
        replaced = target.exists()
        with put_in_place(target, FORMATS[form].marker) as folder:
            print(f"{form} {precision}: writing, and comparing with the model", flush=True)
            parity = FORMATS[form].write(model, folder, precision, context)
        context.written[form, precision] = target
        _print_result(target, parity, replaced)


def _check(options):
    """The folder of each format and precision, after everything was looked at that needs no model."""
    for name, what in (("format", "format"), ("precision", "precision"), ("batch_sizes", "size")):
        if not getattr(options, name):
            raise UserError(f"name at least one {what} after --{name.replace('_', '-')}")
    check_combinations(options.format, options.precision)
    if options.calibration_images is not None:
        find_images([options.calibration_images])
    for size in options.batch_sizes:
        if not 1 <= size <= _LARGEST_BATCH:
            raise UserError(f"--batch-sizes are numbers of images, 1 to {_LARGEST_BATCH}. Received: {size}")
    for name in ("max_image_bytes", "max_megapixels"):
        if not 0 < getattr(options, name) < _NO_LIMIT:
            raise UserError(
                f"--{name.replace('_', '-')} must be above 0 and below {_NO_LIMIT}. Received: {getattr(options, name)}"
            )
    find_model_file(options.run_or_model)
    targets = {
        (form, precision): options.output / form / precision
        for form in dict.fromkeys(options.format)
        for precision in dict.fromkeys(options.precision)
    }
    for (form, precision), target in targets.items():
        check_target(target, FORMATS[form].marker)
        FORMATS[form].check(precision, options)
    return targets


def _data(options):
    """The run's test sets, and paths to calibrate with; none of a model outside a run, or where they are missing."""
    test_sets, training_images = _run_data(options)
    if options.calibration_images is not None:
        training_images = tuple(find_images([options.calibration_images]))
    return test_sets, training_images


def _run_data(options):
    run = find_run(options.run_or_model)
    if run is None:
        return (), ()
    from keras_reid.run.data import read_dataset
    from keras_reid.utils.own_code import refusal

    if not run.may_execute(options.trust_code):
        print(
            f"the run's images are not known, generated ones take their place: {refusal(run / 'experiment.py')}",
            flush=True,
        )
        return (), ()
    data = run.experiment(options.trust_code).data
    readers = {id(reader): reader for reader in (data.dataset, *(data.test_datasets or [data.dataset]))}
    try:
        read = {key: read_dataset(reader, data.root) for key, reader in readers.items()}
    except UserError as error:
        print(f"the run's images cannot be read, generated ones take their place: {error}", flush=True)
        return (), ()
    tests = tuple(read[id(reader)] for reader in data.test_datasets or [data.dataset])
    return tests, tuple(str(sample.path) for sample in read[id(data.dataset)].train)


def _print_result(target, parity, replaced):
    """One line: where it is, how large, how near to the model."""
    megabytes = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 1e6
    words = f"{target}: {megabytes:.1f} MB{' in place of the earlier export' if replaced else ''}; "
    if not parity["verified"]:
        print(f"{words}not verified: {parity['reason']}")
        return
    sizes = sorted({batch["batch_size"] for batch in parity["batches"]})
    words += f"embeddings in batches of {', '.join(map(str, sizes))} "
    if parity["precision"] == "float32":
        words += f"differ by at most {parity['max_difference']:.1g}"
    else:
        words += f"have a cosine with the model's of at least {parity['min_cosine']:.5f}"
    print(words)


if __name__ == "__main__":
    command_line.run(main)

"""`keras-reid export RUN_OR_MODEL --output DIR`: verified artefacts for serving."""

import dataclasses
import os
import pathlib
from typing import Annotated, Literal

import tyro

from keras_reid.data.image_limits import MOST_MEGAPIXELS
from keras_reid.embedding.named_images import find_images
from keras_reid.experiment.run_directory import find_run
from keras_reid.export.formats import FORMATS, check_combinations
from keras_reid.export.hashes import note_model
from keras_reid.export.placing import check_target, put_in_place
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.model_file import find_model_file, fingerprint
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import is_published, resolved

_LARGEST_BATCH = 4096
_NO_LIMIT = 2**31  # the most bytes or pixels that TensorFlow's decoders accept


@dataclasses.dataclass(frozen=True)
class Export:
    """Export a trained model for serving, after checking that the artefact gives the model's own embeddings.

    The artefact of each format and precision goes to OUTPUT/FORMAT/PRECISION, together with parity.json, which says
    what was compared and how large the differences were. An earlier export is replaced only once the new one is
    verified.
    """

    run_or_model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME), a .keras file, or a published model: its name (`keras-reid zoo list`) or address"""
    output: pathlib.Path
    """folder for the artefacts"""
    format: tuple[Literal[tuple(FORMATS)], ...] = ("savedmodel",)  # type: ignore[valid-type]
    """savedmodel (TensorFlow and TensorFlow Serving) takes image bytes or pixels and returns L2-normalised embeddings;
    the others take pixels: onnx (ONNX Runtime), litert (phones and small computers), tensorrt (NVIDIA GPUs), tftrt (a
    SavedModel with TensorRT inside)"""
    precision: tuple[Literal["float32", "float16", "bfloat16", "int8"], ...] = ("float32",)
    """precision of weights and convolutions; not every format supports every precision"""
    allow_unverified: bool = False
    """also export what cannot run on this machine; its parity.json says "verified": false"""
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """batch sizes in the server's batching configuration: the SavedModel contains a warm-up request for each, and
    TensorRT is tuned for them"""
    max_image_bytes: int = 20_000_000
    """the SavedModel rejects larger files before it decodes them"""
    max_megapixels: float = MOST_MEGAPIXELS
    """the SavedModel rejects larger images before it decodes them, judging by their header"""
    calibration_images: pathlib.Path | None = None
    """folder with a few hundred typical images from which int8 chooses its scales; by default the run's training
    images"""
    trust_code: TrustCode = False
    offline: Offline = False
    accept_licence: AcceptLicence = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Export, arguments, prog="keras-reid export", config=(tyro.conf.FlagCreatePairsOff,)
    )
    targets = _check(options)
    options = resolved(options)
    find_model_file(options.run_or_model)
    # On a GPU, convolutions round differently for each batch size, which would distort the comparison.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

    command_line.load_tensorflow()
    from keras_reid.export.context import ExportContext
    from keras_reid.export.parity_images import test_images
    from keras_reid.models import load_model

    digest = fingerprint(find_model_file(options.run_or_model))
    model = load_model(options.run_or_model, trust_code=options.trust_code)
    print(f"loaded a model with {model.count_params():,} weights", flush=True)
    test_sets, training_images = _data(options)
    context = ExportContext(
        images=test_images(model, [str(s.path) for one in test_sets for s in (*one.query, *one.gallery)]),
        test_sets=test_sets,
        training_images=training_images,
        allow_unverified=options.allow_unverified,
        batch_sizes=options.batch_sizes,
        max_image_bytes=options.max_image_bytes,
        max_megapixels=options.max_megapixels,
        fingerprint=digest,
    )
    for (form, precision), target in targets.items():
        replaced = target.exists()
        with put_in_place(target, FORMATS[form].marker) as folder:
            print(f"{form} {precision}: writing, and comparing with the model", flush=True)
            parity = FORMATS[form].write(model, folder, precision, context)
            note_model(folder, digest)
        context.written[form, precision] = target
        _print_result(target, parity, replaced)


def _check(options):
    """Checks everything that does not need the model; returns the folder for each format and precision."""
    for name, what in (("format", "format"), ("precision", "precision"), ("batch_sizes", "size")):
        if not getattr(options, name):
            raise UserError(f"name at least one {what} after --{name.replace('_', '-')}")
    check_combinations(options.format, options.precision)
    if options.calibration_images is not None:
        find_images([options.calibration_images])
    for size in options.batch_sizes:
        if not 1 <= size <= _LARGEST_BATCH:
            raise UserError(f"--batch-sizes must be from 1 to {_LARGEST_BATCH} images. Received: {size}")
    for name in ("max_image_bytes", "max_megapixels"):
        if not 0 < getattr(options, name) < _NO_LIMIT:
            raise UserError(
                f"--{name.replace('_', '-')} must be above 0 and below {_NO_LIMIT}. Received: {getattr(options, name)}"
            )
    if not is_published(options.run_or_model):
        find_model_file(options.run_or_model)
    targets = {
        (form, precision): options.output / form / precision
        for form in dict.fromkeys(options.format)
        for precision in dict.fromkeys(options.precision)
    }
    for (form, precision), target in targets.items():
        check_target(target, FORMATS[form].marker)
        FORMATS[form].check(precision, options)
        if precision == "int8" and FORMATS[form].int8_needs_images:
            _check_calibration_images(options)
    return targets


def _check_calibration_images(options):
    """Raises an error if neither the options nor a readable run name images."""
    from keras_reid.export.quantized import NO_IMAGES
    from keras_reid.utils.own_code import refusal

    if options.calibration_images is not None:
        return
    run = find_run(options.run_or_model)
    if run is None:
        raise UserError(NO_IMAGES)
    if not run.may_execute(options.trust_code):
        raise UserError(
            f"int8 needs the run's training images to choose its scales: {refusal(run / 'experiment.py')}, or name "
            "a folder with a few hundred images after --calibration-images"
        )


def _data(options):
    """The run's test sets and calibration paths; empty for a model outside a run, or if the data is missing."""
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
            f"the run's images are unknown; using generated images instead: {refusal(run / 'experiment.py')}",
            flush=True,
        )
        return (), ()
    data = run.experiment(options.trust_code).data
    readers = {id(reader): reader for reader in (data.dataset, *(data.test_datasets or [data.dataset]))}
    try:
        read = {key: read_dataset(reader, data.root) for key, reader in readers.items()}
    except UserError as error:
        print(f"cannot read the run's images; using generated images instead: {error}", flush=True)
        return (), ()
    tests = tuple(read[id(reader)] for reader in data.test_datasets or [data.dataset])
    return tests, tuple(str(sample.path) for sample in read[id(data.dataset)].train)


def _print_result(target, parity, replaced):
    """Prints one line: where the artefact is, how large it is, and how close to the model."""
    megabytes = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 1e6
    words = f"{target}: {megabytes:.1f} MB{' (replaced the earlier export)' if replaced else ''}; "
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

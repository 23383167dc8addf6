"""`python -m keras_reid.export RUN_OR_MODEL --output DIR`: artefacts for serving, verified."""

import dataclasses
import os
import pathlib
from typing import Annotated, Literal

import tyro

from keras_reid import command_line
from keras_reid.errors import UserError
from keras_reid.model_file import find_model_file

_PRECISION = "float32"


@dataclasses.dataclass(frozen=True)
class Export:
    """Write a trained model for serving, and put it in place only if it gives the model's own embeddings.

    The artefact of each format goes to OUTPUT/FORMAT/float32, with parity.json: what was compared, and by how
    much it differed. An earlier export stands until a new one is verified, and is then replaced.
    """

    run_or_model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME) or a .keras file"""
    output: pathlib.Path
    """folder for the artefacts"""
    format: tuple[Literal["savedmodel"], ...] = ("savedmodel",)
    """savedmodel: TensorFlow, TensorFlow Serving; from image bytes or pixels to L2-normalised embeddings"""


def main(arguments):
    options = command_line.parse(
        Export, arguments, prog="python -m keras_reid.export", config=(tyro.conf.FlagCreatePairsOff,)
    )
    if not options.format:
        raise UserError("name at least one format after --format")
    find_model_file(options.run_or_model)
    # On a GPU a convolution rounds differently for each size of batch, and the comparison would measure that.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

    command_line.load_tensorflow()
    from keras_reid.models import load_model

    model = load_model(options.run_or_model)
    for form in dict.fromkeys(options.format):
        _WRITERS[form](model, options.output / form / _PRECISION)


def _write_savedmodel(model, target):
    from keras_reid.export.parity import verify_savedmodel
    from keras_reid.export.placing import put_in_place
    from keras_reid.export.savedmodel import export_savedmodel

    replaced = target.exists()
    with put_in_place(target, marker="saved_model.pb") as folder:
        print(f"writing the SavedModel of {model.count_params():,} weights", flush=True)
        export_savedmodel(model, folder)
        print("comparing it with the model, in a process without Keras", flush=True)
        parity = verify_savedmodel(model, folder)
    sizes = sorted({batch["batch_size"] for batch in parity["batches"]})
    megabytes = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 1e6
    print(
        f"{target}: {megabytes:.1f} MB{' in place of the earlier export' if replaced else ''}; "
        f"embeddings from JPEG, PNG and pixels in batches of {', '.join(map(str, sizes))} "
        f"differ by at most {parity['max_difference']:.1g}"
    )


_WRITERS = {"savedmodel": _write_savedmodel}

if __name__ == "__main__":
    command_line.run(main)

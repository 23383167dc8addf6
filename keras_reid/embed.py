"""`python -m keras_reid.embed RUN_OR_MODEL IMAGES… --output F.npz`: embeddings of image files."""

import dataclasses
import pathlib
from typing import Annotated

import tyro

from keras_reid import command_line
from keras_reid.errors import UserError
from keras_reid.evaluation.image_files import find_images
from keras_reid.model_file import find_model_file


@dataclasses.dataclass(frozen=True)
class Embed:
    """Write the embeddings of image files.

    The file holds `embeddings`, float32 of shape (images, dimensions) and unit length, so that the cosine
    similarity of two images is a dot product, and `paths`. It is written whole or not at all.
    """

    run_or_model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME) or a .keras file"""
    images: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="IMAGES")]
    """image files, and folders of them (with all their sub-folders)"""
    output: pathlib.Path
    """the .npz file to write"""
    batch_size: int = 64
    """images"""
    skip_unreadable: bool = False
    """leave unreadable images out and list them, instead of stopping"""


def main(arguments):
    options = command_line.parse(
        Embed, arguments, prog="python -m keras_reid.embed", config=(tyro.conf.FlagCreatePairsOff,)
    )
    if options.output.suffix != ".npz":
        raise UserError(f"--output must be a file that ends in .npz. Received: {options.output}")
    if options.batch_size < 1:
        raise UserError(f"--batch-size must be at least 1. Received: {options.batch_size}")
    if not options.images:
        raise UserError("name at least one image or folder after the run or model")
    find_model_file(options.run_or_model)
    paths = find_images(options.images)

    command_line.load_tensorflow()
    import numpy as np

    from keras_reid.data.checking import check_images
    from keras_reid.evaluation import embed_paths, l2_normalize
    from keras_reid.files import written_aside
    from keras_reid.models import load_model

    model = load_model(options.run_or_model)
    paths = [paths[index] for index in check_images(paths, skip_unreadable=options.skip_unreadable)]
    embeddings = l2_normalize(embed_paths(model, paths, options.batch_size))
    bad = ~np.isfinite(embeddings).all(axis=1)
    if bad.any():
        raise UserError(f"{paths[bad.argmax()]}: the model gives NaN or infinity. Did its training diverge?")
    with written_aside(options.output) as aside:
        np.savez(aside, embeddings=embeddings, paths=np.array(paths))
    print(f"{options.output}: {len(embeddings)} embeddings of {embeddings.shape[1]} numbers")


if __name__ == "__main__":
    command_line.run(main)

"""`keras-reid embed RUN_OR_MODEL IMAGES… --output F.npz`: embeddings of image files."""

import dataclasses
import pathlib
import sys
from typing import Annotated

import tyro

from keras_reid.embedding.named_images import ImageFile, find_images
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.model_file import find_model_file, fingerprint
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import resolved


@dataclasses.dataclass(frozen=True)
class Embed:
    """Write the embeddings of image files.

    The file holds `embeddings`, float32 of shape (images, dimensions) and unit length, so that the cosine
    similarity of two images is a dot product, and `paths`. The file appears only when it is complete. Until then,
    finished work is kept second by second in a hidden folder next to it: after a kill, the same command continues from
    there. Memory grows only by the paths of the images.
    """

    run_or_model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME), a .keras file, or a published model: its name (`keras-reid zoo list`) or address"""
    images: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="IMAGES")]
    """image files, and folders of them (with all their sub-folders)"""
    output: pathlib.Path
    """the .npz file to write"""
    batch_size: int = 64
    """images in a batch"""
    skip_unreadable: bool = False
    """leave unreadable images out and list them, instead of stopping"""
    trust_code: TrustCode = False
    offline: Offline = False
    accept_licence: AcceptLicence = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Embed, arguments, prog="keras-reid embed", config=(tyro.conf.FlagCreatePairsOff,)
    )
    if options.output.suffix != ".npz":
        raise UserError(f"--output must be a file that ends in .npz. Received: {options.output}")
    command_line.check_counts(options, "batch_size")
    if not options.images:
        raise UserError("name at least one image or folder after the run or model")
    paths = find_images(options.images)
    options = resolved(options)
    file = find_model_file(options.run_or_model)

    command_line.load_tensorflow()
    from keras_reid.embedding.store import EmbeddingStore
    from keras_reid.models import load_model

    model = load_model(options.run_or_model, trust_code=options.trust_code)
    folder = options.output.with_name(f".{options.output.stem}.part")
    command_line.continue_with("embed", arguments)
    with EmbeddingStore(folder, {"model": fingerprint(file)}, private=True) as store:
        try:
            count, dim = _embed(store, model, paths, options)
        except Exception:
            if not store.images:
                store.remove()
            raise
        store.remove()
    print(f"{options.output}: {count} embeddings of {dim} numbers")


def _embed(store, model, paths, options):
    from keras_reid.data.unreadable import check_images, say_left_out
    from keras_reid.embedding.computing import embed_into
    from keras_reid.embedding.npz_file import write_embeddings

    # Noted before the files are read, so that a later change is seen.
    images = {path: ImageFile.of(path) for path in paths}
    known = set(store.images)
    left = [image for image in images.values() if image not in known]
    if len(left) < len(images):
        print(
            f"{len(images) - len(left)} embeddings are there from before, {len(left)} are left",
            file=sys.stderr,
        )
    if not options.skip_unreadable:
        check_images([image.path for image in left])
    reasons = embed_into(store, model, left, options.batch_size)
    lines = [f"{path}: {reason}" for path, reason in reasons.items()]
    if lines and (not options.skip_unreadable or len(reasons) == len(images)):
        raise UserError(f"{len(lines)} of {len(images)} images cannot be read: {'; '.join(lines[:5])}")
    if lines:
        say_left_out(lines, len(images))
    rows = {image: row for row, image in enumerate(store.images)}
    paths = [path for path in paths if path not in reasons]
    embeddings = store.embeddings()
    write_embeddings(options.output, paths, embeddings, [rows[images[path]] for path in paths])
    return len(paths), embeddings.shape[1]


if __name__ == "__main__":
    command_line.run(main)

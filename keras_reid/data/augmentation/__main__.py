"""Draws a contact sheet of the augmentations, with one row per augmentation and one column per seed.

python -m keras_reid.data.augmentation sheet.png
python -m keras_reid.data.augmentation sheet.png --folder my_images
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import save_picture

PICTURES = (".png", ".jpg", ".jpeg")
BATCH = 8  # images; all but the first only supply patches


@dataclasses.dataclass(frozen=True)
class Options:
    """Draw a contact sheet of the augmentations, each with probability 1: one row per augmentation, one column per
    seed."""

    output: Annotated[pathlib.Path, tyro.conf.Positional]
    """file ending in .png or .jpg"""
    folder: pathlib.Path | None = None
    """show the first images of this folder by name, instead of synthetic people"""
    seeds: int = 8
    """number of seeds; the sheet has one more column, which shows the original image"""
    size: tuple[int, int] = (128, 64)
    """height and width in pixels"""


def main(arguments: Sequence[str]) -> None:
    options = command_line.parse(
        Options, arguments, prog="python -m keras_reid.data.augmentation", description=Options.__doc__
    )
    if options.output.suffix.lower() not in PICTURES:
        raise UserError(f"the contact sheet must end in .png or .jpg. Received: {options.output}")
    if options.seeds < 1 or min(options.size) < 1:
        raise UserError(f"--seeds and --size must be positive. Received: {options.seeds} and {options.size}")
    paths = _pictures_of(options.folder) if options.folder else []
    command_line.load_tensorflow()
    from keras_reid.data.augmentation.augmentation_sheet import contact_sheet

    sheet = contact_sheet(_read(paths, options.size) if paths else _draw(options.size), options.seeds)
    save_picture(sheet, options.output)
    print(f"{options.output}: {sheet.width} × {sheet.height} pixels")


def _pictures_of(folder):
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not paths:
        raise UserError(f"no file of {folder} ends in .png or .jpg")
    return paths[:BATCH]


def _read(paths, size):
    import numpy as np
    import tensorflow as tf

    from keras_reid.data.decoding import read_image
    from keras_reid.data.resizing import resize_image
    from keras_reid.data.unreadable import check_images

    check_images(paths, remedy="repair or remove them")
    images = []
    for path in paths:
        try:
            images.append(resize_image(read_image(str(path)), size).numpy())
        except (tf.errors.OpError, ValueError) as error:
            raise UserError(f"cannot read the image {path}: {error}") from error
    return np.stack(images)


def _draw(size):
    import numpy as np

    from keras_reid.data.synthetic.studio import Studio

    studio = Studio("person", seed=0)
    people = [studio.take("train", identity, 1 + identity % 6, 0, size) for identity in range(1, BATCH + 1)]
    return np.stack([np.asarray(person.convert("RGB")) for person in people])


if __name__ == "__main__":
    command_line.run(main)

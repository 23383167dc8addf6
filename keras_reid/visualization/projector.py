"""Pictures for TensorBoard: its embedding projector, and a sheet of a training batch."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_reid.utils.files import save_picture, written_aside
from keras_reid.visualization.thumbnails import thumbnail

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.evaluation.features import Features

# TensorBoard takes sprites of at most 8192 pixels a side.
_SIDE, _LARGEST = 64, 8192 // 64


def write_projector(
    directory: str | os.PathLike[str],
    dataset: ReIDDataset,
    query: Features,
    gallery: Features,
    images: int = 500,
) -> None:
    """Writes what TensorBoard's projector shows: embeddings of test images, with their pictures and labels.

    Identities are taken in the order of their numbers, with all their query and gallery images, up to `images` images.
    Writes `NAME.tsv` (embeddings of unit length), `NAME_metadata.tsv`, `NAME_sprite.png`, and adds them to
    `projector_config.pbtxt`.

    Args:
        directory: TensorBoard's folder of logs.
        dataset: a `ReIDDataset` with a test part.
        query: `Features` of its query part.
        gallery: of its gallery.
        images: the largest number of images, up to 16384.

    Time: a few milliseconds for each image, which has to be decoded.

    Example:
        >>> query, gallery = evaluation.query, evaluation.gallery  # doctest: +SKIP
        >>> write_projector("runs/mine/tensorboard", dataset, query, gallery)  # doctest: +SKIP
    """
    from google.protobuf import text_format
    from tensorboard.plugins import projector

    from keras_reid.embedding import l2_normalize

    directory = Path(directory)
    if dataset.query == dataset.gallery:  # show each image once
        gallery = gallery[:0]
    samples = [*dataset.query, *dataset.gallery]
    parts = ["query"] * len(dataset.query) + ["gallery"] * len(dataset.gallery)
    identities = np.concatenate([query.identities, gallery.identities])
    chosen = np.argsort(identities, kind="stable")[: min(images, _LARGEST**2)]
    embeddings = l2_normalize(np.concatenate([query.embeddings, gallery.embeddings])[chosen])

    name = dataset.name
    with written_aside(directory / f"{name}.tsv") as aside:
        np.savetxt(aside, embeddings, fmt="%.5g", delimiter="\t")
    lines = ["identity\tcamera\tpart\tfile"]
    for index in chosen:
        sample = samples[index]
        lines.append(f"{sample.identity}\t{sample.camera}\t{parts[index]}\t{Path(sample.path).name}")
    with written_aside(directory / f"{name}_metadata.tsv") as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    save_picture(_sprite([samples[index].path for index in chosen]), directory / f"{name}_sprite.png")

    file = directory / "projector_config.pbtxt"
    config = projector.ProjectorConfig()
    if file.is_file():
        text_format.Parse(file.read_text(encoding="utf-8"), config)
    others = [embedding for embedding in config.embeddings if embedding.tensor_name != name]
    del config.embeddings[:]
    config.embeddings.extend(others)
    embedding = config.embeddings.add()
    embedding.tensor_name = name
    embedding.tensor_path = f"{name}.tsv"
    embedding.metadata_path = f"{name}_metadata.tsv"
    embedding.sprite.image_path = f"{name}_sprite.png"
    embedding.sprite.single_image_dim.extend([_SIDE, _SIDE])
    projector.visualize_embeddings(str(directory), config)


def draw_batch(images: np.ndarray, names: Sequence[str], columns: int = 8, rows: int = 8) -> Image.Image:
    """A sheet of the first images of a training batch, each with its identity below.

    Args:
        images: uint8 `(batch, height, width, 3)`.
        names: of the identities, one for each image.
        columns: pictures in a row.
        rows: the largest number of rows.

    Returns:
        a `PIL.Image`.

    Example:
        >>> draw_batch(np.zeros((4, 64, 32, 3), "uint8"), ["7", "7", "8", "8"], columns=2).size
        (64, 156)
    """
    count = min(len(images), columns * rows)
    high, wide, text = images.shape[1], images.shape[2], 14
    sheet = Image.new("RGB", (columns * wide, math.ceil(count / columns) * (high + text)), "white")
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index in range(count):
        left, top = index % columns * wide, index // columns * (high + text)
        sheet.paste(Image.fromarray(np.asarray(images[index])), (left, top))
        # Cut to the width of the picture; a letter is about six pixels wide.
        drawing.text((left + 1, top + high), str(names[index])[: max(wide // 6, 1)], "black", font)
    return sheet


def _sprite(paths):
    columns = math.ceil(math.sqrt(len(paths)))
    sprite = Image.new("RGB", (columns * _SIDE, columns * _SIDE), "white")
    for index, path in enumerate(paths):
        picture = thumbnail(path, (_SIDE, _SIDE))
        left = index % columns * _SIDE + (_SIDE - picture.width) // 2
        sprite.paste(picture, (left, index // columns * _SIDE + (_SIDE - picture.height) // 2))
    return sprite

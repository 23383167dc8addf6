"""Small pictures of image files."""

import io
import statistics

from PIL import Image, ImageOps


def thumbnail(path, size, finer=1.0):
    """The upright RGB image of a file, scaled to fit into a frame with its proportions kept.

    Args:
        path: the image file.
        size: width and height of the frame, pixels.
        finer: up to so many times larger than the frame, if the file has the pixels.
    """
    with _open(path) as image:
        image = ImageOps.exif_transpose(image).convert("RGB")
        own = max(image.width / size[0], image.height / size[1])
        factor = min(max(own, 1.0), finer)
        frame = tuple(round(factor * length) for length in size)
        return ImageOps.contain(image, frame, Image.Resampling.BICUBIC)


def common_size(paths, height):
    """`(width, height)` of a tile that suits these images: the median of their proportions, 1:3 to 2:1."""
    ratios = []
    for path in paths:
        with _open(path) as image:
            ratios.append(image.width / image.height)
    return round(height * min(max(statistics.median(ratios), 1 / 3), 2)), height


def _open(path):
    if "#" not in str(path):
        return Image.open(path)
    from keras_reid.data.contents import read_contents  # a record, which TensorFlow reads

    return Image.open(io.BytesIO(read_contents(str(path)).numpy()))

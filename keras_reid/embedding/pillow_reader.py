"""Decoding and resizing without TensorFlow, for artefacts that need none."""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_reid.data.image_files import image_kind
from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.embedding.image_reader import ImageReader

_FORMATS = ("JPEG", "PNG", "BMP")
_ORIENTATION = 0x0112
# What makes an image upright, by the orientation that EXIF names.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PillowReader(ImageReader):
    """With Pillow: decoded to the bit as in training; resized pixels differ by at most 1 level, seldom."""

    def _decoded(self, contents: bytes) -> NDArray[np.uint8]:
        return self._of_size(decoded(contents))

    def _resized(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return self._of_size(Image.fromarray(pixels))

    def _of_size(self, image: Image.Image) -> NDArray[np.uint8]:
        height, width = self.image_size
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(image)


def decoded(contents: bytes) -> Image.Image:
    """The upright RGB picture in the bytes of a JPEG, PNG or BMP file: the pixels of `data.decoding.decode_image`.

    Raises:
        UnreadableImage: it is empty, damaged or of another format.

    Example:
        >>> decoded(open("0002_c1s1_000451_03.jpg", "rb").read()).size  # doctest: +SKIP
        (64, 128)
    """
    kind = image_kind(contents)
    if not contents:
        raise UnreadableImage("the file is empty")
    if kind not in _FORMATS:
        raise UnreadableImage(
            f"{kind} is not supported; convert it to PNG or JPEG" if kind else "not a JPEG, PNG or BMP image"
        )
    try:
        with Image.open(io.BytesIO(contents), formats=_FORMATS) as image:
            image.load()
            if kind == "BMP" and image.mode not in ("RGB", "RGBA"):
                raise UnreadableImage("not a BMP with 24 or 32 bits a pixel; convert it to PNG or JPEG")
            return _upright(_rgb(image), _orientation(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UnreadableImage):
            raise
        raise UnreadableImage("truncated or damaged") from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # grey of 16 bits, which Pillow would clip to white: the high byte is kept
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """1 … 8 as EXIF defines it; anything else, as of a damaged block, means nothing."""
    try:
        if image.format == "JPEG":
            return image.getexif().get(_ORIENTATION, 1)
        # Of a PNG its eXIf chunk alone counts, as in training; Pillow would look into its texts too.
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        return exif.get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, struct.error, KeyError, TypeError):
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image

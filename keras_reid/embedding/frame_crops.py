"""Boxes of a video frame → pixels of the model's size: cut and resized with Pillow, in threads, without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.utils.errors import UserError
from keras_reid.utils.threads import cores, in_threads

_LEAST = 2  # crops that are worth a thread


def pixel_boxes(boxes: ArrayLike, frame_size: tuple[int, int]) -> NDArray[np.int64]:
    """The whole pixels that boxes cover, within the frame.

    Left and top are rounded down, right and bottom up. What lies beyond the frame is cut off. At least one pixel stays:
    a box without area, or outside of the frame, gets the nearest pixels of the frame, because trackers count on one
    embedding for each box.

    Args:
        boxes: `(n, 4)`, left, top, right, bottom in pixels, as integers or floats; or an empty list.
        frame_size: `(height, width)` of the frame in pixels.

    Returns:
        int64 `(n, 4)`: left, top, right, bottom, so that `frame[top:bottom, left:right]` is the crop.

    Raises:
        UserError: another shape, a number that is not finite, or a box whose right is left of its left, or bottom above
            its top.

    Example:
        >>> pixel_boxes([[10.5, -3, 20.2, 50]], (40, 30)).tolist()
        [[10, 0, 21, 40]]
    """
    edges = np.asarray(boxes)
    if edges.size == 0:
        return np.empty((0, 4), np.int64)
    if edges.ndim != 2 or edges.shape[1] != 4 or edges.dtype.kind not in "iuf":
        raise UserError(
            "`boxes` must be numbers of shape (n, 4): left, top, right, bottom in pixels. Received: shape "
            f"{edges.shape}, {edges.dtype}."
        )
    edges = edges.astype(np.float64)
    wrong = ~np.isfinite(edges).all(1) | (edges[:, 2:] < edges[:, :2]).any(1)
    if wrong.any():
        place = int(wrong.argmax())
        raise UserError(
            "`boxes` must hold left, top, right, bottom in pixels, finite, with left <= right and top <= bottom. "
            f"Received: boxes[{place}] = {edges[place].tolist()}. Add left and top to a width and a height."
        )
    height, width = frame_size
    most = np.array([width, height], np.float64)
    starts = np.clip(np.floor(edges[:, :2]), 0, most - 1)
    ends = np.clip(np.ceil(edges[:, 2:]), starts + 1, most)
    return np.concatenate([starts, ends], axis=1).astype(np.int64)


def cut_boxes(frame: NDArray[np.uint8], boxes: ArrayLike) -> list[NDArray[np.uint8]]:
    """The crops of a frame, as views of it.

    Args:
        frame: uint8 `(height, width, 3)`, or grey `(height, width)`.
        boxes: as of `pixel_boxes`.

    Raises:
        UserError: as `pixel_boxes`; or the frame has another shape or dtype.

    Example:
        >>> [crop.shape for crop in cut_boxes(np.zeros((40, 30, 3), np.uint8), [[1, 2, 5, 20]])]
        [(18, 4, 3)]
    """
    frame = checked_pixels(frame, "the frame")
    return [
        frame[top:bottom, left:right]
        for left, top, right, bottom in pixel_boxes(boxes, (frame.shape[0], frame.shape[1])).tolist()
    ]


def checked_pixels(pixels: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """The pixels as an array.

    Args:
        pixels: uint8 `(height, width, 3)`, or grey `(height, width)` or `(height, width, 1)`.
        name: what an error calls them.

    Raises:
        UserError: they have another shape or dtype, or there are none.
    """
    pixels = np.asarray(pixels)
    grey = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 1)
    if pixels.dtype != np.uint8 or not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise UserError(
            f"{name} must be uint8 of shape (height, width, 3), or grey (height, width). Received: "
            f"{pixels.dtype} of shape {pixels.shape}."
        )
    if 0 in pixels.shape:
        raise UserError(f"{name} must have pixels. Received: shape {pixels.shape}.")
    return pixels


def resized_crops(
    crops: Sequence[NDArray[np.uint8]], size: tuple[int, int], bgr: bool = False
) -> NDArray[np.uint8]:
    """Resizes crops as the model's pixels are resized, within the tolerance of Pillow: 1 level of 255, seldom.

    Time: some 0.3 ms of one core for a crop of 200 × 85, in as many threads as there are cores.

    Args:
        crops: each uint8 `(height, width, 3)`, or grey `(height, width)` or `(height, width, 1)`; views will do.
        size: `(height, width)` in pixels.
        bgr: whether their channels are blue, green, red, as OpenCV has them. Defaults to False: red, green, blue.

    Returns:
        uint8 `(n, height, width, 3)`, red, green, blue.

    Example:
        >>> resized_crops([np.zeros((40, 30, 3), np.uint8)], (128, 64)).shape
        (1, 128, 64, 3)
    """
    pixels = np.empty((len(crops), *size, 3), np.uint8)
    # Each thread takes the next one; the largest come first, so that all end at about the same time.
    places = iter(sorted(range(len(crops)), key=lambda place: crops[place].size, reverse=True))

    def work(*_: int) -> None:
        for place in places:
            pixels[place] = _resized(crops[place], size, "BGR" if bgr else "RGB")

    in_threads(work, min(cores(), len(crops) // _LEAST), least=1)
    return pixels


def _resized(crop: NDArray[np.uint8], size: tuple[int, int], order: str) -> NDArray[np.uint8]:
    """`(height, width, 3)`, or of a grey crop `(height, width, 1)`."""
    from PIL import Image

    crop = np.ascontiguousarray(crop)
    (rows, columns), (height, width) = crop.shape[:2], size
    grey = crop.size == rows * columns
    # Pillow copies the pixels in any case, and so brings the channels into their order for nothing.
    image = Image.frombytes("L" if grey else "RGB", (columns, rows), crop.data, "raw", "L" if grey else order)
    if (rows, columns) != size:
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, -1)

"""An `Embedder` as trackers call it: a frame and boxes in, an embedding for each box out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.embedding.embedder import Embedder
from keras_reid.embedding.frame_crops import checked_pixels, cut_boxes, resized_crops


class Detections(Protocol):
    """What has boxes, such as `supervision.Detections`: only the attribute `xyxy`, `(n, 4)`, is read."""

    xyxy: Any


class FrameEmbedder:
    """Embeds the boxes of a video frame, under the names by which trackers ask for it.

    | tracker | call |
    |---|---|
    | your own | `embed(frame, boxes)` |
    | boxmot, a `reid_model` | `get_features(boxes, frame)`, `embed(frame, boxes=boxes)` |
    | roboflow's supervision, trackers and reid | `extract_embeddings(detections, frame)` |
    | deep-sort-realtime, `tracker.embedder` | `predict(crops)` |

    With an ONNX or a LiteRT file, neither TensorFlow nor Keras is imported. Crops are cut by
    `keras_reid.embedding.frame_crops`, which takes boxes beyond the frame and boxes without area, and are resized with
    Pillow whatever the model is: pixels differ seldom, by 1 level of 255, from those of training. Calls from several
    threads are safe. `benchmarks/tracks_plug.py` measures what a call costs beside the network.

    It is for cameras whose operator may follow the objects in view. It is not for finding out who a person is.

    Args:
        model: an `Embedder`, or what an `Embedder` takes: a loaded `ReIDModel`, or the path of a SavedModel, an `.onnx`
            or a `.tflite` file.
        bgr: whether frames and crops have the channels blue, green, red, as OpenCV reads them. False: red, green, blue.
            Grey ones may be mixed in. Defaults to True.

    Attributes:
        embedder: the `Embedder`, with its metadata and fingerprint.
        dim: length of an embedding.

    Raises:
        UserError: as `Embedder`.

    Example:
        >>> plug = FrameEmbedder("exports/quickstart/onnx/model.onnx")  # doctest: +SKIP
        >>> plug.embed(frame, [[10.0, 20.0, 60.0, 140.0]]).shape  # doctest: +SKIP
        (1, 512)
    """

    def __init__(self, model: Any, *, bgr: bool = True) -> None:
        self.embedder = model if isinstance(model, Embedder) else Embedder(model)
        self.dim = self.embedder.dim
        self._bgr = bgr

    def embed(self, frame: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        """The embeddings of boxes in a frame, in their order.

        Args:
            frame: uint8 `(height, width, 3)`, or grey `(height, width)`; the channels are as `bgr` says.
            boxes: `(n, 4)`, left, top, right, bottom in pixels, integers or floats; or an empty list. See
                `keras_reid.embedding.frame_crops.pixel_boxes` for boxes beyond the frame.

        Returns:
            `(n, dim)` float32 of unit length; `(0, dim)` for no box.

        Raises:
            UserError: the frame has another shape or dtype; or a box is not finite, or is left, top, width, height.
        """
        return self._embedded(cut_boxes(frame, boxes))

    def get_features(self, xyxys: ArrayLike, img: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`embed` under boxmot's name and in its order.

        Args:
            xyxys: `(n, 4)`, the boxes.
            img: the frame.
        """
        return self.embed(img, xyxys)

    def extract_embeddings(self, detections: Detections, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`embed` under roboflow's name.

        Args:
            detections: whatever has the boxes as `xyxy`.
            frame: the frame.
        """
        return self.embed(frame, detections.xyxy)

    def predict(self, np_images: Iterable[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """The embeddings of crops that the tracker cut itself, under deep-sort-realtime's name.

        Args:
            np_images: crops, each uint8 `(height, width, 3)`, or grey.

        Returns:
            For each crop `(dim,)` float32 of unit length.

        Raises:
            UserError: a crop has another shape or dtype, or no pixels, as that of a box outside of the frame.
        """
        crops = [checked_pixels(crop, f"np_images[{place}]") for place, crop in enumerate(np_images)]
        return list(self._embedded(crops))

    def _embedded(self, crops):
        return self.embedder(resized_crops(crops, self.embedder.image_size, self._bgr))

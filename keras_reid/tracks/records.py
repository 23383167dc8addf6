"""What the parts of this room hand on: boxes, crops and tracklets of one camera, as arrays.

Every array is checked, brought to its dtype, and read-only. What is given as an array of the right dtype is not copied.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of one camera's tracker, in the order of frames, and of tracks in a frame.

    Args:
        frame: int64 `(n,)`: the frame's place in the video or folder, from 0. (MOT files count from 1.)
        track: int64 `(n,)`: the tracker's id, at least 0; once a frame.
        xyxy: float32 `(n, 4)`: left, top, right, bottom in pixels; may reach beyond the picture.
        score: float32 `(n,)`: the detector's, 0 to 1; 1 where it gave none.

    Raises:
        UserError: an array has another shape or kind, a number is not finite, a box has no area, the order is wrong or
            a track is twice in a frame; the message names the row. `Boxes.sorted` brings rows into order.

    Example:
        >>> boxes = Boxes.sorted([1, 0], [7, 7], [[0, 0, 9, 20], [1, 0, 10, 20]], [0.5, 1.0])
        >>> boxes.frame.tolist(), len(boxes)
        ([0, 1], 2)
    """

    frame: NDArray[np.int64]
    track: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = _length(self.frame)
        _check_arrays(
            self,
            frame=(np.int64, (n,)),
            track=(np.int64, (n,)),
            xyxy=(np.float32, (n, 4)),
            score=(np.float32, (n,)),
        )
        _check_rows("boxes.frame", "must be at least 0", self.frame >= 0, self.frame)
        _check_rows("boxes.track", "must be at least 0", self.track >= 0, self.track)
        _check_rows("boxes.xyxy", "must be finite", np.isfinite(self.xyxy).all(axis=1), self.xyxy)
        solid = (self.xyxy[:, 2:] > self.xyxy[:, :2]).all(1)
        _check_rows("boxes.xyxy", "must have right above left and bottom above top", solid, self.xyxy)
        inside = (self.score >= 0) & (self.score <= 1)
        _check_rows("boxes.score", "must be 0 to 1", inside, self.score)
        frames, tracks = np.diff(self.frame), np.diff(self.track)
        twice = np.append((frames == 0) & (tracks == 0), False)
        _check_rows("boxes", "must have a track at most once a frame", ~twice, self.track)
        ordered = np.append((frames > 0) | (frames == 0) & (tracks > 0), True)
        _check_rows("boxes", "must be sorted by frame, then track (Boxes.sorted)", ordered, self.frame)

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def sorted(cls, frame: Any, track: Any, xyxy: Any, score: Any = None) -> Boxes:
        """Boxes of rows in any order; `score` is 1 by default. Arguments as of the class."""
        frame, track = np.asarray(frame), np.asarray(track)
        xyxy = np.asarray(xyxy, np.float32).reshape(-1, 4)
        score = np.ones(len(xyxy), np.float32) if score is None else np.asarray(score, np.float32)
        if not frame.shape == track.shape == score.shape == (len(xyxy),):
            raise UserError(
                "boxes must have as many frames, tracks and scores as rows of xyxy. Received: "
                f"{frame.shape}, {track.shape}, {score.shape} and {xyxy.shape}."
            )
        if not len(xyxy):  # an empty list has no kind
            frame, track = frame.astype(np.int64), track.astype(np.int64)
        order = np.lexsort((track, frame))
        return cls(frame[order], track[order], xyxy[order], score[order])


@dataclasses.dataclass(frozen=True, eq=False)
class Crops:
    """The boxes that were embedded, in their order.

    Args:
        box: int64 `(m,)`: row of the `Boxes`.
        seconds: float64 `(m,)`: since the start of the video.
        quality: float32 `(m,)`: 0 to 1.
        tracklet: int64 `(m,)`: row of the `Tracklets`.
        kept: bool `(m,)`: False for a crop that was left out of the mean as an outlier.
        embedding: float32 `(m, dim)`, of unit length.

    Raises:
        UserError: an array has another shape or kind, or a number is not finite or out of its range.
    """

    box: NDArray[np.int64]
    seconds: NDArray[np.float64]
    quality: NDArray[np.float32]
    tracklet: NDArray[np.int64]
    kept: NDArray[np.bool_]
    embedding: NDArray[np.float32]

    def __post_init__(self) -> None:
        m = _length(self.box)
        _check_arrays(
            self,
            box=(np.int64, (m,)),
            seconds=(np.float64, (m,)),
            quality=(np.float32, (m,)),
            tracklet=(np.int64, (m,)),
            kept=(np.bool_, (m,)),
            embedding=(np.float32, (m, -1)),
        )
        _check_rows(
            "crops.seconds", "must be finite and at least 0", _not_negative(self.seconds), self.seconds
        )
        inside = (self.quality >= 0) & (self.quality <= 1)
        _check_rows("crops.quality", "must be 0 to 1", inside, self.quality)
        rising = np.append(np.diff(self.box) > 0, True)
        _check_rows("crops.box", "must be sorted, each row of the boxes at most once", rising, self.box)

    def __len__(self) -> int:
        return len(self.box)

    def best(self) -> NDArray[np.int64]:
        """`(t,)` of each tracklet, the row of its best crop, of those that were kept if there are any: its picture."""
        order = np.lexsort((self.box, -self.quality, ~self.kept, self.tracklet))
        return order[np.unique(self.tracklet[order], return_index=True)[1]]


@dataclasses.dataclass(frozen=True, eq=False)
class Tracklets:
    """Parts of a track that show one object, each with one embedding.

    Args:
        track: int64 `(t,)`: the tracker's id that it came from; several rows where that was split.
        first_frame, last_frame: int64 `(t,)`: of its boxes, both included.
        first_second, last_second: float64 `(t,)`: since the start of the video.
        embedding: float32 `(t, dim)`, of unit length.
        spread: float32 `(t,)`: root mean squared cosine distance of the kept crops to the embedding.
        pictures: JPEG of each tracklet's best crop.

    Raises:
        UserError: an array has another shape or kind, a number is not finite, or an end lies before its start.
    """

    track: NDArray[np.int64]
    first_frame: NDArray[np.int64]
    last_frame: NDArray[np.int64]
    first_second: NDArray[np.float64]
    last_second: NDArray[np.float64]
    embedding: NDArray[np.float32]
    spread: NDArray[np.float32]
    pictures: tuple[bytes, ...]

    def __post_init__(self) -> None:
        t = _length(self.track)
        one: dict[str, Any] = {"track": np.int64, "first_frame": np.int64, "last_frame": np.int64}
        one |= {"first_second": np.float64, "last_second": np.float64, "spread": np.float32}
        forms = {name: (dtype, (t,)) for name, dtype in one.items()}
        _check_arrays(self, **forms, embedding=(np.float32, (t, -1)))
        frames = (self.first_frame >= 0) & (self.last_frame >= self.first_frame)
        _check_rows("tracklets.last_frame", "must not lie before first_frame", frames, self.last_frame)
        seconds = _not_negative(self.first_second) & (self.last_second >= self.first_second)
        seconds &= np.isfinite(self.last_second)
        _check_rows("tracklets.last_second", "must not lie before first_second", seconds, self.last_second)
        _check_rows("tracklets.spread", "must be at least 0", _not_negative(self.spread), self.spread)
        pictures = tuple(self.pictures)
        if len(pictures) != t or not all(isinstance(picture, bytes) for picture in pictures):
            raise UserError(
                f"tracklets.pictures must be bytes, one for each of {t} tracklets. Received: {len(pictures)}."
            )
        object.__setattr__(self, "pictures", pictures)

    def __len__(self) -> int:
        return len(self.track)


@dataclasses.dataclass(frozen=True, eq=False)
class Tracks:
    """Everything of one camera: what `keras-reid tracks` writes, and `keras-reid associate` reads.

    Args:
        camera: its name.
        start: when the video began, with a zone; None where that is not known.
        fps: frames per second; None where their times vary.
        frame_size: `(height, width)` in pixels, upright.
        source: the video or folder, for people.
        model: of the embeddings.
        boxes: every box of the file.
        box_tracklet: int64 `(n,)`: of every box, its row of the tracklets; -1 for none.
        crops: the boxes that were embedded.
        tracklets: what they make up.

    Raises:
        UserError: the parts do not fit together; the message says which.
    """

    camera: str
    start: datetime.datetime | None
    fps: float | None
    frame_size: tuple[int, int]
    source: str
    model: ModelIdentity
    boxes: Boxes
    box_tracklet: NDArray[np.int64]
    crops: Crops
    tracklets: Tracklets

    def __post_init__(self) -> None:
        boxes, crops, tracklets = self.boxes, self.crops, self.tracklets
        _check_arrays(self, box_tracklet=(np.int64, (len(boxes),)))
        if not self.camera:
            raise UserError("tracks.camera must be a name. Received: ''.")
        if self.start is not None and self.start.tzinfo is None:
            raise UserError(f"tracks.start must have a zone. Received: {self.start.isoformat()}.")
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise UserError(f"tracks.fps must be above 0, or None. Received: {self.fps}.")
        size = tuple(int(one) for one in self.frame_size)
        if len(size) != 2 or min(size) < 1:
            raise UserError(f"tracks.frame_size must be (height, width). Received: {self.frame_size}.")
        object.__setattr__(self, "frame_size", size)
        _check_places("tracks.box_tracklet", self.box_tracklet, -1, len(tracklets))
        _check_places("crops.box", crops.box, 0, len(boxes))
        _check_places("crops.tracklet", crops.tracklet, 0, len(tracklets))
        held = self.box_tracklet >= 0
        same = tracklets.track[self.box_tracklet[held]] == boxes.track[held]
        _check_rows(
            "tracks.box_tracklet", "must name tracklets of the box's track", same, self.box_tracklet[held]
        )
        same = tracklets.track[crops.tracklet] == boxes.track[crops.box]
        _check_rows("crops.tracklet", "must name tracklets of the box's track", same, crops.tracklet)
        shown = np.isin(np.arange(len(tracklets)), crops.tracklet)
        _check_rows("tracklets", "must have a crop each", shown, tracklets.track)
        self.model.checked(crops.embedding)
        self.model.checked(tracklets.embedding)


def _length(array: Any) -> int:
    shape = np.shape(array)
    return shape[0] if shape else -1


def _check_arrays(record: Any, **forms: tuple[Any, tuple[int, ...]]) -> None:
    """Brings each array to its dtype, and makes it read-only; -1 in a shape stands for any length."""
    name = type(record).__name__.lower()
    for field, (dtype, shape) in forms.items():
        array = np.asarray(getattr(record, field))
        # A number that is not whole must not become one silently.
        kinds = {"i": "iu", "f": "fiu", "b": "b"}[np.dtype(dtype).kind]
        if array.dtype.kind not in kinds:
            raise UserError(f"{name}.{field} must be {np.dtype(dtype)}. Received: {array.dtype}.")
        wanted = tuple(have if want == -1 else want for have, want in zip(array.shape, shape, strict=False))
        if array.shape != wanted or len(shape) != array.ndim:
            shown = ", ".join("any" if one == -1 else str(one) for one in shape)
            raise UserError(f"{name}.{field} must have shape ({shown}). Received: {array.shape}.")
        array = array.astype(dtype, copy=False).view()
        array.flags.writeable = False
        object.__setattr__(record, field, array)


def _check_rows(name: str, rule: str, right: Any, values: NDArray[Any]) -> None:
    if not right.all():
        row = int(np.argmin(right))
        raise UserError(f"{name} {rule}. Received: {values[row].tolist()} in row {row}.")


def _check_places(name: str, places: NDArray[np.int64], least: int, count: int) -> None:
    right = (places >= least) & (places < count)
    _check_rows(name, f"must be {least} to {count - 1}", right, places)


def _not_negative(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.isfinite(values) & (values >= 0)

"""A small camera: boxes, frames on disk, and an embedder that needs no network."""

import numpy as np
from PIL import Image

from keras_reid.gallery import ModelIdentity
from keras_reid.tracks.records import Boxes, Crops, Tracklets, Tracks

SIZE = (48, 64)  # (height, width) of the frames
COLOURS = ((220, 30, 30), (30, 220, 30), (30, 30, 220))


class Colours:
    """Embeds a crop as its mean colour; counts what it embeds."""

    dim, fingerprint, metadata = 3, "c" * 32, {}

    def __init__(self, most=None):
        self.embedded, self.most = 0, most

    def __call__(self, crops):
        self.embedded += len(crops)
        if self.most is not None and self.embedded > self.most:
            raise KeyboardInterrupt
        means = np.array([crop.mean((0, 1)) for crop in crops], np.float32).reshape(-1, 3)
        return means / np.linalg.norm(means, axis=1, keepdims=True)


IDENTITY = ModelIdentity("colours", Colours.fingerprint, Colours.dim)


def moving_boxes(count, tracks=2):
    """A box of each track in each of `count` frames, moving to the right."""
    frame = np.repeat(np.arange(count), tracks)
    track = np.tile(np.arange(tracks) + 1, count)
    left = 2.0 + frame % 20 + 20 * (track - 1)
    top = np.full(len(frame), 8.0)
    return Boxes.sorted(frame, track, np.stack([left, top, left + 16, top + 32], 1))


def pixels(boxes, index):
    """A frame with a plain colour for each track, and noise."""
    frame = np.random.default_rng(index).integers(90, 160, (*SIZE, 3)).astype(np.uint8)
    for row in np.flatnonzero(boxes.frame == index):
        left, top, right, bottom = boxes.xyxy[row].astype(int)
        frame[max(top, 0) : bottom, max(left, 0) : right] //= 4
        frame[max(top, 0) : bottom, max(left, 0) : right] += (
            np.array(COLOURS[boxes.track[row] - 1], np.uint8) // 2
        )
    return frame


def draw_frames(folder, boxes, count):
    """Writes the frames into a folder, as the MOT Challenge names them."""
    folder.mkdir(parents=True)
    for index in range(count):
        Image.fromarray(pixels(boxes, index)).save(folder / f"{index + 1:06d}.png")


def write_mot(path, boxes):
    """Writes boxes as MOT Challenge text."""
    sides = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    rows = zip(boxes.frame + 1, boxes.track, boxes.xyxy.tolist(), sides.tolist(), boxes.score, strict=True)
    path.write_text("".join(f"{f},{t},{x[0]},{x[1]},{s[0]},{s[1]},{c},-1,-1,-1\n" for f, t, x, s, c in rows))


def small_tracks(**changes):
    """A `Tracks` of two frames and one tracklet."""
    boxes = Boxes.sorted([0, 1], [7, 7], [[1, 0, 10, 20], [2, 0, 11, 20]])
    one = np.array([[0.6, 0.8, 0.0]], np.float32)
    crops = Crops(
        box=np.array([1]),
        seconds=np.array([0.2]),
        quality=np.array([0.5]),
        tracklet=np.array([0]),
        kept=np.array([True]),
        embedding=one,
    )
    tracklets = Tracklets(
        track=np.array([7]),
        first_frame=np.array([0]),
        last_frame=np.array([1]),
        first_second=np.array([0.0]),
        last_second=np.array([0.2]),
        embedding=one,
        spread=np.array([0.1]),
        pictures=(b"JPEG",),
    )
    fields = {"camera": "hall", "start": None, "fps": 5.0, "frame_size": SIZE, "source": "hall.mp4"}
    fields |= {"model": IDENTITY, "boxes": boxes, "box_tracklet": np.array([0, 0])}
    return Tracks(**fields | {"crops": crops, "tracklets": tracklets} | changes)

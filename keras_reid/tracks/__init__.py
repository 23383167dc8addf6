"""From video to identities: a tracker's boxes in, embedded tracklets out, and identities across cameras.

Light to import: neither Keras nor TensorFlow.

- `records`: what everything here hands on: `Boxes`, `Crops`, `Tracklets`, `Tracks`; `tracks_file`: the file of them.
- `boxes/`: readers of a tracker's boxes; `frames/`: of video files and folders of frames.
- `tracklets/`: from frames and boxes to `Tracks`: which boxes are embedded, what each is worth, one embedding for each
  tracklet.
- `clustering/`: groups items by calibrated evidence, without being told how many groups there are.
- `association/`: the tracklets of several cameras as identities, in files and in a gallery's store.
- `albums/`: pictures without names as groups; in a gallery's store people decide, and the next run keeps to it.
"""

from keras_reid.tracks.association import Association, associate, impossible_pairs
from keras_reid.tracks.boxes import boxes_of_detections, read_boxes
from keras_reid.tracks.frames import open_frames
from keras_reid.tracks.records import Boxes, Crops, Tracklets, Tracks
from keras_reid.tracks.tracklets import make_tracks
from keras_reid.tracks.tracks_file import read_tracks, write_tracks

__all__ = [
    "Association",
    "Boxes",
    "Crops",
    "Tracklets",
    "Tracks",
    "associate",
    "boxes_of_detections",
    "impossible_pairs",
    "make_tracks",
    "open_frames",
    "read_boxes",
    "read_tracks",
    "write_tracks",
]

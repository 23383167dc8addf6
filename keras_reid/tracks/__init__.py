"""From video to identities: a tracker's boxes in, embedded tracklets out, and identities across cameras.

Light to import: neither Keras nor TensorFlow.

- `records`: what everything here hands on: `Boxes`, `Crops`, `Tracklets`, `Tracks`; `tracks_file`: the file of them.
- `boxes/`: readers of a tracker's boxes; `frames/`: of video files and folders of frames.
- `sampling`, `crops`, `partial`: which boxes are embedded, and how, so that a kill loses little; `quality`: what each
  is worth.
- `summaries`: one embedding for each tracklet; `making`: from frames and boxes to `Tracks`.
- `association`: from the tracklets of several cameras to identities; `constraints`: which cannot be the same;
  `camera_shifts`: what a camera does to embeddings; `identity_files`, `gallery_entries`: where the result goes.
- `clustering`: average linkage under constraints; `prior`, `neighbours`: its evidence.
- `albums`, `neighbours`: pictures without names as groups; `album_pictures`, `album_store`, `decisions`, `regrouping`:
  a folder's pictures in a gallery's store, where people decide and the next run keeps to it.
"""

from keras_reid.tracks.association import Association, associate
from keras_reid.tracks.boxes import boxes_of_detections, read_boxes
from keras_reid.tracks.constraints import impossible_pairs
from keras_reid.tracks.frames import open_frames
from keras_reid.tracks.making import make_tracks
from keras_reid.tracks.records import Boxes, Crops, Tracklets, Tracks
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

"""From video to identities: a tracker's boxes in, embedded tracklets out, and identities across cameras.

Light to import: neither Keras nor TensorFlow.

- `records`: what everything here hands on: `Boxes`, `Crops`, `Tracklets`, `Tracks`; `tracks_file`: the file of them.
"""

from keras_reid.tracks.records import Boxes, Crops, Tracklets, Tracks
from keras_reid.tracks.tracks_file import read_tracks, write_tracks

__all__ = ["Boxes", "Crops", "Tracklets", "Tracks", "read_tracks", "write_tracks"]

"""Identities across cameras: `associate` against mutual nearest neighbours.

A seed is a scene of three cameras and forty people (`keras_reid.data.synthetic.Scene`), with a tracker that errs. Both
methods get the same tracklets of `keras-reid tracks`.

Mutual nearest neighbours: two tracklets of two cameras are the same if each is the nearest of the other in its camera
and their cosine distance is below a threshold; what is connected is one identity. "also in a camera" does the same
within each camera, which joins the pieces of broken tracks; "constrained" also forbids the pairs that `associate` may
not join. The threshold of each is the one with the highest mean IDF1 on the scenes of `CALIBRATION`, whose people and
cameras occur in no other.

IDF1 counts boxes (an IoU of at least 0.5) over all cameras; pairs are of tracklets, whose identity is that of most of
their boxes. The ceiling is the IDF1 if every tracklet bore the identity of most of its boxes.
"""

import csv
import dataclasses
import datetime
import functools
import pathlib
from collections.abc import Iterator

import numpy as np

from keras_reid.data.synthetic import Scene
from keras_reid.evaluation import Calibration, identity_scores, pair_scores
from keras_reid.tracks import Association, Tracks, read_tracks, write_tracks
from keras_reid.tracks.association.identity_files import global_ids
from keras_reid.utils import command_line

CALIBRATION = (101, 102, 103)  # seeds
_CAMERAS, _PEOPLE = 3, 40
_THRESHOLDS = np.linspace(0.02, 1.0, 50)
_NEIGHBOURS = {  # whether those of the same camera count, and whether constraints hold
    "mutual neighbours": (False, False),
    "mutual neighbours, also in a camera": (True, False),
    "mutual neighbours, also in a camera, constrained": (True, True),
}


@dataclasses.dataclass(frozen=True)
class Footage:
    """The tracklets of a scene and the truth about them.

    Args:
        folder: of the scene.
        tracks: of each camera.
        truth: camera → true boxes.
        owner: for each camera `(t,)`, the identity of most boxes of each tracklet.
    """

    folder: pathlib.Path
    tracks: list[Tracks]
    truth: dict[str, "Labelled"]
    owner: list[np.ndarray]

    @functools.cached_property
    def embeddings(self) -> np.ndarray:
        """Of all tracklets, `(n, dim)`."""
        return np.concatenate([one.tracklets.embedding for one in self.tracks])

    @functools.cached_property
    def cameras(self) -> np.ndarray:
        """The number of each tracklet's camera, `(n,)`."""
        return np.repeat(np.arange(len(self.tracks)), [len(one.tracklets.track) for one in self.tracks])

    def scores(self, labels: np.ndarray) -> tuple[float, float]:
        """IDF1 and pairwise F1 of labels `(n,)` of all tracklets, from 0."""
        parts = tuple(np.split(labels + 1, self._ends))
        ids = global_ids(
            self.tracks, Association(parts, (), 0.5)
        )  # as in the files of `keras-reid associate`
        predicted = {
            one.camera: Labelled(one.boxes.frame, some, one.boxes.xyxy)
            for one, some in zip(self.tracks, ids, strict=True)
        }
        pairs = pair_scores(np.concatenate(self.owner), labels)
        return identity_scores(self.truth, predicted).idf1, pairs.f1

    @property
    def _ends(self):
        return np.cumsum([len(one.tracklets.track) for one in self.tracks])[:-1]


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
    """Boxes with identities."""

    frame: np.ndarray
    track: np.ndarray
    xyxy: np.ndarray


def mutual_neighbours(
    footage: Footage, threshold: float, within: bool, forbidden: np.ndarray | None = None
) -> np.ndarray:
    """Labels `(n,)` of the tracklets by mutual nearest neighbours.

    Args:
        footage: the tracklets.
        threshold: greatest cosine distance.
        within: whether neighbours in the same camera count.
        forbidden: `(k, 2)` pairs that are not the same; they are no neighbours, but may be connected by others.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    distances = 1 - footage.embeddings @ footage.embeddings.T
    np.fill_diagonal(distances, np.inf)
    if forbidden is not None and len(forbidden):
        one, other = forbidden.T
        distances[one, other] = distances[other, one] = np.inf
    count, cameras = len(distances), footage.cameras
    # The nearest of each tracklet in each camera, for tracklets of that camera too.
    nearest = np.zeros_like(distances, dtype=bool)
    for camera in np.unique(cameras):
        members = np.flatnonzero(cameras == camera)
        best = members[distances[:, members].argmin(1)]
        nearest[np.arange(count), best] = True
    joined = nearest & nearest.T & (distances < threshold)
    if not within:
        joined &= cameras[:, None] != cameras
    return connected_components(coo_array(joined), directed=False)[1]


def best_threshold(scenes: list[Footage], within: bool, constrained: bool) -> float:
    """The threshold with the highest mean IDF1; the arguments are as of `mutual_neighbours`."""
    forbidden = [impossible(one) if constrained else None for one in scenes]

    def mean_idf1(threshold):
        return np.mean(
            [
                one.scores(mutual_neighbours(one, threshold, within, pairs))[0]
                for one, pairs in zip(scenes, forbidden, strict=True)
            ]
        )

    return float(max(_THRESHOLDS, key=mean_idf1))


def impossible(footage: Footage, travel: bool = False) -> np.ndarray:
    """Pairs of tracklets that cannot be the same one, `(k, 2)`."""
    from keras_reid.tracks.association import impossible_pairs, read_travel_times

    cameras = [one.camera for one in footage.tracks]
    times = read_travel_times(footage.folder / "travel.csv", cameras) if travel else None
    return impossible_pairs(footage.tracks, travel=times)


def measure(seeds: list[int], model: str, cache: pathlib.Path) -> Iterator[dict[str, object]]:
    """All figures of each scene.

    Args:
        seeds: of the scenes.
        model: run or model file, calibrated.
        cache: folder for scenes and, of this model, tracks.
    """
    from keras_reid.tracks.association import associate

    calibration = _calibration(model)
    before = [footage_of(seed, model, cache) for seed in CALIBRATION]
    thresholds = {kind: best_threshold(before, *settings) for kind, settings in _NEIGHBOURS.items()}
    for seed in seeds:
        one = footage_of(seed, model, cache)
        forbidden, travel = impossible(one), impossible(one, travel=True)
        labels = {
            "associate": _labels(associate(one.tracks, calibration, cannot_link=forbidden)),
            "associate, with travel times": _labels(associate(one.tracks, calibration, cannot_link=travel)),
            "associate, without constraints": _labels(associate(one.tracks, calibration)),
            "ceiling": np.concatenate(one.owner),
        }
        for kind, (within, constrained) in _NEIGHBOURS.items():
            pairs = forbidden if constrained else None
            labels[kind] = mutual_neighbours(one, thresholds[kind], within, pairs)
        scores = {name: one.scores(given) for name, given in labels.items()}
        for name, (idf1, f1) in scores.items():
            yield {"seed": seed, "measure": f"IDF1, {name}", "value": idf1, "limit": ""}
            yield {"seed": seed, "measure": f"pairwise F1, {name}", "value": f1, "limit": ""}
        for kind in _NEIGHBOURS:
            gain = 100 * (scores["associate"][0] - scores[kind][0])
            yield {"seed": seed, "measure": f"points of IDF1 above {kind}", "value": gain, "limit": ">= 10"}
            yield {"seed": seed, "measure": f"threshold, {kind}", "value": thresholds[kind], "limit": ""}
        for name, value in (
            ("tracks", sum(len(np.unique(camera.boxes.track)) for camera in one.tracks)),
            ("tracklets", len(one.embeddings)),
            ("identities found", len(np.unique(labels["associate"]))),
        ):
            yield {"seed": seed, "measure": name, "value": value, "limit": ""}


def footage_of(seed: int, model: str, cache: pathlib.Path) -> Footage:
    """The tracklets of a scene, drawn and embedded if the cache does not hold them."""
    scene = Scene(cameras=_CAMERAS, identities=_PEOPLE, seed=seed)
    folder, embedded = cache / f"scene-{seed}", cache / f"tracks-{seed}"
    if not folder.exists():
        scene.draw(folder)
    files = [embedded / f"{name}.npz" for name in scene.camera_names]
    for name, file in zip(scene.camera_names, files, strict=True):
        if not file.exists():
            _embed(folder, name, model, file)
    tracks = [read_tracks(file) for file in files]
    truth = {name: _true_boxes(folder / "truth" / f"{name}.txt") for name in scene.camera_names}
    owner = [_owners(one, folder / "truth" / f"{one.camera}_tracks.csv") for one in tracks]
    return Footage(folder, tracks, truth, owner)


def _labels(association):
    return np.concatenate(association.identity) - 1


@functools.cache
def _embedder(model):
    command_line.load_tensorflow()
    from keras_reid.embedding import Embedder
    from keras_reid.models import load_model

    return Embedder(load_model(model))


def _calibration(model):
    command_line.load_tensorflow()
    from keras_reid.models import load_model

    return Calibration.from_metadata(load_model(model).metadata)


def _embed(folder, name, model, file):
    from keras_reid.data.synthetic.scenes import START
    from keras_reid.tracks.boxes import read_boxes
    from keras_reid.tracks.frames import open_frames
    from keras_reid.tracks.tracklets import make_tracks

    tracks = make_tracks(
        open_frames(folder / name),
        read_boxes(folder / f"{name}.txt"),
        _embedder(model),
        camera=name,
        start=datetime.datetime.fromisoformat(START),
    )
    write_tracks(file, tracks)


def _true_boxes(file):
    table = np.loadtxt(file, delimiter=",", ndmin=2)
    corners = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    return Labelled(table[:, 0].astype(int) - 1, table[:, 1].astype(int), corners)


def _owners(tracks, file):
    """The identity of most boxes of each tracklet."""
    with open(file, newline="") as stream:
        who = {(int(r["frame"]) - 1, int(r["track"])): int(r["identity"]) for r in csv.DictReader(stream)}
    identity = np.array(
        [who[key] for key in zip(tracks.boxes.frame.tolist(), tracks.boxes.track.tolist(), strict=True)]
    )
    return np.array(
        [
            np.bincount(identity[tracks.box_tracklet == row]).argmax()
            for row in range(len(tracks.tracklets.track))
        ]
    )

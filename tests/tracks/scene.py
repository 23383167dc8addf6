"""Tracks of made-up people, for tests: who is who is known, and nothing is drawn."""

import dataclasses
import datetime
import io
import json
import zipfile

import numpy as np
from PIL import Image

from keras_reid.evaluation.calibration.calibration import Calibration
from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.tracks import Boxes, Crops, Tracklets, Tracks

DIM = 16
MODEL = ModelIdentity("runs/tests", "a" * 32, DIM)
START = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)


def calibration(metric="cosine"):
    """Same below a distance of one half, different above it."""
    table = ([0.0, 1.0], [6.0, -6.0])
    return Calibration(metric, False, 0.05, *table, 0.9, 0.1, 0.3, 1e-3, {}, {}, [], {})


def person(number, noise=0.0, seed=0):
    """An embedding of unit length; those of two people are orthogonal but for the noise."""
    row = np.zeros(DIM) + noise * np.random.default_rng([number, seed]).standard_normal(DIM)
    row[number] += 1
    return (row / np.linalg.norm(row)).astype(np.float32)


def tracks(camera, seen, start=START, fps=5.0, model=MODEL, noise=0.05):
    """A camera's tracks.

    Args:
        camera: its name.
        seen: for each tracklet `(person, first frame, last frame)`; its track is its place, from 1.
    """
    rows = [
        (frame, place + 1, place)
        for place, (_, first, last) in enumerate(seen)
        for frame in range(first, last + 1)
    ]
    frame, track, tracklet = np.array(sorted(rows), np.int64).reshape(-1, 3).T
    left = 10.0 * track + frame
    boxes = Boxes(
        frame, track, np.stack([left, left, left + 20, left + 50], axis=1), np.full(len(frame), 0.9)
    )
    count = len(frame)
    crops = Crops(
        box=np.arange(count),
        seconds=frame / fps,
        quality=np.where(frame % 7 == 3, 0.8, 0.5),
        tracklet=tracklet,
        kept=np.ones(count, bool),
        embedding=np.array([person(seen[one][0], noise, row) for row, one in enumerate(tracklet)]).reshape(
            -1, DIM
        ),
    )
    first, last = (np.array([one[place] for one in seen], np.int64) for place in (1, 2))
    return Tracks(
        camera=camera,
        start=start,
        fps=fps,
        frame_size=(400, 400),
        source=f"{camera}.mp4",
        model=model,
        boxes=boxes,
        box_tracklet=tracklet,
        crops=crops,
        tracklets=Tracklets(
            track=np.arange(1, len(seen) + 1),
            first_frame=first,
            last_frame=last,
            first_second=first / fps,
            last_second=last / fps,
            embedding=np.array(
                [person(who, noise, 1000 + row) for row, (who, *_) in enumerate(seen)]
            ).reshape(-1, DIM),
            spread=np.zeros(len(seen)),
            pictures=tuple(picture(row) for row in range(len(seen))),
        ),
    )


def only(tracks, kept):
    """Tracks of a part of the boxes; the tracklets stay as they are."""
    rows = np.flatnonzero(kept)
    fields = {
        one.name: getattr(tracks.crops, one.name)[rows]
        for one in dataclasses.fields(Crops)
        if one.name != "box"
    }
    return dataclasses.replace(
        tracks,
        boxes=Boxes(*(getattr(tracks.boxes, one.name)[rows] for one in dataclasses.fields(Boxes))),
        box_tracklet=tracks.box_tracklet[rows],
        crops=Crops(box=np.arange(len(rows)), **fields),
    )


def picture(shade):
    stream = io.BytesIO()
    Image.new("RGB", (16, 32), (shade, 2 * shade % 256, 100)).save(stream, "JPEG")
    return stream.getvalue()


def model_file(path, metadata=None, weights=b"weights"):
    """What commands read of a model's file without loading it."""
    config = {"class_name": "ReIDModel", "config": {"metadata": metadata or {}}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    return path
